"""Glyce's hosts that read words: saved folders carry their code, and give the same where the package is not installed.

The other families are in test_remote_code.py, whose tests want input_ids and a tagger. A further host adds its entry.
"""

import json

import pytest
import torch
import transformers
from remote_tools import HOOK_TABLES, run_without_package
from test_remote_code import assert_equal, closure

import hanziformers
from hanziformers import HanziGlyphImageProcessor, HanziProcessor
from hanziformers.registration import FAMILIES
from hanziformers.tokenization.tokenization_words import WordTokenizer

TEXTS = ["银行的行长很忙", "今天天气好龘"]
PAIRS = ["他是行长", "㐀天下雨"]
WORDS = ["银行", "行长", "今天", "天气", "很", "忙", "好", "天"]
SIZES = {"embedding_dim": 12, "hidden_size": 10, "glyph_size": 8, "glyph_dim": 16, "glyph_groups": 2}
HOSTS = {
    "bimpm": hanziformers.BiMpmConfig,
    "biaffine": hanziformers.BiaffineConfig,
    "srl": hanziformers.SrlConfig,
}  # model type -> configuration
MORE = {"srl": {"predicate": [0, 1]}}  # model type -> inputs beside those of the tokenizer

# argv: folder of the saved models, folder for what it saves itself
REMOTE = (
    HOOK_TABLES
    + """
source, target = sys.argv[1:]
task = json.load(open(f"{source}/task.json", encoding="utf-8"))
hooks, found = hook_tables(), {}
for folder, (kind, auto) in task["models"].items():
    path = f"{source}/{folder}"
    try:
        getattr(transformers, auto).from_pretrained(path)
    except ValueError as error:
        assert "trust_remote_code" in str(error), error
    else:
        raise AssertionError(f"{auto} trusts code without being told to")
    names = (auto, "AutoTokenizer", "AutoProcessor")
    model, *others = (getattr(transformers, name).from_pretrained(path, trust_remote_code=True) for name in names)
    for one in others:
        assert type(one).__module__.startswith("transformers_modules."), type(one)
        inputs = one(*task["inputs"][kind], padding=True, return_tensors="pt")
        inputs.update({key: torch.tensor(value) for key, value in task["more"].get(kind, {}).items()})
        with torch.no_grad():
            found[f"{folder}.{type(one).__name__}"] = {**inputs, **model.eval()(**inputs)}
        one.save_pretrained(f"{target}/{folder}")
    model.save_pretrained(f"{target}/{folder}")
assert hook_tables() == hooks
torch.save(found, f"{target}/found.pt")
"""
)


def make_processor():
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=8, binary=False)
    return HanziProcessor(image_processor, WordTokenizer({w: i for i, w in enumerate(["[PAD]", "[UNK]", *WORDS])}))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of every host's models, and what they give in this process."""
    folder, processor = tmp_path_factory.mktemp("hosts"), make_processor()
    inputs = {name: [TEXTS, PAIRS] if name == "bimpm" else [TEXTS] for name in HOSTS}
    models, wanted = {}, {}
    for name, config_class in HOSTS.items():
        sizes = {"vocab_size": len(WORDS) + 2, "glyph_vocab_size": processor.tokenizer.glyph_vocab_size}
        config = config_class(**{**SIZES, **sizes, "glyph_styles": ["song"]})
        for auto, cls in ((key.__name__, cls) for key, cls in FAMILIES[config_class].items()):
            if not auto.startswith("AutoModel"):
                continue
            model = cls(config).eval()
            model.base_model.set_glyphs(processor.render_bank())
            model.save_pretrained(folder / f"{name}-{auto}")
            processor.save_pretrained(folder / f"{name}-{auto}")
            models[f"{name}-{auto}"] = [name, auto]
            batch = processor(*inputs[name], padding=True, return_tensors="pt")
            batch.update({key: torch.tensor(value) for key, value in MORE.get(name, {}).items()})
            assert batch["extra_glyphs"].any()  # characters that the bank does not hold
            with torch.no_grad():
                found = {**batch, **model(**batch)}
            wanted |= {f"{name}-{auto}.{kind}": found for kind in ("WordTokenizer", "HanziProcessor")}
    (folder / "task.json").write_text(json.dumps({"models": models, "inputs": inputs, "more": MORE}), encoding="utf-8")
    return folder, models, wanted


def test_saved_folders_hold_their_code(saved):
    for name, (kind, _) in saved[1].items():
        code = closure("modeling", f"configuration_{kind}", f"modeling_{kind}")
        code |= closure("tokenization", "tokenization_words")
        code |= closure("processors", "image_processing_glyph", "processing_hanzi")
        assert {path.name for path in (saved[0] / name).glob("*.py")} == code
        maps = json.loads((saved[0] / name / "config.json").read_text())["auto_map"]
        own = {key.__name__: cls for key, cls in FAMILIES[HOSTS[kind]].items() if "Model" in key.__name__}
        assert maps == {
            "AutoConfig": f"configuration_{kind}.{HOSTS[kind].__name__}",
            **{auto: f"modeling_{kind}.{cls.__name__}" for auto, cls in own.items()},
        }


def test_everything_gives_the_same_without_the_package(saved, tmp_path):
    """Also what was saved there, where the package is installed."""
    folder, models, wanted = saved
    (tmp_path / "target").mkdir()
    run_without_package(REMOTE, folder, tmp_path / "target", folder=tmp_path / "run")
    assert_equal(torch.load(tmp_path / "target" / "found.pt"), wanted)
    for name, (kind, auto) in models.items():
        files = {path.name for path in (folder / name).glob("*.py")}
        assert {path.name for path in (tmp_path / "target" / name).glob("*.py")} == files
        model = getattr(transformers, auto).from_pretrained(tmp_path / "target" / name).eval()
        assert type(model) is FAMILIES[HOSTS[kind]][getattr(transformers, auto)]
        processor = transformers.AutoProcessor.from_pretrained(tmp_path / "target" / name)
        assert type(processor.tokenizer) is WordTokenizer
        names = {*processor.model_input_names, *MORE.get(kind, {})}
        inputs = {key: value for key, value in wanted[f"{name}.HanziProcessor"].items() if key in names}
        with torch.no_grad():
            assert_equal({**inputs, **model(**inputs)}, wanted[f"{name}.HanziProcessor"])

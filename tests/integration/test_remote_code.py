"""Saved folders carry their code, and fonts: whoever has transformers but not this package gets the same from them.

What every family shares is tested once, over the table `FAMILIES`; a further family adds its entry there.
"""

import ast
import json
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import bilstm_tools
import chinese_bert_tools
import glyce_tools
import glyph_crm_tools
import lattice_lstm_tools
import mpm_cner_tools
import pytest
import torch
import transformers
from font_tools import RARE, rare_font
from glyph_tools import SPECIAL
from mpm_cner_parts import make_processor
from remote_tools import HOOK_TABLES, REPOSITORY, run_without_package
from transformers import AutoTokenizer, DataCollatorForTokenClassification, Trainer, TrainingArguments, pipeline

import hanziformers
from hanziformers import (
    ChineseBertTokenizer,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
)
from hanziformers.registration import FAMILIES as REGISTERED
from hanziformers.tokenization.tokenization_words import WordTokenizer
from hanziformers.training.model_loading import get_tokenizer

LABELS = {0: "B-entailment", 1: "I-contradiction"}
OF_CRF = {0: "O", 1: "B-entailment", 2: "I-entailment"}
TAG_OPTIONS = [
    {"aggregation_strategy": "none"},
    {"aggregation_strategy": "simple"},
    {"aggregation_strategy": "max"},
    {"aggregation_strategy": "simple", "stride": 2},
]


@dataclass
class Family:
    """What a test needs to know of a family."""

    config: Any
    tools: Any  # sizes of a tiny model
    parts: list[str]  # auto classes that load what turns text into inputs
    texts: list[str]
    tagged: list[str]  # for token classification
    fonts: set[str] = field(default_factory=set)
    pipelines: list[tuple] = field(default_factory=list)  # task, head, input, options; beside token classification
    classifier: str = "mlp"

    @property
    def prefix(self):
        return self.config.__name__.removesuffix("Config")

    @property
    def tokenizer(self):
        return REGISTERED[self.config][AutoTokenizer]

    @property
    def tokenizer_file(self):
        return self.tokenizer.__module__.rpartition(".")[-1]

    @property
    def models(self):
        """Auto class -> class, of the models."""
        listed = {auto.__name__: found.__name__ for auto, found in REGISTERED[self.config].items()}
        return {auto: found for auto, found in listed.items() if auto.startswith("AutoModel")}

    @property
    def heads(self):
        """As `models`, each class under the last of its auto classes."""
        return {auto: found for found, auto in {found: auto for auto, found in self.models.items()}.items()}

    def build(self, processing_class, cls):
        """A tiny model, with the glyph images that its processor renders."""
        torch.manual_seed(0)
        tokenizer = get_tokenizer(processing_class)
        labels, sounds = (
            LABELS if self.classifier == "mlp" else OF_CRF,
            getattr(processing_class, "feature_extractor", None),
        )
        sizes = {"vocab_size": len(tokenizer), "id2label": labels, "label2id": {v: k for k, v in labels.items()}}
        if hasattr(processing_class, "render_bank"):
            sizes["glyph_vocab_size"] = tokenizer.glyph_vocab_size
        if sounds is not None:
            sizes |= {"num_syllables": 1 + len(sounds.syllables), "special_token_ids": [0, 2, 3], "glyph_size": 48}
        model = cls(self.config(**{**self.tools.SIZES, **sizes, "classifier": self.classifier})).eval()
        if hasattr(processing_class, "render_bank"):
            model.base_model.set_glyphs(processing_class.render_bank())
        if sounds is not None:
            model.base_model.set_sounds(sounds.render_bank())
        return model


FAMILIES = {
    "chinese_bert": Family(
        config=hanziformers.ChineseBertConfig,
        tools=chinese_bert_tools,
        parts=["AutoTokenizer", "AutoProcessor"],
        texts=["银行行长很忙，今天气好。", "重庆的行人 hello 12", "[MASK]𠮷长"],
        tagged=["重庆的行人 hello\u200b 12 长", "好"],
        pipelines=[("fill-mask", "AutoModelForMaskedLM", "银[MASK]很忙", {})],
    ),
    "glyph_crm": Family(
        config=hanziformers.GlyphCrmConfig,
        tools=glyph_crm_tools,
        parts=["AutoTokenizer", "AutoProcessor", "AutoImageProcessor"],
        texts=["银行行长很忙，今天气好。", f"㐀あ가 {RARE}", "[MASK]\n𠀀"],
        tagged=[f"{RARE} 银\u200b行㐀", "好"],
        fonts={"song.woff2", "song-OFL.txt", "song-0.ttf"},
        pipelines=[
            ("fill-mask", "AutoModelForMaskedLM", f"银[MASK]{RARE[0]}", {}),
            ("feature-extraction", "AutoModel", [f"{c}好" for c in RARE] + ["银"], {"batch_size": 4}),
            ("text-classification", "AutoModelForSequenceClassification", [RARE, "[MASK]\n𠀀"], {"top_k": None}),
            (
                "zero-shot-classification",
                "AutoModelForSequenceClassification",
                RARE,
                {"candidate_labels": ["㐀", "あ"]},
            ),
        ],
    ),
    "glyce": Family(
        config=hanziformers.GlyceConfig,
        tools=glyce_tools,
        parts=["AutoTokenizer", "AutoProcessor", "AutoImageProcessor"],
        texts=["银行行长很忙，今天气好。", f"ABC 2020 {RARE}", "[MASK]\n𠀀"],
        tagged=[f"{RARE} 银\u200b行A", "好"],
        fonts={f"{style}{end}" for style in ("song", "kai") for end in (".woff2", "-OFL.txt", "-0.ttf")},
        pipelines=[
            ("feature-extraction", "AutoModel", [f"{c}好" for c in RARE] + ["银"], {"batch_size": 4}),
            ("text-classification", "AutoModelForSequenceClassification", [RARE, "[MASK]\n𠀀"], {"top_k": None}),
        ],
    ),
    "bilstm": Family(
        config=hanziformers.BiLstmConfig,
        tools=bilstm_tools,
        parts=["AutoTokenizer", "AutoProcessor", "AutoImageProcessor"],
        texts=["银行行长很忙，今天气好。", f"ABC 2020 {RARE}", "[MASK]\n𠀀"],
        tagged=[f"{RARE} 银\u200b行A", "好"],
        fonts={f"{style}{end}" for style in ("song", "kai") for end in (".woff2", "-OFL.txt", "-0.ttf")},
        pipelines=[
            ("text-classification", "AutoModelForSequenceClassification", [RARE, "[MASK]\n𠀀"], {"top_k": None})
        ],
        classifier="crf",
    ),
    "lattice_lstm": Family(
        config=hanziformers.LatticeLstmConfig,
        tools=lattice_lstm_tools,
        parts=["AutoTokenizer", "AutoProcessor", "AutoImageProcessor"],
        texts=["银行行长很忙，今天气好。", f"ABC 2020 {RARE}", "[MASK]\n𠀀"],
        tagged=[f"{RARE} 银行A今天", "好"],
        fonts={f"{style}{end}" for style in ("song", "kai") for end in (".woff2", "-OFL.txt", "-0.ttf")},
    ),
    "mpm_cner": Family(
        config=hanziformers.MpmCnerConfig,
        tools=mpm_cner_tools,
        parts=["AutoTokenizer", "AutoProcessor", "AutoImageProcessor", "AutoFeatureExtractor"],
        texts=["银行行长很忙，头发发展。", f"ABC 2020 {RARE}", "[MASK]\n𠀀"],
        tagged=[f"{RARE} 银\u200b行A", "好"],
        fonts={"song.woff2", "song-OFL.txt", "song-0.ttf"},
        pipelines=[("feature-extraction", "AutoModel", [f"{c}发展" for c in RARE] + ["银"], {"batch_size": 4})],
        classifier="crf",
    ),
}

# What runs without the package. argv: folder of the saved models, folder for what it saves itself.
REMOTE = (
    HOOK_TABLES
    + """
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # the short name wants torchvision

source, target = sys.argv[1:]
task = json.load(open(f"{source}/task.json", encoding="utf-8"))
hooks, found = hook_tables(), {}
for number, (auto, folder) in enumerate(task["heads"].items()):
    path = f"{source}/{folder}"
    # what turns text into inputs is the same in every folder but that of the Trainer
    names = ("AutoConfig", auto, *(task["parts"] if number == 0 or folder == "Trainer" else ()))
    parts = [AutoImageProcessor if "Image" in name else getattr(transformers, name) for name in names]
    for part in parts if number == 0 else ():
        for trust in ({"trust_remote_code": False}, {}):
            try:
                part.from_pretrained(path, **trust)
            except ValueError as error:
                # where there is no processor, AutoProcessor tries tokenizers and says that it found nothing
                alone = part is transformers.AutoProcessor and "AutoImageProcessor" not in task["parts"]
                assert ("Unrecognized processing class" if alone else "trust_remote_code") in str(error), error
            else:
                raise AssertionError(f"{part} trusts code without being told to")
    loaded = [part.from_pretrained(path, trust_remote_code=True) for part in parts]
    config, model = loaded[:2]
    tokenizer, processing_class = loaded[2:4] or (tokenizer, processing_class)
    for thing in (*loaded, model.base_model, getattr(processing_class, "tokenizer", tokenizer)):
        assert type(thing).__module__.startswith("transformers_modules."), type(thing)
    assert type(model.config).__name__ == type(config).__name__
    found[f"{auto}.name"] = type(model).__name__
    if number == 0 and len(loaded) > 4:
        found["bank"] = torch.from_numpy(processing_class.render_bank())
        found["rendered"] = torch.from_numpy(loaded[4].render(list(task["rare"])))
    if number == 0 and len(loaded) > 5:
        found["sounds"] = torch.from_numpy(loaded[5].render_bank())
    for name, one in (("tokenizer", tokenizer), ("processor", processing_class)):
        inputs = one(task["texts"], padding=True, return_tensors="pt")
        found |= {f"{auto}.{name}.{key}": value for key, value in inputs.items()}
        inputs = {key: value[None] for key, value in inputs.items()} if "MultipleChoice" in auto else inputs
        for mode in (True, False):
            with torch.set_grad_enabled(mode):
                outputs = model.eval()(**inputs)
            found |= {f"{auto}.{name}.{mode}.{key}": value.detach() for key, value in outputs.items()}
    model.save_pretrained(f"{target}/{folder}")
    processing_class.save_pretrained(f"{target}/{folder}")
found["pipelines"], tools = [], {}
for kind, folder, texts, options in task["pipelines"]:
    if kind not in tools:
        tools[kind] = transformers.pipeline(kind, f"{source}/{folder}", trust_remote_code=True)
    tool = tools[kind]
    assert type(tool).__module__.startswith("transformers.pipelines."), type(tool)
    found["pipelines"].append(json.loads(json.dumps(tool(texts, **options), default=float)))
assert number + 1 == len(task["heads"]) and hook_tables() == hooks
torch.save(found, f"{target}/found.pt")
"""
)

# A checkpoint of each family, and one once more, in one process.
TOGETHER = (
    HOOK_TABLES
    + """
hooks = hook_tables()
for path, text in json.loads(sys.argv[1]):
    model = transformers.AutoModel.from_pretrained(path, trust_remote_code=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            assert model(**tokenizer(text, return_tensors="pt")).last_hidden_state.isfinite().all()
assert hook_tables() == hooks
"""
)

# What one saved head becomes without the package. argv: folder, model classes by auto class, texts, target folder.
BECOMES = """
import importlib.util
folder, classes, texts, target = sys.argv[1], *map(json.loads, sys.argv[2:4]), sys.argv[4]
AutoModel = transformers.AutoModel
saved = AutoModel.from_pretrained(folder, trust_remote_code=True).state_dict()
for auto, name in classes.items():
    load = getattr(transformers, auto).from_pretrained
    model, info = load(folder, trust_remote_code=True, output_loading_info=True)
    assert type(model).__name__ == name, (auto, type(model))
    own = model.base_model.state_dict()
    shared = {key for key in own.keys() & saved.keys() if not key.startswith("pooler.")}  # new where a tagger has none
    assert len(shared) > 20 and all(torch.equal(own[key], saved[key]) for key in shared)
    base = [key for key in info["missing_keys"] if key.startswith(model.base_model_prefix + ".")]
    assert not [key for key in base if ".pooler." not in key], base
    print(auto, "new:", sorted({key.split(".")[0] for key in info["missing_keys"]}), file=sys.stderr)
    model.save_pretrained(f"{target}/{auto}")
    again = load(f"{target}/{auto}", trust_remote_code=True)
    assert all(torch.equal(weight, again.state_dict()[key]) for key, weight in model.state_dict().items())
extract = transformers.pipeline("feature-extraction", folder, trust_remote_code=True)
features = [torch.tensor(extract(text)[0]).mean(0) for text in texts]
if importlib.util.find_spec("sentence_transformers"):
    from sentence_transformers import SentenceTransformer
    embedder = SentenceTransformer(folder, trust_remote_code=True, device="cpu")
    embedder.save_pretrained(f"{target}/embedder")
    for one in (embedder, SentenceTransformer(f"{target}/embedder", trust_remote_code=True, device="cpu")):
        for vector, expected in zip(one.encode(texts), features):
            torch.testing.assert_close(torch.from_numpy(vector), expected, atol=1e-5, rtol=0)
"""


@cache
def closure(room: str, *names: str) -> frozenset[str]:
    """The files of a room that its modules of these names need, themselves among them."""
    found, left = set(), list(names)
    while left:
        path = REPOSITORY / room / f"{left.pop()}.py"
        if path.name in found or not path.is_file():
            continue
        found.add(path.name)
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        left += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
    return frozenset(found)


def code_of(name: str, family: Family) -> frozenset[str]:
    """The files that a saved folder must hold, and no other."""
    code = closure("modeling", f"configuration_{name}", f"modeling_{name}")
    code |= closure("tokenization", family.tokenizer_file)
    if "AutoImageProcessor" in family.parts:
        code |= closure("processors", "image_processing_glyph", "processing_hanzi")
    if "AutoFeatureExtractor" in family.parts:
        code |= closure("processors", "feature_extraction_syllable")
    return code


def make_processing_class(name, folder):
    characters = sorted(set("银行长很忙，今天气好。重庆的人去来上下中国大小"))
    if name == "chinese_bert":
        tokens = [*SPECIAL, *characters, "hello", "##lo", "hel", *"0123456789", *"abcdefghijk"]
        return ChineseBertTokenizer({token: index for index, token in enumerate(tokens)})
    font = rare_font(folder / "rare.ttf")
    if name == "mpm_cner":
        return make_processor(48, fonts={"song": [str(font)]})
    if name in ("glyce", "bilstm", "lattice_lstm"):
        vocabulary = {token: row for row, token in enumerate([*SPECIAL, *characters])}
        return FAMILIES[name].tools.make_processor(vocabulary, str(font))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [str(font)]}, save_fonts=True)
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *characters])}
    return HanziProcessor(image_processor, GlyphCrmTokenizer(vocabulary, "龘"))


def folders(family: Family) -> dict[str, str]:
    """Auto class -> folder: token classification is what a Trainer saved."""
    return {auto: "Trainer" if auto.endswith("TokenClassification") else auto for auto in family.heads}


def pipelines(family: Family) -> list[tuple]:
    """Task, folder, input and options of every pipeline; token classification comes last."""
    tag = [("token-classification", "Trainer", family.tagged, {**options, "batch_size": 2}) for options in TAG_OPTIONS]
    return [*family.pipelines, *tag]


def save(name: str, folder: Path) -> dict[str, Any]:
    """Saves a model of every head, and one as a Trainer does; returns what they give in this process."""
    family = FAMILIES[name]
    processing_class = make_processing_class(name, folder)
    get_tokenizer(processing_class).model_max_length = 12
    models = {auto: family.build(processing_class, getattr(hanziformers, cls)) for auto, cls in family.heads.items()}
    for auto, model in models.items():
        model.save_pretrained(folder / auto)
        processing_class.save_pretrained(folder / auto)
    arguments = TrainingArguments(str(folder / "run"), max_steps=1, report_to=[], use_cpu=True, save_steps=1)
    data = [{**processing_class(text), "labels": [0, *[1] * len(text), 0]} for text in ("银行的", "长很忙")]
    collator = DataCollatorForTokenClassification(get_tokenizer(processing_class))
    model = models["AutoModelForTokenClassification"]
    Trainer(model, arguments, train_dataset=data, processing_class=processing_class, data_collator=collator).train()
    shutil.move(folder / "run" / "checkpoint-1", folder / "Trainer")
    wanted = {}
    if "AutoImageProcessor" in family.parts:
        wanted["bank"] = torch.from_numpy(processing_class.render_bank())
        wanted["rendered"] = torch.from_numpy(processing_class.image_processor.render(list(RARE)))
    if "AutoFeatureExtractor" in family.parts:
        wanted["sounds"] = torch.from_numpy(processing_class.feature_extractor.render_bank())
    inputs = processing_class(family.texts, padding=True, return_tensors="pt")
    for auto, cls in family.heads.items():
        wanted[f"{auto}.name"] = cls
        given = {k: v[None] for k, v in inputs.items()} if "MultipleChoice" in auto else inputs
        with torch.no_grad():
            outputs = models[auto].eval()(**given)
        for one in ("tokenizer", "processor"):
            wanted |= {f"{auto}.{one}.{key}": value for key, value in inputs.items()}
            wanted |= {f"{auto}.{one}.{mode}.{k}": v for mode in (True, False) for k, v in outputs.items()}
    tools = {kind: pipeline(kind, str(folder / sub)) for kind, sub, *_ in family.pipelines + pipelines(family)[-1:]}
    wanted["pipelines"] = [
        json.loads(json.dumps(tools[kind](texts, **options), default=float))
        for kind, _, texts, options in pipelines(family)
    ]
    (folder / "rare.ttf").unlink(missing_ok=True)
    task = {"texts": family.texts, "parts": family.parts, "rare": RARE}
    task |= {"heads": folders(family), "pipelines": pipelines(family)}
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return wanted


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Family -> its folder, and what it gives in this process."""
    made = {name: tmp_path_factory.mktemp(name) for name in FAMILIES}
    return {name: (folder, save(name, folder)) for name, folder in made.items()}


def run_remote(source, target, cache):
    target.mkdir()
    log = run_without_package(REMOTE, source, target, folder=cache)
    assert "have no glyph image" not in log
    return torch.load(target / "found.pt")


def assert_equal(found, wanted, name=""):
    """Numbers to 1e-5, all else exactly."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), name
        for key, value in wanted.items():
            assert_equal(found[key], value, f"{name}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), name
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_equal(one, other, f"{name}[{index}]")
    elif isinstance(wanted, (float, torch.Tensor)):
        one, other = torch.as_tensor(found), torch.as_tensor(wanted)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0, msg=lambda text: f"{name}: {text}")
    else:
        assert found == wanted, name


def assert_complete_code(folder, name):
    """A folder of a model alone, with its code, which its config.json names."""
    code = {path.name for path in folder.glob("*.py")}
    assert code == closure("modeling", f"configuration_{name}", f"modeling_{name}")
    named = json.loads((folder / "config.json").read_text())["auto_map"]
    assert named.keys() == {*FAMILIES[name].models, "AutoConfig"}


def assert_complete(folder, name):
    """A folder with all files of code and fonts that it needs, and no other."""
    family = FAMILIES[name]
    assert {path.name for path in folder.glob("*.py")} == code_of(name, family)
    for path in folder.glob("*.json"):
        named = json.loads(path.read_text(encoding="utf-8")).get("auto_map", {})
        references = [one for value in named.values() for one in (value if isinstance(value, list) else [value]) if one]
        assert {f"{reference.split('.')[0]}.py" for reference in references} <= code_of(name, family)
    fonts = folder / "fonts"
    assert ({path.name for path in fonts.iterdir()} if fonts.is_dir() else set()) == family.fonts


def assert_same_parts(folder, name):
    """The folders of all heads hold the same files, byte for byte, but for the model and its configuration."""
    held = []
    for auto in FAMILIES[name].heads:
        paths = [path for path in (folder / auto).rglob("*") if path.is_file()]
        files = {path.relative_to(folder / auto): path.read_bytes() for path in paths}
        assert files.pop(Path("config.json"))
        assert files.pop(Path("model.safetensors"))
        held.append(files)
    assert all(files == held[0] for files in held)
    assert len(held) > 1


def test_every_family_is_in_the_table():
    """But for those that read words: test_remote_hosts.py."""
    characters = [config for config, found in REGISTERED.items() if found[AutoTokenizer] is not WordTokenizer]
    assert [family.config for family in FAMILIES.values()] == characters


@pytest.mark.parametrize("name", list(FAMILIES))
def test_saved_folders_hold_their_code_and_fonts(saved, name):
    folder, family = saved[name][0], FAMILIES[name]
    assert_same_parts(folder, name)
    for auto in [*family.heads, "Trainer"]:
        assert_complete(folder / auto, name)
        maps = json.loads((folder / auto / "config.json").read_text())["auto_map"]
        models = {head: f"modeling_{name}.{cls}" for head, cls in family.models.items()}
        assert maps == {**models, "AutoConfig": f"configuration_{name}.{family.prefix}Config"}
        tokenizer = json.loads((folder / auto / "tokenizer_config.json").read_text())
        assert f"{family.tokenizer_file}.{family.tokenizer.__name__}" in tokenizer["auto_map"]["AutoTokenizer"]
        if "AutoImageProcessor" in family.parts:
            processor = json.loads((folder / auto / "processor_config.json").read_text())
            assert processor["auto_map"]["AutoProcessor"] == "processing_hanzi.HanziProcessor"
        for path in (folder / auto).glob("*.json"):
            assert str(folder) not in path.read_text(encoding="utf-8")  # no path of this machine


@pytest.mark.parametrize("name", list(FAMILIES))
def test_everything_loads_saves_and_gives_the_same_without_the_package(saved, name, tmp_path):
    folder, wanted = saved[name]
    assert_equal(run_remote(folder, tmp_path / "first", tmp_path / "cache_1"), wanted)
    for auto in folders(FAMILIES[name]).values():
        assert_complete(tmp_path / "first" / auto, name)
    shutil.copy(folder / "task.json", tmp_path / "first")
    assert_equal(run_remote(tmp_path / "first", tmp_path / "second", tmp_path / "cache_2"), wanted)


@pytest.mark.parametrize(
    ("name", "source"), [("chinese_bert", "AutoModelForMaskedLM"), ("glyph_crm", "Trainer"), ("glyce", "Trainer")]
)
def test_a_folder_becomes_every_model_of_its_family(saved, name, source, tmp_path):
    """Whatever was saved: a pre-trained model becomes a tagger, a tagger becomes a classifier or embeds sentences."""
    family, folder = FAMILIES[name], saved[name][0] / source
    arguments = (
        folder,
        json.dumps(family.models),
        json.dumps([text[:8] for text in family.texts]),
        tmp_path / "target",
    )
    log = run_without_package(BECOMES, *arguments, folder=tmp_path / "run")
    assert "AutoModelForQuestionAnswering new: ['qa_outputs']" in log
    assert "newly initialized because missing from the checkpoint" in log  # transformers' own warning
    for auto in family.models:
        assert_complete_code(tmp_path / "target" / auto, name)


def test_families_load_into_one_process(saved, tmp_path):
    paths = [(str(saved[name][0] / "AutoModel"), FAMILIES[name].texts[0]) for name in FAMILIES]
    run_without_package(TOGETHER, json.dumps([*paths, paths[0]]), folder=tmp_path / "run")


@pytest.mark.parametrize("name", list(FAMILIES))
def test_with_the_package_the_local_classes_are_used(saved, name):
    folder, family = saved[name][0], FAMILIES[name]
    for auto, cls in family.heads.items():
        for trust in ({}, {"trust_remote_code": True}):
            model = getattr(transformers, auto).from_pretrained(folder / auto, **trust)
            assert type(model) is getattr(hanziformers, cls)
        # with trust_remote_code AutoTokenizer takes the folder's own class even so
        assert type(AutoTokenizer.from_pretrained(folder / auto)) is family.tokenizer


@pytest.mark.parametrize("name", list(FAMILIES))
def test_entities_have_true_offsets(saved, name):
    """In one window and in several: what the package and remote code both give is right."""
    text, outputs = FAMILIES[name].tagged[0], saved[name][1]["pipelines"][-len(TAG_OPTIONS) :]
    for options, (entities, _) in zip(TAG_OPTIONS, outputs, strict=True):
        spans = [range(entity["start"], entity["end"]) for entity in entities]
        offsets = [offset for span in spans for offset in span]
        assert offsets == sorted(offsets)
        assert offsets[0] >= 0
        assert offsets[-1] < len(text)
        word_pieces = name in ("chinese_bert", "glyce", "bilstm", "lattice_lstm")  # elsewhere each character is a token
        if options["aggregation_strategy"] == "none" and not word_pieces:
            seen = [offset for offset, character in enumerate(text[:10]) if character not in " \u200b"]
            labels = OF_CRF if FAMILIES[name].classifier == "crf" else LABELS
            expected = [range(offset, offset + 1) for offset in seen]
            assert spans == expected if "O" not in labels.values() else set(spans) <= set(expected)


def test_unseen_characters_have_vectors_of_their_own(saved):
    features = saved["glyph_crm"][1]["pipelines"][1]
    vectors = torch.tensor([text[0][1] for text in features])
    assert (torch.cdist(vectors, vectors) + torch.eye(len(vectors))).min() > 1e-4


def test_readings_are_among_what_is_compared(saved):
    assert saved["chinese_bert"][1]["AutoModel.tokenizer.pinyin_ids"].any()

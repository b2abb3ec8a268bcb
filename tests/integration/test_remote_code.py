"""Saved folders carry their code: whoever has transformers but not this package loads them with trust_remote_code."""

import json

import pytest
import torch
from remote_tools import run_without_package

from hanziformers import ChineseBertTokenizer

CODE = {
    "configuration_chinese_bert.py",
    "modeling_chinese_bert.py",
    "chinese_bert_embeddings.py",
    "checks.py",
    "distinct.py",
    "task_outputs.py",
}
TOKENIZER_CODE = {"tokenization_chinese_bert.py", "pinyin.py", "texts.py", "vocabulary.py"}
HEADS = {
    "AutoModel": "ChineseBertModel",
    "AutoModelForMaskedLM": "ChineseBertForMaskedLM",
    "AutoModelForSequenceClassification": "ChineseBertForSequenceClassification",
    "AutoModelForTokenClassification": "ChineseBertForTokenClassification",
    "AutoModelForQuestionAnswering": "ChineseBertForQuestionAnswering",
    "AutoModelForMultipleChoice": "ChineseBertForMultipleChoice",
}
TEXTS = ["银行行长很忙，今天天气好。", "重庆的行人 hello 12", "[MASK]𠮷长"]

# What runs without the package. argv: folder of the saved models, folder for what it saves itself.
REMOTE = """
source, target = sys.argv[1:]
texts = json.load(open(f"{source}/texts.json", encoding="utf-8"))
found = {}
for auto in json.load(open(f"{source}/heads.json")):
    folder = f"{source}/{auto}"
    for cls in (transformers.AutoConfig, transformers.AutoTokenizer, getattr(transformers, auto)):
        for trust in ({"trust_remote_code": False}, {}):
            try:
                cls.from_pretrained(folder, **trust)
            except ValueError as error:
                assert "trust_remote_code" in str(error), error
            else:
                raise AssertionError(f"{cls} trusts code without being told to")
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = getattr(transformers, auto).from_pretrained(folder, trust_remote_code=True).eval()
    for thing in (config, tokenizer, model, model.base_model):
        assert type(thing).__module__.startswith("transformers_modules."), type(thing)
    assert type(model.config).__name__ == type(config).__name__ == "ChineseBertConfig"
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    found[f"{auto}.name"] = type(model).__name__
    found[f"{auto}.token"] = tokenizer.decode(inputs["input_ids"][0])
    for name, value in inputs.items():
        found[f"{auto}.{name}"] = value
    if auto.endswith("MultipleChoice"):
        inputs = {name: value[None] for name, value in inputs.items()}
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            for name, value in model(**inputs).items():
                found[f"{auto}.{name}.{mode}"] = value.detach()
    model.save_pretrained(f"{target}/{auto}")
    tokenizer.save_pretrained(f"{target}/{auto}")
torch.save(found, f"{target}/found.pt")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with one saved model and tokenizer a head, and what they give in this process."""
    import hanziformers

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved")
    characters = sorted(set("银行长很忙，今天气好。重庆的人去来上下中国大小"))
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*specials, *characters, "hello", "##lo", "hel", *"0123456789", *"abcdefghijk"]
    assert 50 < len(tokens) == len(set(tokens)) < 70
    tokenizer = ChineseBertTokenizer(vocab={token: index for index, token in enumerate(tokens)})
    config = hanziformers.ChineseBertConfig(
        vocab_size=len(tokens),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        max_position_embeddings=40,
        glyph_embedding_dim=27,
        pinyin_embedding_size=12,
        initializer_range=0.2,
        classifier_mlp=True,
        num_labels=3,
    )
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    wanted = {}
    for auto, name in HEADS.items():
        model = getattr(hanziformers, name)(config).eval()
        model.save_pretrained(folder / auto)
        tokenizer.save_pretrained(folder / auto)
        wanted[f"{auto}.name"] = name
        wanted[f"{auto}.token"] = tokenizer.decode(inputs["input_ids"][0])
        wanted |= {f"{auto}.{key}": value for key, value in inputs.items()}
        given = {k: v[None] for k, v in inputs.items()} if name.endswith("MultipleChoice") else inputs
        for key, value in model(**given).items():
            wanted |= {f"{auto}.{key}.{mode}": value.detach() for mode in (True, False)}
    return folder, wanted


def run_remote(source, target, cache):
    (source / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    (source / "heads.json").write_text(json.dumps(list(HEADS)))
    target.mkdir()
    run_without_package(REMOTE, source, target, folder=cache)
    return torch.load(target / "found.pt")


def assert_equal_outputs(found, wanted):
    assert found.keys() == wanted.keys()
    assert wanted["AutoModel.pinyin_ids"].any()
    for name, value in wanted.items():
        if isinstance(value, str):
            assert found[name] == value, name
        else:
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("auto", list(HEADS))
def test_saved_folders_hold_their_code(saved, auto):
    folder = saved[0] / auto
    assert {path.name for path in folder.glob("*.py")} == CODE | TOKENIZER_CODE
    config = json.loads((folder / "config.json").read_text())
    assert config["auto_map"]["AutoConfig"] == "configuration_chinese_bert.ChineseBertConfig"
    assert config["auto_map"][auto] == f"modeling_chinese_bert.{HEADS[auto]}"
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert "tokenization_chinese_bert.ChineseBertTokenizer" in tokenizer["auto_map"]["AutoTokenizer"]


def test_models_load_and_save_without_the_package(saved, tmp_path):
    folder, wanted = saved
    first = run_remote(folder, tmp_path / "first", tmp_path / "cache_1")
    assert_equal_outputs(first, wanted)
    for auto in HEADS:
        assert {path.name for path in (tmp_path / "first" / auto).glob("*.py")} == CODE | TOKENIZER_CODE
    second = run_remote(tmp_path / "first", tmp_path / "second", tmp_path / "cache_2")
    assert_equal_outputs(second, wanted)


def test_with_the_package_the_local_classes_are_used(saved):
    import transformers

    import hanziformers

    for auto, name in HEADS.items():
        for trust in ({}, {"trust_remote_code": True}):
            model = getattr(transformers, auto).from_pretrained(saved[0] / auto, **trust)
            assert type(model) is getattr(hanziformers, name)
        assert type(transformers.AutoTokenizer.from_pretrained(saved[0] / auto)) is ChineseBertTokenizer

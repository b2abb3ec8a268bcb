"""A folder like the released ones goes in; what comes out must load by the Auto classes and give the same numbers."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

import hanziformers
from hanziformers.tokenization.pinyin import SYMBOLS, encode_pinyin

SCRIPT = Path(__file__).parent.parent / "run_scripts" / "convert_chinesebert.py"
FONTS = ["STFANGSO.TTF24.npy", "STXINGKA.TTF24.npy", "方正古隶繁体.ttf24.npy"]
TABLE = "bert.embeddings.glyph_embeddings.embedding.weight"
SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
}
LEFTOVERS = {  # what the released config.json holds besides
    "model_type": "bert",
    "directionality": "bidi",
    "gradient_checkpointing": False,
    "output_past": True,
    "pooler_fc_size": 768,
    "position_embedding_type": "absolute",
    "use_cache": True,
}


@pytest.fixture(scope="module")
def convert():
    spec = importlib.util.spec_from_file_location("convert_chinesebert", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda source, target, *options: module.main(["--source", str(source), "--target", str(target), *options])


def write_side_files(folder: Path, vocab_size: int) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [chr(0x4E00 + index) for index in range(vocab_size - len(tokens))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    symbols = {symbol: index for index, symbol in enumerate(SYMBOLS)}
    (folder / "config").mkdir()
    (folder / "config" / "pinyin_map.json").write_text(json.dumps({"idx2char": {}, "char2idx": symbols}))


def released(folder: Path, name: str = "ChineseBertForMaskedLM", binary: bool = True, **fields) -> dict:
    """Writes a tiny folder with the released layout; gives its weights."""
    folder.mkdir()
    torch.manual_seed(1)
    config = hanziformers.ChineseBertConfig(**SIZES, **fields)
    state = {key: value.clone() for key, value in getattr(hanziformers, name)(config).state_dict().items()}
    prefix = "" if name == "ChineseBertModel" else "bert."
    state[f"{prefix}embeddings.position_ids"] = torch.arange(32).expand(1, -1).clone()
    write_side_files(folder, SIZES["vocab_size"])
    images = np.random.default_rng(0).integers(0, 256, (3, SIZES["vocab_size"], 24, 24), dtype=np.uint8)
    for image, font in zip(images, FONTS, strict=True):
        np.save(folder / "config" / font, image)
    state[f"{prefix}{TABLE.removeprefix('bert.')}"] = stacked(folder, [0, 1, 2])
    (folder / "config.json").write_text(json.dumps({**SIZES, **LEFTOVERS}))
    write_weights(folder, state, binary)
    return state


def write_weights(folder: Path, state: dict, binary: bool = True) -> None:
    if binary:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")


def stacked(folder: Path, order: list[int]) -> torch.Tensor:
    """The glyph table as the released code fills it."""
    fonts = [np.load(folder / "config" / FONTS[index]).astype(np.float32) for index in order]
    return torch.from_numpy(np.stack(fonts, axis=1).reshape(len(fonts[0]), -1))


@pytest.fixture(scope="module")
def oracle():
    root = os.environ.get("HANZIFORMERS_ORACLES")
    if not root:
        pytest.skip("HANZIFORMERS_ORACLES does not name the folder of reference vectors")
    return Path(root) / "chinesebert"


@pytest.mark.parametrize("binary", [True, False], ids=["bin", "safetensors"])
@pytest.mark.parametrize("kind", ["base", "mlm", "tokcls"])
def test_outputs_are_those_of_the_published_classes(convert, oracle, tmp_path, capsys, kind, binary):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    shutil.copyfile(oracle / kind / "config.json", source / "config.json")
    write_weights(source, load_file(oracle / kind / "model.safetensors"), binary)
    write_side_files(source, 300)
    for path in (oracle / "tiny_fonts_config").iterdir():
        shutil.copyfile(path, source / "config" / path.name)
    options = ["--architecture", "ChineseBertForTokenClassification"] if kind == "tokcls" else []
    convert(source, target, *options)
    assert "glyph table: equals the fonts in the order" in capsys.readouterr().out

    auto = {"base": AutoModel, "mlm": AutoModelForMaskedLM, "tokcls": AutoModelForTokenClassification}[kind]
    model = auto.from_pretrained(target).eval()
    inputs = load_file(oracle / kind / "inputs.safetensors")
    outputs = load_file(oracle / kind / "outputs.safetensors")
    names = ("input_ids", "pinyin_ids", "attention_mask", "token_type_ids")
    with torch.no_grad():
        found = model(**{name: inputs[name] for name in names})
    field = "last_hidden_state" if kind == "base" else "logits"
    torch.testing.assert_close(found[field], outputs[f"full.{field}"], atol=1e-5, rtol=0)


def test_written_folder_is_todays(convert, tmp_path, capsys):
    state = released(tmp_path / "source")
    convert(tmp_path / "source", tmp_path / "target")
    config = json.loads((tmp_path / "target" / "config.json").read_text())
    assert config["model_type"] == "chinese_bert"
    assert config["architectures"] == ["ChineseBertForMaskedLM"]
    assert not (LEFTOVERS.keys() - {"model_type"}) & config.keys()
    written = hanziformers.ChineseBertConfig.from_pretrained(tmp_path / "target")
    assert (written.glyph_styles, written.glyph_size) == (["fangsong", "xingkai", "lishu"], 24)
    files = {path.name for path in (tmp_path / "target").iterdir()}
    assert {"model.safetensors", "modeling_chinese_bert.py", "tokenization_chinese_bert.py", "tokenizer.json"} <= files
    assert "pytorch_model.bin" not in files

    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "target")
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    written = load_file(tmp_path / "target" / "model.safetensors")
    assert written.keys() == model.state_dict().keys() - tied
    assert all(torch.equal(value, state[key]) for key, value in written.items())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "target")
    assert tokenizer.model_max_length == 32
    encoded = tokenizer("一丁", return_tensors="pt")
    assert encoded["input_ids"].tolist() == [[2, 5, 6, 3]]
    assert encoded["pinyin_ids"][0, 1].tolist() == encode_pinyin("yi1")
    assert model(**encoded).logits.shape == (1, 4, 40)
    out = capsys.readouterr().out
    assert f"weights: {len(state)} keys -> ChineseBertForMaskedLM" in out
    assert "largest difference of its outputs to the source's: 0" in out


@pytest.mark.parametrize(
    ("name", "options", "auto", "fields"),
    [
        ("ChineseBertModel", [], AutoModel, {}),
        ("ChineseBertForQuestionAnswering", [], AutoModelForQuestionAnswering, {}),
        ("ChineseBertForTokenClassification", [], AutoModelForTokenClassification, {"classifier": "mlp"}),
        ("ChineseBertForTokenClassification", ["--architecture"], AutoModelForTokenClassification, {}),
        ("ChineseBertForSequenceClassification", ["--architecture"], AutoModelForSequenceClassification, {}),
    ],
)
def test_keys_decide_the_class(convert, tmp_path, name, options, auto, fields):
    if "Classification" in name:
        fields = {**fields, "num_labels": 5}
    state = released(tmp_path / "source", name, binary=False, **fields)
    convert(tmp_path / "source", tmp_path / "target", *options, *([name] if options else []))
    model = auto.from_pretrained(tmp_path / "target")
    assert type(model).__name__ == name
    assert model.config.classifier == fields.get("classifier", "linear")
    assert model.config.num_labels == fields.get("num_labels", 2)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_order_of_fonts_is_recognised(convert, tmp_path, capsys):
    state = released(tmp_path / "source")
    for order in ([2, 0, 1], [1, 0, 2]):
        state[TABLE] = stacked(tmp_path / "source", order)
        write_weights(tmp_path / "source", state)
        convert(tmp_path / "source", tmp_path / "target")
        names = ", ".join(FONTS[index] for index in order)
        assert f"glyph table: equals the fonts in the order {names};" in capsys.readouterr().out
        assert torch.equal(load_file(tmp_path / "target" / "model.safetensors")[TABLE], state[TABLE])


def test_other_table_is_told_by_its_values(convert, tmp_path, capsys):
    state = released(tmp_path / "source")
    state[TABLE] = stacked(tmp_path / "source", [0, 2, 1]) + 0.25
    write_weights(tmp_path / "source", state)
    convert(tmp_path / "source", tmp_path / "target")
    out = capsys.readouterr().out
    assert f"in no order, not even {FONTS[0]}, {FONTS[2]}, {FONTS[1]}; mean difference 0.25" in out
    assert "min 0.25, max 255.25, mean " in out
    for font in FONTS:
        (tmp_path / "source" / "config" / font).unlink()
    convert(tmp_path / "source", tmp_path / "target")
    assert "equals the fonts" not in capsys.readouterr().out


def test_missing_table_is_filled_in_the_fixed_order(convert, tmp_path, capsys):
    state = released(tmp_path / "source")
    table = state.pop(TABLE)
    write_weights(tmp_path / "source", state)
    convert(tmp_path / "source", tmp_path / "target")
    assert f"filled from {', '.join(FONTS)}" in capsys.readouterr().out
    assert torch.equal(load_file(tmp_path / "target" / "model.safetensors")[TABLE], table)


def test_fonts_of_other_names_are_sorted(convert, tmp_path, capsys):
    state = released(tmp_path / "source")
    del state[TABLE]
    expected = stacked(tmp_path / "source", [2, 0, 1])
    write_weights(tmp_path / "source", state)
    for font, other in zip(FONTS, ["b.npy", "c.npy", "a.npy"], strict=True):
        (tmp_path / "source" / "config" / font).rename(tmp_path / "source" / "config" / other)
    convert(tmp_path / "source", tmp_path / "target")
    out = capsys.readouterr().out
    assert "taken in the order of their names" in out
    assert "filled from a.npy, b.npy, c.npy" in out
    config = hanziformers.ChineseBertConfig.from_pretrained(tmp_path / "target")
    assert (config.glyph_styles, config.glyph_size) == (["a", "b", "c"], 24)
    assert torch.equal(load_file(tmp_path / "target" / "model.safetensors")[TABLE], expected)


def test_differing_readings_are_counted(convert, tmp_path, capsys):
    released(tmp_path / "source")
    readings = {"de": [9, 10, 5, 0, 0, 0, 0, 0], "yi1": [30, 14, 1, 0, 0, 0, 0, 0]}
    readings |= {"le": [17, 10, 0, 0, 0, 0, 0, 0], "ê1": [0] * 8}
    (tmp_path / "source" / "config" / "pinyin2tensor.json").write_text(json.dumps(readings), encoding="utf-8")
    convert(tmp_path / "source", tmp_path / "target")
    out = capsys.readouterr().out
    assert "pinyin2tensor.json: 2 of 4 readings differ" in out
    assert "'le' [17, 10, 0, 0, 0, 0, 0, 0] (ours [17, 10, 5, 0, 0, 0, 0, 0])" in out
    assert "'ê1' [0, 0, 0, 0, 0, 0, 0, 0] (ours None)" in out


def test_positions_of_another_kind_are_refused(convert, tmp_path):
    released(tmp_path / "source")
    path = tmp_path / "source" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "position_embedding_type": "relative_key"}))
    with pytest.raises((ValueError, StrictDataclassError), match="position_embedding_type='relative_key'.*absolute"):
        convert(tmp_path / "source", tmp_path / "target")


def test_empty_symbol_may_have_any_name(convert, tmp_path):
    released(tmp_path / "source")
    symbols = {symbol: index for index, symbol in enumerate("-" + SYMBOLS[1:])}
    (tmp_path / "source" / "config" / "pinyin_map.json").write_text(json.dumps({"char2idx": symbols}))
    convert(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "model.safetensors").is_file()


def test_other_symbols_are_refused(convert, tmp_path):
    released(tmp_path / "source")
    symbols = {symbol: index for index, symbol in enumerate(SYMBOLS)} | {"v": 9, "ü": 27}
    (tmp_path / "source" / "config" / "pinyin_map.json").write_text(json.dumps({"char2idx": symbols}))
    with pytest.raises(ValueError, match=r"'v' 9 \(ours 27\), 'ü' 27 \(ours None\)"):
        convert(tmp_path / "source", tmp_path / "target")


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "config/pinyin_map.json", "pytorch_model.bin"])
def test_missing_file_is_named(convert, tmp_path, name):
    released(tmp_path / "source")
    (tmp_path / "source" / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{Path(name).name}; a released folder holds config.json"):
        convert(tmp_path / "source", tmp_path / "target")


@pytest.mark.parametrize(("size", "fits"), [(7, True), (None, False)])
def test_glyph_size_without_fonts(convert, tmp_path, size, fits):
    state = released(tmp_path / "source", glyph_size=7)
    for font in FONTS:
        (tmp_path / "source" / "config" / font).unlink()
    key = "bert.embeddings.glyph_map.weight"
    state[TABLE] = torch.randn(40, 147)
    if not fits:
        state[key], state[TABLE] = state[key][:, :100].clone(), state[TABLE][:, :100].clone()
    write_weights(tmp_path / "source", state)
    if not fits:
        with pytest.raises(ValueError, match="take 100 values of a glyph, which are no square images"):
            convert(tmp_path / "source", tmp_path / "target")
        return
    convert(tmp_path / "source", tmp_path / "target")
    assert hanziformers.ChineseBertConfig.from_pretrained(tmp_path / "target").glyph_size == size


def test_missing_table_and_fonts_are_refused(convert, tmp_path):
    state = released(tmp_path / "source")
    del state[TABLE]
    write_weights(tmp_path / "source", state)
    (tmp_path / "source" / "config" / FONTS[0]).unlink()
    with pytest.raises(ValueError, match="but the model takes 1728 in all for each of 40 tokens"):
        convert(tmp_path / "source", tmp_path / "target")
    for font in FONTS[1:]:
        (tmp_path / "source" / "config" / font).unlink()
    with pytest.raises(FileNotFoundError, match="no glyph table, and there are no fonts"):
        convert(tmp_path / "source", tmp_path / "target")


def test_vocabulary_of_another_length_is_refused(convert, tmp_path):
    released(tmp_path / "source")
    with (tmp_path / "source" / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("多\n")
    with pytest.raises(ValueError, match="vocab.txt has 41 lines, but the model's vocab_size is 40"):
        convert(tmp_path / "source", tmp_path / "target")


def test_class_that_the_keys_do_not_tell(convert, tmp_path):
    released(tmp_path / "one", "ChineseBertForSequenceClassification")
    with pytest.raises(ValueError, match="say which by --architecture"):
        convert(tmp_path / "one", tmp_path / "target")
    released(tmp_path / "two")
    with pytest.raises(ValueError, match="by their keys the weights are a ChineseBertForMaskedLM's"):
        convert(tmp_path / "two", tmp_path / "target", "--architecture", "ChineseBertForTokenClassification")


def test_weights_that_are_incomplete_or_of_another_model(convert, tmp_path):
    state = released(tmp_path / "source")
    del state["bert.pooler.dense.bias"]
    write_weights(tmp_path / "source", state)
    with pytest.raises(ValueError, match=r"the weights lack \['bert.pooler.dense.bias'\]"):
        convert(tmp_path / "source", tmp_path / "target")
    write_weights(tmp_path / "source", {key: value for key, value in state.items() if "glyph" not in key})
    with pytest.raises(ValueError, match="no ChineseBERT's"):
        convert(tmp_path / "source", tmp_path / "target")


def test_source_is_not_written_over(convert, tmp_path):
    released(tmp_path / "source")
    with pytest.raises(ValueError, match="not written over"):
        convert(tmp_path / "source", tmp_path / "source")

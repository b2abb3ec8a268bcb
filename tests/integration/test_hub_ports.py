"""Ports of ChineseBERT on the Hub: folders of the model type "bert" with code of their own, which is never run."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers
from chinese_bert_tools import EVERY, SIZES, assert_same, build, make_inputs, no_grad
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertTokenizerFast

from hanziformers import ChineseBertConfig, ChineseBertForMaskedLM, ChineseBertModel, ChineseBertTokenizer
from hanziformers.tokenization.pinyin import SYMBOLS, encode_pinyin

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"银行长很忙", "ab", "##c"]
TOKENS += [f"[unused{number}]" for number in range(SIZES["vocab_size"] - len(TOKENS))]
BERT = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 0, "model_type": "bert"}
BERT |= {key: SIZES[key] for key in SIZES if not key.startswith(("glyph", "pinyin"))}
LEFTOVERS = {"directionality": "bidi", "gradient_checkpointing": False, "output_past": True, "use_cache": True}
LEFTOVERS |= {"pooler_fc_size": 768, "position_embedding_type": "absolute", "_name_or_path": "ChineseBERT-base"}
FONTS = {"glyph_size": 24, "pinyin_embedding_size": 128}  # what no port writes down: the published sizes


@dataclass
class Port:
    """How one of the ports writes its files."""

    settings: dict
    tokenizer: dict
    weights: str = "pytorch_model.bin"
    pinyin_in_settings: bool = False


PORTS = {
    "with code": Port(
        {
            "architectures": ["GlyceBertForMaskedLM"],
            "auto_map": {"AutoModel": "modeling_glycebert.GlyceBertForMaskedLM"},
        },
        {
            "auto_map": {"AutoTokenizer": ["bert_tokenizer.ChineseBertTokenizer", None]},
            "tokenizer_class": "ChineseBertTokenizer",
        },
        weights="model.safetensors",
    ),
    "for a package": Port(
        {"architectures": ["ChineseBertForMaskedLM"], "glyph_embedding_dim": 1728, "pinyin_map_len": 32},
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True},
        pinyin_in_settings=True,
    ),
}
PINYIN_MAP = {"idx2char": {}, "char2idx": {symbol: index for index, symbol in enumerate(SYMBOLS)}}
PINYIN = {"pinyin_map": PINYIN_MAP, "id2pinyin": {}, "pinyin2tensor": {"yin2": encode_pinyin("yin2")}}


@pytest.fixture(params=list(PORTS))
def port(request):
    return PORTS[request.param]


def write_port(folder: Path, port: Port, model: torch.nn.Module) -> Path:
    """A folder as the port has it, with the weights of a model."""
    (folder / "config").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**BERT, **LEFTOVERS, **port.settings}))
    settings = port.tokenizer | (PINYIN if port.pinyin_in_settings else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    if not port.pinyin_in_settings:
        for name, held in PINYIN.items():
            (folder / "config" / f"{name}.json").write_text(json.dumps(held))
        (folder / "config" / "STFANGSO.TTF24.npy").write_bytes(b"not read")
        BertTokenizerFast(str(folder / "vocab.txt")).backend_tokenizer.save(str(folder / "tokenizer.json"))
    for name in ("modeling_glycebert.py", "bert_tokenizer.py"):
        (folder / name).write_text("raise SystemExit('code of the folder was run')")
    state = {key: value.clone() for key, value in model.state_dict().items()}
    state[f"{'bert.' if hasattr(model, 'bert') else ''}embeddings.position_ids"] = torch.arange(40)[None]
    if port.weights.endswith("bin"):
        torch.save(state, folder / port.weights)
    else:
        save_file(state, folder / port.weights, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("trust", [{}, {"trust_remote_code": True}], ids=["plain", "trusted"])
def test_every_head_gives_its_numbers(cls, port, trust, tmp_path, caplog):
    model = build(cls, **FONTS)
    folder = write_port(tmp_path / "port", port, model)
    with caplog.at_level(logging.WARNING):
        loaded, info = cls.from_pretrained(folder, output_loading_info=True, **trust)
    assert not any(info.values()), info
    assert "You are using a model of type" not in caplog.text
    inputs = make_inputs()
    if "MultipleChoice" in cls.__name__:
        inputs = {name: value[None] for name, value in inputs.items()}
    assert_same(no_grad(loaded.eval(), inputs), no_grad(model, inputs))


def test_a_masked_lm_becomes_every_head(port, tmp_path):
    model = build(ChineseBertForMaskedLM, **FONTS)
    folder = write_port(tmp_path / "port", port, model)
    for cls in EVERY:
        loaded, info = cls.from_pretrained(folder, output_loading_info=True)
        assert {name.split(".")[0] for name in info["missing_keys"]} <= {"classifier", "qa_outputs"}
        for name, value in loaded.base_model.state_dict().items():
            assert torch.equal(value, model.bert.state_dict()[name]), name


def test_what_is_saved_again_is_ours(port, tmp_path):
    folder = write_port(tmp_path / "port", port, build(ChineseBertForMaskedLM, **FONTS))
    ChineseBertForMaskedLM.from_pretrained(folder).save_pretrained(tmp_path / "ours")
    ChineseBertTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "ours")
    files = {path.name for path in (tmp_path / "ours").iterdir()}
    for name in ("config.json", "tokenizer_config.json"):
        saved = json.loads((tmp_path / "ours" / name).read_text())
        entries = [entry if isinstance(entry, list) else [entry] for entry in saved["auto_map"].values()]
        named = {f"{name.split('.')[0]}.py" for entry in entries for name in entry if name}
        assert named <= files
        assert not {"modeling_glycebert.py", "bert_tokenizer.py"} & named
        assert not PINYIN.keys() & saved.keys()
    config = ChineseBertConfig.from_pretrained(tmp_path / "ours")
    assert (config.model_type, config.glyph_size, config.pinyin_vocab_size) == ("chinese_bert", 24, 32)
    assert type(AutoTokenizer.from_pretrained(tmp_path / "ours")) is ChineseBertTokenizer


@pytest.mark.parametrize("trust", [{}, {"trust_remote_code": True}], ids=["plain", "trusted"])
def test_its_tokenizer_is_ours(port, trust, tmp_path, warnings):
    folder = write_port(tmp_path / "port", port, build(**FONTS))
    tokenizer = ChineseBertTokenizer.from_pretrained(folder, **trust)
    text = "银行行长 ABC很[MASK]龘"
    assert tokenizer(text) == ChineseBertTokenizer(str(folder / "vocab.txt"))(text)
    assert tokenizer(text)["pinyin_ids"][2] == encode_pinyin("hang2")
    assert not warnings


@pytest.mark.parametrize("in_settings", [False, True])
def test_another_alphabet_is_refused_and_other_readings_are_told(in_settings, tmp_path, warnings):
    folder = write_port(tmp_path / "port", PORTS["with code"], build(**FONTS))

    def write(**files):
        for name, held in files.items():
            (folder / "config" / f"{name}.json").unlink(missing_ok=True)
            if not in_settings:
                (folder / "config" / f"{name}.json").write_text(json.dumps(held))
        settings = files if in_settings else {}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    write(pinyin_map=PINYIN_MAP, pinyin2tensor={"le": [17, 10, 0, 0, 0, 0, 0, 0]})
    ChineseBertTokenizer.from_pretrained(folder)
    assert "1 of 1 readings, among them 'le' [17, 10, 0" in warnings[0]
    swapped = PINYIN_MAP["char2idx"] | {"a": 7, "b": 6}
    write(pinyin_map={"char2idx": swapped}, pinyin2tensor={})
    with pytest.raises(
        ValueError, match=r"pinyin_map.* other ids than the tokenizer: 'a' 7 \(ours 6\), 'b' 6 \(ours 7\)"
    ):
        ChineseBertTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'.*absolute"),
        ({"glyph_embedding_dim": 2352}, "glyph_embedding_dim=2352.*1728"),
        ({"hidden_act": "gelu_own"}, "hidden_act='gelu_own'"),
        ({"is_decoder": True}, "is_decoder.*the model is an encoder"),
    ],
)
def test_settings_of_another_model_are_named(fields, message, tmp_path):
    port = Port({**PORTS["for a package"].settings, **fields}, {})
    folder = write_port(tmp_path / "port", port, build(**FONTS))
    for load in (ChineseBertConfig.from_pretrained, ChineseBertModel.from_pretrained):
        with pytest.raises((ValueError, StrictDataclassError), match=f"(?s){message}"):
            load(folder)


def test_a_plain_bert_is_still_warned_of(tmp_path, caplog):
    (tmp_path / "config.json").write_text(json.dumps({**BERT, "architectures": ["BertForMaskedLM"]}))
    with caplog.at_level(logging.WARNING):
        ChineseBertConfig.from_pretrained(tmp_path)
    assert "You are using a model of type `bert`" in caplog.text
    assert transformers.AutoConfig.from_pretrained(tmp_path).model_type == "bert"  # nothing is registered for it

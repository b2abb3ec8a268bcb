"""MPM-CNER put together from encoders that were trained before."""

import json

import chinese_bert_tools
import pytest
import torch
from mpm_cner_tools import SIZES, build, make_inputs, random_images
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    ElectraConfig,
    ElectraModel,
    GPT2Config,
    GPT2LMHeadModel,
)

from hanziformers import ChineseBertForMaskedLM, MpmCnerForTokenClassification, MpmCnerModel
from hanziformers.modeling.swin import SwinEncoder

TEXT = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
TEXT = {name: SIZES[name] for name in (*TEXT, "max_position_embeddings")}
OWN = {name: value for name, value in SIZES.items() if name not in TEXT}
SWIN = {"image_size": 24, "patch_size": 6, "embed_dim": 6, "depths": [2, 1], "num_heads": [1, 2], "window_size": 2}


def save_encoder(folder, channels, prefix="encoder.", config=None, dtype=torch.float32):
    """A folder as run_mpm_pretraining.py leaves it: an encoder, a head that is no part of it, and the sizes."""
    folder.mkdir()
    encoder = SwinEncoder(channels, **SWIN)
    weights = {f"{prefix}{name}": value.to(dtype) for name, value in encoder.state_dict().items()}
    save_file({**weights, "class_head.weight": torch.zeros(3, 12)}, folder / "model.safetensors")
    settings = {"model_type": "mpm_pretraining", **SWIN, **(config or {})}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return encoder


def same(module, encoder, **near):
    found, wanted = module.state_dict(), encoder.state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, **near)


@pytest.mark.parametrize("cls", [MpmCnerModel, MpmCnerForTokenClassification])
def test_from_three_folders(cls, tmp_path):
    bert = BertForMaskedLM(BertConfig(**TEXT))
    bert.save_pretrained(tmp_path / "bert")
    encoders = {name: save_encoder(tmp_path / name, c) for name, c in (("glyph", 1), ("phonetic", 3))}
    parts = {"semantic": tmp_path / "bert", "glyph": tmp_path / "glyph", "phonetic": str(tmp_path / "phonetic")}
    fields = {name: value for name, value in OWN.items() if not name.startswith(("swin", "glyph_size"))}
    model = cls.from_encoders(**parts, **fields)
    assert not model.training
    assert (model.config.swin_embed_dim, model.config.swin_depths) == (6, [2, 1])  # from config.json
    base = model.base_model
    same(base.semantic, bert.bert)
    same(base.glyph_bank.encoder, encoders["glyph"])
    same(base.sound_bank.encoder, encoders["phonetic"])
    assert base.semantic.pooler is None
    base.set_glyphs(random_images(60, 1))
    base.set_sounds(random_images(12, 3))
    model.save_pretrained(tmp_path / "whole")
    (tmp_path / "bert" / "model.safetensors").unlink()  # it is not needed any more
    loaded, inputs = cls.from_pretrained(tmp_path / "whole"), make_inputs()
    assert torch.equal(loaded(**inputs)[0], model(**inputs)[0])


def test_from_loaded_models_which_stay_as_they_are(tmp_path):
    semantic = ElectraModel(ElectraConfig(**TEXT, embedding_size=12)).half()
    before = {name: value.clone() for name, value in semantic.state_dict().items()}
    glyph = SwinEncoder(1, **SWIN)
    model = MpmCnerModel.from_encoders(
        semantic, torch.nn.ModuleDict({"encoder": glyph, "head": torch.nn.Linear(2, 2)}), **OWN
    )
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    same(model.semantic, semantic.float())
    same(model.glyph_bank.encoder, glyph)
    model.resize_token_embeddings(50)
    model.config.hidden_size = 12
    assert semantic.config.hidden_size == 24
    assert all(torch.equal(value.float(), semantic.state_dict()[name]) for name, value in before.items())


def test_a_file_in_half_precision_and_new_weights_beside_it(tmp_path):
    encoder = save_encoder(tmp_path / "sounds", 3, prefix="", dtype=torch.float16)
    model = MpmCnerModel.from_encoders(
        BertModel(BertConfig(**TEXT)), phonetic=tmp_path / "sounds" / "model.safetensors", use_glyphs=False, **OWN
    )
    same(model.sound_bank.encoder, encoder, atol=1e-3, rtol=1e-3)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert model.glyph_bank is None


def test_part_of_another_model(tmp_path):
    whole = build(MpmCnerModel)
    model = MpmCnerModel.from_encoders(whole.semantic, whole.glyph_bank, whole.sound_bank, **OWN)
    same(model.glyph_bank.encoder, whole.glyph_bank.encoder)
    with pytest.raises(
        ValueError, match="MpmCnerModel must hold one Swin encoder.*found are: glyph_bank.*, sound_bank"
    ):
        MpmCnerModel.from_encoders(whole.semantic, whole, **OWN)


@pytest.mark.parametrize("name", ["hidden_size", "vocab_size", "num_hidden_layers", "max_position_embeddings"])
@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("saved", [False, True])
def test_sizes_of_the_text_are_those_of_the_checkpoint(name, change, saved, tmp_path):
    """One layer fewer would be lost and one more be random; what torch says of other shapes names no field."""
    bert = BertModel(BertConfig(**TEXT))
    if saved:
        bert.save_pretrained(tmp_path)
    value = TEXT[name] + change * (4 if name == "hidden_size" else 1)
    message = "the BertModel does not fit the semantic encoder of the model: .* Leave sizes of the text out"
    with pytest.raises(ValueError, match=message):
        MpmCnerModel.from_encoders(tmp_path if saved else bert, **{**OWN, "glyph_vocab_size": 60, name: value})


def rewrite(folder, **config):
    """Changes a config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))


def test_a_checkpoint_of_other_weights_is_refused(tmp_path):
    """transformers would take random ones in their place, or leave some out, and write a line into its log."""
    bert = BertForMaskedLM(BertConfig(**TEXT))
    for name in ("more", "other", "shorter"):
        bert.save_pretrained(tmp_path / name)
    rewrite(tmp_path / "more", num_hidden_layers=4)
    rewrite(tmp_path / "shorter", max_position_embeddings=30)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=1))
    of_gpt2 = {name: weight.clone() for name, weight in gpt2.state_dict().items()}
    save_file(of_gpt2, tmp_path / "other" / "model.safetensors")
    chinese_bert = chinese_bert_tools.build(ChineseBertForMaskedLM, **TEXT)
    chinese_bert.save_pretrained(tmp_path / "bert_by_name")
    BertConfig(**TEXT).save_pretrained(tmp_path / "bert_by_name")
    for name, problem in {
        "more": r"encoder.layer.2.*is missing \(32 such weights\)",
        "other": r"embeddings.* is missing \(37 such",
        "shorter": "position_embeddings.weight has another shape",
        "bert_by_name": "embeddings.glyph_embeddings.* is no weight of a BertModel",
    }.items():
        with pytest.raises(ValueError, match=f"the weights in .*{name} are not those of the BertModel.*{problem}"):
            MpmCnerModel.from_encoders(tmp_path / name, **OWN)


def test_heads_poolers_and_buffers_of_a_checkpoint_may_be_left_over(tmp_path):
    """As old checkpoints of bert-base-chinese have them."""
    bert = BertForPreTraining(BertConfig(**TEXT))
    bert.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["bert.embeddings.position_ids"] = torch.arange(40)[None]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    same(MpmCnerModel.from_encoders(tmp_path, **OWN).semantic, MpmCnerModel.from_encoders(bert, **OWN).semantic)


@pytest.mark.parametrize("name", ["lstm_hiden_size", "dropout", "device_map", "embedding_size"])
def test_a_field_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=3: MpmCnerConfig has no such field; it has .*classifier_dropout"):
        MpmCnerModel.from_encoders(BertModel(BertConfig(**TEXT)), **OWN, **{name: 3})


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_the_dtype_is_that_of_the_weights(name):
    bert = BertModel(BertConfig(**TEXT, dtype="float16")).half()
    for wanted, fields in (
        (torch.float32, {}),
        (torch.bfloat16, {name: "bfloat16"}),
        (torch.float16, {name: torch.half}),
    ):
        model = MpmCnerModel.from_encoders(bert, SwinEncoder(1, **SWIN), **OWN, **fields, attn_implementation="eager")
        assert {weight.dtype for weight in model.parameters()} == {wanted}
        assert (model.config.dtype or torch.float32) == wanted
        assert model.semantic.config._attn_implementation == "eager"


def test_encoders_that_do_not_fit_are_explained(tmp_path):
    bert = BertModel(BertConfig(**TEXT))
    save_encoder(tmp_path / "one", 1)
    save_encoder(tmp_path / "three", 3, config={"embed_dim": 12})

    def put_together(message, semantic=bert, error=ValueError, **parts):
        with pytest.raises(error, match=f"(?s){message}"):
            MpmCnerModel.from_encoders(semantic, **{**OWN, **parts})

    put_together(
        "other sizes or channels.*projection.weight has the shape.*1, 6, 6.*3, 6, 6", phonetic=tmp_path / "one"
    )
    put_together(
        "embed_dim is 6 in the glyph encoder and 12 in the phonetic",
        glyph=tmp_path / "one",
        phonetic=tmp_path / "three",
    )
    put_together("other sizes.*swin_embed_dim", glyph=tmp_path / "one", swin_embed_dim=12)
    put_together("beside use_glyphs=False", glyph=tmp_path / "one", use_glyphs=False)
    put_together("Linear must hold one Swin encoder.*found are: none", glyph=torch.nn.Linear(2, 2))
    missing = "there is no Swin encoder at .*missing; give a folder with model.safetensors.*encoder_file"
    put_together(missing, glyph=tmp_path / "missing", error=OSError)
    put_together(missing, glyph=str(tmp_path / "missing"), swin_embed_dim=6, error=OSError)
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    put_together("damaged.safetensors is no safetensors file, or is damaged", phonetic=tmp_path / "damaged.safetensors")
    put_together("glyph is a dict; needed is a folder, a name of the Hub, or a Module", glyph={}, error=TypeError)
    for wrong in (torch.nn.Linear(2, 2), BertConfig(**TEXT), {"model_type": "bert"}, None):
        message = f"semantic is a {type(wrong).__name__}; needed is a folder, a name of the Hub, or a PreTrainedModel"
        put_together(message, semantic=wrong, error=TypeError)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=1, bos_token_id=1, eos_token_id=1))
    put_together("'gpt2' is not allowed", semantic=gpt2, error=Exception)
    gpt2.save_pretrained(tmp_path / "gpt2")
    (tmp_path / "gpt2" / "model.safetensors").unlink()  # refused before weights are looked for
    put_together("'gpt2' is not allowed", semantic=tmp_path / "gpt2", error=Exception)

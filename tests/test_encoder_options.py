"""A new MPM-CNER from encoders that were trained before, named by options; other models have none."""

import pytest
import torch
from glyph_tools import SPECIAL
from mpm_cner_parts import make_feature_extractor
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForTokenClassification,
    BertConfig,
    BertModel,
    BertTokenizer,
)

from hanziformers import MpmCnerConfig, MpmCnerModel, MpmForPreTraining, MpmPretrainingConfig
from hanziformers.training import encoder_options, new_model
from hanziformers.training.model_loading import ModelArguments, load_model

TOKENS = [*SPECIAL, *"银行很忙"]
RANDOM = {"glyph_encoder": "random", "phonetic_encoder": "random"}
LABELS = ["O", "B-LOC", "I-LOC"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
OWN_SWIN = {"swin_embed_dim": 3, "swin_depths": [1], "swin_num_heads": [1]}


@pytest.fixture(autouse=True)
def few_sounds(monkeypatch):
    monkeypatch.setattr(new_model, "FEATURE_EXTRACTOR_MAPPING", {MpmCnerConfig: make_feature_extractor})
    config_for = encoder_options.AutoConfig.for_model
    # Swin encoders this small, wherever an option makes a configuration
    monkeypatch.setattr(
        encoder_options.AutoConfig,
        "for_model",
        lambda kind, **fields: config_for(kind, **({**OWN_SWIN, **fields} if kind == "mpm_cner" else fields)),
    )


@pytest.fixture
def bert(tmp_path):
    """The checkpoint of a BERT."""
    folder = tmp_path / "bert"
    BertModel(BertConfig(vocab_size=len(TOKENS), max_position_embeddings=33, **SIZES)).save_pretrained(folder)
    BertTokenizer({token: row for row, token in enumerate(TOKENS)}).save_pretrained(folder)
    return folder


@pytest.fixture
def swins(tmp_path):
    """Files of both Swin encoders, of one model."""
    config = MpmCnerConfig(semantic_config={"model_type": "bert", "vocab_size": 9, **SIZES}, **OWN_SWIN)
    model = MpmCnerModel(config)
    for name, bank in (("glyph", model.glyph_bank), ("phonetic", model.sound_bank)):
        save_file(bank.encoder.state_dict(), tmp_path / f"{name}.safetensors")
    return {name: str(tmp_path / f"{name}.safetensors") for name in ("glyph", "phonetic")}


def load(**options):
    args = ModelArguments(model_type="mpm_cner", **options)
    return load_model(args, AutoModelForTokenClassification, LABELS)


def test_a_checkpoint_becomes_the_semantic_encoder(bert, swins, tmp_path):
    encoders = {"glyph_encoder": swins["glyph"], "phonetic_encoder": swins["phonetic"]}
    model, processor, labels = load(semantic_encoder=str(bert), vocabulary_bank=True, **encoders)
    assert labels == LABELS
    weights = AutoModel.from_pretrained(bert).state_dict()
    own = model.mpm_cner.semantic.state_dict()
    assert own.keys() < weights.keys()  # but for the pooler
    assert all(torch.equal(own[name], weights[name]) for name in own)
    assert model.config.vocab_size == len(TOKENS)
    assert processor.tokenizer.get_vocab() == {token: row for row, token in enumerate(TOKENS)}
    assert processor.tokenizer.model_max_length == 33
    assert model.config.special_token_ids == [0, 2, 3]
    for name, bank in (("glyph", model.mpm_cner.glyph_bank), ("phonetic", model.mpm_cner.sound_bank)):
        saved = load_file(swins[name])
        assert all(torch.equal(weight, saved[key]) for key, weight in bank.encoder.state_dict().items())
        assert bank.glyphs.any()
    assert model(**processor(["银行很忙", "行"], padding=True, return_tensors="pt")).logits.shape == (2, 6, 3)
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    again, its_processor, _ = load_model(
        ModelArguments(str(tmp_path / "saved")), AutoModelForTokenClassification, LABELS
    )
    for one, parts in ((model, processor), (again, its_processor)):
        one.eval()
        assert parts.feature_extractor.syllables == processor.tokenizer.syllables
    inputs = its_processor("银行很忙", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits)


def test_shipped_encoders_are_the_default(bert, swins, monkeypatch):
    asked = []

    def encoder_file(modality):
        asked.append(modality)
        return swins[modality]

    monkeypatch.setattr(encoder_options, "encoder_file", encoder_file)
    from_scratch = {"semantic_encoder": str(bert), "vocabulary_bank": True}
    for options, expected in (
        ({}, ["glyph", "phonetic"]),
        ({"glyph_encoder": "shipped", "phonetic_encoder": "random"}, ["glyph"]),
        ({"config_overrides": "use_glyphs=false"}, ["phonetic"]),
        ({"config_overrides": "use_glyphs=false,use_sounds=false"}, []),
        (RANDOM, []),
    ):
        asked.clear()
        load(**from_scratch, **options)
        assert asked == expected


def test_sizes_are_those_of_a_named_encoder(bert, tmp_path):
    """run_mpm_pretraining.py takes other sizes, and --config_overrides no lists."""
    sizes = {"patch_size": 12, "embed_dim": 4, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "num_labels": 2}
    for modality in ("glyph", "phonetic"):
        MpmForPreTraining(MpmPretrainingConfig(modality=modality, **sizes)).save_pretrained(tmp_path / modality)
    glyph = {"glyph_encoder": str(tmp_path / "glyph")}
    for options in (
        {**glyph, "phonetic_encoder": str(tmp_path / "phonetic")},
        {**glyph, "phonetic_encoder": "random"},
        {**glyph, "config_overrides": "use_sounds=false"},
    ):
        model, *_ = load(semantic_encoder=str(bert), vocabulary_bank=True, **options)
        assert (model.config.swin_depths, model.config.swin_patch_size, model.config.modality_size) == ([1, 1], 12, 8)
        pretrained = MpmForPreTraining.from_pretrained(tmp_path / "glyph").encoder.state_dict()
        own = model.mpm_cner.glyph_bank.encoder.state_dict()
        assert all(torch.equal(weight, own[name]) for name, weight in pretrained.items())
    with pytest.raises(ValueError, match="the Swin encoder in .*phonetic.safetensors has other sizes.*encoder random"):
        load(semantic_encoder=str(bert), vocabulary_bank=True, **glyph)  # beside the shipped one of sounds


def test_what_does_not_fit_is_refused(bert, swins):
    options = {"semantic_encoder": str(bert), "vocabulary_bank": True}
    with pytest.raises(ValueError, match=r"other sizes or channels than the model.*--glyph_encoder random"):
        load(**options, **{**RANDOM, "glyph_encoder": swins["phonetic"]})
    with pytest.raises(ValueError, match="beside use_sounds=False"):
        load(**options, glyph_encoder="random", phonetic_encoder=swins["phonetic"], config_overrides="use_sounds=false")
    with pytest.raises(ValueError, match="which model.*both --model_type and --semantic_encoder"):
        load()


def test_unused_rows_of_the_word_table_stay():
    """Some vocabularies are padded to a multiple of 64; others are not those of the encoder."""
    semantic = {"model_type": "bert", "vocab_size": 9, **SIZES}
    config = MpmCnerConfig(semantic_config=semantic, glyph_vocab_size=40, **OWN_SWIN)
    args = ModelArguments(model_type="mpm_cner", semantic_encoder="bert")
    encoder_options.keep_vocabulary(args, config, 20, range(9))
    assert config.vocab_size == config.semantic_config.vocab_size == 20
    encoder_options.keep_vocabulary(ModelArguments(vocab_file="vocab.txt"), config, 5, range(9))
    assert config.vocab_size == 20  # a new encoder has the rows of its vocabulary
    with pytest.raises(ValueError, match="the tokenizer has 9 tokens, --semantic_encoder bert 8 rows"):
        encoder_options.keep_vocabulary(args, config, 8, range(9))
    with pytest.raises(ValueError, match="gives the glyph bank 40 rows, and --semantic_encoder bert has 41 for tokens"):
        encoder_options.keep_vocabulary(args, config, 41, range(9))


@pytest.mark.parametrize("name", encoder_options.NAMES)
@pytest.mark.parametrize("kind", ["bert", "chinese_bert", "glyph_crm"])
def test_models_of_one_encoder_take_none(name, kind):
    args = ModelArguments(model_type=kind, vocab_file="vocab.txt", **{name: "somewhere"})
    with pytest.raises(ValueError, match=f"--{name} somewhere beside --model_type {kind}, which is not put together"):
        load_model(args, AutoModelForTokenClassification, LABELS)


def test_a_checkpoint_decides_itself(bert):
    args = ModelArguments(model_name_or_path=str(bert), semantic_encoder="elsewhere")
    with pytest.raises(ValueError, match="--semantic_encoder elsewhere beside the checkpoint"):
        load_model(args, AutoModelForTokenClassification, LABELS)

"""The configuration of MPM-CNER: fields of two configurations in one, saved and checked as a whole."""

import copy

import pytest
from huggingface_hub.errors import StrictDataclassError
from mpm_cner_tools import SIZES
from transformers import AutoConfig, BertConfig, ElectraConfig

from hanziformers import ChineseBertConfig, MpmCnerConfig, MpmCnerForTokenClassification


def test_defaults_are_the_papers_model():
    config = MpmCnerConfig()
    assert type(config.semantic_config) is BertConfig
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (21128, 768, 12)
    assert config.swin_sizes == {
        "image_size": 48,
        "patch_size": 6,
        "embed_dim": 18,
        "depths": [2, 2, 6, 2],
        "num_heads": [3, 6, 12, 24],
        "window_size": 4,
    }
    assert (config.modality_size, config.fused_size, config.num_glyphs) == (144, 768, 21128)
    assert (config.glyph_shape, config.sound_shape) == ((1, 48, 48), (3, 48, 48))
    assert MpmCnerConfig(cross_modality=False).fused_size == 768 + 144 + 144  # 1,056
    assert MpmCnerConfig(cross_modality=False, use_glyphs=False).fused_size == 768 + 144


def test_sizes_of_the_text_are_the_semantic_encoders():
    config = MpmCnerConfig(semantic_config={"model_type": "electra"}, hidden_size=64, num_hidden_layers=3)
    assert type(config.semantic_config) is ElectraConfig
    assert config.semantic_config.hidden_size == config.hidden_size == 64
    config.update_from_string("hidden_size=32,num_attention_heads=2,vocab_size=77,swin_window_size=2")
    assert (config.semantic_config.num_attention_heads, config.semantic_config.vocab_size) == (2, 77)
    assert (config.num_glyphs, config.swin_window_size) == (77, 2)
    assert config.get_text_config() is config.semantic_config
    assert "hidden_size" not in {name for name in config.to_dict() if name != "semantic_config"}


def test_saved_as_one_file(tmp_path):
    config = MpmCnerConfig(semantic_config={"model_type": "roberta", "type_vocab_size": 1}, **SIZES)
    config.font_manifest, config.use_sounds = {"song": "x"}, False
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() | {"_name_or_path": ""} == config.to_dict() | {
        "transformers_version": loaded.transformers_version
    }
    assert (loaded.semantic_config.model_type, loaded.semantic_config.type_vocab_size) == ("roberta", 1)
    assert (loaded.max_position_embeddings, loaded.pad_token_id, loaded.use_sounds) == (40, 1, False)
    twin = copy.deepcopy(loaded)
    twin.hidden_size = 48
    assert loaded.hidden_size == 24


@pytest.mark.parametrize("fields", [{}, {"classifier_dropout": 0.1}])
@pytest.mark.parametrize("config", [BertConfig, ElectraConfig, ChineseBertConfig])
def test_the_configuration_of_another_model_is_refused(config, fields, tmp_path):
    """It would become one with random weights, and no more than a warning."""
    config(**fields).save_pretrained(tmp_path)
    message = f"model_type='{config.model_type}' is not allowed in MpmCnerConfig.*from_encoders"
    with pytest.raises(ValueError, match=message):
        MpmCnerForTokenClassification.from_pretrained(tmp_path, id2label=SIZES["id2label"], special_token_ids=[0])
    with pytest.raises(ValueError, match=message):
        MpmCnerConfig.from_pretrained(tmp_path)
    fields = MpmCnerConfig(**SIZES).to_dict()
    assert MpmCnerConfig.from_dict({**fields, "lstm_hidden_size": 5}).lstm_hidden_size == 5
    assert MpmCnerConfig.from_dict({"lstm_hidden_size": 5}).lstm_hidden_size == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"glyph_vocab_size": 49}, r"glyph_vocab_size=49.*None or 50 \(vocab_size\) and more"),
        ({"num_syllables": 0}, "num_syllables=0.*1 or more"),
        ({"lstm_hidden_size": 0}, "lstm_hidden_size=0"),
        ({"classifier_dropout": 1.0}, r"classifier_dropout=1.0.*\[0, 1\)"),
        ({"classifier": "softmax"}, "classifier='softmax'.*'crf'"),
        ({"crf_scheme": "BILOU"}, "crf_scheme='BILOU'.*'BMESO'"),
        ({"special_token_ids": [0, 50]}, r"special_token_ids=\[0, 50\].*0 to 49"),
        ({"pad_token_id": 50}, "pad_token_id=50.*None or 0 to 49"),
        ({"glyph_styles": ["song", "kai"]}, "glyph_styles=.*a list of one name"),
        ({"glyph_size": 50}, "image_size=50.*a multiple of 12"),
        ({"swin_num_heads": [4, 6]}, "divisors of the stages' widths"),
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"use_glyphs": "no"}, "use_glyphs"),
        ({"semantic_config": "bert"}, "semantic_config"),
    ],
)
def test_wrong_values_are_explained(wrong, message):
    with pytest.raises(StrictDataclassError, match=f"(?s){message}"):
        MpmCnerConfig(**{**SIZES, **wrong})

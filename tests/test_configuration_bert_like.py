"""Fields that all configurations share."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import BertConfig

from hanziformers import ChineseBertConfig, GlyphCrmConfig
from hanziformers.modeling.configuration_bert_like import BertLikeConfig

EVERY = [ChineseBertConfig, GlyphCrmConfig]
OWN = {"classifier", "crf_scheme", "special_token_ids", "glyph_styles", "glyph_size", "glyph_binary", "font_manifest"}


def test_the_defaults_are_those_of_bert():
    names = set(vars(BertLikeConfig)["__annotations__"]) - OWN
    bert, ours = BertConfig(), BertLikeConfig(classifier_dropout=None)
    assert {name: getattr(ours, name) for name in names} | {"vocab_size": 0} == {
        name: getattr(bert, name) for name in names
    } | {"vocab_size": 0}


@pytest.mark.parametrize("config", EVERY)
def test_every_family_says_its_glyphs(config):
    made = config(vocab_size=77, glyph_styles=["kai"], glyph_size=72)
    assert made.glyph_shape == (1, 72, 72)
    assert made.num_glyphs == 77
    assert {"classifier_dropout", *OWN} <= set(made.to_dict())


@pytest.mark.parametrize("config", EVERY)
def test_lists_are_not_shared(config):
    first = config()
    first.glyph_styles.append("cao")
    assert config().glyph_styles == first.glyph_styles[:-1]


@pytest.mark.parametrize("config", EVERY)
def test_a_font_manifest_is_saved_as_it_is(config, tmp_path):
    manifest = {"song": {"family": "明體", "coverage": 0.5, "fallbacks": [["a", "b"]], "files": []}}
    config(font_manifest=manifest).save_pretrained(tmp_path)
    assert config.from_pretrained(tmp_path).font_manifest == manifest


WRONG = {
    "type": ({"hidden_size": "768"}, "hidden_size.*int.*768"),
    "heads": ({"hidden_size": 770}, "hidden_size=770.*multiple of 12"),
    "no heads": ({"num_attention_heads": 0}, "num_attention_heads=0.*1 or more"),
    "vocabulary": ({"vocab_size": 0}, "vocab_size=0.*1 or more"),
    "dropout": ({"hidden_dropout_prob": 1.5}, r"hidden_dropout_prob=1\.5.*\[0, 1\)"),
    "attention dropout": ({"attention_probs_dropout_prob": -0.1}, r"attention_probs_dropout_prob=-0\.1.*\[0, 1\)"),
    "classifier dropout": ({"classifier_dropout": 1.0}, r"classifier_dropout=1\.0.*\[0, 1\)"),
    "initialisation": ({"initializer_range": 0.0}, r"initializer_range=0\.0.*above 0"),
    "epsilon": ({"layer_norm_eps": -1e-12}, "layer_norm_eps=-1e-12.*above 0"),
    "padding": ({"pad_token_id": 99, "vocab_size": 50}, "pad_token_id=99.*0 to 49"),
    "activation": ({"hidden_act": "gelo"}, "hidden_act.*gelo"),
    "classifier": ({"classifier": "gru"}, "classifier='gru'.*'linear' or 'mlp' or 'crf'"),
    "scheme": ({"crf_scheme": "BIO"}, "crf_scheme='BIO'.*'BMESO' or 'IOB2'"),
    "special tokens": ({"special_token_ids": [0, 99], "vocab_size": 50}, r"special_token_ids=\[0, 99\].*0 to 49"),
    "special tokens of another type": ({"special_token_ids": [True, "x"]}, "special_token_ids"),
    "decoder": ({"is_decoder": True}, "is_decoder.*True.*False.*encoder"),
    "cross attention": ({"add_cross_attention": True}, "add_cross_attention.*True.*False.*encoder"),
    "no style": ({"glyph_styles": []}, r"glyph_styles=\[\].*one"),
    "style of another type": ({"glyph_styles": "song"}, "glyph_styles.*expected a list"),
}


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.parametrize("config", EVERY)
def test_wrong_values_are_explained(config, name):
    fields, message = WRONG[name]
    with pytest.raises((ValueError, StrictDataclassError), match=f"(?s){message}"):
        config(**fields)

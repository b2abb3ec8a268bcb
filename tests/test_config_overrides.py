"""Overrides of fields: read, set, and refused where something else decides, with their names and values."""

import pytest
from transformers import BertConfig

from hanziformers import BiMpmConfig, LatticeLstmConfig
from hanziformers.training.config_overrides import check_decided, override_fields, read_overrides


def test_fields_are_set_with_their_types():
    config = BiMpmConfig()
    override_fields(config, "hidden_size=8, glyce=false, hidden_dropout=0, glyph_vocab_size=30000, glyph_cnn=vanilla")
    assert (config.hidden_size, config.glyce, config.hidden_dropout) == (8, False, 0.0)
    assert (config.glyph_vocab_size, config.glyph_cnn) == (30000, "vanilla")
    assert read_overrides("") == []
    override_fields(config, "")


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("hidden_size=8.5", "an integer"),
        ("num_perspectives=many", "an integer"),
        ("hidden_dropout=x", "a number"),
        ("glyce=maybe", "true or false"),
        ("glyph_styles=song", "none here, as it is a list: leave it out"),
    ],
)
def test_values_of_another_type_are_named(override, allowed):
    with pytest.raises(ValueError, match=f"config_overrides='{override}': {override} is not allowed; .* {allowed}"):
        override_fields(BiMpmConfig(), override)


@pytest.mark.parametrize(
    ("name", "value"),
    [("vocab_size", 99), ("pad_token_id", 5), ("glyph_vocab_size", 99), ("num_words", 7)],
)
def test_what_the_tokenizer_of_a_new_model_decides(name, value):
    """It would be lost, or padding would be that of another word."""
    with pytest.raises(ValueError, match=f"{name}={value} cannot be set, as the tokenizer decides; leave it out"):
        check_decided(LatticeLstmConfig(), f"hidden_size=8,{name}={value}", is_new=True, labelled=False)
    check_decided(LatticeLstmConfig(), f"{name}={value}", is_new=False, labelled=True)


@pytest.mark.parametrize("override", ["num_labels=5", "problem_type=regression", "id2label=O"])
@pytest.mark.parametrize("is_new", [True, False])
def test_what_the_labels_of_the_data_decide(override, is_new):
    with pytest.raises(ValueError, match=f"{override} cannot be set, as the labels of the data decide"):
        check_decided(BertConfig(), override, is_new, labelled=True)
    check_decided(BertConfig(), override, is_new, labelled=False)  # where there are none, as for reading

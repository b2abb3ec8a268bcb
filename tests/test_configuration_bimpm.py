"""The configuration of BiMPM: its defaults, and what is refused."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hanziformers import BiMpmConfig


def test_defaults():
    config = BiMpmConfig()
    assert (config.hidden_size, config.num_perspectives, config.num_hidden_layers, config.input_size) == (
        200,
        20,
        1,
        164,
    )
    assert (config.embedding_dropout, config.hidden_dropout, config.classifier_dropout) == (0.1, 0.1, 0.1)
    assert BiMpmConfig(vocab_size=90, glyph_vocab_size=60).num_glyphs == 60  # words are more than their characters


def test_saved_and_loaded(tmp_path):
    BiMpmConfig(num_perspectives=7, glyce=False, glyph_vocab_size=60).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(loaded, BiMpmConfig)
    assert (loaded.num_perspectives, loaded.use_glyphs, loaded.input_size, loaded.num_glyphs) == (7, False, 100, 60)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"num_perspectives": 0},
            "num_perspectives=0 is not allowed in BiMpmConfig; allowed is an integer of 1 or more",
        ),
        ({"num_perspectives": 1.5}, "num_perspectives"),
        ({"hidden_size": 13}, "hidden_size=13.*even"),
        ({"hidden_dropout": 1.0}, r"hidden_dropout=1.0.*\[0, 1\)"),
    ],
)
def test_what_no_model_can_be_built_from_is_refused(wrong, message):
    with pytest.raises(StrictDataclassError, match=message):
        BiMpmConfig(**wrong)

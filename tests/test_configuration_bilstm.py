"""The configuration of BiLSTMs: what the switch means, and what is refused."""

import pytest
from bilstm_tools import SIZES
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hanziformers import BiLstmConfig


def test_defaults():
    config = BiLstmConfig()
    assert (config.input_size, config.hidden_size, config.num_hidden_layers) == (164, 200, 1)
    assert (config.glyph_shape, config.use_glyphs, config.num_glyphs) == ((8, 12, 12), True, 21128)
    assert (BiLstmConfig(glyce=False).input_size, BiLstmConfig(glyce=False).use_glyphs) == (100, False)
    assert BiLstmConfig(embedding_dim=0).input_size == 64


def test_saved_and_loaded(tmp_path):
    BiLstmConfig(**SIZES, glyce=False).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(loaded, BiLstmConfig)
    assert (loaded.glyce, loaded.use_glyphs, loaded.num_glyphs, loaded.input_size) == (False, False, 60, 10)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"glyph_vocab_size": 49}, r"glyph_vocab_size=49.*None or 50 \(vocab_size\) and more"),
        ({"embedding_dim": -1}, "embedding_dim=-1.*1 or more, or 0 for glyphs alone"),
        ({"embedding_dim": 0, "glyce": False}, "embedding_dim=0.*1 or more, or 0 for glyphs alone"),
        ({"hidden_size": 13}, "hidden_size=13.*even"),
        ({"hidden_size": 0}, "hidden_size=0.*1 or more"),
        ({"num_hidden_layers": 0}, "num_hidden_layers=0.*1 or more"),
        ({"hidden_dropout": 1.0}, r"hidden_dropout=1.0.*\[0, 1\)"),
        ({"embedding_dropout": -0.1}, r"embedding_dropout=-0.1.*\[0, 1\)"),
        ({"initializer_range": 0}, "initializer_range=0.*above 0"),
        ({"pad_token_id": 50}, "pad_token_id=50.*0 to 49"),
        ({"classifier": "softmax"}, "classifier='softmax'"),
        ({"special_token_ids": [50]}, r"special_token_ids=\[50\].*0 to 49"),
        ({"glyph_groups": 3}, "glyph_groups=3"),
        ({"image_loss_weight": 2}, "image_loss_weight=2.*from 0 to 1"),
        ({"glyce": "no"}, "glyce"),
    ],
)
def test_what_no_model_can_be_built_from_is_refused(wrong, message):
    with pytest.raises(StrictDataclassError, match=message):
        BiLstmConfig(**{**SIZES, **wrong})

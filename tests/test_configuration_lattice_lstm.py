"""The configuration of Lattice-LSTM: its defaults, and what is refused."""

import pytest
from huggingface_hub.errors import StrictDataclassError

from hanziformers.modeling.configuration_lattice_lstm import LatticeLstmConfig


def test_defaults_are_those_of_the_published_tagger():
    config = LatticeLstmConfig()
    assert (config.hidden_size, config.word_size, config.word_dropout) == (200, 50, 0.5)
    assert (config.hidden_dropout, config.classifier_dropout, config.embedding_dropout) == (0.0, 0.5, 0.5)
    assert (config.input_size, LatticeLstmConfig(glyce=False).input_size) == (164, 100)


def test_saved_and_loaded(tmp_path):
    LatticeLstmConfig(num_words=7, word_size=3, glyce=False).save_pretrained(tmp_path)
    loaded = LatticeLstmConfig.from_pretrained(tmp_path)
    assert (loaded.num_words, loaded.word_size, loaded.glyce, loaded.model_type) == (7, 3, False, "lattice_lstm")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_words": 0}, "num_words=0.*1 or more"),
        ({"word_size": 0}, "word_size=0.*1 or more"),
        ({"word_dropout": 1.0}, "word_dropout=1.0"),
        ({"num_hidden_layers": 2}, "num_hidden_layers=2.*allowed is 1: words are read beside characters alone"),
        ({"hidden_size": 7}, "hidden_size=7.*even"),
        ({"glyph_vocab_size": 5}, r"glyph_vocab_size=5.*21128 \(vocab_size\) and more"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(StrictDataclassError) as caught:
        LatticeLstmConfig(**wrong)
    assert caught.match(message) or pytest.fail(str(caught.value))

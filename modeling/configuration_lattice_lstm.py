# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of Lattice-LSTM.

Zhang and Yang, 2018, "Chinese NER Using Lattice LSTM".
"""

from huggingface_hub.dataclasses import strict

from .checks import check_bank_rows, check_rates, check_sizes, require
from .configuration_recurrent import RecurrentConfig


@strict
class LatticeLstmConfig(RecurrentConfig):
    """An LSTM in each direction over characters and the words of a lexicon, with `glyce` glyphs beside their ids.

    Every field is checked when the configuration is made. Further fields are those of `RecurrentConfig`,
    `GlyphCnnConfig` and `CharacterConfig`; the paper's tagger has `classifier="crf"`.

    Args:
        num_words: words of the lexicon, >= 1: rows of the table of words that each direction has.
        word_size: width of the vectors of words, >= 1.
        word_dropout: dropout on the vectors of words, in [0, 1).
        num_hidden_layers: 1: the words are those of characters, not of what another LSTM makes of them.

    Example:
        >>> from hanziformers import LatticeLstmConfig
        >>> LatticeLstmConfig(num_words=704368, glyce=False).input_size
        100
    """

    model_type = "lattice_lstm"

    num_words: int = 20000
    word_size: int = 50
    word_dropout: float | int = 0.5

    def validate_architecture(self) -> None:
        """As every configuration here; the first rows of the bank are those of the vocabulary."""
        super().validate_architecture()
        check_bank_rows(self)
        check_sizes(self, ("num_words", "word_size"))
        check_rates(self, ("word_dropout",))
        layers = self.num_hidden_layers
        require(self, layers == 1, "num_hidden_layers", layers, "1: words are read beside characters alone")


LatticeLstmConfig.register_for_auto_class()

__all__ = ["LatticeLstmConfig"]

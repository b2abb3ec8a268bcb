# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of BiMPM, a host of Glyce for pairs of sentences.

Wang et al., 2017, "Bilateral Multi-Perspective Matching for Natural Language Sentences".
"""

from huggingface_hub.dataclasses import strict

from .checks import check_sizes
from .configuration_recurrent import RecurrentConfig


@strict
class BiMpmConfig(RecurrentConfig):
    """A BiLSTM over the words, or characters, of two sentences, their matching, and a BiLSTM over what was found.

    Every field is checked when the configuration is made. Those of ids, glyphs and LSTMs are those of
    `RecurrentConfig`; `num_hidden_layers` counts the BiLSTMs in front of the matching.

    Args:
        num_perspectives: cosines l of each of the eight matchings, >= 1; the paper's experiments have 1 to 20.
        glyph_initializer: "uniform" here, as in the authors' code. With "kaiming" the vectors of glyphs are twenty
            times as long as those of ids, and much alike, so that all words match each other and nothing is learnt.

    Example:
        >>> from hanziformers import BiMpmConfig
        >>> BiMpmConfig(vocab_size=30000, glyce=False).input_size
        100
    """

    model_type = "bimpm"

    embedding_dropout: float | int = 0.1
    hidden_dropout: float | int = 0.1
    classifier_dropout: float | int = 0.1
    num_perspectives: int = 20
    glyph_initializer: str = "uniform"

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses a matching without perspectives."""
        super().validate_architecture()
        check_sizes(self, ("num_perspectives",))


BiMpmConfig.register_for_auto_class()

__all__ = ["BiMpmConfig"]

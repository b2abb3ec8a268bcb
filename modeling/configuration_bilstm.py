# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of BiLSTMs over characters: the tagger and the classifier without BERT that Glyce is compared on."""

from huggingface_hub.dataclasses import strict

from .checks import check_bank_rows
from .configuration_recurrent import RecurrentConfig


@strict
class BiLstmConfig(RecurrentConfig):
    """BiLSTMs over the vectors of characters: ids, and with `glyce` glyphs beside them.

    Every field is checked when the configuration is made. The fields are those of `RecurrentConfig`, `GlyphCnnConfig`
    and `CharacterConfig`. With `classifier="crf"` the tagger is the BiLSTM-CRF of the paper's Tables 2 to 4.

    Args:
        glyph_initializer: "uniform" here, as in the authors' code. With "kaiming" the vectors of glyphs are twenty
            times as long as those of ids, and much alike: a tagger learns, a classifier of whole texts hardly does.

    Example:
        >>> from hanziformers import BiLstmConfig
        >>> BiLstmConfig().input_size
        164
        >>> BiLstmConfig(glyce=False).input_size
        100
    """

    model_type = "bilstm"

    glyph_initializer: str = "uniform"

    def validate_architecture(self) -> None:
        """As every configuration here; the first rows of the bank are those of the vocabulary."""
        super().validate_architecture()
        check_bank_rows(self)


BiLstmConfig.register_for_auto_class()

__all__ = ["BiLstmConfig"]

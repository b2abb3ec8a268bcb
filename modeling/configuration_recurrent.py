# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""What the configurations of Glyce's hosts without BERT share: taggers, matchers and parsers built on LSTMs."""

from .checks import check_rates, check_sizes, check_tagger_fields, require
from .configuration_glyph_cnn import GlyphCnnConfig


class RecurrentConfig(GlyphCnnConfig):
    """Base of the configurations of models of LSTMs, which are trained from scratch.

    The fields of the CNN and of its loss are those of `GlyphCnnConfig`, those of labels those of `CharacterConfig`.

    Args:
        vocab_size: rows V of the table of ids, >= 1: characters or words.
        embedding_dim: width I of the vectors of ids; 0 leaves them out, so that a model sees glyphs alone.
        hidden_size: width H of an LSTM's vectors, half of it in each direction; even, >= 2.
        num_hidden_layers: LSTMs on top of each other, >= 1.
        embedding_dropout: dropout on the input vectors, in [0, 1).
        hidden_dropout: dropout behind every LSTM, in [0, 1). 0, as `classifier_dropout` follows the last one.
        classifier_dropout: dropout in front of the layers that label, in [0, 1).
        glyce: whether the vectors of glyphs stand beside those of ids. False is the baseline: the same model without.
        glyph_vocab_size: rows N of the bank of glyph images; None is `vocab_size`.
        pad_token_id: id of padding.
        initializer_range: standard deviation of the initial vectors of ids, > 0.
    """

    vocab_size: int = 21128
    embedding_dim: int = 100
    hidden_size: int = 200
    num_hidden_layers: int = 1
    embedding_dropout: float | int = 0.5
    hidden_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.5
    glyce: bool = True
    glyph_vocab_size: int | None = None
    glyph_dim: int = 64
    glyph_groups: int = 8
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    initializer_range: float | int = 0.1

    @property
    def use_glyphs(self) -> bool:
        """As `glyce`, under the name that the other families have for it."""
        return self.glyce

    @property
    def num_glyphs(self) -> int:
        """Rows N of the bank of glyph images."""
        return self.vocab_size if self.glyph_vocab_size is None else self.glyph_vocab_size

    @property
    def input_size(self) -> int:
        """Width of the input vectors: I + D, or I without glyphs."""
        return self.embedding_dim + (self.glyph_dim if self.glyce else 0)

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses what no LSTM can be built from."""
        super().validate_architecture()
        check_sizes(self, ("vocab_size", "hidden_size", "num_hidden_layers", "num_glyphs"))
        allowed = "an integer of 1 or more, or 0 for glyphs alone (glyce=True)"
        fine = self.embedding_dim >= 1 or (self.embedding_dim == 0 and self.glyce)
        require(self, fine, "embedding_dim", self.embedding_dim, allowed)
        require(self, self.hidden_size % 2 == 0, "hidden_size", self.hidden_size, "even: half of it for each direction")
        check_rates(self, ("embedding_dropout", "hidden_dropout", "classifier_dropout"))
        require(self, self.initializer_range > 0, "initializer_range", self.initializer_range, "a number above 0")
        pad, allowed = self.pad_token_id, f"None or 0 to {self.vocab_size - 1}"
        require(self, pad is None or 0 <= pad < self.vocab_size, "pad_token_id", pad, allowed)
        check_tagger_fields(self)


__all__ = ["RecurrentConfig"]

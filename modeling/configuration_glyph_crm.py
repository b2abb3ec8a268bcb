# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of GlyphCRM.

Li et al., 2021, "GlyphCRM: Bidirectional Encoder Representation for Chinese Character with its Glyph".
"""

from typing import Any

from huggingface_hub.dataclasses import strict

from .checks import check_glyph_styles, check_rates, check_sizes, require
from .configuration_bert_like import BertLikeConfig
from .feature_norm import check_norm_fields

GLYPH_CNNS = ("han_glyph", "none")
POSITION_MAPS = ("paper", "released")
INITIALIZERS = ("torch", "kaiming", "bert")


@strict
class GlyphCrmConfig(BertLikeConfig):
    """Sizes of a GlyphCRM. The defaults are the paper's model (95,814,336 parameters without pooler and heads).

    Every field is checked when the configuration is made: a wrong type or a value outside of its range raises an
    error that names the field, the value and what is allowed. The fields of BERT are those of `BertLikeConfig`.

    Args:
        vocab_size: labels V of masked-character prediction, >= 1: the closed vocabulary. Inputs are an open set.
        glyph_vocab_size: rows N of the bank of glyph images, >= `vocab_size`; the first V rows are the vocabulary's.
            None is `vocab_size`.
        glyph_styles: the style of the glyph images, exactly one.
        glyph_size: side of a glyph image in pixels, a multiple of 24. The kernels follow: glyph_size / 6 + 1 in block 1
            (9 at 48), glyph_size / 24 + 1 in block 2 (3 at 48).
        glyph_cnn: "han_glyph", the paper's CNN, or "none": the pixels themselves are the features of the three linear
            layers that make R, G1 and G2, for a twentieth of the CNN's time (0.6 against 11 ms a glyph image at base
            size on one core). Without the CNN `glyph_size` may be any; channels and position maps mean nothing.
        feature_norm: what happens to the features before those three layers. None is the paper's model: nothing.
            "standard" gives every feature mean 0 and variance 1 over the bank's glyph images, "whiten" all directions
            alike (ZCA), so that no direction is learnt far slower than others. The statistics are saved with the model:
            "whiten" adds 81 MB to a checkpoint at base size. `feature_norm.py` says more. D normed features have a
            length of about sqrt(D), and so the three layers learn with about 1 / sqrt(D) of the learning rate of the
            rest ("glyph_linear"), and have long gradients: clipped together (`max_grad_norm`) those of the rest nearly
            vanish, and Adam's epsilon counts for more; train with max_grad_norm=0, or one that is as much larger.
        feature_norm_epsilon: of the largest variance, above 0 and below 1: a direction is stretched by no more than
            epsilon ** -0.5 relative to the widest. Saved statistics keep theirs until the next estimate.
        feature_norm_images: of how many glyph images the statistics are at most, >= 2: distinct ones, evenly spaced
            over the bank. A checkpoint with "whiten" keeps its number where it has more features than that.
        feature_norm_interval: training forwards between two estimates of the statistics, >= 1. They are also estimated
            at the first use, when the model is evaluated after training, and after `set_glyphs`. Training goes on with
            the estimate of an evaluation, so that one which evaluates at other steps differs a little. An estimate
            encodes `feature_norm_images` glyph images and decomposes their covariance: at base size, with the default,
            roughly half a minute of one core.
        adaptive_gradients: whether, in training, the gradients of characters' glyph vectors are given the lengths that
            Adam would give them as rows of a table (`adaptive_gradients.py`). The paper's model has none of it. It is
            for training from scratch with "whiten", and with as many features and `feature_norm_images` as the bank has
            characters, or more. It adds a buffer as large as such a table, float32 [N + 1, 3 * hidden_size], which DDP
            sends around in every step; a loaded model can do without: adaptive_gradients=False.
        first_block_channels: channels of HanGlyph's block 1, >= 1.
        second_block_channels: channels of HanGlyph's block 2, >= 1.
        position_maps: the coordinates beside the image: "paper" (-0.2 to 0.2) or "released" (-0.48 to 0.46 at 48
            pixels, as in the authors' code).
        glyph_initializer: of HanGlyph: "torch" is torch's default, as in the authors' code; "kaiming" (He et al., 2015,
            biases zero, Glorot before a tanh) keeps the differences between images through all eight layers. With
            "torch" the vectors of two characters differ by a tenth of what all have in common, and small models hardly
            learn from little text: take "kaiming" for those. "bert" is "kaiming" with linear layers whose weights are
            N(0, initializer_range^2 / D) for D features: of features with variance 1, as `feature_norm` makes them, the
            vectors R, G1 and G2 have the standard deviation of BERT's table, and positions are not drowned by them.
        glyph_dropout_prob: dropout on a token's glyph vector R, in [0, 1).
        id_embeddings: a table of ids [V, H] beside the glyph vectors, and a Linear(2H -> H) that fuses R with its row;
            G1 and G2 stay as they are. The paper's model has none; the published checkpoint most likely has it. It
            adds 15,474,432 parameters at base size, and initialises them as BERT.
        unk_token_id: id of [UNK], 0..V-1. With `id_embeddings` it is the row of the id table for characters outside of
            the vocabulary, where the model is given glyph_ids without input_ids. The published vocabulary has 1.
        classifier_dropout: dropout before a task head, in [0, 1); the published runs have none.

    Example:
        >>> from hanziformers import GlyphCrmConfig
        >>> GlyphCrmConfig(num_hidden_layers=4).hidden_size
        768
        >>> GlyphCrmConfig.released().position_maps
        'released'
    """

    model_type = "glyph_crm"

    vocab_size: int = 18612
    glyph_vocab_size: int | None = None
    glyph_cnn: str = "han_glyph"
    feature_norm: str | None = None
    feature_norm_epsilon: float = 1e-5
    feature_norm_images: int = 2048
    feature_norm_interval: int = 25
    adaptive_gradients: bool = False
    first_block_channels: int = 64
    second_block_channels: int = 128
    position_maps: str = "paper"
    glyph_initializer: str = "torch"
    glyph_dropout_prob: float | int = 0.1
    id_embeddings: bool = False
    unk_token_id: int = 1
    classifier_dropout: float | int = 0.0
    tie_word_embeddings: bool = False

    @classmethod
    def base(cls, **fields: Any) -> "GlyphCrmConfig":
        """The model of the paper: 12 layers of 768, 12 heads, channels 64 and 128; `fields` replace single values."""
        return cls(**fields)

    @classmethod
    def released(cls, **fields: Any) -> "GlyphCrmConfig":
        """The model of the authors' code: as the paper's, with its other position maps."""
        return cls(**{"position_maps": "released", **fields})

    @property
    def num_glyphs(self) -> int:
        """Rows N of the bank of glyph images."""
        return self.vocab_size if self.glyph_vocab_size is None else self.glyph_vocab_size

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses what HanGlyph or the bank cannot be built from."""
        super().validate_architecture()
        check_sizes(self, ("first_block_channels", "second_block_channels"))
        check_norm_fields(self)
        check_rates(self, ("glyph_dropout_prob",))
        check_glyph_styles(self, most=1)
        size, rows, maps = self.glyph_size, self.num_glyphs, self.position_maps
        cnn = self.glyph_cnn
        require(self, cnn in GLYPH_CNNS, "glyph_cnn", cnn, " or ".join(map(repr, GLYPH_CNNS)))
        fits = size >= 1 if cnn == "none" else size >= 24 and size % 24 == 0
        any_size = " (with glyph_cnn='none' any of 1 or more)"
        require(self, fits, "glyph_size", size, f"a multiple of 24: 24, 48, 72, ...{any_size}")
        allowed = f"None or {self.vocab_size} (vocab_size) and more: the vocabulary has the first rows"
        require(self, rows >= self.vocab_size, "glyph_vocab_size", rows, allowed)
        require(self, maps in POSITION_MAPS, "position_maps", maps, " or ".join(map(repr, POSITION_MAPS)))
        kind = self.glyph_initializer
        require(self, kind in INITIALIZERS, "glyph_initializer", kind, " or ".join(map(repr, INITIALIZERS)))
        unknown = self.unk_token_id
        fine = not self.id_embeddings or 0 <= unknown < self.vocab_size
        require(self, fine, "unk_token_id", unknown, f"0 to {self.vocab_size - 1}: [UNK] has a row of the id table")
        tied = self.tie_word_embeddings
        allowed = "False: the decoder is a table of its own, as characters are read from their glyph images"
        require(self, not tied, "tie_word_embeddings", tied, allowed)


GlyphCrmConfig.register_for_auto_class()

__all__ = ["GlyphCrmConfig"]

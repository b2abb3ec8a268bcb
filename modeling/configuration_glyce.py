# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of Glyce.

Meng et al., 2019, "Glyce: Glyph-vectors for Chinese Character Representations".
"""

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict

from .checks import check_glyph_styles, check_rates, check_sizes, require
from .configuration_semantic import SemanticConfig

CNNS = ("tianzige", "vanilla", "resnet")
INITIALIZERS = ("kaiming", "uniform")
TASK_LAYERS = ("transformers", "bilstm", "cnn", "none")
# Table 1: bronze, clerical, seal and tablet script, traditional characters, Song, FangSong, cursive script
SCRIPTS = ("bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao")
KERNEL_SIZE = 5  # of the first convolution of the Tianzige-CNN
MOST_POSITIONS = 512  # of a text whose semantic encoder sets no limit
HEAD_SIZE = 64  # width of an attention head, as in BERT


@strict
class GlyceConfig(SemanticConfig):
    """A semantic encoder, a CNN that reads the scripts of every character, and the layers of a task over both.

    Every field is checked when the configuration is made. The fields of the semantic encoder are those of
    `SemanticConfig`; those of glyph images and labels those of `CharacterConfig`. The paper names no dropouts; the
    defaults are BERT's.

    Args:
        glyph_styles: the scripts of a character, one channel F each, one or more. The default are the eight of Table 1.
        glyph_size: side of a glyph image in pixels, as the CNN sees it, >= 6.
        glyph_words: whether tokens of several characters and special tokens have glyph images too. Where not, they are
            blank: the CNN's vector of a blank image stands for "no glyph".
        glyph_dim: width D of the vector of a character, a multiple of 4.
        glyph_groups: groups of the Tianzige-CNN's second convolution; the first one has half as many. Both must divide
            D / 4.
        glyph_cnn: "tianzige", or one of those that Table 11 compares with it: "vanilla" and "resnet".
        glyph_initializer: of the CNN: "kaiming" (He et al., 2015, biases zero) or "uniform", U(-0.1, 0.1), as in the
            authors' code.
        glyph_normalize: whether each channel is standardised inside, with the mean and deviation over the glyph images
            of the bank. Images of 0..1 are hardly learnt without it.
        glyph_scale: what images of 0..1 are multiplied by; 255 in the authors' code, without normalisation.
        glyph_batch_norm: a batch norm over the vectors of all tokens, as in the authors' code.
        glyph_dropout: dropout on the vector of a token's glyph, in [0, 1). The image classification goes without.
        embedding_dropout: dropout on the sum of position and glyph, in [0, 1).
        use_image_loss: False: without the image-classification loss (Table 10) and its classifier.
        image_loss_weight: lambda_0 of Eq. 2, in [0, 1]: the weight of that loss at the beginning.
        image_loss_decay: lambda_1 of Eq. 2, in [0, 1]: what the weight is multiplied by every epoch. The paper names no
            values; 0.1 is the usual weight in the authors' code, 0.8 and 0.85 are the decays of its longer runs.
        use_glyphs: False: no glyphs; the layers of the task see the semantic encoder alone. That is the baseline.
        task_layer: the layers over glyphs and text (Table 9): "transformers", "bilstm", "cnn" or "none".
        num_task_layers: how many, >= 1.
        task_num_attention_heads: of the Transformer layers, a divisor of `fused_size`; None is one for every 64 values.
        task_intermediate_size: width of their feed-forward layers, >= 1; None is four times `fused_size`.
        task_dropout: dropout in the layers of the task, in [0, 1).
        classifier_dropout: dropout in front of the layers that label, in [0, 1).

    Example:
        >>> from hanziformers import GlyceConfig
        >>> GlyceConfig().fused_size
        1792
        >>> GlyceConfig.released(glyph_dim=384).glyph_scale
        255
    """

    model_type = "glyce"

    glyph_styles: list[str] = field(default_factory=lambda: list(SCRIPTS))
    glyph_size: int = 12
    glyph_words: bool = False
    glyph_dim: int = 1024
    glyph_groups: int = 16
    glyph_cnn: str = "tianzige"
    glyph_initializer: str = "kaiming"
    glyph_normalize: bool = True
    glyph_scale: float | int = 1
    glyph_batch_norm: bool = False
    glyph_dropout: float | int = 0.1
    embedding_dropout: float | int = 0.1
    use_image_loss: bool = True
    image_loss_weight: float | int = 0.1
    image_loss_decay: float | int = 0.8
    task_layer: str = "transformers"
    num_task_layers: int = 2
    task_num_attention_heads: int | None = None
    task_intermediate_size: int | None = None
    task_dropout: float | int = 0.1

    @classmethod
    def released(cls, **fields: Any) -> "GlyceConfig":
        """The model of the authors' code (glyce_bert.json); `fields` replace single values.

        Its classifier of tokens has a ReLU where `classifier="mlp"` here has a tanh.
        """
        published = {
            "glyph_styles": ["song"],
            "glyph_size": 19,
            "glyph_dim": 768,
            "glyph_groups": 8,
            "glyph_initializer": "uniform",
            "glyph_normalize": False,
            "glyph_scale": 255,
            "glyph_batch_norm": True,
            "image_loss_decay": 0.1,
        }
        dropouts = ("glyph_dropout", "embedding_dropout", "task_dropout", "classifier_dropout")
        return cls(**{**published, **dict.fromkeys(dropouts, 0.5), **fields})

    @property
    def fused_size(self) -> int:
        """Width of glyph and text, concatenated: D + H, or H without glyphs."""
        return self.hidden_size + (self.glyph_dim if self.use_glyphs else 0)

    @property
    def num_positions(self) -> int:
        """Positions P of the glyphs: those of the semantic encoder, 512 where it sets no limit."""
        return self.max_position_embeddings or MOST_POSITIONS

    @property
    def num_task_heads(self) -> int:
        """Attention heads of the layers of the task: by default the most that are 64 values wide or wider."""
        if self.task_num_attention_heads is not None:
            return self.task_num_attention_heads
        width = self.fused_size
        return next(heads for heads in range(max(width // HEAD_SIZE, 1), 0, -1) if width % heads == 0)

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses what the CNN or the layers of the task cannot be built from."""
        super().validate_architecture()
        check_glyph_styles(self)
        check_sizes(self, ("glyph_dim", "glyph_groups", "num_task_layers"))
        optional = ("task_num_attention_heads", "task_intermediate_size")
        check_sizes(self, [name for name in optional if getattr(self, name) is not None])
        check_rates(self, ("glyph_dropout", "embedding_dropout", "task_dropout"))
        for name, allowed in (("glyph_cnn", CNNS), ("glyph_initializer", INITIALIZERS), ("task_layer", TASK_LAYERS)):
            value = getattr(self, name)
            require(self, value in allowed, name, value, " or ".join(map(repr, allowed)))
        for name in ("image_loss_weight", "image_loss_decay"):
            require(self, 0 <= getattr(self, name) <= 1, name, getattr(self, name), "a number from 0 to 1")
        self._check_cnn()
        self._check_task_layers()

    def _check_cnn(self) -> None:
        size, width, groups, scale = self.glyph_size, self.glyph_dim, self.glyph_groups, self.glyph_scale
        allowed = f"{KERNEL_SIZE + 1} or more: windows of {KERNEL_SIZE} x {KERNEL_SIZE} are pooled to 2 x 2"
        require(self, size > KERNEL_SIZE, "glyph_size", size, allowed)
        require(self, 0 < scale < float("inf"), "glyph_scale", scale, "a number above 0")
        if self.glyph_cnn == "tianzige":
            require(self, width % 4 == 0, "glyph_dim", width, "a multiple of 4: the middle layer has a quarter of it")
            quarter = width // 4
            fine = [n for n in range(1, quarter + 1) if quarter % n == 0 and quarter % max(n // 2, 1) == 0]
            allowed = f"one of {', '.join(map(str, fine))}: it and its half divide a quarter of glyph_dim={width}"
            require(self, groups in fine, "glyph_groups", groups, allowed)

    def _check_task_layers(self) -> None:
        width, heads = self.fused_size, self.num_task_heads
        parts = f"glyph_dim={self.glyph_dim} + hidden_size={self.hidden_size}" if self.use_glyphs else "hidden_size"
        if self.task_layer == "transformers":
            allowed = f"a divisor of {width} ({parts}), or None"
            require(self, width % heads == 0, "task_num_attention_heads", heads, allowed)
        if self.task_layer == "bilstm":
            allowed = f"one with which {parts} is even: a BiLSTM has half of it in each direction"
            require(self, width % 2 == 0, "glyph_dim" if self.use_glyphs else "hidden_size", width, allowed)


GlyceConfig.register_for_auto_class()

__all__ = ["GlyceConfig"]

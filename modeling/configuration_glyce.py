# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of Glyce.

Meng et al., 2019, "Glyce: Glyph-vectors for Chinese Character Representations".
"""

from typing import Any

from huggingface_hub.dataclasses import strict

from .checks import check_rates, check_sizes, require
from .configuration_glyph_cnn import GlyphCnnConfig
from .configuration_semantic import SemanticConfig

TASK_LAYERS = ("transformers", "bilstm", "cnn", "bimpm", "none")
MOST_POSITIONS = 512  # of a text whose semantic encoder sets no limit
HEAD_SIZE = 64  # width of an attention head, as in BERT


@strict
class GlyceConfig(GlyphCnnConfig, SemanticConfig):
    """A semantic encoder, a CNN that reads the scripts of every character, and the layers of a task over both.

    Every field is checked when the configuration is made. The fields of the semantic encoder are those of
    `SemanticConfig`; those of the CNN and its loss those of `GlyphCnnConfig`, and those of labels those of
    `CharacterConfig`. The paper names no dropouts; the defaults are BERT's.

    Args:
        embedding_dropout: dropout on the sum of position and glyph, in [0, 1).
        use_glyphs: False: no glyphs; the layers of the task see the semantic encoder alone. That is the baseline.
        task_layer: the layers over glyphs and text (Table 9): "transformers", "bilstm", "cnn", "bimpm" or "none".
            "bimpm" matches the two texts of a pair, which `token_type_ids` tell apart, and gives one vector of a pair:
            for heads that classify texts.
        num_task_layers: how many, >= 1; with "bimpm" the BiLSTMs in front of the matching.
        task_num_attention_heads: of the Transformer layers, a divisor of `fused_size`; None is one for every 64 values.
        task_intermediate_size: width of their feed-forward layers, >= 1; None is four times `fused_size`.
        bimpm_hidden_size: width of both BiLSTMs of "bimpm", half of it in each direction; even, >= 2.
        bimpm_perspectives: cosines l of each of its eight matchings, >= 1.
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

    embedding_dropout: float | int = 0.1
    task_layer: str = "transformers"
    num_task_layers: int = 2
    task_num_attention_heads: int | None = None
    task_intermediate_size: int | None = None
    bimpm_hidden_size: int = 200
    bimpm_perspectives: int = 20
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
        check_sizes(self, ("num_task_layers", "bimpm_hidden_size", "bimpm_perspectives"))
        optional = ("task_num_attention_heads", "task_intermediate_size")
        check_sizes(self, [name for name in optional if getattr(self, name) is not None])
        check_rates(self, ("embedding_dropout", "task_dropout"))
        kind = self.task_layer
        require(self, kind in TASK_LAYERS, "task_layer", kind, " or ".join(map(repr, TASK_LAYERS)))
        self._check_task_layers()

    def _check_task_layers(self) -> None:
        width, heads = self.fused_size, self.num_task_heads
        parts = f"glyph_dim={self.glyph_dim} + hidden_size={self.hidden_size}" if self.use_glyphs else "hidden_size"
        if self.task_layer == "transformers":
            allowed = f"a divisor of {width} ({parts}), or None"
            require(self, width % heads == 0, "task_num_attention_heads", heads, allowed)
        if self.task_layer == "bilstm":
            allowed = f"one with which {parts} is even: a BiLSTM has half of it in each direction"
            require(self, width % 2 == 0, "glyph_dim" if self.use_glyphs else "hidden_size", width, allowed)
        if self.task_layer == "bimpm":
            both = self.bimpm_hidden_size
            require(self, both % 2 == 0, "bimpm_hidden_size", both, "an even number: half of it for each direction")
            types = getattr(self.semantic_config, "type_vocab_size", None) or 0
            allowed = "2 or more with task_layer='bimpm': the types tell which of two texts a token belongs to"
            require(self, types > 1, "semantic_config.type_vocab_size", types, allowed)


GlyceConfig.register_for_auto_class()

__all__ = ["GlyceConfig"]

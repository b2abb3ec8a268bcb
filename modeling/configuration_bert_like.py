# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""What the configurations of all families share: the fields of glyph images and of taggers, and those of BERT."""

from dataclasses import field
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from .auto_map import named_files
from .checks import check_bert_fields


class CharacterConfig(PreTrainedConfig):
    """What models that see their characters and label them have in common, whatever encoder they build on.

    Args:
        classifier: the layers that label tokens: "linear" is one Linear; "mlp" is Linear, tanh, Linear; "crf" is a
            Linear and a linear-chain CRF, for labels in IOB2.
        crf_scheme: the tags that a CRF works with inside: "BMESO" (begin, middle, end, single) or "IOB2".
        special_token_ids: ids of [CLS], [SEP] and [PAD], which take no part in a CRF; needed with `classifier="crf"`.
            run_ner.py takes them from the tokenizer.
        glyph_styles: the styles of a character's glyph images, in the order of the model's bank or table.
        glyph_size: side of a glyph image in pixels.
        glyph_binary: whether glyph images are rendered black and white instead of grey.
        font_manifest: which fonts the glyph images were rendered with; set by `hanziformers.render_glyphs`, None where
            it is not known.
    """

    classifier: str = "linear"
    crf_scheme: str = "BMESO"
    special_token_ids: list[int] | None = None
    glyph_styles: list[str] = field(default_factory=lambda: ["song"])
    glyph_size: int = 48
    glyph_binary: bool = True
    font_manifest: dict | None = None

    @property
    def glyph_shape(self) -> tuple[int, int, int]:
        """Shape (F, h, w) of a character's glyph images."""
        return len(self.glyph_styles), self.glyph_size, self.glyph_size

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> None:
        """As in transformers; `auto_map` of the folder names no file that the folder lacks."""
        auto_map = getattr(self, "auto_map", None)
        if auto_map is not None:
            self.auto_map = named_files(auto_map, save_directory)
        super().save_pretrained(save_directory, push_to_hub, **kwargs)
        if auto_map is not None:
            self.auto_map = {**auto_map, **self.auto_map}


class BertLikeConfig(CharacterConfig):
    """Base of the configurations with BERT's sizes; the defaults are its base size. A family adds `classifier_dropout`.

    Args:
        vocab_size: tokens V, >= 1.
        hidden_size: width H of the Transformer, a multiple of `num_attention_heads`.
        num_hidden_layers: Transformer layers, >= 1.
        num_attention_heads: attention heads, >= 1.
        intermediate_size: width of the feed-forward layers, >= 1.
        hidden_act: activation of the feed-forward layers, a name that transformers knows ("gelu" is the exact one).
        hidden_dropout_prob: dropout after the embeddings and in every layer, in [0, 1).
        attention_probs_dropout_prob: dropout on the attention weights, in [0, 1).
        max_position_embeddings: the longest sequence in tokens, >= 1.
        type_vocab_size: token types, >= 1.
        initializer_range: standard deviation of the Transformer's initial weights, > 0.
        layer_norm_eps: epsilon of the layer norms, > 0.
    """

    vocab_size: int = 21128
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float | int = 0.02
    layer_norm_eps: float | int = 1e-12
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    is_decoder: bool = False
    add_cross_attention: bool = False

    def validate_architecture(self) -> None:
        """Refuses values that no model can be built from.

        Raises:
            ValueError: names the field, its value and what is allowed. (Making a configuration wraps it, like a wrong
                type, into huggingface_hub's StrictDataclassError.)
        """
        super().validate_architecture()
        check_bert_fields(self)


__all__ = ["BertLikeConfig", "CharacterConfig"]

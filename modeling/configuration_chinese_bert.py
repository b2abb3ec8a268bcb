# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of ChineseBERT.

Sun et al., 2021, "ChineseBERT: Chinese Pretraining Enhanced by Glyph and Pinyin Information".
"""

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict

from .checks import check_glyph_styles, check_sizes, require
from .configuration_bert_like import BertLikeConfig
from .feature_norm import check_norm_fields

_PUBLISHED_TYPES = ("bert",)  # what published folders call themselves
_PUBLISHED_CLASSES = ("GlyceBert", "ChineseBert")  # how the architectures of published folders begin
_PUBLISHED_FIELDS = {"glyph_embedding_dim", "pinyin_map_len"}
_SIZES = ("glyph_size", "pinyin_vocab_size", "pinyin_length", "pinyin_embedding_size")


@strict
class ChineseBertConfig(BertLikeConfig):
    """Sizes of a ChineseBERT. The defaults are the published base model (147,337,984 parameters).

    Every field is checked when the configuration is made: a wrong type or a value outside of its range raises an
    error that names the field, the value and what is allowed. The fields of BERT are those of `BertLikeConfig`;
    `classifier="mlp"` is the head of the published NER runs.

    Args:
        vocab_size: rows of the word and of the glyph table, >= 1. The published vocabulary has 23,236 tokens.
        classifier_dropout: dropout before a task head, in [0, 1); None takes `hidden_dropout_prob`.
        glyph_styles: the styles of a character's glyph images, in the order of the table; 1 or more.
        glyph_size: side of a glyph image in pixels, >= 1. A row of the glyph table holds the images of all styles
            flattened: `glyph_embedding_dim` values. Published: 3 styles of 24 x 24 pixels = 1,728 (the paper's 2,352 is
            a slip).
        feature_norm: what happens to a character's glyph images before their linear layer. None is the published model:
            nothing. "standard" gives every pixel mean 0 and variance 1 over the glyph table, "whiten" all directions
            alike (ZCA), for training from scratch; `feature_norm.py` says more. The statistics are saved:
            "whiten" adds 12 MB to a checkpoint with the published sizes.
        feature_norm_epsilon: of the largest variance, above 0 and below 1, see `GlyphCrmConfig`.
        feature_norm_images: of how many characters the statistics are at most, >= 2, see `GlyphCrmConfig`.
        feature_norm_interval: training forwards between two estimates of the statistics, >= 1.
        pinyin_vocab_size: symbols of the pinyin alphabet: 0 = none, 1-5 the tones, 6-31 the letters a-z.
        pinyin_length: pinyin symbols of one character (the longest reading has 7).
        pinyin_embedding_size: width of a pinyin symbol's vector.
        pinyin_kernel_size: width of the convolution over the symbols, in 1..`pinyin_length`.

    Example:
        >>> from hanziformers import ChineseBertConfig
        >>> ChineseBertConfig(num_hidden_layers=4).hidden_size
        768
        >>> ChineseBertConfig.large().num_hidden_layers
        24
    """

    model_type = "chinese_bert"
    attribute_map = {"pinyin_map_len": "pinyin_vocab_size"}

    vocab_size: int = 23236
    classifier_dropout: float | int | None = None
    glyph_styles: list[str] = field(default_factory=lambda: ["fangsong", "xingkai", "lishu"])
    glyph_size: int = 24
    glyph_binary: bool = False
    feature_norm: str | None = None
    feature_norm_epsilon: float = 1e-5
    feature_norm_images: int = 2048
    feature_norm_interval: int = 25
    pinyin_vocab_size: int = 32
    pinyin_length: int = 8
    pinyin_embedding_size: int = 128
    pinyin_kernel_size: int = 2
    tie_word_embeddings: bool = True

    @classmethod
    def base(cls, **fields: Any) -> "ChineseBertConfig":
        """The published base model: 12 layers of 768, 12 heads; `fields` replace single values."""
        return cls(**fields)

    @classmethod
    def large(cls, **fields: Any) -> "ChineseBertConfig":
        """The published large model: 24 layers of 1024, 16 heads; `fields` replace single values."""
        sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
        return cls(**{**sizes, **fields})

    @classmethod
    def get_config_dict(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> tuple[dict, dict]:
        """As in transformers; the config.json of a published folder, which says "bert", is taken as ours."""
        settings, kwargs = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        return _from_published(settings), kwargs

    @property
    def glyph_embedding_dim(self) -> int:
        """Values of a character's glyph images: F * h * w."""
        return len(self.glyph_styles) * self.glyph_size**2

    @glyph_embedding_dim.setter
    def glyph_embedding_dim(self, given: int) -> None:
        """Takes the value that follows from the other fields, as published files hold it, and no other.

        Raises:
            ValueError: the value is another one.
        """
        if given != self.glyph_embedding_dim:
            raise ValueError(
                f"glyph_embedding_dim={given!r} does not fit glyph_styles={self.glyph_styles} and "
                f"glyph_size={self.glyph_size}, from which {self.glyph_embedding_dim} follows: set glyph_styles and "
                "glyph_size, and leave glyph_embedding_dim out"
            )

    @property
    def num_glyphs(self) -> int:
        """Rows of the glyph table."""
        return self.vocab_size

    def __post_init__(self, **kwargs: Any) -> None:
        """Takes the fields that are not typed here; `glyph_embedding_dim` follows from others and may be repeated.

        Raises:
            ValueError: a given `glyph_embedding_dim` is not that of `glyph_styles` and `glyph_size`; positions of
                another kind than BERT's own.
        """
        given = kwargs.pop("glyph_embedding_dim", None)
        kind = kwargs.pop("position_embedding_type", None)
        allowed = '"absolute": this model has a vector for each position; leave it out'
        require(self, kind in (None, "absolute"), "position_embedding_type", kind, allowed)
        super().__post_init__(**kwargs)
        if given is not None:
            self.glyph_embedding_dim = given  # only compared

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses sizes of glyphs and pinyin that do not fit."""
        super().validate_architecture()
        check_sizes(self, _SIZES)
        check_glyph_styles(self)
        check_norm_fields(self)
        kernel, length = self.pinyin_kernel_size, self.pinyin_length
        require(self, 1 <= kernel <= length, "pinyin_kernel_size", kernel, f"1 to pinyin_length={length}")
        keys = self.vocab_size * self.pinyin_vocab_size**length
        allowed = "so few that vocab_size * pinyin_vocab_size ** pinyin_length < 2 ** 63: both are packed into an int64"
        require(self, keys < 2**63, "pinyin_length", length, allowed)


def _from_published(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a config.json, without what only the code of a published folder could use.

    Published folders, the authors' and others of the Hub, have the model type "bert", and some name code of their own.
    """
    calls_itself = settings.get("model_type")
    if calls_itself not in _PUBLISHED_TYPES:
        return settings
    settings = {name: value for name, value in settings.items() if name != "auto_map"}
    # a plain BERT keeps its type, so that transformers warns of it
    of_authors = any(str(name).startswith(_PUBLISHED_CLASSES) for name in settings.get("architectures") or ())
    if of_authors or _PUBLISHED_FIELDS & settings.keys():
        settings["model_type"] = ChineseBertConfig.model_type
    return settings


ChineseBertConfig.register_for_auto_class()

__all__ = ["ChineseBertConfig"]

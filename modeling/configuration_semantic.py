# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""What the configurations of models around an encoder of text share: MPM-CNER and Glyce."""

from collections.abc import Mapping
from typing import Any, Self

from transformers import AutoConfig, BertConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .checks import check_bank_rows, check_rates, check_sizes, check_tagger_fields, require
from .configuration_bert_like import CharacterConfig
from .semantic_encoder import check_encoder, position_offset


def _of_semantic(name: str) -> property:
    """A field that is the semantic encoder's: read from its configuration, and written to it."""

    def read(self: "SemanticConfig") -> Any:
        return getattr(self.semantic_config, name)

    def write(self: "SemanticConfig", value: Any) -> None:
        setattr(self.semantic_config, name, value)

    return property(read, write, doc=f"`{name}` of the semantic encoder.")


class SemanticConfig(CharacterConfig):
    """Base of the configurations of models around an encoder of text, the semantic encoder.

    `vocab_size`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`, `intermediate_size`, the two dropouts,
    `initializer_range`, `pad_token_id` and `max_position_embeddings` are the semantic encoder's: they are read from
    `semantic_config` and written to it. (`max_position_embeddings` counts the tokens of the longest text: for a RoBERTa
    2 fewer than it has positions.) The fields of glyph images and labels are those of `CharacterConfig`.

    Args:
        semantic_config: of the encoder, as a configuration or as a dict with its `model_type`: any encoder of text that
            `AutoModel` builds. None is a BertConfig: BERT base with the vocabulary of 21,128 tokens.
        glyph_vocab_size: rows N of the bank of glyph images, >= `vocab_size`; the first V rows are the vocabulary's.
            None is `vocab_size`.
        use_glyphs: False: without glyphs; the model has neither their bank nor their encoder.
        classifier_dropout: dropout in front of the layers that label, in [0, 1).
    """

    sub_configs = {"semantic_config": AutoConfig}

    semantic_config: dict | PreTrainedConfig | None = None
    glyph_binary: bool = False
    glyph_vocab_size: int | None = None
    use_glyphs: bool = True
    classifier_dropout: float | int = 0.1

    vocab_size = _of_semantic("vocab_size")
    hidden_size = _of_semantic("hidden_size")
    num_hidden_layers = _of_semantic("num_hidden_layers")
    num_attention_heads = _of_semantic("num_attention_heads")
    intermediate_size = _of_semantic("intermediate_size")
    hidden_dropout_prob = _of_semantic("hidden_dropout_prob")
    attention_probs_dropout_prob = _of_semantic("attention_probs_dropout_prob")
    initializer_range = _of_semantic("initializer_range")
    pad_token_id = _of_semantic("pad_token_id")

    def __post_init__(self, **kwargs: Any) -> None:
        """Builds the semantic encoder's configuration, to which further keywords such as `hidden_size` may belong.

        Raises:
            ValueError: its `model_type` is missing or not known.
        """
        if self.semantic_config is None:
            self.semantic_config = BertConfig(vocab_size=21128)
        elif isinstance(self.semantic_config, dict):
            self.semantic_config = _sub_config(self.semantic_config)
        super().__post_init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Self:
        """As in transformers, which would read the configuration of any other model with no more than a warning.

        Raises:
            ValueError: it is that of another model; or a keyword `semantic_config` is of an encoder of another kind,
                whose fields transformers would give to the one that there is.
        """
        cls._check_kind("model_type", config_dict.get("model_type", cls.model_type), cls.model_type)
        given, saved = kwargs.get("semantic_config"), config_dict.get("semantic_config")
        if given and saved:
            kinds = [one.get("model_type") if isinstance(one, dict) else one.model_type for one in (given, saved)]
            cls._check_kind("semantic_config.model_type", kinds[0] or kinds[1], kinds[1])
        return super().from_dict(config_dict, **kwargs)

    @classmethod
    def _check_kind(cls, name: str, kind: str, allowed: str) -> None:
        if kind != allowed:
            family = cls.__name__.removesuffix("Config")
            raise ValueError(
                f"{name}={kind!r} is not allowed in {cls.__name__}; allowed is {allowed!r}. An encoder of text becomes "
                f"part of a new model by {family}ForTokenClassification.from_encoders(semantic=...)"
            )

    @property
    def max_position_embeddings(self) -> int | None:
        """Tokens of the longest text; None where the semantic encoder sets no limit."""
        positions = getattr(self.semantic_config, "max_position_embeddings", None)
        return None if positions is None else positions - position_offset(self.semantic_config)

    @max_position_embeddings.setter
    def max_position_embeddings(self, tokens: int) -> None:
        self.semantic_config.max_position_embeddings = tokens + position_offset(self.semantic_config)

    @property
    def num_glyphs(self) -> int:
        """Rows N of the bank of glyph images."""
        return self.vocab_size if self.glyph_vocab_size is None else self.glyph_vocab_size

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """The semantic encoder's configuration: there transformers writes the size of a resized vocabulary."""
        return self.semantic_config

    def validate_architecture(self) -> None:
        """Refuses values that no model can be built from.

        Raises:
            ValueError: names the field, its value and what is allowed. (Making a configuration wraps it, like a wrong
                type, into huggingface_hub's StrictDataclassError.)
        """
        super().validate_architecture()
        check_encoder(self, self.semantic_config)
        self.semantic_config.validate_architecture()
        check_sizes(self, ("vocab_size", "hidden_size"))
        self._check_heads()
        check_rates(self, ("classifier_dropout",))
        pad, allowed = getattr(self.semantic_config, "pad_token_id", None), f"None or 0 to {self.vocab_size - 1}"
        require(self, pad is None or 0 <= pad < self.vocab_size, "pad_token_id", pad, allowed)
        check_tagger_fields(self)
        check_bank_rows(self)

    def _check_heads(self) -> None:
        """As BERT's attention, which would say so without a field's name and when the model is built."""
        width, heads = self.hidden_size, getattr(self.semantic_config, "num_attention_heads", None)
        free = any(hasattr(self.semantic_config, name) for name in ("head_dim", "embedding_size"))
        if isinstance(heads, int) and not free:
            check_sizes(self, ("num_attention_heads",))
            allowed = f"a multiple of the semantic encoder's num_attention_heads, {heads}"
            require(self, width % heads == 0, "hidden_size", width, allowed)

    @classmethod
    def check_names(cls, fields: Mapping[str, Any]) -> None:
        """Refuses fields that a configuration would keep without any use, such as misspelt ones.

        Raises:
            ValueError: names the field and those that there are.
        """
        config = cls()
        unknown = [name for name in fields if name != "attn_implementation" and not hasattr(config, name)]
        if unknown:
            kept = {"semantic_config", "model_type", "transformers_version", "_name_or_path"}
            allowed = ", ".join(sorted({*config.to_dict()} - kept))
            raise ValueError(
                f"{unknown[0]}={fields[unknown[0]]!r}: {cls.__name__} has no such field; it has {allowed}, and "
                "hidden_size and the like for the semantic encoder"
            )


def _sub_config(settings: dict[str, Any]) -> PreTrainedConfig:
    """The semantic encoder's configuration from its fields."""
    fields = dict(settings)
    kind = fields.pop("model_type", "bert")
    if kind not in CONFIG_MAPPING:
        raise ValueError(
            f"semantic_config has the model_type {kind!r}, which is not known here. If its code comes with a "
            "checkpoint, register it before: config = AutoConfig.from_pretrained(that checkpoint, "
            f"trust_remote_code=True), AutoConfig.register({kind!r}, type(config)), and likewise AutoModel with the "
            "class of its model; code is never run because a configuration inside of another one names it"
        )
    return CONFIG_MAPPING[kind](**fields)


__all__ = ["SemanticConfig"]

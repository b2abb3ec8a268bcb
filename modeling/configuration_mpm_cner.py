# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of MPM-CNER.

Mai et al., 2022, "Pretraining Multi-modal Representations for Chinese NER Task with Cross-Modality Attention".
"""

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, BertConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .checks import check_glyph_styles, check_rates, check_sizes, check_tagger_fields, require
from .configuration_bert_like import CharacterConfig
from .semantic_encoder import check_encoder, position_offset
from .swin import check_swin


def _of_semantic(name: str) -> property:
    """A field that is the semantic encoder's: read from its configuration, and written to it."""

    def read(self: "MpmCnerConfig") -> Any:
        return getattr(self.semantic_config, name)

    def write(self: "MpmCnerConfig", value: Any) -> None:
        setattr(self.semantic_config, name, value)

    return property(read, write, doc=f"`{name}` of the semantic encoder.")


@strict
class MpmCnerConfig(CharacterConfig):
    """A semantic encoder, two Swin encoders of glyphs and sounds, their fusion, a BiLSTM and the layers that label.

    Every field is checked when the configuration is made. `vocab_size`, `hidden_size`, `num_hidden_layers`,
    `num_attention_heads`, `intermediate_size`, the two dropouts, `pad_token_id` and `max_position_embeddings` are the
    semantic encoder's: they are read from `semantic_config` and written to it. (`max_position_embeddings` counts the
    tokens of the longest text: for a RoBERTa 2 fewer than it has positions.) The fields of glyph images and labels are
    those of `CharacterConfig`.

    Args:
        semantic_config: of the encoder, as a configuration or as a dict with its `model_type`: any encoder of text that
            `AutoModel` builds. None is a BertConfig: the paper's BERT base with the vocabulary of 21,128 tokens.
        glyph_styles: the style of the glyph images, exactly one.
        glyph_size: side of a glyph image, and of a spectrogram, in pixels.
        glyph_vocab_size: rows N of the bank of glyph images, >= `vocab_size`; the first V rows are the vocabulary's.
            None is `vocab_size`.
        num_syllables: rows S of the bank of spectrograms, >= 1; row 0 is no sound.
        swin_patch_size: side of a patch of both Swin encoders, in pixels.
        swin_embed_dim: width of their first stage; it doubles with every stage: 18, 36, 72, 144.
        swin_depths: blocks of each stage.
        swin_num_heads: attention heads of each stage.
        swin_window_size: side of an attention window, in patches.
        use_glyphs: False: without glyphs (Table 5); the model has neither their bank nor their encoder.
        use_sounds: False: without sounds, likewise.
        cross_modality: False: the vectors are concatenated, without cross-modality attention.
        lstm_hidden_size: width of each direction of the BiLSTM, >= 1.
        classifier_dropout: dropout on the semantic vectors and on those of the BiLSTM, in [0, 1). The paper's rates:
            OntoNotes and MSRA 0.3, Resume 0.1, Weibo 0.5.
        sound_manifest: which sounds the spectrograms were made from; None where it is not known.

    Example:
        >>> from hanziformers import MpmCnerConfig
        >>> MpmCnerConfig().hidden_size
        768
        >>> MpmCnerConfig(semantic_config={"model_type": "electra", "hidden_size": 256}).hidden_size
        256
    """

    model_type = "mpm_cner"
    sub_configs = {"semantic_config": AutoConfig}

    semantic_config: dict | PreTrainedConfig | None = None
    glyph_binary: bool = False
    glyph_vocab_size: int | None = None
    num_syllables: int = 1523
    swin_patch_size: int = 6
    swin_embed_dim: int = 18
    swin_depths: list[int] = field(default_factory=lambda: [2, 2, 6, 2])
    swin_num_heads: list[int] = field(default_factory=lambda: [3, 6, 12, 24])
    swin_window_size: int = 4
    use_glyphs: bool = True
    use_sounds: bool = True
    cross_modality: bool = True
    lstm_hidden_size: int = 384
    classifier: str = "crf"
    classifier_dropout: float | int = 0.3
    sound_manifest: dict | None = None

    vocab_size = _of_semantic("vocab_size")
    hidden_size = _of_semantic("hidden_size")
    num_hidden_layers = _of_semantic("num_hidden_layers")
    num_attention_heads = _of_semantic("num_attention_heads")
    intermediate_size = _of_semantic("intermediate_size")
    hidden_dropout_prob = _of_semantic("hidden_dropout_prob")
    attention_probs_dropout_prob = _of_semantic("attention_probs_dropout_prob")
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

    @property
    def sound_shape(self) -> tuple[int, int, int]:
        """Shape (C, h, w) of a spectrogram: log-mel, delta, delta-delta."""
        return 3, self.glyph_size, self.glyph_size

    @property
    def swin_sizes(self) -> dict[str, Any]:
        """The arguments of both `SwinEncoder`s, beside the channels."""
        names = ("patch_size", "embed_dim", "depths", "num_heads", "window_size")
        return {"image_size": self.glyph_size, **{name: getattr(self, f"swin_{name}") for name in names}}

    @property
    def modality_size(self) -> int:
        """Width G of the vector of a glyph or sound."""
        return self.swin_embed_dim * 2 ** (len(self.swin_depths) - 1)

    @property
    def fused_size(self) -> int:
        """Width of the fused vectors: H, or H and G for each modality where they are concatenated."""
        concatenated = 0 if self.cross_modality else self.use_glyphs + self.use_sounds
        return self.hidden_size + concatenated * self.modality_size

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
        check_sizes(self, ("vocab_size", "hidden_size", "num_syllables", "lstm_hidden_size"))
        check_rates(self, ("classifier_dropout",))
        pad, allowed = getattr(self.semantic_config, "pad_token_id", None), f"None or 0 to {self.vocab_size - 1}"
        require(self, pad is None or 0 <= pad < self.vocab_size, "pad_token_id", pad, allowed)
        check_tagger_fields(self)
        check_glyph_styles(self, most=1)
        check_swin(**self.swin_sizes)
        rows, allowed = self.num_glyphs, f"None or {self.vocab_size} (vocab_size) and more: the vocabulary comes first"
        require(self, rows >= self.vocab_size, "glyph_vocab_size", rows, allowed)


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


MpmCnerConfig.register_for_auto_class()

__all__ = ["MpmCnerConfig"]

# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of MPM-CNER.

Mai et al., 2022, "Pretraining Multi-modal Representations for Chinese NER Task with Cross-Modality Attention".
"""

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict

from .checks import check_glyph_styles, check_sizes
from .configuration_semantic import SemanticConfig
from .swin import check_swin


@strict
class MpmCnerConfig(SemanticConfig):
    """A semantic encoder, two Swin encoders of glyphs and sounds, their fusion, a BiLSTM and the layers that label.

    Every field is checked when the configuration is made. The fields of the semantic encoder, by default the paper's
    BERT base, are those of `SemanticConfig`; those of glyph images and labels those of `CharacterConfig`.

    Args:
        glyph_styles: the style of the glyph images, exactly one.
        glyph_size: side of a glyph image, and of a spectrogram, in pixels.
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

    num_syllables: int = 1523
    swin_patch_size: int = 6
    swin_embed_dim: int = 18
    swin_depths: list[int] = field(default_factory=lambda: [2, 2, 6, 2])
    swin_num_heads: list[int] = field(default_factory=lambda: [3, 6, 12, 24])
    swin_window_size: int = 4
    use_sounds: bool = True
    cross_modality: bool = True
    lstm_hidden_size: int = 384
    classifier: str = "crf"
    classifier_dropout: float | int = 0.3
    sound_manifest: dict | None = None

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

    def validate_architecture(self) -> None:
        """As every configuration here; also refuses what the Swin encoders or the BiLSTM cannot be built from."""
        super().validate_architecture()
        check_sizes(self, ("num_syllables", "lstm_hidden_size"))
        check_glyph_styles(self, most=1)
        check_swin(**self.swin_sizes)


MpmCnerConfig.register_for_auto_class()

__all__ = ["MpmCnerConfig"]

# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""What the configurations of Glyce and of its hosts without BERT share: the CNN of glyph images, and its loss."""

from dataclasses import field

from .checks import check_glyph_styles, check_rates, check_sizes, require
from .configuration_bert_like import CharacterConfig

CNNS = ("tianzige", "vanilla", "resnet")
INITIALIZERS = ("kaiming", "uniform")
# Table 1: bronze, clerical, seal and tablet script, traditional characters, Song, FangSong, cursive script
SCRIPTS = ("bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao")
KERNEL_SIZE = 5  # of the first convolution of the Tianzige-CNN


class GlyphCnnConfig(CharacterConfig):
    """Base of the configurations of models that see their characters through a CNN.

    Every field is checked when the configuration is made. A family states `use_glyphs` and `num_glyphs`.

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
        use_image_loss: False: without the image-classification loss (Table 10) and its classifier.
        image_loss_weight: lambda_0 of Eq. 2, in [0, 1]: the weight of that loss at the beginning.
        image_loss_decay: lambda_1 of Eq. 2, in [0, 1]: what the weight is multiplied by every epoch. The paper names no
            values; 0.1 is the usual weight in the authors' code, 0.8 and 0.85 are the decays of its longer runs.
    """

    glyph_styles: list[str] = field(default_factory=lambda: list(SCRIPTS))
    glyph_size: int = 12
    glyph_binary: bool = False
    glyph_words: bool = False
    glyph_dim: int = 1024
    glyph_groups: int = 16
    glyph_cnn: str = "tianzige"
    glyph_initializer: str = "kaiming"
    glyph_normalize: bool = True
    glyph_scale: float | int = 1
    glyph_batch_norm: bool = False
    glyph_dropout: float | int = 0.1
    use_image_loss: bool = True
    image_loss_weight: float | int = 0.1
    image_loss_decay: float | int = 0.8

    def validate_architecture(self) -> None:
        """Refuses values that no CNN can be built from.

        Raises:
            ValueError: names the field, its value and what is allowed. (Making a configuration wraps it, like a wrong
                type, into huggingface_hub's StrictDataclassError.)
        """
        super().validate_architecture()
        check_glyph_styles(self)
        check_sizes(self, ("glyph_dim", "glyph_groups"))
        check_rates(self, ("glyph_dropout",))
        for name, allowed in (("glyph_cnn", CNNS), ("glyph_initializer", INITIALIZERS)):
            value = getattr(self, name)
            require(self, value in allowed, name, value, " or ".join(map(repr, allowed)))
        for name in ("image_loss_weight", "image_loss_decay"):
            require(self, 0 <= getattr(self, name) <= 1, name, getattr(self, name), "a number from 0 to 1")
        self._check_cnn()

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


__all__ = ["CNNS", "INITIALIZERS", "KERNEL_SIZE", "SCRIPTS", "GlyphCnnConfig"]

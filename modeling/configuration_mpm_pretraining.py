# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of the pre-training of MPM-CNER's glyph and sound encoders."""

from dataclasses import field

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .checks import check_rates, require
from .swin import check_swin

MODALITIES = {"glyph": 1, "phonetic": 3}  # and the channels of their images
PAIR_HEADS = ("interaction", "linear")


@strict
class MpmPretrainingConfig(PreTrainedConfig):
    """Sizes and objective of one of the two encoders (section 2.2). The Swin fields are the paper's, see `SwinEncoder`.

    The loss is `pair_loss_weight` * L_pair + (1 - `pair_loss_weight`) * L_class. Glyphs: RCI (do two characters have
    the same radical?) and GIC (which character is it?). Sounds: PCI (are initial and final the same?) and PCM (which
    toned syllable is it?).

    The paper prints one linear layer on [a; b] for the pairs (Eq. 5 and 8). Its score is f(a) + g(b), and whether two
    things are the same is no such sum: over all pairs of GlyDB as they are sampled, the best loss that any f and g
    reach is 0.6931 = ln 2, that of a coin, and there RCI is right in 50.8 % of the pairs, whatever the encoder
    knows. (Other f and g, such as the ranks of the radicals in some order, would be right in 75 %, yet with a larger
    loss, so training does not lead there.) The default "interaction" therefore scores [a; b; |a - b|; a * b];
    "linear" is the paper's, to be compared with.

    Args:
        modality: "glyph" or "phonetic".
        num_channels: of an image; None is 1 for glyphs, 3 for sounds (log-mel, delta, delta-delta).
        image_size: side of an image in pixels.
        patch_size: side of a patch in pixels.
        embed_dim: width of the first stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window_size: side of a window in patches.
        drop_path: stochastic depth of the last block, in [0, 1).
        pair_head: "interaction" or "linear", see above.
        pair_loss_weight: lambda of Eq. 7 and 10, in [0, 1].
        image_mean: of each channel of the training images in 0..1; with `image_std` the encoder's first layer is
            initialised as if images were standardised. None: as they are.
        image_std: of each channel, above 0.

    `id2label` names the classes: the characters, or the toned syllables.

    Example:
        >>> from hanziformers import MpmPretrainingConfig
        >>> MpmPretrainingConfig(modality="phonetic", id2label={0: "ma1", 1: "ma2"}).num_labels
        2
    """

    model_type = "mpm_pretraining"
    keys_to_ignore_at_inference = ["pair_loss", "class_loss"]

    modality: str = "glyph"
    num_channels: int | None = None
    image_size: int = 48
    patch_size: int = 6
    embed_dim: int = 18
    depths: list[int] = field(default_factory=lambda: [2, 2, 6, 2])
    num_heads: list[int] = field(default_factory=lambda: [3, 6, 12, 24])
    window_size: int = 4
    drop_path: float | int = 0.0
    pair_head: str = "interaction"
    pair_loss_weight: float | int = 0.5
    image_mean: list[float] | None = None
    image_std: list[float] | None = None

    @property
    def channels(self) -> int:
        """Channels C of an image."""
        return MODALITIES[self.modality] if self.num_channels is None else self.num_channels

    @property
    def width(self) -> int:
        """Width of the encoder's vectors."""
        return self.embed_dim * 2 ** (len(self.depths) - 1)

    def validate_architecture(self) -> None:
        """Refuses values that no model can be built from.

        Raises:
            ValueError: names the field, its value and what is allowed. (Making a configuration wraps it into
                huggingface_hub's StrictDataclassError.)
        """
        super().validate_architecture()
        sizes = (self.image_size, self.patch_size, self.embed_dim, self.depths, self.num_heads, self.window_size)
        check_swin(*sizes)
        check_rates(self, ("drop_path",))
        for name, known in (("modality", MODALITIES), ("pair_head", PAIR_HEADS)):
            value = getattr(self, name)
            require(self, value in known, name, value, " or ".join(map(repr, known)))
        channels, weight = self.num_channels, self.pair_loss_weight
        require(self, channels is None or channels >= 1, "num_channels", channels, "None or an integer of 1 or more")
        require(self, 0 <= weight <= 1, "pair_loss_weight", weight, "a number in [0, 1]")
        mean, std = self.image_mean, self.image_std
        both = (mean is None) == (std is None)
        require(self, both, "image_mean, image_std", (mean, std), "both or neither")
        for name, values in (("image_mean", mean), ("image_std", std)):
            fine = values is None or len(values) == self.channels
            require(self, fine, name, values, f"None or a list of {self.channels} numbers, one for each channel")
        fine = std is None or min(std) > 0
        require(self, fine, "image_std", std, "a list of numbers above 0; a channel that is constant teaches nothing")


MpmPretrainingConfig.register_for_auto_class()

__all__ = ["MpmPretrainingConfig"]

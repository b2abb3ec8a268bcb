"""What the CNNs of characters' glyph images share: their layers, standardised images, a grid of four squares.

Axes: U glyph images, F scripts, n glyph_size, D glyph_dim, c channels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init

from .configuration_glyph_cnn import GlyphCnnConfig
from .tracing import is_traced

GRID = 2  # side of the grid of squares


class CnnInit:
    """Initialises a layer of a glyph CNN; `init_glyph_cnn` knows the layers by this class.

    Args:
        sizes, options: of the layer.
        kind: "kaiming" or "uniform".
    """

    def __init__(self, *sizes: int, kind: str, **options: int) -> None:
        self.kind = kind  # before torch's own, which calls reset_parameters
        super().__init__(*sizes, **options)

    def reset_parameters(self) -> None:
        """Weights by their fan-in (He et al., 2015), or U(-0.1, 0.1) where `kind` is "uniform"; biases 0."""
        if self.kind == "uniform":
            init.uniform_(self.weight, -0.1, 0.1)
        else:
            init.normal_(self.weight, std=(2 / self.weight[0].numel()) ** 0.5)
        init.zeros_(self.bias)


class CnnConv(CnnInit, nn.Conv2d):
    """A convolution of a glyph CNN."""


class CnnLinear(CnnInit, nn.Linear):
    """A Linear of a glyph CNN."""


class GlyphCnn(nn.Module):
    """Base of the CNNs: what their images go through before and their features behind.

    A vector depends on the character's images and the weights alone: no batch normalisation, no dropout.

    Args:
        config: sizes, and what happens to images first.
    """

    def __init__(self, config: GlyphCnnConfig) -> None:
        super().__init__()
        self.scale = config.glyph_scale
        self.shape = config.glyph_shape
        scripts = self.shape[0]
        # saved with the weights: a bank that gets further characters later must not shift the vectors of the others
        self.register_buffer("mean", torch.zeros(scripts) if config.glyph_normalize else None)
        self.register_buffer("std", torch.ones(scripts) if config.glyph_normalize else None)

    def forward(self, images: Tensor) -> Tensor:
        """Encodes glyph images.

        Args:
            images: [U, F, n, n] float in 0..1, foreground 1 on background 0.

        Returns:
            [U, D], 0 or more.

        Raises:
            ValueError: the images have another shape than the configuration says, or are no floats.
        """
        self._check(images)
        if self.mean is not None:
            images = (images - self.mean[:, None, None]) / self.std[:, None, None]
        if self.scale != 1:
            images = images * self.scale
        # the channels last: convolutions and the maximum take half the time on a CPU
        images = images.contiguous(memory_format=torch.channels_last)
        return F.relu(self.features(images).flatten(1))

    def features(self, images: Tensor) -> Tensor:
        """Standardised images [U, F, n, n] -> [U, D, 1, 1] or [U, D]."""
        raise NotImplementedError

    def _check(self, images: Tensor) -> None:
        # a larger image would pass through the convolutions, and be cut
        if not is_traced(images) and images.shape[1:] != self.shape:
            raise ValueError(
                f"glyph images have the shape {tuple(images.shape)}; needed is [U, F, h, w] with (F, h, w) = "
                f"{self.shape}, as glyph_styles and glyph_size of the configuration say"
            )
        if not images.is_floating_point():
            raise ValueError(f"glyph images are {images.dtype}; needed are floats in 0..1: uint8 images / 255")

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """As in torch; weights without statistics, as the published ones, load where there are none as well."""
        if self.mean is not None and not self.mean.is_meta and not self.has_statistics:
            state_dict = {f"{prefix}mean": self.mean, f"{prefix}std": self.std, **state_dict}
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    def has_statistics(self) -> bool:
        """Whether mean and deviation are those of images."""
        return self.mean is not None and not bool(((self.mean == 0) & (self.std == 1)).all())

    @torch.no_grad()
    def set_statistics(self, images: Tensor) -> None:
        """Takes mean and deviation of each script from its images; does nothing where `glyph_normalize` is False.

        Args:
            images: uint8 [N, F, n, n]. Blank ones do not count: most characters have no form in the oldest scripts.
                A script without any ink is left as it is.

        Raises:
            ValueError: the images have another dtype or shape.
        """
        if self.mean is None:
            return
        if images.dtype != torch.uint8 or images.shape[1:] != self.shape:
            raise ValueError(
                f"glyph images are {images.dtype} {tuple(images.shape)}; needed is torch.uint8 [N, F, h, w], 0 to 255, "
                f"with (F, h, w) = {self.shape}"
            )
        values = torch.arange(256, dtype=torch.float64, device=images.device) / 255
        for script, image in enumerate(images.flatten(2).unbind(1)):  # [N, n*n]
            # counts of the 256 values: exact, and no copy of the bank as floats
            counts = torch.bincount(image[image.amax(1) > 0].flatten(), minlength=256)
            share = counts.double() / counts.sum().clamp(min=1)
            mean = share @ values
            deviation = (share @ (values - mean) ** 2).sqrt()
            self.mean[script] = mean
            self.std[script] = torch.where(deviation > 0, deviation, 1)

    def extra_repr(self) -> str:
        """What happens to the images first."""
        return f"normalize={self.mean is not None}, scale={self.scale}"


def init_glyph_cnn(module: nn.Module) -> bool:
    """Initialises a part of a glyph CNN, for `_init_weights` of a model; False for other modules."""
    if isinstance(module, CnnInit):
        module.reset_parameters()
        return True
    if isinstance(module, GlyphCnn) and module.mean is not None:
        init.zeros_(module.mean)
        init.ones_(module.std)
    return isinstance(module, GlyphCnn)


def pool_to_grid(hidden: Tensor, side: int, pool: Callable[..., Tensor] = F.max_pool2d) -> Tensor:
    """The maximum, or mean, of each of four squares, which overlap by a row and a column where the side is odd.

    The same as adaptive pooling, which ONNX lacks; for the paper's side of 8 a kernel of 4.

    Args:
        hidden: [U, c, side, side], side 2 or more.
        side: an argument, as graphs must not depend on a shape.
        pool: a pooling with a kernel_size and a stride.

    Returns:
        [U, c, 2, 2].
    """
    return pool(hidden, kernel_size=(side + 1) // GRID, stride=side // GRID)


__all__ = ["GRID", "CnnConv", "CnnLinear", "GlyphCnn", "init_glyph_cnn", "pool_to_grid"]

"""Tianzige-CNN: one vector of a character's images in several scripts (section 2.2 of the Glyce paper).

A tianzige is the paper on which writing is practised: a square of four squares.

    x = (images - mean) / std                  per script, where `glyph_normalize`            [U, F, n, n]
    x = relu(max over four squares of conv5x5(x))                                             [U, D, 2, 2]
    x = relu(conv2x2(conv1x1(x)))              both in groups, by D / 4 channels              [U, D]

Axes: U glyph images, F scripts, n glyph_size, D glyph_dim.
"""

from torch import Tensor
from torch.nn import functional as F

from .configuration_glyph_cnn import GlyphCnnConfig
from .glyph_cnn import GRID, CnnConv, GlyphCnn, pool_to_grid
from .plain_cnns import ResNetCNN, VanillaCNN


class TianzigeCNN(GlyphCnn):
    """The paper's CNN; its parameters have the names of the published code. 305,408 of them with the defaults.

    Example:
        >>> cnn = TianzigeCNN(GlyceConfig(glyph_styles=["song", "seal"], glyph_dim=256))
        >>> cnn.set_statistics(images)  # uint8 [N, 2, 12, 12]
        >>> vectors = cnn(images / 255)  # [N, 256]
    """

    def __init__(self, config: GlyphCnnConfig) -> None:
        super().__init__(config)
        width, groups, kind = config.glyph_dim, config.glyph_groups, config.glyph_initializer
        self.side = config.glyph_size - 4
        self.conv1 = CnnConv(self.shape[0], width, 5, kind=kind)
        self.downsample = CnnConv(width, width // 4, 1, kind=kind, groups=_half(groups))
        self.reweight_conv = CnnConv(width // 4, width, GRID, kind=kind, groups=groups)

    def features(self, images: Tensor) -> Tensor:
        """[U, F, n, n] -> [U, D, 1, 1]."""
        # the maximum first and relu behind it are the same as the other way round, and relu then costs nothing
        squares = F.relu(pool_to_grid(self.conv1(images), self.side))  # [U, D, n-4, n-4] -> [U, D, 2, 2]
        return self.reweight_conv(self.downsample(squares))


GLYPH_CNNS: dict[str, type[GlyphCnn]] = {"tianzige": TianzigeCNN, "vanilla": VanillaCNN, "resnet": ResNetCNN}


def build_glyph_cnn(config: GlyphCnnConfig) -> GlyphCnn:
    """The CNN that `config.glyph_cnn` names."""
    return GLYPH_CNNS[config.glyph_cnn](config)


def _half(groups: int) -> int:
    """Groups of the convolution over channels, half as many as of the one over squares."""
    return max(groups // 2, 1)


__all__ = ["TianzigeCNN", "build_glyph_cnn"]

"""The CNNs that the Glyce paper compares its own with (Table 11): "Vanilla-CNN" and "He et al. [2016]".

The paper names no layers. These are small, as its glyph images are, and have nearly as many parameters as Tianzige-CNN
in the default configuration (305,408): 284,000 and 291,020.

Axes: U glyph images, F scripts, n glyph_size, D glyph_dim, c channels.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from .configuration_glyph_cnn import GlyphCnnConfig
from .glyph_cnn import GRID, CnnConv, CnnLinear, GlyphCnn, pool_to_grid


class VanillaCNN(GlyphCnn):
    """Table 11's "Vanilla-CNN": two convolutions, each with a maximum, and a Linear."""

    def __init__(self, config: GlyphCnnConfig) -> None:
        super().__init__(config)
        width, kind = config.glyph_dim, config.glyph_initializer
        self.side, channels = config.glyph_size // 2, max(width // 32, 1)
        self.conv1 = CnnConv(self.shape[0], channels, 3, kind=kind, padding=1)
        self.conv2 = CnnConv(channels, 2 * channels, 3, kind=kind, padding=1)
        self.linear = CnnLinear(2 * channels * GRID**2, width, kind=kind)

    def features(self, images: Tensor) -> Tensor:
        """[U, F, n, n] -> [U, D]."""
        hidden = F.relu(F.max_pool2d(self.conv1(images), 2))  # [U, c, n/2, n/2]
        return self.linear(F.relu(pool_to_grid(self.conv2(hidden), self.side)).flatten(1))  # [U, 2c, 2, 2] -> [U, D]


class ResidualBlock(nn.Module):
    """Two normalised convolutions around a shortcut.

    He et al. normalise over the batch, by which a character's vector would depend on its neighbours; here it is over
    all channels of an image (a group norm of one group). Without any, none of 3,000 characters was learnt.
    """

    def __init__(self, channels_in: int, channels: int, stride: int, kind: str) -> None:
        super().__init__()
        self.conv1 = CnnConv(channels_in, channels, 3, kind=kind, padding=1, stride=stride)
        self.norm1 = nn.GroupNorm(1, channels)
        self.conv2 = CnnConv(channels, channels, 3, kind=kind, padding=1)
        self.norm2 = nn.GroupNorm(1, channels)
        same = channels_in == channels and stride == 1
        self.shortcut = nn.Identity() if same else CnnConv(channels_in, channels, 1, kind=kind, stride=stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """[U, c_in, n, n] -> [U, c, n', n']."""
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(hidden)))))
        return F.relu(inner + self.shortcut(hidden))


class ResNetCNN(GlyphCnn):
    """Table 11's "He et al. [2016]", small: a convolution, two residual blocks, means and a Linear.

    The means are those of four squares. With the mean of the whole image 35 % of 3,000 characters were learnt in five
    epochs, so 96 % in four.
    """

    def __init__(self, config: GlyphCnnConfig) -> None:
        super().__init__(config)
        width, kind = config.glyph_dim, config.glyph_initializer
        self.side, channels = (config.glyph_size + 1) // 2, max(7 * width // 256, 1)
        self.conv1 = CnnConv(self.shape[0], channels, 3, kind=kind, padding=1)
        self.block1 = ResidualBlock(channels, channels, 1, kind)
        self.block2 = ResidualBlock(channels, 2 * channels, 2, kind)
        self.linear = CnnLinear(2 * channels * GRID**2, width, kind=kind)

    def features(self, images: Tensor) -> Tensor:
        """[U, F, n, n] -> [U, D]."""
        hidden = self.block2(self.block1(F.relu(self.conv1(images))))  # [U, 2c, n/2, n/2]
        return self.linear(pool_to_grid(hidden, self.side, F.avg_pool2d).flatten(1))  # [U, 2c, 2, 2] -> [U, D]


__all__ = ["ResNetCNN", "VanillaCNN"]

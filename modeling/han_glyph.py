"""HanGlyph: from the glyph image of a character to its glyph vectors (section 3.2 of the GlyphCRM paper, Eq. 1).

Axes: U glyph images, n glyph_size, c channels, H hidden.

Block b, with z the image and two coordinates (3 channels) or the block before (Max is 2x2 max-pooling):

    z_c = ReLU(conv3x3(z))                         padded                        [U, c, n, n]
    f   = conv_k(ReLU(conv_k(ReLU(conv_k(z_c)))))  not padded, 3 (k - 1) = n / 2  [U, c, n/2, n/2]
    z_r = ReLU(Max(z_c) + f)                                                     [U, c, n/2, n/2]
    z   = Max(z_r)                                                               [U, c, n/4, n/4]

So the residual branch halves the side without stride or padding: k = 9 and 3 at 48 pixels. Of the outputs come
G1 = tanh(W_1 z_1), G2 = tanh(W_2 z_2) and R = tanh(W_r z_2); the paper says only "linear", tanh is the authors' code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init

from .configuration_glyph_crm import GlyphCrmConfig
from .tracing import is_traced

FFT_KERNEL, FFT_IMAGES = 9, 32  # from this kernel size and number of images on, a CPU is faster through frequencies


class GlyphConv(nn.Conv2d):
    """A convolution that goes through the Fourier transform where that is faster: large kernels on a CPU.

    The 9x9 convolutions are 95 % of HanGlyph's work. Both ways are exact; they differ by rounding (2e-7).
    `HanGlyph.init_weights` knows the convolutions that it initialises by this class.
    """

    def forward(self, images: Tensor) -> Tensor:
        """[U, c_in, n, n] -> [U, c, n', n']."""
        fast = (
            self.kernel_size[0] >= FFT_KERNEL
            and images.device.type == "cpu"
            and images.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not is_traced(images)
            and len(images) >= FFT_IMAGES  # last: a graph would be made for one number of images
        )
        return correlate(images, self.weight) + self.bias[:, None, None] if fast else super().forward(images)


class GlyphLinear(nn.Linear):
    """A class of its own, by which `HanGlyph.init_weights` knows it."""


class GlyphBlock(nn.Module):
    """One residual block: [U, c_in, n, n] -> [U, c, n/4, n/4]."""

    def __init__(self, channels_in: int, channels: int, size: int) -> None:
        super().__init__()
        kernel = size // 6 + 1
        self.lift = GlyphConv(channels_in, channels, 3, padding=1)
        self.residual = nn.ModuleList(GlyphConv(channels, channels, kernel) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        """[U, c_in, n, n] -> [U, c, n/4, n/4]."""
        lifted = F.relu(self.lift(images))  # [U, c, n, n]
        first, second, third = self.residual
        shrunk = third(F.relu(second(F.relu(first(lifted)))))  # [U, c, n/2, n/2]
        return F.max_pool2d(F.relu(F.max_pool2d(lifted, 2) + shrunk), 2)


class HanGlyph(nn.Module):
    """The glyph vectors of glyph images: [R, G1, G2], side by side in one vector of 3H."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.config = config
        size, first, second, hidden = (
            config.glyph_size,
            config.first_block_channels,
            config.second_block_channels,
            config.hidden_size,
        )
        self.block1 = GlyphBlock(3, first, size)
        self.block2 = GlyphBlock(first, second, size // 4)
        side1, side2 = size // 4, size // 8 // 2
        self.to_glyph1 = GlyphLinear(first * side1**2, hidden)
        self.to_glyph2 = GlyphLinear(second * side2**2, hidden)
        self.to_input = GlyphLinear(second * side2**2, hidden)
        self.register_buffer("maps", position_maps(size, config.position_maps), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Encodes glyph images.

        Args:
            images: [U, 1, n, n] float, foreground 1 on background 0.

        Returns:
            [U, 3H] = [R, G1, G2]: the input of the Transformer and what its two bottom layers add.
        """
        # not len(): to torch.jit.trace and the ONNX exporter built on it, that is a constant
        maps = self.maps.to(images.dtype).expand(images.shape[0], -1, -1, -1)  # [U, 2, n, n]
        deep1 = self.block1(torch.cat([images, maps], dim=1))  # [U, c_1, n/4, n/4]
        deep2 = self.block2(deep1).flatten(1)  # [U, c_2 * (n/16)^2]
        vectors = [self.to_input(deep2), self.to_glyph1(deep1.flatten(1)), self.to_glyph2(deep2)]
        return torch.tanh(torch.cat(vectors, dim=-1))

    @staticmethod
    @torch.no_grad()
    def init_weights(module: nn.Module, kind: str = "torch") -> bool:
        """Initialises a part of a HanGlyph as `GlyphCrmConfig.glyph_initializer` says; False for other modules."""
        if isinstance(module, GlyphConv) and kind == "kaiming":
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            init.zeros_(module.bias)
        elif isinstance(module, GlyphLinear) and kind == "kaiming":
            init.xavier_normal_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, GlyphConv | GlyphLinear):
            bound = module.weight[0].numel() ** -0.5
            init.uniform_(module.weight, -bound, bound)
            init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, HanGlyph):
            init.copy_(module.maps, position_maps(module.config.glyph_size, module.config.position_maps))
        else:
            return False
        return True


def correlate(images: Tensor, kernels: Tensor) -> Tensor:
    """What a convolution without padding and stride computes: the inverse transform of the spectra's product.

    The circular correlation wraps around, but not at the positions that an unpadded convolution has.

    Args:
        images: [U, c_in, n, n] float32.
        kernels: [c, c_in, k, k] float32.

    Returns:
        [U, c, n-k+1, n-k+1].
    """
    size = images.shape[-2:]
    spectra = torch.fft.rfft2(images)  # [U, c_in, n, n/2+1] complex
    kernel_spectra = torch.fft.rfft2(kernels, s=size).conj()  # [c, c_in, n, n/2+1]
    # one matrix product for each frequency; contiguous, or many threads would wait for each other at each of them
    left = spectra.flatten(2).permute(2, 0, 1).contiguous()  # [n * (n/2+1), U, c_in]
    right = kernel_spectra.flatten(2).permute(2, 1, 0).resolve_conj().contiguous()  # [n * (n/2+1), c_in, c]
    product = torch.bmm(left, right).permute(1, 2, 0).unflatten(2, spectra.shape[2:])  # [U, c, n, n/2+1]
    height, width = (side - kernel + 1 for side, kernel in zip(size, kernels.shape[-2:], strict=True))
    return torch.fft.irfft2(product, s=size)[..., :height, :width]


def position_maps(size: int, kind: str) -> Tensor:
    """Every pixel's coordinates x (to the right) and y (upwards), the centre being the origin: [2, size, size].

    Args:
        size: side of the glyph image.
        kind: "paper": -0.2 to 0.2; "released": steps of 0.96 / size from -0.48 on, as in the authors' code.
    """
    steps = torch.arange(size)
    axis = steps * (0.4 / (size - 1)) - 0.2 if kind == "paper" else (steps - size // 2) * (0.96 / size)
    return torch.stack([axis.expand(size, size), -axis[:, None].expand(size, size)])


__all__ = ["GlyphConv", "GlyphLinear", "HanGlyph", "correlate", "position_maps"]

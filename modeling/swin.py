"""Swin encoder: one vector for a small image, of a character or of a sound (Liu et al., 2021; Eq. 2-4 of MPM-CNER).

An image is cut into patches; blocks of attention inside of windows follow, every second one with shifted windows;
between stages, four neighbouring patches become one of twice the width. With the defaults the grid of patches is 8 x 8,
4 x 4, 2 x 2 and 1 x 1: the last stage holds one vector of 144, so "the output of the last layer" needs no pooling.

Axes: U images, C channels, r side of the grid of patches, w side of a window, W windows of an image, D width of a
stage, h heads.

Parameters are named as in transformers' `SwinModel`. A stage whose grid is smaller than the window has one window and a
table of relative positions of its own size, which `SwinModel` lacks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init

OTHER_REGION = -100.0  # added to the scores between patches that are no neighbours, as in the original code


class FanInInit:
    """Initialises a layer by its fan-in; `init_swin` knows its layers by this class.

    The last layer of a residual branch is scaled down by `gain`, as in GPT-2: the branches of all blocks together then
    add as much as the input is. Without it, spectrograms were not learnt at all (classes, 120 steps, 1e-3, images as
    they are). N(0, 0.02), transformers' own, learns as well from sounds and slower from glyphs.
    """

    gain: float = 1.0

    def reset_parameters(self) -> None:
        """Weights N(0, gain^2 / fan-in), cut at two deviations; biases 0."""
        deviation = self.gain * self.weight[0].numel() ** -0.5
        init.trunc_normal_(self.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if self.bias is not None:
            init.zeros_(self.bias)


class SwinLinear(FanInInit, nn.Linear):
    """A Linear of the encoder."""


class SwinProjection(FanInInit, nn.Conv2d):
    """Patches -> vectors.

    Its bias is no zero: a blank image (row 0 of a sound bank, a space) would be the zero vector in front of every
    LayerNorm, each of which would divide the gradient by the root of its epsilon: nan at the first step.
    """

    def reset_parameters(self) -> None:
        """As the Linears; biases N(0, 1 / fan-in), cut at two deviations."""
        super().reset_parameters()
        deviation = self.weight[0].numel() ** -0.5
        init.trunc_normal_(self.bias, std=deviation, a=-2 * deviation, b=2 * deviation)


class DropPath(nn.Module):
    """Leaves a residual branch out, for an image at a time, in training (stochastic depth, Huang et al., 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """[U, ...] -> [U, ...]."""
        if not self.training or not self.rate:
            return branch
        kept = torch.rand((branch.shape[0], *[1] * (branch.dim() - 1)), device=branch.device) >= self.rate
        return branch * kept / (1 - self.rate)


class RelativePositionBias(nn.Module):
    """What attention adds to a score for the way from one patch of a window to another, a value a head."""

    def __init__(self, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """N(0, 0.02), as in the original code."""
        init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self) -> Tensor:
        """The biases, [h, w*w, w*w]."""
        window = self.window
        table = self.relative_position_bias_table.unflatten(0, (2 * window - 1, 2 * window - 1))
        # row i - j + w - 1 of the table for patches i and j: windows of the table, run through backwards; no index, so
        # that there is no buffer to fill after a start on the meta device
        ways = table.unfold(0, window, 1).unfold(1, window, 1).flip(3, 4)  # [w, w, h, w, w]
        return ways.permute(2, 0, 1, 3, 4).flatten(3).flatten(1, 2)


class SwinAttention(nn.Module):
    """Attention inside of windows."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, SwinLinear(width, width))
        self.relative_position_bias = RelativePositionBias(heads, window)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Windows [U * W, w*w, D], mask [W, w*w, w*w] to add or None -> [U * W, w*w, D]."""
        query, key, value = (
            project(windows).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [U * W, h, w*w, D/h]
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        bias = self.relative_position_bias()[None]  # [1, h, w*w, w*w]
        if mask is not None:
            images = windows.shape[0] // mask.shape[0]
            # copied for every image: torch's fast kernel on a CPU takes four axes only
            bias = (bias + mask[:, None]).expand(images, -1, -1, -1, -1).flatten(0, 1)  # [U * W, h, w*w, w*w]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.o_proj(attended.transpose(1, 2).flatten(2))


class SwinMlp(nn.Module):
    """Linear -> GELU -> Linear, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = SwinLinear(width, 4 * width)
        self.fc2 = SwinLinear(4 * width, width)

    def forward(self, patches: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.fc2(F.gelu(self.fc1(patches)))


class SwinBlock(nn.Module):
    """LayerNorm and attention, LayerNorm and MLP, each around a residual; `shift` moves the windows (Eq. 2)."""

    def __init__(self, width: int, heads: int, window: int, shift: int, drop_path: float, gain: float) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.layernorm_before = nn.LayerNorm(width)
        self.attention = SwinAttention(width, heads, window)
        self.layernorm_after = nn.LayerNorm(width)
        self.mlp = SwinMlp(width)
        self.drop_path = DropPath(drop_path)
        for last in (self.attention.o_proj, self.mlp.fc2):
            last.gain = gain
            last.reset_parameters()

    def forward(self, patches: Tensor) -> Tensor:
        """[U, r, r, D] -> [U, r, r, D]."""
        patches = patches + self.drop_path(self._attend(self.layernorm_before(patches)))
        return patches + self.drop_path(self.mlp(self.layernorm_after(patches)))

    def _attend(self, patches: Tensor) -> Tensor:
        side, window, shift = patches.shape[1], self.window, self.shift
        more = -side % window  # patches of zeros at the right and below, where windows do not divide the grid
        padded = F.pad(patches, (0, 0, 0, more, 0, more)) if more else patches
        padded = padded.roll((-shift, -shift), (1, 2)) if shift else padded
        windows = _to_windows(padded, window)  # [U * W, w*w, D]
        attended = self.attention(windows, self._mask(side + more, patches) if shift else None)
        across = (side + more) // window
        grid = attended.unflatten(0, (-1, across, across)).unflatten(3, (window, window))  # [U, r/w, r/w, w, w, D]
        grid = grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # [U, r, r, D]
        return (grid.roll((shift, shift), (1, 2)) if shift else grid)[:, :side, :side]

    def _mask(self, side: int, like: Tensor) -> Tensor:
        """[W, w*w, w*w]: after the roll a window at the edge holds patches from opposite sides of the image."""
        at = torch.arange(side, device=like.device)
        part = (at >= side - self.window).long() + (at >= side - self.shift).long()  # [r], three parts of an axis
        region = _to_windows((3 * part[:, None] + part)[None, :, :, None], self.window)[:, :, 0]  # [W, w*w]
        return (region[:, :, None] != region[:, None]).to(like.dtype) * OTHER_REGION


class PatchMerging(nn.Module):
    """Four neighbouring patches become one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = SwinLinear(4 * width, 2 * width, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        """[U, r, r, D] -> [U, r/2, r/2, 2D]."""
        four = [patches[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]  # down first, as in the original
        return self.reduction(self.norm(torch.cat(four, dim=-1)))


class SwinEncoder(nn.Module):
    """Images -> vectors.

    Args:
        num_channels: C.
        image_size: side of an image in pixels, a multiple of `patch_size`.
        patch_size: side of a patch in pixels.
        embed_dim: width of the first stage; it doubles with every stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage; they divide its width.
        window_size: side of a window in patches. Where it does not divide the grid (7), zeros are added.
        drop_path: the last block's rate of stochastic depth, in [0, 1); the others' rise to it from 0. It is noise of
            training: a CharacterBank, which encodes a character once for all its copies, needs 0.

    Raises:
        ValueError: see `check_swin`.
    """

    def __init__(
        self,
        num_channels: int,
        image_size: int = 48,
        patch_size: int = 6,
        embed_dim: int = 18,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        check_swin(image_size, patch_size, embed_dim, depths, num_heads, window_size)
        if not 0 <= drop_path < 1:
            raise ValueError(f"drop_path={drop_path} is not allowed; allowed is a number in [0, 1)")
        grid, blocks = image_size // patch_size, sum(depths)
        self.width = embed_dim * 2 ** (len(depths) - 1)  # of the vectors
        self.embeddings = nn.Module()
        self.embeddings.patch_embeddings = nn.Module()
        projection = SwinProjection(num_channels, embed_dim, patch_size, stride=patch_size)
        self.embeddings.patch_embeddings.projection = projection
        self.embeddings.norm = nn.LayerNorm(embed_dim)
        rates = [drop_path * index / max(blocks - 1, 1) for index in range(blocks)]
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList()
        for index, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            width, side = embed_dim * 2**index, grid // 2**index
            window = min(window_size, side)
            shift = window // 2 if window < side else 0  # one window sees all: there is nothing to shift it to
            stage = nn.Module()
            stage.blocks = nn.ModuleList(
                SwinBlock(width, heads, window, shift * (block % 2), rates.pop(0), (2 * blocks) ** -0.5)
                for block in range(depth)
            )
            if index < len(depths) - 1:
                stage.downsample = PatchMerging(width)
            self.encoder.layers.append(stage)
        self.layernorm = nn.LayerNorm(self.width)

    def forward(self, images: Tensor) -> Tensor:
        """Encodes images.

        Args:
            images: [U, C, n, n] float in 0..1, n being `image_size`.

        Returns:
            [U, width]: the mean over the last stage's patches (one, with the defaults) after its LayerNorm.
        """
        return self.layernorm(self.stages(images)[-1]).mean((1, 2))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Images [U, C, n, n] -> the patches after the embedding and after each stage, [U, r, r, D] each."""
        patches = self.embeddings.patch_embeddings.projection(images).permute(0, 2, 3, 1)  # [U, r, r, D]
        found = [self.embeddings.norm(patches)]
        for stage in self.encoder.layers:
            patches = found[-1]
            for block in stage.blocks:
                patches = block(patches)
            found.append(stage.downsample(patches) if hasattr(stage, "downsample") else patches)
        return found

    @torch.no_grad()
    def standardise(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Changes the patch projection so that images in 0..1 give what `(image - mean) / std` gave before.

        A step before pre-training: what is learnt from is standardised, and the input stays 0..1 for everybody.

        Args:
            mean: of each channel, over the training images, [C].
            std: of each channel, above 0, [C].
        """
        projection = self.embeddings.patch_embeddings.projection
        centre, scale = (
            torch.as_tensor(values, dtype=projection.weight.dtype, device=projection.weight.device)[:, None, None]
            for values in (mean, std)
        )
        projection.weight.div_(scale)
        projection.bias.sub_((projection.weight * centre).sum((1, 2, 3)))


def init_swin(module: nn.Module) -> bool:
    """Initialises a part of a SwinEncoder, for `_init_weights` of a model; False for other modules."""
    if not isinstance(module, FanInInit | RelativePositionBias):
        return False
    module.reset_parameters()
    return True


def check_swin(
    image_size: int,
    patch_size: int,
    embed_dim: int,
    depths: Sequence[int],
    num_heads: Sequence[int],
    window_size: int,
) -> None:
    """Refuses sizes that no encoder can be built from.

    Raises:
        ValueError: names the size, its value and what is allowed.
    """
    stages, found = len(depths), f"depths={depths}, num_heads={num_heads}"
    if not stages or len(num_heads) != stages or min(*depths, *num_heads) < 1:
        raise ValueError(f"{found} are not allowed; allowed are two lists of one length, of integers of 1 or more")
    if min(patch_size, embed_dim, window_size) < 1:
        found = f"patch_size={patch_size}, embed_dim={embed_dim}, window_size={window_size}"
        raise ValueError(f"{found} are not allowed; allowed are integers of 1 or more")
    step = patch_size * 2 ** (stages - 1)
    if image_size < 1 or image_size % step:
        raise ValueError(
            f"image_size={image_size} is not allowed; allowed is a multiple of {step}: the grid of patches of "
            f"{patch_size} pixels is halved between {stages} stages"
        )
    widths = [embed_dim * 2**index for index in range(stages)]
    if any(width % heads for width, heads in zip(widths, num_heads, strict=True)):
        raise ValueError(f"num_heads={num_heads} is not allowed; allowed are divisors of the stages' widths {widths}")


def _to_windows(grid: Tensor, window: int) -> Tensor:
    """[U, r, r, D] -> [U * W, w*w, D]."""
    windows = grid.unflatten(2, (-1, window)).unflatten(1, (-1, window)).transpose(2, 3)  # [U, r/w, r/w, w, w, D]
    return windows.flatten(3, 4).flatten(0, 2)


__all__ = ["SwinEncoder", "check_swin", "init_swin"]

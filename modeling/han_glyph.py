"""HanGlyph: from the glyph image of a character to its glyph vectors (section 3.2 of the GlyphCRM paper, Eq. 1).

Axes: U glyph images, n glyph_size, c channels, H hidden.

Block b, with z the image and two coordinates (3 channels) or the block before (Max is 2x2 max-pooling):

    z_c = ReLU(conv3x3(z))                         padded                        [U, c, n, n]
    f   = conv_k(ReLU(conv_k(ReLU(conv_k(z_c)))))  not padded, 3 (k - 1) = n / 2  [U, c, n/2, n/2]
    z_r = ReLU(Max(z_c) + f)                                                     [U, c, n/2, n/2]
    z   = Max(z_r)                                                               [U, c, n/4, n/4]

So the residual branch halves the side without stride or padding: k = 9 and 3 at 48 pixels. Of the outputs come
G1 = tanh(W_1 z_1), G2 = tanh(W_2 z_2) and R = tanh(W_r z_2); the paper says only "linear", tanh is the authors' code.
With `GlyphCrmConfig.feature_norm` z_1 and z_2 are normed first, and with glyph_cnn="none" both are the pixels.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init

from .configuration_glyph_crm import GlyphCrmConfig
from .feature_norm import FeatureNorm, fold, make_norm, project
from .tracing import is_exported, is_traced
from .vector_table import has_hooks, tensors_of

FFT_KERNEL, FFT_IMAGES = 9, 32  # from this kernel size and number of images on, a CPU is faster through frequencies
# images that go that way at a time: glibc gives blocks of 32 MB and more back at once, and to get them again takes time
FFT_CHUNK = 32  # run_scripts/benchmark_convolutions.py --chunks compares others


class GlyphConv(nn.Conv2d):
    """A convolution that goes through the Fourier transform where that is faster: large kernels on a CPU.

    The 9x9 convolutions are 95 % of HanGlyph's work. Both ways are exact but for rounding: at base size 3e-7 of the
    largest value that way, and 2e-6 the direct one.
    `HanGlyph.init_weights` knows the convolutions that it initialises by this class.
    """

    def forward(self, images: Tensor, spectra: Tensor | None = None) -> Tensor:
        """[U, c_in, n, n] -> [U, c, n', n']; `spectra` are those of the kernels, where they are known already."""
        if spectra is None and not self.prefers_frequencies(images):
            return super().forward(images)
        output = correlate(images, self.weight, spectra)
        return output if self.bias is None else output + self.bias[:, None, None]  # adapters may have none

    def prefers_frequencies(self, images: Tensor) -> bool:
        """Whether the Fourier transform is faster for images [U, ...], all that are encoded in a call."""
        return (
            min(self.kernel_size) >= FFT_KERNEL
            and (self.stride, self.padding, self.dilation, self.groups) == ((1, 1), (0, 0), (1, 1), 1)
            and images.device.type == "cpu"
            and self.weight.dtype == torch.float32
            and images.dtype in (torch.float32, torch.uint8)  # uint8: as the bank holds them
            and not torch.is_autocast_enabled("cpu")
            and not is_traced(images)
            and len(images) >= FFT_IMAGES  # last: a graph would be made for one number of images
        )


class GlyphLinear(nn.Linear):
    """A class of its own, by which `HanGlyph.init_weights` knows it."""


class GlyphBlock(nn.Module):
    """One residual block: [U, c_in, n, n] -> [U, c, n/4, n/4]."""

    def __init__(self, channels_in: int, channels: int, size: int) -> None:
        super().__init__()
        self.kernel = size // 6 + 1
        self.lift = GlyphConv(channels_in, channels, 3, padding=1)
        self.residual = nn.ModuleList(GlyphConv(channels, channels, self.kernel) for _ in range(3))

    def forward(self, images: Tensor, spectra: Sequence[tuple[Tensor, ...]] = ((), (), ())) -> Tensor:
        """[U, c_in, n, n] -> [U, c, n/4, n/4]; `spectra` come from `prepare`."""
        lifted = F.relu(self.lift(images))  # [U, c, n, n]
        first, second, third = self.residual
        one, two, three = spectra
        shrunk = third(F.relu(second(F.relu(first(lifted, *one)), *two)), *three)  # [U, c, n/2, n/2]
        return max_pool(F.relu(max_pool(lifted) + shrunk))

    def prepare(self, images: Tensor) -> list[tuple[Tensor, ...]]:
        """The spectra of the three kernels, each in a tuple, which is empty where the convolution needs none.

        Args:
            images: [U, c_in, n, n], all that are encoded in a call.
        """
        spectra: list[tuple[Tensor, ...]] = []
        size = images.shape[-1]
        for conv in self.residual:
            # an adapter in its place takes images alone, and a hook may change the kernels when it is called
            plain = isinstance(conv, GlyphConv) and not is_traced(images) and not has_hooks([conv])
            prefers = plain and conv.prefers_frequencies(images)
            spectra.append((kernel_spectra(conv.weight, size, size),) if prefers else ())
            size -= self.kernel - 1
        return spectra


class Prepared(NamedTuple):
    """What all glyph images of a call share, see `HanGlyph.prepare`."""

    spectra: Sequence[tuple[Tensor, ...]] = ((), (), ())
    folded: Sequence[Tensor | None] = (None, None, None)  # of to_input, to_glyph1 and to_glyph2
    chunk: int | None = None  # so many images are best encoded at a time; None leaves it to the caller
    norms: Sequence[FeatureNorm] | None = None  # in place of `HanGlyph.feature_norms`


class HanGlyph(nn.Module):
    """The glyph vectors of glyph images: [R, G1, G2], side by side in one vector of 3H."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.config = config
        size, hidden = config.glyph_size, config.hidden_size
        first, second = config.first_block_channels, config.second_block_channels
        features1, features2 = first * (size // 4) ** 2, second * (size // 8 // 2) ** 2
        sizes = [features1, features2]
        if config.glyph_cnn == "none":
            features1 = features2 = size**2
            sizes = [size**2]  # the same features for all three vectors
        else:
            self.block1 = GlyphBlock(3, first, size)
            self.block2 = GlyphBlock(first, second, size // 4)
        self.to_glyph1 = GlyphLinear(features1, hidden)
        self.to_glyph2 = GlyphLinear(features2, hidden)
        self.to_input = GlyphLinear(features2, hidden)
        self.fixed_sizes = sizes
        norms = [make_norm(each, config) for each in sizes]
        self.feature_norms = nn.ModuleList(norm for norm in norms if norm is not None)
        self.register_buffer("maps", position_maps(size, config.position_maps), persistent=False)

    def forward(self, images: Tensor, prepared: Prepared | None = None) -> Tensor:
        """Encodes glyph images.

        Args:
            images: [U, 1, n, n] float, foreground 1 on background 0.
            prepared: of `prepare`, for callers that encode many images in several calls.

        Returns:
            [U, 3H] = [R, G1, G2]: the input of the Transformer and what its two bottom layers add.
        """
        spectra, folded, _, norms = self.prepare(images) if prepared is None else prepared
        norms = self.feature_norms if norms is None else norms
        deep1, deep2 = self.features(images, spectra)
        first, last = (norms[0], norms[-1]) if norms else (None, None)
        vectors = [
            project(deep2, self.to_input, last, folded[0]),
            project(deep1, self.to_glyph1, first, folded[1]),
            project(deep2, self.to_glyph2, last, folded[2]),
        ]
        return torch.tanh(torch.cat(vectors, dim=-1))

    # ---- features that training does not change: a caller may keep them, and reads them in every step

    def fixed_parts(self) -> list[nn.Module]:
        """The modules that make `fixed_features`, this one among them.

        There are none where those are the pixels as they are, and in a subclass that has a `forward` of its own.
        """
        if type(self).forward is not HanGlyph.forward:
            return []
        parts = [part for block in glyph_parts(self)["glyph"] for part in block.modules()] + list(self.feature_norms)
        return [self, *parts] if parts else []

    def fixed_features(self, images: Tensor) -> Tensor:
        """Images [U, 1, n, n] -> their features behind the norms, [U, sum of `fixed_sizes`]."""
        features = self.features(images, self._spectra(images))[-len(self.fixed_sizes) :]
        norms = self.feature_norms or [nn.Identity() for _ in features]
        return torch.cat([norm(some) for norm, some in zip(norms, features, strict=True)], dim=-1)

    def read_fixed(self, features: Tensor) -> Tensor:
        """`fixed_features` -> what `forward` makes of their images, [U, 3H]."""
        parts = features.split(self.fixed_sizes, dim=-1)
        deep1, deep2 = parts[0], parts[-1]
        return torch.tanh(torch.cat([self.to_input(deep2), self.to_glyph1(deep1), self.to_glyph2(deep2)], dim=-1))

    def features(self, images: Tensor, spectra: Sequence[tuple[Tensor, ...]] = ((), (), ())) -> tuple[Tensor, Tensor]:
        """Images [U, 1, n, n] -> what block 1 makes of them [U, c_1 * (n/4)^2], and block 2 [U, c_2 * (n/16)^2]."""
        if self.config.glyph_cnn == "none":
            return images.flatten(1), images.flatten(1)
        # not len(): to torch.jit.trace and the ONNX exporter built on it, that is a constant
        maps = self.maps.to(images.dtype).expand(images.shape[0], -1, -1, -1)  # [U, 2, n, n]
        deep1 = self.block1(torch.cat([images, maps], dim=1), spectra)  # [U, c_1, n/4, n/4]
        return deep1.flatten(1), self.block2(deep1).flatten(1)

    def prepare(self, images: Tensor, again: bool = False) -> Prepared:
        """What depends on the weights alone, computed once for all chunks of images [U, 1, n, n].

        Args:
            images: all that are encoded in a call.
            again: whether the backward pass encodes them again, which must not meet the statistics of a later estimate.
        """
        spectra = self._spectra(images)
        prepared = Prepared(spectra, chunk=FFT_CHUNK if any(spectra) else None)
        if again and self.feature_norms and not is_traced(images):
            prepared = prepared._replace(norms=[copy.deepcopy(norm) for norm in self.feature_norms])
        # few images are cheaper to transform than the weights; a graph that is exported holds them as constants
        many = is_exported() or (not is_traced(images) and len(images) >= self.config.hidden_size)
        if not self.feature_norms or not many:
            return prepared
        first, last = self.feature_norms[0], self.feature_norms[-1]
        pairs = ((self.to_input, last), (self.to_glyph1, first), (self.to_glyph2, last))
        return prepared._replace(folded=[fold(linear, norm, GlyphLinear) for linear, norm in pairs])

    def _spectra(self, images: Tensor) -> Sequence[tuple[Tensor, ...]]:
        """Spectra of block 1's large kernels; those of block 2 are small."""
        return self.block1.prepare(images) if self.config.glyph_cnn != "none" else ((), (), ())

    # ---- statistics of the features: the bank, which has the images, asks for them

    def feature_weights(self) -> list[Tensor]:
        """The weights that make the features."""
        return [weight for block in glyph_parts(self)["glyph"] for weight in tensors_of(block.modules())]

    def trains_features(self) -> bool:
        """Whether training changes the features, so that their statistics get old."""
        return any(weight.requires_grad for weight in self.feature_weights())

    def estimate_statistics(self, chunks: Iterable[Tensor]) -> None:
        """Estimates the statistics of the features of images, float [n, 1, n, n] in chunks, without gradients."""
        with torch.no_grad():
            spectra, pairs = None, []
            for images in chunks:
                spectra = self._spectra(images) if spectra is None else spectra
                pairs.append(self.features(images, spectra))
        for norm, features in zip(self.feature_norms, zip(*pairs, strict=True), strict=False):
            norm.estimate(torch.cat(features))

    @staticmethod
    @torch.no_grad()
    def init_weights(module: nn.Module, kind: str = "torch", initializer_range: float = 0.02) -> bool:
        """Initialises a part of a HanGlyph as `GlyphCrmConfig.glyph_initializer` says; False for other modules.

        Args:
            module: any.
            kind: the `glyph_initializer`.
            initializer_range: standard deviation of the vectors that "bert" starts from.
        """
        if isinstance(module, GlyphConv) and kind != "torch":
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            init.zeros_(module.bias)
        elif isinstance(module, GlyphLinear) and kind != "torch":
            if kind == "kaiming":
                init.xavier_normal_(module.weight)
            else:
                init.normal_(module.weight, std=initializer_range * module.in_features**-0.5)
            init.zeros_(module.bias)
        elif isinstance(module, GlyphConv | GlyphLinear):
            bound = module.weight[0].numel() ** -0.5
            init.uniform_(module.weight, -bound, bound)
            init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, HanGlyph):
            init.copy_(module.maps, position_maps(module.config.glyph_size, module.config.position_maps))
        elif isinstance(module, FeatureNorm):
            module.reset()
        else:
            return False
        return True


def max_pool(images: Tensor) -> Tensor:
    """2x2 max-pooling, [U, c, n, n] -> [U, c, n // 2, n // 2]; an odd last row or column is left out.

    On a CPU, where no gradient is needed, by two maxima, which take a fraction of torch's time. The gradient of a
    maximum of equal values would be another than that of max-pooling, which goes to the first of them.
    """
    if images.device.type != "cpu" or torch.is_grad_enabled() or is_traced(images):
        return F.max_pool2d(images, 2)
    rows = torch.maximum(images[..., :-1:2, :], images[..., 1::2, :])
    return torch.maximum(rows[..., :-1:2], rows[..., 1::2])


def correlate(images: Tensor, kernels: Tensor, spectra: Tensor | None = None) -> Tensor:
    """What a convolution without padding and stride computes: the inverse transform of the spectra's product.

    Args:
        images: [U, c_in, h, w] float32.
        kernels: [c, c_in, k, l] float32.
        spectra: `kernel_spectra` of the kernels, where they are known already.

    Returns:
        [U, c, h-k+1, w-l+1].
    """
    sides = images.shape[-2:]
    spectra = kernel_spectra(kernels, *sides) if spectra is None else spectra
    kept = (side - kernel + 1 for side, kernel in zip(sides, kernels.shape[-2:], strict=True))
    return Correlation.apply(images, spectra, *kept)[0]


class Correlation(torch.autograd.Function):
    """The correlation, with a gradient of its own that takes less time than autograd's.

    Autograd's transforms whole spectra back where half a spectrum says all of a real image, and multiplies conjugated
    views, which torch copies first, one frequency at a time. F = h * (w/2+1).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor, spectra: Tensor, *kept: int) -> tuple[Tensor, Tensor]:
        """[U, c_in, h, w] and complex [F, c_in, c] -> the first `kept` rows and columns, and the images' spectra."""
        sides = images.shape[-2:]
        left = image_spectra(images, sides)
        output = images_of(torch.bmm(left, spectra), sides, kept)
        return output.clone(memory_format=torch.contiguous_format), left  # no view: those cannot be dual numbers

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keeps what the gradients that are needed are made of."""
        images, spectra, *ctx.kept = inputs
        ctx.sides = images.shape[-2:]
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # of the images' spectra: as large as they are, and nobody asks for it
        of_images, of_spectra, *_ = ctx.needs_input_grad
        # empty ones and not None, and as many for both: torch.func.vmap counts on it
        ctx.save_for_backward(
            images if of_images and of_spectra else images.new_empty(0),
            spectra if of_images else spectra.new_empty(0),
            output[1] if of_spectra else output[1].new_empty(0),
        )
        ctx.save_for_forward(images, spectra, output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Of images: the convolution of the gradient with the kernels; of spectra: a sum over the images."""
        images, spectra, left = ctx.saved_tensors
        of_images = of_spectra = None
        if gradient is None:
            return None, None, None, None
        right = image_spectra(gradient, ctx.sides).conj_physical_()  # [F, U, c]
        if ctx.needs_input_grad[0]:
            of_images = images_of(torch.bmm(right, spectra.mT).conj_physical_(), ctx.sides, ctx.sides)
        if ctx.needs_input_grad[1]:
            if torch.is_grad_enabled() and ctx.needs_input_grad[0]:  # gradients of this one reach the images, too
                left = image_spectra(images, ctx.sides)
            height, width = ctx.sides
            # the columns that half a spectrum leaves out repeat all others but the first, and the last of an even side
            weights = right.real.new_full((height, width // 2 + 1), 2 / (height * width))
            weights[:, [0, -1] if width % 2 == 0 else [0]] = 1 / (height * width)
            of_spectra = torch.bmm(left.mT, right * weights.view(-1, 1, 1)).conj_physical_()
        return of_images, of_spectra, None, None

    @staticmethod
    def jvp(ctx: Any, images: Tensor | None, spectra: Tensor | None, *_: None) -> tuple[Tensor | None, None]:
        """Tangents of images and of spectra -> that of the correlation, which is linear in both."""
        saved = ctx.saved_tensors
        parts = [] if images is None else [(images, saved[1])]
        parts += [] if spectra is None else [(saved[0], spectra)]
        return sum(Correlation.apply(*part, *ctx.kept)[0] for part in parts), None


def image_spectra(images: Tensor, sides: Sequence[int]) -> Tensor:
    """Images [U, c, ...] -> their spectra, padded to sides (h, w): complex [F, U, c]."""
    spectra = torch.fft.rfft2(images, s=tuple(sides)).permute(2, 3, 0, 1)  # [h, w/2+1, U, c]
    # one matrix product for each frequency; contiguous, or many threads would wait for each other at each of them
    return spectra.reshape(-1, *spectra.shape[2:]).contiguous()


def images_of(spectra: Tensor, sides: Sequence[int], kept: Sequence[int]) -> Tensor:
    """Spectra [F, U, c] of images of sides (h, w) -> their first `kept` rows and columns, [U, c, *kept].

    The circular correlation wraps around, but not at the positions that an unpadded convolution has.
    """
    height, width = sides
    spectra = spectra.reshape(height, width // 2 + 1, *spectra.shape[1:]).permute(2, 3, 0, 1)
    rows = torch.fft.ifft(spectra, dim=2).narrow(2, 0, kept[0])
    return torch.fft.irfft(rows, n=width).narrow(3, 0, kept[1])


def kernel_spectra(kernels: Tensor, height: int, width: int) -> Tensor:
    """Kernels [c, c_in, k, l] -> their conjugate spectra for images of h x w pixels, complex [F, c_in, c]."""
    return image_spectra(kernels, (height, width)).mT.conj().resolve_conj().contiguous()


def glyph_parts(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Blocks ("glyph") and linear layers ("glyph_linear") of a model's HanGlyph; none, where it was replaced."""
    encoders = [part for part in model.modules() if isinstance(part, HanGlyph)]
    blocks = [part for encoder in encoders for part in encoder.children() if isinstance(part, GlyphBlock)]
    linears = [part for encoder in encoders for part in (encoder.to_input, encoder.to_glyph1, encoder.to_glyph2)]
    return {"glyph": blocks, "glyph_linear": linears}


def position_maps(size: int, kind: str) -> Tensor:
    """Every pixel's coordinates x (to the right) and y (upwards), the centre being the origin: [2, size, size].

    Args:
        size: side of the glyph image.
        kind: "paper": -0.2 to 0.2; "released": steps of 0.96 / size from -0.48 on, as in the authors' code.
    """
    steps = torch.arange(size)
    axis = steps * (0.4 / (size - 1)) - 0.2 if kind == "paper" else (steps - size // 2) * (0.96 / size)
    return torch.stack([axis.expand(size, size), -axis[:, None].expand(size, size)])


__all__ = [
    "GlyphBlock",
    "GlyphConv",
    "GlyphLinear",
    "HanGlyph",
    "Prepared",
    "correlate",
    "glyph_parts",
    "kernel_spectra",
    "max_pool",
    "position_maps",
]

"""Measures the forms in which HanGlyph's large convolutions can be computed against each other.

    python run_scripts/benchmark_convolutions.py --output_dir results --channels 64 --glyph_size 48

The three convolutions of HanGlyph's first block, forward and with backward, on all glyph images of a step, so many at a
time: "frequencies" computes the kernels' spectra for every chunk, "spectra once" is the form that HanGlyph takes on a
CPU, with the same spectra for all chunks. The forms take turns in every round, so that other load of the
machine meets all of them; the table shows the median time of a step.
"""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.benchmark import Compare, Timer
from transformers import HfArgumentParser

from hanziformers.modeling.han_glyph import GlyphBlock, correlate, kernel_spectra


@dataclass
class ConvolutionArguments:
    """What to measure."""

    output_dir: str = field(metadata={"help": "folder for convolutions.txt"})
    channels: int = field(default=64, metadata={"help": "of HanGlyph's first block"})
    glyph_size: int = field(default=48, metadata={"help": "pixels, a multiple of 24"})
    images: int = field(default=128, metadata={"help": "glyph images of a step"})
    chunks: list[int] = field(default_factory=lambda: [32, 64, 128], metadata={"help": "glyph images at a time"})
    device: str = "cpu"
    rounds: int = 7
    seed: int = 0


def make_forms(block: GlyphBlock, device: str, chunk: int) -> dict[str, Callable[[Tensor, bool], Tensor]]:
    """The forms by name: (float32 [n, C, h, w], whether to go backward) -> the output of the three convolutions."""

    def form(
        convolution: Callable[..., Tensor], weights: GlyphBlock, context: Callable, once: bool = False
    ) -> Callable:
        def convolve(hidden: Tensor, spectra: list[tuple[Tensor, ...]]) -> Tensor:
            for number, (conv, shared) in enumerate(zip(weights.residual, spectra, strict=True)):
                hidden = convolution(F.relu(hidden) if number else hidden, conv.weight, conv.bias, *shared)
            return hidden

        def call(images: Tensor, train: bool) -> Tensor:
            weights.zero_grad()
            leaf = images.detach().requires_grad_(train)
            with torch.set_grad_enabled(train), context():
                spectra = spectra_of(weights, images.shape[-1]) if once else [()] * 3
                output = torch.cat([convolve(some, spectra) for some in leaf.split(chunk)])
            if train:
                output.backward(torch.ones_like(output))
            return output.detach()

        return call

    def frequencies(images: Tensor, weight: Tensor, bias: Tensor, *spectra: Tensor) -> Tensor:
        return correlate(images, weight, *spectra) + bias[:, None, None]

    return {
        "direct": form(F.conv2d, block, nullcontext),
        "channels last": form(F.conv2d, deepcopy(block).to(memory_format=torch.channels_last), nullcontext),
        "frequencies": form(frequencies, block, nullcontext),
        "spectra once": form(frequencies, block, nullcontext, once=True),
        "bfloat16 autocast": form(F.conv2d, block, lambda: torch.autocast(device.split(":")[0], torch.bfloat16)),
    }


def spectra_of(block: GlyphBlock, size: int) -> list[tuple[Tensor, ...]]:
    """The spectra of the three kernels, for images of size x size pixels."""
    sides = [size - number * (block.residual[0].kernel_size[0] - 1) for number in range(3)]
    return [(kernel_spectra(conv.weight, side, side),) for conv, side in zip(block.residual, sides, strict=True)]


def main(argv: list[str] | None = None) -> Compare:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(ConvolutionArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    device, size = arguments.device, arguments.glyph_size
    block = GlyphBlock(3, arguments.channels, size).to(device)
    kernel = block.residual[0].kernel_size[0]
    label = f"three {kernel}x{kernel} convolutions, {arguments.channels} channels, {size} px, {device}"
    label += f", {arguments.images} glyph images a step"
    images = torch.rand(arguments.images, arguments.channels, size, size, device=device)
    timers = []
    for chunk in arguments.chunks:
        forms = make_forms(block, device, chunk)
        inputs = dict.fromkeys(forms, images)
        inputs["channels last"] = images.contiguous(memory_format=torch.channels_last)
        exact = forms["direct"](images, False)
        for name, form in forms.items():
            difference = float((form(inputs[name], False) - exact).abs().max() / exact.abs().max())
            if difference > 0.05:  # rounding of bfloat16 is 0.01
                raise RuntimeError(f"the form {name!r} is {difference:.1g} off, more than rounding does: report this")
            for case, train in (("forward", False), ("forward + backward", True)):
                call = {"form": form, "images": inputs[name], "train": train}
                names = {"label": label, "sub_label": f"{case}, {chunk} glyph images at a time", "description": name}
                threads = torch.get_num_threads()
                timers.append(Timer("form(images, train)", globals=call, num_threads=threads, **names))
    measured = [timer.timeit(1) for _ in range(arguments.rounds) for timer in timers]
    table = Compare(measured)  # the median over the rounds of each
    text = f"torch {torch.__version__}, {arguments.rounds} rounds\n{table}"
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "convolutions.txt").write_text(text, encoding="utf-8")
    print(text)
    return table


if __name__ == "__main__":
    main()

"""Measures the forms in which HanGlyph's large convolutions can be computed against each other.

    python run_scripts/benchmark_convolutions.py --output_dir results --channels 64 --glyph_size 48

The three convolutions of HanGlyph's first block, forward and with backward: "frequencies" is the form that GlyphConv
takes on a CPU. The forms take turns in every round, so that other load of the machine meets all of them; the table
shows the median time of a call.
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

from hanziformers.modeling.han_glyph import GlyphBlock, correlate


@dataclass
class ConvolutionArguments:
    """What to measure."""

    output_dir: str = field(metadata={"help": "folder for convolutions.txt"})
    channels: int = field(default=64, metadata={"help": "of HanGlyph's first block"})
    glyph_size: int = field(default=48, metadata={"help": "pixels, a multiple of 24"})
    chunks: list[int] = field(default_factory=lambda: [32, 128], metadata={"help": "glyph images per call"})
    device: str = "cpu"
    rounds: int = 7
    seed: int = 0


def make_forms(block: GlyphBlock, device: str) -> dict[str, Callable[[Tensor, bool], Tensor]]:
    """The forms by name: (float32 [n, C, h, w], whether to go backward) -> the output of the three convolutions."""

    def form(convolution: Callable[..., Tensor], weights: GlyphBlock, context: Callable) -> Callable:
        def call(images: Tensor, train: bool) -> Tensor:
            weights.zero_grad()
            hidden = images.detach().requires_grad_(train)
            with torch.set_grad_enabled(train), context():
                for number, conv in enumerate(weights.residual):
                    hidden = convolution(F.relu(hidden) if number else hidden, conv.weight, conv.bias)
            if train:
                hidden.backward(torch.ones_like(hidden))
            return hidden.detach()

        return call

    return {
        "direct": form(F.conv2d, block, nullcontext),
        "channels last": form(F.conv2d, deepcopy(block).to(memory_format=torch.channels_last), nullcontext),
        "frequencies": form(lambda x, w, b: correlate(x, w) + b[:, None, None], block, nullcontext),
        "bfloat16 autocast": form(F.conv2d, block, lambda: torch.autocast(device.split(":")[0], torch.bfloat16)),
    }


def main(argv: list[str] | None = None) -> Compare:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(ConvolutionArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    device, size = arguments.device, arguments.glyph_size
    block = GlyphBlock(3, arguments.channels, size).to(device)
    kernel = block.residual[0].kernel_size[0]
    label = f"three {kernel}x{kernel} convolutions, {arguments.channels} channels, {size} px, {device}"
    forms = make_forms(block, device)
    measured = []
    for chunk in arguments.chunks:
        images = torch.rand(chunk, arguments.channels, size, size, device=device)
        inputs = dict.fromkeys(forms, images)
        inputs["channels last"] = images.contiguous(memory_format=torch.channels_last)
        exact = forms["direct"](images, False)
        timers = []
        for name, form in forms.items():
            difference = float((form(inputs[name], False) - exact).abs().max() / exact.abs().max())
            if difference > 0.05:  # rounding of bfloat16 is 0.01
                raise RuntimeError(f"the form {name!r} is {difference:.1g} off, more than rounding does: report this")
            for case, train in (("forward", False), ("forward + backward", True)):
                call = {"form": form, "images": inputs[name], "train": train}
                names = {"label": label, "sub_label": f"{case}, {chunk} glyph images", "description": name}
                threads = torch.get_num_threads()
                timers.append(Timer("form(images, train)", globals=call, num_threads=threads, **names))
        measured += [timer.timeit(1) for _ in range(arguments.rounds) for timer in timers]
    table = Compare(measured)  # the median over the rounds of each
    text = f"torch {torch.__version__}, {arguments.rounds} rounds\n{table}"
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "convolutions.txt").write_text(text, encoding="utf-8")
    print(text)
    return table


if __name__ == "__main__":
    main()

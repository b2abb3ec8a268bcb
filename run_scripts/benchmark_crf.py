"""Measures LinearChainCRF against pytorch-crf: loss with backward, and decoding, on one batch of sentences.

    pip install pytorch-crf
    OMP_NUM_THREADS=1 python run_scripts/benchmark_crf.py --output_dir results --num_tags 33 73

Both get the same parameters, emissions and tags, and have to find the same loss, gradients and paths. They take turns
in every round, so that other load of the machine meets both; the table shows the median time of a call.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.benchmark import Compare, Timer
from transformers import HfArgumentParser

from hanziformers.modeling.crf import LinearChainCRF

try:
    from torchcrf import CRF
except ImportError as error:
    raise ImportError("what is compared is missing: pip install pytorch-crf") from error

OURS, STOCK = "hanziformers", "pytorch-crf"


@dataclass
class CrfArguments:
    """What to measure."""

    output_dir: str = field(metadata={"help": "folder for crf.txt"})
    num_tags: list[int] = field(default_factory=lambda: [33, 73], metadata={"help": "33: BMESO of 8 labels"})
    batch_size: int = 64
    length: int = field(default=128, metadata={"help": "of the longest sentence; the others have a quarter or more"})
    device: str = "cpu"
    rounds: int = 7
    seed: int = 0


def make_crfs(num_tags: int, device: str) -> tuple[LinearChainCRF, CRF]:
    """Both with the same parameters."""
    ours, stock = LinearChainCRF(num_tags), CRF(num_tags, batch_first=True)
    with torch.no_grad():
        for name in ("start", "end", "transitions"):
            own = getattr(ours, name)
            getattr(stock, name if name == "transitions" else f"{name}_transitions").copy_(own)
    return ours.to(device), stock.to(device)


def make_calls(arguments: CrfArguments, num_tags: int) -> dict[str, dict[str, Callable[[], list[Tensor]]]]:
    """Case -> contender -> a call, which returns what both must agree on."""
    device, size = arguments.device, (arguments.batch_size, arguments.length)
    ours, stock = make_crfs(num_tags, device)
    lengths = torch.randint(max(1, size[1] // 4), size[1] + 1, (size[0], 1), device=device)
    lengths[0] = size[1]
    mask = torch.arange(size[1], device=device) < lengths
    emissions = torch.randn(*size, num_tags, device=device, requires_grad=True)
    tags = torch.randint(0, num_tags, size, device=device)

    def train(crf: torch.nn.Module, loss: Callable[[], Tensor]) -> Callable[[], list[Tensor]]:
        def call() -> list[Tensor]:
            emissions.grad = None
            crf.zero_grad()
            value = loss()
            value.backward()
            return [value.detach(), emissions.grad, crf.transitions.grad]

        return call

    def stock_paths() -> list[Tensor]:
        found = torch.full(size, -1, device=device)
        paths = stock.decode(emissions.detach(), mask=mask)
        found[mask] = torch.tensor(list(chain.from_iterable(paths)), device=device)
        return [found]

    return {
        "loss + backward": {
            OURS: train(ours, lambda: ours.nll(emissions, mask, tags).mean()),
            STOCK: train(stock, lambda: -stock(emissions, tags, mask=mask, reduction="mean")),
        },
        "decode": {OURS: lambda: [ours.decode(emissions, mask)], STOCK: stock_paths},
    }


def main(argv: list[str] | None = None) -> Compare:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(CrfArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    threads, timers = torch.get_num_threads(), []
    label = f"CRF, {arguments.batch_size} sentences of up to {arguments.length} tokens, {arguments.device}"
    for num_tags in arguments.num_tags:
        for case, calls in make_calls(arguments, num_tags).items():
            for found, wanted in zip(calls[OURS](), calls[STOCK](), strict=True):
                if not torch.allclose(found.float(), wanted.float(), atol=1e-5, rtol=1e-5):
                    raise RuntimeError(f"{case} of {num_tags} tags: both find something else, report this")
            for name, call in calls.items():
                names = {"label": label, "sub_label": f"{case}, {num_tags} tags", "description": name}
                timers.append(Timer("call()", globals={"call": call}, num_threads=threads, **names))
    measured = [timer.timeit(1) for _ in range(arguments.rounds) for timer in timers]
    ratios = []
    for ours, stock in zip(timers[::2], timers[1::2], strict=True):
        first, second = (
            torch.tensor([one.median for one in measured if one.task_spec == timer._task_spec]).median()
            for timer in (ours, stock)
        )
        ratios.append(f"{ours._task_spec.sub_label}: {second / first:.1f}x as fast as {STOCK}")
    table = Compare(measured)  # the median over the rounds of each
    text = "\n".join(
        [f"torch {torch.__version__}, {threads} threads, {arguments.rounds} rounds", str(table), *ratios, ""]
    )
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crf.txt").write_text(text, encoding="utf-8")
    print(text)
    return table


if __name__ == "__main__":
    main()

"""Measures LatticeLSTM against an nn.LSTM of one direction over the same characters: forward with backward.

    OMP_NUM_THREADS=1 python run_scripts/benchmark_lattice.py --output_dir results --batch_size 1 128

The nn.LSTM reads no words: it is a yardstick, not another way to the same end. Both take turns in every round, so that
other load of the machine meets both; the table shows the median time of a call.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Compare, Timer
from transformers import HfArgumentParser

from hanziformers.modeling.lattice_lstm import LatticeLSTM

LONGEST = 4  # characters of a word


@dataclass
class LatticeArguments:
    """What to measure."""

    output_dir: str = field(metadata={"help": "folder for lattice_lstm.txt"})
    batch_size: list[int] = field(default_factory=lambda: [1, 128], metadata={"help": "texts of a batch"})
    length: int = field(default=50, metadata={"help": "characters of a text, 2 or more"})
    words_per_character: float = field(default=0.33, metadata={"help": "words of the lexicon; 0.33 is real text's"})
    input_size: int = 100
    hidden_size: int = 100
    word_size: int = 50
    num_words: int = field(default=20000, metadata={"help": "words of the lexicon"})
    device: str = "cpu"
    rounds: int = 9
    seed: int = 0


def random_words(arguments: LatticeArguments, batch: int) -> tuple[Tensor, Tensor]:
    """word_ids [B, M] and word_spans [B, M, 2] of words of 2 to 4 characters, wherever they fit."""
    length = arguments.length
    size = (batch, round(length * arguments.words_per_character))
    starts = torch.randint(0, length - 1, size)
    ends = (starts + torch.randint(1, LONGEST, size)).clamp(max=length - 1)
    return torch.randint(0, arguments.num_words, size), torch.stack([starts, ends], dim=-1)


def make_calls(arguments: LatticeArguments, batch: int) -> dict[str, Callable[[], None]]:
    """By name a call that reads a batch, and goes backward from the sum of the hidden states."""
    device, sizes = arguments.device, (arguments.input_size, arguments.hidden_size)
    lattice = LatticeLSTM(*sizes, arguments.word_size, arguments.num_words).to(device)
    plain = nn.LSTM(*sizes, batch_first=True).to(device)
    inputs = torch.randn(batch, arguments.length, arguments.input_size, device=device, requires_grad=True)
    mask = torch.ones(batch, arguments.length, device=device)
    words = [one.to(device) for one in random_words(arguments, batch)]

    def call(layer: nn.Module, *rest: Tensor) -> Callable[[], None]:
        def run() -> None:
            layer.zero_grad()
            layer(inputs, *rest)[0].sum().backward()

        return run

    return {"LatticeLSTM": call(lattice, mask, *words), "nn.LSTM": call(plain)}


def main(argv: list[str] | None = None) -> Compare:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(LatticeArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    threads, measured, ratios = torch.get_num_threads(), [], []
    label = f"{arguments.length} characters, {arguments.words_per_character} words a character, {arguments.device}"
    for batch in arguments.batch_size:
        timers = [
            Timer("call()", globals={"call": call}, num_threads=threads, label=label, sub_label=f"batch {batch}",
                  description=name)
            for name, call in make_calls(arguments, batch).items()
        ]  # fmt: skip
        rounds = [[timer.timeit(1) for timer in timers] for _ in range(arguments.rounds)]
        ours, plain = (median(one.median for one in times) for times in zip(*rounds, strict=True))
        ratios.append(f"batch {batch}: {ours / plain:.1f} times the time of nn.LSTM")
        measured += [one for times in rounds for one in times]
    table = Compare(measured)
    text = f"torch {torch.__version__}, {threads} threads, {arguments.rounds} rounds\n{table}\n" + "\n".join(ratios)
    path = Path(arguments.output_dir, "lattice_lstm.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    print(text)
    return table


if __name__ == "__main__":
    main()

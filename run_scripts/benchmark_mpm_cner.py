"""Measures MPM-CNER against BERT with BiLSTM and CRF of the same size: what do glyphs and sounds cost?

    python run_scripts/benchmark_mpm_cner.py --output_dir results --size base --text corpus.txt --vocab vocab.txt

Both are one class, the second with use_glyphs=False and use_sounds=False. "warm": the vectors of all characters and
syllables of the batch are known; "first sight": none is. They take turns in every round, so that other load of the
machine meets both; the table shows medians and their quotient.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

import torch
from torch import Tensor
from transformers import HfArgumentParser

from hanziformers import MpmCnerConfig, MpmCnerForTokenClassification, render_glyphs
from hanziformers.training.new_model import new_processing_class

OURS, PLAIN = "MPM-CNER", "BERT + BiLSTM + CRF"
SIZES = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
LABELS = ["O", *(f"{side}-{name}" for name in ("PER", "ORG", "LOC", "GPE") for side in "BI")]
Call = Callable[[], object]


@dataclass
class MpmCnerArguments:
    """What to measure, and on what."""

    output_dir: str = field(metadata={"help": "folder for mpm_cner.md"})
    vocab: str = field(metadata={"help": "vocab.txt of both"})
    text: str = field(metadata={"help": "UTF-8 file with Chinese text"})
    size: Literal["tiny", "small", "base"] = "base"
    batch: int = 8
    length: int = field(default=128, metadata={"help": "tokens of each example, without padding"})
    device: str = "cpu"
    rounds: int = 7
    seed: int = 0


def make_models(arguments: MpmCnerArguments) -> tuple[dict[str, MpmCnerForTokenClassification], dict[str, Tensor]]:
    """Both models, with the same weights where both have some, and a full batch."""
    config = MpmCnerConfig(**SIZES[arguments.size], id2label=dict(enumerate(LABELS)))
    processor = new_processing_class(config, arguments.vocab)
    config.max_position_embeddings = max(config.max_position_embeddings, arguments.length)
    ours = MpmCnerForTokenClassification(config)
    render_glyphs(ours, processor)
    plain = MpmCnerForTokenClassification(
        MpmCnerConfig.from_dict({**config.to_dict(), "use_glyphs": False, "use_sounds": False})
    )
    plain.load_state_dict(ours.state_dict(), strict=False)
    text = "".join(Path(arguments.text).read_text(encoding="utf-8").split())
    needed = 2 * arguments.length  # a piece of twice the length fills an example whatever has no token
    if len(text) < arguments.batch * needed:
        raise ValueError(f"{arguments.text} has {len(text)} characters; {arguments.batch * needed} are needed")
    texts = [text[start : start + needed] for start in range(0, arguments.batch * needed, needed)]
    length = {"truncation": True, "max_length": arguments.length, "padding": "max_length"}
    batch = processor(texts, **length, return_tensors="pt")
    batch["labels"] = torch.zeros_like(batch["input_ids"])
    models = {OURS: ours.to(arguments.device), PLAIN: plain.to(arguments.device)}
    return models, {name: value.to(arguments.device) for name, value in batch.items()}


def measure(turns: dict[str, Call], arguments: MpmCnerArguments) -> dict[str, float]:
    """Median seconds of each call; they take turns, and a first round is not counted."""
    finish = torch.cuda.synchronize if arguments.device.startswith("cuda") else int  # int() does nothing
    rounds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(arguments.rounds + 1):
        for name, call in turns.items():
            finish()
            start = perf_counter()
            call()
            finish()
            rounds[name].append(perf_counter() - start)
    return {name: median(seconds[1:]) for name, seconds in rounds.items()}


def measure_all(
    models: dict[str, MpmCnerForTokenClassification], batch: dict[str, Tensor], arguments: MpmCnerArguments
) -> dict[str, dict[str, float]]:
    """Case -> what is compared -> seconds."""
    unlabelled = {name: value for name, value in batch.items() if name != "labels"}

    def tag(model: MpmCnerForTokenClassification) -> None:
        with torch.no_grad():
            model(**unlabelled)

    def step(model: MpmCnerForTokenClassification, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

    # train() forgets the tables; the call after it meets every character and syllable for the first time
    turns: dict[str, Call] = {"forget": lambda: models[OURS].train().eval(), "first": partial(tag, models[OURS])}
    turns |= {name: partial(tag, model.eval()) for name, model in models.items()}
    found = measure(turns, arguments)
    warm = {name: found[name] for name in models}
    adams = {name: torch.optim.AdamW(model.train().parameter_groups()) for name, model in models.items()}
    steps = measure({name: partial(step, model, adams[name]) for name, model in models.items()}, arguments)
    return {"forward, warm": warm, "forward, first sight": {**warm, OURS: found["first"]}, "training step": steps}


def main(argv: list[str] | None = None) -> None:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(MpmCnerArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    models, batch = make_models(arguments)
    cases = measure_all(models, batch, arguments)
    distinct = {name: batch[name].unique().numel() for name in ("glyph_ids", "syllable_ids")}
    counts = ", ".join(f"{model.num_parameters():,} ({name})" for name, model in models.items())
    device = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device
    lines = [
        "# MPM-CNER against BERT with BiLSTM and CRF",
        "",
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, {distinct['glyph_ids']} distinct characters "
        f"and {distinct['syllable_ids']} syllables; {device}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, {arguments.rounds} rounds; trained values: {counts}",
        "",
        f"`python run_scripts/benchmark_mpm_cner.py {' '.join(sys.argv[1:] if argv is None else argv)}`",
        "",
        f"| | {OURS} | {PLAIN} | quotient |",
        "|---|---|---|---|",
    ]
    for case, seconds in cases.items():
        times = " | ".join(f"{1000 * seconds[name]:.0f} ms" for name in (OURS, PLAIN))
        lines.append(f"| {case} | {times} | {seconds[OURS] / seconds[PLAIN]:.3f} |")
    text = "\n".join([*lines, ""])
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mpm_cner.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""Measures ChineseBERT against BERT, and its tokenizer against BERT's and against the published way: ratios of one run.

    python run_scripts/benchmark.py --output_dir results --size base --text corpus.txt --vocab vocab.txt

Contenders take turns in every round (A, B, A, B ...), so that what else the machine does meets them all; a number is
the median over the rounds, and the JSON keeps every single one.
"""

import json
import platform
import random
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from pypinyin import Style, pinyin
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast, HfArgumentParser

from hanziformers import ChineseBertConfig, ChineseBertForMaskedLM, ChineseBertModel, ChineseBertTokenizer
from hanziformers.tokenization.pinyin import pinyin_table

OURS = "hanziformers"
SIZES = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
WARM_UP = 1  # round that is not counted: first calls, optimizer state
SINGLE_TEXTS = 16  # that are timed in one go where a call takes one: one short text is too quick for the clock

Rounds = dict[str, list[float]]  # contender -> seconds of every round


@dataclass
class BenchmarkArguments:
    """What to measure, and on what."""

    output_dir: str = field(metadata={"help": "folder for benchmark.md and benchmark.json"})
    part: Literal["model", "text", "both"] = "both"
    size: Literal["tiny", "small", "base"] = "base"
    head: Literal["none", "masked_lm"] = field(default="none", metadata={"help": "the heads of both models"})
    batch: int = 8
    length: int = field(default=128, metadata={"help": "tokens a row, packed, without padding"})
    device: str = field(default="auto", metadata={"help": "auto is cuda where there is one; the text part runs on CPU"})
    dtype: Literal["float32", "bfloat16"] = field(default="float32", metadata={"help": "of the weights"})
    text: str | None = field(default=None, metadata={"help": "UTF-8 file; default: characters drawn Zipf-like"})
    vocab: str | None = field(default=None, metadata={"help": "vocab.txt of both; default: 23,236 made-up tokens"})
    text_lengths: list[int] = field(default_factory=lambda: [20, 128, 2000], metadata={"help": "characters a text"})
    text_batches: list[int] = field(default_factory=lambda: [1, 32, 64], metadata={"help": "texts a call"})
    rounds: int = 7
    seed: int = 0


def main(argv: list[str] | None = None) -> None:
    """Measures, writes both files, prints the Markdown."""
    (arguments,) = HfArgumentParser(BenchmarkArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    vocabulary = arguments.vocab or made_up_vocabulary()
    tokenizer = ChineseBertTokenizer(vocabulary)
    text = read_text(arguments.text) if arguments.text else drawn_text(arguments.seed)

    tables = []
    if arguments.part != "text":
        tables.append(measure_models(arguments, tokenizer, text, device))
    if arguments.part != "model":
        tables.append(measure_text(arguments, tokenizer, vocabulary, text))
    result = {
        "machine": machine(device),
        "command": shlex.join(["python", "run_scripts/benchmark.py", *(sys.argv[1:] if argv is None else argv)]),
        "text": f"{len(text):,} characters, {arguments.text or f'drawn Zipf-like, seed {arguments.seed}'}",
        "tables": dict(tables),
    }
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.json").write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "benchmark.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


def made_up_vocabulary() -> dict[str, int]:
    """As many tokens as the published vocabulary has: special ones, marks, and the characters of two Unicode blocks."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"，。！？、；：0123456789"]
    tokens += map(chr, chain(range(0x4E00, 0xA000), range(0x3400, 0x4DC0)))
    return {token: index for index, token in enumerate(tokens[:23236])}


def drawn_text(seed: int) -> str:
    """Characters as unevenly frequent as in Chinese text: 8 x 128 of them are .42 distinct, 256 x 512 .027."""
    draw = random.Random(seed)
    characters = ["，", *map(chr, draw.sample(range(0x4E00, 0xA000), 3599))]
    return "".join(draw.choices(characters, [(rank + 8) ** -1.25 for rank in range(3600)], k=300_000))


def read_text(path: str) -> str:
    """The lines of a file, one after the other."""
    text = "".join(line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    if not text:
        raise ValueError(f"{path} holds no text")
    return text


def pieces(text: str, length: int) -> Iterator[str]:
    """Piece after piece of `length` characters, from the start again after the last."""
    if len(text) < length:
        raise ValueError(
            f"the text has {len(text)} characters, and pieces of {length} are to be cut: give a longer one"
        )
    return cycle(text[start : start + length] for start in range(0, len(text) - length + 1, length))


def measure(contenders: dict[str, Callable[[Any], Any]], inputs: Sequence[Any], device: str) -> Rounds:
    """Every contender in turn on every input; the first WARM_UP inputs are not counted."""
    finish = torch.cuda.synchronize if device.startswith("cuda") else int
    rounds: Rounds = {name: [] for name in contenders}
    for value in inputs:
        for name, call in contenders.items():
            finish()
            start = time.perf_counter()
            call(value)
            finish()
            rounds[name].append(time.perf_counter() - start)
    return {name: seconds[WARM_UP:] for name, seconds in rounds.items()}


def row(case: str, rounds: Rounds, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Medians and their quotients for one line of a table."""
    medians = {name: median(seconds) for name, seconds in rounds.items()}
    ratios = {f"{above} / {below}": medians[above] / medians[below] for above, below in pairs}
    return {"case": case, "medians": medians, "ratios": ratios, "rounds": rounds}


def measure_models(
    arguments: BenchmarkArguments, tokenizer: ChineseBertTokenizer, text: str, device: str
) -> tuple[str, list[dict[str, Any]]]:
    """Title and rows of the models' table: forward passes in eval mode, and the parts of a training step."""
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": max(512, arguments.length)}
    configs = (ChineseBertConfig(**sizes, **SIZES[arguments.size]), BertConfig(**sizes, **SIZES[arguments.size]))
    kinds = (ChineseBertModel, BertModel) if arguments.head == "none" else (ChineseBertForMaskedLM, BertForMaskedLM)
    dtype = getattr(torch, arguments.dtype)
    ours, bert = (kind(config).to(device, dtype) for kind, config in zip(kinds, configs, strict=True))
    texts = list(islice(pieces(text, 2 * arguments.length), arguments.batch))
    rows = tokenizer(texts, truncation=True, max_length=arguments.length, padding="max_length", return_tensors="pt")
    batch = dict(rows.to(device))
    distinct = batch["input_ids"].unique().numel() / batch["input_ids"].numel()
    if arguments.head == "masked_lm":
        batch["labels"] = batch["input_ids"].masked_fill(torch.rand(rows["input_ids"].shape).to(device) > 0.15, -100)
    plain = {name: value for name, value in batch.items() if name != "pinyin_ids"}

    target = torch.randn(ours.config.hidden_size, device=device)  # a plain mean after a layer norm has no gradient

    def step(model: nn.Module, inputs: dict[str, Tensor]) -> None:
        model.zero_grad()
        output = model(**inputs)
        (output.loss if "labels" in inputs else (output.last_hidden_state.float() @ target).mean()).backward()

    inputs = [None] * (arguments.rounds + WARM_UP)
    name = type(bert).__name__
    ours.eval(), bert.eval()
    with torch.no_grad():
        forward = measure(
            {
                "drop": lambda _: ours.train().eval(),  # forgets the table of characters
                "first": lambda _: ours(**batch),
                OURS: lambda _: ours(**batch),
                name: lambda _: bert(**plain),
            },
            inputs,
            device,
        )
    ours.train(), bert.train()
    adam, plain_adam = (torch.optim.AdamW(model.parameters(), lr=1e-5) for model in (ours, bert))
    calls = {OURS: lambda _: step(ours, batch), "adam": lambda _: adam.step()}
    calls |= {name: lambda _: step(bert, plain), "plain adam": lambda _: plain_adam.step()}
    train = measure(calls, inputs, device)

    cases = {
        "forward, table of characters warm": (forward[OURS], forward[name]),
        "forward, first call: makes the table": (forward["first"], forward[name]),
        "forward + backward": (train[OURS], train[name]),
        "AdamW step": (train["adam"], train["plain adam"]),
        "training step: the two together": tuple(
            [sum(both) for both in zip(train[model], train[optimizer], strict=True)]
            for model, optimizer in ((OURS, "adam"), (name, "plain adam"))
        ),
    }
    counts = " and ".join(f"{sum(p.numel() for p in m.parameters()):,} ({type(m).__name__})" for m in (ours, bert))
    title = (
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, {distinct:.3f} of them distinct, {device}, "
        f"{arguments.dtype}, {arguments.rounds} rounds; trained values: {counts}"
    )
    return title, [row(case, {OURS: a, name: b}, [(OURS, name)]) for case, (a, b) in cases.items()]


def measure_text(
    arguments: BenchmarkArguments, tokenizer: ChineseBertTokenizer, vocabulary: str | dict[str, int], text: str
) -> tuple[str, list[dict[str, Any]]]:
    """Title and rows of the tokenizers' table: seconds a text, new text in every round."""
    bert = BertTokenizerFast(vocabulary)
    table = pinyin_table()
    symbols = dict(zip(table.readings, table.ids.tolist(), strict=True))
    empty = symbols[""]

    def published(line: str) -> list[list[int]]:
        """As the released code does it: pypinyin on the whole line, one look-up for each token of one character."""
        spans = bert(line, return_offsets_mapping=True)["offset_mapping"]
        found = pinyin(line, style=Style.TONE3, heteronym=True, errors=lambda run: [["not chinese"] for _ in run])
        return [symbols.get(found[a][0], empty) if b - a == 1 else empty for a, b in spans]

    rows = []
    for length in arguments.text_lengths:
        source = pieces(text, length)
        for size in arguments.text_batches:
            count = size if size > 1 else SINGLE_TEXTS
            groups = [list(islice(source, count)) for _ in range(arguments.rounds + WARM_UP)]
            if list(map(published, groups[0])) != tokenizer(groups[0])["pinyin_ids"]:
                raise RuntimeError("the tokenizer and pypinyin read the text differently: report this")

            def call(kind: Callable[[Any], Any], group: list[str], size: int = size) -> None:
                for each in group if size == 1 else [group]:
                    kind(each)

            calls = {OURS: partial(call, tokenizer), "BertTokenizerFast": partial(call, bert)}
            calls["published"] = lambda group: list(map(published, group))
            rounds = {name: [s / count for s in seconds] for name, seconds in measure(calls, groups, "cpu").items()}
            case = f"{length} characters, " + ("one text a call" if size == 1 else f"{size} texts a call")
            rows.append(row(case, rounds, [(OURS, "BertTokenizerFast"), ("published", OURS)]))
    return f"text to ids, time a text; {arguments.rounds} rounds, each on text of its own", rows


def machine(device: str) -> str:
    """What the numbers were taken on."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers", "pypinyin"))
    graphics = f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
    return f"{names[0]}, {torch.get_num_threads()} threads{graphics}; Python {platform.python_version()}, {versions}"


def markdown(result: dict[str, Any]) -> str:
    """The tables, for a person."""
    lines = ["# Benchmark", "", result["machine"], "", f"`{result['command']}`", "", f"Text: {result['text']}."]
    for title, rows in result["tables"].items():
        names, quotients = list(rows[0]["medians"]), list(rows[0]["ratios"])
        lines += ["", f"## {title}", "", "| " + " | ".join(["", *names, *quotients]) + " |"]
        lines += ["|---" * (1 + len(names) + len(quotients)) + "|"]
        for line in rows:
            times = [f"{1000 * line['medians'][name]:.3g} ms" for name in names]
            lines += [
                "| " + " | ".join([line["case"], *times, *(f"{line['ratios'][q]:.3g}" for q in quotients)]) + " |"
            ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

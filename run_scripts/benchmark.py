"""Measures ChineseBERT and GlyphCRM against BERT, and the steps before them against other ways: ratios of one run.

    python run_scripts/benchmark.py --output_dir results --size base --text corpus.txt --vocab vocab.txt

- chinese_bert: the model against BertModel of the same size.
- glyph_crm: the model against BertModel of the same size and against itself without its bank, that is with every
  position's glyph image encoded.
- text: ChineseBERT's tokenizer against BERT's and against the published way.
- rendering: rendered characters against characters from the cache.

What is compared takes turns in every round (A, B, A, B ...), so that other load of the machine meets all of them; a
number is the median over the rounds, and the JSON keeps every single one.
"""

import json
import os
import platform
import random
import shlex
import subprocess
import sys
import tempfile
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
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertTokenizerFast, HfArgumentParser

import hanziformers
from hanziformers import ChineseBertTokenizer, GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor
from hanziformers.tokenization.characters import may_have_ink
from hanziformers.tokenization.pinyin import pinyin_table

OURS = "hanziformers"
NAIVE = "every position"  # GlyphCRM without its bank
SIZES = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
GLYPHS = {  # HanGlyph of each size
    "tiny": {"glyph_size": 24, "first_block_channels": 4, "second_block_channels": 8},
    "small": {"glyph_size": 48, "first_block_channels": 16, "second_block_channels": 32},
    "base": {"glyph_size": 48, "first_block_channels": 64, "second_block_channels": 128},
}
GLYPH_INPUTS = ("glyph_ids", "extra_glyphs")
RENDERED = {"styles": ["song", "hei", "kai"], "size": 24, "binary": False}
RENDER = """
import json, sys, time
from hanziformers import HanziGlyphImageProcessor
settings, tokens = json.load(sys.stdin)
start = time.perf_counter()
images = HanziGlyphImageProcessor(**settings).render(tokens)
json.dump([time.perf_counter() - start, int(images.astype("int64").sum())], sys.stdout)
"""  # runs in a process of its own: within one, fonts stay open
WARM_UP = 1  # the first round is not counted: first calls, optimizer state
SINGLE_TEXTS = 16  # texts timed together where a call takes one: one short text is too quick for the clock

Vocabulary = str | dict[str, int]  # a file, or token -> id
Rounds = dict[str, list[float]]  # what is compared -> seconds of every round
Tables = dict[str, list[dict[str, Any]]]  # title -> rows
Call = Callable[[Any], Any]
Ways = dict[str, tuple[nn.Module, Call]]  # what is compared -> the model, and a call that gives its output


@dataclass
class BenchmarkArguments:
    """What to measure, and on what."""

    output_dir: str = field(metadata={"help": "folder for benchmark.md and benchmark.json"})
    part: list[str] = field(
        default_factory=lambda: ["all"],
        metadata={"help": "one or more", "choices": ["chinese_bert", "glyph_crm", "text", "rendering", "all"]},
    )
    size: Literal["tiny", "small", "base"] = "base"
    head: Literal["none", "masked_lm"] = field(default="none", metadata={"help": "the heads of both models"})
    batch: int = 8
    length: int = field(default=128, metadata={"help": "tokens of each example, without padding"})
    device: str = field(default="auto", metadata={"help": "auto: cuda if there is one; text and rendering are on CPU"})
    dtype: Literal["float32", "bfloat16"] = field(default="float32", metadata={"help": "of the models' weights"})
    text: str | None = field(default=None, metadata={"help": "UTF-8 file; default: characters chosen Zipf-like"})
    vocab: str | None = field(default=None, metadata={"help": "vocab.txt of all; default: 23,236 made-up tokens"})
    text_lengths: list[int] = field(default_factory=lambda: [20, 128, 2000], metadata={"help": "characters per text"})
    text_batches: list[int] = field(default_factory=lambda: [1, 32, 64], metadata={"help": "texts per call"})
    render_tokens: int = field(default=21128, metadata={"help": "how many tokens of the vocabulary are rendered"})
    rounds: int = 7
    seed: int = 0


def main(argv: list[str] | None = None) -> None:
    """Measures, writes both files, prints the Markdown."""
    (arguments,) = HfArgumentParser(BenchmarkArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    if arguments.device == "auto":
        arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {arguments.device}: torch sees no GPU here; allowed are cpu and auto")
    vocabulary = arguments.vocab or made_up_vocabulary()
    text = read_text(arguments.text) if arguments.text else zipf_text(arguments.seed)

    tables: Tables = {}
    for name, part in PARTS.items():
        if {name, "all"} & set(arguments.part):
            tables |= part(arguments, vocabulary, text)
    result = {
        "machine": machine(arguments.device),
        "command": shlex.join(["python", "run_scripts/benchmark.py", *(sys.argv[1:] if argv is None else argv)]),
        "text": f"{len(text):,} characters, {arguments.text or f'chosen Zipf-like, seed {arguments.seed}'}",
        "tables": tables,
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


def zipf_text(seed: int) -> str:
    """Characters as unevenly frequent as in Chinese text: 8 x 128 of them are .42 distinct, 256 x 512 .027."""
    choice = random.Random(seed)
    characters = ["，", *map(chr, choice.sample(range(0x4E00, 0xA000), 3599))]
    return "".join(choice.choices(characters, [(rank + 8) ** -1.25 for rank in range(3600)], k=300_000))


def read_text(path: str) -> str:
    """The lines of a file, one after the other."""
    text = "".join(line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    if not text:
        raise ValueError(f"{path} holds no text; give a file with some")
    return text


def pieces(text: str, length: int) -> Iterator[str]:
    """Piece after piece of `length` characters, from the start again after the last."""
    if len(text) < length:
        raise ValueError(f"the text has {len(text)} characters, and pieces of {length} are needed: give a longer one")
    return cycle(text[start : start + length] for start in range(0, len(text) - length + 1, length))


def measure(calls: dict[str, Call], inputs: Sequence[Any], device: str) -> Rounds:
    """Times every call in turn on every input; the first WARM_UP inputs are not counted."""
    finish = torch.cuda.synchronize if device.startswith("cuda") else int  # int() does nothing
    rounds: Rounds = {name: [] for name in calls}
    for value in inputs:
        for name, call in calls.items():
            finish()
            start = time.perf_counter()
            call(value)
            finish()
            rounds[name].append(time.perf_counter() - start)
    return {name: seconds[WARM_UP:] for name, seconds in rounds.items()}


def row(case: str, rounds: Rounds, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """One row of a table: medians, and their quotients for each pair (above, below)."""
    medians = {name: median(seconds) for name, seconds in rounds.items()}
    ratios = {f"{above} / {below}": medians[above] / medians[below] for above, below in pairs}
    return {"case": case, "medians": medians, "ratios": ratios, "rounds": rounds}


def per_item(rounds: Rounds, count: int) -> Rounds:
    """The seconds of one item, where each call was on `count`."""
    return {name: [second / count for second in seconds] for name, seconds in rounds.items()}


def sizes(arguments: BenchmarkArguments, tokenizer: Any) -> dict[str, int]:
    """The values that the configurations of all three models share."""
    positions = max(512, arguments.length)
    return {"vocab_size": len(tokenizer), "max_position_embeddings": positions, **SIZES[arguments.size]}


def measure_chinese_bert(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Tables:
    """ChineseBERT and BERT."""
    tokenizer = ChineseBertTokenizer(vocabulary)
    ours = new_model(arguments, hanziformers.ChineseBertConfig(**sizes(arguments, tokenizer)))
    return measure_model(arguments, ours, encode(arguments, tokenizer, text))


def measure_glyph_crm(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Tables:
    """GlyphCRM and BERT."""
    glyphs = GLYPHS[arguments.size]
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=glyphs["glyph_size"])
    processor = hanziformers.HanziProcessor(image_processor, GlyphCrmTokenizer(vocabulary))
    # a row of the bank for every character of the text, so that no time goes into rendering
    processor.extend_bank(sorted(character for character in set(text) if may_have_ink()[ord(character)]))
    rows = processor.tokenizer.glyph_vocab_size
    config = GlyphCrmConfig(**sizes(arguments, processor.tokenizer), **glyphs, glyph_vocab_size=rows)
    ours = new_model(arguments, config)
    ours.base_model.set_glyphs(processor.render_bank())
    return measure_model(arguments, ours, encode(arguments, processor, text))


def new_model(arguments: BenchmarkArguments, config: Any) -> nn.Module:
    """A model with random weights and the chosen head."""
    auto_class = AutoModel if arguments.head == "none" else AutoModelForMaskedLM
    return auto_class.from_config(config).to(arguments.device, getattr(torch, arguments.dtype))


def encode(arguments: BenchmarkArguments, processing_class: Any, text: str) -> dict[str, Tensor]:
    """A full batch: the model's inputs."""
    # pieces of twice the length fill an example also where a token has several characters
    texts = list(islice(pieces(text, 2 * arguments.length), arguments.batch))
    length = {"truncation": True, "max_length": arguments.length, "padding": "max_length"}
    return {
        name: value.to(arguments.device)
        for name, value in processing_class(texts, **length, return_tensors="pt").items()
    }


def every_position(model: nn.Module, inputs: dict[str, Tensor]) -> Any:
    """GlyphCRM's output without what its bank saves: the glyph image of every position goes through the encoder."""
    bank, ids = model.get_input_embeddings(), inputs["glyph_ids"]  # ids [B, L]
    images = bank.glyphs[ids.flatten()].split(bank.chunk_size)  # uint8 [chunk, F, h, w] each
    vectors = torch.cat([bank.encoder(some.to(model.dtype) / 255) for some in images]).unflatten(0, ids.shape)
    rest = {name: value for name, value in inputs.items() if name not in ("input_ids", *GLYPH_INPUTS)}
    return model(**rest, inputs_embeds=vectors)  # [B, L, H]


def measure_model(arguments: BenchmarkArguments, ours: nn.Module, batch: dict[str, Tensor]) -> Tables:
    """A model and BERT of the same size: forward passes in eval mode, and the parts of a training step."""
    same = {name: getattr(ours.config, name) for name in ("vocab_size", "max_position_embeddings")}
    bert = new_model(arguments, BertConfig(**same, **SIZES[arguments.size]))
    ids = batch.get("glyph_ids", batch["input_ids"])
    if arguments.head == "masked_lm":
        unmasked = torch.rand(ids.shape).to(arguments.device) > 0.15
        batch["labels"] = batch["input_ids"].masked_fill(unmasked, -100)
    plain = {name: value for name, value in batch.items() if name not in ("pinyin_ids", *GLYPH_INPUTS)}
    ways: Ways = {OURS: (ours, lambda _: ours(**batch))}
    if "glyph_ids" in batch:
        ways[NAIVE] = (ours, lambda _: every_position(ours, batch))
    name = type(bert).__name__
    ways[name] = (bert, lambda _: bert(**plain))
    cases = forward_passes(arguments, ways) | training_steps(arguments, ways)

    distinct = ids.unique().numel() / ids.numel()
    counts = " and ".join(f"{sum(p.numel() for p in m.parameters()):,} ({type(m).__name__})" for m in (ours, bert))
    title = (
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, {distinct:.3f} of them distinct, "
        f"{arguments.device}, {arguments.dtype}, {arguments.rounds} rounds; trained values: {counts}"
    )
    pairs = [(OURS, name)]
    if NAIVE in ways:
        config = ours.config
        channels = f"{config.first_block_channels} and {config.second_block_channels} channels"
        title += f"; glyph images of {config.glyph_size} px, {channels}, a bank of {config.num_glyphs:,}"
        pairs += [(NAIVE, OURS), (NAIVE, name)]
    return {title: [row(case, rounds, pairs) for case, rounds in cases.items()]}


def forward_passes(arguments: BenchmarkArguments, ways: Ways) -> dict[str, Rounds]:
    """Case -> rounds of the forward passes, with the table of characters and without it."""
    calls = {name: call for name, (model, call) in ways.items() if model.eval()}
    # train() forgets the table; "first" comes right after it
    turns = {"forget": lambda _: ways[OURS][0].train().eval(), "first": calls[OURS], **calls}
    with torch.no_grad():
        rounds = measure(turns, [None] * (arguments.rounds + WARM_UP), arguments.device)
    warm = {name: rounds[name] for name in ways}
    first = warm | {OURS: rounds["first"]}
    return {"forward, table of characters warm": warm, "forward, first call: makes the table": first}


def training_steps(arguments: BenchmarkArguments, ways: Ways) -> dict[str, Rounds]:
    """Case -> rounds of a training step's parts, and of the whole."""
    # a plain mean after a layer norm has no gradient
    target = torch.randn(ways[OURS][0].config.hidden_size, device=arguments.device)

    def backward(model: nn.Module, call: Call, _: None) -> None:
        model.zero_grad()
        output = call(None)
        loss = output.loss if "loss" in output else (output.last_hidden_state.float() @ target).mean()
        loss.backward()

    turns: dict[str, Call] = {}
    for name, (model, call) in ways.items():
        turns[name] = partial(backward, model.train(), call)
        if name != NAIVE:  # the weights of OURS: the time of the optimizer is the same
            adam = torch.optim.AdamW(model.parameters(), lr=1e-5)
            turns[f"AdamW of {name}"] = lambda _, adam=adam: adam.step()
    rounds = measure(turns, [None] * (arguments.rounds + WARM_UP), arguments.device)
    passes = {name: rounds[name] for name in ways}
    adams = {name: rounds[f"AdamW of {OURS if name == NAIVE else name}"] for name in ways}
    whole = {name: [sum(both) for both in zip(passes[name], adams[name], strict=True)] for name in ways}
    return {"forward + backward": passes, "AdamW step": adams, "training step: the two together": whole}


def published_tokenizer(bert: BertTokenizerFast) -> Callable[[str], list[list[int]]]:
    """ChineseBERT's tokenizer as the released code has it: pypinyin on the whole line, a look-up for each character."""
    table = pinyin_table()
    symbols = dict(zip(table.readings, table.ids.tolist(), strict=True))

    def encode_line(line: str) -> list[list[int]]:
        spans = bert(line, return_offsets_mapping=True)["offset_mapping"]
        found = pinyin(line, style=Style.TONE3, heteronym=True, errors=lambda run: [["not chinese"] for _ in run])
        return [symbols.get(found[a][0], symbols[""]) if b - a == 1 else symbols[""] for a, b in spans]

    return encode_line


def measure_text(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Tables:
    """The tokenizers: seconds a text, new text in every round."""
    tokenizer, bert = ChineseBertTokenizer(vocabulary), BertTokenizerFast(vocabulary)
    published = published_tokenizer(bert)

    def call(kind: Callable[[Any], Any], single: bool, group: list[str]) -> None:
        for each in group if single else [group]:
            kind(each)

    rows = []
    for length in arguments.text_lengths:
        source = pieces(text, length)
        for size in arguments.text_batches:
            count = size if size > 1 else SINGLE_TEXTS
            groups = [list(islice(source, count)) for _ in range(arguments.rounds + WARM_UP)]
            if list(map(published, groups[0])) != tokenizer(groups[0])["pinyin_ids"]:
                raise RuntimeError("the tokenizer and pypinyin read the text differently: report this")
            kinds = {OURS: (tokenizer, size == 1), "BertTokenizerFast": (bert, size == 1)}
            kinds["published"] = (published, True)  # it takes one text per call
            calls = {name: partial(call, *kind) for name, kind in kinds.items()}
            case = f"{length} characters, " + ("one text a call" if size == 1 else f"{size} texts a call")
            pairs = [(OURS, "BertTokenizerFast"), ("published", OURS)]
            rows.append(row(case, per_item(measure(calls, groups, "cpu"), count), pairs))
    return {f"text to ids, time a text; {arguments.rounds} rounds, each on text of its own": rows}


def measure_rendering(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Tables:
    """Rendering tokens: seconds of all, without the cache and with it, each in a process of its own."""
    tokenizer = GlyphCrmTokenizer(vocabulary)
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(arguments.render_tokens, len(tokenizer)))))
    if len(tokens) < 512:
        raise ValueError(
            f"{len(tokens)} tokens are to be rendered, with render_tokens={arguments.render_tokens}: the cache keeps "
            "no fewer than 512. Raise it, or give a larger vocabulary"
        )
    task = {"input": json.dumps([RENDERED, tokens]), "stdout": subprocess.PIPE, "encoding": "utf-8", "check": True}
    rounds: Rounds = {"rendered": [], "from the cache": []}
    for _ in range(arguments.rounds):
        sums = set()
        with tempfile.TemporaryDirectory() as cache:
            for seconds in rounds.values():  # the first process fills the cache, the second one reads it
                env = os.environ | {"HANZIFORMERS_CACHE": cache}
                took, ink = json.loads(subprocess.run([sys.executable, "-c", RENDER], env=env, **task).stdout)
                seconds.append(took)
                sums.add(ink)
            kept = len(list(Path(cache).glob("glyphs-*")))
        if kept != 1 or len(sums) != 1:
            raise RuntimeError(f"{kept} sets of glyph images kept, {len(sums)} different ones made, not 1: report this")
    case = f"{len(tokens):,} tokens, {', '.join(RENDERED['styles'])}, {RENDERED['size']} px, grey"
    title = f"rendering on one core; {arguments.rounds} rounds, each in a new process, timed once that has started"
    return {title: [row(case, rounds, [("rendered", "from the cache")])]}


PARTS = {
    "chinese_bert": measure_chinese_bert,
    "glyph_crm": measure_glyph_crm,
    "text": measure_text,
    "rendering": measure_rendering,
}


def machine(device: str) -> str:
    """What the numbers were taken on."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
    packages = ("torch", "transformers", "tokenizers", "pypinyin", "pillow")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
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
            times = [f"{s:.3g} s" if s >= 1 else f"{1000 * s:.3g} ms" for s in line["medians"].values()]
            ratios = [f"{ratio:.3g}" for ratio in line["ratios"].values()]
            lines.append("| " + " | ".join([line["case"], *times, *ratios]) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

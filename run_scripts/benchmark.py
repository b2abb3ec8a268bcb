"""Measures ChineseBERT and GlyphCRM against BERT, and what goes before them against other ways: ratios of one run.

    python run_scripts/benchmark.py --output_dir results --size base --text corpus.txt --vocab vocab.txt

- chinese_bert: the model against BertModel of the same size.
- glyph_crm: the model against BertModel of the same size and against itself without its bank, that is with every
  position's glyph image encoded; and the forms of HanGlyph's large convolutions against each other.
- text: ChineseBERT's tokenizer against BERT's and against the published way.
- rendering: characters rendered against characters from the cache.

Contenders take turns in every round (A, B, A, B ...), so that what else the machine does meets them all; a number is
the median over the rounds, and the JSON keeps every single one.
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
from contextlib import nullcontext
from copy import deepcopy
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
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast, HfArgumentParser

from hanziformers import (
    ChineseBertConfig,
    ChineseBertForMaskedLM,
    ChineseBertModel,
    ChineseBertTokenizer,
    GlyphCrmConfig,
    GlyphCrmForMaskedLM,
    GlyphCrmModel,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
)
from hanziformers.modeling.han_glyph import GlyphBlock, correlate
from hanziformers.tokenization.pinyin import pinyin_table
from hanziformers.tokenization.vocabulary import may_have_ink

OURS = "hanziformers"
NAIVE = "every position"  # GlyphCRM without its bank
LAST, HALF = "channels last", "bfloat16 autocast"
KEPT = "frequencies"  # the form of a large convolution that GlyphConv takes on a CPU
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
RENDERED = {"styles": ["song", "hei", "kai"], "size": 24, "binary": False}
RENDER = """
import json, sys, time
from hanziformers import HanziGlyphImageProcessor
settings, tokens = json.load(sys.stdin)
start = time.perf_counter()
glyph images = HanziGlyphImageProcessor(**settings).render(tokens)
json.dump([time.perf_counter() - start, int(glyph images.astype("int64").sum())], sys.stdout)
"""  # a process of its own: within one, fonts stay open
WARM_UP = 1  # round that is not counted: first calls, optimizer state
SINGLE_TEXTS = 16  # that are timed in one go where a call takes one: one short text is too quick for the clock

Rounds = dict[str, list[float]]  # contender -> seconds of every round
Tables = dict[str, list[dict[str, Any]]]  # title -> rows


@dataclass
class BenchmarkArguments:
    """What to measure, and on what."""

    output_dir: str = field(metadata={"help": "folder for benchmark.md and benchmark.json"})
    part: list[str] = field(
        default_factory=lambda: ["all"],
        metadata={"help": "one or more", "choices": ["chinese_bert", "glyph_crm", "text", "image_processor", "all"]},
    )
    size: Literal["tiny", "small", "base"] = "base"
    head: Literal["none", "masked_lm"] = field(default="none", metadata={"help": "the heads of both models"})
    batch: int = 8
    length: int = field(default=128, metadata={"help": "tokens a row, packed, without padding"})
    device: str = field(
        default="auto", metadata={"help": "auto is cuda where there is one; text and rendering run on CPU"}
    )
    dtype: Literal["float32", "bfloat16"] = field(default="float32", metadata={"help": "of the models' weights"})
    text: str | None = field(default=None, metadata={"help": "UTF-8 file; default: characters rendered Zipf-like"})
    vocab: str | None = field(default=None, metadata={"help": "vocab.txt of all; default: 23,236 made-up tokens"})
    chunks: list[int] = field(default_factory=lambda: [32, 128], metadata={"help": "glyph images a convolution gets"})
    text_lengths: list[int] = field(default_factory=lambda: [20, 128, 2000], metadata={"help": "characters a text"})
    text_batches: list[int] = field(default_factory=lambda: [1, 32, 64], metadata={"help": "texts a call"})
    draw_tokens: int = field(default=21128, metadata={"help": "how many tokens of the vocabulary are rendered"})
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
    text = read_text(arguments.text) if arguments.text else drawn_text(arguments.seed)

    tables: Tables = {}
    for name, part in PARTS.items():
        if {name, "all"} & set(arguments.part):
            tables |= part(arguments, vocabulary, text, device)
    result = {
        "machine": machine(device),
        "command": shlex.join(["python", "run_scripts/benchmark.py", *(sys.argv[1:] if argv is None else argv)]),
        "text": f"{len(text):,} characters, {arguments.text or f'rendered Zipf-like, seed {arguments.seed}'}",
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


def measure_chinese_bert(
    arguments: BenchmarkArguments, vocabulary: str | dict[str, int], text: str, device: str
) -> Tables:
    """ChineseBERT and BERT."""
    tokenizer = ChineseBertTokenizer(vocabulary)
    config = ChineseBertConfig(**sizes(arguments, tokenizer))
    ours = (ChineseBertModel if arguments.head == "none" else ChineseBertForMaskedLM)(config)
    rows = encode(arguments, tokenizer, texts_of(arguments, text))
    return measure_model(arguments, ours, rows, device)


def measure_glyph_crm(
    arguments: BenchmarkArguments, vocabulary: str | dict[str, int], text: str, device: str
) -> Tables:
    """GlyphCRM and BERT, and the forms of GlyphCRM's large convolutions."""
    glyphs = GLYPHS[arguments.size]
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=glyphs["glyph_size"])
    processor = HanziProcessor(image_processor, GlyphCrmTokenizer(vocabulary))
    texts = texts_of(arguments, text)
    processor.extend_bank("".join(letter for letter in "".join(texts) if may_have_ink()[ord(letter)]))
    config = GlyphCrmConfig(
        **sizes(arguments, processor.tokenizer), **glyphs, glyph_vocab_size=processor.tokenizer.glyph_vocab_size
    )
    ours = (GlyphCrmModel if arguments.head == "none" else GlyphCrmForMaskedLM)(config)
    ours.base_model.set_glyphs(torch.from_numpy(processor.render_bank()))
    rows = encode(arguments, processor, texts)
    return measure_model(arguments, ours, rows, device) | measure_convolutions(arguments, config, device)


def sizes(arguments: BenchmarkArguments, tokenizer: Any) -> dict[str, int]:
    """The values that all three models' configurations share."""
    positions = max(512, arguments.length)
    return {"vocab_size": len(tokenizer), "max_position_embeddings": positions, **SIZES[arguments.size]}


def texts_of(arguments: BenchmarkArguments, text: str) -> list[str]:
    """Texts of one batch, long enough to fill its rows also where a token has several characters."""
    return list(islice(pieces(text, 2 * arguments.length), arguments.batch))


def encode(arguments: BenchmarkArguments, processing_class: Any, texts: list[str]) -> dict[str, Tensor]:
    """A full batch: the model's inputs."""
    length = {"truncation": True, "max_length": arguments.length, "padding": "max_length"}
    return dict(processing_class(texts, **length, return_tensors="pt"))


def every_position(model: nn.Module, inputs: dict[str, Tensor]) -> Any:
    """GlyphCRM's output without what its bank saves: the glyph image of every position goes through the encoder."""
    bank, ids = model.get_input_embeddings(), inputs["glyph_ids"]
    images = bank.glyphs[ids.flatten()].split(bank.chunk_size)
    vectors = torch.cat([bank.encoder(some.to(model.dtype) / 255) for some in images]).unflatten(0, ids.shape)
    rest = {name: value for name, value in inputs.items() if name not in ("input_ids", "glyph_ids", "extra_glyphs")}
    return model(**rest, inputs_embeds=vectors)


def measure_model(arguments: BenchmarkArguments, ours: nn.Module, batch: dict[str, Tensor], device: str) -> Tables:
    """A model and BERT of the same size: forward passes in eval mode, and the parts of a training step."""
    same = {name: getattr(ours.config, name) for name in ("vocab_size", "max_position_embeddings")}
    bert = (BertModel if arguments.head == "none" else BertForMaskedLM)(BertConfig(**same, **SIZES[arguments.size]))
    ours, bert = (model.to(device, getattr(torch, arguments.dtype)) for model in (ours, bert))
    name = type(bert).__name__
    batch = {name: value.to(device) for name, value in batch.items()}
    ids = batch.get("glyph_ids", batch["input_ids"])
    if arguments.head == "masked_lm":
        batch["labels"] = batch["input_ids"].masked_fill(torch.rand(ids.shape).to(device) > 0.15, -100)
    plain = {name: batch[name] for name in batch if name not in ("pinyin_ids", "glyph_ids", "extra_glyphs")}
    calls = {OURS: lambda _: ours(**batch)}
    if "glyph_ids" in batch:
        calls[NAIVE] = lambda _: every_position(ours, batch)
    calls[name] = lambda _: bert(**plain)
    cases = forward_passes(arguments, ours, bert, calls, device) | steps(arguments, ours, bert, calls, device)

    distinct = ids.unique().numel() / ids.numel()
    counts = " and ".join(f"{sum(p.numel() for p in m.parameters()):,} ({type(m).__name__})" for m in (ours, bert))
    title = (
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, {distinct:.3f} of them distinct, {device}, "
        f"{arguments.dtype}, {arguments.rounds} rounds; trained values: {counts}"
    )
    pairs = [(OURS, name)]
    if NAIVE in calls:
        title += f"; {images_of(ours.config)}"
        pairs += [(NAIVE, OURS), (NAIVE, name)]
    return {title: [row(case, rounds, pairs) for case, rounds in cases.items()]}


def images_of(config: GlyphCrmConfig) -> str:
    """What HanGlyph reads, in words."""
    channels = f"{config.first_block_channels} and {config.second_block_channels} channels"
    return f"glyph images of {config.glyph_size} px, {channels}, a bank of {config.bank_size:,}"


def forward_passes(
    arguments: BenchmarkArguments, ours: nn.Module, bert: nn.Module, calls: dict[str, Callable], device: str
) -> dict[str, Rounds]:
    """Case -> rounds of the forward passes, with the table of characters and without it."""
    ours.eval(), bert.eval()
    # ours.train() forgets the table; "first" comes right after it
    turns = {"drop": lambda _: ours.train().eval(), "first": calls[OURS], **calls}
    with torch.no_grad():
        rounds = measure(turns, [None] * (arguments.rounds + WARM_UP), device)
    warm = {name: rounds[name] for name in calls}
    return {
        "forward, table of characters warm": warm,
        "forward, first call: makes the table": warm | {OURS: rounds["first"]},
    }


def steps(
    arguments: BenchmarkArguments, ours: nn.Module, bert: nn.Module, calls: dict[str, Callable], device: str
) -> dict[str, Rounds]:
    """Case -> rounds of a training step's parts, and of the whole."""
    target = torch.randn(ours.config.hidden_size, device=device)  # a plain mean after a layer norm has no gradient

    def backward(model: nn.Module, call: Callable, _: None) -> None:
        model.zero_grad()
        output = call(None)
        loss = output.loss if "loss" in output else (output.last_hidden_state.float() @ target).mean()
        loss.backward()

    ours.train(), bert.train()
    turns, adams = {}, {}
    for name, call in calls.items():
        model = bert if name == type(bert).__name__ else ours
        turns[name] = partial(backward, model, call)
        if name == NAIVE:
            adams[name] = adams[OURS]  # the same weights
            continue
        adams[name] = f"AdamW of {name}"
        adam = torch.optim.AdamW(model.parameters(), lr=1e-5)
        turns[adams[name]] = lambda _, adam=adam: adam.step()
    rounds = measure(turns, [None] * (arguments.rounds + WARM_UP), device)
    whole = {name: [sum(both) for both in zip(rounds[name], rounds[adams[name]], strict=True)] for name in calls}
    return {
        "forward + backward": {name: rounds[name] for name in calls},
        "AdamW step": {name: rounds[adams[name]] for name in calls},
        "training step: the two together": whole,
    }


def measure_convolutions(arguments: BenchmarkArguments, config: GlyphCrmConfig, device: str) -> Tables:
    """The forms of the three large convolutions in HanGlyph's first block: seconds a glyph image."""
    channels, size = config.first_block_channels, config.glyph_size
    block = GlyphBlock(3, channels, size).to(device)
    turned = deepcopy(block).to(memory_format=torch.channels_last)
    half = torch.autocast(device.split(":")[0], torch.bfloat16)
    forms = {  # convolution, weights, context
        "direct": (F.conv2d, block, nullcontext()),
        LAST: (F.conv2d, turned, nullcontext()),
        KEPT: (lambda x, w, b: correlate(x, w) + b[:, None, None], block, nullcontext()),
        HALF: (F.conv2d, block, half),
    }

    def convolve(form: str, inputs: dict[str, Tensor], train: bool = False) -> Tensor:
        convolution, weights, context = forms[form]
        weights.zero_grad()
        hidden = inputs.get(form, inputs["direct"]).detach().requires_grad_(train)
        with torch.set_grad_enabled(train), context:
            for number, conv in enumerate(weights.residual):
                hidden = convolution(F.relu(hidden) if number else hidden, conv.weight, conv.bias)
        if train:
            hidden.backward(torch.ones_like(hidden))
        return hidden.detach()

    rows = []
    for chunk in arguments.chunks:
        images = torch.rand(chunk, channels, size, size, device=device)
        inputs = {"direct": images, LAST: images.contiguous(memory_format=torch.channels_last)}
        exact = convolve("direct", inputs)
        for form in forms:
            apart = float((convolve(form, inputs) - exact).abs().max() / exact.abs().max())
            if apart > 0.05:  # rounding of bfloat16 is 0.01
                raise RuntimeError(f"the form {form!r} is {apart:.1g} off, more than rounding does: report this")
        for case, train in (("forward", False), ("forward + backward", True)):
            turns = {form: partial(convolve, form, train=train) for form in forms}
            rounds = measure(turns, [inputs] * (arguments.rounds + WARM_UP), device)
            a_picture = {form: [s / chunk for s in seconds] for form, seconds in rounds.items()}
            pairs = [(form, KEPT) for form in forms if form != KEPT]
            rows.append(row(f"{case}, {chunk} glyph images at a time", a_picture, pairs))
    kernel = block.residual[0].kernel_size[0]
    title = (
        f"the three {kernel}x{kernel} convolutions of HanGlyph's first block, time a glyph image of {size} px, {channels} "
        f"channels, {device}, float32, {arguments.rounds} rounds"
    )
    return {title: rows}


def measure_text(arguments: BenchmarkArguments, vocabulary: str | dict[str, int], text: str, device: str) -> Tables:
    """The tokenizers: seconds a text, new text in every round."""
    tokenizer = ChineseBertTokenizer(vocabulary)
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
    return {f"text to ids, time a text; {arguments.rounds} rounds, each on text of its own": rows}


def measure_rendering(
    arguments: BenchmarkArguments, vocabulary: str | dict[str, int], text: str, device: str
) -> Tables:
    """Rendering tokens: seconds of all, without the cache and with it, each in a process of its own."""
    tokenizer = GlyphCrmTokenizer(vocabulary)
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(arguments.draw_tokens, len(tokenizer)))))
    if len(tokens) < 512:
        raise ValueError(
            f"{len(tokens)} tokens are to be rendered, with draw_tokens={arguments.draw_tokens}: the cache keeps no fewer "
            "than 512. Raise it, or give a larger vocabulary"
        )
    rounds: Rounds = {"rendered": [], "from the cache": []}
    for _ in range(arguments.rounds):
        sums = set()
        with tempfile.TemporaryDirectory() as cache:
            for seconds in rounds.values():
                took, ink = render_apart(tokens, cache)
                seconds.append(took)
                sums.add(ink)
            kept = len(list(Path(cache).glob("glyphs-*")))
        if kept != 1 or len(sums) != 1:
            raise RuntimeError(
                f"{kept} sets of glyph images kept, {len(sums)} different ones given, not 1: report this"
            )
    case = f"{len(tokens):,} tokens, {', '.join(RENDERED['styles'])}, {RENDERED['size']} px, grey"
    title = (
        f"rendering on one core; {arguments.rounds} rounds, each time in a process of its own, once that has started"
    )
    return {title: [row(case, rounds, [("rendered", "from the cache")])]}


def render_apart(tokens: list[str], cache: str) -> tuple[float, int]:
    """Renders tokens as DRAWN says in a process of its own: seconds, and the sum of all ink."""
    done = subprocess.run(
        [sys.executable, "-c", RENDER],
        input=json.dumps([RENDERED, tokens]),
        env=os.environ | {"HANZIFORMERS_CACHE": cache},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    seconds, ink = json.loads(done.stdout)
    return seconds, ink


PARTS = {
    "chinese_bert": measure_chinese_bert,
    "glyph_crm": measure_glyph_crm,
    "text": measure_text,
    "image_processor": measure_rendering,
}


def machine(device: str) -> str:
    """What the numbers were taken on."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers", "pypinyin", "pillow")
    )
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
            medians = [line["medians"][name] for name in names]
            times = [f"{s:.3g} s" if s >= 1 else f"{1000 * s:.3g} ms" for s in medians]
            lines += [
                "| " + " | ".join([line["case"], *times, *(f"{line['ratios'][q]:.3g}" for q in quotients)]) + " |"
            ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

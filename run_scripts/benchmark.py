"""Measures ChineseBERT and GlyphCRM against BERT, and the steps before them against other ways: ratios of one run.

    python run_scripts/benchmark.py --output_dir results --size base --text corpus.txt --vocab vocab.txt

- chinese_bert: the model against BertModel of the same size.
- glyph_crm: the model against BertModel of the same size and against itself without its bank, that is with every
  position's glyph image encoded.
- text: ChineseBERT's tokenizer against BERT's and against the published way.
- rendering: rendered characters against characters from the cache.

A number is the median over the rounds with the quartiles, and the JSON keeps every single round. What is compared takes
turns in every round; models read one batch, or fresh text in every round. Both files are written after every round: a
run that is cut leaves what it measured. On a GPU, in under a minute:

    python run_scripts/benchmark.py --output_dir outputs/gpu --device cuda --part chinese_bert glyph_crm --rounds 10
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
from pypinyin import Style, pinyin
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertTokenizerFast, HfArgumentParser

import hanziformers
from hanziformers import ChineseBertTokenizer, GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor
from hanziformers.tokenization.characters import may_have_ink
from hanziformers.tokenization.pinyin import pinyin_table
from hanziformers.training.benchmark_report import machine, markdown, write
from hanziformers.training.benchmark_text import made_up_vocabulary, pieces, read_text, zipf_text
from hanziformers.training.timing import Call, Rounds, per_item, row, take_turns, trainer_optimizer, usual_optimizer

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
SINGLE_TEXTS = 16  # texts timed together where a call takes one: one short text is too quick for the clock

Vocabulary = str | dict[str, int]  # a file, or token -> id
Tables = dict[str, list[dict[str, Any]]]  # title -> rows
Batch = dict[str, Tensor]
Ways = dict[str, tuple[nn.Module, Call]]  # what is compared -> the model, and a call: batch -> its output
Cases = dict[str, Rounds]  # what is done -> rounds


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
    bf16: bool = field(default=False, metadata={"help": "mixed precision, as the Trainer's --bf16"})
    tf32: bool = field(default=False, metadata={"help": "on a GPU: TF32 in products and convolutions"})
    text: str | None = field(default=None, metadata={"help": "UTF-8 file; default: characters chosen Zipf-like"})
    read_before: int = field(default=8, metadata={"help": "batches of the text that are read before fresh ones"})
    vocab: str | None = field(default=None, metadata={"help": "vocab.txt of all; default: 23,236 made-up tokens"})
    text_lengths: list[int] = field(default_factory=lambda: [20, 128, 2000], metadata={"help": "characters per text"})
    text_batches: list[int] = field(default_factory=lambda: [1, 32, 64], metadata={"help": "texts per call"})
    render_tokens: int = field(default=21128, metadata={"help": "how many tokens of the vocabulary are rendered"})
    rounds: int = 7
    warm_up: int | None = field(default=None, metadata={"help": "rounds before; default: 1 on a CPU, 3 on a GPU"})
    seed: int = 0

    def __post_init__(self) -> None:
        if self.device == "auto":
            self.device = "cuda" if torch.cuda.is_available() else "cpu"
        on_gpu = self.device.startswith("cuda")
        if on_gpu and not torch.cuda.is_available():
            raise ValueError(f"--device {self.device}: torch sees no GPU here; allowed are cpu and auto")
        if self.warm_up is None:
            self.warm_up = 3 if on_gpu else 1
        for name, least in {"rounds": 1, "warm_up": 0, "read_before": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"--{name} {getattr(self, name)} is not allowed: give {least} or more")

    @property
    def needed(self) -> int:
        """Characters of text in one batch that is read again and again, those before, and one for each fresh round."""
        return (1 + self.read_before + self.warm_up + self.rounds) * self.batch * 2 * self.length


def main(argv: list[str] | None = None) -> None:
    """Measures, writes both files, prints the Markdown."""
    (arguments,) = HfArgumentParser(BenchmarkArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    if arguments.device.startswith("cuda"):  # torch's own default differs: off in products, on in convolutions
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arguments.tf32
    vocabulary = arguments.vocab or made_up_vocabulary()
    text = read_text(arguments.text) if arguments.text else zipf_text(arguments.seed, max(300_000, arguments.needed))

    short = f"; too short for fresh text in every round, which needs {arguments.needed:,}"
    result = {
        "machine": machine(arguments.device),
        "command": shlex.join(["python", "run_scripts/benchmark.py", *(sys.argv[1:] if argv is None else argv)]),
        "text": f"{len(text):,} characters, {arguments.text or f'chosen Zipf-like, seed {arguments.seed}'}"
        + short * (len(text) < arguments.needed),
        "finished": False,
        "tables": {},
    }
    folder = Path(arguments.output_dir)
    for name, part in PARTS.items():
        if {name, "all"} & set(arguments.part):
            for tables in part(arguments, vocabulary, text):
                result["tables"] |= tables
                write(folder, result)
    result["finished"] = True
    write(folder, result)
    print(markdown(result))


def sizes(arguments: BenchmarkArguments, tokenizer: Any) -> dict[str, int]:
    """The values that the configurations of all three models share."""
    positions = max(512, arguments.length)
    return {"vocab_size": len(tokenizer), "max_position_embeddings": positions, **SIZES[arguments.size]}


def measure_chinese_bert(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Iterator[Tables]:
    """ChineseBERT and BERT."""
    tokenizer = ChineseBertTokenizer(vocabulary)
    ours = new_model(arguments, hanziformers.ChineseBertConfig(**sizes(arguments, tokenizer)))
    return measure_model(arguments, ours, batches(arguments, tokenizer, text))


def measure_glyph_crm(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Iterator[Tables]:
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
    return measure_model(arguments, ours, batches(arguments, processor, text))


def new_model(arguments: BenchmarkArguments, config: Any) -> nn.Module:
    """A model with random weights and the chosen head."""
    auto_class = AutoModel if arguments.head == "none" else AutoModelForMaskedLM
    return auto_class.from_config(config).to(arguments.device, getattr(torch, arguments.dtype))


def batches(arguments: BenchmarkArguments, processing_class: Any, text: str) -> list[Batch]:
    """Full batches of different pieces of the text, or one where it is short: inputs, and labels for the head."""
    # pieces of twice the length fill an example also where a token has several characters
    source = pieces(text, 2 * arguments.length)
    characters = arguments.batch * 2 * arguments.length
    number = arguments.needed // characters if len(text) >= arguments.needed else 1
    length = {"truncation": True, "max_length": arguments.length, "padding": "max_length"}
    groups = [list(islice(source, arguments.batch)) for _ in range(number)]
    made = [processing_class(texts, **length, return_tensors="pt") for texts in groups]
    for batch in made if arguments.head == "masked_lm" else []:
        unmasked = torch.rand(batch["input_ids"].shape) > 0.15
        batch["labels"] = batch["input_ids"].masked_fill(unmasked, -100)
    return [{name: value.to(arguments.device) for name, value in batch.items()} for batch in made]


def character_ids(batch: Batch) -> Tensor:
    """What a model's table of characters is looked up by, [B, L]."""
    return batch.get("glyph_ids", batch["input_ids"])


def every_position(model: nn.Module, inputs: Batch) -> Any:
    """GlyphCRM's output without what its bank saves: the glyph image of every position goes through the encoder."""
    bank, ids = model.get_input_embeddings(), inputs["glyph_ids"]  # ids [B, L]
    images = bank.glyphs[ids.flatten()].split(bank.chunk_size)  # uint8 [chunk, F, h, w] each
    vectors = torch.cat([bank.encoder(some.to(model.dtype) / 255) for some in images]).unflatten(0, ids.shape)
    rest = {name: value for name, value in inputs.items() if name not in ("input_ids", *GLYPH_INPUTS)}
    return model(**rest, inputs_embeds=vectors)  # [B, L, H]


def measure_model(arguments: BenchmarkArguments, ours: nn.Module, texts: list[Batch]) -> Iterator[Tables]:
    """A model and BERT of the same size: forward passes in eval mode, and the parts of a training step."""
    same = {name: getattr(ours.config, name) for name in ("vocab_size", "max_position_embeddings")}
    bert = new_model(arguments, BertConfig(**same, **SIZES[arguments.size]))

    def plain(batch: Batch) -> Batch:
        return {name: value for name, value in batch.items() if name not in ("pinyin_ids", *GLYPH_INPUTS)}

    name = type(bert).__name__
    ways: Ways = {OURS: (ours, lambda batch: ours(**batch)), name: (bert, lambda batch: bert(**plain(batch)))}
    pairs = [(OURS, name)]
    title = describe(arguments, ours, bert, character_ids(texts[0]))
    if "glyph_ids" in texts[0]:
        ways = {OURS: ways[OURS], NAIVE: (ours, lambda batch: every_position(ours, batch)), name: ways[name]}
        pairs += [(NAIVE, OURS), (NAIVE, name)]
    done: dict[str, dict[str, Any]] = {}
    fresh = [fresh_text] if len(texts) > 1 else []
    for part in (forward_passes, *fresh, training_steps):
        for cases in part(arguments, ways, texts):
            done |= {case: row(case, rounds, pairs) for case, rounds in cases.items()}
            yield {title: [*done.values()]}


def describe(arguments: BenchmarkArguments, ours: nn.Module, bert: nn.Module, ids: Tensor) -> str:
    """What is measured; `ids` [B, L] are the characters of the batch that is read again and again."""
    precision = arguments.dtype + " with bfloat16 autocast" * arguments.bf16
    if arguments.device.startswith("cuda"):
        precision += f", TF32 {'on' if arguments.tf32 else 'off'}"
    counts = " and ".join(f"{sum(p.numel() for p in m.parameters()):,} ({type(m).__name__})" for m in (ours, bert))
    title = (
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, "
        f"{ids.unique().numel() / ids.numel():.3f} of them distinct, {arguments.device}, {precision}, "
        f"{arguments.rounds} rounds after {arguments.warm_up} of warm-up, {usual_optimizer()}; trained values: {counts}"
    )
    config = ours.config
    if isinstance(config, GlyphCrmConfig):
        channels = f"{config.first_block_channels} and {config.second_block_channels} channels"
        title += f"; glyph images of {config.glyph_size} px, {channels}, a bank of {config.num_glyphs:,}"
    return title


def in_precision(arguments: BenchmarkArguments, call: Call) -> Call:
    """The call under autocast where --bf16 asks for it."""
    return torch.autocast(arguments.device.split(":")[0], torch.bfloat16, enabled=arguments.bf16)(call)


def forward_passes(arguments: BenchmarkArguments, ways: Ways, texts: list[Batch]) -> Iterator[Cases]:
    """One batch again and again, with the table of characters and without it."""
    calls = {name: in_precision(arguments, call) for name, (model, call) in ways.items() if model.eval()}
    # train() forgets the table; "first" comes right after it
    turns = {"forget": lambda _: ways[OURS][0].train().eval(), "first": calls[OURS], **calls}
    same = [texts[0]] * (arguments.warm_up + arguments.rounds)
    with torch.no_grad():
        for rounds in take_turns(turns, same, arguments.device, arguments.warm_up):
            warm = {name: rounds[name] for name in ways}
            first = warm | {OURS: rounds["first"]}
            yield {"forward, table of characters warm": warm, "forward, first call: makes the table": first}


def fresh_text(arguments: BenchmarkArguments, ways: Ways, texts: list[Batch]) -> Iterator[Cases]:
    """Another batch of the same text in every round: most of its characters were read before, some are new."""
    ids = [character_ids(batch) for batch in texts]
    first = len(texts) - arguments.rounds
    new = [
        1 - torch.isin(own.unique(), torch.cat(ids[:number])).double().mean().item()
        for number, own in enumerate(ids[first:], first)
    ]
    case = f"forward, fresh text after {first} other batches: {mean(new):.1%} of its distinct characters new"
    known = {name: way for name, way in ways.items() if name != NAIVE}
    calls = {name: in_precision(arguments, call) for name, (model, call) in known.items() if model.eval()}
    before = 1 + arguments.read_before
    with torch.no_grad():
        for batch in texts[:before]:
            calls[OURS](batch)
        for rounds in take_turns(calls, texts[before:], arguments.device, arguments.warm_up):
            yield {case: rounds}


def training_steps(arguments: BenchmarkArguments, ways: Ways, texts: list[Batch]) -> Iterator[Cases]:
    """A training step's parts, and the whole, on one batch."""
    # a plain mean after a layer norm has no gradient
    target = torch.randn(ways[OURS][0].config.hidden_size, device=arguments.device)

    def backward(model: nn.Module, call: Call, batch: Batch) -> None:
        model.zero_grad()
        output = in_precision(arguments, call)(batch)
        loss = output.loss if "loss" in output else (output.last_hidden_state.float() @ target).mean()
        loss.backward()

    turns: dict[str, Call] = {}
    for name, (model, call) in ways.items():
        turns[name] = partial(backward, model.train(), call)
        if name != NAIVE:  # the weights of OURS: the time of the optimizer is the same
            optimizer = trainer_optimizer(model, arguments.device)
            turns[f"AdamW of {name}"] = lambda _, optimizer=optimizer: optimizer.step()
    same = [texts[0]] * (arguments.warm_up + arguments.rounds)
    for rounds in take_turns(turns, same, arguments.device, arguments.warm_up):
        passes = {name: rounds[name] for name in ways}
        steps = {name: rounds[f"AdamW of {OURS if name == NAIVE else name}"] for name in ways}
        whole = {name: [sum(both) for both in zip(passes[name], steps[name], strict=True)] for name in ways}
        yield {"forward + backward": passes, "AdamW step": steps, "training step: the two together": whole}


def published_tokenizer(bert: BertTokenizerFast) -> Callable[[str], list[list[int]]]:
    """ChineseBERT's tokenizer as the released code has it: pypinyin on the whole line, a look-up for each character."""
    table = pinyin_table()
    symbols = dict(zip(table.readings, table.ids.tolist(), strict=True))

    def encode_line(line: str) -> list[list[int]]:
        spans = bert(line, return_offsets_mapping=True)["offset_mapping"]
        found = pinyin(line, style=Style.TONE3, heteronym=True, errors=lambda run: [["not chinese"] for _ in run])
        return [symbols.get(found[a][0], symbols[""]) if b - a == 1 else symbols[""] for a, b in spans]

    return encode_line


def measure_text(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Iterator[Tables]:
    """The tokenizers: seconds a text, new text in every round."""
    tokenizer, bert = ChineseBertTokenizer(vocabulary), BertTokenizerFast(vocabulary)
    published = published_tokenizer(bert)

    def call(kind: Callable[[Any], Any], single: bool, group: list[str]) -> None:
        for each in group if single else [group]:
            kind(each)

    title = f"text to ids, time a text; {arguments.rounds} rounds, each on text of its own"
    rows: dict[str, dict[str, Any]] = {}
    for length in arguments.text_lengths:
        source = pieces(text, length)
        for size in arguments.text_batches:
            count = size if size > 1 else SINGLE_TEXTS
            groups = [list(islice(source, count)) for _ in range(arguments.warm_up + arguments.rounds)]
            if list(map(published, groups[0])) != tokenizer(groups[0])["pinyin_ids"]:
                raise RuntimeError("the tokenizer and pypinyin read the text differently: report this")
            kinds = {OURS: (tokenizer, size == 1), "BertTokenizerFast": (bert, size == 1)}
            kinds["published"] = (published, True)  # it takes one text per call
            calls = {name: partial(call, *kind) for name, kind in kinds.items()}
            case = f"{length} characters, " + ("one text a call" if size == 1 else f"{size} texts a call")
            pairs = [(OURS, "BertTokenizerFast"), ("published", OURS)]
            for rounds in take_turns(calls, groups, "cpu", arguments.warm_up):
                rows[case] = row(case, per_item(rounds, count), pairs)
                yield {title: [*rows.values()]}


def measure_rendering(arguments: BenchmarkArguments, vocabulary: Vocabulary, text: str) -> Iterator[Tables]:
    """Rendering tokens: seconds of all, without the cache and with it, each in a process of its own."""
    tokenizer = GlyphCrmTokenizer(vocabulary)
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(arguments.render_tokens, len(tokenizer)))))
    if len(tokens) < 512:
        raise ValueError(
            f"{len(tokens)} tokens are to be rendered, with render_tokens={arguments.render_tokens}: the cache keeps "
            "no fewer than 512. Raise it, or give a larger vocabulary"
        )
    task = {"input": json.dumps([RENDERED, tokens]), "stdout": subprocess.PIPE, "encoding": "utf-8", "check": True}
    case = f"{len(tokens):,} tokens, {', '.join(RENDERED['styles'])}, {RENDERED['size']} px, grey"
    title = f"rendering on one core; {arguments.rounds} rounds, each in a new process, timed once that has started"
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
        yield {title: [row(case, rounds, [("rendered", "from the cache")])]}


PARTS = {
    "chinese_bert": measure_chinese_bert,
    "glyph_crm": measure_glyph_crm,
    "text": measure_text,
    "rendering": measure_rendering,
}


if __name__ == "__main__":
    main()

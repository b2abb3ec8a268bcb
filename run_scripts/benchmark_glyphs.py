"""Measures a model against one of the same size that sees no glyphs and hears no sounds: what do they cost?

    python run_scripts/benchmark_glyphs.py --model_type mpm_cner --output_dir results --text text.txt --vocab vocab.txt
    python run_scripts/benchmark_glyphs.py --model_type glyce --config_overrides task_layer=none ...

Both are taggers of one class, with the same layers of the task. "warm": the vectors of all characters and syllables of
the batch are known; "first sight": none is. They take turns in every round, so that other load of the machine meets
both; the table shows medians with quartiles, and the quotient of the medians. It is written after every round: a run
that is cut leaves what it measured. A training step has the Trainer's optimizer.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForTokenClassification, HfArgumentParser, PreTrainedModel

from hanziformers import render_glyphs
from hanziformers.training.new_model import new_processing_class
from hanziformers.training.timing import Call, Rounds, quartiles, take_turns, trainer_optimizer, usual_optimizer

OURS, PLAIN = "ours", "plain"
# model type -> the names of both models, and the fields that make the second
FAMILIES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "mpm_cner": ({OURS: "MPM-CNER", PLAIN: "BERT + BiLSTM + CRF"}, {"use_glyphs": False, "use_sounds": False}),
    "glyce": ({OURS: "Glyce-BERT", PLAIN: "BERT"}, {"use_glyphs": False}),
}
SIZES = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
LABELS = ["O", *(f"{side}-{name}" for name in ("PER", "ORG", "LOC", "GPE") for side in "BI")]
Cases = dict[str, Rounds]  # what is done -> rounds


@dataclass
class GlyphArguments:
    """What to measure, and on what."""

    model_type: str = field(metadata={"help": "which family", "choices": list(FAMILIES)})
    output_dir: str = field(metadata={"help": "folder for MODEL_TYPE.md"})
    vocab: str = field(metadata={"help": "vocab.txt of both"})
    text: str = field(metadata={"help": "UTF-8 file with Chinese text"})
    size: Literal["tiny", "small", "base"] = "base"
    config_overrides: str = field(default="", metadata={"help": "of both, e.g. task_layer=none"})
    vocabulary_bank: bool = field(
        default=False, metadata={"help": "glyph images of the vocabulary alone, not of all that fonts render"}
    )
    batch: int = 8
    length: int = field(default=128, metadata={"help": "tokens of each example, without padding"})
    device: str = "cpu"
    rounds: int = 7
    seed: int = 0


def make_models(arguments: GlyphArguments) -> tuple[dict[str, PreTrainedModel], dict[str, Tensor]]:
    """Both models, with the same weights where both have some of one shape, and a full batch."""
    config = AutoConfig.for_model(arguments.model_type, **SIZES[arguments.size], id2label=dict(enumerate(LABELS)))
    if arguments.config_overrides:
        config.update_from_string(arguments.config_overrides)
    processor = new_processing_class(config, arguments.vocab, vocabulary_bank=arguments.vocabulary_bank)
    config.max_position_embeddings = max(config.max_position_embeddings, arguments.length)
    config.validate()
    ours = AutoModelForTokenClassification.from_config(config)
    render_glyphs(ours, processor)
    _, without = FAMILIES[arguments.model_type]
    plain = AutoModelForTokenClassification.from_config(type(config).from_dict({**config.to_dict(), **without}))
    weights, own = ours.state_dict(), plain.state_dict()
    plain.load_state_dict({name: weights[name] for name, one in own.items() if weights[name].shape == one.shape}, False)
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


def measure_all(
    models: dict[str, PreTrainedModel], batch: dict[str, Tensor], arguments: GlyphArguments
) -> Iterator[Cases]:
    """The cases so far, after every round; a first round is not counted."""
    unlabelled = {name: value for name, value in batch.items() if name != "labels"}

    def tag(model: PreTrainedModel, _: None) -> None:
        with torch.no_grad():
            model(**unlabelled)

    def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, _: None) -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

    inputs = [None] * (arguments.rounds + 1)
    # train() forgets the tables; the call after it meets every character and syllable for the first time
    turns: dict[str, Call] = {"forget": lambda _: models[OURS].train().eval(), "first": partial(tag, models[OURS])}
    turns |= {name: partial(tag, model.eval()) for name, model in models.items()}
    cases: Cases = {}
    for rounds in take_turns(turns, inputs, arguments.device, 1):
        warm = {name: rounds[name] for name in models}
        cases |= {"forward, warm": warm, "forward, first sight": {**warm, OURS: rounds["first"]}}
        yield cases
    steps: dict[str, Call] = {}
    for name, model in models.items():
        optimizer = trainer_optimizer(model, arguments.device, model.train().parameter_groups())
        steps[name] = partial(step, model, optimizer)
    for rounds in take_turns(steps, inputs, arguments.device, 1):
        yield cases | {"training step": rounds}


def cell(seconds: list[float]) -> str:
    """Median and quartiles."""
    lower, upper = quartiles(seconds)
    return f"{1000 * median(seconds):.0f} ({1000 * lower:.0f}-{1000 * upper:.0f}) ms"


def main(argv: list[str] | None = None) -> None:
    """Measures, writes the table and prints it."""
    (arguments,) = HfArgumentParser(GlyphArguments).parse_args_into_dataclasses(argv)
    torch.manual_seed(arguments.seed)
    models, batch = make_models(arguments)
    names, _ = FAMILIES[arguments.model_type]
    kinds = {"glyph_ids": "characters", "syllable_ids": "syllables"}
    distinct = [f"{batch[key].unique().numel()} {kind}" for key, kind in kinds.items() if key in batch]
    counts = ", ".join(f"{model.num_parameters():,} ({names[name]})" for name, model in models.items())
    device = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device
    lines = [
        f"# {names[OURS]} against {names[PLAIN]}",
        "",
        f"{arguments.size}, {arguments.batch} x {arguments.length} tokens, distinct: {', '.join(distinct)}; {device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.rounds} rounds, "
        f"{usual_optimizer()}; trained values: {counts}",
        "",
        f"`python run_scripts/benchmark_glyphs.py {' '.join(sys.argv[1:] if argv is None else argv)}`",
        "",
        f"| | {names[OURS]} | {names[PLAIN]} | quotient |",
        "|---|---|---|---|",
    ]
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{arguments.model_type}.md"
    for cases in measure_all(models, batch, arguments):
        rows = []
        for case, rounds in cases.items():
            quotient = median(rounds[OURS]) / median(rounds[PLAIN])
            rows.append(f"| {case} | {cell(rounds[OURS])} | {cell(rounds[PLAIN])} | {quotient:.3f} |")
        unfinished = file.with_suffix(".part")
        unfinished.write_text("\n".join([*lines, *rows, ""]), encoding="utf-8")
        unfinished.replace(file)
    print(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

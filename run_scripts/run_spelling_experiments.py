"""Compares models on spelling correction: what do seeing and hearing characters give? Each beside its controls.

    python run_scripts/run_spelling_experiments.py --output_dir outputs/spelling --results results/spelling \
        --seeds 1 2 3 --text 'corpus/*.jsonl.gz' --sentences 20000 1000 2000 --vocabulary_bank True \
        --config_overrides hidden_size=128,num_hidden_layers=2,num_attention_heads=4,intermediate_size=512 \
        --num_train_epochs 10 --learning_rate 1e-3 --error_copies 5

BERT, ChineseBERT and GlyphCRM start from scratch, with the same sizes, vocabulary, texts, errors and steps. A control
is the same model with glyph images, or pinyin, that belong to other characters (by the seed of the run): what it loses
is what the model learns from what characters look, or sound, like.

The data: --text names files of right text, of which sentences are cut (a document is in one split alone), with a
vocabulary of their characters. Or --data NAME=TRAIN,VALIDATION,TEST names files that run_spelling.py reads, with
--vocab_file. Options that this script does not have go to the trainings. Every one is a process of its own; a finished
one is not done again. Writes spelling.md, spelling.json and a plot into --results.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np

from hanziformers.confusion_sets import KINDS, common_characters
from hanziformers.training.experiments import (
    Data,
    Experiments,
    Run,
    Stage,
    add_options,
    parse_data,
    plot_systems,
    run_experiments,
    spread,
    write_page,
)
from hanziformers.training.model_card import table
from hanziformers.training.model_comparison import add_model_options, check_runs, model_options
from hanziformers.training.sentence_splits import cut_sentences
from hanziformers.training.spelling_scores import LEVELS, PARTS, SCORES, Scored, scores_by_kind
from hanziformers.training.spelling_task import SpellingTask

SEED = "{seed}"  # in the options of a system: the seed of the run
# system -> its model, and options of its own
SYSTEMS: dict[str, tuple[str, dict[str, str]]] = {
    "BERT": ("BERT", {}),
    "ChineseBERT": ("ChineseBERT", {}),
    "ChineseBERT, permuted glyphs": ("ChineseBERT", {"permute_glyphs": SEED}),
    "ChineseBERT, permuted pinyin": ("ChineseBERT", {"permute_pinyin": SEED}),
    "ChineseBERT, both permuted": ("ChineseBERT", {"permute_glyphs": SEED, "permute_pinyin": SEED}),
    "GlyphCRM": ("GlyphCRM", {}),
    "GlyphCRM, permuted glyphs": ("GlyphCRM", {"permute_glyphs": SEED}),
}
RECALLS = tuple(f"{kind}_{level}_recall" for level in ("detection", "correction") for kind in KINDS)
FIGURES = (*SCORES, *RECALLS)
COMPARED = ("detection_f1", "correction_f1", "sentence_correction_f1", *RECALLS[len(KINDS) :], "false_alarms")
PLOTTED = ("correction_f1", "look_alike_correction_recall", "homophone_correction_recall", "false_alarms")


class SpellingExperiments(Experiments):
    """The runs of all systems, and their scores.

    Raises:
        ValueError: there are no data, or no vocabulary; see `check_runs`.
    """

    script = Path(__file__)

    def __init__(self, args: Namespace, options: list[str]) -> None:
        super().__init__(args, options, parse_data(args.data) + _cut(args))
        if not self.data:
            raise ValueError("there are no data: give --text, or --data NAME=TRAIN,VALIDATION,TEST")
        if not args.vocab_file:
            raise ValueError("--data are for models of one vocabulary: give --vocab_file")
        self._figures: dict[Run, dict[str, float]] = {}
        check_runs(self, SpellingTask)

    def needed(self) -> list[Run]:
        """Every system on every data set, those of one seed together."""
        args = self.args
        return [Run(name, data, 100, seed) for seed in args.seeds for data in self.data for name in args.systems]

    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """One training."""
        model, own = SYSTEMS[run.system]
        own = {name: value.replace(SEED, str(run.seed)) for name, value in own.items()}
        files = {f"{split}_file": getattr(run.data, split) for split in ("train", "validation", "test")}
        return [Stage("run_spelling.py", {**files, **model_options(self.args, model), **own})]

    def figures_of(self, run: Run) -> dict[str, float]:
        """The figures of `FIGURES`; nan where a kind of error is not in the test data."""
        if run not in self._figures:
            by_kind = scores_by_kind(
                [Scored(row["text"], row["gold"], row["predicted"], row["kinds"], 0) for row in self.predictions(run)]
            )
            found: dict[str, float] = self.test_figures(run)
            found |= {f"{kind}_{name}": value for kind, own in by_kind.items() for name, value in own.items()}
            self._figures[run] = {name: found.get(name, np.nan) for name in FIGURES}
        return self._figures[run]

    def figures(self, system: str, data: Data, name: str) -> np.ndarray:
        """A figure of all seeds: float64 [seeds]."""
        return np.array([self.figures_of(Run(system, data, 100, seed))[name] for seed in self.args.seeds])


def _cut(args: Namespace) -> list[Data]:
    """The data of --text; fills in --vocab_file where it is not given."""
    if not args.text:
        return []
    sizes = dict(zip(("train", "validation", "test"), args.sentences, strict=True))
    files = cut_sentences(args.text, Path(args.output_dir) / "text", sizes, common_characters("simplified"))
    args.vocab_file = args.vocab_file or files["vocab_file"]
    return [Data("text", *(files[split] for split in sizes))]


def score_table(experiments: SpellingExperiments, data: Data, names: tuple[str, ...]) -> str:
    """All systems, a column a figure."""
    systems = experiments.args.systems
    rows = [[one, *(spread(experiments.figures(one, data, name)) for name in names)] for one in systems]
    return table(f"system {' '.join(names)}", rows)


def pairs(systems: list[str]) -> list[tuple[str, str]]:
    """Each control that was run beside its model, the model first."""
    models = {name: model for name, (model, own) in SYSTEMS.items() if own}
    return [(models[one], one) for one in systems if one in models and models[one] in systems]


def difference_table(experiments: SpellingExperiments, data: Data) -> str:
    """What every control loses, seed by seed."""
    rows = []
    for model, control in pairs(experiments.args.systems):
        found = [experiments.figures(model, data, name) - experiments.figures(control, data, name) for name in COMPARED]
        rows.append([control, *map(spread, found)])
    return table(f"control {' '.join(COMPARED)}", rows)


def tables(experiments: SpellingExperiments) -> str:
    """All tables of all data."""
    parts = []
    for data in experiments.data:
        of = "" if len(experiments.data) == 1 else f": {data.name}"
        for title, levels in (("By character", LEVELS[:2]), ("By sentence", LEVELS[2:])):
            names = tuple(f"{level}_{part}" for level in levels for part in PARTS)
            parts.append(f"## {title}{of}\n\n{score_table(experiments, data, names)}")
        kinds = (RECALLS[: len(KINDS)], RECALLS[len(KINDS) :])
        shown = "\n\n".join(score_table(experiments, data, names) for names in kinds)
        note = "A change has a kind only where there is an error, so that kinds have no precision of their own."
        parts.append(f"## By kind of error{of}\n\n{shown}\n\n{note}")
        price = score_table(experiments, data, ("false_alarms", "broken_texts"))
        note = "Changes at right characters per 1,000 of them; right sentences that were changed / right sentences."
        parts.append(f"## Right text that was broken{of}\n\n{price}\n\n{note}")
        if pairs(experiments.args.systems):
            note = "The model's figure less its control's, seed by seed: above 0, the model is better (but for alarms)."
            parts.append(f"## What the controls lose{of}\n\n{difference_table(experiments, data)}\n\n{note}")
    return "\n\n".join(parts)


def write_results(experiments: SpellingExperiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plot; returns the tables."""
    results, systems = Path(experiments.args.results), experiments.args.systems
    results.mkdir(parents=True, exist_ok=True)
    panels = {
        f"{data.name}: {name}": (name, {one: experiments.figures(one, data, name) for one in systems})
        for data in experiments.data
        for name in PLOTTED
    }
    plot_systems(panels, results / "spelling.png")
    figures: list[dict[str, Any]] = [
        {"system": run.system, "data": run.data.name, "seed": run.seed, **experiments.figures_of(run)}
        for run in experiments.needed()
    ]
    text = tables(experiments)
    write_page(experiments, "spelling", "Spelling correction", command, text, figures, ["spelling.png"])
    return text


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--text", nargs="+", default=[], help="files of right text, or patterns: sentences are cut")
    numbers = ("TRAIN", "VALIDATION", "TEST")
    parser.add_argument("--sentences", nargs=3, type=int, default=[20000, 1000, 2000], metavar=numbers)
    parser.add_argument("--data", action="append", default=[], help="NAME=TRAIN,VALIDATION,TEST; repeat it")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    add_options(parser, "spelling", ["main"])
    add_model_options(parser, checkpoints=False)
    print(run_experiments(parser, SpellingExperiments, write_results, argv))


if __name__ == "__main__":
    main()

"""Compares models on reading comprehension: BERT, ChineseBERT and GlyphCRM, by exact match and F1.

    python run_scripts/run_reading_experiments.py --output_dir outputs/reading --results results/reading --seeds 1 2 3 \
        --cmrc CMRC=cmrc2018_dev.json.gz,,cmrc2018_trial.json.gz \
        --cjrc CJRC=dev_ground_truth.json.gz,,test_ground_truth.json.gz --vocab_file vocab.txt --vocabulary_bank True \
        --config_overrides hidden_size=128,num_hidden_layers=2,num_attention_heads=4,intermediate_size=512 \
        --max_seq_length 256 --num_train_epochs 5 --learning_rate 1e-3

A data set is NAME=TRAIN,VALIDATION,TEST: files that run_reading.py reads, scored by CMRC 2018's definitions (--cmrc,
also for DRCD and SQuAD) or CJRC's (--cjrc). VALIDATION may be empty, and so may TEST: a tenth of the training texts,
with their questions, is then held out, for TEST the same in every run.

Models start from scratch, with the same sizes and vocabulary, or from checkpoints (--bert, --chinese_bert,
--glyph_crm). Options that this script does not have go to the trainings. Every one is a process of its own; a finished
one is not done again. Writes reading.md, reading.json and a plot into --results.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

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
from hanziformers.training.model_comparison import MODELS, add_model_options, check_runs, model_options
from hanziformers.training.reading_answers import KINDS, first_kind
from hanziformers.training.reading_scores import SCORINGS
from hanziformers.training.reading_task import ReadingTask

TASKS = {"cmrc": "cmrc2018", "cjrc": "cjrc"}  # option -> whose definition of EM and F1
SCORES = ("em", "f1")


class ReadingExperiments(Experiments):
    """The runs of all models on all data sets, and their scores.

    Raises:
        ValueError: there are no data, or models from scratch without a vocabulary; see `check_runs`.
    """

    script = Path(__file__)

    def __init__(self, args: Namespace, options: list[str]) -> None:
        super().__init__(args, options, [one for task in TASKS for one in parse_data(getattr(args, task), task, False)])
        if not self.data:
            raise ValueError("there are no data: give --cmrc or --cjrc NAME=TRAIN,VALIDATION,TEST")
        scratch = [name for name in args.systems if not getattr(args, MODELS[name])]
        if scratch and not args.vocab_file:
            names = ", ".join(f"--{MODELS[name]}" for name in scratch)
            raise ValueError(f"{', '.join(scratch)} from scratch: give --vocab_file, or checkpoints ({names})")
        check_runs(self, ReadingTask)

    def needed(self) -> list[Run]:
        """Every model on every data set, those of one seed together."""
        args = self.args
        return [Run(name, data, 100, seed) for seed in args.seeds for data in self.data for name in args.systems]

    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """One training."""
        data = run.data
        options = {"train_file": data.train, "validation_file": data.validation, "test_file": data.test}
        options |= {} if data.test else {"test_fraction": 0.1}
        options |= {"scoring": TASKS[data.task], **model_options(self.args, run.system)}
        return [Stage("run_reading.py", options)]

    def figures(self, system: str, data: Data) -> dict[str, np.ndarray]:
        """EM and F1 of all questions, and of those of each kind ("f1_none"): values of the seeds."""
        found = [self.figures_of(Run(system, data, 100, seed)) for seed in self.args.seeds]
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def figures_of(self, run: Run) -> dict[str, float]:
        """The figures of one run."""
        score = SCORINGS[TASKS[run.data.task]]
        by_kind: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        for row in self.predictions(run):
            kind = first_kind(row["gold"])
            if kind in by_kind:
                by_kind[kind].append(score(row["answer"], [answer["text"] for answer in row["gold"]]))
        means = {kind: np.mean(pairs, axis=0).tolist() for kind, pairs in by_kind.items() if pairs}
        own = self.test_figures(run)
        return {name: own[name] for name in SCORES} | {
            f"{name}_{kind}": mean[place] for kind, mean in means.items() for place, name in enumerate(SCORES)
        }


def write_results(experiments: ReadingExperiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plot; returns the tables."""
    results, systems = Path(experiments.args.results), experiments.args.systems
    results.mkdir(parents=True, exist_ok=True)
    parts, panels = [], {}
    for data in experiments.data:
        figures = {system: experiments.figures(system, data) for system in systems}
        names = list(next(iter(figures.values())))
        rows = [[system, *(spread(own[name]) for name in names)] for system, own in figures.items()]
        parts.append(f"## {data.name}\n\n{table(' '.join(['system', *names]), rows)}")
        panels[data.name] = ("F1 of the test data", {system: own["f1"] for system, own in figures.items()})
    plot_systems(panels, results / "reading.png")
    lines = [
        {"system": run.system, "data": run.data.name, "seed": run.seed, **experiments.figures_of(run)}
        for run in experiments.needed()
    ]
    note = "By kind of answer: a part of the text, none, yes, no."
    text = "\n\n".join([*parts, note])
    write_page(experiments, "reading", "Reading comprehension", command, text, lines, ["reading.png"])
    return text


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    for task, name in TASKS.items():
        help_text = f"NAME=TRAIN,VALIDATION,TEST, scored as {name} does; repeat it"
        parser.add_argument(f"--{task}", action="append", default=[], help=help_text)
    parser.add_argument("--systems", nargs="+", choices=list(MODELS), default=list(MODELS))
    add_options(parser, "reading", ["main"])
    add_model_options(parser, checkpoints=True)
    print(run_experiments(parser, ReadingExperiments, write_results, argv))


if __name__ == "__main__":
    main()

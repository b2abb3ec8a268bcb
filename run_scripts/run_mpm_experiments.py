"""Runs the experiments of the MPM-CNER paper on your data, and writes its tables: Tables 1 to 8.

    python run_scripts/run_mpm_experiments.py --output_dir outputs/mpm --results results/mpm --seeds 1 2 3 \
        --data Weibo=weibo.train,weibo.dev,weibo.test --tables main ablations sizes subsets \
        --semantic_encoder bert-base-chinese --num_train_epochs 10 --per_device_train_batch_size 24

A data set is NAME=TRAIN,VALIDATION,TEST: files that run_ner.py reads; VALIDATION may be empty, a part of the training
data is then held out. Options that this script does not have go to run_ner.py: with --vocab_file and --config_overrides
in place of --semantic_encoder all models are small ones from scratch. Every run is a process of its own; a finished one
is not done again. Writes mpm.md, mpm.json and two plots into --results.

What all experiments share is in hanziformers.training.experiments.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from transformers import AutoTokenizer

from hanziformers.training.experiments import (
    Data,
    Experiments,
    Run,
    Stage,
    add_options,
    is_finished,
    parse_data,
    plot_systems,
    run_experiments,
    spread,
    write_page,
)
from hanziformers.training.model_card import table, write_json_lines
from hanziformers.training.ner_data import read_ner
from hanziformers.training.ner_subsets import part_scores, polyphones, subsets, unknown_characters

BASELINE, FULL = "BERT+LSTM+CRF", "MPM-CNER"
# system -> its options of run_ner.py. Without both modalities MPM-CNER is the baseline: Table 5's third line
SYSTEMS = {
    BASELINE: {"config_overrides": "use_glyphs=false,use_sounds=false"},
    FULL: {},
    "-w/o Phn": {"config_overrides": "use_sounds=false"},
    "-w/o Gly": {"config_overrides": "use_glyphs=false"},
    "-w/o CM-Atten": {"config_overrides": "cross_modality=false"},
    "-w/o Pre-training": {"glyph_encoder": "random", "phonetic_encoder": "random"},
}
SIZES = (10, 20, 50, 100)  # per cent of the training data, Table 6
PUBLISHED = {  # precision, recall, F1 in the paper, with bert-base-chinese: Tables 3 and 4
    ("Resume", BASELINE): (0.9575, 0.9528, 0.9551),
    ("Resume", FULL): (0.9718, 0.9603, 0.9660),
    ("Weibo", BASELINE): (None, None, 0.6733),
    ("Weibo", FULL): (0.7298, 0.7112, 0.7204),
}


class MpmExperiments(Experiments):
    """The runs of the paper, and their scores."""

    script = Path(__file__)

    def __init__(self, args: Namespace, options: list[str]) -> None:
        super().__init__(args, options, parse_data(args.data))

    def needed(self) -> list[Run]:
        """The runs that the chosen tables need, each once, those of one seed together."""
        runs = []
        for seed in self.args.seeds:
            for data in self.data:
                systems = SYSTEMS if "ablations" in self.args.tables else (BASELINE, FULL)
                runs += [Run(system, data, 100, seed) for system in systems]
                if "sizes" in self.args.tables:
                    runs += [Run(name, data, size, seed) for size in SIZES[:-1] for name in (BASELINE, FULL)]
        return runs

    def carry_out(self, run: Run) -> None:
        """Trains and tests; a sample of the training data is written before. A finished run keeps its own."""
        folder = run.folder(self.args.output_dir)
        if run.percent < 100 and not is_finished(folder):
            self._write_sample(run, folder)
        super().carry_out(run)

    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """One training."""
        options: dict[str, Any] = {"model_type": "mpm_cner", **SYSTEMS[run.system]}
        options["config_overrides"] = self.overrides(options.pop("config_overrides", ""))
        train_file = run.data.train if run.percent == 100 else str(self._sample(folder))
        options |= {"train_file": train_file, "test_file": run.data.test}
        return [Stage("run_ner.py", {**options, "validation_file": run.data.validation})]

    def _sample(self, folder: Path) -> Path:
        """Where a run on less training data has it; named by its seed, so that the page tells a run of another."""
        return folder / f"train-{self.args.sample_seed}.jsonl"

    def _write_sample(self, run: Run, folder: Path) -> None:
        """A part of the training data; it is nested in every larger one, and the same for all systems and seeds."""
        rows, _ = read_ner(run.data.train)
        order = np.random.default_rng(self.args.sample_seed).permutation(len(rows))
        chosen = np.sort(order[: max(1, round(len(rows) * run.percent / 100))])
        folder.mkdir(parents=True, exist_ok=True)
        write_json_lines(self._sample(folder), rows.select(chosen).to_list())

    def scores(
        self, system: str, data: Data, percent: int = 100, chosen: Sequence[bool] | None = None
    ) -> dict[str, np.ndarray]:
        """Precision, recall and f1 by seed, [seeds] each, of the chosen texts or all; texts and entities too."""
        rows = [self.predictions(Run(system, data, percent, seed)) for seed in self.args.seeds]
        found = [part_scores(each, [True] * len(each) if chosen is None else chosen) for each in rows]
        return {key: np.array([scores[key] for scores in found]) for key in found[0]}

    @cached_property
    def parts(self) -> dict[str, dict[str, list[bool]]]:
        """By data set and part, whether a text of the test data belongs to it."""
        named = {}
        for data in self.data:
            run = Run(FULL, data, 100, self.args.seeds[0])
            vocabulary = AutoTokenizer.from_pretrained(run.folder(self.args.output_dir)).get_vocab()
            texts = [row["text"] for row in self.predictions(run)]
            unknown = unknown_characters(texts, vocabulary)
            chosen = subsets(texts, {"polyPhn": polyphones(), "OOV": unknown, "OOV Han": filter(_is_han, unknown)})
            named[data.name] = {
                f"-{side} {name}": [one == (side == "w") for one in members]
                for name, members in chosen.items()
                for side in ("w/o", "w")
            }
        return named


def _is_han(character: str) -> bool:
    return "㐀" <= character <= "鿿" or character >= "\U00020000"


def main_table(experiments: MpmExperiments) -> str:
    """Tables 1 to 4: both systems on every data set, beside the published figures where there are some."""
    rows = []
    for data in experiments.data:
        for system in (BASELINE, FULL):
            scores = experiments.scores(system, data)
            rows.append([data.name, system, *(spread(scores[key]) for key in ("precision", "recall", "f1"))])
            printed = PUBLISHED.get((data.name, system))
            if printed:
                cells = ["-" if value is None else f"{value:.4f}" for value in printed]
                rows.append([data.name, f"{system}, as published", *cells])
    return "## Both systems (Tables 1 to 4)\n\n" + table("data system precision recall F1", rows)


def ablation_table(experiments: MpmExperiments) -> str:
    """Table 5: F1 without single parts."""
    rows = []
    for name in (FULL, "-w/o Phn", "-w/o Gly", "-w/o Phn+Gly", "-w/o CM-Atten", "-w/o Pre-training"):
        system = BASELINE if name == "-w/o Phn+Gly" else name
        rows.append([name, *(spread(experiments.scores(system, data)["f1"]) for data in experiments.data)])
    return "## Without single parts, F1 (Table 5)\n\n" + table(f"model {_names(experiments)}", rows)


def size_table(experiments: MpmExperiments) -> str:
    """Table 6: F1 over the size of the training data."""
    rows = [
        [f"{size}%", system, *(spread(experiments.scores(system, data, size)["f1"]) for data in experiments.data)]
        for size in SIZES
        for system in (BASELINE, FULL)
    ]
    return "## Less training data, F1 (Table 6)\n\n" + table(f"size system {_names(experiments)}", rows)


def subset_table(experiments: MpmExperiments) -> str:
    """Tables 7 and 8: F1 of texts with and without polyphones and unknown characters."""
    rows = []
    for data in experiments.data:
        for name, chosen in experiments.parts[data.name].items():
            scores = {system: experiments.scores(system, data, chosen=chosen) for system in (BASELINE, FULL)}
            counts = [int(scores[FULL][key][0]) for key in ("texts", "entities")]
            rows.append([data.name, name, *counts, *(spread(each["f1"]) for each in scores.values())])
    definition = (
        f"polyPhn: the text holds one of {len(polyphones())} characters with two readings in frequent use "
        "(`hanziformers.training.ner_subsets`). OOV: it holds a character outside of the vocabulary; OOV Han: a "
        "Chinese one, as most others are quotation marks and dashes."
    )
    head = f"data part texts entities {BASELINE} {FULL}"
    return f"## Polyphones and unknown characters, F1 (Tables 7 and 8)\n\n{definition}\n\n{table(head, rows)}"


TABLES: dict[str, Callable[[MpmExperiments], str]] = {
    "main": main_table,
    "ablations": ablation_table,
    "sizes": size_table,
    "subsets": subset_table,
}


def _names(experiments: MpmExperiments) -> str:
    return " ".join(data.name for data in experiments.data)


def plot_sizes(experiments: MpmExperiments, path: Path) -> None:
    """F1 over the size of the training data: the mean over the seeds, and the range between them."""
    figure = Figure(figsize=(4.5 * len(experiments.data), 4), layout="tight")
    for axes, data in zip(figure.subplots(1, len(experiments.data), squeeze=False)[0], experiments.data, strict=True):
        for system in (BASELINE, FULL):
            values = np.array([experiments.scores(system, data, size)["f1"] for size in SIZES])
            (line,) = axes.plot(SIZES, values.mean(1), marker="o", label=system)
            axes.fill_between(SIZES, values.min(1), values.max(1), alpha=0.2, color=line.get_color())
        axes.set_title(data.name)
        axes.set_xlabel("training data (%)")
        axes.set_ylabel("F1 of the test data")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def write_results(experiments: MpmExperiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plots; returns the tables."""
    results, tables = Path(experiments.args.results), experiments.args.tables
    results.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(TABLES[name](experiments) for name in tables)
    systems = list(SYSTEMS) if "ablations" in tables else [BASELINE, FULL]
    scores = {data: {name: experiments.scores(name, data)["f1"] for name in systems} for data in experiments.data}
    plots = ["systems.png"]
    plot_systems({data.name: ("F1 of the test data", found) for data, found in scores.items()}, results / plots[0])
    if "sizes" in tables:
        plots.append("sizes.png")
        plot_sizes(experiments, results / plots[1])
    figures = [
        {"system": run.system, "data": run.data.name, "percent": run.percent, "seed": run.seed}
        | {key: value for key, value in part_scores(rows, [True] * len(rows)).items()}
        for run in experiments.needed()
        for rows in [experiments.predictions(run)]
    ]
    write_page(experiments, "mpm", "MPM-CNER", command, text, figures, plots)
    return text


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--data", action="append", required=True, help="NAME=TRAIN,VALIDATION,TEST; repeat it")
    parser.add_argument("--sample_seed", type=int, default=0, help="of the samples of training data")
    add_options(parser, "mpm", list(TABLES))
    run_experiments(parser, MpmExperiments, write_results, argv)


if __name__ == "__main__":
    main()

"""Runs the experiments of the MPM-CNER paper on your data, and writes its tables: Tables 1 to 8.

    python run_scripts/run_mpm_experiments.py --output_dir outputs/mpm --results results/mpm --seeds 1 2 3 \
        --data Weibo=weibo.train,weibo.dev,weibo.test --tables main ablations sizes subsets \
        --semantic_encoder bert-base-chinese --num_train_epochs 10 --per_device_train_batch_size 24

A data set is NAME=TRAIN,VALIDATION,TEST: files that run_ner.py reads; VALIDATION may be empty, a part of the training
data is then held out. Options that this script does not have go to run_ner.py: with --vocab_file and --config_overrides
in place of --semantic_encoder all models are small ones from scratch. Every run is a process of its own; a finished one
is not done again. Writes mpm.md, mpm.json and two plots into --results.

Another paper's tables join by their systems in SYSTEMS and a function in TABLES.
"""

import json
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from transformers import AutoTokenizer

from hanziformers.training.model_card import table, write_json_lines
from hanziformers.training.ner_data import read_ner
from hanziformers.training.ner_subsets import part_scores, polyphones, subsets, unknown_characters

SCRIPT = Path(__file__).parent / "run_ner.py"
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


@dataclass(frozen=True)
class Data:
    """A data set: its name, and the files of its splits; `validation` may be ""."""

    name: str
    train: str
    validation: str
    test: str


@dataclass(frozen=True)
class Run:
    """One training: a system on some per cent of a data set, from one seed."""

    system: str
    data: Data
    percent: int
    seed: int

    def folder(self, output_dir: str) -> Path:
        """Where the run is kept."""
        system = "-".join("".join(c if c.isalnum() else " " for c in self.system).split())
        return Path(output_dir) / f"{self.data.name}-{system}-{self.percent}-seed{self.seed}"


def parse_data(texts: Sequence[str]) -> list[Data]:
    """Reads NAME=TRAIN,VALIDATION,TEST.

    Raises:
        ValueError: a part is missing, or a name is given twice.
        FileNotFoundError: a file does not exist.
    """
    found: dict[str, Data] = {}
    for text in texts:
        name, _, files = text.partition("=")
        parts = [part.strip() for part in files.split(",")]
        if not name.strip().isidentifier() or len(parts) != 3 or not (parts[0] and parts[2]):
            raise ValueError(
                f"--data {text!r} is not allowed; give NAME=TRAIN,VALIDATION,TEST (VALIDATION may be empty), "
                "e.g. Weibo=weibo.train,weibo.dev,weibo.test"
            )
        missing = [part for part in parts if part and not Path(part).is_file()]
        if missing:
            raise FileNotFoundError(f"--data {text!r}: there is no file {missing[0]}")
        if name in found:
            raise ValueError(f"--data {text!r}: there is a data set {name} already; give it another name")
        found[name] = Data(name, *parts)
    return list(found.values())


class Experiments:
    """Carries out runs, and knows their outcome."""

    def __init__(self, args: Namespace, options: list[str]) -> None:
        self.args = args
        self.options = options
        self.data = parse_data(args.data)

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
        """Trains and tests in a process of its own, with the output in log.txt.

        Raises:
            RuntimeError: it failed; names the log.
        """
        folder = run.folder(self.args.output_dir)
        if (folder / "predictions.jsonl").is_file() and (folder / "all_results.json").is_file():
            return
        folder.mkdir(parents=True, exist_ok=True)
        options = {"model_type": "mpm_cner", **SYSTEMS[run.system], "seed": run.seed, "output_dir": folder}
        overrides = (self.args.config_overrides, options.pop("config_overrides", ""))
        options["config_overrides"] = ",".join(filter(None, overrides))
        options |= {"train_file": self._train_file(run, folder), "test_file": run.data.test}
        options |= {"validation_file": run.data.validation} if run.data.validation else {}
        flags = [part for name, value in options.items() if value != "" for part in (f"--{name}", str(value))]
        steps = ["--do_train", "--do_predict", *self.options]
        with (folder / "log.txt").open("w") as log:
            done = subprocess.run([sys.executable, str(SCRIPT), *flags, *steps], stdout=log, stderr=log)
        if done.returncode:
            raise RuntimeError(f"the run in {folder} failed with exit status {done.returncode}; see {folder}/log.txt")

    def _train_file(self, run: Run, folder: Path) -> str:
        """The training data; a sample is nested in every larger one, and the same for all systems and seeds."""
        if run.percent == 100:
            return run.data.train
        rows, _ = read_ner(run.data.train)
        order = np.random.default_rng(self.args.sample_seed).permutation(len(rows))
        chosen = np.sort(order[: max(1, round(len(rows) * run.percent / 100))])
        write_json_lines(folder / "train.jsonl", rows.select(chosen).to_list())
        return str(folder / "train.jsonl")

    def predictions(self, run: Run) -> list[dict[str, Any]]:
        """The lines of a run's predictions.jsonl."""
        path = run.folder(self.args.output_dir) / "predictions.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

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


def spread(values: np.ndarray) -> str:
    """Mean, and smallest to largest, over the seeds; a dash where there is nothing to find."""
    if np.isnan(values).any():
        return "-"
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def main_table(experiments: Experiments) -> str:
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


def ablation_table(experiments: Experiments) -> str:
    """Table 5: F1 without single parts."""
    rows = []
    for name in (FULL, "-w/o Phn", "-w/o Gly", "-w/o Phn+Gly", "-w/o CM-Atten", "-w/o Pre-training"):
        system = BASELINE if name == "-w/o Phn+Gly" else name
        rows.append([name, *(spread(experiments.scores(system, data)["f1"]) for data in experiments.data)])
    return "## Without single parts, F1 (Table 5)\n\n" + table(f"model {_names(experiments)}", rows)


def size_table(experiments: Experiments) -> str:
    """Table 6: F1 over the size of the training data."""
    rows = [
        [f"{size}%", system, *(spread(experiments.scores(system, data, size)["f1"]) for data in experiments.data)]
        for size in SIZES
        for system in (BASELINE, FULL)
    ]
    return "## Less training data, F1 (Table 6)\n\n" + table(f"size system {_names(experiments)}", rows)


def subset_table(experiments: Experiments) -> str:
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


TABLES: dict[str, Callable[[Experiments], str]] = {
    "main": main_table,
    "ablations": ablation_table,
    "sizes": size_table,
    "subsets": subset_table,
}


def _names(experiments: Experiments) -> str:
    return " ".join(data.name for data in experiments.data)


def plot_systems(experiments: Experiments, path: Path) -> None:
    """F1 of every system: the seeds as points, their mean as a line."""
    systems = list(SYSTEMS) if "ablations" in experiments.args.tables else [BASELINE, FULL]
    figure = Figure(figsize=(4.5 * len(experiments.data), 4), layout="tight")
    for axes, data in zip(figure.subplots(1, len(experiments.data), squeeze=False)[0], experiments.data, strict=True):
        for place, system in enumerate(systems):
            values = experiments.scores(system, data)["f1"]
            axes.plot([place] * len(values), values, "o", alpha=0.6)
            axes.hlines(values.mean(), place - 0.3, place + 0.3, color="black")
        axes.set_xticks(range(len(systems)), systems, rotation=45, ha="right", fontsize=8)
        axes.set_title(data.name)
        axes.set_ylabel("F1 of the test data")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_sizes(experiments: Experiments, path: Path) -> None:
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


def write_results(experiments: Experiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plots; returns the tables."""
    results = Path(experiments.args.results)
    results.mkdir(parents=True, exist_ok=True)
    tables = "\n\n".join(TABLES[name](experiments) for name in experiments.args.tables)
    plots = ["systems.png"]
    plot_systems(experiments, results / plots[0])
    if "sizes" in experiments.args.tables:
        plots.append("sizes.png")
        plot_sizes(experiments, results / plots[1])
    figures = [
        {"system": run.system, "data": run.data.name, "percent": run.percent, "seed": run.seed}
        | {key: value for key, value in part_scores(rows, [True] * len(rows)).items()}
        for run in experiments.needed()
        for rows in [experiments.predictions(run)]
    ]
    (results / "mpm.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    shown = "\n".join(f"![{name}]({name})" for name in plots)
    seeds = experiments.args.seeds
    text = f"# MPM-CNER\n\n```bash\n{command}\n```\n\nMean over the seeds {seeds} (smallest to largest).\n\n"
    (results / "mpm.md").write_text(f"{text}{tables}\n\n{shown}\n", encoding="utf-8")
    return tables


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--data", action="append", required=True, help="NAME=TRAIN,VALIDATION,TEST; repeat it")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=["main"])
    parser.add_argument("--output_dir", default="outputs/mpm", help="folder of the runs")
    parser.add_argument("--results", default="results/mpm", help="folder of tables and plots")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sample_seed", type=int, default=0, help="of the samples of training data")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--config_overrides", default="", help="of all runs")
    args, options = parser.parse_known_args(argv)
    experiments = Experiments(args, options)
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(experiments.carry_out, experiments.needed()))
    command = f"python run_scripts/run_mpm_experiments.py {shlex.join(sys.argv[1:] if argv is None else argv)}"
    print(write_results(experiments, command))


if __name__ == "__main__":
    main()

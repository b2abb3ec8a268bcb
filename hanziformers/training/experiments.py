"""What the experiments of all papers share: their trainings, and a page of tables.

A script of run_scripts/ derives a class from `Experiments`, which says which trainings its tables need and with which
options. Every training is a process of its own, over run_ner.py or another script beside it; a finished one is not done
again, and the page says which one had other options. If one fails, the others go on.
"""

import json
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure

PREVIOUS = "{previous}"  # in the options of a stage: the folder of the stage before
_FINISHED, _PREDICTIONS = "all_results.json", "predictions.jsonl"
_PANELS_IN_ROW = 4
_OF_EVERY_RUN = {"seed", "output_dir", "do_train", "do_predict", "config_overrides"}
_WITHOUT_EFFECT = {"output_dir", "disable_tqdm", "save_total_limit", "dataloader_num_workers"}  # on any figure


@dataclass(frozen=True)
class Data:
    """A data set: its name, the files of its splits ("" for none), and its task where an experiment has several."""

    name: str
    train: str
    validation: str
    test: str
    task: str = ""


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
        data = "-".join(filter(None, (self.data.task, self.data.name)))
        return Path(output_dir) / f"{data}-{system}-{self.percent}-seed{self.seed}"


@dataclass(frozen=True)
class Stage:
    """A script of run_scripts/ and its options; those that are "" are left out."""

    script: str
    options: Mapping[str, Any]


def parse_data(texts: Sequence[str], option: str = "data", needs_test: bool = True) -> list[Data]:
    """Reads NAME=TRAIN,VALIDATION,TEST.

    Args:
        texts: of the command line.
        option: which one, for messages; also the task, where it is not "data".
        needs_test: whether TEST may not be empty.

    Raises:
        ValueError: a part is missing, or a name is given twice.
        FileNotFoundError: a file does not exist.
    """
    found: dict[str, Data] = {}
    for text in texts:
        name, _, files = text.partition("=")
        parts = [part.strip() for part in files.split(",")]
        if not name.strip().isidentifier() or len(parts) != 3 or not parts[0] or (needs_test and not parts[2]):
            raise ValueError(
                f"--{option} {text!r} is not allowed; give NAME=TRAIN,VALIDATION,TEST (VALIDATION "
                f"{'' if needs_test else 'and TEST '}may be empty), e.g. Weibo=weibo.train,weibo.dev,weibo.test"
            )
        missing = [part for part in parts if part and not Path(part).is_file()]
        if missing:
            raise FileNotFoundError(f"--{option} {text!r}: there is no file {missing[0]}")
        if name in found:
            raise ValueError(f"--{option} {text!r}: there is a data set {name} already; give it another name")
        found[name] = Data(name, *parts, task="" if option == "data" else option)
    return list(found.values())


def add_options(parser: ArgumentParser, name: str, tables: Sequence[str]) -> None:
    """Adds the options that all experiments have.

    Args:
        parser: of the script.
        name: of the experiments, and of their folders.
        tables: that can be made, of which "main" is the default.
    """
    parser.add_argument("--tables", nargs="+", choices=list(tables), default=["main"])
    parser.add_argument("--output_dir", default=f"outputs/{name}", help="folder of the runs")
    parser.add_argument("--results", default=f"results/{name}", help="folder of tables and plots")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--config_overrides", default="", help="of all runs")


class Experiments(ABC):
    """Carries out runs, and knows their outcome.

    Args:
        args: with output_dir, results, seeds, jobs and config_overrides.
        options: further options, of every training.
        data: the data sets.
    """

    script: Path  # of run_scripts/, that makes the experiments

    def __init__(self, args: Namespace, options: list[str], data: list[Data]) -> None:
        self.args = args
        self.options = options
        self.data = data

    @abstractmethod
    def needed(self) -> list[Run]:
        """The runs that the chosen tables need, each once."""

    @abstractmethod
    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """The trainings of a run, one after the other, without what is the same for all (seed, folder, steps)."""

    def carry_out_all(self) -> None:
        """Carries out all runs, `jobs` at the same time.

        Raises:
            ValueError: two runs have one folder, or options would make all of them alike.
            RuntimeError: some failed; names their logs. All others were carried out.
        """
        runs = self.needed()
        for run in runs:
            check_own(self.further_options(run))
        folders = Counter(run.folder(self.args.output_dir) for run in runs)
        if twice := [str(folder) for folder, count in folders.items() if count > 1]:
            raise ValueError(
                f"{twice[0]} would be the folder of several runs: give every seed and system once, and every data set "
                "a name of its own"
            )
        with ThreadPoolExecutor(self.args.jobs) as pool:
            failures = list(filter(None, pool.map(self._failure, runs)))
        if failures:
            again = "the same command does them again, and not the finished ones"
            raise RuntimeError("\n".join([f"{len(failures)} of {len(runs)} runs failed; {again}:", *failures]))

    def _failure(self, run: Run) -> str:
        """Carries out a run; returns what went wrong, or ""."""
        try:
            self.carry_out(run)
        except RuntimeError as error:
            return str(error)
        return ""

    def carry_out(self, run: Run) -> None:
        """Trains and tests; every stage in a process of its own, with the output in log.txt of its folder.

        Raises:
            RuntimeError: a stage failed; names the log.
        """
        folder = run.folder(self.args.output_dir)
        if is_finished(folder):
            return
        folder.mkdir(parents=True, exist_ok=True)
        for place, script, options, steps in self._commands(run):
            if place == folder or not (place / _FINISHED).is_file():
                self.start(script, options, steps)

    def _commands(self, run: Run) -> Iterator[tuple[Path, str, dict[str, Any], list[str]]]:
        """The trainings of a run: the folder of each, its script, its options, and further ones."""
        folder = previous = run.folder(self.args.output_dir)
        stages = self.stages(run, folder)
        for number, stage in enumerate(stages, 1):
            is_last = number == len(stages)
            place = folder if is_last else folder / f"stage{number}"
            options = {name: previous if value == PREVIOUS else value for name, value in stage.options.items()}
            steps = ["--do_train", *(["--do_predict"] if is_last else []), *self.further_options(run)]
            yield place, stage.script, {**options, "seed": run.seed, "output_dir": place}, steps
            previous = place

    def notes(self) -> list[str]:
        """What a page says of runs that were finished before, with other options than now: a line for each option."""
        found: dict[str, list[str]] = {}
        for run in self.needed():
            for place, script, options, steps in self._commands(run):
                for name in other_options(place, script, [*as_flags(options), *steps]):
                    found.setdefault(name, []).append(place.relative_to(self.args.output_dir).as_posix())
        return finished_before(found)

    def further_options(self, run: Run) -> list[str]:
        """Options of a run's trainings that stand behind its own, and win over them; by default `options`."""
        return self.options

    def start(self, script: str, options: Mapping[str, Any], steps: Sequence[str]) -> None:
        """Runs a script of run_scripts/ in a process of its own, with the output in log.txt of its folder.

        Args:
            script: its name.
            options: with output_dir.
            steps: further options, as they are on a command line.

        Raises:
            RuntimeError: it failed; names the log.
        """
        folder = Path(options["output_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("w") as log:
            command = [sys.executable, str(self.script.parent / script), *as_flags(options), *steps]
            done = subprocess.run(command, stdout=log, stderr=log)
        if done.returncode:
            raise RuntimeError(f"the run in {folder} failed with exit status {done.returncode}; see {folder}/log.txt")

    def overrides(self, *more: str) -> str:
        """The --config_overrides of a run: those of all runs, then its own."""
        return ",".join(filter(None, (self.args.config_overrides, *more)))

    def predictions(self, run: Run) -> list[dict[str, Any]]:
        """The lines of a run's predictions.jsonl."""
        path = run.folder(self.args.output_dir) / _PREDICTIONS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def test_figures(self, run: Run) -> dict[str, float]:
        """The figures of the test data in a run's all_results.json: "f1", "accuracy", ..."""
        return read_figures(run.folder(self.args.output_dir))


_E = TypeVar("_E", bound=Experiments)


def as_flags(options: Mapping[str, Any]) -> list[str]:
    """{"seed": 7} as ["--seed", "7"]; options that are "" are left out."""
    return [part for name, value in options.items() if value != "" for part in (f"--{name}", str(value))]


def check_own(options: Sequence[str], own: Collection[str] = ()) -> None:
    """Refuses options that would win over what experiments decide: each run's seed, folder, steps and overrides.

    Args:
        options: of some trainings, as they are on a command line.
        own: names of further ones that differ between the runs, or follow from the task.

    Raises:
        ValueError: names them.
    """
    given = [option.partition("=")[0] for option in options if option.startswith("--")]
    # a script knows --train-file by the name --train_file too
    if twice := [option for option in given if option[2:].replace("-", "_") in _OF_EVERY_RUN.union(own)]:
        raise ValueError(f"{', '.join(twice)}: what the runs have of their own is decided here; leave it out")


def other_options(folder: Path, script: str, arguments: Sequence[str]) -> list[str]:
    """The options of a finished training that are not those of a command, as far as its model card has its command.

    Files are compared by their names: a folder of data may have moved. Options that change no figure are left out.

    Args:
        folder: of the training.
        script: its name.
        arguments: the options now, as they are on a command line.
    """
    card = folder / "README.md"
    lines = card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
    head = f"python run_scripts/{script} "
    for line in (line for line in lines if line.startswith(head)):
        before, now = _values(shlex.split(line.removeprefix(head))), _values(arguments)
        names = sorted({*before, *now} - _WITHOUT_EFFECT)
        return [name for name in names if before.get(name) != now.get(name)]
    return []


def finished_before(others: Mapping[str, Sequence[str]]) -> list[str]:
    """What a page says of finished trainings that had other options: option -> their folders, a line for each."""
    head = "Finished before, with another"
    return [f"{head} --{name} (see their README.md): {', '.join(of)}." for name, of in others.items()]


def _values(arguments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Option -> its values, as a command line has them; the last one of a name wins."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for one in arguments:
        if one.startswith("--"):
            name, equals, value = one.removeprefix("--").partition("=")
            name = name.replace("-", "_")
            found[name] = (Path(value).name,) if equals else ()
        else:
            found[name] = (*found.get(name, ()), Path(one).name)
    return found


def is_finished(folder: Path) -> bool:
    """Whether a run in a folder has predicted its test data."""
    return (folder / _PREDICTIONS).is_file() and (folder / _FINISHED).is_file()


def read_figures(folder: Path) -> dict[str, float]:
    """The figures of the test data in a folder's all_results.json: "f1", "accuracy", ..."""
    found = json.loads((folder / _FINISHED).read_text(encoding="utf-8"))
    return {name.removeprefix("test_"): value for name, value in found.items() if name.startswith("test_")}


def spread(values: np.ndarray) -> str:
    """Mean, and smallest to largest, over the seeds; a dash where there is nothing to find."""
    if np.isnan(values).any():
        return "-"
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def plot_systems(panels: Mapping[str, tuple[str, Mapping[str, np.ndarray]]], path: Path) -> None:
    """A figure by data set, four in a row: every system's seeds as points, their mean as a line.

    Args:
        panels: data set -> the label of its axis, and system -> figures of the seeds.
        path: of the image.
    """
    columns = min(len(panels), _PANELS_IN_ROW)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.5 * columns, 4 * rows), layout="tight")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.remove()
    for axes, (name, (label, systems)) in zip(places, panels.items(), strict=False):
        for place, values in enumerate(systems.values()):
            axes.plot([place] * len(values), values, "o", alpha=0.6)
            axes.hlines(values.mean(), place - 0.3, place + 0.3, color="black")
        axes.set_xticks(range(len(systems)), systems, rotation=45, ha="right", fontsize=8)
        axes.set_title(name)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def write_page(
    experiments: Experiments,
    name: str,
    title: str,
    command: str,
    tables: str,
    figures: Sequence[Mapping[str, Any]],
    plots: Sequence[str],
) -> None:
    """Writes NAME.md and NAME.json into the folder of results, beside plots that are there already.

    Args:
        experiments: all of whose runs are finished.
        name: of the files.
        title: of the page.
        command: that made it.
        tables: in Markdown.
        figures: of every run.
        plots: the names of image files.
    """
    results, seeds = Path(experiments.args.results), experiments.args.seeds
    (results / f"{name}.json").write_text(json.dumps(list(figures), indent=1) + "\n", encoding="utf-8")
    head = f"# {title}\n\n```bash\n{command}\n```\n\nMean over the seeds {seeds} (smallest to largest)."
    shown = "\n".join(f"![{plot}]({plot})" for plot in plots)
    page = "\n\n".join([head, *experiments.notes(), tables, shown])
    (results / f"{name}.md").write_text(f"{page}\n", encoding="utf-8")


def run_experiments(
    parser: ArgumentParser,
    make: Callable[[Namespace, list[str]], _E],
    write: Callable[[_E, str], str],
    argv: Sequence[str] | None,
) -> str:
    """What the script of experiments does: reads options, carries out the runs, writes the results.

    Args:
        parser: of the script's own options; all others are those of the trainings.
        make: the experiments, from the script's own options and the others.
        write: writes the results, from the experiments and the command that made them; returns the tables.
        argv: options of the command line, by default those of this process.

    Returns:
        the tables, in Markdown.
    """
    args, options = parser.parse_known_args(argv)
    experiments = make(args, options)
    experiments.carry_out_all()
    given = shlex.join(sys.argv[1:] if argv is None else argv)
    return write(experiments, f"python run_scripts/{experiments.script.name} {given}")


__all__ = [
    "PREVIOUS",
    "Data",
    "Experiments",
    "Run",
    "Stage",
    "add_options",
    "as_flags",
    "check_own",
    "finished_before",
    "is_finished",
    "other_options",
    "parse_data",
    "plot_systems",
    "read_figures",
    "run_experiments",
    "spread",
    "write_page",
]

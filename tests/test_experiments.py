"""What the experiments of all papers share: data sets, trainings in stages, and the page of tables."""

import json
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from hanziformers.training.experiments import (
    PREVIOUS,
    Data,
    Experiments,
    Run,
    Stage,
    add_options,
    other_options,
    parse_data,
    plot_systems,
    run_experiments,
    spread,
    write_page,
)

RUN = Run("A+B -w/o C", Data("Weibo", "a", "", "c", "ner"), 20, 3)


class TwoStages(Experiments):
    script = Path("scripts/all.py")

    def needed(self):
        return [RUN]

    def stages(self, run, folder):
        return [Stage("one.py", {"rate": 0, "empty": ""}), Stage("two.py", {"model": PREVIOUS})]


@pytest.fixture
def commands(monkeypatch):
    """Commands that are started, and leave figures behind unless they are named `fail`."""
    started = []

    def run(command, stdout, stderr):
        started.append(command)
        folder = Path(command[command.index("--output_dir") + 1])
        (folder / "all_results.json").write_text('{"test_f1": 0.5, "train_loss": 1}')
        if "--do_predict" in command:
            (folder / "predictions.jsonl").write_text('{"text": "我"}\n', encoding="utf-8")
        return subprocess.CompletedProcess(command, 4 if "--fail" in command else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return started


def make(tmp_path, *options):
    args = Namespace(output_dir=str(tmp_path), seeds=[3], jobs=1, config_overrides="a=1")
    return TwoStages(args, list(options), [RUN.data])


def test_stages_follow_each_other(commands, tmp_path):
    experiments, folder = make(tmp_path, "--x", "y"), tmp_path / "ner-Weibo-A-B-w-o-C-20-seed3"
    experiments.carry_out_all()
    same = [sys.executable, str(Path("scripts", "one.py"))]
    assert commands == [
        [*same, "--rate", "0", "--seed", "3", "--output_dir", f"{folder}/stage1", "--do_train", "--x", "y"],
        [same[0], "scripts/two.py", "--model", f"{folder}/stage1", "--seed", "3", "--output_dir", str(folder)]
        + ["--do_train", "--do_predict", "--x", "y"],
    ]
    assert experiments.test_figures(RUN) == {"f1": 0.5}
    assert experiments.predictions(RUN) == [{"text": "我"}]
    assert experiments.overrides("b=2", "") == "a=1,b=2"
    assert RUN.folder(str(tmp_path)) == folder
    experiments.carry_out_all()
    assert len(commands) == 2


def test_a_failed_stage_names_its_log(commands, tmp_path):
    with pytest.raises(RuntimeError, match=r"stage1 failed with exit status 4; see .*stage1/log.txt"):
        make(tmp_path, "--fail").carry_out_all()
    assert len(commands) == 1


class ThreeRuns(Experiments):
    """Options of one run of its own, by which it fails."""

    script = Path("scripts/all.py")

    def needed(self):
        return [Run(name, RUN.data, 100, 3) for name in "ABC"]

    def stages(self, run, folder):
        return [Stage("one.py", {})]

    def further_options(self, run):
        return [*self.options, *(["--fail"] if run.system in self.args.failing else [])]


@pytest.mark.parametrize("jobs", [1, 2])
def test_other_runs_go_on_where_some_fail(commands, tmp_path, jobs):
    args = Namespace(output_dir=str(tmp_path), seeds=[3], jobs=jobs, config_overrides="", failing="AC")
    with pytest.raises(RuntimeError, match="2 of 3 runs failed; the same command does them again") as error:
        ThreeRuns(args, ["--x"], [RUN.data]).carry_out_all()
    assert len(commands) == 3
    assert all(f"ner-Weibo-{name}-100-seed3/log.txt" in str(error.value) for name in "AC")
    assert sorted(command[-2:] for command in commands) == [["--do_predict", "--x"], *[["--x", "--fail"]] * 2]
    args.failing = ""
    for name in "AC":  # what fails has no predictions
        (tmp_path / f"ner-Weibo-{name}-100-seed3" / "predictions.jsonl").unlink()
    ThreeRuns(args, ["--x"], [RUN.data]).carry_out_all()
    assert len(commands) == 5


@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (4, (4, 1)), (5, (4, 2)), (9, (4, 3))])
def test_panels_of_a_plot_stand_in_rows_of_four(tmp_path, count, size):
    plot_systems({f"set {one}": ("F1", {"A": np.array([0.1, 0.2])}) for one in range(count)}, tmp_path / "a.png")
    height, width = imread(tmp_path / "a.png").shape[:2]
    assert (width, height) == (540 * size[0], 480 * size[1])


def test_data_sets(tmp_path):
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_text("x")
    (data,) = parse_data([f"X={files[0]}, {files[1]},"], "pair", needs_test=False)
    assert data == Data("X", str(files[0]), str(files[1]), "", "pair")
    assert parse_data([f"X={files[0]},,{files[1]}"])[0].task == ""
    with pytest.raises(ValueError, match=r"--data 'X=a,b,' is not allowed; .* \(VALIDATION may be empty\)"):
        parse_data(["X=a,b,"])
    with pytest.raises(ValueError, match=r"--pair 'X=,b,c' is not allowed; .* \(VALIDATION and TEST may be empty\)"):
        parse_data(["X=,b,c"], "pair", needs_test=False)
    with pytest.raises(ValueError, match="there is a data set X already"):
        parse_data([f"X={files[0]},,{files[1]}"] * 2)


def test_means_and_ranges():
    assert spread(np.array([0.5])) == "0.5000"
    assert spread(np.array([0.5, 0.7])) == "0.6000 (0.5000 to 0.7000)"
    assert spread(np.array([0.5, np.nan])) == "-"


def test_a_page(tmp_path):
    parser = ArgumentParser()
    add_options(parser, "x", ["main", "more"])
    args = parser.parse_args(["--results", str(tmp_path), "--seeds", "1", "2"])
    assert (args.tables, args.output_dir, args.jobs) == (["main"], "outputs/x", 1)
    plot_systems({"Weibo": ("F1", {"A": np.array([0.1, 0.2]), "B": np.array([0.3])})}, tmp_path / "a.png")
    (tmp_path / "ner-Weibo-A-B-w-o-C-20-seed3").mkdir()
    write_page(TwoStages(args, [], []), "x", "A title", "python x.py", "| table |", [{"f1": 0.5}], ["a.png"])
    text = (tmp_path / "x.md").read_text(encoding="utf-8")
    assert text.startswith(
        "# A title\n\n```bash\npython x.py\n```\n\nMean over the seeds [1, 2] (smallest to largest)."
    )
    assert text.endswith("| table |\n\n![a.png](a.png)\n")
    assert json.loads((tmp_path / "x.json").read_text()) == [{"f1": 0.5}]
    assert (tmp_path / "a.png").stat().st_size > 1000


CARD = "# A\n\n```bash\npython run_scripts/two.py {}\n```\n"


@pytest.mark.parametrize(
    ("before", "other"),
    [
        ("--rate 3 --train_file 'my data/a.txt'", []),
        ("--rate 3 --train_file a.txt --save-total-limit 1 --output_dir other", []),
        ("--rate 3 --train-file=other/a.txt --do_train", ["do_train"]),
        ("--rate 4 --rate 3 --train_file b.txt", ["train_file"]),
        ("--rate 4 --train_file a.txt --tables a b", ["rate", "tables"]),
    ],
)
def test_options_of_a_finished_training_that_are_others(tmp_path, before, other):
    now = ["--rate", "3", "--train_file", "data/a.txt"]
    assert other_options(tmp_path, "two.py", now) == []  # it has no card
    (tmp_path / "README.md").write_text(CARD.format(before), encoding="utf-8")
    assert other_options(tmp_path, "two.py", now) == other
    assert other_options(tmp_path, "one.py", now) == []


def test_a_page_names_runs_that_had_other_options(commands, tmp_path):
    def write(experiments, command):
        write_page(experiments, "x", "A title", command, "| table |", [], [])
        return command

    def run(*options):
        parser = ArgumentParser()
        add_options(parser, "x", ["main"])
        given = ["--output_dir", str(tmp_path), "--results", str(tmp_path), "--seeds", "3", *options]
        command = run_experiments(parser, lambda args, rest: TwoStages(args, rest, [RUN.data]), write, given)
        assert command == f"python run_scripts/all.py {shlex.join(given)}"
        return (tmp_path / "x.md").read_text(encoding="utf-8")

    assert "Finished before" not in run("--x", "y")
    folder = tmp_path / "ner-Weibo-A-B-w-o-C-20-seed3"
    (folder / "README.md").write_text(CARD.format(shlex.join(commands[-1][2:])), encoding="utf-8")
    assert "Finished before" not in run("--x", "y")
    note = "Finished before, with another --x (see their README.md): ner-Weibo-A-B-w-o-C-20-seed3."
    assert run("--x", "z").count("Finished before") == run("--x", "z").count(note) == 1
    assert len(commands) == 2


@pytest.mark.parametrize(
    "option", ["--seed 5", "--seed=5", "--output-dir x", "--do_train False", "--config-overrides a=2"]
)
def test_options_that_would_make_all_runs_alike_are_refused(commands, tmp_path, option):
    with pytest.raises(ValueError, match="what the runs have of their own is decided here; leave it out"):
        make(tmp_path, "--rate", "3", *option.split()).carry_out_all()
    assert not commands


def test_runs_of_one_folder_are_refused(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(TwoStages, "needed", lambda self: [RUN, RUN])
    with pytest.raises(ValueError, match="-seed3 would be the folder of several runs: give every seed"):
        make(tmp_path).carry_out_all()
    assert not commands

"""run_glyce_experiments.py: which trainings are started with which options, and what the tables say of them."""

import json
import subprocess
from pathlib import Path

import pytest
from script_tools import main_of

main = main_of("run_glyce_experiments")
SYSTEMS = main.__globals__["SYSTEMS"]


@pytest.fixture
def started(monkeypatch):
    """The commands of the trainings, which do not run: each leaves its figures behind, by seed and system."""
    commands = []

    def run(command, stdout, stderr):
        split = command.index("--do_train")
        options = {name[2:]: value for name, value in zip(command[2:split:2], command[3:split:2], strict=True)}
        commands.append(options | {"script": Path(command[1]).name, "rest": command[split:]})
        folder = Path(options["output_dir"])
        folder.mkdir(exist_ok=True)
        score = 0.5 + 0.1 * int(options["seed"]) + 0.2 * ("use_glyphs" not in options.get("config_overrides", ""))
        figures = {"f1": score, "precision": score, "recall": score} if "task_name" in options else {"accuracy": score}
        if "AFQMC" in options["train_file"]:
            figures |= {"precision": score, "recall": 0.0, "f1": 0.0}
        (folder / "all_results.json").write_text(json.dumps({f"test_{key}": value for key, value in figures.items()}))
        if "--do_predict" in command:
            (folder / "predictions.jsonl").write_text("{}\n")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def data(tmp_path):
    """A data set as an option has it: all splits, or without those that are named."""

    def make(name, *missing):
        parts = []
        for split in ("train", "dev", "test"):
            path = tmp_path / f"{name}.{split}"
            path.write_text("x", encoding="utf-8")
            parts.append("" if split in missing else str(path))
        return f"{name}={','.join(parts)}"

    return make


@pytest.fixture
def run_experiments(tmp_path):
    def run(*options):
        main(["--output_dir", f"{tmp_path}/runs", "--results", f"{tmp_path}/results", *options])
        return (tmp_path / "results" / "glyce.md").read_text(encoding="utf-8")

    return run


def test_both_systems_on_all_tasks(started, run_experiments, data, tmp_path):
    options = [
        "--ner",
        data("Weibo"),
        "--cws",
        data("GSD", "dev"),
        "--pos",
        data("GSD"),
        "--pair",
        data("AFQMC", "test"),
    ]
    options += ["--single", data("ChnSentiCorp"), "--seeds", "1", "2", "--semantic_encoder", "bert"]
    text = run_experiments(*options, "--config_overrides", "glyph_dim=64", "--max_seq_length", "64")
    assert len(started) == 2 * 5 * 2  # seeds, data sets, systems
    assert {command["config_overrides"] for command in started} == {"glyph_dim=64", "glyph_dim=64,use_glyphs=false"}
    for command in started:
        assert command["rest"] == ["--do_train", "--do_predict", "--max_seq_length", "64"]
        tagger = command["script"] == "run_ner.py"
        assert tagger == (command.get("classifier") == "crf") == (command.get("task_name") in ("ner", "cws", "pos"))
        assert (command["model_type"], command["semantic_encoder"]) == ("glyce", "bert")
        assert (
            (command.get("test_fraction") == "0.1")
            == ("test_file" not in command)
            == ("AFQMC" in command["train_file"])
        )
        assert ("validation_file" in command) == (command.get("task_name") != "cws")
        assert command["num_train_epochs"] == "3.0"
    assert len({command["output_dir"] for command in started}) == len(started)  # GSD has two tasks
    assert "| Weibo | Glyce+BERT | 0.8500 (0.8000 to 0.9000) | 0.8500 (0.8000 to 0.9000) |" in text
    assert "| Weibo | BERT, as published | 0.6712 | 0.6688 | 0.6733 | - |" in text
    assert "| AFQMC | BERT | 0.6500 (0.6000 to 0.7000) | 0.0000 (0.0000 to 0.0000) | 0.0000" in text
    assert "| ChnSentiCorp | BERT | - | - | - | 0.6500 (0.6000 to 0.7000) |" in text
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert [head[-8:] for head in heads] == [f"Table {number})" for number in (2, 3, 4, 5, 6)]
    assert (tmp_path / "results" / "systems.png").stat().st_size > 1000
    assert len(json.loads((tmp_path / "results" / "glyce.json").read_text())) == len(started)
    run_experiments(*options)
    assert len(started) == 20  # finished runs are not done again


def test_switches_are_of_the_first_pair(started, run_experiments, data):
    options = ["--pair", data("AFQMC"), "--pair", data("OCNLI"), "--ner", data("Weibo"), "--seeds", "7"]
    options += ["--tables", "layers", "image_loss", "cnns", "--vocab_file", "vocab.txt"]
    text = run_experiments(*options)
    overrides = [command.get("config_overrides") for command in started]
    assert overrides == [None] + [
        *("task_layer=bilstm", "task_layer=cnn", "task_layer=bimpm", "task_layer=none", "use_image_loss=false"),
        *("glyph_cnn=vanilla", "glyph_cnn=resnet"),
    ]
    assert all("AFQMC" in command["train_file"] and command["vocab_file"] == "vocab.txt" for command in started)
    assert "## CNNs (Table 11): AFQMC" in text
    assert "| BiMPM | 1.4000 |" in text
    assert "| He et al. [2016] | 1.4000 |" in text


def test_strategies_are_stages_that_reload(started, run_experiments, data, tmp_path):
    options = ["--pair", data("AFQMC"), "--tables", "strategies", "--seeds", "1", "--semantic_encoder", "bert"]
    options += ["--num_train_epochs", "3", "--learning_rate", "1e-5", "--learning_rates", "glyph=1e-3"]
    text = run_experiments(*options, "--per_device_train_batch_size", "8")
    stages = {}
    for command in started:
        folder = Path(command["output_dir"]).relative_to(tmp_path / "runs").parts
        stages.setdefault(folder[0], []).append((folder[1:], command))
    keys = (
        "model_name_or_path",
        "model_type",
        "semantic_encoder",
        "learning_rate",
        "learning_rates",
        "num_train_epochs",
    )
    found = {}
    for system, rows in stages.items():
        name = system.removeprefix("pair-AFQMC-").removesuffix("-100-seed1")
        found[name] = [tuple(command.get(key) for key in keys) for _, command in rows]
    runs = tmp_path / "runs"
    joint, glyph = (str(runs / f"pair-AFQMC-{name}-100-seed1") for name in ("BERT-glyce-joint", "Glyph-Joint"))
    assert found == {
        "BERT-glyce-joint": [
            ("bert", None, None, "1e-05", None, "1.0"),
            (None, "glyce", f"{joint}/stage1", "0", "glyph=1e-3", "1.0"),
            (f"{joint}/stage2", None, None, "1e-05", "glyph=1e-3", "1.0"),
        ],
        "Glyph-Joint": [
            (None, "glyce", "bert", "0", "glyph=1e-3", "1.5"),
            (f"{glyph}/stage1", None, None, "1e-05", "glyph=1e-3", "1.5"),
        ],
        "Glyce-BERT": [(None, "glyce", "bert", "1e-05", "glyph=1e-3", "3.0")],
        "only-BERT": [("bert", None, None, "1e-05", None, "3.0")],
    }
    assert [place for place, _ in stages["pair-AFQMC-BERT-glyce-joint-100-seed1"]] == [("stage1",), ("stage2",), ()]
    assert [("--do_predict" in command["rest"]) for command in started].count(False) == 3
    assert "| only BERT | 0.8000 |" in text


def test_an_interrupted_strategy_goes_on_with_its_stage(started, run_experiments, data, tmp_path):
    options = ["--pair", data("AFQMC"), "--tables", "strategies", "--seeds", "1", "--semantic_encoder", "bert"]
    run_experiments(*options)
    before = len(started)
    folder = tmp_path / "runs" / "pair-AFQMC-BERT-glyce-joint-100-seed1"
    (folder / "predictions.jsonl").unlink()
    (folder / "stage2" / "all_results.json").unlink()
    run_experiments(*options)
    assert [Path(command["output_dir"]) for command in started[before:]] == [folder / "stage2", folder]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there are no data: give one of --ner, --cws, --pos, --pair, --single"),
        (["--ner", "{x}", "--tables", "layers"], "--tables layers are of the first --pair, and there is none"),
        (["--pair", "{x}", "--tables", "strategies"], "strategies begins with a BERT .*: give --semantic_encoder"),
        (["--pair", "{x}", "--config_overrides", "glyph_dim=8, task_layer=cnn"], "sets task_layer, which the tables"),
        (
            ["--single", "A=a"],
            "--single 'A=a' is not allowed; give NAME=TRAIN,VALIDATION,TEST .VALIDATION and TEST may",
        ),
        (["--ner", "{x}", "--ner", "{x}"], "--ner .* there is a data set X already"),
    ],
)
def test_what_is_refused(started, run_experiments, data, options, message):
    with pytest.raises(ValueError, match=message):
        run_experiments(*(data("X") if option == "{x}" else option for option in options))
    assert not started


def test_every_system_is_in_a_table():
    named = {system for _, rows in main.__globals__["SWITCHES"].values() for system in rows.values()}
    assert named | {"BERT"} == set(SYSTEMS)

"""run_mpm_experiments.py: which runs are started with which options, and what the tables say of their outcome."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from script_tools import main_of

main = main_of("run_mpm_experiments")
TEXTS = ["他在长江", "他在北京𰻝", "他在上海"]
GOLD = [[{"start": 2, "end": 4, "label": "LOC"}]] * 3


def found(system, seed):
    """The full model finds all; the baseline of seed n misses the first n."""
    missed = int(seed) if system.startswith("BERT") else 0
    return [[] if index < missed else gold for index, gold in enumerate(GOLD)]


@pytest.fixture
def started(monkeypatch):
    """The commands of run_ner.py, which is not run: each leaves its predictions behind."""
    commands = []

    def run(command, stdout, stderr):
        split = command.index("--do_train")
        commands.append(dict(zip(command[2:split:2], command[3:split:2], strict=True)) | {"rest": command[split:]})
        folder = Path(commands[-1]["--output_dir"])
        system = folder.name.split("-", 1)[1]
        entities = found(system, commands[-1]["--seed"])
        rows = [
            {"text": text, "entities": one, "gold": gold} for text, one, gold in zip(TEXTS, entities, GOLD, strict=True)
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "predictions.jsonl").write_text(lines, encoding="utf-8")
        (folder / "all_results.json").write_text("{}")
        characters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"他在长江北京上海"]
        (folder / "vocab.txt").write_text("\n".join(characters), encoding="utf-8")
        (folder / "config.json").write_text('{"model_type": "bert"}')
        (folder / "README.md").write_text(f"python run_scripts/run_ner.py {shlex.join(command[2:])}")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def data(tmp_path):
    """Ten labelled sentences, as one data set."""
    lines = "".join(f"在 O\n{c} B-LOC\n海 I-LOC\n。 O\n\n" for c in "一二三四五六七八九十")
    for name in ("train", "test"):
        (tmp_path / f"{name}.bio").write_text(lines, encoding="utf-8")
    return f"Sample={tmp_path}/train.bio,,{tmp_path}/test.bio"


def run_experiments(tmp_path, data, *options):
    main(["--output_dir", f"{tmp_path}/runs", "--results", f"{tmp_path}/results", "--data", data, *options])
    return (tmp_path / "results" / "mpm.md").read_text(encoding="utf-8")


def test_tables_of_all_runs(started, tmp_path, data):
    options = ["--seeds", "1", "2", "--tables", "main", "ablations", "sizes", "subsets", "--config_overrides", "a=1"]
    text = run_experiments(tmp_path, data, *options, "--learning_rate", "1e-3")
    assert len(started) == 2 * (6 + 3 * 2)  # seeds x (systems + smaller sizes x both)
    assert all(command["rest"] == ["--do_train", "--do_predict", "--learning_rate", "1e-3"] for command in started)
    assert {command["--config_overrides"] for command in started} == {
        "a=1",
        "a=1,use_glyphs=false,use_sounds=false",
        "a=1,use_sounds=false",
        "a=1,use_glyphs=false",
        "a=1,cross_modality=false",
    }
    assert sum(command.get("--glyph_encoder") == "random" for command in started) == 2
    assert not any("--validation_file" in command for command in started)
    # seed 1 misses one of three, seed 2 two: recall 2/3 and 1/3, F1 .8 and .5
    assert "| Sample | BERT+LSTM+CRF | 1.0000 (1.0000 to 1.0000) | 0.5000 (0.3333 to 0.6667) | 0.6500 (0.5000" in text
    assert "| -w/o Phn+Gly | 0.6500 (0.5000 to 0.8000) |" in text
    assert "| 20% | MPM-CNER | 1.0000 (1.0000 to 1.0000) |" in text
    assert "| Sample | -w polyPhn | 1 | 1 | 0.0000 (0.0000 to 0.0000) | 1.0000 (1.0000 to 1.0000) |" in text
    assert "| Sample | -w OOV Han | 1 | 1 | 0.5000 (0.0000 to 1.0000) |" in text
    assert all((tmp_path / "results" / name).stat().st_size > 1000 for name in ("systems.png", "sizes.png"))
    figures = json.loads((tmp_path / "results" / "mpm.json").read_text())
    assert len(figures) == len(started)
    run_experiments(tmp_path, data, *options, "--learning_rate", "1e-3")
    assert len(figures) == len(started)  # finished runs are not done again


def test_samples_are_nested_and_the_same_for_all(started, tmp_path, data):
    run_experiments(tmp_path, data, "--seeds", "1", "2", "--tables", "sizes")
    samples = {}
    for command in started:
        percent = int(re.search(r"-(\d+)-seed", command["--output_dir"])[1])
        lines = Path(command["--train_file"]).read_text(encoding="utf-8").splitlines()
        if percent < 100:
            samples.setdefault(percent, set()).add(frozenset(lines))
    assert {percent: [len(rows) for rows in found] for percent, found in samples.items()} == {10: [1], 20: [2], 50: [5]}
    ten, twenty, fifty = (next(iter(samples[percent])) for percent in (10, 20, 50))
    assert ten < twenty < fifty


@pytest.mark.parametrize("text", ["Sample", "=a,b,c", "Sample=a,b", "Sample=,b,c", "Sample=a,b,", "a b=a,b,c"])
def test_other_data_are_refused(started, tmp_path, text):
    with pytest.raises(ValueError, match=re.escape(f"--data {text!r} is not allowed; give NAME=TRAIN,VALIDATION,TEST")):
        run_experiments(tmp_path, text)
    with pytest.raises(FileNotFoundError, match="there is no file nowhere"):
        run_experiments(tmp_path, "Sample=nowhere,,nowhere")
    assert not started


def test_a_failed_run_names_its_log(monkeypatch, tmp_path, data):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3))
    with pytest.raises(RuntimeError, match=r"Sample-BERT-LSTM-CRF-100-seed1 failed with exit status 3; see .*log.txt"):
        run_experiments(tmp_path, data, "--seeds", "1")


def test_a_finished_run_keeps_the_sample_that_it_was_trained_on(started, tmp_path, data):
    options = ["--seeds", "1", "--tables", "sizes"]
    assert "Finished before" not in run_experiments(tmp_path, data, *options)
    files = sorted((tmp_path / "runs").glob("*/train-0.jsonl"))
    before, count = [file.read_text(encoding="utf-8") for file in files], len(started)
    assert len(files) == 6
    text = run_experiments(tmp_path, data, *options, "--sample_seed", "5")
    note = re.search(r"Finished before, with another --train_file \(see their README.md\): (.*)\.\n", text)[1]
    assert sorted(note.split(", ")) == [file.parent.name for file in files]
    assert [file.read_text(encoding="utf-8") for file in files] == before
    assert len(started) == count

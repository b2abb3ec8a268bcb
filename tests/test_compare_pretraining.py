"""compare_pretraining.py: which runs are compared, and with which options each is started."""

import json
import subprocess

import pytest
from script_tools import main_of

main = main_of("compare_pretraining")
ROW = {"eval_mlm_loss": 3.0, "eval_mlm_accuracy": 0.25, "eval_nsp_loss": 0.5, "eval_nsp_accuracy": 0.75}


@pytest.fixture
def started(monkeypatch):
    """The commands of run_pretraining.py, which is not run: each leaves two evaluations behind."""
    commands = []

    def run(command, check, stdout, stderr):
        assert check
        commands.append(dict(zip(command[2::2], command[3::2], strict=True)))
        folder = commands[-1]["--output_dir"]
        history = [{"step": step, **ROW} for step in (0, 6)]
        for name, content in (("loss.json", history), ("all_results.json", {})):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                json.dump(content, file)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def compare(tmp_path, *options):
    main(["--output_dir", str(tmp_path / "runs"), "--results", str(tmp_path / "results"), *options])


def test_every_run_and_seed_is_started_once_with_its_options(started, tmp_path, capsys):
    options = ["--seeds", "1", "2", "--config_overrides", "hidden_size=8", "--max_steps", "6"]
    options += ["--run", "BERT=bert", "--run", "Glyph CRM=glyph_crm:glyph_size=24,glyph_initializer=kaiming"]
    compare(tmp_path, *options)
    overrides = {"bert": "hidden_size=8", "glyph_crm": "hidden_size=8,glyph_size=24,glyph_initializer=kaiming"}
    folders = {"bert": "BERT", "glyph_crm": "Glyph-CRM"}
    assert sorted(started, key=lambda command: (command["--model_type"], command["--seed"])) == [
        {
            "--model_type": model_type,
            "--recipe": "glyph_crm",
            "--seed": seed,
            "--output_dir": str(tmp_path / "runs" / f"{folders[model_type]}-seed{seed}"),
            "--config_overrides": overrides[model_type],
            "--max_steps": "6",
        }
        for model_type in ("bert", "glyph_crm")
        for seed in ("1", "2")
    ]
    table = capsys.readouterr().out.strip()
    assert "| 6 | Glyph CRM | 3.0000 (3.0000 to 3.0000) | 0.2500 (" in table
    written = (tmp_path / "results" / "pretraining.md").read_text(encoding="utf-8")
    assert table in written
    assert "compare_pretraining.py --output_dir" in written
    assert (tmp_path / "results" / "pretraining.png").stat().st_size > 1000
    compare(tmp_path, *options)
    assert len(started) == 4  # finished runs are not done again


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (["BERT"], "--run 'BERT' is not allowed; give NAME=MODEL_TYPE"),
        (["BERT="], "--run 'BERT=' is not allowed"),
        (["=bert"], "--run '=bert' is not allowed"),
        (["BERT=:hidden_size=8"], "--run 'BERT=:hidden_size=8' is not allowed"),
        (["A=bert", "A=glyph_crm"], "--run 'A=glyph_crm' would share the folder of the run 'A'"),
        (["A B=bert", "A-B=glyph_crm"], "--run 'A-B=glyph_crm' would share the folder of the run 'A B'"),
    ],
)
def test_runs_that_would_train_something_else_are_refused(started, tmp_path, runs, message):
    with pytest.raises(ValueError, match=message):
        compare(tmp_path, *(part for run in runs for part in ("--run", run)))
    assert not started

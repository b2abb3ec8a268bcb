"""compare_pretraining.py: which runs are compared, and with which options each is started."""

import json
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from script_tools import main_of

main = main_of("compare_pretraining")
SCRIPTS = f"{Path(__file__).parents[1] / 'run_scripts'}/"
ROW = {"eval_mask_loss": 3.0, "eval_mask_accuracy": 0.25, "eval_nsp_accuracy": 0.75}
END = {**ROW, "eval_chance_accuracy": 0.03}


@pytest.fixture
def started(monkeypatch):
    """The commands of run_pretraining.py, which is not run: each leaves two evaluations behind, or fails.

    One with the override `killed` ends after its training, before the evaluation.
    """
    commands = []

    def run(command, stdout, stderr):
        commands.append(dict(zip(command[2::2], command[3::2], strict=True)))
        assert commands[-1].pop("--validation_files") == "v.txt"
        if "fails" in commands[-1]["--config_overrides"]:
            stdout.write("no such field\n")
            return SimpleNamespace(returncode=1)
        folder = commands[-1]["--output_dir"]
        if "killed" in commands[-1]["--config_overrides"]:
            Path(folder, "all_results.json").write_text('{"train_loss": 3.0}', encoding="utf-8")
            return SimpleNamespace(returncode=0)
        Path(folder, "README.md").write_text(f"python run_scripts/{shlex.join(command[1:])[len(SCRIPTS) :]}\n")
        history = [{"step": step, **ROW} for step in (0, 6)]
        for name, content in (("loss.json", history), ("all_results.json", END)):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                json.dump(content, file)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def compare(tmp_path, *options):
    folders = ["--output_dir", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    main([*folders, "--validation_files", "v.txt", *options])


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
            "--learning_rate": "0.001",
            "--max_steps": "6",
        }
        for model_type in ("bert", "glyph_crm")
        for seed in ("1", "2")
    ]
    assert "| Glyph CRM | 3.0000 ± 0.0000 | 3.0000 ± 0.0000 |" in capsys.readouterr().out
    compare(tmp_path, *options)
    assert len(started) == 4  # finished runs are not done again


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert_tied", {"--config_overrides": "a=1,tie_word_embeddings=true"}),
        (
            "bert_untied_20x",
            {"--config_overrides": "a=1,tie_word_embeddings=false", "--learning_rates": "embeddings=0.02"},
        ),
        (
            "bert_frozen_table",
            {"--config_overrides": "a=1,tie_word_embeddings=false", "--learning_rates": "embeddings=0"},
        ),
        ("glyph_crm", {"--config_overrides": "a=1,b=2"}),
        (
            "glyph_crm_whiten_3x_permuted",
            {
                "--config_overrides": "a=1,b=2,feature_norm=whiten",
                "--learning_rates": "glyph_linear=0.003",
                "--permute_glyphs": "5",
            },
        ),
        (
            "glyph_crm_frozen_standard_2.5x",
            {"--config_overrides": "a=1,b=2,feature_norm=standard", "--learning_rates": "glyph=0,glyph_linear=0.0025"},
        ),
        (
            "glyph_crm_0.03x_cnn0.1x",
            {"--config_overrides": "a=1,b=2", "--learning_rates": "glyph_linear=3e-05,glyph=0.0001"},
        ),
        (
            "pixels_whiten_2x_adaptive_permuted",
            {
                "--config_overrides": "a=1,b=2,glyph_cnn=none,feature_norm=whiten,adaptive_gradients=true",
                "--learning_rates": "glyph_linear=0.002",
                "--permute_glyphs": "5",
            },
        ),
        ("glyph_crm_adaptive", {"--config_overrides": "a=1,b=2,adaptive_gradients=true"}),
        (
            "pixels_0.5x_adaptive_random",
            {
                "--config_overrides": "a=1,b=2,glyph_cnn=none,adaptive_gradients=true",
                "--learning_rates": "glyph_linear=0.0005",
                "--random_glyphs": "5",
            },
        ),
        (
            "glyph_crm_frozen_whiten_0.1x_adaptive_permuted",
            {
                "--config_overrides": "a=1,b=2,feature_norm=whiten,adaptive_gradients=true",
                "--learning_rates": "glyph=0,glyph_linear=0.0001",
                "--permute_glyphs": "5",
            },
        ),
        ("glyph_crm_cnn0x", {"--config_overrides": "a=1,b=2", "--learning_rates": "glyph=0"}),
        (
            "pixels_whiten_random",
            {"--config_overrides": "a=1,b=2,glyph_cnn=none,feature_norm=whiten", "--random_glyphs": "5"},
        ),
    ],
)
def test_what_an_arm_is(started, tmp_path, name, expected):
    compare(tmp_path, "--arm", name, "--seeds", "5", "--config_overrides", "a=1", "--glyph_overrides", "b=2")
    (command,) = started
    common = {"--model_type": "bert" if name.startswith("bert") else "glyph_crm", "--recipe": "glyph_crm"}
    common |= {"--seed": "5", "--learning_rate": "0.001", "--output_dir": str(tmp_path / "runs" / f"{name}-seed5")}
    assert command == {**common, **expected}


def test_models_without_a_cnn_may_have_overrides_of_their_own(started, tmp_path):
    runs = ["--arm", "bert_tied", "glyph_crm", "pixels_random", "--run", "own=glyph_crm:glyph_cnn=none"]
    compare(tmp_path, *runs, "--seeds", "5", "--glyph_overrides", "b=2", "--pixel_overrides", "c=3")
    assert sorted(command["--config_overrides"] for command in started) == sorted(
        ["tie_word_embeddings=true", "b=2", "c=3,glyph_cnn=none", "c=3,glyph_cnn=none"]
    )


def test_a_run_that_fails_is_named_and_leaves_the_others_alone(started, tmp_path, capsys):
    own = ["--run", "wrong=bert:fails=1", "--jobs", "2", "--seeds", "1", "2"]
    with pytest.raises(SystemExit, match="wrong, seed 1; wrong, seed 2"):
        compare(tmp_path, "--arm", "bert_tied", "pixels", *own)
    assert len(started) == 6
    assert f"failed with exit status 1, see {tmp_path}/runs/wrong-seed2/log.txt" in capsys.readouterr().out
    assert (tmp_path / "runs" / "wrong-seed1" / "log.txt").read_text() == "no such field\n"
    page = (tmp_path / "results" / "pretraining.md").read_text(encoding="utf-8")
    assert "Failed and left out: wrong, seed 1." in page
    assert "| pixels |" in page
    assert "| wrong |" not in page
    with pytest.raises(SystemExit, match="wrong, seed 1"):  # only those are tried again
        compare(tmp_path, "--arm", "bert_tied", "pixels", *own)
    assert len(started) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "BERT"], "--run 'BERT' is not allowed; give NAME=MODEL_TYPE"),
        (["--run", "BERT="], "--run 'BERT=' is not allowed"),
        (["--run", "=bert"], "--run '=bert' is not allowed"),
        (["--run", "BERT=:hidden_size=8"], "--run 'BERT=:hidden_size=8' is not allowed"),
        (["--run", "A=bert", "--run", "A=glyph_crm"], "the run 'A' would share the folder of the run 'A'"),
        (["--run", "A B=bert", "--run", "A-B=glyph_crm"], "the run 'A-B' would share the folder of the run 'A B'"),
        (["--arm", "pixels", "--run", "pixels=bert"], "the run 'pixels' would share the folder of the run 'pixels'"),
        (["--arm", "bert"], "--arm bert is not known; give BASE.*bases are bert_tied, bert_untied"),
        (["--arm", "glyph_crm_whiten_permuted_3x"], "--arm glyph_crm_whiten_permuted_3x is not known"),
        (["--arm", "bert_tied_permuted"], "a BERT sees no glyph images; leave _permuted out"),
        (
            ["--arm", "bert_tied_cnn2x"],
            "--arm bert_tied_cnn2x is not allowed: bert_tied trains no CNN; leave _cnn2x out",
        ),
        (["--arm", "pixels_cnn2x"], "pixels trains no CNN; leave _cnn2x out"),
        (["--arm", "glyph_crm_frozen_whiten_3x_cnn2x"], "glyph_crm_frozen_whiten trains no CNN; leave _cnn2x out"),
        (["--arm", "glyph_crm_frozen_0x_adaptive_random"], "all that makes its vectors is frozen"),
        (["--arm", "bert_tied_adaptive"], "a BERT sees no glyph images; leave _adaptive out"),
        (["--arm", "pixels_0x_adaptive"], "all that makes its vectors is frozen; leave _adaptive out"),
        (["--arm", "glyph_crm_frozen_2x", "glyph_crm_2x_cnn0x"], "'glyph_crm_2x_cnn0x' would train just what"),
        (["--arm", "bert_frozen_table", "bert_untied_0x"], "'bert_untied_0x' would train just what"),
        (["--arm", "pixels", "pixels_1x"], "'pixels_1x' would train just what 'pixels' does; leave one of them out"),
        (
            ["--arm", "pixels", "pixels_adaptive", "--glyph_overrides", "adaptive_gradients=true"],
            "'pixels_adaptive' would train just what 'pixels' does",
        ),
        (["--arm", "bert_frozen_table_20x"], "the table of bert_frozen_table is frozen; leave _20x out"),
        ([], "there is nothing to compare: give --arm or --run"),
        (["--arm", "pixels", "--seed", "4"], "--seed would be the same for all runs, which have one of their own"),
        (["--arm", "pixels", "--random_glyphs=4"], "--random_glyphs would be the same for all runs"),
        (["--arm", "bert_tied", "--permute_glyphs", "4"], "--permute_glyphs would be the same for all runs"),
        (["--arm", "pixels", "--model_type", "bert"], "--model_type would be the same for all runs"),
        (["--arm", "pixels_3x", "--learning_rates", "glyph=0"], "--learning_rates would be the same for all runs"),
        (["--arm", "pixels", "--config-overrides", "a=1"], "--config-overrides would be the same for all runs"),
        (["--arm", "pixels", "--output-dir=x"], "--output-dir would be the same for all runs"),
        (["--arm", "pixels", "--permute", "4"], "--permute would be the same for all runs"),
        (["--arm", "pixels", "--seeds", "1", "2", "1"], "--seeds .* would share a folder; give every seed once"),
        (["--arm", "pixels", "--jobs", "0"], "--jobs 0 is not allowed; give 1 or more"),
    ],
)
def test_runs_that_would_train_something_else_are_refused(started, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        compare(tmp_path, *options)
    assert not started


def test_losses_need_validation_text(started, tmp_path):
    with pytest.raises(ValueError, match="there is no validation text"):
        main(["--output_dir", str(tmp_path), "--arm", "pixels", "--train_files", "t.txt"])
    assert not started


def test_rates_of_all_runs_that_have_none_of_their_own(started, tmp_path):
    compare(tmp_path, "--run", "A=glyph_crm", "--seeds", "1", "--learning_rates", "glyph_linear=0.1")
    assert started[0]["--learning_rates"] == "glyph_linear=0.1"


def test_a_run_that_ended_before_its_evaluation_is_not_finished(started, tmp_path, capsys):
    for number in (1, 2):
        with pytest.raises(SystemExit, match="A, seed 1"):
            compare(tmp_path, "--run", "A=bert:killed=1", "--arm", "pixels", "--seeds", "1")
        assert len(started) == 1 + number
    assert "A, seed 1: failed, with no figures of an evaluation" in capsys.readouterr().out


def test_a_finished_run_of_other_options_is_named(started, tmp_path, capsys):
    pages = []
    for arms, steps in ((["pixels"], 6), (["pixels", "bert_tied"], 6), (["pixels", "bert_tied"], 60)):
        compare(tmp_path, "--arm", *arms, "--seeds", "1", "2", "--max_steps", str(steps))
        pages.append((tmp_path / "results" / "pretraining.md").read_text(encoding="utf-8"))
    assert len(started) == 4
    folders = "pixels-seed1, bert_tied-seed1, pixels-seed2, bert_tied-seed2"
    note = f"Finished before, with another --max_steps (see their README.md): {folders}."
    assert [note in page for page in pages] == ["Finished before" in page for page in pages] == [False, False, True]
    assert note in capsys.readouterr().out

"""Figures of several pre-trainings and seeds: spreads, chance, controls, and the page."""

import json

import numpy as np
import pytest

from hanziformers.training.pretraining_comparison import Outcome, page, spread, write_results

STEPS = (0, 10, 20, 30)


def left(folder, losses, accuracies, **end):
    """What run_pretraining.py leaves."""
    folder.mkdir(parents=True)
    rows = [
        {"step": step, "eval_mask_loss": loss, "eval_mask_accuracy": accuracy}
        for step, loss, accuracy in zip(STEPS, losses, accuracies, strict=True)
    ]
    (folder / "loss.json").write_text(json.dumps([{"step": 1, "loss": 9.0}, *rows]))
    figures = {**rows[-1], "eval_chance_accuracy": 0.03, **{f"eval_{name}": value for name, value in end.items()}}
    (folder / "all_results.json").write_text(json.dumps(figures))
    return folder


@pytest.fixture
def outcomes(tmp_path):
    found = []
    for name, control, shift in (("pixels", "", 0.0), ("pixels_permuted", "permuted", 0.25), ("bert", "", -0.5)):
        folders = {}
        for seed in (1, 2, 3):
            own = shift + 0.1 * seed
            near = {"withheld_true_loss": 4.0 + own, "withheld_permuted_loss": 4.5 + own, "withheld_positions": 70}
            near["withheld_unknown_loss"] = 3.75 + own
            losses = [8.0, 6.0 + own, 5.0 + own, 4.0 + own]
            accuracies = [0.0, 0.05, 0.1 - shift / 10, 0.2 - shift / 10]
            folders[seed] = left(tmp_path / f"{name}-{seed}", losses, accuracies, **near, unchanged_accuracy=0.5)
        found.append(Outcome(name, control, folders))
    return found


def test_spread_is_the_sample_deviation():
    assert spread(np.array([1.0, 2.0, 3.0])) == "2.0000 ± 1.0000"
    assert spread(np.array([0.5])) == "0.5000"
    assert spread(np.array([0.5, np.nan])) == spread(np.array([])) == "-"


def test_steps_that_all_seeds_have(tmp_path):
    folders = {seed: left(tmp_path / str(seed), [1.0, 2.0, 3.0, 4.0], [0.0] * 4) for seed in (1, 2)}
    rows = json.loads((folders[2] / "loss.json").read_text())
    (folders[2] / "loss.json").write_text(json.dumps(rows[:-1]))
    steps, values = Outcome("a", "", folders).curve("eval_mask_loss")
    assert steps.tolist() == [0, 10, 20]
    assert values.tolist() == [[1.0, 2.0, 3.0]] * 2


def test_runs_without_a_common_step_have_a_page(outcomes, tmp_path):
    folder = left(tmp_path / "other", [1.0, 2.0, 3.0, 4.0], [0.0] * 4)
    rows = [{**row, "step": row["step"] + 5} for row in json.loads((folder / "loss.json").read_text())]
    (folder / "loss.json").write_text(json.dumps(rows))
    found = write_results([outcomes[0], Outcome("other", "", {1: folder})], tmp_path / "results", "python ...")
    assert "evaluated at no step that all of them have; give them the same --eval_steps" in found
    assert "| other | - | - |" in found


def test_the_step_that_leaves_chance_and_differences_by_seed(outcomes):
    pixels, permuted, _ = outcomes
    assert [pixels.first_above("eval_mask_accuracy", level) for level in (0.06, 0.15, 0.21)] == [20, 30, None]
    assert permuted.minus(pixels, "eval_mask_loss") == pytest.approx([0.25] * 3)
    del permuted.seeds[0], permuted.ends[0]
    assert len(permuted.minus(pixels, "eval_mask_loss")) == 2


def test_the_page(outcomes, tmp_path):
    text = page(outcomes)
    for line in (
        "| model | 0 | 10 | 20 | 30 |",
        "| pixels | 8.0000 ± 0.0000 | 6.2000 ± 0.1000 | 5.2000 ± 0.1000 | 4.2000 ± 0.1000 |",
        "First step above a multiple of chance (0.0300, the commonest label)",
        "| pixels | 20 | 30 |",
        "| pixels_permuted | 0.2500 ± 0.0000 | -0.0250 ± 0.0000 |",
        "| pixels | 4.2000 ± 0.1000 | 0.5000 ± 0.0000 | -0.2500 ± 0.0000 | 70 | - | - |",
        "| bert | 0.5000 ± 0.0000 |",
    ):
        assert line in text
    assert "rare" not in text
    assert write_results(outcomes, tmp_path / "results", "python x.py", ["Failed and left out: other, seed 4."]) == text
    written = (tmp_path / "results" / "pretraining.md").read_text(encoding="utf-8")
    assert "python x.py" in written
    assert "Failed and left out: other, seed 4." in written
    assert "mean over the seeds [1, 2, 3]" in written
    assert (tmp_path / "results" / "pretraining.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "results" / "pretraining.json").read_text())
    assert figures["bert"]["seeds"] == [1, 2, 3]
    assert figures["bert"]["curves"]["eval_mask_loss"][0] == list(STEPS)
    assert figures["bert"]["end"][1]["eval_mask_loss"] == pytest.approx(3.7)


def test_without_masks_all_predicted_tokens_count(tmp_path):
    folder = left(tmp_path / "a", [1.0] * 4, [0.5] * 4)
    for name in ("loss.json", "all_results.json"):
        (folder / name).write_text((folder / name).read_text().replace("eval_mask", "eval_mlm"))
    text = page([Outcome("a", "", {1: folder})])
    assert "## Loss of the next character (nats)" in text
    assert "| a | 1.0000 | 1.0000 | 1.0000 | 1.0000 |" in text

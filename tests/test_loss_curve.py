"""loss.json and loss.png."""

import json
from types import SimpleNamespace

from PIL import Image

from hanziformers.training.loss_curve import LossCurve, write_curves

HISTORY = [{"step": 0, "eval_mlm_loss": 3.5}, {"step": 5, "loss": 3.0}, {"step": 10, "loss": 2.0, "eval_mlm_loss": 2.5}]


def test_both_files(tmp_path):
    write_curves(tmp_path / "new", HISTORY)
    assert json.loads((tmp_path / "new" / "loss.json").read_text()) == HISTORY
    curves = Image.open(tmp_path / "new" / "loss.png").convert("RGB")
    write_curves(tmp_path / "new", HISTORY[:1])
    first = Image.open(tmp_path / "new" / "loss.png").convert("RGB")
    assert curves.size == first.size
    assert curves.tobytes() != first.tobytes()


def test_the_first_process_alone_writes(tmp_path):
    args = SimpleNamespace(output_dir=str(tmp_path))
    for event in ("on_evaluate", "on_save", "on_train_end"):
        for first in (False, True):
            state = SimpleNamespace(is_world_process_zero=first, log_history=HISTORY)
            getattr(LossCurve(), event)(args, state, None)
            assert (tmp_path / "loss.json").is_file() == first
        (tmp_path / "loss.json").unlink()


def test_plots_of_ones_own(tmp_path):
    plots = {"loss": {"nats": {"loss": "training"}}, "accuracy": {"accuracy": {"eval_rci_accuracy": "RCI"}}}
    LossCurve(plots).on_evaluate(
        SimpleNamespace(output_dir=str(tmp_path)),
        SimpleNamespace(is_world_process_zero=True, log_history=HISTORY),
        None,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accuracy.png", "loss.json", "loss.png"]


def test_panels_side_by_side(tmp_path):
    """A plot is as wide as the panels that have points; a kind of figure of which nothing was logged makes none."""
    widths = []
    for more in ({}, {"eval_mask_loss": 2.4}, {"eval_vectors_mean_cosine": 0.5}, {"eval_vectors_effective_rank": 3.0}):
        history = [*HISTORY, {"step": 10, **more}]
        write_curves(tmp_path, history)
        assert json.loads((tmp_path / "loss.json").read_text()) == history
        widths.append(Image.open(tmp_path / "loss.png").size[0])
    assert widths[0] == widths[1]
    assert widths[2] == widths[3] > 1.5 * widths[0]
    write_curves(
        tmp_path, [*HISTORY, {"step": 10, "eval_vectors_mean_cosine": 0.5, "eval_vectors_effective_rank": 3.0}]
    )
    assert Image.open(tmp_path / "loss.png").size[0] > widths[3] + 500


def test_a_log_without_rows(tmp_path):
    write_curves(tmp_path, [])
    assert json.loads((tmp_path / "loss.json").read_text()) == []
    assert Image.open(tmp_path / "loss.png").size[0] > 500

"""The losses of a training: loss.json, the Trainer's log, and loss.png, the curves over the steps."""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

CURVES = {  # key of the Trainer's log -> label
    "loss": "training",
    "eval_mlm_loss": "validation, masked tokens",
    "eval_nsp_loss": "validation, next sentence",
}


class LossCurve(TrainerCallback):
    """Writes loss.json and loss.png whenever the model is evaluated or saved, so that a killed run leaves them too."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Writes both files after each evaluation."""
        if state.is_world_process_zero:
            write_curve(Path(args.output_dir), state.log_history)

    on_save = on_train_end = on_evaluate


def write_curve(folder: Path, history: list[dict]) -> None:
    """Writes both files.

    Args:
        folder: is made where it does not exist.
        history: the Trainer's log, dicts with `step` and some of the keys of `CURVES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=(8, 5), layout="tight")
    axes = figure.subplots()
    for key, label in CURVES.items():
        points = [(row["step"], row[key]) for row in history if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(folder / "loss.png", dpi=120)


__all__ = ["LossCurve", "write_curve"]

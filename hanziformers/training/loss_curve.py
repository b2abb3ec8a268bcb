"""The curves of a training: loss.json, the Trainer's log, and plots of it over the steps, such as loss.png."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# name of the file -> label of its axis, and key of the Trainer's log -> label of the curve
Plots = Mapping[str, tuple[str, Mapping[str, str]]]
LOSSES: Plots = {
    "loss": (
        "loss (nats)",
        {
            "loss": "training",
            "eval_mlm_loss": "validation, masked tokens",
            "eval_nsp_loss": "validation, next sentence",
        },
    )
}


class LossCurve(TrainerCallback):
    """Writes loss.json and the plots whenever the model is evaluated or saved, so that a killed run leaves them too.

    Args:
        plots: see `Plots`; the default is loss.png.
    """

    def __init__(self, plots: Plots = LOSSES) -> None:
        self.plots = plots

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Writes the files after each evaluation."""
        if state.is_world_process_zero:
            write_curves(Path(args.output_dir), state.log_history, self.plots)

    on_save = on_train_end = on_evaluate


def write_curves(folder: Path, history: list[dict], plots: Plots = LOSSES) -> None:
    """Writes loss.json, the log, and a .png for each plot.

    Args:
        folder: is made where it does not exist.
        history: the Trainer's log, dicts with `step` and some of the keys of `plots`.
        plots: see `Plots`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    for name, (unit, curves) in plots.items():
        figure = Figure(figsize=(8, 5), layout="tight")
        axes = figure.subplots()
        for key, label in curves.items():
            points = [(row["step"], row[key]) for row in history if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=label)
        axes.set_xlabel("step")
        axes.set_ylabel(unit)
        if axes.lines:
            axes.legend()
        axes.grid(alpha=0.3)
        figure.savefig(folder / f"{name}.png", dpi=120)


__all__ = ["LOSSES", "LossCurve", "Plots", "write_curves"]

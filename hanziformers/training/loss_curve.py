"""The curves of a training: loss.json, the Trainer's log, and plots of it over the steps, such as loss.png."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# name of the file -> label of each panel's axis -> key of the Trainer's log -> label of the curve
Plots = Mapping[str, Mapping[str, Mapping[str, str]]]
LOSSES: Plots = {
    "loss": {
        "loss (nats)": {
            "loss": "training",
            "eval_mlm_loss": "validation, masked tokens",
            "eval_mask_loss": "shown as [MASK]",
            "eval_random_loss": "shown as a random token",
            "eval_unchanged_loss": "shown unchanged",
            "eval_nsp_loss": "validation, next sentence",
        },
        "vectors of characters: cosine, ratio": {
            "eval_vectors_mean_cosine": "mean cosine",
            "eval_vectors_nearest_cosine": "cosine to the nearest",
            "eval_vectors_saturation": "saturation of tanh",
        },
        "vectors of characters: effective rank": {"eval_vectors_effective_rank": "effective rank"},
    }
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
    """Writes loss.json, the log, and a .png for each plot, with its panels side by side.

    Args:
        folder: is made where it does not exist.
        history: the Trainer's log, dicts with `step` and some of the keys of `plots`.
        plots: see `Plots`; of a plot's panels those without any point are left out, but not the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    logged = set().union(*history)
    for name, panels in plots.items():
        first = next(iter(panels))
        shown = {unit: curves for unit, curves in panels.items() if unit == first or logged & curves.keys()}
        figure = Figure(figsize=(8 + 5 * (len(shown) - 1), 5), layout="tight")
        widths = [8] + [5] * (len(shown) - 1)
        (row,) = figure.subplots(1, len(shown), squeeze=False, width_ratios=widths)
        for axes, (unit, curves) in zip(row, shown.items(), strict=True):
            for key, label in curves.items():
                points = [(line["step"], line[key]) for line in history if key in line]
                if points:
                    axes.plot(*zip(*points, strict=True), label=label)
            axes.set_xlabel("step")
            axes.set_ylabel(unit)
            if axes.lines:
                axes.legend()
            axes.grid(alpha=0.3)
        figure.savefig(folder / f"{name}.png", dpi=120)


__all__ = ["LOSSES", "LossCurve", "Plots", "write_curves"]

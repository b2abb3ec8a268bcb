"""What pre-trainings of several models and seeds show: figures, tables, plot, and a page of them.

outcomes = [Outcome("bert", "", {1: folder}), Outcome("glyph_crm", "", {1: other})]
write_results(outcomes, Path("results"), "python ...")
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from .model_card import table

OWN = (  # figures at the end, beside loss and accuracy of [MASK]
    *("mlm_loss", "mlm_accuracy", "unchanged_accuracy", "nsp_loss", "nsp_accuracy"),
    *("vectors_mean_cosine", "vectors_nearest_cosine", "vectors_effective_rank", "vectors_saturation"),
)
WAYS = ("true", "permuted", "unknown")  # how unfamiliar characters are shown, see unfamiliar_characters.py
LINES = {"": "-", "permuted": "--", "random": ":"}


class Outcome:
    """What the finished seeds of a model left.

    Args:
        name: as tables and plot call it.
        control: "permuted", "random", or "" for true glyph images; the name of a control ends with it.
        folders: of run_pretraining.py: seed -> folder; one or more.
    """

    def __init__(self, name: str, control: str, folders: Mapping[int, Path]) -> None:
        self.name, self.control, self.seeds = name, control, list(folders)
        self.histories = [json.loads((folder / "loss.json").read_text()) for folder in folders.values()]
        self.ends = [json.loads((folder / "all_results.json").read_text()) for folder in folders.values()]

    def curve(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps [S] and values [seeds, S] of a figure of the evaluations, where all seeds were evaluated."""
        rows = [dict((row["step"], row[key]) for row in history if key in row) for history in self.histories]
        steps = sorted(set.intersection(*(set(row) for row in rows)))
        return np.array(steps), np.array([[row[step] for step in steps] for row in rows])

    def end(self, key: str) -> np.ndarray:
        """A figure at the end, [seeds]; nan where a run has none."""
        return np.array([end.get(key, np.nan) for end in self.ends], float)

    def first_above(self, key: str, level: float) -> int | None:
        """The first step at which the mean over the seeds is above a level; None if it never is."""
        steps, values = self.curve(key)
        return next((int(step) for step, value in zip(steps, values.mean(0), strict=True) if value > level), None)

    def minus(self, other: "Outcome", key: str) -> np.ndarray:
        """Differences of a figure at the end, by the seeds that both have: [seeds]."""
        own, others = (dict(zip(one.seeds, one.end(key), strict=True)) for one in (self, other))
        return np.array([own[seed] - others[seed] for seed in own if seed in others])


def spread(values: np.ndarray) -> str:
    """Mean and sample standard deviation over the seeds; a dash where there is nothing to find."""
    if not len(values) or np.isnan(values).any():
        return "-"
    return f"{values.mean():.4f}" + (f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else "")


def main_figures(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Loss and accuracy that decide: those of [MASK], and of all predicted tokens where there are no masks."""
    kind = "mask" if all(len(outcome.curve("eval_mask_loss")[0]) for outcome in outcomes) else "mlm"
    return f"eval_{kind}_loss", f"eval_{kind}_accuracy"


def plot(outcomes: Sequence[Outcome], path: Path) -> None:
    """Plots the mean over the seeds, and the range between them; controls are dashed."""
    figure, keys = Figure(figsize=(14, 6), layout="tight"), main_figures(outcomes)
    for axes, key, title in zip(figure.subplots(1, 2), keys, ("loss (nats)", "accuracy"), strict=True):
        for index, outcome in enumerate(outcomes):
            steps, values = outcome.curve(key)
            style = {"color": colormaps["tab20"](index % 20), "linestyle": LINES[outcome.control]}
            axes.plot(steps, values.mean(0), label=outcome.name, **style)
            axes.fill_between(steps, values.min(0), values.max(0), alpha=0.2, color=style["color"])
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    if not np.isnan(level := chance(outcomes)):
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.1 * level))  # five times chance may be far above all curves
        axes.axhline(level, color="black", linewidth=0.8)
        axes.axhline(5 * level, color="black", linewidth=0.8, linestyle="--")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def chance(outcomes: Sequence[Outcome]) -> float:
    """The accuracy of answering with the commonest label, mean over all runs (seeds mask other tokens)."""
    return float(np.concatenate([outcome.end("eval_chance_accuracy") for outcome in outcomes]).mean())


def step_table(outcomes: Sequence[Outcome], key: str, points: int = 6) -> str:
    """A figure of every run at some steps and at the end."""
    shared = sorted(set.intersection(*({*outcome.curve(key)[0].tolist()} for outcome in outcomes)))
    if not shared:
        return "The runs were evaluated at no step that all of them have; give them the same --eval_steps."
    steps = [shared[index] for index in sorted({int(one) for one in np.linspace(0, len(shared) - 1, points)})]
    rows = []
    for outcome in outcomes:
        found, values = outcome.curve(key)
        rows.append([outcome.name, *(spread(values[:, found.tolist().index(step)]) for step in steps)])
    return table(" ".join(["model", *map(str, steps)]), rows)


def chance_table(outcomes: Sequence[Outcome], key: str) -> str:
    """When the accuracy of every run leaves chance."""
    level = chance(outcomes)
    rows = []
    for outcome in outcomes:
        firsts = [outcome.first_above(key, times * level) for times in (2, 5)]
        rows.append([outcome.name, *("-" if first is None else str(first) for first in firsts)])
    return table("model 2x_chance 5x_chance", rows)


def control_table(outcomes: Sequence[Outcome], keys: tuple[str, str]) -> str:
    """What glyph images lose at the end where they are those of other characters, or random; "" without controls."""
    by_name, rows = {outcome.name: outcome for outcome in outcomes}, []
    for outcome in outcomes:
        true = by_name.get(outcome.name.removesuffix(f"_{outcome.control}"))
        if outcome.control and true:
            rows.append([outcome.name, *(spread(outcome.minus(true, key)) for key in keys)])
    return table("control loss accuracy", rows) if rows else ""


def unfamiliar_table(outcomes: Sequence[Outcome], name: str) -> str:
    """Losses near withheld or rare characters that are shown in three ways; "" where they were not scored."""
    rows = []
    for outcome in outcomes:
        true, permuted, unknown = (outcome.end(f"eval_{name}_{way}_loss") for way in WAYS)
        if not np.isnan(true).any():
            cells = [true, permuted - true, unknown - true]
            number = outcome.end(f"eval_{name}_positions").mean()
            rows.append([outcome.name, *map(spread, cells), f"{number:.0f}"])
            rows[-1] += [spread(outcome.end(f"eval_{name}_label_{key}")) for key in ("loss", "accuracy")]
    return table("model true permuted-true unknown-true positions own_loss own_accuracy", rows) if rows else ""


def page(outcomes: Sequence[Outcome]) -> str:
    """All tables."""
    loss, accuracy = main_figures(outcomes)
    what = "[MASK]" if "mask" in loss else "the next character"
    own = [name for name in OWN if not all(np.isnan(outcome.end(f"eval_{name}")).any() for outcome in outcomes)]
    ends = [[outcome.name, *(spread(outcome.end(f"eval_{name}")) for name in own)] for outcome in outcomes]
    parts = {
        f"Loss of {what} (nats)": step_table(outcomes, loss),
        f"Accuracy of {what}": step_table(outcomes, accuracy),
        f"First step above a multiple of chance ({chance(outcomes):.4f}, the commonest label)": chance_table(
            outcomes, accuracy
        ),
        "Controls: control minus true glyph images, at the end, by seeds": control_table(outcomes, (loss, accuracy)),
        "Near characters withheld from training: loss": unfamiliar_table(outcomes, "withheld"),
        "Near rare characters: loss, and at them": unfamiliar_table(outcomes, "rare"),
        "At the end": table(" ".join(["model", *own]), ends) if own else "",
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items() if text)


def write_results(outcomes: Sequence[Outcome], results: Path, command: str, notes: Sequence[str] = ()) -> str:
    """Writes pretraining.md, .json and .png; returns the tables.

    Args:
        outcomes: one or more.
        results: the folder.
        command: that made them.
        notes: what to say of runs that are left out, or made by other options.
    """
    results.mkdir(parents=True, exist_ok=True)
    plot(outcomes, results / "pretraining.png")
    figures = {
        outcome.name: {
            "seeds": outcome.seeds,
            "curves": {key: [each.tolist() for each in outcome.curve(key)] for key in main_figures(outcomes)},
            "end": outcome.ends,
        }
        for outcome in outcomes
    }
    (results / "pretraining.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    text = f"# Pre-training with controls\n\n```bash\n{command}\n```\n\n![Curves](pretraining.png)\n\n"
    seeds = sorted({seed for outcome in outcomes for seed in outcome.seeds})
    text += f"Validation: mean over the seeds {seeds} ± their standard deviation; the plot has their range.\n\n"
    text += "".join(f"{note}\n\n" for note in notes)
    tables = page(outcomes)
    (results / "pretraining.md").write_text(f"{text}{tables}\n", encoding="utf-8")
    return tables


__all__ = ["Outcome", "page", "spread", "write_results"]

"""What the card of a fine-tuned model says about its run: where the model comes from, and how good it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from .model_card import table
from .model_loading import ModelArguments


def origin_fields(args: ModelArguments, training_args: TrainingArguments) -> dict[str, str]:
    """The fields of a template that depend on whether the run trained.

    Args:
        args: which model the run began with.
        training_args: whether it trained, and whether it kept the best checkpoint.

    Returns:
        `start`, only where the model was not trained; `usage`, the sentence before the example; `model`, what the
        example loads; `checkpoint`, which state of the model the figures are of.
    """
    folder = Path(training_args.output_dir).name
    if training_args.do_train:
        is_best = training_args.load_best_model_at_end
        best = f"The checkpoint with the best {training_args.metric_for_best_model} on the validation data."
        return {
            "usage": "Made with hanziformers. The folder holds the model's code, so it also loads where the package is "
            "not installed:",
            "model": folder,
            "checkpoint": best if is_best else "The model as it was at the end of training.",
        }
    is_loaded = args.model_name_or_path and not args.from_scratch
    return {
        "start": f"loaded from `{args.model_name_or_path}`, not trained" if is_loaded else "with random weights",
        "usage": "Scored with hanziformers. This folder holds figures and predictions, but no model:",
        "model": str(args.model_name_or_path) if is_loaded else folder,
        "checkpoint": "The model as it was loaded, without training.",
    }


def results_section(results: dict[str, dict[str, Any]], scores: Sequence[str]) -> str:
    """The tables of the figures, by split and, where the test data have labels, by label.

    Args:
        results: figures by split, those of the test data with "by_label".
        scores: names of the figures, in the order of the columns.
    """
    if not results:
        return "No data with labels were scored."
    rows = [[name, *(found[key] for key in scores)] for name, found in results.items()]
    by_label = results.get("test", {}).get("by_label", {})
    parts = [table(f"data {' '.join(scores)}", rows)]
    if by_label:
        head = f"label {' '.join(next(iter(by_label.values())))}"
        lines = [[name, *figures.values()] for name, figures in by_label.items()]
        parts += ["Results of the test data by label:", table(head, lines)]
    return "\n\n".join(parts)


__all__ = ["origin_fields", "results_section"]

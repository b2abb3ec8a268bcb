"""A metric of `evaluate`: accuracy, macro F1 and micro F1 of texts with one label, or with several.

    metric = evaluate.load(hanziformers.training.metrics.CLASSIFICATION_SCORES)
    metric.compute(predictions=["good", "bad"], references=["good", "good"])

`evaluate.load` copies this file and the sibling that it imports; nothing is fetched from the Hub.
"""

from collections.abc import Sequence
from itertools import chain
from numbers import Integral
from typing import Any

import evaluate
import numpy as np
from datasets import Features, Value
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from .metric_rows import CheckedRows

_DESCRIPTION = "Accuracy, macro F1 and micro F1 of classified texts, by scikit-learn."
_INPUTS = """
Both inputs have one value for each text: its label (a name or an id), or the list of its labels (multi-label). A list
names the labels that apply, each once: ["food", "price"], or their ids, [0, 2]. Multi-hot rows, 0 or 1 for each label,
are refused, and so are floats (scores, logits): choose the labels first.
Args:
    labels: the labels in the order in which they are averaged and named, also those that do not occur; default: sorted.
    by_label: whether to add "by_label": precision, recall, f1 and support of every label that occurs.
    positive: a label of which precision, recall and f1 are added, 0 where it does not occur.
Returns:
    accuracy: the ratio of texts of which the label, or the whole set of labels, is right.
    macro_f1: the mean over the labels that occur, in predictions or references.
    micro_f1: over all decisions; for one label a text it equals accuracy.
"""
# in the order in which they are tried: ids fit strings once they are in a list
_FORMS = (Value("string"), Value("int64"), [Value("string")], [Value("int64")])


class ClassificationScores(CheckedRows, evaluate.Metric):
    """Compares labels, or sets of labels, of texts."""

    def _info(self) -> evaluate.MetricInfo:
        forms = [Features({"predictions": form, "references": form}) for form in _FORMS]
        return evaluate.MetricInfo(
            description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=forms, format=None
        )

    def plain_row(self, row: Any) -> Any:
        """Makes a label, or a list of labels, Python objects; a float, which would become an id, is refused."""
        row = row.tolist() if hasattr(row, "tolist") else row
        for label in row if isinstance(row, list | tuple) else [row]:
            if not isinstance(label, str | Integral):
                raise ValueError(
                    f"{label!r} is a {type(label).__name__}, no label; give the names or the ids (integers) of labels"
                )
        return row

    def _compute(
        self,
        predictions: list[Any],
        references: list[Any],
        labels: Sequence[Any] | None = None,
        by_label: bool = False,
        positive: Any = None,
    ) -> dict[str, Any]:
        multi_label = isinstance(references[0], list)
        if multi_label:
            for rows in (predictions, references):
                _check_lists(rows)
        rows = chain(predictions, references)
        names = _order(set(chain.from_iterable(rows) if multi_label else rows), labels)
        predicted, gold = (_as_numbers(rows, names, multi_label) for rows in (predictions, references))
        numbers = list(range(len(names))) or [0]
        kinds = ("macro", "micro")
        macro, micro = (f1_score(gold, predicted, labels=numbers, average=kind, zero_division=0) for kind in kinds)
        result = {
            "accuracy": float(accuracy_score(gold, predicted)),
            "macro_f1": float(macro),
            "micro_f1": float(micro),
        }
        figures = _score_labels(predicted, gold, names)
        if positive is not None:
            found = figures.get(str(positive), {})
            result |= {name: found.get(name, 0.0) for name in ("precision", "recall", "f1")}
        if by_label:
            result["by_label"] = figures
        return result


def _check_lists(rows: list[list[Any]]) -> None:
    """Refuses lists that name a label twice, and those that may be multi-hot, 0 or 1 for each label."""
    hint = "give names, or ids, of the labels that apply"
    width = len(rows[0])
    # ids 0 and 1 could look the same where every text has both labels: nobody can tell, so this is refused too
    if width > 1 and all(len(row) == width and set(row) <= {0, 1} for row in rows):
        raise ValueError(f"every row has {width} values, all 0 or 1, as {rows[0]}, which may be multi-hot; {hint}")
    for row in rows:
        if len(set(row)) < len(row):
            raise ValueError(f"the row {row} names a label twice; {hint}, each once")


def _order(occurring: set[Any], labels: Sequence[Any] | None) -> list[Any]:
    """The labels that occur, in the order of `labels`."""
    if labels is None:
        return sorted(occurring)
    unknown = sorted(occurring - set(labels))
    if unknown:
        raise ValueError(f"the labels {unknown} are none of labels={list(labels)}; give all labels, or leave it out")
    return [label for label in labels if label in occurring]


def _as_numbers(rows: list[Any], names: list[Any], multi_label: bool) -> np.ndarray:
    """Rows as indices into `names`: int64 [N]; for multi-label rows [N, K] of 0 and 1."""
    numbers = {name: number for number, name in enumerate(names)}
    if not multi_label:
        return np.array([numbers[row] for row in rows], dtype=np.int64)
    # scikit-learn takes a single column for a binary problem, where the label's absence is a class too: at least two
    encoded = np.zeros((len(rows), max(len(names), 2)), dtype=np.int64)
    for number, row in enumerate(rows):
        encoded[number, [numbers[name] for name in row]] = 1
    return encoded


def _score_labels(predicted: np.ndarray, gold: np.ndarray, names: list[Any]) -> dict[str, dict[str, Any]]:
    columns = precision_recall_fscore_support(gold, predicted, labels=list(range(len(names))), zero_division=0)
    return {
        str(name): {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(count)}
        for name, p, r, f, count in zip(names, *columns, strict=True)
    }


__all__ = ["ClassificationScores"]

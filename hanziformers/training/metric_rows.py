"""Rows as a metric of `evaluate` takes them in: made plain, and of the format that all of them together have."""

from collections.abc import Sequence
from typing import Any

from datasets import Features


class CheckedRows:
    """Mixin of an `evaluate.Metric` with several formats of features; it goes before that class.

    `evaluate` tries the formats on the first row alone, and turns values into those of a format where it can.
    """

    def plain_row(self, row: Any) -> Any:
        """Makes the row of one text plain, or refuses it with a ValueError; by default it stays as it is."""
        return row

    def add_batch(self, *, predictions: Any = None, references: Any = None, **others: Any) -> None:
        """Adds the rows of several texts, see `Metric.add_batch`."""
        given = {"predictions": predictions, "references": references}
        plain = {name: rows if rows is None else [self.plain_row(row) for row in rows] for name, rows in given.items()}
        super().add_batch(**plain, **others)

    def add(self, *, prediction: Any = None, reference: Any = None, **others: Any) -> None:
        """Adds the row of one text, see `Metric.add`."""
        super().add(prediction=self.plain_row(prediction), reference=self.plain_row(reference), **others)

    def _infer_feature_from_batch(self, batch: dict[str, Sequence[Any]]) -> Features:
        missing = [name for name, rows in batch.items() if not len(rows)]
        if missing:
            raise ValueError(f"there are no rows of {' and '.join(missing)}; give one for each text, at least one")
        # an empty list fits every format of lists: the first row that holds something tells which it is
        example = {name: next((row for row in rows if not _is_empty(row)), rows[0]) for name, rows in batch.items()}
        return self._infer_feature_from_example(example)


def _is_empty(row: Any) -> bool:
    return not isinstance(row, str) and hasattr(row, "__len__") and len(row) == 0


__all__ = ["CheckedRows"]

"""Inputs with an axis of their own, which transformers cannot pad: taken out of examples, filled up, and put back.

Axes: B examples, T tokens, M items of an example, such as the characters of a word or the words of a lexicon in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import BatchEncoding

from .character_batch import to_tensor


def without(encoded_inputs: Any, name: str) -> tuple[Any, Any]:
    """Takes a key out of examples, which transformers could not pad: (the rest, its values or None).

    Args:
        encoded_inputs: as for the tokenizer's `pad`: an example, a list of them, or key -> values.
        name: the key.
    """
    if isinstance(encoded_inputs, (list, tuple)) and encoded_inputs and isinstance(encoded_inputs[0], Mapping):
        values = [example.get(name) for example in encoded_inputs]
        others = [other for other in encoded_inputs[0] if other != name]
        return {other: [example[other] for example in encoded_inputs] for other in others}, values
    if isinstance(encoded_inputs, Mapping):
        rest = {other: value for other, value in encoded_inputs.items() if other != name}
        return rest, encoded_inputs.get(name)
    return encoded_inputs, None


@dataclass(frozen=True)
class PaddedExamples:
    """What examples look like that transformers has padded.

    Attributes:
        lengths: T of each example.
        left: whether padding stands on the left.
        batched: whether they are a batch, not one example.
        kind: of tensor: "pt" or "np"; None: they are lists.
    """

    lengths: list[int]
    left: bool
    batched: bool
    kind: str | None

    @classmethod
    def of(cls, ids: Any, left: bool) -> "PaddedExamples":
        """Reads it off their main key.

        Args:
            ids: the values of the tokenizer's main key, [T] or T of each example of a batch.
            left: whether padding stands on the left.
        """
        kind = None if isinstance(ids, list) else "np" if isinstance(ids, np.ndarray) else "pt"
        batched = len(ids) > 0 and np.ndim(ids[0]) > 0
        return cls([len(row) for row in ids] if batched else [len(ids)], left, batched, kind)

    def rows(self, values: Any) -> list[Any]:
        """The values of each example; None for each where there are none."""
        if not self.batched:
            return [values]
        return [None] * len(self.lengths) if values is None else list(values)

    def put(self, output: BatchEncoding, name: str, rows: Sequence[np.ndarray]) -> None:
        """Writes a key of the kind that the others are.

        Args:
            output: the padded examples.
            name: the key.
            rows: its values for each example.
        """
        if self.kind is None:
            output[name] = [row.tolist() for row in rows] if self.batched else rows[0].tolist()
        else:
            output[name] = to_tensor(np.array(rows) if self.batched else rows[0], self.kind)


def fill(rows: Sequence[Sequence[Any]], padding: Any) -> list[np.ndarray]:
    """Fills the rows of a batch up to equal length, on the right.

    Args:
        rows: of each example, M items, all of one shape.
        padding: an item.

    Returns:
        int64 [longest M, ...] for each example.
    """
    most = max(map(len, rows))
    filled = [np.array([*row, *[padding] * (most - len(row))], np.int64) for row in rows]
    return [row.reshape(most, *np.shape(padding)) for row in filled]


__all__ = ["PaddedExamples", "fill", "without"]

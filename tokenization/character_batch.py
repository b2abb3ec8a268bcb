"""Tensors of tokens in which what belongs to a token follows its id, so that masking an id hides all of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from transformers import BatchEncoding

ValuesOfTokens = Callable[[np.ndarray], dict[str, np.ndarray]]  # see `CharacterInputs.values_of_tokens`


class CharacterBatch(BatchEncoding):
    """A BatchEncoding of tensors or arrays whose further inputs follow `input_ids`.

    Collators that mask (transformers' DataCollatorForLanguageModeling) replace ids, in place or not, and then assign
    `input_ids` and `labels`. The glyph image or the reading of the token that was there would tell the answer. So at
    every assignment of these two keys the ids are compared with those that the other inputs were made for. Where they
    differ, the other inputs become those of the new token, or the first ones again where the first token is back;
    everywhere else they stay. Nothing depends on what the labels are, and a collator that does not change the ids
    changes nothing.

    Ids of another shape, or the same examples in another order, end this: then all keys are the caller's own. So do
    pickling, a deep copy and `dict(batch)`, which hold no more than the tensors (an unpickled batch is a plain
    BatchEncoding).
    """

    _ids: np.ndarray | None = None  # those that the other inputs were made for; None: nothing follows
    _first: tuple[np.ndarray, dict[str, Any]] | None = None  # the ids and all tensors before the first change
    _values_of_tokens: ValuesOfTokens

    @classmethod
    def of(cls, batch: BatchEncoding, values_of_tokens: ValuesOfTokens) -> "CharacterBatch":
        """Gives the same batch as one whose inputs follow.

        Args:
            batch: of tensors or arrays, with `input_ids` [...].
            values_of_tokens: ids int64 [n] -> the other inputs of these tokens, each [n, ...].
        """
        new = cls(batch.data, batch.encodings, n_sequences=batch.n_sequences)
        new._values_of_tokens = values_of_tokens
        new._ids = _to_numpy(batch["input_ids"]).copy()  # a copy: collators mask in place
        return new

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key in ("input_ids", "labels") and self._ids is not None and "input_ids" in self.data:
            self._follow()

    def __ior__(self, other: Mapping[str, Any]) -> "CharacterBatch":
        self.update(other)  # that of UserDict writes past `__setitem__`
        return self

    def _follow(self) -> None:
        ids = _to_numpy(self.data["input_ids"])
        changed = ids != self._ids if ids.shape == self._ids.shape else None
        if changed is not None and not changed.any():
            return
        if changed is None or _rows(ids) == _rows(self._ids):  # cut or padded, or put into another order
            self._ids = None
            return
        self._first = self._first or (self._ids, dict(self.data))  # not in `of`: tokenizers finish a batch after it
        self._ids = ids.copy()
        first_ids, first = self._first
        is_back = (ids == first_ids)[changed]
        for name, values in self._values_of_tokens(ids[changed]).items():
            if name in self.data:
                if name in first:
                    values[is_back] = _to_numpy(first[name])[changed][is_back]
                self.data[name] = _replaced(self.data[name], changed, values)

    def __reduce__(self) -> tuple[type, tuple]:
        return BatchEncoding, (self.data, self.encodings, None, False, self.n_sequences)


def to_tensor(array: np.ndarray, kind: Any) -> Any:
    """Gives an array as the kind of tensor that a caller named in `return_tensors`; as it is for "np" and None."""
    if kind is None or kind == "np":
        return array
    if not len(array):  # an empty list would have neither shape nor dtype
        return to_tensor(np.zeros((1, *array.shape[1:]), array.dtype), kind)[:0]
    # BatchEncoding converts lists only
    return BatchEncoding({"values": list(array) if array.ndim > 1 else array.tolist()}, tensor_type=kind)["values"]


def _rows(ids: np.ndarray) -> list[bytes]:
    """The examples of a batch, whatever their order."""
    return sorted(row.tobytes() for row in np.atleast_2d(ids))


def _to_numpy(values: Any) -> np.ndarray:
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def _replaced(values: Any, where: np.ndarray, new: np.ndarray) -> Any:
    """A copy of a tensor or array [..., *rest], with `new` [n, *rest] at the n positions that are True in `where`."""
    array = _to_numpy(values).copy()
    array[where] = new
    return array if isinstance(values, np.ndarray) else to_tensor(array, "pt").to(values.device)


__all__ = ["CharacterBatch", "ValuesOfTokens", "to_tensor"]

"""Batches of sentences in words: what a task has one value a word of is padded beside what the tokenizer pads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase


@dataclass
class WordCollator:
    """Pads rows of a data set to a batch of tensors.

    Attributes:
        tokenizer: pads its own keys, whatever its `padding_side` is: heads and predicates count the words of a
            sentence, and so padding stands behind these.
        fills: key -> value of padding, for every key that has one value a word; a row may lack one.
        pad_to_multiple_of: words that a batch is padded to a multiple of; None: to its longest sentence.
    """

    tokenizer: PreTrainedTokenizerBase
    fills: Mapping[str, int]
    pad_to_multiple_of: int | None = None

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> BatchEncoding:
        """Pads rows.

        Args:
            rows: of a data set: the keys of the tokenizer, of `fills`, and numbers, such as the place of a word.

        Returns:
            The keys of the tokenizer as its `pad` makes them, those of `fills` int64 [B, T], numbers int64 [B].
        """
        own = [{name: value for name, value in row.items() if name not in self.fills} for row in rows]
        sides = {"padding_side": "right", "pad_to_multiple_of": self.pad_to_multiple_of}
        batch = self.tokenizer.pad(own, padding=True, return_tensors="pt", **sides)
        length = batch["attention_mask"].shape[1]
        for name, fill in self.fills.items():
            if name in rows[0]:
                batch[name] = torch.from_numpy(_padded([row[name] for row in rows], length, fill))
        return batch


def _padded(values: Sequence[Sequence[int]], length: int, fill: int) -> np.ndarray:
    """Values of every row -> int64 [B, length]."""
    padded = np.full((len(values), length), fill, np.int64)
    for row, found in enumerate(values):
        padded[row, : len(found)] = found
    return padded


__all__ = ["WordCollator"]

"""Characters are encoded once an optimisation step, not once in each of the batches whose gradients are accumulated.

    batches 1..n-1:  vectors are read from leaves, detached copies of the encoder's outputs, which sum their gradients
    batch n:         vectors are read from the outputs themselves, whose gradients take the leaves' on their way back

So one backward pass goes through the encoder, within that of the last batch: its weights have their gradients when and
where they always have, and what reduces, scales and clips gradients meets nothing new. Until then the encoder's
activations for all distinct characters of the step are kept.

Axes: N rows of a bank, U distinct characters, D length of a vector.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F


class StepVectors:
    """The vectors of one optimisation step; the next one needs another.

    Args:
        is_last: whether the batch that is read now is the step's last one.
    """

    def __init__(self, is_last: Callable[[], bool]) -> None:
        self._is_last = is_last
        self._places: Tensor | None = None  # int64 [N], where a row's vector lies among all that were made, or -1
        self._made: list[Tensor] = []  # the encoder's outputs [n, D], one for each batch with new characters
        self._leaves: list[Tensor] = []  # detached copies of them

    def encode(self, keys: Tensor, rows: int, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Vectors of distinct keys.

        Args:
            keys: int64 [U]; those below `rows` are rows of the bank, which stay the same in all batches, the others
                the batch's own characters, which are encoded in each.
            rows: N.
            encode: maps keys [n] to vectors [n, D].

        Returns:
            [U, D].
        """
        if self._places is None:
            self._places = keys.new_full((rows,), -1)
        is_row = keys < rows
        places = self._places[keys.clamp(max=rows - 1)].masked_fill(~is_row, -1)  # [U]
        new = places < 0
        if new.any():
            start = sum(map(len, self._leaves))
            places[new] = torch.arange(start, start + int(new.sum()), device=keys.device)
            self._places[keys[new & is_row]] = places[new & is_row]
            self._keep(encode(keys[new]))
        if self._is_last():
            return F.embedding(places, torch.cat(self._made))
        return F.embedding(places, torch.cat(self._leaves)).to(self._made[0].dtype)

    def is_empty(self) -> bool:
        """Whether nothing was encoded yet in this step."""
        return not self._made

    def check(self) -> None:
        """Makes sure that the encoder got all gradients of the step.

        Raises:
            RuntimeError: the last batch read no characters.
        """
        if any(leaf.grad is not None for leaf in self._leaves):
            raise RuntimeError(
                "the last batch of an optimisation step read no characters, so the gradients of those of the other "
                "batches did not reach the encoder; train without --encode_once, or give every batch glyph_ids"
            )

    def _keep(self, vectors: Tensor) -> None:
        # half precision would lose small gradients in a sum over many batches
        wide = torch.promote_types(vectors.dtype, torch.float32)
        leaf = vectors.detach().to(wide).requires_grad_(vectors.requires_grad)
        if vectors.requires_grad:
            vectors.register_hook(partial(_add, leaf))
        self._made.append(vectors)
        self._leaves.append(leaf)


def _add(leaf: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of the last batch and those of the others, which the leaf hands over."""
    others, leaf.grad = leaf.grad, None
    return gradient if others is None else (gradient + others).to(gradient.dtype)


__all__ = ["StepVectors"]

"""k-order pruning for semantic role labelling: of a sentence only the words near a predicate's path are read.

He et al., 2018, "Syntax for Semantic Role Labeling, To Be, Or Not To Be". The path climbs from the predicate head by
head to the root; kept are the words from which k steps to their heads, or fewer, lead to a word of the path. With
k = 0 the path alone is kept.

Axes: B batch, T words, W words that are kept of the sentence that keeps most.
"""

import torch
from torch import Tensor

from .bilstm import take_positions
from .tracing import is_exported, is_traced

_ROUNDS = 20  # of a graph that serves any length: up to a million words; more than are needed change nothing


def pruning_orders(heads: Tensor, predicate: Tensor, mask: Tensor) -> Tensor:
    """The least k with which each word is kept: its steps to the path of the predicate.

    Args:
        heads: int64 [B, T], the head of each word, 1..T counted in its sentence, 0 = root; padding is not read.
        predicate: int64 [B], where the predicate stands, 0..T-1.
        mask: bool [B, T], left-aligned, True = word.

    Returns:
        int64 [B, T], 0..T-1; T at padding, which no k keeps.

    Raises:
        ValueError: see `check_predicates`; a head lies outside of its sentence, or heads are no tree with one root
            (seen on the CPU only).
    """
    length = heads.shape[1]
    root = heads.new_zeros(heads.shape[0], 1)  # no len(): a graph would hold it as a constant
    parents = torch.cat([root, heads.masked_fill(~mask, 0)], 1)  # [B, 1 + T], 0 is the root
    check_predicates(predicate, mask)
    checked = heads.device.type == "cpu" and not is_traced(heads)
    if checked:
        _check_heads(parents, mask)
    # every jump is twice as far as the one before: T steps in log2(T) rounds
    rounds = range(_ROUNDS if is_exported() else length.bit_length())
    jumps, path = parents, torch.zeros_like(parents).scatter(1, predicate[:, None] + 1, 1)  # path: 1 or more = on it
    for _ in rounds:
        path = (path + torch.zeros_like(path).scatter_add(1, jumps, path)).clamp(max=1)
        jumps = jumps.gather(1, jumps)
    if checked:
        _check_ends(jumps, parents, mask)
    # from here on a word of the path is where its way ends
    jumps = torch.where(path > 0, torch.arange(length + 1, device=path.device), parents)
    steps = 1 - path
    for _ in rounds:
        steps = steps + steps.gather(1, jumps)
        jumps = jumps.gather(1, jumps)
    return steps[:, 1:].masked_fill(~mask, length)


class KeptWords:
    """The words of a batch that are kept, moved together to the left.

    Args:
        keep: bool [B, T].

    Attributes:
        mask: bool [B, W], left-aligned, True = word that is kept; W >= 1.
        length: T.
    """

    def __init__(self, keep: Tensor) -> None:
        counts = keep.sum(1, keepdim=True)
        # a graph for other sentences has to have a place for every word
        width = keep.shape[1] if is_traced(keep) else max(1, int(counts.max()))
        self.length = keep.shape[1]
        self._positions = torch.argsort(~keep, dim=1, stable=True)[:, :width]  # [B, W], those that are kept first
        self.mask = torch.arange(width, device=keep.device) < counts

    def gather(self, values: Tensor, fill: float = 0) -> Tensor:
        """Values [B, T, ...] -> [B, W, ...], `fill` behind the words that are kept."""
        flat = values.flatten(2) if values.dim() > 2 else values[..., None]  # [B, T, V]
        taken = take_positions(flat, self._positions).masked_fill(~self.mask[..., None], fill)
        return taken.reshape(*self.mask.shape, *values.shape[2:])

    def scatter(self, rows: Tensor, fill: Tensor | float = 0) -> Tensor:
        """Rows [B, W, K] -> values [B, T, K], `fill` (a number or a tensor [K]) at all other words."""
        filled = torch.as_tensor(fill, dtype=rows.dtype, device=rows.device)
        values = filled.expand(rows.shape[0], self.length, rows.shape[-1])
        rows = torch.where(self.mask[..., None], rows, filled)
        return values.scatter(1, self._positions[..., None].expand_as(rows), rows)


def check_predicates(predicate: Tensor, mask: Tensor) -> None:
    """Refuses predicates int64 [B] that are no words of their sentences, mask bool [B, T] (seen on the CPU only).

    Raises:
        ValueError: also, if padding stands before words: predicates and heads count the words of a sentence.
    """
    if predicate.shape != mask.shape[:1]:
        raise ValueError(
            f"predicate has the shape {tuple(predicate.shape)}; needed is {tuple(mask.shape[:1])}: the position of one "
            "word for each sentence"
        )
    if mask.device.type != "cpu" or is_traced(mask):
        return
    counts = mask.sum(1)
    if not torch.equal(mask, torch.arange(mask.shape[1]) < counts[:, None]):
        raise ValueError(
            "the attention_mask has a 0 before a 1; padding has to follow the words (padding_side='right')"
        )
    outside = (predicate < 0) | (predicate >= counts)
    if outside.any():
        row = int(outside.nonzero()[0])
        raise ValueError(
            f"the predicate of sentence {row} is word {int(predicate[row])}, and the sentence has {int(counts[row])} "
            "words, counted from 0; give the position of one of them"
        )


def _check_heads(parents: Tensor, mask: Tensor) -> None:
    """Refuses heads, in parents [B, 1 + T], outside of their sentences."""
    counts = mask.sum(1)
    outside = (parents < 0) | (parents > counts[:, None])
    if outside.any():
        row, word = outside.nonzero()[0].tolist()
        raise ValueError(
            f"word {word} of sentence {row} has the head {int(parents[row, word])}; allowed is 1 to "
            f"{int(counts[row])}, counted in the sentence, or 0 for the root"
        )


def _check_ends(jumps: Tensor, parents: Tensor, mask: Tensor) -> None:
    """Refuses sentences in which T steps or more, jumps [B, 1 + T], do not lead to 0, or that have several roots."""
    cyclic = jumps.any(1)
    if cyclic.any():
        row = int(cyclic.nonzero()[0])
        raise ValueError(
            f"the heads {parents[row, 1:][mask[row]].tolist()} of sentence {row} go round in a circle; give those of a "
            "tree (decode_heads finds the best one)"
        )
    roots = ((parents[:, 1:] == 0) & mask).sum(1)
    if (roots != 1).any():
        row = int((roots != 1).nonzero()[0])
        raise ValueError(
            f"the heads {parents[row, 1:][mask[row]].tolist()} of sentence {row} have {int(roots[row])} roots (head "
            "0); give those of a tree, which has one"
        )


__all__ = ["KeptWords", "check_predicates", "pruning_orders"]

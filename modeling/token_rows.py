"""The positions of a batch that are tokens of its texts, gathered into left-aligned rows.

    [CLS] 我 在 北 京 [SEP] 你 好 [SEP] [PAD]   ->   我 在 北 京
                                                     你 好

What stands between two special tokens is a row of its own, so that no entity reaches from one text of a pair into the
other. Which tokens are special is said by the configuration; nothing is inferred from where they stand.

Axes: B batch, L length, R rows, W positions of the longest row.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def takes_part(input_ids: Tensor, attention_mask: Tensor | None, special_token_ids: Iterable[int]) -> Tensor:
    """Which positions are tokens of a text: bool [B, L].

    Args:
        input_ids: [B, L] int64.
        attention_mask: [B, L], 1 = token; None, or a mask of another shape, which says who sees whom, leaves no
            position out.
        special_token_ids: ids of [CLS], [SEP] and [PAD], which are left out wherever they stand.
    """
    part = torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask is not None and attention_mask.shape == input_ids.shape:
        part &= attention_mask == 1
    for special in special_token_ids:
        part &= input_ids != special
    return part


def is_token(vectors: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Which positions are tokens, bool [B, L]; all, where a mask of another shape says who sees whom.

    Args:
        vectors: [B, L, ...].
        attention_mask: [B, L], 1 = token; None takes all as tokens.
    """
    if attention_mask is None or attention_mask.dim() != 2:
        return torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
    return attention_mask == 1


class TokenRows:
    """Where each row of tokens stands in its batch.

    Args:
        part: bool [B, L], the positions that are gathered.

    Attributes:
        part: as given.
        mask: bool [R, W], left-aligned. Where no position takes part at all there is one empty row.
        text: int64 [R], the text of each row, 0..B-1.
    """

    def __init__(self, part: Tensor) -> None:
        nothing = part.new_zeros(len(part), 1)
        before, after = torch.cat((nothing, part[:, :-1]), 1), torch.cat((part[:, 1:], nothing), 1)
        first = (part & ~before).flatten().nonzero().squeeze(1)  # [R], positions in the flattened batch
        last = (part & ~after).flatten().nonzero().squeeze(1)
        if not len(first):
            first, last = first.new_zeros(1), first.new_full((1,), -1)
        lengths = last - first + 1
        steps = torch.arange(max(1, int(lengths.max())), device=part.device)
        self.part = part
        self.mask = steps < lengths[:, None]
        self.text = first // part.shape[1]
        # rows follow each other in the order of the batch: one list of positions on either side
        self._positions = part.flatten().nonzero().squeeze(1)
        self._targets = self.mask.flatten().nonzero().squeeze(1)

    def gather(self, values: Tensor, fill: float = 0) -> Tensor:
        """Values [B, L, ...] -> rows [R, W, ...], `fill` after the end of a row."""
        rows = values.new_full((self.mask.numel(), *values.shape[2:]), fill)
        rows = rows.index_copy(0, self._targets, values.flatten(0, 1).index_select(0, self._positions))
        return rows.unflatten(0, self.mask.shape)

    def scatter(self, rows: Tensor, fill: Tensor | float = 0) -> Tensor:
        """Rows [R, W, ...] -> values [B, L, ...], `fill` (a number or a tensor [...]) at all other positions."""
        filled = torch.as_tensor(fill, dtype=rows.dtype, device=rows.device)
        values = filled.expand(self.part.numel(), *rows.shape[2:])
        values = values.index_copy(0, self._positions, rows.flatten(0, 1).index_select(0, self._targets))
        return values.unflatten(0, self.part.shape)


__all__ = ["TokenRows", "is_token", "takes_part"]

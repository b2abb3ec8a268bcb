"""Gives the gradients of characters' vectors the lengths that Adam would give them, were they rows of a table.

Weights that all characters share get the sum of the characters' gradients. Adam divides by the root mean square of that
sum, in which frequent characters outweigh the rare, and so the rare hardly learn. In a table every row has a mean
square of its own. So the gradient g of a character's vector, before it goes on to the shared weights, becomes

    g * sqrt(mean(v) / v)      v <- BETA v + (1 - BETA) mean(g^2)     for every character, g = 0 where it does not occur

with mean(v) over all characters, so that gradients as a whole keep their length.

Axes: N characters, n vectors, U distinct keys, P parts of a vector, each with a v of its own, D = P * H values.
"""

from functools import partial

import torch
from torch import Tensor, nn

from .tracing import is_exported

BETA = 0.999  # as Adam's second
EXPORT_HINT = (
    "a graph of a model in training would lose adaptive_gradients, which looks at gradients: call model.eval() before "
    "it is traced or exported"
)


class AdaptiveGradients(nn.Module):
    """Vectors -> the same vectors, whose gradients are changed on their way back. v is a buffer, saved with the model.

    Every backward pass counts. In processes that train together (DDP) v is that of the first one's gradients.

    Args:
        rows: N.
        parts: P.
    """

    def __init__(self, rows: int, parts: int) -> None:
        super().__init__()
        self.register_buffer("mean_squares", torch.zeros(rows, parts))

    @torch.compiler.disable
    def forward(self, vectors: Tensor, keys: Tensor) -> Tensor:
        """Vectors [n, D] of the characters with the keys [n].

        Args:
            vectors: [n, D].
            keys: int64 [n], equal for equal characters; those of N and more are characters without a v, which take
                their gradient as the first.

        Raises:
            ValueError: a graph is exported.
        """
        if is_exported():
            raise ValueError(EXPORT_HINT)
        if not vectors.requires_grad or vectors.is_meta:
            return vectors
        seen = vectors.view_as(vectors)  # a hook on the tensor itself would be met by others' uses of it
        seen.register_hook(partial(self._adapt, keys))
        return seen

    @torch.no_grad()
    def resize(self, rows: int) -> None:
        """Cuts to so many rows, or adds some that have not been seen."""
        kept = self.mean_squares[:rows]
        self.mean_squares = torch.cat([kept, kept.new_zeros(rows - len(kept), kept.shape[1])])

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{len(self.mean_squares)}, parts={self.mean_squares.shape[1]}"

    @torch.no_grad()
    def _adapt(self, keys: Tensor, gradient: Tensor) -> Tensor:
        """Gradients [n, D] of vectors with keys [n] -> [n, D]."""
        rows, parts = self.mean_squares.shape
        distinct, places = keys.unique(return_inverse=True)  # [U], [n]
        # half precision would lose small squares, and 0.1 % of a large one
        self.mean_squares = self.mean_squares.float()
        wide = gradient.float().unflatten(-1, (parts, -1))  # [n, P, H]
        sums = wide.new_zeros(len(distinct), *wide.shape[1:]).index_add_(0, places, wide)
        squares = (1 - BETA) * sums.square().mean(-1)  # [U, P]
        is_row = (distinct < rows)[:, None]
        # gradients that overflowed, as under a loss scale that is too large, are no part of what was seen
        fresh = torch.where(squares.isfinite().all(), squares, 0.0)
        ids = distinct.clamp(max=rows - 1)
        self.mean_squares.mul_(BETA).index_add_(0, ids, fresh * is_row)
        own = torch.where(is_row, self.mean_squares[ids], squares)
        factors = (self.mean_squares.mean(0) / own).sqrt()
        factors = torch.where(own > 0, factors, 1.0)
        return (wide * factors[places][..., None]).flatten(1).to(gradient.dtype)


__all__ = ["BETA", "EXPORT_HINT", "AdaptiveGradients"]

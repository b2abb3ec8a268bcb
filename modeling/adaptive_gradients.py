"""Gives the gradients of characters' vectors the lengths that Adam would give them, were they rows of a table.

Weights that all characters share get the sum of the characters' gradients. Adam divides by the root mean square of that
sum, in which frequent characters outweigh the rare, and so the rare hardly learn. In a table every row has a mean
square of its own. So the gradient g of a character's vector, before it goes on to the shared weights, becomes

    g * sqrt(mean(v) / v)      v <- BETA v + (1 - BETA) s      s = mean(g^2) / sum of the mean(g^2) of the batch

with s = 0 for a character that the batch does not have, and mean(v) over all characters that were seen, so that
gradients as a whole keep about their length. s is a share: it does not depend on the scale of a loss.

Axes: N characters, n vectors, U distinct keys, P parts of a vector, each with a v of its own, D = P * H values.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from .feature_norm import keep_wide
from .tracing import is_exported

BETA = 0.999  # as Adam's second
EXPORT_HINT = (
    "a graph of a model in training would lose adaptive_gradients, which looks at gradients: call model.eval() before "
    "it is traced or exported, or load the model with adaptive_gradients=False"
)


class AdaptiveGradients(nn.Module):
    """Vectors -> the same vectors, whose gradients are changed on their way back. v is a buffer, saved with the model.

    Every use counts whose gradients come back. In processes that train together, each has a v of its own batches until
    DDP sends around that of the first one, before the next step. torch.compile leaves its graph here, so that
    `fullgraph=True` is refused by torch, as is the capture of a CUDA graph.

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
            keys: int64 [n], equal for equal characters. Those of N and more are characters without a v: their gradients
                stay as they are.

        Raises:
            ValueError: a graph is exported.
        """
        if is_exported():
            raise ValueError(EXPORT_HINT)
        if not vectors.requires_grad or vectors.is_meta or isinstance(vectors, FakeTensor):
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

    def _adapt(self, keys: Tensor, gradient: Tensor) -> Tensor:
        """Gradients [n, D] of vectors with keys [n] -> [n, D]."""
        wide = gradient.float().unflatten(-1, (self.mean_squares.shape[1], -1))  # [n, P, H]
        return (wide * self._factors(keys, wide)[..., None]).flatten(1).to(gradient.dtype)

    @torch.no_grad()
    def _factors(self, keys: Tensor, gradients: Tensor) -> Tensor:
        """Notes gradients [n, P, H] of vectors with keys [n]; what they are to be multiplied with, [n, P]."""
        rows = len(self.mean_squares)
        distinct, places = keys.unique(return_inverse=True)  # [U], [n]
        sums = gradients.new_zeros(len(distinct), *gradients.shape[1:]).index_add_(0, places, gradients)
        is_row, ids = (distinct < rows)[:, None], distinct.clamp(max=rows - 1)
        squares = sums.square().mean(-1) * is_row  # [U, P]
        total = squares.sum(0)
        # gradients that overflowed, as under a loss scale that is too large, are no part of what was seen
        shares = torch.where(total.isfinite() & (total > 0), squares / total, 0.0)
        self.mean_squares.mul_(BETA).index_add_(0, ids, (1 - BETA) * shares.to(self.mean_squares.dtype))
        own, all_seen = self.mean_squares[ids], (self.mean_squares > 0).sum(0)
        factors = (self.mean_squares.sum(0) / all_seen / own).sqrt()
        return torch.where(is_row & (own > 0), factors, 1.0)[places]

    def _apply(self, fn, recurse: bool = True) -> "AdaptiveGradients":  # noqa: ANN001
        """As torch, but v keeps its dtype: half precision would lose small ones."""
        return keep_wide(self, partial(super()._apply, fn, recurse))


__all__ = ["BETA", "EXPORT_HINT", "AdaptiveGradients"]

"""Gives the gradients of characters' vectors the lengths that Adam would give them, were they rows of a table.

Weights that all characters share get the sum of the characters' gradients. Adam divides by the root mean square of that
sum, in which frequent characters outweigh the rare, and so the rare hardly learn. In a table every value of every row
has a mean square of its own. So the gradient g of a character's vector, before it goes on to the shared weights,
becomes, value by value,

    g * sqrt(mean(v) / v)      v <- BETA v + (1 - BETA) s      s = g^2 / (sum of the characters' mean(g^2) in the batch)

with s = 0 for a character that the batch does not have, and mean(v) over all values of all rows, so that gradients as a
whole keep about their length once all characters were seen, and before that are shorter. s is a share: it does not
depend on the scale of a loss, and takes batches to be about equally large. v counts as SMALLEST of its mean at least,
as what is smaller is rounding. Characters without a row have one v together, as they have one row in a table, [UNK]'s.

Axes: N characters, n vectors of D values, U distinct keys.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from .feature_norm import keep_wide
from .tracing import is_exported

BETA = 0.999  # as Adam's second
SMALLEST = 1e-16  # the square of Adam's epsilon, but of the mean
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
        width: D.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean_squares", torch.zeros(rows + 1, width))  # the last: of characters without a row

    @torch.compiler.disable
    def forward(self, vectors: Tensor, keys: Tensor) -> Tensor:
        """Vectors [n, D] of the characters with the keys [n].

        Args:
            vectors: [n, D].
            keys: int64 [n], equal for equal characters. Those of N and more are characters without a row.

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
        kept, others = self.mean_squares[:-1][:rows], self.mean_squares[-1:]
        self.mean_squares = torch.cat([kept, kept.new_zeros(rows - len(kept), kept.shape[1]), others])

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{len(self.mean_squares) - 1}, {self.mean_squares.shape[1]}"

    def _adapt(self, keys: Tensor, gradients: Tensor) -> Tensor:
        """Gradients [n, D] of vectors with keys [n] -> [n, D]."""
        wide = gradients.float()
        return (wide * self._factors(keys, wide)).to(gradients.dtype)

    @torch.no_grad()
    def _factors(self, keys: Tensor, gradients: Tensor) -> Tensor:
        """Notes gradients [n, D] of vectors with keys [n]; what they are to be multiplied with, [n, D]."""
        distinct, places = keys.unique(return_inverse=True)  # [U], [n]
        squares = gradients.new_zeros(len(distinct), gradients.shape[1]).index_add_(0, places, gradients).square_()
        total = squares.mean(1).sum()
        # gradients that overflowed, as under a loss scale that is too large, are no part of what was seen
        shares = torch.where(total.isfinite() & (total > 0), squares / total, 0.0)
        ids = distinct.clamp(max=len(self.mean_squares) - 1)
        self.mean_squares.mul_(BETA).index_add_(0, ids, (1 - BETA) * shares.to(self.mean_squares.dtype))
        own, mean = self.mean_squares[ids], self.mean_squares.mean()
        return torch.where(own > 0, (mean / own.clamp(min=SMALLEST * mean)).sqrt(), 1.0)[places]

    def _apply(self, fn, recurse: bool = True) -> "AdaptiveGradients":  # noqa: ANN001
        """As torch, but v keeps its dtype: half precision would lose small ones."""
        return keep_wide(self, partial(super()._apply, fn, recurse))


__all__ = ["BETA", "EXPORT_HINT", "SMALLEST", "AdaptiveGradients"]

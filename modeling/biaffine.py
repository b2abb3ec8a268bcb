"""Biaffine attention between words and their heads (Dozat and Manning, 2017, "Deep Biaffine Attention").

    score(word, head) = [word ; 1]^T U [head ; 1]      both 1s by choice; U begins as 0

Axes: B batch, T words, S heads (words and the root), D width, K outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1  # of the leaky ReLU


class SharedDropout(nn.Module):
    """Dropout that takes the same entries from all positions of a sentence (Gal and Ghahramani, 2016).

    Args:
        p: the probability of an entry to be 0.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [B, T, D] -> the same shape."""
        if not self.training:
            return vectors
        return vectors * F.dropout(torch.ones_like(vectors[:, :1]), self.p)  # [B, 1, D]

    def extra_repr(self) -> str:
        """As of an `nn.Dropout`."""
        return f"p={self.p}"


class BiaffineMLP(nn.Module):
    """Linear, leaky ReLU, shared dropout: what a word is as a head, or as a dependent.

    Args:
        input_size: width of the input.
        size: D.
        dropout: see `SharedDropout`.
    """

    def __init__(self, input_size: int, size: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(input_size, size)
        self.dropout = SharedDropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [B, T, H] -> [B, T, D]."""
        return self.dropout(F.leaky_relu(self.dense(hidden), SLOPE))


class Biaffine(nn.Module):
    """Scores of words with heads; all 0 at first.

    Args:
        size: D, of both sides.
        outputs: K.
        head_bias: whether the vector of a head gets a 1 too; that of a word always has it, so that a head has a score
            of its own.
    """

    def __init__(self, size: int, outputs: int = 1, head_bias: bool = False) -> None:
        super().__init__()
        self.head_bias = head_bias
        self.weight = nn.Parameter(torch.zeros(outputs, size + 1, size + head_bias))

    def forward(self, words: Tensor, heads: Tensor) -> Tensor:
        """Every word with every head: words [B, T, D], heads [B, S, D] -> [B, K, T, S]."""
        return torch.einsum("btd,kde,bse->bkts", *self._with_bias(words, heads))

    def of_pairs(self, words: Tensor, heads: Tensor) -> Tensor:
        """Every word with one head: words [B, T, D], heads [B, T, D] -> [B, T, K]."""
        return torch.einsum("btd,kde,bte->btk", *self._with_bias(words, heads))

    def _with_bias(self, words: Tensor, heads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The operands: words [B, T, D + 1], weight, heads [B, S, D or D + 1]."""
        words, heads = F.pad(words, (0, 1), value=1), F.pad(heads, (0, int(self.head_bias)), value=1)
        return words, self.weight, heads

    def extra_repr(self) -> str:
        """Sizes."""
        outputs, size, _ = self.weight.shape
        return f"size={size - 1}, outputs={outputs}, head_bias={self.head_bias}"


__all__ = ["Biaffine", "BiaffineMLP", "SharedDropout"]

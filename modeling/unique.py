"""Distinct inputs are encoded once.

Text repeats its characters: in a batch of 8 x 128 positions fewer than half are distinct, in 256 x 512 about one in
forty. What depends on a character alone is therefore computed for the distinct ones and gathered. What depends on
weights alone is kept for longer: see vector_table.py.

Axes: U distinct keys, H hidden.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def encode_unique(keys: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encodes every distinct key once and gathers the vectors; gradients of copies are summed.

    Under torch.compile and torch.export the number of distinct keys would break the graph, and on the meta device it
    is not known, so all keys are encoded there; the numbers are the same.

    Args:
        keys: int64 of any shape; equal keys must have equal vectors.
        encode: maps keys [U] to vectors [U, H].

    Returns:
        The vectors, [*keys.shape, H].
    """
    if torch.compiler.is_compiling() or keys.is_meta:
        return encode(keys.flatten()).unflatten(0, keys.shape)
    distinct, inverse = torch.unique(keys, return_inverse=True)  # [U], [*keys.shape]
    return F.embedding(inverse, encode(distinct))


__all__ = ["encode_unique"]

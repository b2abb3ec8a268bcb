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

from .tracing import is_traced


def encode_unique(keys: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encodes every distinct key once and gathers the vectors; gradients of copies are summed.

    All keys are encoded, to the same numbers, where the number of distinct ones is not known (on the meta device) or
    would break a graph or be fixed in it: under torch.compile, torch.export, torch.jit.trace and ONNX export.

    Args:
        keys: int64 of any shape; equal keys must have equal vectors.
        encode: maps keys [U] to vectors [U, H].

    Returns:
        The vectors, [*keys.shape, H].
    """
    if is_traced(keys) or keys.is_meta:
        vectors = encode(keys.flatten())
        return vectors.reshape(*keys.shape, vectors.shape[-1])  # not unflatten: ONNX export would fix the sizes
    distinct, inverse = torch.unique(keys, return_inverse=True)  # [U], [*keys.shape]
    return F.embedding(inverse, encode(distinct))


__all__ = ["encode_unique"]

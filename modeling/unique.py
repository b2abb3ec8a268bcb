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


def encode_unique(keys: Tensor, encode: Callable[[Tensor], Tensor], exponent: float = 0.0) -> Tensor:
    """Encodes every distinct key once and gathers the vectors; gradients of copies are summed.

    All keys are encoded, to the same numbers, where the number of distinct ones is not known (on the meta device) or
    would break a graph or be fixed in it: under torch.compile, torch.export, torch.jit.trace and ONNX export.

    Args:
        keys: int64 of any shape; equal keys must have equal vectors.
        encode: maps keys [U] to vectors [U, H].
        exponent: the gradient of a key's vector is divided by how often the key occurs, to this power.

    Returns:
        The vectors, [*keys.shape, H].
    """
    if is_traced(keys) or keys.is_meta:
        flat = keys.flatten()
        vectors = encode(flat)
        if exponent:
            # [n, n], as keys may be any: graphs of a bank, which knows how many there may be, take `count_keys`
            vectors = divide_gradient(vectors, (flat[:, None] == flat).sum(1), exponent)
        return vectors.reshape(*keys.shape, vectors.shape[-1])  # not unflatten: ONNX export would fix the sizes
    distinct, inverse = torch.unique(keys, return_inverse=True)  # [U], [*keys.shape]
    vectors = encode(distinct)
    if exponent:
        vectors = divide_gradient(vectors, inverse.flatten().bincount(minlength=len(distinct)), exponent)
    return F.embedding(inverse, vectors)


def count_keys(keys: Tensor, number: int) -> Tensor:
    """How often each of the keys [n], in 0..number - 1, is among them: [n], by steps that are the same for all values.

    A comparison of all with all would need gigabytes for a long batch, where a graph is not fused.
    """
    return keys.new_zeros(number).scatter_add(0, keys, torch.ones_like(keys))[keys]


def divide_gradient(vectors: Tensor, counts: Tensor, exponent: float) -> Tensor:
    """The same vectors [n, H], whose gradient is divided by counts [n] ** exponent on its way back."""
    kept = vectors.detach()
    # as floats: torch refuses negative powers of integers, and an exponent may be the integer 1
    wide = counts[:, None].to(torch.promote_types(vectors.dtype, torch.float32))
    return kept + (vectors - kept) * (wide**-exponent).to(vectors.dtype)


__all__ = ["count_keys", "divide_gradient", "encode_unique"]

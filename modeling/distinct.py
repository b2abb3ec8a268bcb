"""Work on distinct inputs once: the two ways in which the models here save time.

Text repeats its characters: in a batch of 8 x 128 positions fewer than half are distinct, in 256 x 512 about one in
forty. What depends on a character alone is therefore computed for the distinct ones and gathered (`encode_distinct`);
what depends on weights alone is computed once and kept while they stay as they are (`WeightCache`).

Axes: U distinct keys, H hidden.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def encode_distinct(keys: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encodes every distinct key once and gathers the vectors; gradients of copies are summed.

    Under torch.compile and torch.export the number of distinct keys would break the graph, so all keys are encoded
    there; the numbers are the same.

    Args:
        keys: int64 of any shape; equal keys must have equal vectors.
        encode: maps keys [U] to vectors [U, H].

    Returns:
        The vectors, [*keys.shape, H].
    """
    if torch.compiler.is_compiling():
        return encode(keys.flatten()).unflatten(0, keys.shape)
    distinct, place = torch.unique(keys, return_inverse=True)
    return F.embedding(place, encode(distinct))


class WeightCache:
    """Keeps one value that depends on weights alone, and computes it anew when any of them has changed.

    A weight counts as changed when it is another tensor, has another dtype or device, or was written to (torch counts
    in-place writes: optimizer steps, `load_state_dict`, `copy_`). Writes through `.data` are not counted by torch: call
    `drop()` after them. Owners call `drop()` in `train()`. The value is neither pickled nor copied.
    """

    def __init__(self) -> None:
        self._entry: tuple[tuple, Tensor] | None = None  # key and value in one, so that threads see a whole pair

    def get(self, weights: Sequence[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        """The value of `compute()` under the present `weights`; computed without gradients, in their own dtype."""
        key = tuple((w.data_ptr(), 0 if w.is_inference() else w._version, w.shape, w.dtype, w.device) for w in weights)
        entry = self._entry
        if entry is None or entry[0] != key:
            device = weights[0].device.type
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(device, enabled=False):
                entry = self._entry = (key, compute())
        return entry[1]

    def drop(self) -> None:
        """Forgets the value."""
        self._entry = None

    def __getstate__(self) -> dict:
        return {"_entry": None}


__all__ = ["WeightCache", "encode_distinct"]

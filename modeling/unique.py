"""Work on distinct inputs once: the two ways in which the models here save time.

Text repeats its characters: in a batch of 8 x 128 positions fewer than half are distinct, in 256 x 512 about one in
forty. What depends on a character alone is therefore computed for the distinct ones and gathered (`encode_unique`);
what depends on weights alone is computed once and kept while they stay as they are (`WeightCache`).

Axes: U distinct keys, H hidden.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_module_registration_hook
from torch.optim.optimizer import register_optimizer_step_post_hook


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
    distinct, place = torch.unique(keys, return_inverse=True)
    return F.embedding(place, encode(distinct))


@contextmanager
def to_keep(device_type: str) -> Iterator[None]:
    """What is computed inside may be kept and used anywhere: no gradients, no inference tensors, no autocast."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(device_type, enabled=False):
        yield


def has_hooks(parts: Iterable[nn.Module]) -> bool:
    """Whether a forward hook looks at, or changes, what one of the parts takes or gives: then nothing may be kept."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in parts)


class WeightCache:
    """Keeps one value that depends on weights alone, and computes it anew when any of them has changed.

    A weight counts as changed when it is another tensor, has other memory, dtype or device, or was written to in place
    (`load_state_dict`, `copy_`: torch counts such writes); all count as changed after a step of any optimizer (fused
    ones write without being counted) and after any module was put into another (adapters write through `.data` when
    they are merged, and are then replaced by what they wrapped). Other writes into the memory of a weight, by
    `weight.data.add_()` or numpy, go unseen: call `drop()`, or the model's `eval()`, after them. Owners call `drop()`
    in `train()`. Of weights made in inference mode, whose writes torch never counts, nothing is kept. The value is
    neither pickled nor copied.
    """

    events = 0  # steps of all optimizers and replacements of modules in this process

    def __init__(self) -> None:
        self._entry: _Entry | None = None  # read and written as one, so that threads see all of it

    def get(self, weights: Sequence[Tensor], compute: Callable[[], Any], device_type: str | None = None) -> Any:
        """The value under the present weights.

        Args:
            weights: all that the value depends on.
            compute: called without gradients and without autocast.
            device_type: where it works; None is where the first weight is (offloaded weights are elsewhere).
        """
        known = not any(weight.is_inference() for weight in weights)
        state = [(w.data_ptr(), w._version, w.dtype, w.device) for w in weights] if known else []
        state.append(WeightCache.events)
        entry = self._entry
        if known and entry is not None and entry.state == state and all(map(_is_alive_as, entry.weights, weights)):
            return entry.value
        device_type = device_type or weights[0].device.type
        with to_keep(device_type):
            value = compute()
        memory = [weight.detach() for weight in weights]
        self._entry = _Entry([ref(weight) for weight in weights], memory, state, value) if known else None
        return value

    def drop(self) -> None:
        """Forgets the value."""
        self._entry = None

    def __getstate__(self) -> dict:
        return {"_entry": None}


class _Entry(NamedTuple):
    weights: list[ReferenceType[Tensor]]
    memory: list[Tensor]  # held, or a weight's next memory could have the address of this one
    state: list
    value: Any


def _is_alive_as(reference: ReferenceType[Tensor], weight: Tensor) -> bool:
    return reference() is weight


def _count_event(*_: Any) -> None:
    WeightCache.events += 1


register_optimizer_step_post_hook(_count_event)
register_module_module_registration_hook(_count_event)

__all__ = ["WeightCache", "encode_unique", "has_hooks", "to_keep"]

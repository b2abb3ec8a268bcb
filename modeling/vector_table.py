"""Vectors of distinct ids, kept for as long as nothing that made them has changed.

In evaluation the vector of a character depends on weights alone, so it is computed once and looked up from then on. A
stale vector would be the worst fault of this package, so one place decides whether the table may serve
(`VectorTable.look_up`), and every look-up compares the weights with what they were (`WeightState`, `_Rows.match`).

Axes: N rows of the table, U ids, D length of a vector, C compared entries of a row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as hooks_of_all

from .tracing import is_traced

ENTRIES_OF_WEIGHT = 32  # compared at every look-up; a few hundred over all weights
ENTRIES_OF_ROW = 16  # compared in each row that a batch asks for


class VectorTable:
    """A table [N, D] of vectors that are computed when they are first needed, and again after any change.

    A weight counts as changed when it is another tensor, has other memory, layout, dtype or device, or was written to
    in place (torch counts such writes). A part counts as another one when its type changes, when it has hooks, or when
    its `forward` was replaced. Some writes go uncounted: fused optimizers, adapters that are merged, and all
    others through `weight.data` or numpy. Against those, values are compared at every look-up: `ENTRIES_OF_WEIGHT`
    fixed entries of each weight, and `ENTRIES_OF_ROW` entries in the rows of `rows` that the ids name. What can still
    go unseen is an uncounted write that leaves all of those entries as they were, e.g. of one neuron of a Linear
    through `.data`, or of a few values inside a row, and another setting of a part, e.g. its stride; call `drop()`, or
    the model's `eval()`, after such a change.

    Threads may share a table. It is neither pickled nor copied. On another device than the CPU a look-up waits for the
    device, as comparing does.

    Args:
        parts: the modules that make the vectors. The table serves only while their types stay these: an adapter
            changes what a module computes, and can be switched without any weight changing.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        self._types = [type(part) for part in parts]
        self._entry: _Rows | None = None  # replaced as one object, so that a thread sees all of it or nothing
        self._lock = Lock()

    def __getstate__(self) -> dict:
        return {"_types": self._types}  # a lock cannot be pickled, and the vectors are cheap to make again

    def __setstate__(self, state: dict) -> None:
        self.__init__(())
        self.__dict__.update(state)

    def drop(self) -> None:
        """Forgets all vectors."""
        self._entry = None

    def look_up(
        self,
        ids: Tensor,
        encode: Callable[[Tensor], Tensor],
        parts: Sequence[nn.Module],
        rows: Sequence[Tensor],
        training: bool,
        whole: bool = False,
    ) -> Tensor | None:
        """Vectors of ids.

        Args:
            ids: int64 [...], 0..N-1.
            encode: maps distinct ids [U] to vectors [U, D]; called without gradients and without autocast.
            parts: the present modules, in the order of the constructor; their parameters and buffers are watched.
            rows: tensors [N, ...] of which row i has a part in vector i alone; watched too.
            training: whether the owner is in training mode.
            whole: a new table is computed for all N ids at once; else for those that are asked for.

        Returns:
            [*ids.shape, D], a tensor of the caller's own; None where the table may not be used: encode then.
        """
        if training or not self._may_serve(ids, parts):
            return None
        weights = [*rows, *tensors_of(parts)]
        if not all(map(_can_be_watched, weights)):
            return None
        entry, flat = self._entry, ids.flatten()
        if entry is None or not entry.serves(flat, weights) or not entry.match(flat).all():
            with self._lock, keepable(ids.device.type):
                entry = self._learn(flat, encode, weights, rows, whole)
        return F.embedding(ids, entry.vectors)

    def _may_serve(self, ids: Tensor, parts: Sequence[nn.Module]) -> bool:
        """Whether the parts would compute now what they computed for the table, their weights being the same."""
        if torch.is_grad_enabled() or is_traced(ids):  # a graph would hold the vectors of today
            return False
        if ids.is_meta or not ids.numel():
            return False
        return [type(part) for part in parts] == self._types and not has_hooks(parts)

    def _learn(
        self,
        ids: Tensor,
        encode: Callable[[Tensor], Tensor],
        weights: Sequence[Tensor],
        rows: Sequence[Tensor],
        whole: bool,
    ) -> "_Rows":
        """An entry that knows `ids` [U]: the present one with further rows, or a new one. The lock is held."""
        entry = self._entry  # another thread may have learnt the same in the meantime
        if entry is None or not entry.serves(ids, weights):
            # the state is noted before anything is encoded: a write in between makes the entry stale, not wrong
            entry = _Rows(WeightState(weights), rows, ids.device)
            missing = torch.arange(len(rows[0]), device=ids.device) if whole else ids.unique()
        else:
            missing = ids[~entry.match(ids)].unique()
        if len(missing):
            values = entry.values(missing)
            entry.put(missing, encode(missing), values)
        self._entry = entry  # published last, with vectors that hold all that it knows
        return entry


class WeightState:
    """Which tensors the weights were, where they lay, how often torch saw a write, and some of their values."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        # the objects themselves: a weak reference would forbid torch to swap a weight's contents (`swap_tensors`)
        self._weights = list(weights)
        self._states = [_state(weight) for weight in weights]
        kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for weight in weights:
            kinds.setdefault((weight.device, weight.dtype), []).append(_entries(weight))
        # views see later writes; they also hold the memory, so that its address is not given to another tensor
        self._views = list(kinds.values())
        self._values = [torch.cat(views) for views in self._views]

    def match(self, weights: Sequence[Tensor]) -> bool:
        """Whether the weights are as they were."""
        # first what costs no look at values; it also tells whether the views below still see the weights' memory
        if [_state(weight) for weight in weights] != self._states:
            return False
        # the same state does not mean the same tensor: versions are small numbers, and memory may be shared
        if not all(old is weight for old, weight in zip(self._weights, weights, strict=True)):
            return False
        return all(torch.equal(torch.cat(views), old) for views, old in zip(self._views, self._values, strict=True))


class _Rows:
    """Vectors that were computed under one state of the weights, and what the rows held at that time."""

    def __init__(self, state: WeightState, rows: Sequence[Tensor], device: torch.device) -> None:
        self._state = state
        self.known = torch.zeros(len(rows[0]), dtype=torch.bool, device=device)
        self.vectors: Tensor | None = None  # [N, D], from the first `put` on; rows not known are uninitialised
        self._views = [_entries(tensor, of_each_row=True) for tensor in rows]
        self._values: Tensor | None = None  # [N, C], the same

    def serves(self, ids: Tensor, weights: Sequence[Tensor]) -> bool:
        """Whether the entry stands for these weights and for ids on this device."""
        return self.known.device == ids.device and self._state.match(weights)

    def values(self, ids: Tensor) -> Tensor:
        """Ids [U] -> what their rows hold at present, [U, C]."""
        return torch.cat([view[ids] for view in self._views], dim=-1)

    def match(self, ids: Tensor) -> Tensor:
        """Ids [U] -> whether each is known and its row holds what it held then, bool [U]."""
        return self.known[ids] & (self._values[ids] == self.values(ids)).all(-1)

    def put(self, ids: Tensor, vectors: Tensor, values: Tensor) -> None:
        """Notes the vectors [U, D] of distinct sorted ids [U] and the values [U, C] of their rows."""
        if self.vectors is None and len(ids) == len(self.known):
            self.vectors, self._values = vectors, values  # all rows: no copy of a large table
            self.known.fill_(True)
            return
        if self.vectors is None:
            self._values = values.new_empty(len(self.known), values.shape[-1])
            self.vectors = vectors.new_empty(len(self.known), vectors.shape[-1])
        self.vectors[ids] = vectors
        self._values[ids] = values
        self.known[ids] = True  # last: other threads read without the lock


def has_hooks(parts: Iterable[nn.Module]) -> bool:
    """Whether a hook looks at, or changes, what one of the parts takes or gives.

    A `forward` that was set on the module itself counts as one: accelerate and the first NEFTune code hook that way.
    """
    hooked = (
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
        or "forward" in vars(part)
        for part in parts
    )
    return any(_of_all_modules()) or any(hooked)


def _of_all_modules() -> tuple[dict, ...]:
    """The hooks that torch calls for every module of the process."""
    return (
        hooks_of_all._global_forward_hooks,
        hooks_of_all._global_forward_pre_hooks,
        hooks_of_all._global_backward_hooks,
        hooks_of_all._global_backward_pre_hooks,
    )


def tensors_of(parts: Iterable[nn.Module]) -> Iterator[Tensor]:
    """The parts' own parameters and buffers, and tensors that are plain attributes.

    Replicas of DataParallel, and modules whose parameters FSDP flattens, hold their weights as plain attributes.
    """
    for part in parts:
        for tensors in (part._parameters, part._buffers, vars(part)):
            yield from (tensor for tensor in tensors.values() if isinstance(tensor, Tensor))


def fingerprint(weights: Iterable[Tensor]) -> Tensor:
    """Some entries of each weight, float32 [n] on the CPU; those of weights that cannot be watched are left out."""
    seen: dict[torch.device, list[Tensor]] = {}
    for weight in filter(_can_be_watched, weights):
        seen.setdefault(weight.device, []).append(_entries(weight).float())
    # fetched from each device at once
    return torch.cat([torch.empty(0), *(torch.cat(entries).cpu() for entries in seen.values())])


def _can_be_watched(weight: Tensor) -> bool:
    # subclasses of Tensor (sharded, quantized, fake) have no memory of their own to compare, and torch does not count
    # the writes into tensors made in inference mode
    if type(weight) not in (Tensor, nn.Parameter) or weight.is_meta or weight.is_inference():
        return False
    try:
        weight.data_ptr()
    except RuntimeError:  # sparse tensors, and those inside of vmap, have no one block of memory
        return False
    return True


@contextmanager
def keepable(device_type: str) -> Iterator[None]:
    """What is computed inside may be kept and used anywhere: no gradients, no inference tensors, no autocast."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(device_type, enabled=False):
        yield


def _state(weight: Tensor) -> tuple:
    return weight.data_ptr(), weight._version, weight.dtype, weight.device, weight.shape, weight.stride()


def _entries(weight: Tensor, of_each_row: bool = False) -> Tensor:
    """A view of some entries of a tensor, evenly spread over its memory: [C], or [N, C] with those of each row."""
    weight = weight.data  # not `detach()`, whose view holds on to the tensor and forbids `swap_tensors`
    first = 1 if of_each_row else 0
    sizes, strides = weight.shape[first:], weight.stride()[first:]
    most = ENTRIES_OF_ROW if of_each_row else ENTRIES_OF_WEIGHT
    if not weight.numel():
        return weight.reshape(*weight.shape[:first], 0)
    extent = 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    step = -(-extent // most) | 1  # odd: an even step would often meet one column of a matrix only
    count = -(-extent // step)
    # by memory, not by index, so that a transposed or channels-last weight is a view like any other
    return weight.as_strided((*weight.shape[:first], count), (*weight.stride()[:first], step))


__all__ = ["VectorTable", "WeightState", "fingerprint", "has_hooks", "keepable", "tensors_of"]

"""The forward-backward algorithm of a linear-chain CRF: log partition and marginals, with a backward of its own.

    log Z = log sum over paths y of exp(start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_n])

Both directions are one loop over positions: the backward one reads every sequence from its end. A step multiplies
probabilities (a matmul, in float64, each row scaled to the sum 1). Where that loses paths, because potentials are
hundreds of nats apart, the same loop runs again on logarithms, which is several times slower.

Axes: L length, B batch, K tags; direction 0 is forward, 1 backward.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .tracing import is_traced

_DTYPES = (torch.float32, torch.float64)  # float32 holds ratios of e**87, float64 of e**700
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # in nats, between the log partitions of two positions


class Sweep(NamedTuple):
    """What one run over a batch gives.

    Attributes:
        log_partition: [B], of the allowed paths; -inf where there is none, 0 for an empty sequence.
        marginals: [L, B, K], the probability of every tag at its position; 0 where the mask is False.
        left: [L, B, K], how probable a tag is by what stands up to its position; scaled by any factor per [L, B].
        right: as `left`, by what stands from the position on.
        exact: whether `left` and `right` are logarithms.
    """

    log_partition: Tensor
    marginals: Tensor
    left: Tensor
    right: Tensor
    exact: bool


def forward_backward(emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor) -> Sweep:
    """Runs over a batch in both directions, without a graph for autograd.

    Args:
        emissions: [B, L, K] floating point; what stands outside of the mask is not read.
        start: [K]; -inf excludes a tag.
        end: [K], as start.
        transitions: [K, K], [from, to], as start.
        mask: [B, L] bool, left-aligned; a row may be empty.
    """
    given = [value.detach() for value in (emissions, start, end, transitions)]
    positions = torch.arange(mask.shape[1], device=mask.device)
    last = mask.sum(1, keepdim=True) - 1  # [B, 1]
    # where position t stands in the sequence that is read from its end; its own inverse
    flip = torch.where(mask, last - positions, positions)  # [B, L]
    dtypes = _DTYPES if _widest(emissions) == torch.float64 else _DTYPES[:1]
    # each looks at a value, for which a GPU is waited for: a path that is lost must not pass
    for dtype in dtypes if not is_traced(emissions) else ():
        if dtype.itemsize >= emissions.dtype.itemsize:
            sweep = _scaled(*(value.to(dtype) for value in given), mask, flip)
            if sweep is not None:
                return sweep
    return _logarithms(*(value.to(dtypes[-1]) for value in given), mask, flip)


def _widest(values: Tensor) -> torch.dtype:
    return torch.float32 if values.device.type == "mps" else torch.float64  # MPS has no float64


def _in_both_directions(values: Tensor, flip: Tensor) -> Tensor:
    """Values [B, L, K] by position: [L, 2, B, K], from the first on, and from the last on."""
    batch, length = flip.shape
    rows = torch.arange(batch, device=flip.device)[:, None] * length  # where each sequence begins
    order = torch.stack((rows + torch.arange(length, device=flip.device), rows + flip))  # [2, B, L]
    # whole rows of K numbers are copied, which is faster than `gather`
    return values.flatten(0, 1).index_select(0, order.permute(2, 0, 1).flatten()).view(length, 2, batch, -1)


def _flipped(values: Tensor, flip: Tensor) -> Tensor:
    """Values [L, B, ...] of sequences that are read from their end, in the order of positions."""
    length, batch = values.shape[:2]
    order = flip.t() * batch + torch.arange(batch, device=flip.device)  # [L, B]
    return values.flatten(0, 1).index_select(0, order.flatten()).view(values.shape)


def _scaled(
    emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor, flip: Tensor
) -> Sweep | None:
    """The algorithm on scaled probabilities; None where it loses paths."""
    tops = emissions.amax(-1, keepdim=True), start.max(), end.max(), transitions.max()
    weights = (emissions - tops[0]).exp_().masked_fill_(~mask[..., None], 1)  # [B, L, K], at most 1
    weights = _in_both_directions(weights, flip)  # [L, 2, B, K]
    first = torch.stack(((start - tops[1]).exp(), (end - tops[2]).exp()))  # [2, K]
    steps = (transitions - tops[3]).exp()
    steps = torch.stack((steps, steps.t()))  # [2, K, K]
    before, after = torch.empty_like(weights), torch.empty_like(weights)
    scales = torch.empty_like(weights[..., :1])
    before[0] = first[:, None]
    # the loop that all else waits for: views are made once, and results written in place
    rows = tuple(value.unbind(0) for value in (before, after, weights, scales))
    for t, (arriving, leaving, weight, scale) in enumerate(zip(*rows, strict=True)):
        if t:
            torch.bmm(rows[1][t - 1], steps, out=arriving)
        torch.mul(arriving, weight, out=leaving)
        torch.sum(leaving, -1, keepdim=True, out=scale)
        leaving.div_(scale)
    inside = mask.t()[..., None]  # [L, B, 1]
    left, right = after[:, 0], _flipped(after[:, 1], flip)
    joint = _flipped(before[:, 1], flip).mul_(left)  # [L, B, K]; without the position's own emission a second time
    total = joint.sum(-1, keepdim=True).masked_fill_(~inside, 1)  # [L, B, 1]
    found = _agreed(scales, total, mask, flip)
    if found is None:
        return None
    count = mask.sum(1)  # [B]
    constant = tops[1] + tops[2] + tops[3] * (count - 1) + (tops[0].squeeze(-1).masked_fill(~mask, 0)).sum(1)
    marginals = joint.div_(total).masked_fill_(~inside, 0)
    return Sweep(torch.where(count > 0, found + constant, 0), marginals, left / total, right, False)


def _agreed(scales: Tensor, total: Tensor, mask: Tensor, flip: Tensor) -> Tensor | None:
    """The log partition [B] without its constant; None where the positions of a sequence disagree about it.

    It is the logarithm of what was divided out up to a position, of what was divided out after it, and of the sum
    `total` there. It is equal at all positions, unless paths were lost on one side of some.
    """
    passed = scales.squeeze(-1).to(_widest(scales)).log().cumsum(0)  # [L, 2, B]
    after = flip.t()  # [L, B]: the number of positions after each, of those inside
    later = passed[:, 1].gather(0, (after - 1).clamp(min=0)).masked_fill(after == 0, 0)
    seen = passed[:, 0] + later + total.squeeze(-1).log()  # [L, B]
    found = seen[0]
    differences = (seen - found).masked_fill(~mask.t(), 0).abs()
    return found if bool((differences <= _TOLERANCE[scales.dtype]).all()) else None  # nan does not agree either


def _logarithms(
    emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor, flip: Tensor
) -> Sweep:
    """The algorithm on logarithms: right for potentials of any size."""
    both = _in_both_directions(emissions.masked_fill(~mask[..., None], 0), flip)  # [L, 2, B, K]
    steps = torch.stack((transitions, transitions.t()))[:, None]  # [2, 1, K, K]
    before = [torch.stack((start, end))[:, None].expand_as(both[0])]
    after = [before[0] + both[0]]
    for emission in both[1:]:
        before.append((after[-1][..., None] + steps).logsumexp(-2))  # [2, B, K]
        after.append(before[-1] + emission)
    left, right = torch.stack([row[0] for row in after]), _flipped(torch.stack([row[1] for row in after]), flip)
    joint = left + _flipped(torch.stack([row[1] for row in before]), flip)  # [L, B, K]
    log_partition = torch.where(mask[:, 0], joint[0].logsumexp(-1), 0)
    marginals = joint.softmax(-1).masked_fill(~mask.t()[..., None], 0)
    return Sweep(log_partition, marginals, left, right, True)


class LogPartition(torch.autograd.Function):
    """log Z [B]; its gradients are the marginals of tags and of pairs of tags. It has no second derivative."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
        """Arguments: see `forward_backward`."""
        sweep = forward_backward(emissions, start, end, transitions, mask)
        ctx.save_for_backward(transitions, mask, *sweep[1:4])
        ctx.exact, ctx.dtypes = sweep.exact, [value.dtype for value in (emissions, start, end, transitions)]
        return sweep.log_partition

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """From the gradient of log Z, [B], to those of emissions, start, end and transitions."""
        transitions, mask, marginals, left, right = ctx.saved_tensors
        transitions, grad = transitions.to(left.dtype), grad.to(left.dtype)[:, None]  # [B, 1]
        tags = marginals * grad  # [L, B, K]
        last = (mask.sum(1) - 1).clamp(min=0)[None, :, None].expand(1, -1, tags.shape[-1])
        start, end = tags[0].sum(0), tags.gather(0, last)[0].sum(0)
        follows = mask.t()[1:, :, None]  # [L - 1, B, 1]: whether there is a pair that ends here
        if ctx.exact:
            pairs = torch.zeros_like(transitions)
            for before, after, weight in zip(left[:-1], right[1:], follows * grad, strict=True):
                # in one row of numbers, as the probabilities of all pairs sum to 1
                joint = (before[:, :, None] + transitions + after[:, None]).flatten(1).softmax(-1)  # [B, K * K]
                pairs += (joint * weight).masked_fill(weight == 0, 0).sum(0).view_as(pairs)
        else:
            # one product for all pairs; `left` is divided by what makes the probabilities of a pair sum to 1
            before = (left[:-1] * grad * follows).flatten(0, 1)  # [(L - 1) * B, K]
            pairs = (transitions - transitions.max()).exp() * (before.t() @ right[1:].flatten(0, 1))
        found = (tags.transpose(0, 1), start, end, pairs)
        return *(value.to(dtype) for value, dtype in zip(found, ctx.dtypes, strict=True)), None


__all__ = ["LogPartition", "Sweep", "forward_backward"]

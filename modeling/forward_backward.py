"""The forward-backward algorithm of a linear-chain CRF: log partition and marginals, with a backward of its own.

    log Z = log sum over paths y of exp(start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_n])

Both directions are one loop over positions: the backward one reads every sequence from its end. A step multiplies
probabilities (a matmul, each row scaled to the sum 1), in float32. Numbers below e**-87 are 0 there, and paths would be
lost with them. So every probability gets a `_FLOOR`, more than all that a step may lose: too much is counted, never too
little. Where the floor is not small beside what is counted, because potentials are dozens of nats apart, the loop runs
again in float64, and where they are hundreds of nats apart on logarithms, which is several times slower.

Axes: L length, B batch, K tags; direction 0 is forward, 1 backward.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import threshold

from .tracing import is_traced

_DTYPES = (torch.float32, torch.float64)
_FLOOR = {torch.float32: 1e-35, torch.float64: 1e-300}  # beside the greatest probability, which is 1
_LEAST = {torch.float32: 1e-20, torch.float64: 1e-200}  # what a position must count for the floor to be small
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # in nats, between the log partitions of two positions


class Sweep(NamedTuple):
    """What one run over a batch gives.

    Attributes:
        log_partition: [B] float64, of the allowed paths; -inf where there is none, 0 for an empty sequence.
        marginals: [L, B, K], the probability of every tag at its position; 0 where the mask is False or no path is.
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
    dtypes = _DTYPES if widest(emissions) == torch.float64 else _DTYPES[:1]
    # each looks at values, for which a GPU is waited for: a path that is lost must not pass
    for dtype in dtypes if emissions.numel() and not is_traced(emissions) else ():
        if dtype.itemsize >= emissions.dtype.itemsize:
            sweep = _scaled(*(value.to(dtype) for value in given), mask, flip)
            if sweep is not None:
                return sweep
    return _logarithms(*(value.to(dtypes[-1]) for value in given), mask, flip)


def widest(values: Tensor) -> torch.dtype:
    """The finest dtype that a tensor's device has."""
    return torch.float32 if values.device.type == "mps" else torch.float64  # MPS has no float64


def _in_both_directions(values: Tensor, flip: Tensor) -> Tensor:
    """Values [B, L, K] by position: [L, 2, B, K], from the first on, and from the last on."""
    batch, length = flip.shape
    rows = torch.arange(batch, device=flip.device)[:, None] * length  # where each sequence begins
    order = torch.stack((rows + torch.arange(length, device=flip.device), rows + flip))  # [2, B, L]
    # whole rows of K numbers are copied, which is faster than `gather`
    found = values.flatten(0, 1).index_select(0, order.permute(2, 0, 1).flatten())
    return found.view(length, 2, batch, values.shape[-1])


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
    before, after, scales = _messages(weights, first, steps)
    inside = mask.t()[..., None]  # [L, B, 1]
    left, right = after[:, 0], _flipped(after[:, 1], flip)
    joint = _flipped(before[:, 1], flip).mul_(left)  # [L, B, K]; without the position's own emission a second time
    total = joint.sum(-1, keepdim=True).masked_fill_(~inside, 1)  # [L, B, 1]
    agreed = _agreed(scales, total, mask, flip)
    if agreed is None:
        return None
    found, least = agreed
    count, wide = mask.sum(1), widest(weights)  # [B]
    # sums over a sentence of large numbers, whose difference to a path's score counts
    constant = tops[1].to(wide) + tops[2] + tops[3].to(wide) * (count - 1)
    constant = constant + tops[0].squeeze(-1).masked_fill(~mask, 0).sum(1, dtype=wide)
    marginals = joint.div_(total).masked_fill_(~inside, 0)
    # less than all floors of a sequence may have added is nothing, such as the probability of an excluded tag
    marginals = threshold(marginals, _FLOOR[weights.dtype] * weights.shape[0] * weights.shape[-1] / least, 0)
    return Sweep(torch.where(count > 0, found + constant, 0), marginals, left / total, right, False)


def _messages(weights: Tensor, first: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What arrives at every position, [L, 2, B, K], what leaves it, likewise, and the sum [L, 2, B, 1] of the latter.

    Args:
        weights: [L, 2, B, K], of the tags by themselves.
        first: [2, K], what arrives at the first position.
        steps: [2, K, K], from one position to the next.
    """
    before, after = torch.empty_like(weights), torch.empty_like(weights)
    scales, floor = torch.empty_like(weights[..., :1]), weights.new_tensor(_FLOOR[weights.dtype])
    before[0] = first[:, None]
    # the loop that all else waits for: views are made once, and results written in place
    rows = tuple(value.unbind(0) for value in (before, after, weights, scales))
    for t, (arriving, leaving, weight, scale) in enumerate(zip(*rows, strict=True)):
        if t:
            torch.bmm(rows[1][t - 1], steps, out=arriving)
        torch.addcmul(floor, arriving, weight, out=leaving)
        torch.sum(leaving, -1, keepdim=True, out=scale)
        leaving.div_(scale)
    return before, after, scales


def _agreed(scales: Tensor, total: Tensor, mask: Tensor, flip: Tensor) -> tuple[Tensor, float] | None:
    """The log partition [B] without its constant, and the least that a position counts; None where floors may matter.

    The log partition is the logarithm of what was divided out up to a position, of what was divided out after it, and
    of the sum `total` there. It is equal at all positions, but for floors: one adds at most K * _FLOOR to what its
    position counts, which is `total` with what was divided out there.
    """
    passed = scales.squeeze(-1).to(widest(scales)).log().cumsum(0)  # [L, 2, B]
    after = flip.t()  # [L, B]: the number of positions after each, of those inside
    later = passed[:, 1].gather(0, (after - 1).clamp(min=0)).masked_fill(after == 0, 0)
    seen = passed[:, 0] + later + total.squeeze(-1).log()  # [L, B]
    found = seen[0]
    difference = (seen - found).masked_fill(~mask.t(), 0).abs().max()
    counted = (total * scales[:, 0]).masked_fill(~mask.t()[..., None], 1).min()
    difference, least = torch.stack((difference, counted.to(difference.dtype))).tolist()
    # nan is not fine either
    return (found, least) if difference <= _TOLERANCE[scales.dtype] and least >= _LEAST[scales.dtype] else None


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
    nothing = ~mask.t() | (log_partition == -torch.inf)  # [L, B]; without any path there is no probability
    marginals = joint.softmax(-1).masked_fill(nothing[..., None], 0)
    return Sweep(log_partition, marginals, left, right, True)


def _followed(emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
    """Log Z [B] by operations that autograd follows to derivatives of any order; it may not be -inf."""
    # of numbers that are far below all others, but finite: -inf has no derivatives
    given = (emissions.masked_fill(~mask[..., None], 0), start, end, transitions)
    emissions, start, end, transitions = (value.to(widest(value)).clamp(min=-1e30) for value in given)
    scores = start + emissions[:, 0]  # [B, K]
    for t in range(1, mask.shape[1]):
        onwards = (scores[..., None] + transitions).logsumexp(1) + emissions[:, t]
        scores = torch.where(mask[:, t, None], onwards, scores)
    return torch.where(mask[:, 0], (scores + end).logsumexp(-1), 0)


class LogPartition(torch.autograd.Function):
    """log Z [B]; its gradients are the marginals of tags and of pairs of tags.

    Where they are to be differentiated again (create_graph=True), autograd computes them, which takes several times as
    long.
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
        """Arguments: see `forward_backward`."""
        sweep = forward_backward(emissions, start, end, transitions, mask)
        ctx.save_for_backward(emissions, start, end, transitions, mask, *sweep[:4])
        ctx.exact, ctx.dtypes = sweep.exact, [value.dtype for value in (emissions, start, end, transitions)]
        return sweep.log_partition

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """From the gradient of log Z, [B], to those of emissions, start, end and transitions."""
        *given, mask, log_partition, marginals, left, right = ctx.saved_tensors
        transitions, grad = given[3], grad.masked_fill(log_partition == -torch.inf, 0)  # nothing makes a path there
        if torch.is_grad_enabled():
            needed = [value for value, need in zip(given, ctx.needs_input_grad, strict=False) if need]
            found = iter(torch.autograd.grad(_followed(*given, mask), needed, grad, create_graph=True))
            return tuple(next(found) if need else None for need in ctx.needs_input_grad)
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
            pairs = torch.empty_like(transitions)
            torch.mm(before.t(), right[1:].flatten(0, 1), out=pairs)  # into `out`, where autocast rounds nothing
            pairs *= (transitions - transitions.max()).exp()
        found = (tags.transpose(0, 1), start, end, pairs)
        return *(value.to(dtype) for value, dtype in zip(found, ctx.dtypes, strict=True)), None


__all__ = ["LogPartition", "Sweep", "forward_backward"]

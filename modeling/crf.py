"""A linear-chain conditional random field (Lafferty et al., 2001) over left-aligned rows of tags.

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_n]
    p(y)     = exp(score(y)) / Z, over the allowed paths

Axes: B batch, L length, K tags.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import initialization as init

from .checks import check_ids
from .forward_backward import LogPartition, forward_backward, widest
from .tracing import is_traced

Allowed = np.ndarray | Tensor | Sequence | None
_COARSE = -1e4  # scores of paths from which on float32 mixes up what differs by .001


class LinearChainCRF(nn.Module):
    """Scores, decodes and trains sequences of tags.

    A mask is left-aligned: in each row True from the first position on, then False; a row may be empty. Rows in which
    other positions take part are gathered first (see `token_rows`).

    Args:
        num_tags: tags K, >= 1.
        allowed_transitions: bool [K, K], [from, to]; None allows all. What is not allowed is excluded everywhere: from
            the partition, the marginals and the best path, in training as in evaluation.
        allowed_starts: bool [K], tags that may come first; None allows all.
        allowed_ends: bool [K], tags that may come last; None allows all.

    Attributes:
        start: [K], end: [K], transitions: [K, K] ([from, to]): the parameters. Those of excluded tags are not read.

    Raises:
        ValueError: num_tags below 1, a table of another shape, or tables that allow no path of some length.
    """

    def __init__(
        self,
        num_tags: int,
        allowed_transitions: Allowed = None,
        allowed_starts: Allowed = None,
        allowed_ends: Allowed = None,
    ) -> None:
        super().__init__()
        if num_tags < 1:
            raise ValueError(f"num_tags={num_tags} is not allowed; allowed is an integer of 1 or more")
        self.num_tags = num_tags
        self.start = nn.Parameter(torch.empty(num_tags))
        self.end = nn.Parameter(torch.empty(num_tags))
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags))
        self._tables: dict[str, np.ndarray] = {}
        given = {"transitions": allowed_transitions, "starts": allowed_starts, "ends": allowed_ends}
        for name, allowed in given.items():
            shape = (num_tags, num_tags) if name == "transitions" else (num_tags,)
            self.add_table(f"excluded_{name}", ~_table(f"allowed_{name}", allowed, shape))
        _check_paths(*(~self._tables[f"excluded_{name}"] for name in given))
        self.reset_parameters()

    def add_table(self, name: str, values: np.ndarray) -> None:
        """Registers constants as a buffer that is no part of a checkpoint: `reset_parameters` fills it."""
        self._tables[name] = values
        self.register_buffer(name, torch.from_numpy(values.copy()), persistent=False)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the parameters from U(-0.1, 0.1), and fills the tables, which are garbage after the meta device.

        With transformers' own functions, which leave alone what a checkpoint has filled.
        """
        for parameter in (self.start, self.end, self.transitions):
            init.uniform_(parameter, -0.1, 0.1)
        for name, values in self._tables.items():
            init.copy_(getattr(self, name), torch.from_numpy(values))

    @torch.compiler.disable  # loops over positions: compiled they would be one huge graph for every length
    def nll(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Negative log-likelihood of each row's tags.

        Args:
            emissions: [B, L, K] floating point.
            mask: [B, L] bool (or 0 and 1), left-aligned.
            tags: [B, L] integers, 0..K-1 inside the mask.

        Returns:
            [B], float32, or float64 for emissions in float64; 0 for an empty row. Second derivatives are computed
            several times more slowly than first ones.

        Raises:
            ValueError: a shape, a mask with holes, tags that do not exist or make a path that is not allowed (on the
                CPU; elsewhere, where values are not looked at, such a path costs inf).
        """
        mask = self._checked(emissions, mask)
        tags = self._checked_tags(tags, mask)
        cost = self._log_partition(emissions, mask) - self._score(emissions, mask, tags)
        return cost.to(_wide(emissions.dtype))

    @torch.compiler.disable
    def partial_nll(self, emissions: Tensor, mask: Tensor, possible: Tensor) -> Tensor:
        """Negative log-likelihood of the paths that are possible by what is known of each row: their sum counts.

        Args:
            emissions: [B, L, K] floating point.
            mask: [B, L] bool, left-aligned.
            possible: [B, L, K] bool, the tags that a position may have.

        Returns:
            [B], as `nll`, which it equals where one tag is possible everywhere; inf, without gradient from the paths
            that are possible, where none is.
        """
        mask = self._checked(emissions, mask)
        kept = emissions.masked_fill(~possible, -torch.inf)
        cost = self._log_partition(emissions, mask) - self._log_partition(kept, mask)
        return cost.to(_wide(emissions.dtype))

    @torch.compiler.disable
    @torch.no_grad()
    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of every tag at every position, [B, L, K]; 0 where the mask is False. No gradient.

        Args:
            emissions: [B, L, K] floating point.
            mask: [B, L] bool, left-aligned.
        """
        mask = self._checked(emissions, mask)
        found = forward_backward(emissions, *self._potentials(), mask).marginals
        return found.transpose(0, 1).to(_wide(emissions.dtype))

    @torch.compiler.disable
    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The best path of each row (Viterbi): int64 [B, L], -1 where the mask is False.

        Args:
            emissions: [B, L, K] floating point.
            mask: [B, L] bool, left-aligned.
        """
        mask = self._checked(emissions, mask)
        path, scores = self._best_paths(emissions, mask, _wide(emissions.dtype))
        seen = not is_traced(scores) and not scores.is_meta  # whether there are values that may be looked at
        # nan is not fine either
        if seen and widest(scores) != scores.dtype and not bool((scores >= _COARSE).all()):
            path, _ = self._best_paths(emissions, mask, widest(emissions))
        return path.masked_fill(~mask, -1)

    def _best_paths(self, emissions: Tensor, mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The best path of each row, int64 [B, L], and its score [B] below that of the best tags by themselves."""
        start, end, transitions = (value.to(dtype) for value in self._potentials())
        tops = emissions.amax(-1, keepdim=True).to(dtype)  # [B, L, 1]
        blank = ~mask[..., None] | (tops == -torch.inf)  # nothing is read, and where no tag is possible all are alike
        # what all paths have in common is left out: only what paths differ by has to be told apart
        rows = (emissions.to(dtype).masked_fill(blank, 0) - tops.masked_fill(blank, 0)).transpose(0, 1)  # [L, B, K]
        transitions = transitions - transitions.max()
        best = torch.empty_like(rows, memory_format=torch.contiguous_format)  # scores of the best paths to each tag
        best[0] = start - start.max() + rows[0]
        # only values are kept: where a path came from is seen again below, for the one tag that is chosen
        scores = rows.new_empty(self.num_tags, *rows.shape[1:])  # [from, B, to]: its maximum is over whole planes
        for before, here, row in zip(best[:-1], best[1:], rows[1:], strict=True):
            torch.add(before.t()[..., None], transitions[:, None], out=scores)
            torch.amax(scores, 0, out=here).add_(row)
        last = (mask.sum(1) - 1).clamp(min=0)  # [B]
        score, tag = (best[last, torch.arange(len(last), device=last.device)] + (end - end.max())).max(-1)  # [B] each
        final, path = tag, [tag]
        into = transitions.t().contiguous()  # [to, from]
        for t in range(len(best) - 2, -1, -1):
            # a row that has its last tag here, or had it before, begins with that
            tag = torch.where(last > t, (best[t] + into[tag]).argmax(-1), final)
            path.append(tag)
        return torch.stack(path[::-1], dim=1), score

    @torch.compiler.disable
    def score(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """The score of each row's tags, [B], as `nll` takes them; the log-probability is minus `nll`."""
        mask = self._checked(emissions, mask)
        return self._score(emissions, mask, self._checked_tags(tags, mask)).to(_wide(emissions.dtype))

    def extra_repr(self) -> str:
        """The number of tags, and how many of their pairs are allowed."""
        allowed = int((~self._tables["excluded_transitions"]).sum())
        return f"num_tags={self.num_tags}, allowed_transitions={allowed} of {self.num_tags**2}"

    def _potentials(self) -> tuple[Tensor, Tensor, Tensor]:
        """start, end and transitions, -inf where excluded."""
        return (
            self.start.masked_fill(self.excluded_starts, -torch.inf),
            self.end.masked_fill(self.excluded_ends, -torch.inf),
            self.transitions.masked_fill(self.excluded_transitions, -torch.inf),
        )

    def _log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """As fine as the device can, for differences: in float32 large emissions leave nothing of a small one."""
        return LogPartition.apply(emissions, *self._potentials(), mask)

    def _score(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Likewise; -inf for a path that is not allowed."""
        start, end, transitions = self._potentials()
        dtype = widest(emissions)
        steps = emissions.gather(2, tags[..., None]).squeeze(-1).to(dtype)  # [B, L]
        # picked out of one row of numbers, whose gradient is cheaper than that of two indices
        pairs = (tags[:, :-1] * self.num_tags + tags[:, 1:]).flatten()
        moves = transitions.flatten().index_select(0, pairs).view(mask.shape[0], mask.shape[1] - 1).to(dtype)
        last = tags.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        ends = start.to(dtype)[tags[:, 0]] + end.to(dtype)[last]
        inside = steps.masked_fill(~mask, 0).sum(1) + moves.masked_fill(~mask[:, 1:], 0).sum(1)
        return inside + ends.masked_fill(~mask[:, 0], 0)

    def _checked(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The mask as bool.

        Raises:
            ValueError: names the shapes, or a row that is not left-aligned (only on the CPU: see `check_ids`).
        """
        if emissions.dim() != 3 or emissions.shape[-1] != self.num_tags or mask.shape != emissions.shape[:2]:
            raise ValueError(
                f"emissions have the shape {tuple(emissions.shape)} and the mask {tuple(mask.shape)}; needed are "
                f"[B, L, {self.num_tags}] and [B, L], with a score for each of {self.num_tags} tags"
            )
        if not emissions.shape[1]:
            raise ValueError("emissions have no position (L = 0); leave such a batch out, or give L >= 1 and mask it")
        mask = mask.bool()
        if mask.device.type == "cpu" and not is_traced(mask) and not mask.is_meta:
            holes = (mask[:, 1:] & ~mask[:, :-1]).any(1)
            if holes.any():
                row = int(holes.nonzero()[0])
                raise ValueError(
                    f"row {row} of the mask is not left-aligned: {mask[row].int().tolist()}; needed is 1 from the "
                    "first position on, then 0: gather the positions that take part first (token_rows.TokenRows)"
                )
        return mask

    def _checked_tags(self, tags: Tensor, mask: Tensor) -> Tensor:
        """The tags, int64, 0 outside of the mask.

        Raises:
            ValueError: another shape or no integers; on the CPU also tags that do not exist or are not allowed.
        """
        if tags.shape != mask.shape:
            raise ValueError(
                f"tags have the shape {tuple(tags.shape)}; needed is that of the mask, {tuple(mask.shape)}"
            )
        if tags.is_floating_point() or tags.dtype == torch.bool:
            raise ValueError(f"tags are {tags.dtype}; needed are ids of tags, int64: one number for each position")
        tags = tags.long().masked_fill(~mask, 0)
        check_ids("tags", tags, self.num_tags, "tags", "Positions without a tag are for partial_nll, or for the mask")
        if tags.device.type == "cpu" and not is_traced(tags) and not tags.is_meta:
            wrong = self.excluded_transitions[tags[:, :-1], tags[:, 1:]] & mask[:, 1:]
            wrong = torch.cat([(self.excluded_starts[tags[:, 0]] & mask[:, 0])[:, None], wrong], dim=1)
            ends = mask & ~torch.nn.functional.pad(mask[:, 1:], (0, 1))
            wrong |= self.excluded_ends[tags] & ends
            if wrong.any():
                row, position = wrong.nonzero()[0].tolist()
                raise ValueError(
                    f"tag {int(tags[row, position])} at position {position} of row {row} cannot stand there by the "
                    f"allowed starts, transitions and ends: {tags[row][mask[row]].tolist()}; correct the tags"
                )
        return tags


def _wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of results: sums over a sentence are too coarse in half precision."""
    return dtype if dtype == torch.float64 else torch.float32


def _table(name: str, allowed: Allowed, shape: tuple[int, ...]) -> np.ndarray:
    """A table of what is allowed, as bool.

    Raises:
        ValueError: names the shape, and the one that is needed.
    """
    if allowed is None:
        return np.ones(shape, dtype=bool)
    table = np.asarray(allowed.cpu() if isinstance(allowed, Tensor) else allowed, dtype=bool)
    if table.shape != shape:
        raise ValueError(f"{name} has the shape {table.shape}; needed is {shape}, with a bool for each tag")
    return table


def _check_paths(transitions: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
    """Refuses tables that allow no path of some length: such a sentence could be neither scored nor decoded."""
    reached, seen = starts, set()
    while reached.tobytes() not in seen:  # what is reached repeats itself sooner or later
        if not (reached & ends).any():
            raise ValueError(
                f"allowed_starts, allowed_transitions and allowed_ends allow no path of length {len(seen) + 1}; allow "
                "at least one for every length, e.g. of a tag outside of entities"
            )
        seen.add(reached.tobytes())
        reached = transitions[reached].any(0)


__all__ = ["LinearChainCRF"]

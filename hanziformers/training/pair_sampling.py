"""Pairs of images for pre-training an encoder: is it the same radical (RCI), the same initial and final (PCI)?

A row of a table of images belongs to a unit and to a group. In a positive pair both rows are of one group and of
different units; in a negative pair they are of different groups:

    task  row                      unit                  group
    RCI   image of a character     the character         its radical
    PCI   spectrogram of a clip    the clip              its syllable without the tone

An epoch has every row once as an anchor; half of the pairs, by chance, are positive. The other side of a positive pair
is a unit chosen uniformly from the others of its group, of a negative one from all units of other groups, and then one
of the unit's rows, so that the font is independent on both sides. With `flips` every row is an anchor twice, as it is
and flipped from left to right, and so may the other side be.

A unit that is alone in its group has no positive pair: with `flips` it is paired with its own flip, otherwise another
anchor is chosen. Everything depends on the seed and the epoch alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """The pairs of an epoch.

    Attributes:
        rows: of the table, int64 [A, 2]: anchor and other side.
        flipped: which are flipped from left to right, bool [A, 2].
        same: which pairs are positive, bool [A].
    """

    rows: np.ndarray
    flipped: np.ndarray
    same: np.ndarray


class PairSampler:
    """Draws the pairs of an epoch.

    Args:
        units: the unit of each row, int64 [N].
        groups: the group of each row, int64 [N]; the rows of a unit are of one group.
        flips: whether images may be flipped; see above.
        seed: of all choices.

    Attributes:
        size: pairs of an epoch, A: N, or 2 N with `flips`.
        alone: which rows are of a unit that is alone in its group, bool [N].

    Raises:
        ValueError: a unit is of two groups; there are no two groups; without `flips` no group has two units.
    """

    def __init__(self, units: Sequence[int], groups: Sequence[int], flips: bool = False, seed: int = 0) -> None:
        units, groups = np.asarray(units), np.asarray(groups)
        self.flips, self.seed, self.size = flips, seed, len(units) * (1 + flips)
        self._rows = np.lexsort((units, groups))  # by group, then by unit
        keys = np.stack([groups, units], axis=1)[self._rows]
        kinds, first, unit, counts = _runs(keys)
        if len(kinds) > len(np.unique(units)):
            raise ValueError("a unit belongs to two groups; the rows of a unit need one group: give each its own unit")
        # the units stand in the order of their groups, so that those of a group follow each other
        self._first_row, self._row_counts = first, counts
        self._unit = np.empty(len(units), np.int64)
        self._unit[self._rows] = unit
        _, start, group, sizes = _runs(kinds[:, :1])
        self._start, self._size = start[group], sizes[group]  # of the unit's group, [units]
        self.alone = self._size[self._unit] == 1
        if len(start) < 2:
            raise ValueError(f"there are {len(start)} groups; negative pairs need two or more: give more rows")
        if self.alone.all() and not flips:
            raise ValueError("every unit is alone in its group, so there is no positive pair; give more rows")

    def epoch(self, number: int) -> Pairs:
        """The pairs of an epoch."""
        rng = np.random.default_rng((self.seed, number))
        flip, anchor = np.divmod(rng.permutation(self.size), len(self._unit))
        same = rng.random(self.size) < 0.5
        own_flip = same & self.alone[anchor]
        if not self.flips:  # another anchor, of those that have a positive pair
            anchor[own_flip] = rng.choice(np.flatnonzero(~self.alone), own_flip.sum())
            own_flip[:] = False
        unit = self._unit[anchor]
        start, size = self._start[unit], self._size[unit]
        # counted round from a unit: 1 to size - 1 steps stay in its group; from the end of the group the others follow
        step = 1 + rng.integers(np.maximum(size - 1, 1))
        within = start + (unit - start + step) % size
        outside = (start + size + rng.integers(len(self._size) - size)) % len(self._size)
        other_unit = np.where(same, within, outside)
        other = self._rows[self._first_row[other_unit] + rng.integers(self._row_counts[other_unit])]
        other[own_flip] = anchor[own_flip]
        other_flip = (rng.random(self.size) < 0.5) & self.flips
        other_flip[own_flip] = flip[own_flip] == 0
        return Pairs(np.stack([anchor, other], 1), np.stack([flip > 0, other_flip], 1), same)

    def describe(self) -> str:
        """In words: how many pairs an epoch has, how many of the first one are positive, and of which kind."""
        pairs = self.epoch(0)
        own = (pairs.rows[:, 0] == pairs.rows[:, 1]).mean()
        alone = self.alone.mean()
        fate = f"{100 * own:.1f} % pair an image with its own flip" if self.flips else "chosen again where positive"
        return (
            f"{self.size:,} pairs in an epoch, {100 * pairs.same.mean():.1f} % of the first one positive; "
            f"{100 * alone:.1f} % of the images are alone in their group ({fate})"
        )


def _runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal rows of sorted keys [n, k]: the keys, where each begins, the run of each row, and the lengths."""
    new = np.ones(len(keys), bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.flatnonzero(new)
    return keys[first], first, np.cumsum(new) - 1, np.diff(np.append(first, len(keys)))


__all__ = ["PairSampler", "Pairs"]

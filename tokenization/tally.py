"""Counts of what a tokenizer met and could not turn into an input, and when it is time to warn of them again."""

from collections import Counter
from collections.abc import Mapping


class Tally(Counter[str]):
    """A Counter that copies and pickles hold empty, so that use does not change how data sets hash a tokenizer."""

    _warn_at = 1

    def add(self, counts: Mapping[str, int]) -> bool:
        """Adds counts.

        Args:
            counts: how often each was met since.

        Returns:
            Whether to warn: at the first one, and each time the number of different ones has doubled.
        """
        self.update(counts)
        if len(self) < self._warn_at:
            return False
        self._warn_at = 2 * len(self)
        return True

    def __reduce__(self) -> tuple[type, tuple]:
        return type(self), ()


__all__ = ["Tally"]

"""The lexicon of a Lattice-LSTM: words, each with a number, and all places where they stand in a text."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rjieba
from transformers.utils import logging

from .characters import code_points, may_have_ink
from .vocabulary import read_lines
from .word_counting import check_texts

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_FIRST = 2  # characters by which words are looked up: the shortest word


class Lexicon:
    """Words of two or more characters, numbered from 0, and found in texts wherever they stand, overlapping or not.

    Case and width of characters count. A word holds no white space and no invisible character.

    Attributes:
        words: in the order of their numbers.

    Args:
        words: the words; one that stands twice keeps its first number, one of a single character is left out. How many
            were left out is logged as a warning.

    Raises:
        ValueError: a word holds white space or an invisible character, or is no string; `words` is one string.

    Example:
        >>> lexicon = Lexicon(["南京", "南京市", "市长", "长江"])
        >>> lexicon.find("南京市长")  # starts, ends (exclusive) and numbers
        (array([0, 0, 2]), array([2, 3, 4]), array([0, 1, 2]))
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        check_texts(words)
        given = list(words)
        for word in given:
            _check_word(word)
        self.words = list(dict.fromkeys(word for word in given if len(word) >= _FIRST))
        if len(self.words) < len(given):
            logger.warning(
                f"{len(given) - len(self.words)} of {len(given)} words of the lexicon have one character or stand "
                "there twice, and are left out"
            )
        self._numbers = {word: number for number, word in enumerate(self.words)}
        lengths: dict[str, set[int]] = {}  # by the first two characters: how long the words are that begin so
        for word in self.words:
            lengths.setdefault(word[:_FIRST], set()).add(len(word))
        self._lengths = {start: tuple(sorted(found)) for start, found in lengths.items()}

    @classmethod
    def from_file(cls, path: str | Path) -> "Lexicon":
        """Reads a file with one word a line; empty lines are left out.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not UTF-8, or see `Lexicon`; names the line.
        """
        words = read_lines(path, "lexicon", "word")
        for number, word in enumerate(words, 1):
            _check_word(word, f"{path}, line {number}: ")
        return cls(word for word in words if word)

    @classmethod
    def from_texts(cls, texts: Iterable[str | Sequence[str]]) -> "Lexicon":
        """Finds the words that rjieba knows in texts (`cut_all`), in the order in which they first occur.

        Args:
            texts: strings, or lists of words, which are joined.

        Raises:
            ValueError: `texts` is one string.
        """
        check_texts(texts)
        found: dict[str, None] = {}
        for text in texts:
            found.update(dict.fromkeys(rjieba.cut_all(text if isinstance(text, str) else "".join(text))))
        return cls(word for word in found if len(word) >= _FIRST and may_have_ink()[code_points(word)].all())

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and self.words == other.words

    __hash__ = None

    def find(self, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Finds all words that stand in a text.

        Args:
            text: any text.

        Returns:
            The position of each one's first character, the one behind its last, and its number, int64 [M] each; in the
            order of the first characters, shorter words first.
        """
        starts, ends, numbers = [], [], []
        lengths, known = self._lengths, self._numbers
        for start in range(len(text) - 1):
            for length in lengths.get(text[start : start + _FIRST], ()):
                number = known.get(text[start : start + length])
                # at the end of the text a slice is shorter, and may be another word that was found already
                if number is not None and start + length <= len(text):
                    starts.append(start)
                    ends.append(start + length)
                    numbers.append(number)
        return np.array(starts, np.int64), np.array(ends, np.int64), np.array(numbers, np.int64)

    def save(self, path: str | Path) -> None:
        """Writes a file with one word a line, which `from_file` reads."""
        Path(path).write_bytes("".join(f"{word}\n" for word in self.words).encode())


def _check_word(word: str, where: str = "") -> None:
    if not isinstance(word, str):
        raise ValueError(f"{where}a word of the lexicon is {word!r}, but must be a string")
    if not may_have_ink()[code_points(word)].all():
        raise ValueError(
            f"{where}{word!r:.60} holds white space, an invisible character or a lone surrogate; a lexicon has one "
            "word a line, and nothing else (no counts, no vectors)"
        )


__all__ = ["Lexicon"]

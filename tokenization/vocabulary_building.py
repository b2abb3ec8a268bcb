"""Making a vocabulary of single characters from texts: counting the characters, and choosing the most frequent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from .characters import CODE_POINTS, code_points, may_have_ink
from .vocabulary import SPECIAL_TOKENS

_CHUNK = 2**22  # characters counted at once


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """Counts every character (code point) of the texts that can have a glyph image.

    Args:
        texts: any number of strings, for example a generator over the lines of a corpus; a str is one text.

    Returns:
        character -> number, without white space and the other characters of `NO_INK`.

    Raises:
        TypeError: one of the texts is not a string.
    """
    counts = np.zeros(CODE_POINTS, np.int64)
    for chunk in _chunks([texts] if isinstance(texts, str) else texts):
        found = np.bincount(code_points(chunk))  # up to the greatest code point of the chunk
        counts[: len(found)] += found
    counts[~may_have_ink()] = 0  # at the end, so that the loop only adds
    seen = np.flatnonzero(counts)
    return Counter(dict(zip(map(chr, seen.tolist()), counts[seen].tolist(), strict=True)))


def build_vocabulary(
    counts: Mapping[str, int], size: int | None = None, specials: Sequence[str] = SPECIAL_TOKENS
) -> list[str]:
    """Makes a vocabulary of single characters: the special tokens, then characters from the most to the least frequent.

    Args:
        counts: character -> how often it occurs; equal numbers are ordered by code point. Characters that can have no
            glyph image (`NO_INK`) and those that occur 0 times are left out.
        size: the greatest number of tokens, special ones included; None: all.
        specials: the first tokens, in this order.

    Returns:
        The tokens in order of their ids, which start at 0. Fewer than `size` if there are no more characters.

    Raises:
        ValueError: `size` is not greater than the number of special tokens, a special token stands twice, or a key is
            not one character.
    """
    if len(set(specials)) < len(specials):
        raise ValueError(f"specials={list(specials)} names a token twice; each must stand once")
    if size is not None and size <= len(specials):
        raise ValueError(f"size={size} is too small: it must be greater than the {len(specials)} special tokens")
    longer = next((key for key in counts if len(key) != 1), None)
    if longer is not None:
        raise ValueError(f"counts holds {longer!r}; every key must be one character (see count_characters)")
    has_ink = may_have_ink()
    ordered = sorted((-count, key) for key, count in counts.items() if count > 0 and has_ink[ord(key)])
    characters = [key for _, key in ordered if key not in specials]
    return [*specials, *characters][:size]


def _chunks(texts: Iterable[str]) -> Iterator[str]:
    """Joins short texts, so that numpy is called once for many of them."""
    waiting, length = [], 0
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"a text must be a str, got {type(text).__name__} ({text!r:.60})")
        waiting.append(text)
        length += len(text)
        if length >= _CHUNK:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


__all__ = ["build_vocabulary", "count_characters"]

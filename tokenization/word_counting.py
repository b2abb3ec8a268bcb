"""A vocabulary of words, counted in texts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import rjieba

from .characters import code_points, may_have_ink

CUTS = ("words", "characters")
SPECIAL_TOKENS = ("[PAD]", "[UNK]")  # of a vocabulary of words: ids 0 and 1


def check_cut(cut: str) -> None:
    """Refuses a way of cutting that there is not.

    Raises:
        ValueError: `cut` is none of `CUTS`.
    """
    if cut not in CUTS:
        raise ValueError(f"cut={cut!r} is not allowed; allowed is {' or '.join(map(repr, CUTS))}")


def cut_text(text: str, cut: str) -> list[tuple[str, int]]:
    """Cuts a text: its words, each with the position of its first character.

    What has no ink (white space, invisible characters) is no word.

    Args:
        text: any text.
        cut: into "words", by rjieba, or "characters".

    Raises:
        TypeError: `text` is not a string.
        UnicodeEncodeError: it holds a lone surrogate.
    """
    str.encode(text)  # characters are cut without a look at them
    pieces = rjieba.cut(text) if cut == "words" else list(text)
    starts = list(accumulate(map(len, pieces), initial=0))[:-1]
    has_ink = may_have_ink()
    return [(piece, start) for piece, start in zip(pieces, starts, strict=True) if has_ink[code_points(piece)].any()]


def check_texts(texts: Iterable[Any]) -> None:
    """Refuses one string in place of several texts or words: its characters would be taken for them.

    Raises:
        ValueError: `texts` is a string.
    """
    if isinstance(texts, str):
        raise ValueError(f"the string {texts!r:.60} is given in place of a list of strings; give [{texts!r:.20}]")


def count_words(texts: Iterable[str | Sequence[str]], cut: str) -> Counter[str]:
    """Counts the words of texts.

    Args:
        texts: strings, which are cut, or lists of words.
        cut: see `cut_text`.

    Returns:
        word -> number.

    Raises:
        ValueError: another `cut`, or `texts` is one string.
        TypeError, UnicodeEncodeError: see `cut_text`.
    """
    check_cut(cut)
    check_texts(texts)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update([word for word, _ in cut_text(text, cut)] if isinstance(text, str) else list(text))
    return counts


def build_word_vocabulary(counts: Counter[str], min_count: int = 1) -> dict[str, int]:
    """Numbers words from the most to the least frequent one, behind [PAD] and [UNK].

    Args:
        counts: word -> how often it occurs; equal numbers are ordered by code point.
        min_count: words that occur less often are left out, and so [UNK].

    Raises:
        ValueError: `min_count` is less than 1.
    """
    if min_count < 1:
        raise ValueError(f"min_count={min_count} is not allowed; allowed is an integer of 1 or more")
    ordered = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    words = [word for _, word in ordered if word and word not in SPECIAL_TOKENS]
    return {word: number for number, word in enumerate([*SPECIAL_TOKENS, *words])}


__all__ = ["CUTS", "SPECIAL_TOKENS", "build_word_vocabulary", "check_cut", "check_texts", "count_words", "cut_text"]

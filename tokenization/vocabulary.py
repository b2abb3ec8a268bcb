"""Vocabularies: reading and checking one before a tokenizer is built on it, and making one of single characters."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from transformers.utils import logging

from .alignment import CODE_POINTS, code_points

logger = logging.get_logger(__name__)

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# First and last code points of what has no glyph image of its own, and so is no token of a model that sees characters: white
# space, control characters, and what Unicode calls Default_Ignorable_Code_Point (joiners, marks of direction, variation
# selectors, the byte order mark, Hangul fillers, tags).
NO_INK = (
    (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip

_CHUNK = 2**22  # characters counted at once


@cache
def may_have_ink() -> np.ndarray:
    """Gives a read-only table: bool [0x110000], False for the characters of `NO_INK` and for lone surrogates."""
    table = np.ones(CODE_POINTS, bool)
    for first, last in (*NO_INK, (0xD800, 0xDFFF)):
        table[first : last + 1] = False
    table.setflags(write=False)
    return table


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
        found = np.bincount(code_points(chunk))
        counts[: len(found)] += found
    counts[~may_have_ink()] = 0
    seen = np.flatnonzero(counts)
    return Counter(dict(zip(map(chr, seen.tolist()), counts[seen].tolist(), strict=True)))


def build_vocabulary(
    counts: Mapping[str, int], size: int | None = None, specials: Sequence[str] = SPECIAL_TOKENS
) -> list[str]:
    """Makes a vocabulary of single characters: the special tokens, then characters from the most to the least frequent.

    Args:
        counts: character -> how often it occurs; equal numbers are ordered by code point. Characters without a glyph image
            (`NO_INK`) and those that occur 0 times are left out.
        size: the greatest number of tokens, special ones included; None: all.
        specials: the first tokens, in this order.

    Returns:
        The tokens; their positions are their ids. Fewer than `size` if there are no more characters.

    Raises:
        ValueError: `size` leaves no room for a character, a special token stands twice, or a key is not one character.
    """
    if len(set(specials)) < len(specials):
        raise ValueError(f"specials={list(specials)} names a token twice; each must stand once")
    if size is not None and size <= len(specials):
        raise ValueError(f"size={size} is too small: it must be greater than the {len(specials)} special tokens")
    longer = next((key for key in counts if len(key) != 1), None)
    if longer is not None:
        raise ValueError(f"counts holds {longer!r}; every key must be one character (see count_characters)")
    pictured = may_have_ink()
    ordered = sorted((-count, key) for key, count in counts.items() if count > 0 and pictured[ord(key)])
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


def read_vocabulary(source: str | Path | Mapping[str, int], required: Sequence[str]) -> dict[str, int]:
    """Reads a WordPiece vocabulary: a file with one token a line (its id is the line's number, from 0), or a mapping.

    A token that stands twice keeps its last line, as in BERT; how many do is logged as a warning.

    Args:
        source: path of vocab.txt, or token -> id.
        required: tokens that must be there, e.g. [UNK].

    Returns:
        token -> id.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not UTF-8, empty, a required token is missing, or an id is negative or given twice.
    """
    if isinstance(source, Mapping):
        name, vocabulary = "the vocabulary given", dict(source)
        if len(set(vocabulary.values())) < len(vocabulary) or min(vocabulary.values(), default=0) < 0:
            raise ValueError(f"{name} gives an id to two tokens or has a negative one; ids must be distinct and >= 0")
    else:
        name, vocabulary = str(source), _read_file(Path(source))
    missing = [token for token in required if token not in vocabulary]
    if not vocabulary or missing:
        raise ValueError(
            f"{name} has {len(vocabulary)} tokens and lacks {missing}; a vocabulary has one token a line, and every "
            "special token among them (other names are given as unk_token=..., cls_token=... and so on)"
        )
    return vocabulary


def _read_file(path: Path) -> dict[str, int]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no vocabulary file {path}; it must be a text file with one token a line")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8, one token a line") from error
    tokens = [line.rstrip("\r") for line in text.split("\n")]
    if tokens[-1] == "":
        tokens.pop()
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        logger.warning(
            f"{path}: {len(tokens) - len(vocabulary)} of {len(tokens)} lines repeat a token; the last of each counts"
        )
    return vocabulary


__all__ = ["NO_INK", "SPECIAL_TOKENS", "build_vocabulary", "count_characters", "may_have_ink", "read_vocabulary"]

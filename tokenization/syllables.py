"""Toned syllables: how every character of a sentence is pronounced, and all the syllables that there are.

A toned syllable is written as pypinyin's TONE3 style writes it, always with its tone: "zhong1", 5 for the neutral tone
("de5"), v for ü ("lv4", but "ju4"), and "ê1", "m2", "ng4", "hm5" for those without an ordinary vowel. Two syllables
have the same initial and final if they are equal without their last symbol, the tone.

pypinyin reads the sentence (see pinyin.py). It cannot always cut a sentence rightly: in 南京市长江大桥 it reads zhang3,
as in 市长. A user who knows better gives `readings`, such as {"长江大桥": "chang2 jiang1 da4 qiao2"}.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from pypinyin import Style
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.style import convert

from .pinyin import pinyin_table

NO_SOUND = "-"  # in the readings of a user: the character has none

_BLOCKS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF))  # CJK unified ideographs: Extension A, and the first block (URO)
SYLLABLE = re.compile("[a-zê]{1,6}[1-5]")  # a toned syllable


def toned_syllables(text: str, readings: Mapping[str, str] | None = None) -> list[str | None]:
    """Gives the toned syllable of every character of a text in its context.

    Args:
        text: Any string, also empty or with lone surrogates.
        readings: Word -> its syllables, which go before pypinyin's wherever the word stands. Where two words overlap,
            the one that starts first counts, and of those that start at one character the longest. See
            `check_readings` for how the syllables are written.

    Returns:
        len(text) entries, one for every code point: a toned syllable, or None for a character without a reading.

    Raises:
        TypeError: `text` is not a string; see also `check_readings`.
        ValueError: See `check_readings`.
    """
    table = pinyin_table()
    syllables = _of_rows(table)[table.rows(text)].tolist()
    if readings:
        pattern, by_word = _matcher(tuple(check_readings(readings).items()))
        for match in pattern.finditer(text):
            syllables[match.start() : match.end()] = by_word[match[0]]
    return syllables


def check_readings(readings: Any) -> dict[str, str]:
    """Gives a user's readings in the one way in which they are saved.

    Args:
        readings: Word -> its syllables with a space between them, one for every character of the word, such as
            {"长江": "chang2 jiang1"}. A syllable may also carry a mark ("cháng"), the neutral tone may be left out
            ("de"), and ü may stand for v. "-" is a character without sound: {"T恤": "- xu4"}. None: there are none.

    Returns:
        Word -> toned syllables with one space between them.

    Raises:
        TypeError: It is no mapping of strings to strings.
        ValueError: A word is empty, has another number of syllables than characters, or a syllable is none.
    """
    readings = {} if readings is None else readings
    if not isinstance(readings, Mapping) or not all(isinstance(one, str) for pair in readings.items() for one in pair):
        raise TypeError(f"readings is {readings!r}; give word -> syllables, such as {{'长江': 'chang2 jiang1'}}")
    checked = {}
    for word, written in readings.items():
        parts = written.split()
        if not word or len(parts) != len(word):
            raise ValueError(
                f"readings gives {word!r} the syllables {written!r}, {len(parts)} for {len(word)} characters; give one "
                f"for every character, with spaces between them, and {NO_SOUND!r} for a character without sound"
            )
        checked[word] = " ".join(_checked(part, word) for part in parts)
    return checked


@lru_cache(maxsize=4096)  # the same words are checked with every sentence
def _checked(written: str, word: str) -> str:
    """A syllable of a user as a toned syllable; `word` is for the error."""
    if written == NO_SOUND:
        return written
    plain = convert(unicodedata.normalize("NFC", written), Style.TONE3, strict=True, default=written)
    syllable = _toned(re.sub("^([jqxy])v", r"\1u", plain.replace("ü", "v")))
    if not SYLLABLE.fullmatch(syllable):
        raise ValueError(
            f"readings gives {word!r} the syllable {written!r}; write a-z (v for ü) in lower case and then the tone "
            "1-5, such as 'chang2', 'lv4' or 'de5'"
        )
    return syllable


def all_syllables() -> list[str]:
    """Gives every toned syllable that pypinyin knows for the characters of URO and Extension A, and in its phrases.

    Returns:
        All readings, not only the first of a character, each once and sorted: 1,522 with pypinyin 0.55. Another version
        may know others, so that a checkpoint saves the list that it was made with.
    """
    written = {one for first, last in _BLOCKS for code in range(first, last + 1) for one in _alone(code)}
    written |= {one for phrase in PHRASES_DICT.values() for character in phrase for one in character}
    readings = (convert(one, Style.TONE3, strict=True, default=one) for one in written)
    return sorted(_toned(reading) for reading in readings if reading)


def _alone(code: int) -> Iterable[str]:
    """The readings of one character, as the dictionary writes them."""
    return PINYIN_DICT.get(code, "").split(",")


def _toned(reading: str) -> str:
    """A reading in TONE3 style with its neutral tone written."""
    return reading if reading[-1:].isdigit() else f"{reading}5"


@lru_cache(maxsize=1)
def _of_rows(table: Any) -> np.ndarray:
    """The toned syllable of every row of a pinyin table, object [rows]; None for no reading."""
    return np.array([_toned(reading) if reading else None for reading in table.readings], object)


@lru_cache(maxsize=16)
def _matcher(readings: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, list[str | None]]]:
    """What finds the words of a user in a text, the longest first; and their syllables."""
    by_word = {word: [None if one == NO_SOUND else one for one in written.split()] for word, written in readings}
    return re.compile("|".join(map(re.escape, sorted(by_word, key=len, reverse=True)))), by_word


__all__ = ["NO_SOUND", "SYLLABLE", "all_syllables", "check_readings", "toned_syllables"]

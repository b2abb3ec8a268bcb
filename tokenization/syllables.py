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
from .text_checks import lone_surrogate

NO_SOUND = "-"  # in the readings of a user: the character has none

_BLOCKS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF))  # CJK unified ideographs: Extension A, and the first block (URO)
SYLLABLE = re.compile("[a-zê]{1,6}[1-5]")  # a toned syllable
_UMLAUT = re.compile("^([lnjqxy])(?:uu|u:|yu|ü|v|u(?=e))")  # ways to write ü; lue4 and nue4 are lve4 and nve4
_TONE_INSIDE = re.compile("[0-9](?!$)")


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
        _read_as(text, syllables, *_matcher(tuple(_of_strings(readings).items())))
    return syllables


def _read_as(text: str, syllables: list[str | None], first: re.Pattern[str], by_first: dict[str, "_Words"]) -> None:
    """Writes the syllables of a user's words over those of a text; the arguments behind are from `_matcher`."""
    at = 0
    while found := first.search(text, at):
        at = found.start()
        end = at + 1
        for word, spoken in by_first[text[at]]:
            if text.startswith(word, at):
                end = at + len(word)
                syllables[at:end] = spoken
                break
        at = end


def check_readings(readings: Any) -> dict[str, str]:
    """Gives a user's readings in the one way in which they are saved.

    Args:
        readings: Word -> its syllables with a space between them, one for every character of the word, such as
            {"长江": "chang2 jiang1"}. A syllable may also carry a mark ("cháng"); the neutral tone may be left out or
            be 0 ("de", "de0"); ü may be written ü, v, u:, uu or yu, and u before e ("nü3", "nu:3", "nue4"). "-" is a
            character without sound: {"T恤": "- xu4"}. None: there are none.

    Returns:
        Word -> toned syllables with one space between them.

    Raises:
        TypeError: It is no mapping of strings to strings.
        ValueError: A word is empty, holds a lone surrogate, or has another number of syllables than characters; or a
            syllable is none.
    """
    checked = {}
    for word, written in _of_strings({} if readings is None else readings).items():
        parts = written.split()
        if not word or len(parts) != len(word):
            raise ValueError(
                f"readings gives {word!r} the syllables {written!r}, {len(parts)} for {len(word)} characters; give one "
                f"for every character, with spaces between them, and {NO_SOUND!r} for a character without sound"
            )
        if lone_surrogate(word) is not None:
            raise ValueError(f"readings holds the word {word!r} with a lone surrogate, which no text has; leave it out")
        checked[word] = " ".join(_checked(part, word) for part in parts)
    return checked


def _of_strings(readings: Any) -> Mapping[str, str]:
    """Refuses readings that are no mapping of strings to strings."""
    if not isinstance(readings, Mapping) or not all(isinstance(one, str) for pair in readings.items() for one in pair):
        raise TypeError(f"readings is {readings!r}; give word -> syllables, such as {{'长江': 'chang2 jiang1'}}")
    return readings


def _checked(written: str, word: str) -> str:
    """A syllable of a user as a toned syllable; `word` is for the error."""
    if written == NO_SOUND:
        return written
    # first the mark becomes a number: in "nüè" and "lǜ" it may stand on what the pattern looks for
    plain = convert(unicodedata.normalize("NFC", written), Style.TONE3, strict=True, default=written)
    plain = _UMLAUT.sub(lambda umlaut: umlaut[1] + ("v" if umlaut[1] in "ln" else "u"), plain)
    syllable = _toned(re.sub("0$", "5", plain))
    if not SYLLABLE.fullmatch(syllable) or _TONE_INSIDE.search(written):
        raise ValueError(
            f"readings gives {word!r} the syllable {written!r}; write a-z (v for ü) in lower case and then the tone "
            "1-5, such as 'chang2', 'lv4' or 'de5', or a mark in place of the tone, such as 'cháng'"
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


_Words = list[tuple[str, list[str | None]]]  # of a user, with their syllables


@lru_cache(maxsize=16)  # as the same readings come with every text, and may be a whole dictionary
def _matcher(readings: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, _Words]]:
    """What finds a user's words: a pattern of their first characters, and by each of those the words, longest first."""
    by_first: dict[str, _Words] = {}
    for word, written in sorted(check_readings(dict(readings)).items(), key=lambda pair: -len(pair[0])):
        spoken = [None if one == NO_SOUND else one for one in written.split()]
        by_first.setdefault(word[0], []).append((word, spoken))
    return re.compile(f"[{''.join(map(re.escape, by_first))}]"), by_first


__all__ = ["NO_SOUND", "SYLLABLE", "all_syllables", "check_readings", "toned_syllables"]

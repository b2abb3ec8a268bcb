"""How alike two characters sound: by their syllables, tones, and the sounds that many speakers do not tell apart.

Axes: n and m syllables or characters.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from pypinyin import Style
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.style import convert

TONE = 0.9  # factor of another tone
INITIAL = 0.8  # factor of an initial that is near: zh and z
FINAL = 0.8  # factor of a final that is near: ang and an
OTHER_READING = 0.98  # factor of a reading that is not the first of its character: 地 as de
NEAR_INITIALS = (("z", "zh"), ("c", "ch"), ("s", "sh"), ("n", "l"), ("r", "l"), ("f", "h"))
_SYLLABLE = re.compile(r"([zcs]h|[bpmfdtnlgkhjqxrzcsyw])?([a-zêü]*)([1-5]?)")


def syllable_similarity(first: Sequence[str], second: Sequence[str]) -> np.ndarray:
    """How alike syllables sound: 1 if they are equal, times `TONE`, `INITIAL` and `FINAL` for what differs.

    Args:
        first: n syllables in pypinyin's TONE3 style ("zhong1"; no digit is the neutral tone); "" sounds like nothing.
        second: m syllables.

    Returns:
        float32 [n, m]; 0 where initials or finals differ that are not near.
    """
    (initials, finals, tones), (others, other_finals, other_tones) = _parse(first), _parse(second)
    near = {frozenset(pair) for pair in NEAR_INITIALS}
    score = _compare(initials, others, lambda one, other: INITIAL * (frozenset((one, other)) in near))
    score *= _compare(finals, other_finals, lambda one, other: FINAL * (one.rstrip("g") == other.rstrip("g")))
    score *= _compare(tones, other_tones, lambda one, other: TONE)
    return score * np.array([bool(name) for name in first])[:, None]


def _parse(syllables: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Initials (y and w among them), finals and tones; a syllable of another form is a final."""
    matches = [_SYLLABLE.fullmatch(syllable) for syllable in syllables]
    parts = [match.groups("") if match else ("", name, "") for match, name in zip(matches, syllables, strict=True)]
    initials, finals, tones = zip(*parts, strict=True) if parts else ((), (), ())
    return list(initials), list(finals), [tone or "5" for tone in tones]


def _compare(first: list[str], second: list[str], score: Callable[[str, str], float]) -> np.ndarray:
    """1 where two parts are equal, else `score(one, other)`: float32 [n, m]."""
    ones, rows = np.unique(first, return_inverse=True)
    others, columns = np.unique(second, return_inverse=True)
    table = [[1 if one == other else score(str(one), str(other)) for other in others] for one in ones]
    return np.array(table, np.float32).reshape(len(ones), len(others))[rows][:, columns]


@cache
def _attested() -> set[tuple[str, str]]:
    """The readings that characters have in some phrase of pypinyin's dictionary."""
    phrases = PHRASES_DICT.items()
    return {(one, raw[0]) for phrase, raws in phrases for one, raw in zip(phrase, raws, strict=False)}


@cache
def usual_readings(character: str) -> list[str]:
    """The readings of a character: the first of pypinyin's dictionary, and those that some phrase has.

    The dictionary lists readings that are long out of use, too, as fou3 for 不.

    Args:
        character: one code point.

    Returns:
        Syllables in TONE3 style, the first one first; none for what has no reading.
    """
    raws = [raw for raw in PINYIN_DICT.get(ord(character), "").split(",") if raw]
    kept = [raw for raw in raws if raw == raws[0] or (character, raw) in _attested()]
    return list(dict.fromkeys(convert(raw, Style.TONE3, strict=True, default=raw) for raw in kept))


def sounds_like(syllables: Sequence[str], characters: Sequence[str]) -> np.ndarray:
    """How alike syllables and characters sound: each character by the reading that is nearest.

    Args:
        syllables: n, in TONE3 style.
        characters: m single characters.

    Returns:
        float32 [n, m], in 0..1.
    """
    readings = [usual_readings(character) for character in characters]
    known = sorted({reading for row in readings for reading in row})
    column = {reading: index for index, reading in enumerate(known)}
    alike = np.pad(syllable_similarity(syllables, known), ((0, 0), (0, 1)))  # the last column: no reading
    score = np.zeros((len(syllables), len(characters)), np.float32)
    for number in range(max(map(len, readings), default=0)):
        columns = [column[row[number]] if number < len(row) else len(known) for row in readings]
        np.maximum(score, alike[:, columns] * (OTHER_READING if number else 1), out=score)
    return score


@cache
def commonness() -> Counter[str]:
    """In how many phrases of pypinyin's dictionary each character is."""
    return Counter(character for phrase in PHRASES_DICT for character in set(phrase))


__all__ = ["commonness", "sounds_like", "syllable_similarity", "usual_readings"]

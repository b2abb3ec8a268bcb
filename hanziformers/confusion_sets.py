"""The characters that one is taken for, or mistyped as: those that look alike, and those that sound alike.

    confusions("未")["未"][0]                  # Confusion(character='末', kind='look_alike', score=0.96)
    confusions("在", by="sound")["在"][0]      # Confusion(character='载', kind='homophone', score=1.0)

Looks are compared by glyph images (similar_glyphs), sounds by the readings of pypinyin's dictionary (similar_sounds).

Axes: n characters, N candidates.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from .similar_glyphs import glyph_similarity, glyph_vectors
from .similar_sounds import OTHER_READING, commonness, sounds_like, usual_readings

BY = ("glyph", "sound")
KINDS = ("look_alike", "homophone", "near_homophone", "look_and_sound")
LOOK_ALIKE = 0.7  # from this similarity on two characters look alike: 午 and 牛 do, 的 and 灼 do not
HOMOPHONE = 0.95  # from this similarity on they have a reading in common
NEAR = 0.7  # from this similarity on they sound alike: two of tone, initial and final may be near instead of equal
# rows of the standards that list the characters in common use: first byte, second bytes
_LISTS = {"simplified": ("gb2312", (0xB0, 0xD7)), "traditional": ("big5", (0xA4, 0xC6))}
_CHUNK = 256  # characters that are compared with all candidates at a time


class Confusion(NamedTuple):
    """A character that another one is taken for.

    Attributes:
        character: the character.
        kind: "look_alike", "homophone", "near_homophone"; "" for one that is below the threshold of each.
        score: 0..1, how alike the two look, or sound; 1 is the same image, or the same first reading.
    """

    character: str
    kind: str
    score: float


@cache
def common_characters(script: str = "simplified") -> str:
    """The characters in common use: level 1 of GB 2312 (simplified, 3,755) or of Big5 (traditional, 5,401).

    Args:
        script: "simplified" or "traditional".

    Raises:
        ValueError: another script.
    """
    if script not in _LISTS:
        raise ValueError(f"script={script!r} is not allowed; give one of {', '.join(_LISTS)}")
    codec, (first, last) = _LISTS[script]
    pairs = (bytes((row, column)) for row in range(first, last + 1) for column in range(0x40, 0xFF))
    decoded = (pair.decode(codec, "ignore") for pair in pairs)
    # both levels end in the middle of a row; what follows is no Chinese character
    return "".join(character for character in decoded if len(character) == 1 and "\u4e00" <= character <= "\u9fff")


class ConfusionSets:
    """Compares characters with candidates.

    Args:
        candidates: the characters that may take the place of another; None: the common ones of both scripts.

    Attributes:
        candidates: N distinct characters, the commonest first, so that of equally near ones the commoner goes first.

    Raises:
        ValueError: something is no single character, or there is none.
    """

    def __init__(self, candidates: Iterable[str] | None = None) -> None:
        listed = common_characters() + common_characters("traditional") if candidates is None else candidates
        distinct = list(dict.fromkeys(_single(listed)))
        if not distinct:
            raise ValueError("candidates is empty; give the characters that may take the place of another")
        often = commonness()
        self.candidates = sorted(distinct, key=lambda character: (-often[character], character))
        self._vectors = glyph_vectors(self.candidates)

    def by_glyph(self, characters: Sequence[str]) -> np.ndarray:
        """How much characters look like each candidate: float32 [n, N], 0..1, and -1 for the character itself."""
        return self._without_self(characters, glyph_similarity(glyph_vectors(characters), self._vectors))

    def by_sound(self, characters: Sequence[str], readings: Sequence[str] | None = None) -> np.ndarray:
        """How much characters sound like each candidate: float32 [n, N], 0..1, and -1 for the character itself.

        Args:
            characters: n single characters.
            readings: the syllable of each in its text, in TONE3 style; None: every usual reading, the nearest counts.
        """
        own = [[reading] for reading in readings] if readings is not None else list(map(usual_readings, characters))
        syllables = sorted({reading for row in own for reading in row})
        rows = {syllable: row for row, syllable in enumerate(syllables)}
        alike = sounds_like(syllables, self.candidates)  # [syllables, N]
        score = np.zeros((len(characters), len(self.candidates)), np.float32)
        for row, found in enumerate(own):
            for number, reading in enumerate(found):
                np.maximum(score[row], alike[rows[reading]] * (OTHER_READING if number else 1), out=score[row])
        return self._without_self(characters, score)

    def allowed(self, characters: Iterable[str]) -> dict[str, frozenset[str]]:
        """The candidates that look or sound like each character (`LOOK_ALIKE`, `NEAR`)."""
        distinct = list(dict.fromkeys(_single(characters)))
        found: dict[str, frozenset[str]] = {}
        for start in range(0, len(distinct), _CHUNK):
            part = distinct[start : start + _CHUNK]
            near = (self.by_glyph(part) >= LOOK_ALIKE) | (self.by_sound(part) >= NEAR)  # [n, N]
            rows = (np.flatnonzero(row) for row in near)
            found |= {one: frozenset(self.candidates[i] for i in row) for one, row in zip(part, rows, strict=True)}
        return found

    def _without_self(self, characters: Sequence[str], score: np.ndarray) -> np.ndarray:
        column = {candidate: index for index, candidate in enumerate(self.candidates)}
        for row, character in enumerate(characters):
            if character in column:
                score[row, column[character]] = -1
        return score


def kinds_of(glyph: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The kind of confusion of pairs, by both similarities: indices of `KINDS`, -1 for none; any shape."""
    looks, sounds = glyph >= LOOK_ALIKE, sound >= NEAR
    of_sound = np.where(sound >= HOMOPHONE, KINDS.index("homophone"), KINDS.index("near_homophone"))
    both = np.where(looks, KINDS.index("look_and_sound"), of_sound)
    return np.where(sounds, both, np.where(looks, KINDS.index("look_alike"), -1))


def confusions(
    characters: str | Sequence[str], by: str = "glyph", candidates: Iterable[str] | None = None, top: int = 10
) -> dict[str, list[Confusion]]:
    """The nearest characters of each character, by glyph image or by sound.

    Args:
        characters: one or more characters.
        by: "glyph": how alike their glyph images are (song, hei and kai). "sound": how alike their usual readings are,
            the nearest of each counting: homophones, then those of another tone, of a near initial (zh/z, ch/c, sh/s,
            n/l, r/l, f/h) or a near final (n/ng).
        candidates: the characters that are looked for; None: the 6,700 in common use, simplified and traditional.
        top: how many for each character, at most; candidates of score 0 are none.

    Returns:
        For each character its confusions, the nearest first, of equally near ones the commoner first.

    Raises:
        ValueError: another `by`; something is no single character; `top` is less than 1.

    Example:
        >>> [found.character for found in confusions("己", top=2)["己"]]
        ['已', '巳']
    """
    if by not in BY or top < 1:
        raise ValueError(f"by={by!r}, top={top} is not allowed; give by={' or '.join(map(repr, BY))} and top >= 1")
    distinct = list(dict.fromkeys(_single(characters)))
    sets = default_sets() if candidates is None else ConfusionSets(candidates)
    score = (sets.by_glyph if by == "glyph" else sets.by_sound)(distinct) if distinct else np.zeros((0, 0))
    order = np.argsort(-score, axis=1, kind="stable")[:, :top]
    kinds = kinds_of(score, 0 * score) if by == "glyph" else kinds_of(0 * score, score)
    names = [*KINDS, ""]  # -1, for none, is the last
    return {
        character: [
            Confusion(sets.candidates[i], names[kinds[row, i]], round(float(score[row, i]), 4))
            for i in order[row]
            if score[row, i] > 0
        ]
        for row, character in enumerate(distinct)
    }


@lru_cache(maxsize=1)
def default_sets() -> ConfusionSets:
    """The sets of all common characters, made once."""
    return ConfusionSets()


def _single(characters: Iterable[str]) -> list[str]:
    listed = list(characters)
    wrong = [one for one in listed if not isinstance(one, str) or len(one) != 1]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no single character; give a string, or a list of single characters")
    return listed


__all__ = [
    "KINDS",
    "Confusion",
    "ConfusionSets",
    "common_characters",
    "confusions",
    "default_sets",
    "kinds_of",
]

"""Spelling errors made in right text: look-alikes, homophones and near-homophones in place of characters.

    maker = ErrorMaker(ErrorOptions(rate=0.1), seed=0)
    maker(["我们在学校上课"])[0]  # Misspelt(text='我们再学校上课', kinds=['homophone'])

What becomes of a text depends on the text, the options and the seed, and on nothing else: not on other texts, their
order, or the process. (Readings are pypinyin's: another version of its dictionary may give other errors.)
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..confusion_sets import KINDS, ConfusionSets, common_characters, kinds_of
from ..tokenization.characters import code_points, is_han
from ..tokenization.pinyin import pinyin_table
from .text_files import read_text

MOST = 10  # candidates for each kind of error: the nearest
_CHUNK = 256  # characters that are compared with all candidates at a time

Choices = list[str]  # for each of `KINDS` a string of candidates


class Misspelt(NamedTuple):
    """A text with errors.

    Attributes:
        text: as long as the right text.
        kinds: one of `KINDS` for each character that differs, in their order.
    """

    text: str
    kinds: list[str]


@dataclass(frozen=True)
class ErrorOptions:
    """How many errors are made, and which.

    Attributes:
        rate: probability that a Chinese character becomes an error, 0..1.
        mix: weights of the kinds; kinds that are left out are not made. A character that has no candidate of the
            drawn kind gets one of the others.
        characters: what may be written in place of a character: "simplified" or "traditional" (the common ones), or
            the path of a text file whose Chinese characters these are.

    Raises:
        ValueError: a rate outside of 0..1; a mix that is no kind=weight, or has a weight below 0, or none above.
    """

    rate: float = 0.05
    mix: str = "look_alike=0.25,homophone=0.35,near_homophone=0.25,look_and_sound=0.15"
    characters: str = "simplified"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"error_rate={self.rate} is not allowed; give a probability, 0 to 1")
        self.weights()

    def weights(self) -> np.ndarray:
        """The weight of each of `KINDS`: float64 [4], with the sum 1."""
        found: dict[str, float] = {}
        for piece in self.mix.split(","):
            name, _, value = (part.strip() for part in piece.partition("="))
            is_repeated = name in found
            try:
                found[name] = float(value)
            except ValueError:
                found[name] = -1
            if is_repeated or name not in KINDS or not 0 <= found[name] < np.inf:
                raise ValueError(
                    f"error_mix={self.mix!r}: {piece.strip()!r} is not allowed; give kind=weight, separated by commas, "
                    f"each kind once, with weights of 0 or more; kinds are {', '.join(KINDS)}"
                )
        if sum(found.values()) == np.inf:
            raise ValueError(f"error_mix={self.mix!r} has weights whose sum is infinite; give smaller ones, such as 1")
        if not sum(found.values()):
            raise ValueError(f"error_mix={self.mix!r} has no weight above 0; give one (no errors: error_rate=0)")
        weights = np.array([found.get(kind, 0) for kind in KINDS], np.float64)
        return weights / weights.sum()

    def candidates(self) -> str:
        """The characters that may be written.

        Raises:
            FileNotFoundError, ValueError: a file that cannot be read, or has no Chinese character.
        """
        if self.characters in ("simplified", "traditional"):
            return common_characters(self.characters)
        text = read_text(Path(self.characters), "characters (or give simplified or traditional)")
        found = "".join(dict.fromkeys(text))
        found = "".join(np.array(list(found))[is_han(code_points(found))])
        if not found:
            raise ValueError(f"{self.characters} has no Chinese character; give a file of the characters to write")
        return found


class ErrorMaker:
    """Makes errors in right texts; see the module.

    Args:
        options: how many, and which.
        seed: of all choices.

    Raises:
        FileNotFoundError, ValueError: see `ErrorOptions.candidates`; the seed is below 0.
    """

    def __init__(self, options: ErrorOptions, seed: int = 0) -> None:
        check_seed(seed)
        self.options, self.seed = options, seed
        self._weights = options.weights()
        self._sets = ConfusionSets(options.candidates())
        self._choices: dict[tuple[str, int], Choices] = {}  # by character and row of its reading

    def __call__(self, texts: Sequence[str], copy: int = 0) -> list[Misspelt]:
        """Makes errors in texts.

        Args:
            texts: right ones.
            copy: another number makes other errors in the same text.
        """
        # the errors are drawn first, so that only characters that become one are compared with the candidates
        drawn = [self._draw(text, copy) for text in texts]
        rows = pinyin_table().rows("\n".join(texts))  # int32: the reading of every character in its text
        starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
        keys = [
            [(text[place], int(rows[start + place])) for place in places]
            for text, start, (places, _) in zip(texts, starts, drawn, strict=False)
        ]
        self._compare(sorted({key for found in keys for key in found} - self._choices.keys()))
        return [self._write(text, *found, own) for text, found, own in zip(texts, drawn, keys, strict=True)]

    def _draw(self, text: str, copy: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the errors of a text are, int64 [n], and random numbers for each, float64 [n, 2]."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        rng = np.random.default_rng([self.seed, copy, *np.frombuffer(digest, "<u4").tolist()])
        chosen = rng.random(len(text)) < self.options.rate
        places = np.flatnonzero(chosen & is_han(code_points(text)))
        return places, rng.random((len(places), 2))

    def _write(self, text: str, places: np.ndarray, draws: np.ndarray, keys: list[tuple[str, int]]) -> Misspelt:
        characters, kinds = list(text), []
        for place, (of_kind, of_choice), key in zip(places.tolist(), draws.tolist(), keys, strict=True):
            choices = self._choices[key]
            weights = self._weights * [bool(choice) for choice in choices]
            if not weights.any():  # nothing looks or sounds like it: it stays right
                continue
            kind = int(np.searchsorted(np.cumsum(weights) / weights.sum(), of_kind, side="right"))
            kind = min(kind, int(np.flatnonzero(weights)[-1]))  # rounding may leave the sum below 1
            characters[place] = choices[kind][int(of_choice * len(choices[kind]))]
            kinds.append(KINDS[kind])
        return Misspelt("".join(characters), kinds)

    def _compare(self, keys: list[tuple[str, int]]) -> None:
        """Fills in the choices of characters with their readings."""
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            characters = [character for character, _ in part]
            glyph = self._sets.by_glyph(characters)  # [n, N]
            sound = self._sets.by_sound(characters, [pinyin_table().readings[row] for _, row in part])
            kinds = kinds_of(glyph, sound)
            for row, key in enumerate(part):
                self._choices[key] = [self._nearest(kinds[row] == kind, glyph[row] + sound[row]) for kind in range(4)]

    def _nearest(self, fits: np.ndarray, score: np.ndarray) -> str:
        """The `MOST` candidates of the highest score among those that fit."""
        columns = np.flatnonzero(fits)
        order = np.argsort(-score[columns], kind="stable")[:MOST]
        return "".join(self._sets.candidates[column] for column in columns[order])


def check_seed(seed: int) -> None:
    """Refuses a seed of errors below 0, of which numpy makes no random numbers.

    Raises:
        ValueError: it is below 0.
    """
    if seed < 0:
        raise ValueError(f"error_seed={seed} is not allowed; give 0 or more")


__all__ = ["ErrorMaker", "ErrorOptions", "Misspelt", "check_seed"]

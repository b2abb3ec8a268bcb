"""syllable_ids for any tokenizer: which row of the model's bank of spectrograms every token has.

Axes: L tokens, S rows of the model's sound bank.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from transformers.utils import logging

from .alignment import TextAlignment
from .characters import code_points, is_han
from .syllables import SYLLABLE, check_readings, toned_syllables
from .tally import Tally

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_NAMED = 20  # characters that a warning names


class SyllableInputs:
    """Mixin before a tokenizer class with `CharacterInputs`: `syllable_ids`, rows of the model's sound bank.

    Row 0 is no sound: special tokens, padding, and characters without a reading. Row i + 1 is that of `syllables[i]`.
    Every character is read in its whole text (windows of an overflowing text included), by the user's `readings` first.
    A Chinese character without a reading, or whose syllable is not in the list, has no sound, is counted in `unvoiced`
    and warned about.

    There are syllable_ids as soon as `syllables` is known: HanziProcessor takes them from its feature extractor, and
    they are saved with the tokenizer.

    Attributes:
        unvoiced: by character: how often it had no sound. Each worker of a data loader counts for
            itself.
    """

    _rows_by_syllable: dict[str, int] | None = None
    _readings: dict[str, str]

    def __init__(
        self,
        *args: Any,
        syllables: Sequence[str] | None = None,
        readings: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialises the tokenizer class behind this one, then the syllables.

        Args:
            args: of the tokenizer class behind.
            syllables: the toned syllables of the rows 1..S-1, such as "zhong1"; None: not known (yet).
            readings: word -> its syllables, such as {"长江": "chang2 jiang1"}; see `syllables.check_readings`.
            kwargs: of the tokenizer class behind.

        Raises:
            TypeError, ValueError: syllables or readings that are none (see `check_syllables` and `check_readings`).
        """
        # The names tell transformers what to save; it takes the values from the attributes when it saves.
        super().__init__(*args, syllables=None, readings=None, **kwargs)
        self.unvoiced = Tally()
        self.readings = readings
        self.syllables = syllables

    @property
    def syllables(self) -> list[str] | None:
        """The toned syllables of the rows 1..S-1 of the sound bank; None: not known (yet), no syllable_ids."""
        return None if self._rows_by_syllable is None else list(self._rows_by_syllable)

    @syllables.setter
    def syllables(self, syllables: Sequence[str] | None) -> None:
        rows = None if syllables is None else {one: row for row, one in enumerate(check_syllables(syllables), start=1)}
        self._rows_by_syllable = rows
        names = [name for name in self.model_input_names if name != "syllable_ids"]
        # a tokenizer that was fitted to another model makes neither glyph_ids nor these
        if rows is not None and "glyph_ids" in names:
            names.insert(names.index("glyph_ids") + 1, "syllable_ids")
        self.model_input_names = names

    @property
    def readings(self) -> dict[str, str]:
        """The user's readings: word -> toned syllables with one space between them."""
        return self._readings

    @readings.setter
    def readings(self, readings: Mapping[str, str] | None) -> None:
        checked = check_readings(readings)
        broken = next((word for word in checked if "\n" in word), None)
        if broken is not None:  # the texts of a call are read in one go, with line breaks between them
            raise ValueError(f"readings holds {broken!r}, a word with a line break; give the parts of each line")
        self._readings = checked

    @property
    def extra_inputs(self) -> dict[str, Any]:
        """A padding token has no sound."""
        return {**super().extra_inputs, "syllable_ids": 0}

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """Syllables of the tokens: all texts of the call are read in one go."""
        values = super().extra_values(alignment)
        if self._rows_by_syllable is None:
            return values
        rows = self._rows(alignment.text, self._rows_by_syllable)
        return {**values, "syllable_ids": alignment.gather(rows)}  # 0, no sound, where a token is not one character

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """A token of one character has the sound of the character by itself, every other token none."""
        values = super().values_of_tokens(ids)
        if self._rows_by_syllable is not None:
            text = "\n".join(characters_of_tokens(self.convert_ids_to_tokens(ids.tolist())))
            values["syllable_ids"] = self._rows(text, self._rows_by_syllable, count=False)[::2]  # without line breaks
        return values

    def _rows(self, text: str, rows_by_syllable: dict[str, int], count: bool = True) -> np.ndarray:
        """The row of every character of a text: int64 [len(text)]."""
        syllables = toned_syllables(text, self._readings)
        rows = np.fromiter((rows_by_syllable.get(one, -1) if one else 0 for one in syllables), np.int64, len(text))
        if count:
            self._count([(text[one], syllables[one]) for one in np.flatnonzero(rows < 0)])
            silent = np.flatnonzero((rows == 0) & is_han(code_points(text)))
            unread = self._without_reading({text[one] for one in silent})
            self._count([(text[one], "(no reading)") for one in silent if text[one] in unread])
        return rows.clip(min=0)

    def _without_reading(self, characters: set[str]) -> set[str]:
        """Those that nobody says how to read; the user's readings may say of others that they are silent."""
        unknown = sorted(characters.difference(self._readings))
        return {
            one for one, syllable in zip(unknown, toned_syllables("\n".join(unknown))[::2], strict=True) if not syllable
        }

    def _count(self, pairs: list[tuple[str, str]]) -> None:
        """Counts characters (with their syllables) that have no row."""
        if not pairs or not self.unvoiced.add(Counter(character for character, _ in pairs)):
            return
        first = list(dict.fromkeys(pairs))[:_NAMED]
        names = ", ".join(f"{character} {syllable}" for character, syllable in first)
        logger.warning(
            "Characters without a reading, or whose syllable is not in the sound bank, have no sound: "
            f"{len(self.unvoiced)} different ones so far, {self.unvoiced.total()} in all, among them {names}. Give "
            "tokenizer.readings such a syllable for them, or a sound bank (HanziSyllableFeatureExtractor) that has it. "
            "(tokenizer.unvoiced has the counts.)"
        )


def check_syllables(syllables: Any) -> list[str]:
    """Checks the list of the sound bank's rows.

    Args:
        syllables: toned syllables, such as ["zhong1", "lv4"], each once.

    Returns:
        The same as a list.

    Raises:
        TypeError: it is no list of strings.
        ValueError: it is empty, or holds a syllable twice or one that is none.
    """
    if isinstance(syllables, str | bytes | Mapping) or not isinstance(syllables, Iterable):
        raise TypeError(f"syllables is {syllables!r:.99}; give a list of toned syllables, such as ['zhong1', 'lv4']")
    checked = list(syllables)
    wrong = [one for one in checked if not isinstance(one, str) or not SYLLABLE.fullmatch(one)]
    if wrong or not checked:
        raise ValueError(
            f"syllables holds {repr(wrong[0]) if wrong else 'nothing'}; every entry must be a toned syllable: a-z (v "
            "for ü) in lower case and then the tone 1-5, such as 'zhong1', 'lv4' or 'de5'"
        )
    twice = next((one for one, number in Counter(checked).items() if number > 1), None)
    if twice is not None:
        raise ValueError(
            f"syllables holds {twice!r} twice; every syllable has one row of the sound bank, so each must stand once"
        )
    return checked


def characters_of_tokens(tokens: Iterable[str | None]) -> list[str]:
    """Gives one character for each token: the token's own, else a space, which has no sound and no glyph image."""
    bare = ((token or "").removeprefix("##") for token in tokens)  # an id that no token has is None
    return [token if len(token) == 1 else " " for token in bare]


__all__ = ["SyllableInputs", "characters_of_tokens", "check_syllables"]

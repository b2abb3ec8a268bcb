"""Pinyin of whole texts, equal to pypinyin's on every text and much faster.

pypinyin cuts every run of Chinese characters into the phrases of its dictionary (forward maximum matching) and reads
each phrase as a whole, which is how 行 becomes hang2 in 银行. Few readings differ from what the character has alone,
so `PinyinTable` looks up every character in one table and then corrects those few. Why this is exact:

- Chains. Two neighbours that are adjacent in no phrase (nor in any word that the segmenter was trained on) always have
  a word border between them. So a text falls into short chains that are cut independently of each other, and a chain
  without the last two characters of a phrase that changes a reading keeps the readings of the table. The pairs are
  kept in a hash table; a collision only joins two chains or cuts one that needs no cutting.
- Tail rule and stop character. A chain's words depend on one more thing: where the run of Chinese characters ends
  inside an unfinished phrase, pypinyin stops matching (the 头 of 一块石头 reads tou2 there, tou before more Chinese).
  So a chain that is not the end of a run is cut together with a Chinese character that is in no phrase.
- pypinyin's own segmenter cuts each different chain once, and the result is remembered. No rule of the segmenter is
  repeated here, so the result follows whichever version is installed. Its time grows with the square of a chain's
  length, so it gets a long chain in overlapping windows: where a word starts depends on what follows only as far as the
  longest word reaches, and words that start nearer to a window's end than that are left to the next window.

Line breaks are not Chinese and end a run: texts joined by line breaks read as they do one by one.
"""

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
from pypinyin import Style
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT, RE_HANS
from pypinyin.seg import mmseg, simpleseg
from pypinyin.style import convert

from .characters import CODE_POINTS, code_points

SYMBOLS = "_12345abcdefghijklmnopqrstuvwxyz"
PINYIN_LENGTH = 8

_SYMBOL_IDS = {symbol: index for index, symbol in enumerate(SYMBOLS) if index}
_MULTIPLIER = np.uint32(40503)  # odd; spreads the first character of a pair over the hash table
_MASK = np.uint32(2**20 - 1)
_LINKED, _CHANGING = 1, 2
_CHANGING_TAIL = re.compile(rb"\x02[\x01\x02]*")  # from a chain's first changing pair to the end of the chain
_MEMO_CHARACTERS = 2**19  # of all remembered chains: usually 30 MB, at most about 100
_WINDOW = 128  # characters of a chain that the segmenter gets at a time; longer chains are not remembered


def encode_pinyin(reading: str) -> list[int]:
    """Gives the symbol ids of one reading.

    Args:
        reading: A syllable in pypinyin's TONE3 style: letters a-z (v for ü), then the tone 1-4. No digit, or 5, is the
            neutral tone. "" is no reading.

    Returns:
        8 ids in 0..31, positions in `SYMBOLS`: the letters, the tone (5 where there is no digit), then zeros. "" gives
        zeros only.

    Raises:
        ValueError: The reading holds another symbol, or is longer than 8 symbols with its tone.
    """
    unknown = "".join(sorted(set(reading) - _SYMBOL_IDS.keys()))
    if unknown:
        raise ValueError(
            f"the reading {reading!r} holds {unknown!r}, but only a-z and the tones 1-5 have an id: "
            "write it in pypinyin's Style.TONE3, lower case, v for ü (for example 'lv4')"
        )
    if reading and not any(symbol.isdigit() for symbol in reading):
        reading += "5"
    if len(reading) > PINYIN_LENGTH:
        raise ValueError(
            f"the reading {reading!r} (tone included) has {len(reading)} symbols, but at most {PINYIN_LENGTH} are "
            "allowed: pass one syllable at a time"
        )
    return [_SYMBOL_IDS[symbol] for symbol in reading] + [0] * (PINYIN_LENGTH - len(reading))


class PinyinTable:
    """The reading of every character of a text in its context, by table.

    Equal to the first reading of each position in `pypinyin.pinyin(text, Style.TONE3, heteronym=True)`. The table is
    built from pypinyin's dictionaries as they stand at that moment: load your own dictionaries first
    (`pypinyin.load_phrases_dict`, `pypinyin.load_single_dict`), or call `pinyin_table.cache_clear()` after.

    Attributes:
        readings: The different readings, for example "zhong1"; row 0 is "", no reading.
        ids: uint8 [rows, 8], in 0..31, read-only: the symbol ids of every row. Zeros for row 0 and for a reading with
            a symbol that has no id, such as "ê1".
    """

    def __init__(self) -> None:
        """Reads pypinyin's dictionaries; takes some tenths of a second.

        Raises:
            ValueError: A phrase does not have one list of readings for every character.
        """
        rows_by_reading = {"": 0}

        @cache
        def row(raw: str) -> int:
            reading = convert(raw, Style.TONE3, strict=True, default=raw)
            return rows_by_reading.setdefault(reading, len(rows_by_reading))

        def first(raws: Iterable[str]) -> int:
            return next(filter(None, map(row, raws)), 0)

        phrases = {phrase: list(map(first, readings)) for phrase, readings in PHRASES_DICT.items()}
        _check_phrases(phrases)
        # What a character reads as alone, also as a phrase of one character.
        chinese = _chinese_characters()
        alone = {character: first(PINYIN_DICT.get(ord(character), "").split(",")) for character in chinese}
        alone |= {phrase: rows[0] for phrase, rows in phrases.items() if phrase in alone}
        self._alone = np.zeros(CODE_POINTS, np.int32)
        self._alone[code_points(chinese)] = list(alone.values())
        is_chinese = np.zeros(CODE_POINTS, np.uint8)
        is_chinese[code_points(chinese)] = 1
        self._is_chinese = is_chinese.tobytes()  # bytes give one item faster than an array

        self._changes = _find_changes(phrases, alone)
        known = [*phrases, *mmseg.p_set._set]  # the segmenter has no public view of the words it knows
        self._longest = max(map(len, known), default=0)
        words = "\n".join(known)
        self._links = _mark_links(words, self._changes)
        used = set(words)
        self._stop = next(character for character in chinese if character not in used)
        self._memo: dict[str, list[tuple[int, int]]] = {}
        self._remembered = 0  # characters in the memo

        self.readings = list(rows_by_reading)  # complete now: every reading has met `row`
        self.ids = np.array([_ids_or_zeros(reading) for reading in self.readings], np.uint8)
        self.ids.setflags(write=False)

    def rows(self, text: str) -> np.ndarray:
        r"""Gives the row of every character's reading in its context.

        Join many short texts by "\n" and call this once: the readings are the same, and it is faster.

        Args:
            text: Any string, also empty or with lone surrogates.

        Returns:
            int32 [len(text)]: for every code point a row of `readings` and `ids`; 0 where a character has no reading.

        Raises:
            TypeError: `text` is not a string.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be one str, got {type(text).__name__}: join a list of texts by '\\n'")
        codes = code_points(text)
        rows = self._alone.take(codes)  # right but for the few that phrases change
        links = self._links.take(_hash(codes)).tobytes()  # links[i] is that of the characters i and i + 1
        for match in _CHANGING_TAIL.finditer(links):
            # the chain that the pair stands in, from the last word border before it
            start, end = links.rfind(b"\0", 0, match.start()) + 1, match.end() + 1
            chain = text[start:end]
            if end < len(text) and self._is_chinese[ord(text[end])]:
                chain += self._stop  # the tail rule
            changes = self._memo.get(chain)
            if changes is None:
                changes = self._solve(chain)
            for offset, row in changes:
                rows[start + offset] = row
        return rows

    def row_of(self, character: str) -> int:
        """Gives the row of one character's reading outside any context.

        Args:
            character: One code point.

        Returns:
            A row of `readings` and `ids`, 0 where the character has no reading.

        Raises:
            ValueError: `character` is not exactly one code point.
        """
        if len(character) != 1:
            raise ValueError(f"character must be one code point, got {character!r}: use rows() for a text")
        return int(self._alone[ord(character)])

    def _solve(self, chain: str) -> list[tuple[int, int]]:
        """Cuts one chain with pypinyin's segmenter: the (offset, row) that differ from the table."""
        changes, start, size = [], 0, max(_WINDOW, 2 * self._longest)
        while start < len(chain):
            window = chain[start : start + size]
            is_last = start + size >= len(chain)
            # from the limit on a word, or the tail rule, may depend on characters behind the window
            limit, offset = len(window) if is_last else size - self._longest, 0
            for word in simpleseg.seg(window):
                if offset >= limit:
                    break
                changes += [(start + offset + index, row) for index, row in self._changes.get(word, ())]
                offset += len(word)
            start += offset
        if len(chain) <= _WINDOW:
            self._remember(chain, changes)
        return changes

    def _remember(self, chain: str, changes: list[tuple[int, int]]) -> None:
        if self._remembered + len(chain) > _MEMO_CHARACTERS:
            self._memo.clear()
            self._remembered = 0
        self._memo[chain] = changes
        self._remembered += len(chain)


@cache
def pinyin_table() -> PinyinTable:
    """Gives the table that the whole process shares, built at the first call.

    It holds pypinyin's dictionaries as they stood then: load your own before, or call `pinyin_table.cache_clear()`
    after.

    Raises:
        ValueError: See `PinyinTable`.
    """
    return PinyinTable()


def _check_phrases(phrases: dict[str, list[int]]) -> None:
    """Refuses phrases that do not have one list of readings for every character."""
    for phrase, rows in phrases.items():
        if len(rows) != len(phrase):
            raise ValueError(
                f"pypinyin's phrase {phrase!r} has {len(rows)} readings, but it must have {len(phrase)}: one list for "
                "every character, or the readings of all later characters shift. Load it again with "
                f"pypinyin.load_phrases_dict, or delete pypinyin.constants.PHRASES_DICT[{phrase!r}]"
            )


def _find_changes(phrases: dict[str, list[int]], alone: dict[str, int]) -> dict[str, list[tuple[int, int]]]:
    """Gives the phrases that read otherwise than their characters alone: phrase -> (offset, row) of what it changes."""
    changes = {}
    for phrase, rows in phrases.items():
        defaults = list(map(alone.get, phrase))
        if rows != defaults and None not in defaults:  # a phrase with a character that is not Chinese never matches
            pairs = enumerate(zip(rows, defaults, strict=True))
            changes[phrase] = [(offset, new) for offset, (new, old) in pairs if new != old]
    return changes


def _mark_links(words: str, changing: Iterable[str]) -> np.ndarray:
    r"""Makes the hash table of adjacent pairs: uint8 [2**20], 0 where there is always a word border between the two.

    Args:
        words: all that the segmenter knows, joined by "\n".
        changing: the phrases that change a reading; their last two characters are marked as such.
    """
    codes = code_points(words)
    within = (codes[:-1] != ord("\n")) & (codes[1:] != ord("\n"))
    links = np.zeros(int(_MASK) + 1, np.uint8)
    links[_hash(codes)[within]] = _LINKED
    links[_hash(code_points("".join(phrase[-2:] for phrase in changing)))[::2]] = _CHANGING  # every other pair
    return links


def _hash(codes: np.ndarray) -> np.ndarray:
    """Gives the index of every adjacent pair in the table of links: uint32 [len(codes) - 1], empty for no codes."""
    return (codes[:-1] * _MULTIPLIER + codes[1:]) & _MASK


def _chinese_characters() -> str:
    """Gives every character that pypinyin takes as Chinese, in order of code point."""
    lines = np.full((CODE_POINTS, 2), ord("\n"), np.dtype("<u4"))
    lines[:, 0] = np.arange(CODE_POINTS)
    return "".join(re.findall(RE_HANS.pattern, lines.tobytes().decode("utf-32-le", "surrogatepass"), re.MULTILINE))


def _ids_or_zeros(reading: str) -> list[int]:
    """Encodes a reading as the published code does: eight zeros where it cannot be written."""
    try:
        return encode_pinyin(reading)
    except ValueError:
        return [0] * PINYIN_LENGTH

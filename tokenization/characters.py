"""The classes of characters that tokenizers distinguish, each defined once, and texts as arrays of code points."""

from functools import cache

import numpy as np

CODE_POINTS = 0x110000  # how many there are

Ranges = tuple[tuple[int, int], ...]  # first and last code point of each stretch

# Lone surrogates, which Python lets stand in a str: they are no characters.
SURROGATES: Ranges = ((0xD800, 0xDFFF),)

# Characters that can have no glyph image, and are therefore no tokens of a model that sees characters: white space,
# control characters, and what Unicode calls Default_Ignorable_Code_Point (joiners, marks of direction, variation
# selectors, the byte order mark, Hangul fillers, tags), also where it is only reserved for such characters.
NO_INK: Ranges = (
    (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip

# What a model's glyph bank holds by default, as far as the fonts render it; ordered by code point.
COMMON_BLOCKS: Ranges = (
    (0x0021, 0x007E),  # Latin, without control characters and the soft hyphen
    (0x00A1, 0x00AC),
    (0x00AE, 0x024F),
    (0x2010, 0x2027),  # general punctuation, without spaces and marks of direction
    (0x2030, 0x205E),
    (0x3001, 0x30FF),  # CJK punctuation, kana
    (0x3105, 0x312F),  # bopomofo
    (0x31A0, 0x31BF),  # bopomofo, extended
    (0x31F0, 0x31FF),  # kana, phonetic extensions
    (0x3400, 0x4DBF),  # CJK unified ideographs, extension A
    (0x4E00, 0x9FFF),  # CJK unified ideographs
    (0xAC00, 0xD7A3),  # Hangul
    (0xFE30, 0xFE4F),  # CJK compatibility forms: vertical punctuation
    (0xFF01, 0xFF9F),  # full-width and half-width forms, without the Hangul filler
    (0xFFA1, 0xFFEE),
)

# Chinese characters: the unified ideographs with their extensions, and those of the compatibility blocks
HAN: Ranges = ((0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFD))

# A regular expression (of `tokenizers.Regex`) for characters that are written without spaces between them: Han, kana,
# CJK punctuation and full-width forms.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]"


def code_points(text: str) -> np.ndarray:
    """Gives the code points of a text, lone surrogates included: uint32 [len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def characters_of(ranges: Ranges) -> list[str]:
    """Lists the characters of some ranges, in their order."""
    return [chr(code) for first, last in ranges for code in range(first, last + 1)]


def regex_of(ranges: Ranges) -> str:
    """Gives a regular expression (of `tokenizers.Regex`) that matches one character of the ranges."""
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges) + "]"


def is_han(codes: np.ndarray) -> np.ndarray:
    """Tells which code points are those of Chinese characters: bool, in the shape of `codes`."""
    return np.any([(codes >= first) & (codes <= last) for first, last in HAN], axis=0)


@cache
def may_have_ink() -> np.ndarray:
    """Gives a read-only table: bool [0x110000], False for the characters of `NO_INK` and for lone surrogates."""
    table = np.ones(CODE_POINTS, bool)
    for first, last in (*NO_INK, *SURROGATES):
        table[first : last + 1] = False
    table.setflags(write=False)
    return table


__all__ = [
    "CODE_POINTS",
    "COMMON_BLOCKS",
    "HAN",
    "NO_INK",
    "SURROGATES",
    "UNSPACED",
    "Ranges",
    "characters_of",
    "code_points",
    "is_han",
    "may_have_ink",
    "regex_of",
]

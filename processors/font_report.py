"""The report of the fonts that a machine has for each style, and how much each covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .fonts import FALLBACK_STYLES, STYLES, FontChain


@dataclass(frozen=True)
class FontRow:
    """One font of one style in the report.

    Attributes:
        style: the style that it is used for.
        family, version, licence: as its own records name them.
        where: "path", "checkpoint", "shipped" or "system"; "none" where the style has no font of its own.
        path: the file or folder.
        gb2312, big5, uro: how many of the 6,763, 13,053 and 20,992 characters it renders (by ink).
        fallback_style: the style that renders what is missing.
    """

    style: str
    family: str
    version: str
    licence: str
    where: str
    path: str
    gb2312: int
    big5: int
    uro: int
    fallback_style: str


class FontReport(list[FontRow]):
    """A list of `FontRow` that prints as a table."""

    def __str__(self) -> str:
        names = ("style", "family", "version", "licence", "where", "gb2312", "big5", "uro", "fallback_style")
        table = [[name.replace("_", " ") for name in names]]
        table += [[str(getattr(row, name)) for name in names] for row in self]
        widths = [max(len(line[column]) for line in table) for column in range(len(names))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        )

    __repr__ = __str__


def fonts(paths: dict[str, Sequence[str]] | None = None) -> FontReport:
    """The fonts that this machine has for every style, in the order in which they are tried.

    A style without a font of its own has one row, without a family; its fallback style renders everything.

    Args:
        paths: style -> your own fonts, as for HanziGlyphImageProcessor.

    Example:
        >>> print(fonts())
    """
    report = FontReport()
    for name in dict.fromkeys([*STYLES, *(paths or {})]):
        style, sources = FontChain(name, paths).levels[0]  # its own sources, without those of fallbacks
        other = FALLBACK_STYLES.get(name, "song")
        for source in sources:
            info = source.info
            counts = [int(source.covered[codes].sum()) for codes in _character_sets()]
            report.append(
                FontRow(style, info.family, info.version, info.licence, source.where, source.name, *counts, other)
            )
        if not sources:
            report.append(FontRow(style, "", "", "", "none", "", 0, 0, 0, other))
    return report


@lru_cache(maxsize=1)
def _character_sets() -> tuple[np.ndarray, ...]:
    """Code points of the characters of GB2312, of Big5 and of the URO block."""
    return _han_of("gb2312", 0xB0, 0xF7), _han_of("big5", 0xA4, 0xF9), np.arange(0x4E00, 0xA000)


def _han_of(encoding: str, first: int, last: int) -> np.ndarray:
    """Code points of the Han characters of an encoding whose lead bytes are first..last, in order."""
    found = set()
    for high in range(first, last + 1):
        for low in range(0x40, 0xFF):
            # Pairs of bytes that are no character decode to nothing, or to several characters.
            character = bytes((high, low)).decode(encoding, errors="ignore")
            if len(character) == 1 and ("\u4e00" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"):
                found.add(ord(character))
    return np.array(sorted(found))


__all__ = ["FontReport", "FontRow", "fonts"]

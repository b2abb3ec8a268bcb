"""The report of the fonts that a machine has for each style, and how much each covers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from .fallback_styles import FALLBACK_STYLES, STYLES
from .fonts import FontChain
from .shipped_fonts import standard_characters


@dataclass(frozen=True)
class FontRow:
    """One font of one style in the report.

    Attributes:
        style: the style that it is used for.
        family, version, licence: as its own records name them.
        where: "path", "checkpoint", "shipped" or "system"; "none" where the style has no font of its own.
        path: the file or folder.
        gb2312, big5, uro, standard, hkscs, jisx0213, beyond_bmp: how many Han characters of each list it renders (by
            ink): GB2312 (6,763), Big5 (13,053), U+4E00-9FFF (20,992), the Table of General Standard Chinese Characters
            (8,105), Big5 with HKSCS (17,574), JIS X 0213 (13,099), and all code points from U+20000 on.
        fallback_style: the style that renders what is missing, where the style is used alone.
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
    standard: int
    hkscs: int
    jisx0213: int
    beyond_bmp: int
    fallback_style: str


class FontReport(list[FontRow]):
    """A list of `FontRow` that prints as a table."""

    def __str__(self) -> str:
        names = [field.name for field in fields(FontRow) if field.name != "path"]
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
            report.append(FontRow(style, "", "", "", "none", "", *(0 for _ in _character_sets()), other))
    return report


@lru_cache(maxsize=1)
def _character_sets() -> tuple[np.ndarray, ...]:
    """Code points of the lists of `FontRow`, in its order."""
    han = [*range(0x3400, 0xA000), *range(0xF900, 0xFB00), *range(0x20000, 0x32400)]
    lists = {
        name: [code for code in han if _encodes(chr(code), name)] for name in ("gb2312", "big5hkscs", "euc_jisx0213")
    }
    # below A4 Big5 has symbols, with ten units of measure among them
    big5 = [code for code in lists["big5hkscs"] if _encodes(chr(code), "big5") and chr(code).encode("big5")[0] >= 0xA4]
    uro, beyond = range(0x4E00, 0xA000), range(0x20000, 0x32400)
    standard = [ord(character) for character in standard_characters()]
    ordered = (lists["gb2312"], big5, uro, standard, lists["big5hkscs"], lists["euc_jisx0213"], beyond)
    return tuple(np.array(codes, dtype=np.int64) for codes in ordered)


def _encodes(character: str, encoding: str) -> bool:
    """Whether an encoding has the character."""
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["FontReport", "FontRow", "fonts"]

"""Composite glyphs of TrueType fonts: how far they are nested, which FreeType does not limit.

FreeType follows every component, and keeps a record of each. A few hundred bytes of composites of composites would fill
gigabytes.
"""

import struct
from collections.abc import Iterator

import numpy as np
from fontTools.ttLib import TTFont

MOST_LEVELS = 16  # of composites inside composites: fonts have up to 4
MOST_COMPONENTS = 1024  # of a glyph, those of its components included: fonts have up to some dozens

MOST_POINTS = 2**25  # of all glyphs of a .woff2, which fontTools lays out together: 65,535 glyphs of 500 points

# Flags of a component, from the specification of the glyf table.
_WORDS, _SCALE, _MORE, _TWO_SCALES, _MATRIX = 0x0001, 0x0008, 0x0020, 0x0040, 0x0080


def check_composites(font: TTFont) -> None:
    """Checks the composite glyphs of a font; fonts with CFF outlines have none.

    Raises:
        ValueError: a glyph has too many components or levels, or contains itself; there are too many points.
        Exception: whatever fontTools raises for a damaged table.
    """
    tables = font.reader.tables
    if "glyf" not in tables:
        return
    packed = tables["glyf"]
    is_packed = getattr(packed, "transformed", False)  # of a .woff2
    found = _of_woff2(packed.loadData(font.reader.transformBuffer)) if is_packed else _of_glyf(font)
    components = dict(found)
    known: dict[int, tuple[int, int]] = {}  # glyph -> its components in all, and its levels

    def measure(glyph: int, above: int) -> tuple[int, int]:
        if glyph not in known:  # each is measured once, however many contain it
            parts = [measure(part, above + 1) for part in components.get(glyph, ())] if above <= MOST_LEVELS else []
            known[glyph] = sum(1 + count for count, _ in parts), 1 + max((levels for _, levels in parts), default=0)
        if above + known[glyph][1] > MOST_LEVELS:
            raise ValueError(f"its glyph {glyph} is nested in more than {MOST_LEVELS} levels, or contains itself")
        return known[glyph]

    for glyph in components:
        count, _ = measure(glyph, 0)
        if count > MOST_COMPONENTS:
            raise ValueError(f"its glyph {glyph} has {count:,} components; at most {MOST_COMPONENTS:,} are allowed")


def _of_glyf(font: TTFont) -> Iterator[tuple[int, list[int]]]:
    """Composite glyphs and their components, from the tables glyf and loca."""
    data, loca = font.reader["glyf"], font.reader["loca"]
    is_long = struct.unpack_from(">h", font.reader["head"], 50)[0]
    step = 4 if is_long else 2
    offsets = np.frombuffer(loca[: len(loca) // step * step], f">u{step}").astype(np.int64) * (1 if is_long else 2)
    glyphs = np.flatnonzero((offsets[1:] > offsets[:-1]) & (offsets[:-1] + 10 <= len(data)))
    negative = np.frombuffer(data, np.uint8)[offsets[glyphs]] >= 0x80  # the number of contours of a composite glyph
    for glyph in glyphs[negative]:
        yield int(glyph), _components(data, int(offsets[glyph]) + 10)[0]


def _of_woff2(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """The same from the transformed table of a .woff2, which has a stream of all components."""
    count = struct.unpack_from(">H", data, 4)[0]
    sizes = struct.unpack_from(">4L", data, 8)  # of the streams before it: contours, points, flags, outlines
    if sizes[2] > MOST_POINTS:  # a byte for each point
        raise ValueError(f"its glyphs have {sizes[2]:,} points; at most {MOST_POINTS:,} are allowed")
    at = 36 + sum(sizes)
    for glyph in np.flatnonzero(np.frombuffer(data, ">i2", count, 36) < 0):
        parts, at = _components(data, at)
        yield int(glyph), parts


def _components(data: bytes, at: int) -> tuple[list[int], int]:
    """The glyph numbers of the components of a glyph, which begin at a byte, and where they end."""
    parts: list[int] = []
    flags = _MORE
    while flags & _MORE and at + 4 <= len(data):
        flags, part = struct.unpack_from(">HH", data, at)
        at += 4 + (4 if flags & _WORDS else 2)
        at += 2 if flags & _SCALE else 4 if flags & _TWO_SCALES else 8 if flags & _MATRIX else 0
        parts.append(part)
    return parts, at


__all__ = ["MOST_COMPONENTS", "MOST_LEVELS", "MOST_POINTS", "check_composites"]

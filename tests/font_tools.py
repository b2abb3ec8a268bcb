"""Small fonts and image folders for the tests of fonts."""

import struct
from pathlib import Path

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.sfnt import SFNTReader, SFNTWriter
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable
from PIL import Image

NOTDEF = (100, 0, 900, 800)
WHOLE = (0, -100, 1000, 850)
MANY = [chr(code) for code in range(0x4E00, 0x4E00 + 600)]
# one of each extension of Han from B to I, and of two private-use areas
RARE = "".join(map(chr, (0x20000, 0x2A700, 0x2B740, 0x2B820, 0x2CEB0, 0x30000, 0x31350, 0x2EBF0, 0xE000, 0xF0000)))


def box_font(path: Path, boxes: dict[int, tuple[int, int, int, int] | None], family: str = "Test Boxes") -> Path:
    """A TrueType font whose characters are filled boxes (x0, y0, x1, y1) in an em of 1000; None: no ink."""

    def glyph(box):
        pen = TTGlyphPen(None)
        if box is not None:
            x0, y0, x1, y1 = box
            pen.moveTo((x0, y0))
            for point in ((x0, y1), (x1, y1), (x1, y0)):
                pen.lineTo(point)
            pen.closePath()
        return pen.glyph()

    names = [".notdef", *(f"u{code:x}" for code in boxes)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({code: f"u{code:x}" for code in boxes})
    rendered = dict(zip(names, [NOTDEF, *boxes.values()], strict=True))
    builder.setupGlyf({name: glyph(box) for name, box in rendered.items()})
    builder.setupHorizontalMetrics({name: (1000, box[0] if box else 0) for name, box in rendered.items()})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    licence = "This Font Software is licensed under the SIL Open Font License, Version 1.1"
    builder.setupNameTable(
        {"familyName": family, "styleName": "Regular", "version": "Version 1.5; test", "licenseDescription": licence}
    )
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def rare_font(path: Path) -> Path:
    """A font of `RARE`: each character a bar at a position of its own."""
    return box_font(path, {ord(c): (90 * index, 0, 90 * index + 90, 800) for index, c in enumerate(RARE)}, "Rare Bars")


def image_folder(path: Path, files: dict[str, str | bytes]) -> Path:
    """A folder of 64 x 64 images: name -> "black" (a bar on white), "white" (the reverse), "blank", or bytes."""
    path.mkdir(parents=True, exist_ok=True)
    for number, (name, kind) in enumerate(files.items()):
        if isinstance(kind, bytes):
            (path / name).write_bytes(kind)
            continue
        paper, ink = (0, 255) if kind == "white" else (255, 0)
        image = Image.new("L", (64, 64), paper)
        if kind != "blank":
            image.paste(ink, (8, 12 + number, 56, 24 + number))
        image.save(path / name)
    return path


def covered(source):
    """The characters that a source renders with ink."""
    return {chr(code) for code in np.flatnonzero(source.covered)}


def with_tables(source: Path, target: Path, tables: dict[str, bytes | None]) -> Path:
    """A copy of a TrueType font with some tables as given, byte for byte; None leaves a table out."""
    with source.open("rb") as file:
        reader = SFNTReader(file)
        whole = {tag: reader[tag] for tag in reader.tables} | tables
    whole = {tag: data for tag, data in whole.items() if data is not None}
    with target.open("wb+") as file:
        writer = SFNTWriter(file, len(whole))
        for tag, data in whole.items():
            writer[tag] = data
        writer.close()
    return target


def table_of(path: Path, tag: str) -> bytes:
    """The bytes of a table of a font."""
    with path.open("rb") as file:
        return SFNTReader(file)[tag]


def map_table(records: list[tuple[int, int, int]], maps: list[bytes]) -> bytes:
    """A table cmap: (platform, encoding, number of the map) of each record, and the maps."""
    starts = np.cumsum([4 + 8 * len(records), *map(len, maps)])
    head = b"".join(struct.pack(">HHL", platform, kind, starts[number]) for platform, kind, number in records)
    return struct.pack(">HH", 0, len(records)) + head + b"".join(maps)


def ranges_map(groups: list[tuple[int, int, int]], kind: int = 12) -> bytes:
    """A map of format 12 or 13: first code, last code and glyph of each range."""
    packed = b"".join(struct.pack(">LLL", *group) for group in groups)
    return struct.pack(">HHLLL", kind, 0, 16 + len(packed), 0, len(groups)) + packed


def recoded_font(source: Path, target: Path, key: tuple[int, int], codec: str, kind: int = 4) -> Path:
    """A copy of a font whose only map is that of (platform, encoding), with the codes that a codec gives.

    Args:
        source: a font with a Unicode map.
        target: .ttf, .otf or .woff2.
        key: platform and encoding.
        codec: one of Python, or of fontTools.
        kind: the format of the map.
    """
    font = TTFont(source)
    codes = {int.from_bytes(chr(code).encode(codec), "big"): name for code, name in font.getBestCmap().items()}
    subtable = CmapSubtable.newSubtable(kind)
    (subtable.platformID, subtable.platEncID), subtable.language, subtable.cmap = key, 0, codes
    font["cmap"].tables = [subtable]
    font.flavor = "woff2" if target.suffix == ".woff2" else None
    font.save(target)
    return target

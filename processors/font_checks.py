"""What is checked of a font file before FreeType and fontTools read it, so that a hostile one costs no memory.

FreeType checks every offset in a font, and unpacks no more of a .woff or .woff2 than its header declares. So what the
header declares is checked here, and fontTools, which unpacks without a limit, only reads what FreeType has opened.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from fontTools.ttLib.woff2 import WOFF2DirectoryEntry, woff2DirectorySize

MOST_BYTES = 2**28  # of a file: collections that hold all weights of Noto CJK have about 2**27
MOST_UNPACKED = 2**27  # bytes of all tables of a .woff or .woff2: the largest fonts of Han characters have about 2**26
MOST_FONTS = 4096  # of a collection
MOST_NAME_BYTES = 2**24  # of all records of a font: licences in many languages have about 2**20
# Square em that the ink of a character covers at most. Wide ligatures have 20 em by 2. At the largest size of a glyph
# image (512 px) these are 2**26 pixels.
MOST_EM = 256

_SFNT = (b"\0\1\0\0", b"true", b"OTTO", b"typ1")
_EXPERIMENTS = ("DMAP", "GLYF", "HMTX", "LOCA", "MAXP", "VMTX")  # fontTools would prefer them; FreeType knows none
_OUTLINES = {b"glyf", b"CFF ", b"CFF2"}
_EXTRAS = {b"wOFF": slice(24, 44), b"wOF2": slice(28, 48)}  # where the header says what is packed beside the tables


def check_file(path: Path) -> int:
    """Checks the kind of a font file and the sizes that it declares.

    Returns:
        How many fonts it holds: 1, or more in a collection.

    Raises:
        ValueError: it is none, or passes a limit; says why, without the name of the file.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise ValueError("it is no regular file")  # a pipe or a device would never end
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MOST_BYTES:,} are allowed")
    with path.open("rb") as file:
        head = file.read(woff2DirectorySize)
        if head[:4] == b"ttcf":
            return _fonts_of(head)
        if head[:4] not in (*_SFNT, *_EXTRAS):  # FreeType would unpack gzip, and read kinds that fontTools cannot check
            raise ValueError(f"it begins with {head[:4]!r}, as no font does" if head else "it is empty")
        unpacked = _unpacked_size(file, head) if head[:4] in _EXTRAS else 0
    if unpacked > MOST_UNPACKED:
        raise ValueError(f"its {size:,} bytes unpack to {unpacked:,}; at most {MOST_UNPACKED:,} are allowed")
    return 1


def check_tables(path: Path, number: int) -> None:
    """Checks that the tables of a font are whole: FreeType does without some of them.

    Args:
        path: a font file that `check_file` lets through.
        number: of the font in a collection.

    Raises:
        ValueError: a table lies outside of the file, or there are no outlines.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        if head == b"ttcf":
            file.seek(12 + 4 * number)
            file.seek(int.from_bytes(file.read(4), "big"))
            head = file.read(4)
        if head not in _SFNT:
            return  # a .woff or .woff2, whose tables FreeType unpacks and checks when it opens it
        count = int.from_bytes(file.read(8)[:2], "big")
        records = [file.read(16) for _ in range(count)]
    for record in records:
        tag, end = record[:4], int.from_bytes(record[8:12], "big") + int.from_bytes(record[12:], "big")
        if len(record) < 16 or end > size and tag != b"DSIG":  # nobody reads a signature, and tools leave wrong ones
            raise ValueError(f"it is cut off: its table {tag.decode('latin-1')!r} ends at byte {end:,} of {size:,}")
    if not _OUTLINES & {record[:4] for record in records}:
        raise ValueError("it has no outlines: no table glyf, CFF or CFF2")


def check_extent(box: tuple[float, float, float, float], height: float) -> None:
    """Checks how large a character is.

    Args:
        box: left, top, right, bottom of its ink in px.
        height: px of an em.

    Raises:
        ValueError: it is larger than `MOST_EM`.
    """
    width, rows = (box[2] - box[0]) / height, (box[3] - box[1]) / height
    if width * rows > MOST_EM:
        side = math.isqrt(MOST_EM)
        raise ValueError(f"it is {width:.0f} x {rows:.0f} em large; at most {side} x {side} em are allowed")


@contextmanager
def open_tables(path: Path, number: int) -> Iterator[tuple[TTFont, bytes]]:
    """The tables of a font that FreeType has opened, read by fontTools when they are asked for; and the table cmap.

    fontTools does not see that table: it would lay out every map in it to name the glyphs, however large they are.

    Args:
        path: the font file.
        number: of the font in a collection.

    Raises:
        Exception: whatever fontTools raises for a damaged file.
    """
    file: Path | io.BytesIO = path
    with path.open("rb") as opened:
        extras = _EXTRAS.get(opened.read(4))
    if extras is not None:
        # fontTools would unpack the metadata at once, whatever size it comes to. FreeType does not look at it.
        data = bytearray(path.read_bytes())
        data[extras] = bytes(extras.stop - extras.start)
        file = io.BytesIO(data)
    with TTFont(file, fontNumber=number if extras is None else -1, lazy=True) as font:
        for tag in _EXPERIMENTS:
            font.reader.tables.pop(tag, None)
        cmap = font.reader["cmap"] if "cmap" in font.reader.tables else bytes(4)  # no maps
        font.reader.tables.pop("cmap", None)
        yield font, cmap


def check_names(font: TTFont) -> None:
    """Checks the records of a font, which may all name the same bytes, before fontTools copies each.

    Raises:
        ValueError: they have more than `MOST_NAME_BYTES` together, or lie outside of their table.
    """
    table = font.reader["name"]
    lengths = np.frombuffer(table, ">u2", 6 * int.from_bytes(table[2:4], "big"), 6)[4::6]
    if lengths.sum(dtype=np.int64) > MOST_NAME_BYTES:
        raise ValueError(f"its names have more than {MOST_NAME_BYTES:,} bytes, which are allowed")


def _fonts_of(head: bytes) -> int:
    """The number of fonts in a collection."""
    count = int.from_bytes(head[8:12], "big")
    if not 1 <= count <= MOST_FONTS:
        raise ValueError(f"it is a collection of {count:,} fonts; allowed are 1 to {MOST_FONTS:,}")
    return count


def _unpacked_size(file: io.BufferedReader, head: bytes) -> int:
    """The bytes that the tables of a .woff or .woff2 have by its directory; `file` stands behind the header."""
    if head[:4] == b"wOFF":
        return int.from_bytes(head[16:20], "big")  # FreeType checks that the directory agrees
    total = 0
    for _ in range(int.from_bytes(head[12:14], "big")):
        entry = WOFF2DirectoryEntry()
        try:
            entry.fromFile(file)
        except Exception as error:  # fontTools raises whatever damaged bytes lead to
            raise ValueError("its table directory is damaged") from error
        total += max(entry.length, entry.origLength)  # glyf and loca are packed once more
    return total


__all__ = [
    "MOST_BYTES",
    "MOST_EM",
    "MOST_FONTS",
    "MOST_NAME_BYTES",
    "MOST_UNPACKED",
    "check_extent",
    "check_file",
    "check_names",
    "check_tables",
    "open_tables",
]

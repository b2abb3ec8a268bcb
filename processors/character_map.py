"""The character map of a font, in Unicode.

Old Chinese fonts map the codes of Big5, GBK or a Mac encoding. Their codes are decoded, and for FreeType, which looks
characters up by Unicode alone, a copy of the font gets a Unicode map.
"""

import io
import struct
from dataclasses import dataclass

import numpy as np
from fontTools.agl import toUnicode
from fontTools.misc.encodingTools import getEncoding
from fontTools.ttLib import TTFont
from fontTools.ttLib.sfnt import SFNTWriter
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable

_CODE_POINTS = 0x110000
# (platform, encoding) of a map. Unicode, in fontTools' own order; FreeType finds these by itself.
_UNICODE = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
# Others, best first: Big5, GBK, the same on a Mac, Japanese, Korean. A font for symbols (3, 0) has its characters in
# the private-use area, and a Latin map beside it would call them letters. Any other comes after these.
_SYMBOLS = (3, 0)
_OTHERS = ((3, 4), (3, 3), (1, 2), (1, 25), (3, 2), (1, 1), (3, 5), (3, 6), (1, 3), _SYMBOLS)
_CODECS = {  # (platform, encoding) -> what fonts hold is more than the standard of that name, which fontTools takes
    (3, 2): ("cp932",),
    (3, 3): ("gbk", "gb18030"),
    (3, 4): ("cp950", "big5hkscs"),
    (3, 5): ("cp949",),
    (3, 6): ("johab",),
}


@dataclass(frozen=True)
class CharacterMap:
    """What a font maps.

    Attributes:
        glyphs: code point -> name of the glyph, as fontTools names it.
        codec: Python's name of the encoding that was decoded; empty where FreeType finds the map by itself.
        undecoded: so many codes of the font are no character in that encoding.
        found: the maps that the font has, for messages.
    """

    glyphs: dict[int, str]
    codec: str
    undecoded: int
    found: str

    @property
    def how(self) -> str:
        """How the characters of a font without a Unicode map were found."""
        if self.codec == "utf_16_be":  # a font for symbols, which has them from U+F020 on
            return "its codes are taken for Unicode as they are, which are private-use characters in a font for symbols"
        return (
            f"its characters are found by decoding its codes as {self.codec}. {self.undecoded:,} codes are no "
            "character there, and are not used"
        )


def read_map(font: TTFont, table: bytes) -> CharacterMap:
    """The best map of a font that holds anything.

    Args:
        font: as `open_tables` opens it.
        table: its table cmap.

    Raises:
        ValueError: a map promises more characters than there are.
        Exception: whatever fontTools raises for a damaged table.
    """
    count = int.from_bytes(table[2:4], "big")
    records = [struct.unpack_from(">HHL", table, 4 + 8 * number) for number in range(count)]
    places: dict[tuple[int, int], int] = {}
    for platform, encoding, offset in records:
        places.setdefault((platform, encoding), offset)
    found = ", ".join(f"platform {platform} encoding {encoding}" for platform, encoding in list(places)[:20]) or "none"
    for key in dict.fromkeys([*_UNICODE, *_OTHERS, *places]):
        if key not in places:
            continue
        subtable = _subtable(font, table, places[key])
        if key in _UNICODE:
            glyphs, codec, undecoded = _in_range(subtable.cmap), "", 0
        else:
            glyphs, codec, undecoded = _decoded(font, key, subtable)
        if glyphs:
            return CharacterMap(glyphs, codec, undecoded, found)
    return CharacterMap({}, "", 0, found)


def with_unicode_map(font: TTFont, glyphs: dict[int, str]) -> bytes:
    """A copy of a font with one character map, in Unicode. All other tables stay byte for byte.

    Args:
        font: as `open_tables` opens it.
        glyphs: code point -> name of the glyph.
    """
    groups = b"".join(struct.pack(">LLL", code, code, font.getGlyphID(glyphs[code])) for code in sorted(glyphs))
    # One record (Windows, Unicode in full) at byte 12, and a map of format 12, in which every code is a group.
    header = struct.pack(">HHHHLHHLLL", 0, 1, 3, 10, 12, 12, 0, 16 + len(groups), 0, len(glyphs))
    copy = io.BytesIO()
    writer = SFNTWriter(copy, len(font.reader.tables) + 1, font.reader.sfntVersion)
    writer["cmap"] = header + groups
    for tag in font.reader.tables:
        writer[tag] = font.reader[tag]
    writer.close()
    return copy.getvalue()


def _subtable(font: TTFont, table: bytes, offset: int) -> CmapSubtable:
    """One map of the table, without its neighbours: fontTools would decode several of them at once."""
    kind, length = struct.unpack_from(">HH", table, offset)
    if kind in (8, 10, 12, 13):
        length = struct.unpack_from(">L", table, offset + 4)[0]
    _check_promises(kind, table[offset : offset + length])
    subtable = CmapSubtable.newSubtable(kind)
    subtable.decompileHeader(table[offset : offset + length], font)
    return subtable


def _check_promises(kind: int, data: bytes) -> None:
    """Refuses ranges that would fill the memory when they are laid out; only these formats have ranges."""
    if kind == 4:
        segments = int.from_bytes(data[6:8], "big") // 2
        last = np.frombuffer(data, ">u2", segments, 14)
        first = np.frombuffer(data, ">u2", segments, 16 + 2 * segments)
    elif kind in (12, 13):
        groups = np.frombuffer(data, ">u4", 3 * int.from_bytes(data[12:16], "big"), 16).reshape(-1, 3)
        first, last = groups[:, 0], groups[:, 1]
    else:
        return
    promised = int((last.astype(np.int64) - first + 1).clip(0).sum())
    if promised > _CODE_POINTS:
        raise ValueError(f"its character map promises {promised:,} characters; Unicode has {_CODE_POINTS:,}")


def _in_range(codes: dict[int, str]) -> dict[int, str]:
    return {code: name for code, name in codes.items() if code < _CODE_POINTS}


def _decoded(font: TTFont, key: tuple[int, int], subtable: CmapSubtable) -> tuple[dict[int, str], str, int]:
    """Code point -> glyph, the encoding, and how many codes are no character in it; nothing, if it is not known."""
    standard = getEncoding(*key, subtable.language)
    if not standard:
        return {}, "", 0
    codecs = _CODECS.get(key, (standard,))
    found = {codec: {code: _character(code, codec) for code in subtable.cmap} for codec in codecs}
    # What the font uses is the one that has the most of its codes; what that lacks may be in another.
    codecs = tuple(sorted(codecs, key=lambda codec: -sum(map(bool, found[codec].values()))))
    glyphs: dict[int, str] = {}
    undecoded = 0
    for code, name in subtable.cmap.items():
        character = next((found[codec][code] for codec in codecs if found[codec][code]), "")
        if character:
            glyphs.setdefault(ord(character), name)
        else:
            undecoded += 1
    if glyphs and key != _SYMBOLS:  # glyphs that no code leads to, but whose names say what they are (uni4E00)
        named = {toUnicode(name): name for name in reversed(font.getGlyphOrder())}
        glyphs = {ord(text): name for text, name in named.items() if len(text) == 1} | glyphs
    return glyphs, codecs[0], undecoded


def _character(code: int, codec: str) -> str:
    """The character of a code of one or two bytes, or nothing."""
    if code >= 0x10000:
        return ""
    wide = code >= 0x100 or codec == "utf_16_be"
    try:
        text = code.to_bytes(2 if wide else 1, "big").decode(codec)
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 else ""  # two bytes may also be two characters


__all__ = ["CharacterMap", "read_map", "with_unicode_map"]

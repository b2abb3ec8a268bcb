"""Font files: characters rendered by FreeType, all with one font size and one baseline, as type is set."""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageFont

from .font_coverage import FontInfo, pack_codes, without_placeholders
from .glyph_source import GlyphSource
from .ink import frame, is_han, to_binary, trim

_SCAN = 32  # px at which a font is examined
_LARGE, _MEASURED = 256, 300  # px and number of characters by which the usual extent of the ink is measured
_UNREADABLE = (TTLibError, KeyError, AssertionError, ImportError, ValueError, TypeError, struct.error)  # by fontTools
_LICENCES = {  # short name -> words by which the licence is recognised
    "OFL-1.1": ("Open Font License", "OFL"),
    "Apache-2.0": ("Apache License",),
    "CC BY-ND 3.0 TW": ("by-nd/3.0/tw",),
    "GPL": ("GNU General Public", "GPL"),
    "public domain": ("public domain", "Public Domain"),
}


class FontFile(GlyphSource):
    """A font of any kind that FreeType opens. Arguments and errors: see `GlyphSource`."""

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        self._fonts: dict[float, ImageFont.FreeTypeFont] = {}
        if self.part and not self.part.isdigit():
            raise ValueError(f"{self.name!r}: after # comes the number of a font in a collection, such as #2")
        if where != "shipped":
            self._font(_SCAN)  # opens it, so that a file that is no font is refused at once

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_fonts": {}}

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The glyph image of a covered character: uint8 [size, size].

        The font size and the baseline put the usual extent of the font's Han characters in the middle. Ink that would
        pass the edge is moved inwards; what is larger than the image is rendered smaller.
        """
        left, top, right, bottom = self.info.box
        # One em is as high as the image, unless the Han characters of the font are larger than their em.
        height = size * min(1.0, 1 / max(right - left, bottom - top, 1e-6))
        ink, (x, y) = self._pixels(character, height, binary)
        if max(ink.shape) > size:
            ink, (x, y) = trim(ink, (x, y))
        if max(ink.shape) > size:  # it is larger by itself, not only by the margins of its mask
            height *= size / max(ink.shape)
            ink, (x, y) = trim(*self._pixels(character, max(1, int(height)), binary))
            ink = ink[:size, :size]
        # From (middle of the advance, baseline) to the upper left corner of the image.
        x += size // 2
        y += round((size - height * (top + bottom)) / 2)
        rows, columns = ink.shape
        x, y = min(max(x, 0), size - columns), min(max(y, 0), size - rows)
        image = np.zeros((size, size), dtype=np.uint8)
        image[y : y + rows, x : x + columns] = ink
        return image

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """See `GlyphSource.strip`."""
        ink, (_, y) = self._mask(word, height, "L")
        return ink, -y

    def examine(self) -> FontInfo:
        """Reads the font's records and renders every character of its map."""
        family, version, licence, codes = self._records()
        missing, corner = self._mask("\uffff", _SCAN, "L")  # no character: what the font renders for those it lacks
        missing_frame = frame(missing, corner)
        seen: dict[int, bytes] = {}  # code point -> digest of its image
        frames = {}
        for code in codes:
            ink, corner = self._mask(chr(code), _SCAN, "L")
            if ink.any() and not (frame(ink, corner) == missing_frame and (ink == missing).all()):
                frames[code] = frame(ink, corner)
                seen[code] = hashlib.md5(ink.tobytes() + str(frames[code]).encode(), usedforsecurity=False).digest()
        # Hinting may change a few pixels of .notdef: what is about as large is compared by its outline too.
        near = [code for code in seen if all(abs(a - b) <= 3 for a, b in zip(frames[code], missing_frame, strict=True))]
        for code in self._rendered_as_missing(near):
            del seen[code]
        covered = without_placeholders(seen)
        usual = [code for code in covered if is_han(code)] or covered
        return FontInfo(family, version, licence, self._extent(usual), pack_codes(covered))

    @cached_property
    def _number(self) -> int:
        """The font's index in a collection: as given, else the first with simplified Chinese shapes, else 0."""
        if self.part:
            return int(self.part)
        with self.path.open("rb") as file:
            if file.read(4) != b"ttcf":
                return 0
            count = int.from_bytes(file.read(8)[4:], "big")
        families = [ImageFont.truetype(str(self.path), 16, index=i).getname()[0] or "" for i in range(count)]
        return next((i for i, family in enumerate(families) if family.split()[-1:] == ["SC"]), 0)

    def _font(self, size: float) -> ImageFont.FreeTypeFont:
        """The font opened at a size in px per em."""
        if size not in self._fonts:
            try:
                self._fonts[size] = ImageFont.truetype(
                    str(self.path), size, index=self._number, layout_engine=ImageFont.Layout.BASIC
                )
            except (OSError, ValueError) as error:
                raise ValueError(
                    f"{self.name!r} cannot be opened as a font ({error}); give a .ttf, .otf, .ttc or .woff2 file that "
                    "is whole, or a folder or .zip of glyph images"
                ) from error
        return self._fonts[size]

    def _mask(self, text: str, size: float, mode: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Ink of a text, uint8 [h, w], and its upper left corner relative to (middle of the advance, baseline).

        Args:
            text: one character or more.
            size: px per em.
            mode: "L" for grey, "1" for FreeType's binary rendering.
        """
        core, offset = self._font(size).getmask2(text, mode, anchor="ms")
        if 0 in core.size:
            return np.zeros((0, 0), dtype=np.uint8), (0, 0)
        return np.asarray(Image.Image()._new(core)), offset

    def _pixels(self, text: str, size: float, binary: bool) -> tuple[np.ndarray, tuple[int, int]]:
        """`_mask`, binary or grey; where FreeType's binary one is blank at a small size, made from the grey one."""
        ink, corner = self._mask(text, size, "1" if binary else "L")
        if binary and not ink.any():
            ink, corner = self._mask(text, size, "L")
            ink = to_binary(ink)
        return ink, corner

    def _extent(self, codes: list[int]) -> tuple[float, float, float, float]:
        """Where the ink of most of these characters lies, in em (see `FontInfo.box`)."""
        if not codes:
            return (0.0, 0.0, 0.0, 0.0)
        some = codes[:: max(1, len(codes) // _MEASURED)]
        extent = np.array([frame(*trim(*self._mask(chr(code), _LARGE, "L"))) for code in some]) / _LARGE
        # Not the extremes: a single long stroke would make all characters of the font smaller.
        low, high = np.percentile(extent, [1, 99], axis=0).round(3)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])

    def _rendered_as_missing(self, codes: Sequence[int]) -> list[int]:
        """Those whose outline is that of `.notdef` (the pixels may differ, as hinting depends on the script)."""
        try:
            with TTFont(self.path, fontNumber=self._number, lazy=True) as font:
                glyphs, names = font.getGlyphSet(), font.getBestCmap()
                outlines = []
                for name in [font.getGlyphName(0), *(names[code] for code in codes)]:
                    pen = RecordingPen()
                    glyphs[name].draw(pen)
                    outlines.append(pen.value)
        except _UNREADABLE:
            return []
        return [code for code, outline in zip(codes, outlines[1:], strict=True) if outline == outlines[0]]

    def _records(self) -> tuple[str, str, str, Iterable[int]]:
        """Family, version, licence and mapped code points, by fontTools; by FreeType where that cannot read it."""
        try:
            with TTFont(self.path, fontNumber=self._number, lazy=True) as font:
                names = font["name"]
                family, version, licence, notice, link = (names.getDebugName(n) or "" for n in (1, 5, 13, 0, 14))
                codes = sorted(font.getBestCmap() or ())
        except _UNREADABLE:
            family, version, licence, notice, link, codes = self._font(_SCAN).getname()[0] or "", "", "", "", "", ()
        if not codes:  # no map that can be read: try every character of the first plane
            codes = [code for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]
        version = version.removeprefix("Version ").split(";")[0].strip()
        return family, version, _licence_name(f"{licence} {notice} {link}"), codes


def _licence_name(text: str) -> str:
    """A short name for the licence, where the font's records name a well-known one; else their beginning."""
    for name, words in _LICENCES.items():
        if any(word in text for word in words):
            return name
    return " ".join(text.split())[:120]


__all__ = ["FontFile"]

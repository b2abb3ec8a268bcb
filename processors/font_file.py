"""Font files: characters rendered by FreeType, all with one font size and one baseline, as type is set."""

import hashlib
import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from fontTools.pens.recordingPen import RecordingPen
from PIL import Image, ImageFont
from transformers.utils import logging

from .character_map import CharacterMap, read_map, with_unicode_map
from .composite_glyphs import check_composites
from .font_checks import check_extent, check_file, check_names, check_tables, open_tables
from .font_coverage import FontInfo, pack_codes, without_placeholders
from .glyph_source import GlyphSource
from .ink import frame, is_han, to_binary, trim

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_SCAN = 32  # px at which a font is examined
_LARGE, _MEASURED = 256, 300  # px and number of characters by which the usual extent of the ink is measured
_TRIED = [code for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]  # where no map can be read
_FIX = "give a .ttf, .otf, .ttc or .woff2 file that is whole, or a folder or .zip of glyph images"
_REENCODE = "in FontForge: Encoding > Reencode > ISO 10646-1 (Unicode, Full), then File > Generate Fonts"
_MOST_FAILED = 100  # characters that cannot be rendered: some fonts have a few, a damaged one has many
_COPIES = 8  # sizes at which a font is open that lies in memory, once for each
_LONGEST = 120  # characters of a record
_LICENCES = {  # short name -> words by which the licence is recognised
    "OFL-1.1": ("Open Font License", "OFL"),
    "Apache-2.0": ("Apache License",),
    "CC BY-ND 3.0 TW": ("by-nd/3.0/tw",),
    "GPL": ("GNU General Public", "GPL"),
    "public domain": ("public domain", "Public Domain"),
}


class FontFile(GlyphSource):
    """A font (.ttf, .otf, .ttc, .woff, .woff2) within the limits of font_checks.py and composite_glyphs.py.

    A font without a Unicode map is rendered by the codes that it has (see character_map.py).
    Arguments and errors: see `GlyphSource`.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        self._fonts: dict[float, ImageFont.FreeTypeFont] = {}
        if self.part and not (self.part.isascii() and self.part.isdigit()):
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
        """Reads the font's records and renders every character of its map.

        Characters that cannot be rendered are noted, and do not count as covered.

        Raises:
            ValueError: none can be rendered, or more than a few cannot; there is no character map.
        """
        family, version, licence = self._records()
        self._check_outlines()
        failed: dict[str, ValueError] = {}
        missing, corner = self._measured("\uffff", failed)  # what the font renders for characters that it lacks
        missing_frame = frame(missing, corner)
        seen: dict[int, bytes] = {}  # code point -> digest of its image
        frames = {}
        for code in sorted(self._map.glyphs) or _TRIED:
            ink, corner = self._measured(chr(code), failed)
            if ink.any() and not (frame(ink, corner) == missing_frame and (ink == missing).all()):
                frames[code] = frame(ink, corner)
                seen[code] = hashlib.md5(ink.tobytes() + str(frames[code]).encode(), usedforsecurity=False).digest()
        # Hinting may change a few pixels of .notdef: what is about as large is compared by its outline too.
        near = [code for code in seen if all(abs(a - b) <= 3 for a, b in zip(frames[code], missing_frame, strict=True))]
        for code in self._rendered_as_missing(near):
            del seen[code]
        self._report(failed, bool(seen))
        covered = without_placeholders(seen)
        usual = [code for code in covered if is_han(code)] or covered
        extent = self._extent(usual)
        return FontInfo(family, version, licence, extent, pack_codes(covered), failed=pack_codes(map(ord, failed)))

    @cached_property
    def _number(self) -> int:
        """The font's index in a collection: as given, else the first with simplified Chinese shapes, else 0.

        Raises:
            ValueError, OSError: there is no such font, or it is none (see font_checks.py).
        """
        count = check_file(self.path)
        if self.part and int(self.part) >= count:
            raise ValueError(f"it holds {count:,} fonts, #0 to #{count - 1}" if count > 1 else "it is no collection")
        number = int(self.part or 0)
        if count > 1 and not self.part:
            families = (self._opened(str(self.path), 16, index).getname()[0] or "" for index in range(count))
            number = next((index for index, family in enumerate(families) if family.split()[-1:] == ["SC"]), 0)
        check_tables(self.path, number)
        return number

    @cached_property
    def _map(self) -> CharacterMap:
        """The font's character map; empty where fontTools cannot read it."""
        try:
            with open_tables(self.path, self._number) as (font, cmap):
                return read_map(font, cmap)
        except Exception as error:  # fontTools raises whatever damaged bytes lead to
            return CharacterMap({}, "", 0, f"none that can be read, {error}")

    @cached_property
    def _copy(self) -> bytes | None:
        """The font with a Unicode map, where it has none itself."""
        if self._known is not None or not self._map.codec:
            return None
        with open_tables(self.path, self._number) as (font, _):
            return with_unicode_map(font, self._map.glyphs)

    def _font(self, size: float) -> ImageFont.FreeTypeFont:
        """The font opened at a size in px per em."""
        if size not in self._fonts:
            try:
                font = self._opened(str(self.path), size, self._number)
                if self._copy is not None:  # by fontTools, which is given only what FreeType has opened
                    if len(self._fonts) >= _COPIES:
                        self._fonts.clear()
                    font = self._opened(io.BytesIO(self._copy), size, 0)
                self._fonts[size] = font
            except (OSError, ValueError) as error:
                raise ValueError(f"{self.name!r} cannot be opened as a font ({error}); {_FIX}") from error
        return self._fonts[size]

    @staticmethod
    def _opened(file: str | io.BytesIO, size: float, number: int) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(file, size, index=number, layout_engine=ImageFont.Layout.BASIC)

    def _check_outlines(self) -> None:
        try:
            with open_tables(self.path, self._number) as (font, _):
                check_composites(font)
        except Exception as error:  # see `_map`
            raise ValueError(f"{self.name!r} cannot be used: {error}; {_FIX}") from error

    def _measured(self, character: str, failed: dict[str, ValueError]) -> tuple[np.ndarray, tuple[int, int]]:
        """`_mask` at the size at which a font is examined; no ink if that fails, which is noted in `failed`.

        Raises:
            ValueError: too many have failed.
        """
        try:
            check_extent(self._font(_SCAN).getbbox(character, anchor="ms"), _SCAN)
            return self._mask(character, _SCAN, "L")
        except (OSError, ValueError) as error:
            failed[character] = self._damaged(character, error)
            if len(failed) > _MOST_FAILED:
                raise failed[character] from error
            return np.zeros((0, 0), dtype=np.uint8), (0, 0)

    def _report(self, failed: dict[str, ValueError], any_seen: bool) -> None:
        """Says what was found wrong with a font, as an error if nothing is left of it."""
        if failed and not any_seen:
            raise next(iter(failed.values()))
        if not any_seen and not self._map.glyphs:
            raise ValueError(
                f"{self.name!r} renders no character: it has no character map that can be read (found: "
                f"{self._map.found}); give another font, or give it a Unicode map ({_REENCODE})"
            )
        if self._map.codec:
            logger.warning(f"{self.name!r} has no Unicode character map; {self._map.how}")

    def _damaged(self, text: str, error: Exception) -> ValueError:
        codes = " ".join(f"U+{ord(character):04X}" for character in text)
        return ValueError(
            f"{self.name!r} cannot be used: its {codes} cannot be rendered ({error.__cause__ or error}); get the font "
            "again, or give another one"
        )

    def _mask(self, text: str, size: float, mode: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Ink of a text, uint8 [h, w], and its upper left corner relative to (middle of the advance, baseline).

        Args:
            text: one character or more.
            size: px per em.
            mode: "L" for grey, "1" for FreeType's binary rendering.
        """
        try:
            core, offset = self._font(size).getmask2(text, mode, anchor="ms")
        except (OSError, Image.DecompressionBombError, MemoryError) as error:
            raise self._damaged(text, error) from error
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
        found = []
        try:
            with open_tables(self.path, self._number) as (font, _):
                glyphs = font.getGlyphSet()

                def outline(name: str) -> list:
                    pen = RecordingPen()
                    glyphs[name].draw(pen)
                    return pen.value

                missing = outline(font.getGlyphName(0))
                for code in codes:  # one after the other: together they may have gigabytes
                    if outline(self._map.glyphs[code]) == missing:
                        found.append(code)
        except Exception:  # see `_map`
            return []
        return found

    def _records(self) -> tuple[str, str, str]:
        """Family, version and licence, by fontTools; by FreeType where that cannot read it."""
        try:
            with open_tables(self.path, self._number) as (font, _):
                check_names(font)
                names = font["name"]
                family, version, licence, notice, link = (names.getDebugName(n) or "" for n in (1, 5, 13, 0, 14))
        except Exception:  # see `_map`
            family, version, licence, notice, link = self._font(_SCAN).getname()[0] or "", "", "", "", ""
        version = version.removeprefix("Version ").split(";")[0].strip()
        return family[:_LONGEST], version[:_LONGEST], _licence_name(f"{licence} {notice} {link}")


def _licence_name(text: str) -> str:
    """A short name for the licence, where the font's records name a well-known one; else their beginning."""
    for name, words in _LICENCES.items():
        if any(word in text for word in words):
            return name
    return " ".join(text.split())[:_LONGEST]


__all__ = ["FontFile"]

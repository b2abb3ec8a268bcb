"""Where the glyph images of characters come from: a font file, or a folder or zip of glyph images. All sources render alike.

A source says what it covers by INK: it renders every character once, and does not count what is blank, what looks like
the font's `.notdef`, and placeholders (one glyph image for more than a few Han characters), whatever its character map
says. This takes seconds for a large font, so the answer is kept on disk by the hash of the file (for the fonts shipped
here it lies beside them, in fonts.json).

Arrays: glyph images are uint8 ink [size, size], 0 = paper, 255 = full ink.
"""

import hashlib
import io
import json
import math
import os
import re
import shutil
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageFont
from transformers.utils import logging

from .glyph_cache import cache_folder, read_json, write_json

logger = logging.get_logger(__name__)

CODES = 0x110000
_RULES = 3  # goes into the names of kept findings: to be raised whenever `examine` changes
_SCAN = 32  # px: the size at which a font is looked through
_LARGE, _MEASURED = 256, 300  # px and number of characters: where a font's ink usually lies
_REPEATS = 4  # so many Han characters may look the same (a radical, its compatibility forms); more are a placeholder
_UNREADABLE = (TTLibError, KeyError, AssertionError, ImportError, ValueError, TypeError, struct.error)  # by fontTools
_POLLED = 64  # glyph images of a collection that say whether it is light on dark
_CLEAR = 0.05  # a glyph image has transparent paper where more than this part of it is transparent
_INK = 96  # grey from which a dot of a binary glyph image is ink
_IMAGES = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pgm", ".pbm")
_CODE = re.compile(r"(?:u\+?|uni|0x)([0-9a-f]{4,6})", re.IGNORECASE)


@dataclass(frozen=True)
class FontInfo:
    """What is known about a source, as plain values.

    Attributes:
        family, version, licence: as the font's own records name them; empty where it has none.
        box: the usual extent of its Han characters (of all, if it has none) in em, relative to the middle of the
            advance and the baseline: left, top, right, bottom, y downwards. ImageFolder: all zeros.
        covered: code points that render ink, as ranges "4e00-9fff,20", hexadecimal.
        light_on_dark: glyph images: they are light ink on dark paper.
    """

    family: str
    version: str
    licence: str
    box: tuple[float, float, float, float]
    covered: str
    light_on_dark: bool = False


class Source:
    """A font file or a collection of glyph images.

    Args:
        path: the file or folder. `#` and a number name a font of a collection (`x.ttc#2`), `#` and a name a folder
            inside a zip (`x.zip#seal`).
        where: "path", "checkpoint", "shipped" or "system"; for the font manifest.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: what lies there is no font and no collection of glyph images.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        self.name = str(path)
        self.path, self.part = split_part(self.name)
        self.where = where
        if not self.path.exists():
            raise FileNotFoundError(
                f"no font at {self.name!r}; give a font file (.ttf, .otf, .ttc, .woff2), or a folder or .zip of "
                "glyph images named by character or code point (人.png, u4eba.png, U+4EBA.png)"
            )

    def __getstate__(self) -> dict:
        """Without what is looked up anew: a pickle is the same before and after use."""
        derived = [name for name in self.__dict__ if isinstance(getattr(type(self), name, None), cached_property)]
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    @cached_property
    def sha256(self) -> str:
        """Of the file (of a folder: of its files' names and bytes), with the part that is used."""
        if self._known is not None:
            return self._known["sha256"]
        return self._own_sha256()

    def _own_sha256(self) -> str:
        digest = _digest(str(self.path.resolve()), *_stamp(self.path))
        return digest if not self.part else f"{digest}#{self.part}"

    @cached_property
    def covered(self) -> np.ndarray:
        """The code points that render ink, bool [0x110000]."""
        if not self.info.covered:
            raise ValueError(
                f"{self.name!r} renders no character: all that it maps is blank or one placeholder; give another font"
            )
        return unpack_codes(self.info.covered)

    @cached_property
    def info(self) -> FontInfo:
        """Looked up beside the shipped fonts or in the cache, else found by rendering everything once."""
        if self._known is not None:
            return _info(self._known["info"])
        key = f"font-{_RULES}-{self.sha256.replace('#', '-')}.json"
        kept = read_json(key)
        try:
            if kept is not None:
                return _info(kept)
        except (TypeError, KeyError, ValueError) as error:
            logger.warning(f"{cache_folder() / key} is damaged ({error}); finding it out anew")
        info = self.examine()
        write_json(key, asdict(info))
        return info

    @cached_property
    def _known(self) -> dict | None:
        """What is written down about a shipped file, or about its copy in a checkpoint."""
        if self.where not in ("shipped", "checkpoint"):
            return None
        known = shipped_infos().get(self.path.name + (f"#{self.part}" if self.part else ""))
        is_copy = self.where == "shipped" or known is None or known["sha256"] == self._own_sha256()
        return known if is_copy else None

    def examine(self) -> FontInfo:
        """Renders everything once and says what is there."""
        raise NotImplementedError

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The glyph image of a covered character: uint8 [size, size]."""
        raise NotImplementedError

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """A line of characters at `height` px an em: grey uint8 [h, w] and the row of its baseline."""
        raise NotImplementedError

    def save(self, target: Path) -> None:
        """Writes the source to a file that renders the same."""
        if self.path.resolve() != target.resolve():
            shutil.copyfile(self.path, target)


class FontFile(Source):
    """A font of any kind that FreeType opens."""

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        self._fonts: dict[float, ImageFont.FreeTypeFont] = {}
        if self.part and not self.part.isdigit():
            raise ValueError(f"{self.name!r}: after # comes the number of a font in a collection, such as #2")
        if where != "shipped":
            self._font(_SCAN)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_fonts": {}}

    @cached_property
    def _number(self) -> int:
        """The font's place in a collection: as given, else the first with simplified Chinese shapes, else 0."""
        if self.part:
            return int(self.part)
        with self.path.open("rb") as file:
            if file.read(4) != b"ttcf":
                return 0
            count = int.from_bytes(file.read(8)[4:], "big")
        families = [ImageFont.truetype(str(self.path), 16, index=i).getname()[0] or "" for i in range(count)]
        return next((i for i, family in enumerate(families) if family.split()[-1:] == ["SC"]), 0)

    def _font(self, size: float) -> ImageFont.FreeTypeFont:
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
        """Ink of a text, uint8 [h, w], and the place of its corner relative to (middle of the advance, baseline)."""
        core, offset = self._font(size).getmask2(text, mode, anchor="ms")
        if 0 in core.size:
            return np.zeros((0, 0), dtype=np.uint8), (0, 0)
        return np.asarray(Image.Image()._new(core)), offset

    def _dots(self, text: str, size: float, binary: bool) -> tuple[np.ndarray, tuple[int, int]]:
        """`_mask`, binary or grey; where FreeType's binary one is blank at a small size, the grey one's ink."""
        ink, corner = self._mask(text, size, "1" if binary else "L")
        if binary and not ink.any():
            ink, corner = self._mask(text, size, "L")
            ink = to_binary(ink)
        return ink, corner

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The glyph image of a covered character: uint8 [size, size].

        All characters of a font have one font size and one baseline, which put the usual extent of its Han characters
        in the middle. Ink that would pass the edge is moved inwards; what is larger than the glyph image is rendered smaller.
        """
        left, top, right, bottom = self.info.box
        height = size * min(1.0, 1 / max(right - left, bottom - top, 1e-6))
        ink, (x, y) = self._dots(character, height, binary)
        if max(ink.shape) > size:
            ink, (x, y) = _trim(ink, (x, y))
        if max(ink.shape) > size:
            height *= size / max(ink.shape)
            ink, (x, y) = _trim(*self._dots(character, max(1, int(height)), binary))
            ink = ink[:size, :size]
        x += size // 2
        y += round((size - height * (top + bottom)) / 2)
        rows, columns = ink.shape
        x, y = min(max(x, 0), size - columns), min(max(y, 0), size - rows)
        image = np.zeros((size, size), dtype=np.uint8)
        image[y : y + rows, x : x + columns] = ink
        return image

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """See `Source.strip`."""
        ink, (_, y) = self._mask(word, height, "L")
        return ink, -y

    def examine(self) -> FontInfo:
        """Reads the font's records and renders every character of its map."""
        family, version, licence, codes = self._records()
        missing, corner = self._mask("\uffff", _SCAN, "L")  # no character: what the font renders for those it lacks
        frame = _frame(missing, corner)
        seen: dict[int, bytes] = {}
        frames = {}
        for code in codes:
            ink, corner = self._mask(chr(code), _SCAN, "L")
            if ink.any() and not (_frame(ink, corner) == frame and (ink == missing).all()):
                frames[code] = _frame(ink, corner)
                seen[code] = hashlib.md5(ink.tobytes() + str(frames[code]).encode(), usedforsecurity=False).digest()
        near = [code for code in seen if all(abs(a - b) <= 3 for a, b in zip(frames[code], frame, strict=True))]
        for code in self._drawn_as_missing(near):
            del seen[code]
        covered = _without_placeholders(seen)
        usual = [code for code in covered if _is_han(code)] or covered
        return FontInfo(family, version, licence, self._extent(usual), pack_codes(covered))

    def _extent(self, codes: list[int]) -> tuple[float, float, float, float]:
        """Where the ink of most of these characters lies, in em (see `FontInfo.box`)."""
        if not codes:
            return (0.0, 0.0, 0.0, 0.0)
        some = codes[:: max(1, len(codes) // _MEASURED)]
        extent = np.array([_frame(*_trim(*self._mask(chr(code), _LARGE, "L"))) for code in some]) / _LARGE
        low, high = np.percentile(extent, [1, 99], axis=0).round(3)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])

    def _drawn_as_missing(self, codes: Sequence[int]) -> list[int]:
        """Those whose outline is that of `.notdef` (the dots may differ, as hinting depends on the script)."""
        try:
            with TTFont(self.path, fontNumber=self._number, lazy=True) as font:
                glyphs, names = font.getGlyphSet(), font.getBestCmap()
                order = [font.getGlyphName(0), *(names[code] for code in codes)]
                outlines = []
                for name in order:
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
        if not codes:
            codes = [code for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]
        version = version.removeprefix("Version ").split(";")[0].strip()
        return family, version, _licence_name(f"{licence} {notice} {link}"), codes


class ImageFolder(Source):
    """A folder or zip of glyph images named by character or code point: `人.png`, `u4eba.png`, `U+4EBA.png`.

    ImageFolder may have any size and mode. Whether they are black on white or white on black is found out once for all of
    them: by most of a sample, as ink covers less than half of most characters. What is transparent is paper.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        self._files = self._list()
        if not self._files:
            raise ValueError(
                f"{self.name!r} holds no glyph images named by character or code point; rename them to 人.png, u4eba.png "
                f"or U+4EBA.png (kinds: {', '.join(_IMAGES)}; svg has to be rendered first)"
            )

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        """The zip, read into memory: processes that share an open file would move each other's place in it."""
        try:
            return zipfile.ZipFile(io.BytesIO(self.path.read_bytes()))
        except zipfile.BadZipFile as error:
            raise ValueError(f"{self.name!r} cannot be opened as a zip ({error}); get the file anew") from error

    def _list(self) -> dict[int, str]:
        """Code point -> name of the file."""
        if self.path.is_dir():
            folder = self.path / self.part if self.part else self.path
            names = sorted(str(file.relative_to(self.path)) for file in folder.iterdir()) if folder.is_dir() else []
        else:
            names = sorted(self._archive.namelist())
            if self.part:
                names = [name for name in names if name.startswith(self.part + "/")]
        found = {}
        for name in names:
            stem, kind = os.path.splitext(os.path.basename(name))
            match = _CODE.fullmatch(stem)
            if kind.lower() in _IMAGES and (len(stem) == 1 or match):
                found.setdefault(ord(stem) if len(stem) == 1 else int(match[1], 16), name)
        return found

    def _data(self, name: str) -> bytes:
        return (self.path / name).read_bytes() if self.path.is_dir() else self._archive.read(name)

    def _read(self, code: int) -> tuple[np.ndarray, bool]:
        """A glyph image on white, grey uint8 [h, w] as large as the file, and whether its paper is transparent."""
        name = self._files[code]
        try:
            image = Image.open(io.BytesIO(self._data(name))).convert("RGBA")
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image)
        except (OSError, zipfile.BadZipFile, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{name!r} in {self.name!r} cannot be read as a glyph image ({error}); replace or remove it"
            ) from error
        clear = np.asarray(image.getchannel("A")) < 128
        return np.asarray(paper.convert("L")), bool(clear.mean() > _CLEAR)

    def _ink(self, code: int, light_on_dark: bool) -> np.ndarray:
        """Ink of a glyph image, uint8 [h, w] as large as the file."""
        grey, clear = self._read(code)
        return grey if light_on_dark and not clear else 255 - grey

    def _is_light_on_dark(self) -> bool:
        """Whether more than half of most glyph images of a sample is dark."""
        codes = sorted(self._files)
        read = [self._read(code) for code in codes[:: -(-len(codes) // _POLLED)]]
        votes = [not clear and (grey < 128).mean() > 0.5 for grey, clear in read]
        return bool(sum(votes) > len(votes) / 2)

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The glyph image, fitted whole into [size, size] with its own margins."""
        ink = _resize(self._ink(ord(character), self.info.light_on_dark), size)
        return to_binary(ink) if binary else ink

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """See `Source.strip`."""
        size = round(height)
        return np.concatenate([self.render(c, size, False) for c in word], axis=1), round(0.86 * size)

    def examine(self) -> FontInfo:
        """Reads every glyph image."""
        seen = {}
        light_on_dark = self._is_light_on_dark()
        for code in self._files:
            ink = self._ink(code, light_on_dark)
            if ink.max() >= 128:
                seen[code] = hashlib.md5(ink.tobytes(), usedforsecurity=False).digest()
        covered = pack_codes(_without_placeholders(seen))
        return FontInfo(
            f"glyph images {self.part or self.path.stem}", "", "", (0.0, 0.0, 0.0, 0.0), covered, light_on_dark
        )

    def save(self, target: Path) -> None:
        """Writes the glyph images that are named as characters, and nothing else, flat into a zip, always in one way."""
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for name in self._files.values():
                archive.writestr(zipfile.ZipInfo(os.path.basename(name)), self._data(name))
        target.write_bytes(memory.getvalue())


def open_source(path: str | Path, where: str = "path") -> Source:
    """A `FontFile`, or `ImageFolder` for folders and zips. Errors: see `Source`."""
    return (ImageFolder if holds_images(split_part(str(path))[0]) else FontFile)(path, where)


def holds_images(file: Path) -> bool:
    """Whether a file or folder holds glyph images (a zip, a folder) and is no font."""
    return file.is_dir() or file.suffix.lower() == ".zip"


def split_part(name: str) -> tuple[Path, str]:
    """`x.ttc#2` -> (x.ttc, "2"); a path that exists as it stands has no part."""
    if "#" not in name or Path(name).exists():
        return Path(name), ""
    path, _, part = name.rpartition("#")
    return Path(path), part


def pack_codes(codes: Iterable[int]) -> str:
    """Code points as ranges: "20-7e,4e00"."""
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ",".join(f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in ranges)


def unpack_codes(ranges: str) -> np.ndarray:
    """The inverse of `pack_codes`: bool [0x110000]."""
    covered = np.zeros(CODES, dtype=bool)
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        covered[int(first, 16) : int(last or first, 16) + 1] = True
    return covered


def _info(fields: dict) -> FontInfo:
    """What JSON says; TypeError, KeyError or ValueError where it says something else."""
    info = FontInfo(**{**fields, "box": tuple(map(float, fields["box"]))})
    texts = all(isinstance(text, str) for text in (info.family, info.version, info.licence, info.covered))
    if (
        not texts
        or not isinstance(info.light_on_dark, bool)
        or len(info.box) != 4
        or not all(map(math.isfinite, info.box))
    ):
        raise TypeError("a value of a wrong type")
    unpack_codes(info.covered)
    return info


def _frame(ink: np.ndarray, corner: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a mask."""
    return corner[0], corner[1], corner[0] + ink.shape[1], corner[1] + ink.shape[0]


def _trim(ink: np.ndarray, corner: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Takes off the empty rows and columns around a mask (Pillow's masks are as wide as the advance)."""
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return ink[:0, :0], (0, 0)
    top, left = int(rows[0]), int(columns[0])
    return ink[top : rows[-1] + 1, left : columns[-1] + 1], (corner[0] + left, corner[1] + top)


def _is_han(code: int) -> bool:
    return 0x3400 <= code < 0x4DC0 or 0x4E00 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x33480


def _without_placeholders(seen: dict[int, bytes]) -> list[int]:
    """Code points whose glyph image is not one that many Han, Hangul or private characters share."""
    crowd = {c for c in seen if _is_han(c) or 0xAC00 <= c < 0xD7A4 or 0xE000 <= c < 0xF900 or c >= 0xF0000}
    counts = Counter(seen[code] for code in crowd)
    return [code for code, digest in seen.items() if code not in crowd or counts[digest] <= _REPEATS]


def _licence_name(text: str) -> str:
    """A short name for the licence, where the font's records name a well-known one; else their beginning."""
    for name, words in (
        ("OFL-1.1", ("Open Font License", "OFL")),
        ("Apache-2.0", ("Apache License",)),
        ("CC BY-ND 3.0 TW", ("by-nd/3.0/tw",)),
        ("GPL", ("GNU General Public", "GPL")),
        ("public domain", ("public domain", "Public Domain")),
    ):
        if any(word in text for word in words):
            return name
    return " ".join(text.split())[:120]


def _resize(ink: np.ndarray, size: int) -> np.ndarray:
    """Ink [h, w] fitted whole into the middle of [size, size]."""
    rows, columns = ink.shape
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX))
    image = np.zeros((size, size), dtype=np.uint8)
    y, x = (size - height) // 2, (size - width) // 2
    image[y : y + height, x : x + width] = small
    return image


def to_binary(ink: np.ndarray) -> np.ndarray:
    """Ink of any shape as 0 and 255. Thin ink, of which nothing would be left, is taken at a lower threshold."""
    threshold = float(_INK)
    while ink.any() and ink.max() < threshold:
        threshold /= 2
    return np.where(ink >= threshold, 255, 0).astype(np.uint8)


@lru_cache(maxsize=1)
def shipped_infos() -> dict[str, dict]:
    """What fonts.json says: file name -> {"sha256", "info": fields of `FontInfo`}.

    Empty where the package is not installed.
    """
    folder = shipped_folder()
    path = folder / "fonts.json" if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


@lru_cache(maxsize=1)
def shipped_folder() -> Path | None:
    """The folder of the shipped fonts, or None where the package is not installed (a checkpoint's own code)."""
    try:
        package = find_spec("hanziformers")
    except ValueError:  # something of that name without a place
        return None
    places = package.submodule_search_locations if package else None
    folder = Path(places[0]) / "font_files" if places else None
    return folder if folder and folder.is_dir() else None


def _stamp(path: Path) -> tuple[int, int]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:
    """sha256 of a file or folder; `size` and `changed` are there so that a changed file is read again."""
    digest = hashlib.sha256()
    place = Path(path)
    for file in sorted(f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]:
        if place.is_dir():
            digest.update(str(file.relative_to(place)).encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest() if place.is_dir() else stream.read())
    return digest.hexdigest()


__all__ = ["FontFile", "FontInfo", "ImageFolder", "Source", "open_source", "shipped_folder", "to_binary"]

"""Folders and zips of images, one for each character: scans of inscriptions, a writer's own hand."""

import hashlib
import io
import os
import re
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from .font_coverage import FontInfo, pack_codes, without_placeholders
from .glyph_source import GlyphSource
from .ink import fit_into_square, to_binary

_KINDS = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pgm", ".pbm")
_CODE = re.compile(r"(?:u\+?|uni|0x)([0-9a-f]{4,6})", re.IGNORECASE)
_POLLED = 64  # images of a folder that decide whether it is light on dark
_CLEAR = 0.05  # an image has a transparent background where more than this part of it is transparent


class ImageFolder(GlyphSource):
    """A folder or zip of images named by character or code point: `人.png`, `u4eba.png`, `U+4EBA.png`.

    The images may have any size and mode. Whether they are black on white or white on black is decided once for all of
    them, by most of a sample, as ink covers less than half of most characters. What is transparent is background.
    Arguments and errors: see `GlyphSource`.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        self._files = self._list()
        if not self._files:
            raise ValueError(
                f"{self.name!r} holds no glyph images named by character or code point; rename them to 人.png, "
                f"u4eba.png or U+4EBA.png (kinds: {', '.join(_KINDS)}; svg has to be rendered first)"
            )

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The image, fitted whole into [size, size] with its own margins: uint8."""
        ink = fit_into_square(self._ink(ord(character), self.info.light_on_dark), size)
        return to_binary(ink) if binary else ink

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """See `GlyphSource.strip`."""
        size = round(height)
        return np.concatenate([self.render(c, size, False) for c in word], axis=1), round(0.86 * size)

    def examine(self) -> FontInfo:
        """Reads every image."""
        seen = {}  # code point -> digest of its image
        light_on_dark = self._is_light_on_dark()
        for code in self._files:
            ink = self._ink(code, light_on_dark)
            if ink.max() >= 128:  # else it is blank but for the noise of a scan
                seen[code] = hashlib.md5(ink.tobytes(), usedforsecurity=False).digest()
        covered = pack_codes(without_placeholders(seen))
        name = f"glyph images {self.part or self.path.stem}"
        return FontInfo(name, "", "", (0.0, 0.0, 0.0, 0.0), covered, light_on_dark)

    def save(self, target: Path) -> None:
        """Writes the images that are named as characters, and nothing else, flat into a zip, always the same bytes."""
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for name in self._files.values():
                archive.writestr(zipfile.ZipInfo(os.path.basename(name)), self._data(name))
        target.write_bytes(memory.getvalue())

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        """The zip, read into memory: processes that share an open file would move each other's position in it."""
        try:
            return zipfile.ZipFile(io.BytesIO(self.path.read_bytes()))
        except zipfile.BadZipFile as error:
            raise ValueError(f"{self.name!r} cannot be opened as a zip ({error}); get the file again") from error

    def _list(self) -> dict[int, str]:
        """Code point -> name of the file; of two files for one character the first by name counts."""
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
            if kind.lower() in _KINDS and (len(stem) == 1 or match):
                found.setdefault(ord(stem) if len(stem) == 1 else int(match[1], 16), name)
        return found

    def _data(self, name: str) -> bytes:
        return (self.path / name).read_bytes() if self.path.is_dir() else self._archive.read(name)

    def _read(self, code: int) -> tuple[np.ndarray, bool]:
        """An image on white, grey uint8 [h, w] as large as the file, and whether its background is transparent."""
        name = self._files[code]
        try:
            image = Image.open(io.BytesIO(self._data(name))).convert("RGBA")
            on_white = Image.new("RGBA", image.size, "white")
            on_white.alpha_composite(image)
        except (OSError, zipfile.BadZipFile, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{name!r} in {self.name!r} cannot be read as a glyph image ({error}); replace or remove it"
            ) from error
        clear = np.asarray(image.getchannel("A")) < 128
        return np.asarray(on_white.convert("L")), bool(clear.mean() > _CLEAR)

    def _ink(self, code: int, light_on_dark: bool) -> np.ndarray:
        """Ink of an image, uint8 [h, w] as large as the file."""
        grey, clear = self._read(code)
        # What has a transparent background was laid on white by `_read`, so there the ink is what is dark.
        return grey if light_on_dark and not clear else 255 - grey

    def _is_light_on_dark(self) -> bool:
        """Whether more than half of most images of a sample is dark."""
        codes = sorted(self._files)
        read = [self._read(code) for code in codes[:: -(-len(codes) // _POLLED)]]
        votes = [not clear and (grey < 128).mean() > 0.5 for grey, clear in read]
        return bool(sum(votes) > len(votes) / 2)


__all__ = ["ImageFolder"]

"""Folders and zips of images, one for each character: scans of inscriptions, a writer's own hand."""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from transformers.utils import logging

from .font_coverage import FontInfo, pack_codes, without_placeholders
from .glyph_source import GlyphSource
from .image_checks import check_bytes, read_image
from .image_entries import KINDS, FileZip, Unused, leads_outside, list_folder, named_images
from .ink import fit_into_square, to_binary

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_POLLED = 64  # images of a folder that decide whether it is light on dark


class ImageFolder(GlyphSource):
    """A folder or zip of images named by character or code point: `人.png`, `u4eba.png`, `U+4EBA.png`.

    The images may have any size and mode. Whether they are black on white or white on black is decided once for all of
    them, by most of a sample, as ink covers less than half of most characters. What is transparent is background.
    An entry that is not there (a broken link) or cannot be read, or whose name is no character, is left out; a warning
    counts them. An image or a zip that is damaged, or passes the limits of image_checks.py and image_entries.py, is
    refused. Arguments and errors: see `GlyphSource`.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        super().__init__(path, where)
        unused = Unused()
        if leads_outside(self.part):
            raise ValueError(f"{self.name!r}: after # comes the name of a folder inside, such as #seal")
        is_folder = self.path.is_dir()
        names = list_folder(self.path, self.part, unused) if is_folder else self._archive.names(self.part, unused)
        self._files = named_images(names, unused)
        if not self._files:
            reasons = f" (not used are {unused})" if str(unused) else ""
            raise ValueError(
                f"{self.name!r} holds no glyph images named by character or code point{reasons}; rename them to "
                f"人.png, u4eba.png or U+4EBA.png (kinds: {', '.join(KINDS)}; svg has to be rendered first)"
            )
        if str(unused):
            logger.warning_once(f"{self.name!r} has {len(self._files):,} glyph images. Not used are {unused}")

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
    def _archive(self) -> FileZip:
        try:
            return FileZip(self.path)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{self.name!r} cannot be opened as a zip of glyph images ({error}); get the file again, or give a "
                "folder of glyph images"
            ) from error

    def _own_sha256(self) -> str:
        """Of a zip, see `GlyphSource`; of a folder, of the names and bytes of its glyph images."""
        if not self.path.is_dir():
            return super()._own_sha256()
        names = tuple(self._files.values())
        state = hash(tuple(self._size_and_time(name) for name in names))
        digest = _digest(str(self.path.resolve()), names, state)
        return digest if not self.part else f"{digest}#{self.part}"

    def _size_and_time(self, name: str) -> tuple[int, int]:
        """Of a file of the folder, if it is not too large to be read."""
        with self._named(name):
            stat = (self.path / name).stat()
            check_bytes(stat.st_size)
        return stat.st_size, stat.st_mtime_ns

    def _data(self, name: str) -> bytes:
        """The bytes of an image."""
        if not self.path.is_dir():
            return self._archive.read(name)
        check_bytes((self.path / name).stat().st_size)
        return (self.path / name).read_bytes()

    def _read(self, code: int) -> tuple[np.ndarray, bool]:
        """See `read_image`."""
        name = self._files[code]
        with self._named(name):
            return read_image(io.BytesIO(self._data(name)))

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Names the file and the fix in errors about an image."""
        try:
            yield
        except Exception as error:  # Pillow and zipfile raise whatever damaged bytes lead to
            raise ValueError(
                f"{name!r} in {self.name!r} cannot be read as a glyph image ({error}); replace or remove it"
            ) from error

    def _ink(self, code: int, light_on_dark: bool) -> np.ndarray:
        """Ink of an image, uint8 [h, w] as large as the file."""
        grey, clear = self._read(code)
        # What has a transparent background was laid on white by `_read`, so there the ink is what is dark.
        return grey if light_on_dark and not clear else 255 - grey

    def _is_light_on_dark(self) -> bool:
        """Whether more than half of most images of a sample is dark."""
        codes = sorted(self._files)
        sample = codes[:: -(-len(codes) // _POLLED)]
        votes = 0
        for code in sample:
            grey, clear = self._read(code)
            votes += not clear and (grey < 128).mean() > 0.5
        return bool(votes > len(sample) / 2)


@lru_cache(maxsize=16)
def _digest(path: str, names: tuple[str, ...], state: int) -> str:
    """sha256 of the files of a folder; `state` is an argument so that changed files are read again."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode())
        with (Path(path) / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


__all__ = ["ImageFolder"]

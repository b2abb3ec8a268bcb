"""What a font file and a folder of images have in common: a path, a hash, findings about it, and glyph images."""

import hashlib
import os
import shutil
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from transformers.utils import logging

from .font_coverage import FontInfo, keep_info, parse_info, read_kept_info, unpack_codes
from .shipped_fonts import shipped_infos

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


class GlyphSource:
    """A font file or an image folder. `fonts.open_source` makes the right one.

    Args:
        path: the file or folder. `#` and a number name a font of a collection (`x.ttc#2`), `#` and a name a folder
            inside a zip (`x.zip#seal`).
        where: "path" (the user's), "checkpoint", "shipped" or "system"; for the font manifest.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: what is there is neither a font nor a collection of images.
    """

    def __init__(self, path: str | Path, where: str = "path") -> None:
        self.name = str(path)
        self.path, self.part = split_part(self.name)
        self.where = where
        if not os.path.exists(self.path):  # False where Path.exists raises: a name that is too long
            raise FileNotFoundError(
                f"no font at {self.name!r}; give a font file (.ttf, .otf, .ttc, .woff2), or a folder or .zip of "
                "glyph images named by character or code point (人.png, u4eba.png, U+4EBA.png)"
            )

    def __getstate__(self) -> dict:
        """Without what can be looked up again: a pickle is the same before and after use."""
        # What cached_property found lies in __dict__ under the name of the property.
        derived = [name for name in self.__dict__ if isinstance(getattr(type(self), name, None), cached_property)]
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    @cached_property
    def sha256(self) -> str:
        """Of the file (of a folder: of its images' names and bytes), with the part that is used."""
        if self._known is not None:
            return self._known["sha256"]
        return self._own_sha256()

    def _own_sha256(self) -> str:
        stat = self.path.stat()
        digest = _digest(str(self.path.resolve()), (stat.st_size, stat.st_mtime_ns))
        return digest if not self.part else f"{digest}#{self.part}"

    @cached_property
    def covered(self) -> np.ndarray:
        """The code points that it renders with ink, bool [0x110000].

        Raises:
            ValueError: there are none, or the source is damaged. Of an installed font this is a warning, once.
        """
        if not self.info.covered and self.where != "system":
            raise ValueError(
                f"{self.name!r} renders no character: all that it maps is blank or one placeholder; give another font"
            )
        return unpack_codes(self.info.covered)

    @cached_property
    def info(self) -> FontInfo:
        """Looked up beside the shipped fonts or among the kept findings, else found by rendering everything once."""
        if self._known is not None:
            return parse_info(self._known["info"])
        info = read_kept_info(self.sha256) or self._examined()
        if info.failed:
            logger.warning_once(f"{self.name!r}: these characters cannot be rendered and are not used: {info.failed}")
        return info

    def _examined(self) -> FontInfo:
        try:
            info = self.examine()  # seconds for a large font
        except (OSError, ValueError) as error:
            if self.where != "system":
                raise
            # Nobody asked for this font by name, so nobody could do without it.
            logger.warning_once(f"an installed font is not used: {error}")
            return FontInfo(self.path.name, "", "", (0.0, 0.0, 0.0, 0.0), "")
        keep_info(self.sha256, info)
        return info

    @cached_property
    def _known(self) -> dict | None:
        """What fonts.json says about a shipped file, or about its copy in a checkpoint."""
        if self.where not in ("shipped", "checkpoint"):
            return None
        known = shipped_infos().get(self.path.name + (f"#{self.part}" if self.part else ""))
        # A checkpoint may hold another file of that name, so there the hash has to agree.
        is_copy = self.where == "shipped" or known is None or known["sha256"] == self._own_sha256()
        return known if is_copy else None

    def examine(self) -> FontInfo:
        """Renders everything once and says what is there."""
        raise NotImplementedError

    def render(self, character: str, size: int, binary: bool) -> np.ndarray:
        """The glyph image of a covered character: uint8 [size, size]."""
        raise NotImplementedError

    def strip(self, word: str, height: float) -> tuple[np.ndarray, int]:
        """A line of characters at `height` px per em: grey uint8 [h, w], and the row of its baseline."""
        raise NotImplementedError

    def save(self, target: Path) -> None:
        """Writes the source to a file that renders the same."""
        if self.path.resolve() != target.resolve():
            shutil.copyfile(self.path, target)


def split_part(name: str) -> tuple[Path, str]:
    """`x.ttc#2` -> (x.ttc, "2"); a path that exists as it stands has no part."""
    if "#" not in name or os.path.exists(name):
        return Path(name), ""
    path, _, part = name.rpartition("#")
    return Path(path), part


@lru_cache(maxsize=256)
def _digest(path: str, state: tuple[int, int]) -> str:
    """sha256 of a file; `state` is an argument so that a changed file is read again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["GlyphSource", "split_part"]

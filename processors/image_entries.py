"""The entries of a folder or zip of images or recordings: which of them are used, and their bytes, within limits."""

import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePosixPath

from .image_checks import check_bytes

KINDS = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pgm", ".pbm")
MOST_ZIP_BYTES = 2**28  # of a zip, which is held in memory: 100,000 images of 64 x 64 have about half of them
MOST_ENTRIES = 2**18  # of a zip: Unicode 16 has 154,998 characters
MOST_UNPACKED = 2**32  # bytes of all used files of a zip together

_CODE = re.compile(r"(?:u\+?|uni|0x)([0-9a-f]{4,6})", re.IGNORECASE)
_SHOWN = 3  # names of each kind in a message


def code_point_of(name: str) -> int | None:
    """The code point of the character after which an image file is named, or None."""
    stem, kind = os.path.splitext(os.path.basename(name))
    return _code_of(stem) if kind.lower() in KINDS else None


def _code_of(stem: str) -> int | None:
    match = _CODE.fullmatch(stem)
    if len(stem) != 1 and not match:
        return None
    code = int(match[1], 16) if match else ord(stem)
    # A byte of a name that is no UTF-8 is a lone surrogate to Python.
    return code if code < 0x110000 and not 0xD800 <= code < 0xE000 else None


class Unused:
    """Entries that look as if they were to be used and are not, by reason."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """Notes an entry."""
        self._names.setdefault(reason, []).append(name)

    def __str__(self) -> str:
        """`broken links: 2 ('大.png', '小.png'); ...`, or nothing."""
        parts = []
        for reason, names in self._names.items():
            shown = ", ".join(repr(name) for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            parts.append(f"{reason}: {len(names):,} ({shown})")
        return "; ".join(parts)


def named_images(names: Iterable[str], unused: Unused) -> dict[int, str]:
    """Code point -> name of the file; of two files for one character the first by name counts.

    Args:
        names: of the entries.
        unused: gets the names that look like images and are not used.
    """
    found: dict[int, str] = {}
    for name in sorted(names):
        base = os.path.basename(name)
        stem, kind = os.path.splitext(base)
        code = code_point_of(name)
        if code is not None and found.setdefault(code, name) != name:
            unused.add("characters that another file shows", name)
        elif code is None and kind.lower() in KINDS and not base.startswith("."):  # macOS adds "._人.png"
            unused.add("names that are no character", name)
        elif kind.lower() == ".zip":
            unused.add("zips inside it", name)
        elif code is None and kind and _code_of(stem) is not None:
            unused.add("kinds that are not read", name)
    return found


def list_folder(path: Path, part: str, unused: Unused, kinds: Collection[str] = KINDS) -> list[str]:
    """The names of the files in a folder, relative to `path`, that can be read.

    Args:
        path: of the folder.
        part: name of a folder inside it, or "".
        unused: gets the others of these kinds.
        kinds: endings of names, in lower case, of files that are to be read.
    """
    folder = path / part
    if not folder.is_dir():
        return []
    names = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = os.path.join(part, entry.name)
            is_file = os.path.isfile(entry)
            if os.path.splitext(entry.name)[1].lower() not in kinds or is_file and os.access(entry, os.R_OK):
                names.append(name)
            elif entry.is_symlink() and not os.path.exists(entry):
                unused.add("broken links", name)
            else:
                unused.add("files that you may not read" if is_file else "folders and devices", name)
    return names


def _shows_character(name: str) -> bool:
    return code_point_of(name) is not None


class FileZip:
    """A zip of small files, read into memory: processes that share an open file would move each other's position in it.

    Args:
        path: of the zip.
        is_used: whether the file of that name is ever read; by default, whether it is an image of a character.
        check_size: raises a ValueError for a file of too many bytes.

    Raises:
        ValueError: it is no zip, or passes a limit, or an entry is not what belongs there; says which, without the name
            of the zip.
        OSError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        is_used: Callable[[str], bool] = _shows_character,
        check_size: Callable[[int], None] = check_bytes,
    ) -> None:
        if not path.is_file():
            raise ValueError("it is no regular file")
        size = path.stat().st_size
        if size > MOST_ZIP_BYTES:
            raise ValueError(f"it has {size:,} bytes; at most {MOST_ZIP_BYTES:,} are allowed: unpack it into a folder")
        data = path.read_bytes()
        entries = data.count(b"PK\1\2")  # begins each entry of the directory; a directory may lie about its length
        if entries > MOST_ENTRIES:
            raise ValueError(f"it has {entries:,} entries; at most {MOST_ENTRIES:,} are allowed")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile raises whatever damaged bytes lead to
            raise ValueError(f"{error}") from error
        self._check(self._zip.infolist(), is_used, check_size)

    def names(self, part: str, unused: Unused) -> list[str]:
        """The names of the files in the zip, or in a folder inside it. `unused` gets links, which show nothing."""
        names = []
        for info in self._zip.infolist():
            if info.is_dir() or part and not info.filename.startswith(part + "/"):
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                unused.add("links", info.filename)
            else:
                names.append(info.filename)
        return names

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            Exception: whatever zipfile raises for damaged bytes.
        """
        # ZipFile.read would unpack more than the directory says before it notices.
        with self._zip.open(name) as file:
            return file.read(self._zip.getinfo(name).file_size)

    @staticmethod
    def _check(infos: list[zipfile.ZipInfo], is_used: Callable[[str], bool], check_size: Callable[[int], None]) -> None:
        """Checks what the directory says, before anything is unpacked."""
        seen = set()
        total = 0
        for info in infos:
            name = info.filename
            if leads_outside(name):
                raise ValueError(f"its {name!r} leads out of the zip; pack it again")
            if name in seen:
                raise ValueError(f"it has two entries {name!r}; pack it again")
            seen.add(name)
            if not is_used(name):
                continue
            if info.flag_bits & 1:
                raise ValueError(f"its {name!r} is encrypted; unpack it with the password, and give the folder")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                method = zipfile.compressor_names.get(info.compress_type, info.compress_type)
                raise ValueError(f"its {name!r} is compressed by {method}; pack it again by deflate, as zip does")
            try:
                check_size(info.file_size)
            except ValueError as error:
                raise ValueError(f"its {name!r} is too large: {error}") from error
            total += info.file_size
            if total > MOST_UNPACKED:
                raise ValueError(f"its files have more than {MOST_UNPACKED:,} bytes, which are allowed")


def leads_outside(name: str) -> bool:
    """Whether the name of an entry is absolute or goes up."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or bool(re.match(r"[A-Za-z]:", name))


__all__ = ["KINDS", "FileZip", "Unused", "code_point_of", "leads_outside", "list_folder", "named_images"]

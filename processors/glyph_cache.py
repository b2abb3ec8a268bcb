"""Keeps what took time to render on disk, by the hash of everything that it depends on.

Files are written under another name and then renamed, so that readers and other writers never see half a file. A file
that is damaged all the same, or cannot be read, is reported and made again. Files get the usual rights (those that the
umask leaves), so that users may share a folder.
"""

import errno
import json
import math
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_HEADER = 4096  # bytes that an array in a file may have beside its values
_JSON_BYTES = 1 << 24  # what is known about a font takes far less
_Kept = TypeVar("_Kept")


def cache_folder() -> Path | None:
    """$HANZIFORMERS_CACHE, else $XDG_CACHE_HOME/hanziformers, else ~/.cache/hanziformers.

    None, with one warning, where there is no home directory (a user whom the system does not know): nothing is kept.
    """
    own, base = os.environ.get("HANZIFORMERS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        if own:
            return Path(own).expanduser()
        return (Path(base) if base else Path.home() / ".cache") / "hanziformers"
    except (RuntimeError, OSError) as error:
        logger.warning_once(
            f"there is no folder to keep rendered characters in ({error}), which are rendered again next time; set "
            "HANZIFORMERS_CACHE to one that can be written to"
        )
        return None


def read_arrays(name: str, shapes: dict[str, tuple[tuple[int, ...], type]]) -> dict[str, np.ndarray] | None:
    """The arrays of a kept .npz file, or None if there is none or it cannot be used (with a warning).

    Args:
        name: of the file.
        shapes: name -> shape and dtype that the array must have.
    """

    def parse(file: BinaryIO) -> dict[str, np.ndarray]:
        with zipfile.ZipFile(file) as archive:
            return {name: read_array(archive, name, *wanted) for name, wanted in shapes.items()}

    return _read(name, parse, "its glyph images are rendered again")


def read_array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array of an .npz file.

    Raises:
        ValueError: it has another shape or dtype.
        Exception: whatever zipfile and numpy raise for bytes that are damaged.
    """
    member, size = archive.getinfo(f"{name}.npy"), math.prod(shape) * np.dtype(dtype).itemsize
    if not size <= member.file_size <= size + _HEADER:  # before anything is unpacked
        raise ValueError(f"{name} takes {member.file_size} bytes instead of {size}")
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read()  # to the end, where zipfile compares the checksum
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} has the shape {array.shape} and dtype {array.dtype} instead of {shape}, {dtype}")
    return array


def write_arrays(name: str, arrays: dict[str, np.ndarray]) -> None:
    """Keeps arrays in an .npz file."""
    _write(name, lambda file: np.savez(file, **arrays))


def read_json(name: str) -> dict[str, Any] | None:
    """What is kept about a font, or None if there is nothing or it cannot be used (with a warning)."""

    def parse(file: BinaryIO) -> dict[str, Any]:
        data = file.read(_JSON_BYTES + 1)
        if len(data) > _JSON_BYTES:
            raise ValueError(f"more than {_JSON_BYTES} bytes")
        value = json.loads(data)
        if value.pop("checksum") != _checksum(value):
            raise ValueError("another checksum")
        return value

    return _read(name, parse, "the font is examined again")


def write_json(name: str, value: dict[str, Any]) -> None:
    """Keeps what is known about a font: plain values for JSON."""
    data = json.dumps({**value, "checksum": _checksum(value)}, ensure_ascii=False).encode()
    _write(name, lambda file: file.write(data))


def _checksum(value: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _read(name: str, parse: Callable[[BinaryIO], _Kept], result: str) -> _Kept | None:
    """What `parse` makes of a kept file; None, with a warning, if it cannot be read or is damaged."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / name
    try:
        # A pipe in place of the file would be waited for without O_NONBLOCK (which Windows lacks, like such pipes).
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            return parse(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning(f"{path} cannot be read ({error}); {result}")
    except Exception as error:  # whatever damaged bytes may lead to: MemoryError, RecursionError, zlib.error, ...
        logger.warning(f"{path} is damaged ({type(error).__name__}: {error}); {result}")
    return None


def _write(name: str, fill: Callable[[Any], Any]) -> None:
    """Writes a file whole or not at all. A folder that cannot be written to costs time, not the result."""
    folder = cache_folder()
    if folder is None:
        return
    path = folder / name
    part = path.with_name(f"{path.stem}-{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                fill(file)
            os.replace(part, path)
        except BaseException:  # also an interrupt: no part of a file is left behind
            part.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:  # ValueError: zipfile's, when a full disk breaks its writing off
        # Without the name of the part, which differs each time: it is said once.
        reason = getattr(error, "strerror", None) or error
        logger.warning_once(
            f"cannot keep rendered characters in {folder} ({reason}); they are rendered again next time"
        )


__all__ = ["cache_folder", "read_array", "read_arrays", "read_json", "write_arrays", "write_json"]

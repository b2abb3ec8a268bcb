"""Keeps what took time to render on disk, by the hash of everything that it depends on.

Files are written under another name and then renamed, so that readers and other writers never see half a file. A file
that is damaged all the same, or cannot be read, is reported and made again. Files get the usual rights (those that the
umask leaves), so that users may share a folder.
"""

import json
import os
import secrets
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def cache_folder() -> Path:
    """$HANZIFORMERS_CACHE, else $XDG_CACHE_HOME/hanziformers, else ~/.cache/hanziformers."""
    own = os.environ.get("HANZIFORMERS_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hanziformers"


def read_arrays(path: Path, shapes: dict[str, tuple[tuple[int, ...], type]]) -> dict[str, np.ndarray] | None:
    """The arrays of a kept file, or None if there is none or it cannot be used (with a warning).

    Args:
        path: the .npz file.
        shapes: name -> shape and dtype that the array must have.
    """
    try:
        with np.load(path) as kept:  # zipfile checks the checksum of every array
            arrays = {name: kept[name] for name in shapes}
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning(f"{path} cannot be read ({error}); its glyph images are rendered again")
        return None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning(f"{path} is damaged ({error}); its glyph images are rendered again")
        return None
    for name, (shape, dtype) in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            logger.warning(
                f"{path}: {name} has the shape {arrays[name].shape} and dtype {arrays[name].dtype} instead of {shape} "
                f"and {np.dtype(dtype)}; its glyph images are rendered again"
            )
            return None
    return arrays


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keeps arrays in an .npz file."""
    _write(path, lambda file: np.savez(file, **arrays))


def read_json(name: str) -> Any:
    """A kept JSON value, or None if there is none or it cannot be used (with a warning)."""
    path = cache_folder() / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning(f"{path} cannot be read ({error}); it is made again")
        return None
    except ValueError as error:
        logger.warning(f"{path} is damaged ({error}); it is made again")
        return None


def write_json(name: str, value: Any) -> None:
    """Keeps a JSON value."""
    _write(cache_folder() / name, lambda file: file.write(json.dumps(value, ensure_ascii=False).encode()))


def _write(path: Path, fill: Callable[[Any], Any]) -> None:
    """Writes a file whole or not at all. A folder that cannot be written to costs time, not the result."""
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
    except OSError as error:
        logger.warning_once(
            f"cannot keep rendered characters in {path.parent} ({error}); they are rendered again next time"
        )


__all__ = ["cache_folder", "read_arrays", "read_json", "write_arrays", "write_json"]

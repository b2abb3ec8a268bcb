"""Text files of data: UTF-8, with or without byte order mark, plain or gzipped; JSON lines."""

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a pair of UTF-16, which JSON can name but UTF-8 cannot hold


def read_text(path: Path, kind: str) -> str:
    """The content of a file, without byte order mark; line ends stay as they are.

    Args:
        path: the file; a gzipped one is recognised by its first bytes.
        kind: what it should hold, for messages: "named-entity data".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is damaged or is not UTF-8: the message says what to do.
    """
    return _decode(path, _read_bytes(path, kind))


def is_json_lines(path: Path, content: str) -> bool:
    r"""Whether a file is named .json or .jsonl (before any .gz) or begins with `{"`."""
    return Path(path.name.removesuffix(".gz")).suffix in (".json", ".jsonl") or content.lstrip().startswith('{"')


def parse_json_object(where: str, line: str) -> dict[str, Any]:
    """The object of one line of JSON lines; `where` names the line in errors.

    Raises:
        ValueError: if the line is not JSON or holds no object.
    """
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error}); write one JSON object per line: {line[:80]!r}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{where} is a {type(record).__name__}, expected one JSON object per line: {line[:80]!r}")
    return record


def _read_bytes(path: Path, kind: str) -> bytes:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give the path of a file of {kind}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give one file, for each split of the data")
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}); fetch or write it again") from error
    if not data.strip():
        raise ValueError(f"{path} is empty; expected {kind}")
    return data


def _decode(path: Path, data: bytes) -> str:
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; convert the file, for example with "
            "iconv -f GB18030 -t UTF-8"
        ) from error


__all__ = ["LONE_SURROGATE", "is_json_lines", "parse_json_object", "read_text"]

"""Text files of data, as every reader opens them: decoded, in lines, and the records of JSON.

A file is UTF-8, with or without byte order mark, or UTF-16 or UTF-32 with one; plain, or compressed by gzip, bzip2 or
xz, which its first bytes say. A line ends with LF, CR LF or CR, and with nothing else. A byte order mark at the
beginning of a line is no text: it comes from joining files.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from .text_encodings import (
    DAMAGES,
    ESCAPES,
    compression_of,
    explain,
    explain_escapes,
    explain_zeros,
    find_mark,
    refuse_other_files,
)

LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a pair of UTF-16, which JSON can name but UTF-8 cannot hold
MAX_LINE = 50_000_000  # characters: a line has to fit into memory, several times
_CHUNK = 1 << 16  # bytes that are decoded together
# CR CR LF is one line end too: CR LF that went through the text mode of Windows
_LINE_END = re.compile("\r{0,2}\n|\r")
_JOINED = re.compile("(?<=[\r\n])\ufeff+")
_JSON_NAMES = (".json", ".jsonl", ".ndjson")
# an object, or a list of objects, lists or strings: {"text": ..., [{"text": ..., ["...; or as Python prints it, which
# is JSON that cannot be read: {'text': ...
_JSON = re.compile(r"""(?:(?:\[\s*)*\{\s*["'}]|(?:\[\s*)+")""")


def read_text(path: Path, kind: str) -> str:
    """The content of a file, without byte order mark; line ends stay as they are.

    Args:
        path: the file.
        kind: what it should hold, for messages: "named-entity data".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is damaged, is no text or is in another encoding: the message says what
            to do.
    """
    content = "".join(_decode(path, kind))
    if not content.strip():
        raise ValueError(f"{path} is empty; expected {kind}")
    return content


def read_lines(path: Path, kind: str) -> Iterator[str]:
    """The lines of a file, without their ends, read as they are asked for; an empty file has none.

    Args:
        path: the file.
        kind: what it should hold, for messages: "text".

    Raises:
        FileNotFoundError: see `read_text`.
        ValueError: see `read_text`, where the fault is met; or a line has more than `MAX_LINE` characters.
    """
    return split_lines(path, _decode(path, kind))


def split_lines(path: Path, chunks: Iterable[str]) -> Iterator[str]:
    """Splits text into lines, without their ends; after the last line end there is no further line.

    Args:
        path: the file, for errors.
        chunks: its text in parts, none of which ends within a line end.

    Raises:
        ValueError: a line has more than `MAX_LINE` characters.
    """
    parts: list[str] = []  # of the line that has not ended yet: joined once, so that a long line takes linear time
    number, length = 1, 0
    for chunk in chunks:
        first, *others = _LINE_END.split(chunk) if "\r" in chunk else chunk.split("\n")
        parts.append(first)
        length += len(first)
        for line in others:
            yield "".join(parts)
            parts, length, number = [line], len(line), number + 1
        if length > MAX_LINE:
            raise ValueError(
                f"{path}, line {number} has more than {MAX_LINE:,} characters, the limit; write one document or "
                "sentence per line"
            )
    if last := "".join(parts):
        yield last


def is_json(path: Path, head: str) -> bool:
    r"""Whether a file is JSON: its text begins with `{"` or a list of the like, or it is named .json, .jsonl, .ndjson.

    If its first line is something else, a remark or the end of a line that was cut, but two of the next three begin
    with `{"`, it is JSON too, which cannot be read; but lines with a TAB are those of a table.

    Args:
        path: the file; an ending for its compression, and upper case, do not matter.
        head: the beginning of its text, a few lines of it or more.
    """
    name = re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower())
    lines = _LINE_END.split(head, 4)[1:4]
    objects = sum(line.startswith('{"') and "\t" not in line for line in lines)
    return name.endswith(_JSON_NAMES) or _JSON.match(head.lstrip()[:1000]) is not None or objects > 1


def json_records(path: Path, lines: Iterable[str], other: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON file, one per line or in one list, each with its place for errors: "FILE, line 3".

    Args:
        path: the file, for errors.
        lines: its lines; blank ones are skipped.
        other: how a file of another kind that begins as JSON does is read, for errors of its beginning: "give ...".

    Raises:
        ValueError: it is not JSON, or holds something else than objects.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is not None and (first[1].lstrip().startswith("[") or first[1].strip() == "{"):
        # one value that takes the whole file
        yield from _whole_file(path, first[0], "\n".join(chain([first[1]], (line for _, line in numbered))), other)
    elif first is not None:
        for number, line in chain([first], numbered):
            where = f"{path}, line {number}"
            yield where, parse_json_object(where, line, other if number == first[0] else "")


def parse_json_object(where: str, line: str, other: str = "") -> dict[str, Any]:
    """The object of one line of JSON lines; `where` names the line in errors, `other` is that of `json_records`.

    Raises:
        ValueError: if the line is not JSON or holds no object.
    """
    record = _parse(where, line, other)
    if not isinstance(record, dict):
        raise ValueError(
            f"{where} is a {type(record).__name__}, expected one JSON object per line{_or(other)}: {line[:80]!r}"
        )
    return record


def shown(value: Any) -> str:
    """A value as an error names it: at most 200 characters of its `repr`."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _whole_file(path: Path, number: int, text: str, other: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of one list, or one object, that begins in line `number`."""
    records = _parse(f"{path}, line {number}", text, other)
    for place, record in enumerate(records if isinstance(records, list) else [records], 1):
        if not isinstance(record, dict):
            raise ValueError(
                f"{path}, line {number}: item {place} of the list is {shown(record)}, expected a JSON object; write "
                f"one JSON object per line{_or(other) if place == 1 else ''}"
            )
        yield f"{path}, record {place}", record


class _Repeated(tuple):
    """The values of a key that an object has more than once: what is not looked at may have any."""

    def __repr__(self) -> str:
        return f"several values of one key {super().__repr__()}"


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        for key in (key for key, count in counts.items() if count > 1):
            record[key] = _Repeated(value for name, value in pairs if name == key)
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_make_object)


def _or(other: str) -> str:
    return f" (or {other})" if other else ""


def _parse(where: str, text: str, other: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where} is not JSON ({error}); write one JSON object per line{_or(other)}: {text[:80]!r}"
        ) from error


def _decode(path: Path, kind: str) -> Iterator[str]:
    """The text of a file in parts, none of which ends within a line end."""
    # the number of the line that a part begins in, what the part before left to it, and that one's last character
    number, held, last = 1, "", "\n"
    head, text = b"", None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for data in _read(path, kind):
        if text is None:
            refuse_other_files(path, data)
            encoding, size = find_mark(data)
            decoder, head, data = codecs.getincrementaldecoder(encoding)(), data, data[size:]
        try:
            decoded = held + decoder.decode(data, not data)
        except UnicodeDecodeError as error:
            line = number + _count_ends(held + error.object[: error.start].decode(error.encoding))
            raise ValueError(explain(path, line, error, text)) from error
        if "\0" in decoded:
            line = number + _count_ends(decoded[: decoded.index("\0")])
            raise ValueError(explain_zeros(path, line, head))
        if escape := ESCAPES.search(decoded):
            raise ValueError(explain_escapes(path, number + _count_ends(decoded[: escape.start()]), escape[0]))
        # trailing carriage returns stay for the next part, which says whether they end one line or more
        held = decoded[len(decoded.rstrip("\r")) :][-2:] if data else ""
        text = decoded.removesuffix(held)
        if "\ufeff" in text:
            text = _JOINED.sub("", last + text)[1:]
        last = text[-1:] or last
        yield text
        number += _count_ends(text)


def _read(path: Path, kind: str) -> Iterator[bytes]:
    """The bytes of a file, unpacked, in parts, of which the last is empty."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give the path of a file of {kind}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give one file, for each split of the data")
    compression, line = compression_of(path), 1
    with path.open("rb") if compression is None else compression.open(path) as file:
        data = None
        while data != b"":
            try:
                data = file.read(_CHUNK)
            except DAMAGES as error:
                if compression is None:
                    raise
                raise ValueError(
                    f"{path} is a damaged {compression.name} file ({error}; at or after line {line}); fetch or write "
                    "it again"
                ) from error
            line += data.count(b"\n") or data.count(b"\r")
            yield data


def _count_ends(text: str) -> int:
    return len(_LINE_END.findall(text)) if "\r" in text else text.count("\n")


__all__ = [
    "LONE_SURROGATE",
    "MAX_LINE",
    "is_json",
    "json_records",
    "parse_json_object",
    "read_lines",
    "read_text",
    "shown",
    "split_lines",
]

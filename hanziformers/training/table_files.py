"""Rows of text files: TSV, CSV and the lines of JSON lines, each row with the file and line that errors name."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

Fields = tuple[str, list[str]]


def split_tsv(path: Path, content: str) -> tuple[list[Fields], int]:
    """Rows of TSV: one line per row, a TAB between two columns, a quote a character like others.

    Returns:
        For every row, "FILE, line N" and its fields; the number of blank lines.

    Raises:
        ValueError: a row has more or fewer columns than the first.
    """
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    fields = [(f"{path}, line {n}", line.split("\t")) for n, line in enumerate(lines, 1) if not is_blank(line)]
    hint = "a row is one line with a TAB between columns; a text with TABs or line breaks needs CSV with quotes"
    _check_widths(fields, hint)
    return fields, count_blank(lines)


def split_csv(path: Path, content: str) -> tuple[list[Fields], int]:
    """Rows of CSV: commas, and quotes around fields that hold commas, quotes or line breaks.

    Returns:
        As `split_tsv`; a row that has several lines is named by its first.

    Raises:
        ValueError: the content is not CSV, or a row has more or fewer columns than the first.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    fields, blank, start = [], 0, 1
    try:
        for row in reader:
            if len(row) > 1 or not is_blank("".join(row)):
                fields.append((f"{path}, line {start}", row))
            else:
                blank += 1
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {start}: not CSV ({error}); put texts with quotes, commas or line breaks into quotes, and "
            'write a quote within as ""; or name a file without quoting .tsv'
        ) from error
    _check_widths(fields, 'put texts with commas or line breaks into quotes, and write a quote within as ""')
    return fields, blank


def count_blank(lines: Sequence[str]) -> int:
    """Blank lines; what follows the last line break is no line if it is empty."""
    return sum(is_blank(line) for line in lines) - (lines[-1] == "")


def is_blank(line: str) -> bool:
    """Whether a line holds nothing but spaces; a TAB is content, between two empty columns."""
    return not line.strip(" \r")


def _check_widths(fields: list[Fields], hint: str) -> None:
    width = len(fields[0][1])
    for where, row in fields:
        if len(row) != width:
            raise ValueError(
                f"{where}: {str(row)[:200]} has {len(row)} columns, expected {width} as in the first line; {hint}"
            )


__all__ = ["Fields", "count_blank", "is_blank", "split_csv", "split_tsv"]

"""Rows of text files: TSV, CSV and the lines of JSON lines, each row with the file and line that errors name."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .text_files import shown, split_lines

Fields = tuple[str, list[str]]


def split_tsv(path: Path, content: str) -> tuple[list[Fields], int]:
    """Rows of TSV: one line per row, a TAB between two columns, a quote a character like others.

    Returns:
        For every row, "FILE, line N" and its fields; the number of blank lines.

    Raises:
        ValueError: a row has more or fewer columns than the others.
    """
    lines = list(split_lines(path, [content]))
    fields = [(f"{path}, line {n}", line.split("\t")) for n, line in enumerate(lines, 1) if not is_blank(line)]
    hint = "a row is one line with a TAB between columns; a text with TABs or line breaks needs CSV with quotes"
    _check_widths(fields, hint)
    return fields, count_blank(lines)


def split_csv(path: Path, content: str) -> tuple[list[Fields], int]:
    """Rows of CSV: commas, and quotes around fields that hold commas, quotes or line breaks.

    Returns:
        As `split_tsv`; a row that has several lines is named by its first.

    Raises:
        ValueError: the content is not CSV, or a row has more or fewer columns than the others.
    """
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(content)))
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
    finally:
        csv.field_size_limit(limit)  # it holds for the whole process
    _check_widths(fields, 'put texts with commas or line breaks into quotes, and write a quote within as ""')
    return fields, blank


def count_blank(lines: Sequence[str]) -> int:
    """How many lines are blank."""
    return sum(map(is_blank, lines))


def is_blank(line: str) -> bool:
    """Whether a line holds nothing but spaces; a TAB is content, between two empty columns."""
    return not line.strip(" \r")


def usual_width(widths: Sequence[int]) -> tuple[int, str]:
    """The most frequent number of columns, the first line's where several are, and in words whose it is."""
    width = Counter(widths).most_common(1)[0][0]
    return width, "as in the first line" if widths[0] == width else "as in most lines"


def _check_widths(fields: list[Fields], hint: str) -> None:
    # a first row that is the odd one does not decide for the others
    width, whose = usual_width([len(row) for _, row in fields])
    for where, row in fields:
        if len(row) != width:
            raise ValueError(f"{where}: {shown(row)} has {len(row)} columns, expected {width} {whose}; {hint}")


__all__ = ["Fields", "count_blank", "is_blank", "split_csv", "split_tsv", "usual_width"]

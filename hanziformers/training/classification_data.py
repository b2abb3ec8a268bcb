"""Reads texts with labels of every common form into one: a `datasets.Dataset` with `text`, `text_pair` and `label`.

`text` is a string; `text_pair`, the text pair of a pair, is there only if the data are pairs; `label` is a string, or
for multi-label data a list of strings, or None where a row has no label. Texts stay as they are, duplicates too, and
no row is left out. Every reader returns a `ReadReport` with what it met.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from datasets import ClassLabel, Dataset, Features, Value

from .text_files import HALF_PAIR, is_json_lines, parse_json_object, read_text

# known names of text columns, each with that of its text pair
TEXT_NAMES = {
    "text": "text_pair",
    "text_a": "text_b",
    "text1": "text2",
    "sentence": None,
    "sentence1": "sentence2",
    "premise": "hypothesis",
    "question1": "question2",
    "review": None,
    "comment": None,
    "content": None,
    "文本": None,
    "内容": None,
    "评论": None,
}
LABEL_NAMES = ("label_desc", "label_des", "label", "labels", "category", "class", "target", "标签", "类别")
NO_LABEL = "-"
_OPTIONS = "text, pair and label (--text_column, --pair_column, --label_column)"
_SURE = 20  # rows from which on a bare file without repetitions is taken to have no labels


@dataclass(frozen=True)
class ReadReport:
    """What a reader met.

    Attributes:
        rows: rows of the dataset.
        labels: how many rows have each label; in the order of the `ClassLabel`, or sorted, integers by value.
        unlabelled: rows without a label (missing, empty, "-" or, as a `ClassLabel`, -1).
        empty_texts: texts without a visible character, first and second ones.
        columns: the columns that were read as text, text pair and label; None where there is none. A file without
            a line of names has the columns 0, 1, ...
        blank_lines: lines between rows, or after them, that hold nothing.
        quoted_fields: texts of a TSV file within quotes, which stay: TSV has none.
    """

    rows: int
    labels: dict[str, int]
    unlabelled: int
    empty_texts: int
    columns: tuple[str, str | None, str | None]
    blank_lines: int = 0
    quoted_fields: int = 0


class _Row(NamedTuple):
    where: str  # for errors
    values: dict[str, Any]


def read_classification(
    path: str | os.PathLike[str],
    *,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
) -> tuple[Dataset, ReadReport]:
    """Reads a file of texts with labels: UTF-8, with or without byte order mark, plain or gzipped.

    A file named .json or .jsonl (before any .gz), or beginning with `{"`, is JSON lines. One named .csv is CSV with
    commas and quotes. Any other file is TSV: a row a line, a TAB between two columns, a quote a character like others.

    The first line of TSV and CSV names the columns if one of the names given here, or a known one (`TEXT_NAMES`,
    `LABEL_NAMES`, in any case), is among them. Without such a line the columns are 0, 1, ...: one column is a text; of
    two or three the first or the last is the label if it has at most two values, or at most a tenth as many as there
    are rows, and no other has so few; if hardly a value repeats in any, none is. What stays open has to be named.

    Labels are strings, integers, booleans or null, in JSON lines also lists of them (multi-label).

    Args:
        path: the file.
        text: the column of the texts; default: the one known name among the columns.
        pair: the column of the text pairs; default: the known partner of the text column, if `text` is not given.
        label: the column of the labels; default: the first known name among the columns (`label_desc` before
            `label`), or none.
        label_separator: what stands between the labels of a text; makes the data multi-label. An empty field then
            means that no label applies.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is not UTF-8, its columns cannot be told, or a row cannot be read
            without loss: the message names the file, the line, what was expected and the fix.
    """
    path = Path(path)
    content = read_text(path, "texts with labels")
    given = (text, pair, label)
    if is_json_lines(path, content):
        lines = [(f"{path}, line {n}", line) for n, line in enumerate(content.split("\n"), 1)]
        rows = [_Row(where, parse_json_object(where, line)) for where, line in lines if not _is_blank(line)]
        names = list(dict.fromkeys(name for row in rows for name in row.values))
        columns = _choose(str(path), names, given)
        return _build(rows, columns, label_separator, blank_lines=_count_blank([line for _, line in lines]))
    is_tsv = Path(path.name.removesuffix(".gz")).suffix != ".csv"
    fields, blank = (_split_tsv if is_tsv else _split_csv)(path, content)
    rows, columns = _name_columns(path, fields, given, label_separator)
    quoted = sum(_is_quoted(row.values[name]) for row in rows for name in columns[:2] if name) if is_tsv else 0
    return _build(rows, columns, label_separator, blank_lines=blank, quoted_fields=quoted)


def from_dataset(
    dataset: Dataset,
    *,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
) -> tuple[Dataset, ReadReport]:
    """Converts one split of a data set, as on the Hub; other columns are left out.

    Args:
        dataset: in memory or on disk, not streamed. Labels are strings, integers, booleans, `ClassLabel` ids (-1: none)
            or lists of them.
        text: as in `read_classification`; so are `pair`, `label` and `label_separator`.
        pair: see there.
        label: see there.
        label_separator: see there.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        TypeError: if it is no `datasets.Dataset`.
        ValueError: if its columns cannot be told, or a row cannot be read without loss: the message names it.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"from_dataset takes a datasets.Dataset, not {type(dataset).__name__}; choose one split of a DatasetDict, "
            "and load without streaming"
        )
    columns = _choose("the dataset", dataset.column_names, (text, pair, label))
    feature = dataset.features[columns[2]] if columns[2] else None
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    names = item.names if isinstance(item, ClassLabel) else None
    selected = dataset.select_columns(list(dict.fromkeys(filter(None, columns))))
    rows = [_Row(f"row {number}", values) for number, values in enumerate(selected)]
    return _build(rows, columns, label_separator, names=names)


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Labels sorted, by value if all are integers."""
    labels = list(labels)
    numbers = all(label.isascii() and label.removeprefix("-").isdigit() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def _count_blank(lines: Sequence[str]) -> int:
    """Blank lines; what follows the last line break is no line if it is empty."""
    return sum(_is_blank(line) for line in lines) - (lines[-1] == "")


def _is_blank(line: str) -> bool:
    return not line.strip(" \r")


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def _split_tsv(path: Path, content: str) -> tuple[list[tuple[str, list[str]]], int]:
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    fields = [(f"{path}, line {n}", line.split("\t")) for n, line in enumerate(lines, 1) if not _is_blank(line)]
    hint = "a row is one line with a TAB between columns; a text with TABs or line breaks needs CSV with quotes"
    _check_widths(fields, hint)
    return fields, _count_blank(lines)


def _split_csv(path: Path, content: str) -> tuple[list[tuple[str, list[str]]], int]:
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    fields, blank, start = [], 0, 1
    try:
        for row in reader:
            if len(row) > 1 or not _is_blank("".join(row)):
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


def _check_widths(fields: list[tuple[str, list[str]]], hint: str) -> None:
    width = len(fields[0][1])
    for where, row in fields:
        if len(row) != width:
            raise ValueError(
                f"{where}: {str(row)[:200]} has {len(row)} columns, expected {width} as in the first line; {hint}"
            )


def _name_columns(
    path: Path, fields: list[tuple[str, list[str]]], given: tuple[str | None, ...], separator: str | None
) -> tuple[list[_Row], tuple[str, str | None, str | None]]:
    """The rows of a TSV or CSV file by column, and the columns of text, text pair and label."""
    where, first = fields[0]
    names = [name.strip() for name in first]
    known = {*TEXT_NAMES, *LABEL_NAMES} & {name.lower() for name in names}
    wanted = [name for name in given if name is not None]
    if set(wanted) & set(names) or known:
        if len(set(names)) < len(names):
            raise ValueError(f"{where}: two columns have one name among {names}; rename one")
        fields = fields[1:]
        if not fields:
            raise ValueError(f"{path} has no row after the names of its columns; expected texts")
        columns = _choose(str(path), names, given)
    else:
        if {*TEXT_NAMES, *LABEL_NAMES} & set(first[0].lower().split(",")) and len(first) == 1:
            raise ValueError(f"{path}: the first line {first[0]!r} looks like CSV; give the file a name with .csv")
        names = [str(number) for number in range(len(first))]
        if not set(wanted) <= set(names):
            raise ValueError(
                f"{path}: no column of the first line {first} is named {wanted}; correct the name, or give positions "
                "from 0 on for a file without a line of names"
            )
        if given[0] is None:
            if wanted:
                raise ValueError(f"{path} has no line of names: give the position of the texts too, beside {wanted}")
            columns = _guess(path, [row for _, row in fields], separator)
        else:
            columns = (given[0], given[1], given[2])
    return [_Row(place, dict(zip(names, row, strict=True))) for place, row in fields], columns


def _choose(source: str, names: Sequence[str], given: tuple[str | None, ...]) -> tuple[str, str | None, str | None]:
    """The columns of text, text pair and label among named ones."""
    text, pair, label = given
    missing = [name for name in given if name is not None and name not in names]
    if missing:
        raise ValueError(f"{source} has no column {missing}; it has {list(names)}: give one of these")
    known = {name.strip().lower(): name for name in names}
    if text is None:
        found = [name for name in TEXT_NAMES if name in known and known[name] not in (pair, label)]
        if len(found) != 1:
            trouble = (
                f"several columns of texts: {[known[name] for name in found]}" if found else "no known text column"
            )
            raise ValueError(
                f"{source} has {trouble}, among {list(names)}; name the columns with {_OPTIONS}. Known are "
                f"{', '.join(TEXT_NAMES)}"
            )
        text = known[found[0]]
        pair = pair or known.get(TEXT_NAMES[found[0]])
    if label is None:
        label = next((known[name] for name in LABEL_NAMES if name in known and known[name] not in (text, pair)), None)
    return text, pair, label


def _guess(path: Path, table: list[list[str]], separator: str | None) -> tuple[str, str | None, str | None]:
    """The columns of a file without names; see `read_classification`."""
    width, count = len(table[0]), len(table)
    columns = list(zip(*table, strict=True))
    parts = [Counter(part for field in column for part in _split(field, separator)) for column in columns]
    distinct = [len(counts) for counts in parts]
    few = [number for number, values in enumerate(distinct) if values <= max(2, count // 10)]
    told = False
    if width == 1:
        few, told = [], True
    elif width <= 3:
        is_edge = few in ([0], [width - 1])
        told = is_edge or (width == 2 and not few and count >= _SURE and all(n * 2 > count for n in distinct))
    texts = [number for number in range(width) if number not in few]
    if not told or any(all(field.strip().isdigit() for field in columns[number]) for number in texts):
        raise ValueError(
            f"{path} has no line of known names, and which of its {width} columns is what cannot be told from their "
            f"values; its first line is {table[0]}: give the positions, from 0 on, or the names, of {_OPTIONS}"
        )
    if few and count > 2 and all(parts[few[0]][part] == 1 for part in _split(table[0][few[0]], separator)):
        raise ValueError(
            f"{path}: the first line {table[0]} looks like names of columns: its label is met nowhere else; name the "
            f"columns with {_OPTIONS}, or give positions, from 0 on, if it is a row"
        )
    return str(texts[0]), str(texts[1]) if len(texts) > 1 else None, str(few[0]) if few else None


def _split(field: str, separator: str | None) -> list[str]:
    return [field.strip()] if separator is None else [part.strip() for part in field.split(separator) if part.strip()]


def _build(
    rows: list[_Row],
    columns: tuple[str, str | None, str | None],
    separator: str | None,
    names: list[str] | None = None,
    **met: int,
) -> tuple[Dataset, ReadReport]:
    """Makes the dataset and the report; `names` are those of `ClassLabel` ids."""
    text, pair, label = columns
    data = {"text": [_check_text(row, text) for row in rows]}
    features = {"text": Value("string")}
    if pair is not None:
        data["text_pair"], features["text_pair"] = [_check_text(row, pair) for row in rows], Value("string")
    labels = [_read_label(row, label, separator, names) for row in rows]
    lists = [isinstance(value, list) for value in labels if value is not None]
    if any(lists) and not all(lists):
        where = next(row.where for row, value in zip(rows, labels, strict=True) if isinstance(value, str))
        raise ValueError(f"{where} has one label, other rows have lists of labels; write lists everywhere")
    if "+" in labels and (row := next((row for row in rows if row.values.get(label) == NO_LABEL), None)):
        raise ValueError(f'{row.where}: "-" means that a row has no label, but "+" is a label here; give both names')
    is_multi = separator is not None or any(lists)
    data["label"], features["label"] = labels, [Value("string")] if is_multi else Value("string")
    counts = Counter(one for value in labels if value is not None for one in (value if is_multi else [value]))
    report = ReadReport(
        rows=len(rows),
        labels={name: counts[name] for name in names or sort_labels(counts)},
        unlabelled=labels.count(None),
        empty_texts=sum(not value.strip() for name in ("text", "text_pair") for value in data.get(name, ())),
        columns=columns,
        **met,
    )
    return Dataset.from_dict(data, features=Features(features)), report


def _check_text(row: _Row, column: str) -> str:
    value = row.values.get(column)
    if not isinstance(value, str):
        raise ValueError(f"{row.where}: {column!r} is {value!r}, expected a text; write one, if need be an empty one")
    if HALF_PAIR.search(value):
        raise ValueError(f"{row.where}: {value!r} has a lone surrogate; write whole characters")
    return value


def _read_label(
    row: _Row, column: str | None, separator: str | None, names: list[str] | None
) -> str | list[str] | None:
    value = row.values.get(column) if column is not None else None
    if value is None or value == NO_LABEL or (names is not None and value == -1):
        return None
    if isinstance(value, list):
        return list(dict.fromkeys(_name_label(row, column, item, names) for item in value))
    if isinstance(value, str):
        value = value.strip()
        if separator is not None:
            value = _split(value, separator)
            return list(dict.fromkeys(_name_label(row, column, part, names) for part in value))
        return _name_label(row, column, value, names) if value not in ("", NO_LABEL) else None
    name = _name_label(row, column, value, names)
    return name if separator is None else [name]


def _name_label(row: _Row, column: str, value: Any, names: list[str] | None) -> str:
    if names is not None:
        if not (type(value) is int and 0 <= value < len(names)):
            raise ValueError(f"{row.where}: {column!r} has {value!r}, outside 0..{len(names) - 1}; correct it")
        return names[value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, str) and value.strip() and not HALF_PAIR.search(value)):
        return str(value).strip()
    raise ValueError(
        f"{row.where}: {column!r} has {value!r}, expected a string, an integer, or a list of them; correct it"
    )


__all__ = ["ReadReport", "from_dataset", "read_classification", "sort_labels"]

"""Reads texts with labels of every common form into one: a `datasets.Dataset` with `text`, `text_pair` and `label`.

`text` is a string; `text_pair` is the other text of a pair, and a column only if the data are pairs; `label` is a
string, or for multi-label data a list of strings, or None where a row has no label. Texts stay as they are, duplicates
too, and no row is left out. Every reader returns a `ReadReport` with what it met.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Value

from .classification_columns import Columns, Given, Row, choose_columns, choose_keys, split_header, split_labels
from .table_files import count_blank, split_csv, split_tsv
from .text_files import LONE_SURROGATE, is_json, json_records, read_text, shown, split_lines

NO_LABEL = "-"
_NOT_JSON = "give it a first line with the names of its columns (text, label) if it is a table"


@dataclass(frozen=True)
class ReadReport:
    """What a reader met.

    Attributes:
        rows: rows of the dataset.
        labels: how many rows have each label; in the order of the `ClassLabel`, or sorted, integers by value.
        unlabelled: rows without a label (missing, empty, "-" or, as a `ClassLabel`, -1).
        empty_texts: texts without a visible character, those of text pairs too.
        columns: the columns that were read as text, text pair and label; None where there is none. A file without
            a line of names has the columns 0, 1, ...
        blank_lines: lines between rows, or after them, that hold nothing.
        quoted_fields: texts of a TSV file within quotes, which stay: TSV has none.
    """

    rows: int
    labels: dict[str, int]
    unlabelled: int
    empty_texts: int
    columns: Columns
    blank_lines: int = 0
    quoted_fields: int = 0


@dataclass(frozen=True)
class ColumnOptions:
    """Which columns are read, and how labels are written; the options of both readers.

    Attributes:
        text: the column of the texts; default: the one known name among the columns.
        pair: the column of the text pairs; default: the known partner of the text column, if `text` is not given.
        label: the column of the labels; default: the first known name among the columns (`label_desc` before
            `label`), or none.
        label_separator: what stands between the labels of a text; makes the data multi-label. An empty field then
            means that no label applies.
    """

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    label_separator: str | None = None

    @property
    def given(self) -> Given:
        """The columns as `choose_columns` takes them."""
        return self.text, self.pair, self.label


def read_classification(path: str | os.PathLike[str], **columns: str | None) -> tuple[Dataset, ReadReport]:
    """Reads a file of texts with labels; see `text_files` for encodings and line ends.

    A file that begins as JSON does, or is named .json, .jsonl or .ndjson, is JSON, one object per line or all in one
    list. One named .csv is CSV with commas and quotes. Any other file is TSV: one line per row, TABs between columns,
    quotes as characters. Upper case in a name, and an ending for compression, do not matter.

    The first line of TSV and CSV names the columns if one of the names given here, or a known one (`TEXT_NAMES`,
    `LABEL_NAMES`, in any case), is among them. Without such a line the columns are 0, 1, ...: one column is a text; of
    two or three the first or the last is the label if it has at most two values, or at most a tenth as many as there
    are rows, and no other has so few; if hardly a value repeats in any, none is. Other columns have to be named.

    In JSON the columns are those that most objects have, see `choose_keys`.

    Labels are strings, integers, booleans or null, in JSON also lists of them (multi-label).

    Args:
        path: the file.
        **columns: `text`, `pair`, `label` and `label_separator`, see `ColumnOptions`.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is in another encoding, its columns cannot be inferred, or a row cannot
            be read without loss: the message names the file, the line, what was expected and the fix.
    """
    options, path = ColumnOptions(**columns), Path(path)
    content = read_text(path, "texts with labels")
    if is_json(path, content):
        lines = list(split_lines(path, [content]))
        rows = [Row(where, record) for where, record in json_records(path, lines, _NOT_JSON)]
        chosen = choose_keys(str(path), rows, options.given)
        return _build(rows, chosen, options.label_separator, blank_lines=count_blank(lines))
    is_tsv = Path(re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower())).suffix != ".csv"
    fields, blank = (split_tsv if is_tsv else split_csv)(path, content)
    names, chosen, fields = split_header(path, fields, options.given, options.label_separator)
    rows = [Row(where, dict(zip(names, row, strict=True))) for where, row in fields]
    quoted = sum(_is_quoted(row.values[name]) for row in rows for name in chosen[:2] if name) if is_tsv else 0
    return _build(rows, chosen, options.label_separator, blank_lines=blank, quoted_fields=quoted)


def from_dataset(dataset: Dataset, **columns: str | None) -> tuple[Dataset, ReadReport]:
    """Converts one split of a data set, as on the Hub; other columns are left out.

    Args:
        dataset: in memory or on disk, not streamed. Labels are strings, integers, booleans, `ClassLabel` ids (-1: none)
            or lists of them.
        **columns: `text`, `pair`, `label` and `label_separator`, see `ColumnOptions`.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        TypeError: if it is no `datasets.Dataset`.
        ValueError: if its columns cannot be inferred, or a row cannot be read without loss: the message names it.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"from_dataset takes a datasets.Dataset, not {type(dataset).__name__}; choose one split of a DatasetDict, "
            "and load without streaming"
        )
    options = ColumnOptions(**columns)
    chosen = choose_columns("the dataset", dataset.column_names, options.given)
    feature = dataset.features[chosen[2]] if chosen[2] else None
    # of lists of labels: datasets 3 has plain lists here, datasets 4 and later a class
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    names = item.names if isinstance(item, ClassLabel) else None
    selected = dataset.select_columns(list(dict.fromkeys(filter(None, chosen))))
    rows = [Row(f"row {number}", values) for number, values in enumerate(selected)]
    return _build(rows, chosen, options.label_separator, names=names)


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Labels sorted, by value if all are integers."""
    labels = list(labels)
    numbers = all(label.isascii() and label.removeprefix("-").isdigit() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def _build(
    rows: list[Row],
    columns: Columns,
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
        # the rarer kind is the odd one
        odd = list if sum(lists) * 2 < len(lists) else str
        where, value = next((row.where, value) for row, value in zip(rows, labels, strict=True) if type(value) is odd)
        what = (
            "a list of labels, other rows have one label"
            if odd is list
            else "one label, other rows have lists of labels"
        )
        raise ValueError(f"{where} has {what}: {shown(value)}; write lists everywhere, or nowhere")
    # an evaluation with the labels + and - would lose half of its labels
    if "+" in labels and (row := next((row for row in rows if row.values.get(label) == NO_LABEL), None)):
        plus = rows[labels.index("+")].where
        raise ValueError(
            f'{row.where}: "-" means that a row has no label, but "+" is a label here ({plus}); give both names'
        )
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


def _check_text(row: Row, column: str) -> str:
    value = row.values.get(column)
    if not isinstance(value, str):
        raise ValueError(
            f"{row.where}: {column!r} is {shown(value)}, expected a text; write one, if need be an empty one"
        )
    if LONE_SURROGATE.search(value):
        raise ValueError(f"{row.where}: {shown(value)} has a lone surrogate; write whole characters")
    return value


def _read_label(row: Row, column: str | None, separator: str | None, names: list[str] | None) -> str | list[str] | None:
    value = row.values.get(column) if column is not None else None
    if value is None or value == NO_LABEL or (names is not None and value == -1):
        return None
    if isinstance(value, list):
        return list(dict.fromkeys(_name_label(row, column, item, names) for item in value))
    if isinstance(value, str):
        value = value.strip()
        if separator is not None:
            value = split_labels(value, separator)
            return list(dict.fromkeys(_name_label(row, column, part, names) for part in value))
        return _name_label(row, column, value, names) if value not in ("", NO_LABEL) else None
    name = _name_label(row, column, value, names)
    return name if separator is None else [name]


def _name_label(row: Row, column: str, value: Any, names: list[str] | None) -> str:
    if names is not None:
        if not (type(value) is int and 0 <= value < len(names)):
            raise ValueError(f"{row.where}: {column!r} has {shown(value)}, outside 0..{len(names) - 1}; correct it")
        return names[value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, str) and value.strip() and not LONE_SURROGATE.search(value)):
        return str(value).strip()
    raise ValueError(
        f"{row.where}: {column!r} has {shown(value)}, expected a string, an integer, or a list of them; correct it"
    )


__all__ = ["ColumnOptions", "ReadReport", "from_dataset", "read_classification", "sort_labels"]

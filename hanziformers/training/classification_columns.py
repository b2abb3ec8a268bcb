"""Which columns of a table hold texts, text pairs and labels: as given, by their names, or by their values."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .table_files import Fields
from .text_files import shown

# known names of text columns, each with the name of the column of its text pairs
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
_FIRST_OF_PAIRS = {"text1", "sentence1", "premise", "question1"}  # a text without another has other names
LABEL_NAMES = ("label_desc", "label_des", "label", "labels", "category", "class", "target", "标签", "类别")
_OPTIONS = "text, pair and label (--text_column, --pair_column, --label_column)"
_ENOUGH_ROWS = 20  # rows from which on a file without names and without repetitions is taken to have no labels

Columns = tuple[str, str | None, str | None]
Given = tuple[str | None, str | None, str | None]


class Row(NamedTuple):
    """A row as read: its place for errors, and its values by column."""

    where: str
    values: dict[str, Any]


def split_header(
    path: Path, fields: list[Fields], given: Given, separator: str | None
) -> tuple[list[str], Columns, list[Fields]]:
    """Finds the names and the columns of a TSV or CSV file; see `read_classification` for the rules.

    Args:
        path: the file, for errors.
        fields: its rows, from `split_tsv` or `split_csv`.
        given: names or positions of the columns of texts, text pairs and labels, where they were given.
        separator: what stands between the labels of one text, None for one label a text.

    Returns:
        The names of all columns (0, 1, ... without a line of names), the columns of texts, text pairs and labels, and
        the rows without the line of names.

    Raises:
        ValueError: the columns cannot be inferred, or are not those that were given.
    """
    where, first = fields[0]
    names = [name.strip() for name in first]
    known = {*TEXT_NAMES, *LABEL_NAMES} & {name.lower() for name in names}
    options = [name for name in given if name is not None]
    if not (set(options) & set(names) or known):
        names = [str(number) for number in range(len(first))]
        return names, _columns_without_names(path, fields, given, separator), fields
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: two columns have one name among {names}; rename one")
    if len(fields) == 1:
        raise ValueError(f"{path} has no row after the names of its columns; expected texts")
    if again := next((place for place, row in fields[1:] if row == first), None):
        raise ValueError(f"{again}: the names of the columns {names} stand here once more; remove the line")
    return names, choose_columns(str(path), names, given), fields[1:]


def choose_columns(source: str, names: Sequence[str], given: Given) -> Columns:
    """Chooses the columns of texts, text pairs and labels among named ones.

    Args:
        source: what has the columns, for errors.
        names: their names.
        given: the names that were given; a column whose name was not given is found by its known name.

    Raises:
        ValueError: a given column is missing, no column of texts, or several, have a known name, or that of the other
            text of a pair is missing.
    """
    text, pair, label = given
    missing = [name for name in given if name is not None and name not in names]
    if missing:
        raise ValueError(f"{source} has no column {missing}; it has {list(names)}: give one of these")
    known = {name.strip().lower(): name for name in names}
    if text is None:
        found = [name for name in TEXT_NAMES if name in known and known[name] not in (pair, label)]
        if len(found) != 1:
            several = f"several columns of texts: {[known[name] for name in found]}"
            raise ValueError(
                f"{source} has {several if found else 'no known text column'}, among {list(names)}; name the columns "
                f"with {_OPTIONS}. Known are {', '.join(TEXT_NAMES)}"
            )
        text = known[found[0]]
        pair = pair or known.get(TEXT_NAMES[found[0]])
        if pair is None and found[0] in _FIRST_OF_PAIRS:
            raise ValueError(
                f"{source} has {text!r} without {TEXT_NAMES[found[0]]!r}, among {list(names)}; name the column of text "
                f"pairs (--pair_column), or, if there is none, that of texts (--text_column {text})"
            )
    if label is None:
        label = next((known[name] for name in LABEL_NAMES if name in known and known[name] not in (text, pair)), None)
    return text, pair, label


def choose_keys(source: str, rows: Sequence[Row], given: Given) -> Columns:
    """Chooses the columns of records: among those that most of them have, so that no odd one decides for the others.

    The column of labels may be missing in any number of records: it is the known one of those that have any.

    Args:
        source: what has the records, for errors.
        rows: the records.
        given: see `choose_columns`.

    Raises:
        ValueError: see `choose_columns`; a record has its label in another column than most others.
    """
    counts = Counter(name for row in rows for name in row.values)
    common = [name for name, count in counts.items() if count * 2 > len(rows)]
    if not any(name.strip().lower() in TEXT_NAMES for name in common):
        common = list(counts)  # no known column of texts: an error below, or in the first record without it
    labels = {name for name in counts if name.strip().lower() in LABEL_NAMES and name not in given}
    labelled = [row for row in rows if not labels.isdisjoint(row.values)]
    # the first name that most of the labelled records have, else the most frequent one
    usual = [name for name in labels if sum(name in row.values for row in labelled) * 2 > len(labelled)]
    usual = usual or sorted(labels, key=lambda name: -counts[name])[:1]
    names = [name for name in counts if name in given or name in usual or (name in common and name not in labels)]
    chosen = choose_columns(source, names, given)
    if given[2] is None and chosen[2] is not None:
        for row in labelled:
            if chosen[2] not in row.values:
                others = sorted(labels.intersection(row.values))
                raise ValueError(
                    f"{row.where} has {others} where most rows have {chosen[2]!r}; rename the column, or name it with "
                    f"{_OPTIONS}"
                )
    return chosen


def split_labels(field: str, separator: str | None) -> list[str]:
    """The labels in a field, without white space around them: one, or with a separator any number."""
    return [field.strip()] if separator is None else [part.strip() for part in field.split(separator) if part.strip()]


def _columns_without_names(path: Path, fields: list[Fields], given: Given, separator: str | None) -> Columns:
    """The columns of a file without a line of names: the positions that were given, else inferred from the values."""
    first, options = fields[0][1], [name for name in given if name is not None]
    known = {*TEXT_NAMES, *LABEL_NAMES}
    if len(first) == 1 and known & set(first[0].lower().split(",")):
        raise ValueError(f"{path}: the first line {shown(first[0])} looks like CSV; give the file a name with .csv")
    if len(first) == 1 and ("\t" in first[0] or known & set(re.split("[;|]", first[0].lower()))):
        raise ValueError(
            f"{path}: the first line {shown(first[0])} has other separators than the file's name says; separate "
            "columns by TABs (and give the file a name with .tsv), or by commas (.csv)"
        )
    if not set(options) <= {str(number) for number in range(len(first))}:
        raise ValueError(
            f"{path}: no column of the first line {shown(first)} is named {options}; correct the name, or give "
            "positions from 0 on for a file without a line of names"
        )
    if given[0] is not None:
        return given
    if options:
        raise ValueError(f"{path} has no line of names: give the position of the texts too, beside {options}")
    return _infer_columns(path, [row for _, row in fields], separator)


def _infer_columns(path: Path, table: list[list[str]], separator: str | None) -> Columns:
    """Infers the columns from their values: a column of few distinct values, first or last, holds the labels."""
    width, count = len(table[0]), len(table)
    columns = list(zip(*table, strict=True))
    parts = [Counter(part for field in column for part in split_labels(field, separator)) for column in columns]
    distinct = [len(counts) for counts in parts]
    few = [number for number, values in enumerate(distinct) if values <= max(2, count // 10)]
    is_sure = False
    if width == 1:
        few, is_sure = [], True
    elif width <= 3:
        # a label column at the edge; or two columns in which hardly a value repeats: a pair without labels
        has_pair = width == 2 and not few and count >= _ENOUGH_ROWS and all(n * 2 > count for n in distinct)
        is_sure = few in ([0], [width - 1]) or has_pair
    texts = [number for number in range(width) if number not in few]
    # a column of numbers (ids) is no column of texts, whatever an odd row holds
    ids = [sum(field.strip().isdigit() for field in columns[number]) * 2 > count for number in texts]
    if not is_sure or any(ids):
        raise ValueError(
            f"{path} has no line of known names, and what its {width} columns hold cannot be inferred from their "
            f"values; its first line is {shown(table[0])}: give the positions, from 0 on, or the names, of {_OPTIONS}"
        )
    # a first row whose label occurs nowhere else is more likely a line of names that are not known
    if few and count > 2 and all(parts[few[0]][part] == 1 for part in split_labels(table[0][few[0]], separator)):
        raise ValueError(
            f"{path}: the first line {shown(table[0])} looks like names of columns: its label occurs nowhere else; "
            f"name the columns with {_OPTIONS}, or give positions, from 0 on, if it is a row"
        )
    return str(texts[0]), str(texts[1]) if len(texts) > 1 else None, str(few[0]) if few else None


__all__ = ["Columns", "Given", "choose_columns", "split_header", "split_labels"]

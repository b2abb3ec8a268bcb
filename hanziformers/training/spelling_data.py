"""Reads spelling data of every common form into one: a `datasets.Dataset` with `text`, `correct` and `kinds`.

`text` is what was written and `correct` what it should be, both of the same length; `kinds` is one kind of error for
each character that differs, in their order (`confusion_sets.KINDS`, or "other"). Right text without a wrong one gets
its errors here, from an `ErrorMaker`. Every reader returns a `SpellingReport` with what it met.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, Value

from ..confusion_sets import KINDS, ConfusionSets, kinds_of
from ..tokenization.characters import code_points, is_han
from .pretraining_text import split_sentences
from .spelling_errors import ErrorMaker, Misspelt
from .table_files import Fields, count_blank, split_csv, split_tsv
from .text_files import LONE_SURROGATE, is_json, json_records, read_text, shown, split_lines

TEXT_NAMES = ("original_text", "original", "source", "src", "wrong")
CORRECT_NAMES = ("correct_text", "correct", "correction", "target", "trg", "tgt")
CLEAN_NAME = "text"  # a column of right text, in which errors are made
_ORIGINS = ("source", "src")  # beside right text they say where it comes from
OTHER = "other"
FEATURES = Features(
    {"text": Value("string"), "correct": Value("string"), "kinds": [Value("string")], "made": Value("bool")}
)
_FORMS = (
    f"the text as it was written in a column {', '.join(TEXT_NAMES)}, and the right one in {', '.join(CORRECT_NAMES)}; "
    f"or only right text, in which errors are made, in {CLEAN_NAME}"
)
_NOT_JSON = "name it .txt or .tsv if it is a table or text"

Pair = tuple[str, Any, Any]  # "FILE, line N", the text as it was written, the right one


@dataclass(frozen=True)
class SpellingReport:
    """What a reader met.

    Attributes:
        rows: rows of the dataset.
        wrong_rows: rows with an error.
        errors: characters that differ.
        kinds: how many errors are of each kind.
        made: whether the errors were made here, in right text.
        not_chinese: errors at a character that is no Chinese one, or that should be none: nothing corrects them.
        blank_lines: lines between rows, or after them, that hold nothing.
    """

    rows: int
    wrong_rows: int
    errors: int
    kinds: dict[str, int]
    made: bool
    not_chinese: int
    blank_lines: int = 0


def read_spelling(path: str | os.PathLike[str], make_maker: Callable[[], ErrorMaker]) -> tuple[Dataset, SpellingReport]:
    """Reads a file of texts with their corrections, or of right text; see `text_files` for encodings and line ends.

    A file that begins as JSON does, or is named .json, .jsonl or .ndjson, is JSON, one object per line or all in one
    list. One named .csv is CSV with commas and quotes. Any other file is TSV: one line per row, TABs between columns.
    The columns have one of the names `TEXT_NAMES` and one of `CORRECT_NAMES`, or only `CLEAN_NAME`; of a table whose
    first line names none of them the last two columns are taken, or the only one as right text.

    Right text is cut into sentences, each a row, in which errors are made.

    Args:
        path: the file.
        make_maker: called where the file holds right text: what makes errors in it.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file, is empty, is in another encoding, its columns are of no known names, or the two texts
            of a row have different lengths: the message names the file, the line, what was expected and the fix.
    """
    path = Path(path)
    content = read_text(path, "texts with their corrections")
    lines = list(split_lines(path, [content]))
    if is_json(path, content):
        records = list(json_records(path, lines, _NOT_JSON))
        chosen = [_choose(where, list(record)) for where, record in records]
        if {one == two for one, two in chosen} == {True}:
            _refuse_corrections(
                str(path), [(record, record[one]) for (_, record), (one, _) in zip(records, chosen, strict=True)]
            )
        rows = [(where, record[one], record[two]) for (where, record), (one, two) in zip(records, chosen, strict=True)]
        clean = {one == two for one, two in chosen}
        if len(clean) > 1:
            odd = next(where for (where, _), (one, two) in zip(records, chosen, strict=True) if one == two)
            raise ValueError(f"{odd} has only right text, other rows have the wrong one too; give two files")
        return _build(str(path), rows, clean == {True}, make_maker, count_blank(lines))
    is_csv = re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower()).endswith(".csv")
    fields, blank = (split_csv if is_csv else split_tsv)(path, content)
    fields, (one, two), names = _columns(fields)
    if one == two and names:
        _refuse_corrections(str(path), [(dict(zip(names, row, strict=True)), row[one]) for _, row in fields])
    rows = [(where, row[one], row[two]) for where, row in fields]
    return _build(str(path), rows, one == two, make_maker, blank)


def from_dataset(dataset: Dataset, make_maker: Callable[[], ErrorMaker]) -> tuple[Dataset, SpellingReport]:
    """Converts one split of a data set, as on the Hub; the columns are those of JSON, others are left out.

    Raises:
        TypeError: it is no `datasets.Dataset`.
        ValueError: as `read_spelling`.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(f"from_dataset takes a datasets.Dataset, not {type(dataset).__name__}; choose one split")
    one, two = _choose("the dataset", dataset.column_names)
    if one == two:
        _refuse_corrections("the dataset", [(row, row[one]) for row in dataset])
    pairs = zip(dataset[one], dataset[two], strict=True)
    rows = [(f"row {number}", text, correct) for number, (text, correct) in enumerate(pairs)]
    return _build("the dataset", rows, one == two, make_maker, 0)


def _choose(where: str, names: Sequence[str]) -> tuple[str, str]:
    """The columns of the text and of the right one; one name twice for right text."""
    by_name = {name.lower(): name for name in names}
    text, correct = (next((name for name in known if name in by_name), None) for known in (TEXT_NAMES, CORRECT_NAMES))
    if correct is None and text in (None, *_ORIGINS) and CLEAN_NAME in by_name:
        return by_name[CLEAN_NAME], by_name[CLEAN_NAME]
    if correct is not None and text is None and CLEAN_NAME in by_name:
        text = CLEAN_NAME
    if text is None or correct is None:
        raise ValueError(f"{where} has the columns {shown(list(names))}, and not what is needed: {_FORMS}; rename them")
    return by_name[text], by_name[correct]


def _columns(fields: list[Fields]) -> tuple[list[Fields], tuple[int, int], list[str]]:
    """The rows of a table without a line of names, its columns, one twice for right text, and the names, or none."""
    where, first = fields[0]
    names = [name.strip().lower() for name in first]
    if set(names) & {*TEXT_NAMES, *CORRECT_NAMES, CLEAN_NAME}:
        one, two = _choose(where, names)
        if names.count(one) > 1 or names.count(two) > 1:
            raise ValueError(f"{where} has the columns {shown(names)}, one of them twice; leave one of the two out")
        return fields[1:], (names.index(one), names.index(two)), names
    # names of other columns: words of English, over rows that are not
    if (
        len(first) > 1
        and first[-2] != first[-1]
        and _are_names(first)
        and not all(_are_names(row) for _, row in fields)
    ):
        raise ValueError(f"{where} has the columns {shown(first)}, and not what is needed: {_FORMS}; rename them")
    return fields, (max(len(first) - 2, 0), len(first) - 1), []


def _are_names(fields: Sequence[str]) -> bool:
    return all(field.strip().isascii() and field.strip().isidentifier() for field in fields)


def _refuse_corrections(source: str, rows: list[tuple[dict[str, Any], Any]]) -> None:
    """Refuses "right text" beside which a column of another name has the correction of every row.

    Args:
        source: the data, for errors.
        rows: each with all its columns, and what was taken for right text.

    Raises:
        ValueError: a column has in every row a text of the same length, of which most characters are the same.
    """
    for name in rows[0][0] if rows else ():
        pairs = [(row.get(name), text) for row, text in rows]
        if not all(isinstance(one, str) and isinstance(text, str) and len(one) == len(text) for one, text in pairs):
            continue
        # a correction leaves most characters as they are, another text of the same length does not
        same = sum(a == b for one, text in pairs for a, b in zip(one, text, strict=True))
        differs = any(one != text and is_han(code_points(one)).any() for one, text in pairs)
        if differs and 2 * same >= sum(len(one) for one, _ in pairs):
            raise ValueError(
                f"{source} has right text in {CLEAN_NAME}, and texts of the same lengths in {name}: if those are the "
                f"corrections, name their column {CORRECT_NAMES[0]}, else leave the column out"
            )


def _build(
    source: str, rows: list[Pair], clean: bool, make_maker: Callable[[], ErrorMaker], blank: int
) -> tuple[Dataset, SpellingReport]:
    if not rows:
        raise ValueError(f"{source} has no row; expected {_FORMS}")
    for where, text, correct in rows:
        _check(where, text, correct)
    if clean:
        correct = [sentence.strip() for _, text, _ in rows for sentence in split_sentences(text)]
        if not correct:
            raise ValueError(f"{source} has only blank texts; give texts, in which errors are made")
        written = make_maker()(correct)
    else:
        correct = [right for _, _, right in rows]
        written = list(map(Misspelt, (text for _, text, _ in rows), find_kinds([row[1:] for row in rows])))
    dataset = make_dataset(written, correct, clean)
    kinds = Counter(kind for row in written for kind in row.kinds)
    report = SpellingReport(
        rows=len(correct),
        wrong_rows=sum(bool(row.kinds) for row in written),
        errors=kinds.total(),
        kinds={kind: kinds[kind] for kind in (*KINDS, OTHER) if kinds[kind]},
        made=clean,
        not_chinese=sum(_count_not_chinese(row.text, right) for row, right in zip(written, correct, strict=True)),
        blank_lines=blank,
    )
    return dataset, report


def make_dataset(written: Iterable[Misspelt], correct: list[str], made: bool) -> Dataset:
    """The dataset (see the module) of texts; `made` says whether their errors were made here."""
    rows = [
        {"text": row.text, "correct": right, "kinds": row.kinds, "made": made}
        for row, right in zip(written, correct, strict=True)
    ]
    return Dataset.from_list(rows, features=FEATURES)


def _check(where: str, text: Any, correct: Any) -> None:
    for value in (text, correct):
        if not isinstance(value, str):
            raise ValueError(f"{where}: {shown(value)} is no text; write one, or leave the row out")
        if LONE_SURROGATE.search(value):
            raise ValueError(f"{where}: {shown(value)} has a lone surrogate; write whole characters")
    if len(text) != len(correct):
        raise ValueError(
            f"{where}: {shown(text)} has {len(text)} characters, its correction {shown(correct)} has {len(correct)}; "
            "both have to be of the same length, as characters are only replaced: leave such rows out, and name the "
            f"columns in a first line if these are the wrong ones ({TEXT_NAMES[0]}, {CORRECT_NAMES[0]})"
        )


def _count_not_chinese(text: str, correct: str) -> int:
    if text == correct:
        return 0
    one, two = code_points(text), code_points(correct)
    return int(((one != two) & ~(is_han(one) & is_han(two))).sum())


def find_kinds(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The kind of every error of pairs of a text and the right one, by how alike the two characters look and sound."""
    found = [[(a, b) for a, b in zip(text, right, strict=True) if a != b] for text, right in pairs]
    wrong = sorted({a for errors in found for a, _ in errors})
    rights = sorted({b for errors in found for _, b in errors})
    if not wrong:
        return [[] for _ in pairs]
    sets, kinds = ConfusionSets(wrong), {}
    by_right: dict[str, set[str]] = {}
    for a, b in (pair for errors in found for pair in errors):
        by_right.setdefault(b, set()).add(a)
    columns = {character: column for column, character in enumerate(sets.candidates)}
    for start in range(0, len(rights), 256):
        part = rights[start : start + 256]
        table = kinds_of(sets.by_glyph(part), sets.by_sound(part))
        kinds |= {(a, b): table[row, columns[a]] for row, b in enumerate(part) for a in by_right[b]}
    names = np.array([*KINDS, OTHER])  # -1, for none, is the last
    return [[str(names[kinds[pair]]) for pair in errors] for errors in found]


__all__ = ["OTHER", "SpellingReport", "find_kinds", "from_dataset", "make_dataset", "read_spelling"]

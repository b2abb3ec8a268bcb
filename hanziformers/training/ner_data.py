"""Reads named-entity data of every common form into one: a `datasets.Dataset` with the columns `text` and `entities`.

`text` is a string, `entities` a list of {"start", "end", "label"}: character offsets into the text, the end exclusive,
sorted by start, then end. Entities that overlap all stay. Every reader returns a `ReadReport` with what it met.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Value

from .ner_columns import parse_columns, strip_positions
from .ner_records import FORMS, TAG_COLUMNS, Sentence, parse_record
from .tag_schemes import Entity, decode_tags, detect_scheme, split_overlaps
from .text_files import LONE_SURROGATE, is_json_lines, parse_json_object, read_text

FEATURES = Features(
    {"text": Value("string"), "entities": [{"start": Value("int64"), "end": Value("int64"), "label": Value("string")}]}
)


@dataclass(frozen=True)
class ReadReport:
    """What a reader met.

    Attributes:
        sentences: rows of the dataset.
        entities: entities in all rows.
        repairs: tags that broke their scheme; the entities were read all the same, see `decode_tags`.
        overlapping: entities that a flat tagging has to leave out, see `split_overlaps`; the dataset has them.
        scheme: the tag scheme, None where the data has offsets.
        document_marks: `-DOCSTART-` lines skipped.
        positions_stripped: whether every token ended in its position within its word, which was taken off.
    """

    sentences: int
    entities: int
    repairs: int
    overlapping: int
    scheme: str | None = None
    document_marks: int = 0
    positions_stripped: bool = False


def read_ner(path: str | os.PathLike[str], *, joiner: str = "") -> tuple[Dataset, ReadReport]:
    """Reads a file of named-entity data: UTF-8, with or without byte order mark, plain or gzipped.

    A file named .json or .jsonl (before any .gz), or beginning with `{"`, is JSON lines: each text with entities,
    tokens with tags, or CLUENER's form; other fields are not read. Any other file has a token per line, the first
    column the token and the last its tag, between them TABs or, in a line without TAB, spaces; a blank line ends a
    sentence. A line that begins with a whitespace character and a separator has that character as its token.

    In some corpora (Weibo NER) each token carries its position within its word: `科0 技1`. The digits are taken off if
    every token of the file has at least two characters and ends in a digit, and every sentence begins with position
    0. Positions go on beyond 9: `p10` after a token of position 9 is `p`, elsewhere `p1` of position 0.

    Args:
        path: the file.
        joiner: what stands between two tokens in the text: nothing for characters, " " for words.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is not UTF-8, or has a line that cannot be read without loss: the
            message names the file, the line, what was expected and the fix.
    """
    path = Path(path)
    content = read_text(path, "named-entity data")
    lines = [(f"{path}, line {number}", line.removesuffix("\r")) for number, line in enumerate(content.split("\n"), 1)]
    if is_json_lines(path, content):
        records = [(where, parse_json_object(where, line)) for where, line in lines if line.strip()]
        return _build([parse_record(where, record, None) for where, record in records], str(path), joiner)
    sentences, document_marks = parse_columns(lines)
    stripped = strip_positions(sentences)
    return _build(sentences, str(path), joiner, document_marks=document_marks, positions_stripped=stripped)


def from_columns(dataset: Dataset, *, joiner: str = "") -> tuple[Dataset, ReadReport]:
    """Converts a dataset with tokens and tags, as on the Hub, or with text and entities; other columns are left out.

    Args:
        dataset: one split, in memory or on disk, not streamed. Tags are strings or `ClassLabel` ids.
        joiner: what stands between two tokens in the text: nothing for characters, " " for words.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        TypeError: if it is no `datasets.Dataset`.
        ValueError: if its columns are of no known form, or a row cannot be read without loss: the message names it.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"from_columns takes a datasets.Dataset, not {type(dataset).__name__}; choose one split of a DatasetDict, "
            "and load without streaming"
        )
    tag_column = next((name for name in TAG_COLUMNS if name in dataset.column_names), "")
    columns = ["tokens", tag_column] if tag_column and "tokens" in dataset.column_names else ["text", "entities"]
    if not set(columns) <= set(dataset.column_names):
        raise ValueError(f"columns {dataset.column_names} are of no known form; rename them to one: {FORMS}")
    feature = dataset.features[columns[1]]
    # datasets 3 has plain lists here, datasets 4 and later a class
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    names = item.names if isinstance(item, ClassLabel) else None
    rows = enumerate(dataset.select_columns(columns))
    return _build([parse_record(f"row {number}", row, names) for number, row in rows], "the dataset", joiner)


def _build(sentences: list[Sentence], source: str, joiner: str, **met: Any) -> tuple[Dataset, ReadReport]:
    """Makes the dataset and the report, decoding all tags by the one scheme they have together."""
    if not sentences:
        raise ValueError(f"{source} has no sentence; expected at least one, with its entities or tags")
    tagged = [sentence for sentence in sentences if sentence.tokens is not None]
    try:
        scheme = detect_scheme(sentence.tags for sentence in tagged) if tagged else None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    repairs = 0
    for sentence in tagged:
        spans, broken = decode_tags(sentence.tags, scheme)
        sentence.text, sentence.entities = _join(sentence.tokens, spans, joiner)
        repairs += broken
    for sentence in sentences:
        if LONE_SURROGATE.search(sentence.text):
            raise ValueError(f"{sentence.where}: {sentence.text!r} has a lone surrogate; write whole characters")
    rows = [{"text": s.text, "entities": [e._asdict() for e in sorted(s.entities)]} for s in sentences]
    overlapping = sum(len(split_overlaps(sentence.entities)[1]) for sentence in sentences)
    count = sum(len(sentence.entities) for sentence in sentences)
    report = ReadReport(len(rows), count, repairs, overlapping, scheme, **met)
    return Dataset.from_list(rows, features=FEATURES), report


def _join(tokens: Sequence[str], spans: Iterable[Entity], joiner: str) -> tuple[str, list[Entity]]:
    """Joins tokens into a text; returns it and the spans of tokens as spans of its characters."""
    starts = [0, *accumulate(len(token) + len(joiner) for token in tokens)]
    return joiner.join(tokens), [Entity(starts[start], starts[end] - len(joiner), label) for start, end, label in spans]

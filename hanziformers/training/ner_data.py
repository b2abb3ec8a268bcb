"""Reads named-entity data of every common form into one: a `datasets.Dataset` with the columns `text` and `entities`.

`text` is a string, `entities` a list of {"start", "end", "label"}: character offsets into the text, the end exclusive,
sorted by start, then end. Entities that overlap all stay. Every reader returns a `ReadReport` with what it met.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Value

from .tag_schemes import Entity, decode_tags, detect_scheme, split_overlaps
from .text_files import HALF_PAIR, is_json_lines, parse_json_object, read_text

FEATURES = Features(
    {"text": Value("string"), "entities": [{"start": Value("int64"), "end": Value("int64"), "label": Value("string")}]}
)
TAG_COLUMNS = ("ner_tags", "tags", "labels")
_FORMS = (
    'text with entities [{"start", "end", "label"}] (end exclusive); tokens with one of '
    f"{', '.join(TAG_COLUMNS)}; or, in JSON lines only, text with label "
    "{type: {surface: [[start, end]]}} (CLUENER, end inclusive)"
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


@dataclass
class _Sentence:
    """One sentence as read: `where` for errors, and either text with entities or tokens with tags."""

    where: str
    text: str = ""
    entities: Sequence[Entity] = ()
    tokens: list[str] | None = None
    tags: Sequence[str] = ()


def read_ner(path: str | os.PathLike[str], *, joiner: str = "") -> tuple[Dataset, ReadReport]:
    """Reads a file of named-entity data: UTF-8, with or without byte order mark, plain or gzipped.

    A file named .json or .jsonl (before any .gz), or beginning with `{"`, is JSON lines: each text with entities,
    tokens with tags, or CLUENER's form; other fields are not read. Any other file has a token per line, the first
    column the token and the last its tag, between them TABs or, in a line without TAB, spaces; a blank line ends a
    sentence. A line that begins with a whitespace character and a separator has that character as its token.

    In some corpora (Weibo NER) each token carries its position within its word: `科0 技1`. The digits are taken off if
    every token of the file has at least two characters and ends in a digit, and every sentence begins with position
    0. Positions count on beyond 9: `p10` after a token of position 9 is `p`, elsewhere `p1` of position 0.

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
        return _build([_parse_record(where, record, None) for where, record in records], str(path), joiner)
    sentences, document_marks = _parse_columns(lines)
    stripped = _strip_positions(sentences)
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
        raise ValueError(f"columns {dataset.column_names} are of no known form; rename them to one: {_FORMS}")
    feature = dataset.features[columns[1]]
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    names = item.names if isinstance(item, ClassLabel) else None
    rows = enumerate(dataset.select_columns(columns))
    return _build([_parse_record(f"row {number}", row, names) for number, row in rows], "the dataset", joiner)


def _parse_columns(lines: Iterable[tuple[str, str]]) -> tuple[list[_Sentence], int]:
    """Groups the lines of a token-per-line file; returns the sentences and the number of -DOCSTART- lines."""
    sentences: list[_Sentence] = []
    marks, count, is_open = 0, 0, False
    for where, line in lines:
        mark = line.startswith("-DOCSTART-")
        if mark or not line.strip(" \t"):
            marks, is_open = marks + mark, False
            continue
        fields = _split_line(line)
        count = count or max(2, len(fields))
        if len(fields) != count or not fields[0] or not fields[-1].strip():
            raise ValueError(
                f"{where}: {line!r} has the columns {fields}, expected {count} as in the first line, of which the "
                "first is a token and the last its tag; write one token and one tag in every line, separated by a TAB"
            )
        if not is_open:
            sentences.append(_Sentence(where, tokens=[], tags=[]))
            is_open = True
        sentences[-1].tokens.append(fields[0])
        sentences[-1].tags.append(fields[-1].strip())
    return sentences, marks


def _split_line(line: str) -> list[str]:
    if line[0].isspace() and line[1:2] in (" ", "\t"):
        return [line[0], *_split_line("x" + line[1:])[1:]]
    return line.split("\t") if "\t" in line else re.split(" +", line.rstrip(" "))


def _strip_positions(sentences: list[_Sentence]) -> bool:
    """Takes the positions within words off the tokens, if all have them (see `read_ner`); returns whether they had."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    if not all(len(token) > 1 and token[-1] in "0123456789" for token in tokens):
        return False
    if not all(sentence.tokens[0].endswith("0") for sentence in sentences):
        return False
    for sentence in sentences:
        position = -1
        for index, token in enumerate(sentence.tokens):
            following = str(position + 1)
            counts_on = token.endswith(following) and len(token) > len(following)
            digits = following if counts_on else token[-1]
            sentence.tokens[index], position = token.removesuffix(digits), int(digits)
    return True


def _parse_record(where: str, record: dict[str, Any], names: Sequence[str] | None) -> _Sentence:
    """Reads a record of any form; `names` are the names of its tags where those are ids."""
    text, tokens = record.get("text"), record.get("tokens")
    tag_column = next((name for name in TAG_COLUMNS if name in record), "")
    if tokens is not None and tag_column:
        return _Sentence(where, tokens=tokens, tags=_check_tags(where, tokens, record[tag_column], names))
    if isinstance(text, str) and isinstance(record.get("entities"), list | dict):
        return _Sentence(where, text, _parse_entities(where, text, record["entities"]))
    if isinstance(text, str) and isinstance(record.get("label"), dict):
        return _Sentence(where, text, _parse_cluener(where, text, record["label"]))
    raise ValueError(f"{where} is of no known form: {str(record)[:200]}; write one of: {_FORMS}")


def _check_tags(where: str, tokens: Any, tags: Any, names: Sequence[str] | None) -> list[str]:
    if not (isinstance(tokens, list) and isinstance(tags, list) and len(tokens) == len(tags)):
        raise ValueError(f"{where}: tokens {tokens!r} and tags {tags!r} are not two lists of one length; pair them")
    if names is not None:
        outside = [tag for tag in tags if tag is None or not 0 <= tag < len(names)]
        if outside:
            raise ValueError(
                f"{where}: tag ids {outside} outside 0..{len(names) - 1}, those of the column; correct them"
            )
        tags = [names[tag] for tag in tags]
    odd = [item for item in (*tokens, *tags) if not isinstance(item, str) or not item]
    if odd:
        raise ValueError(
            f"{where}: tokens and tags are strings that are not empty, not {odd[:10]}; write the tags' names, "
            "or give a dataset whose tag column is a ClassLabel"
        )
    return tags


def _parse_entities(where: str, text: str, entities: list[Any] | dict[str, Any]) -> list[Entity]:
    if isinstance(entities, dict):  # what datasets makes of a Sequence of dicts
        try:
            entities = [dict(zip(entities, values, strict=True)) for values in zip(*entities.values(), strict=True)]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: entities {entities!r} need lists of one length; pair them") from error
    for entity in entities:
        if not isinstance(entity, dict) or not {"start", "end", "label"} <= set(entity):
            raise ValueError(f"{where}: entity {entity!r} lacks one of start, end, label; write all three")
    return [_check_entity(where, text, entity["start"], entity["end"], entity["label"]) for entity in entities]


def _parse_cluener(where: str, text: str, labels: dict[str, Any]) -> list[Entity]:
    entities: list[Entity] = []
    for label, surfaces in labels.items():
        for surface, spans in surfaces.items() if isinstance(surfaces, dict) else [(surfaces, None)]:
            if not isinstance(spans, list) or not all(isinstance(span, list) and len(span) == 2 for span in spans):
                raise ValueError(f"{where}: {label!r} has {surfaces!r}, expected {{surface: [[start, end], ...]}}")
            for start, last in spans:
                end = last + 1 if type(last) is int else last
                entities.append(_check_entity(where, text, start, end, label))
                if text[start:end] != surface:
                    raise ValueError(
                        f"{where}: {label!r} at [{start}, {last}] is {text[start:end]!r} in the text, but "
                        f"{surface!r} in the label; correct the offsets, both inclusive, in characters"
                    )
    return entities


def _check_entity(where: str, text: str, start: Any, end: Any, label: Any) -> Entity:
    if not (type(start) is type(end) is int and 0 <= start < end <= len(text) and isinstance(label, str) and label):
        raise ValueError(
            f"{where}: entity from {start!r} to {end!r} (exclusive) of label {label!r} needs a label and "
            f"0 <= start < end <= {len(text)}, the length of its text; correct its offsets, in characters, or its label"
        )
    return Entity(start, end, label)


def _build(sentences: list[_Sentence], source: str, joiner: str, **met: Any) -> tuple[Dataset, ReadReport]:
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
        if HALF_PAIR.search(sentence.text):
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

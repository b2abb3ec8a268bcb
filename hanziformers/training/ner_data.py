"""Reads named-entity data of every common form into one: a `datasets.Dataset` with the columns `text` and `entities`.

`text` is a string, `entities` a list of {"start", "end", "label"}: character offsets into the text, the end exclusive,
sorted by start, then end. Entities that overlap all stay. Every reader returns a `ReadReport` with what it met.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Value

from .ner_columns import check_one_sentence, parse_columns, strip_positions
from .ner_records import FORMS, TAG_COLUMNS, Sentence, parse_record
from .tag_schemes import Entity, TagSchemeError, decode_tags, detect_scheme, split_overlaps
from .text_files import LONE_SURROGATE, is_json, json_records, read_text, shown, split_lines

FEATURES = Features(
    {"text": Value("string"), "entities": [{"start": Value("int64"), "end": Value("int64"), "label": Value("string")}]}
)
_NOT_JSON = "give it -DOCSTART- as its first line if its lines are a token and a tag"
_MOST_LABELS = 50  # different tags without prefix, from which on there have to be as many O


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
    """Reads a file of named-entity data; see `text_files` for encodings and line ends.

    A file that begins as JSON does, or is named .json, .jsonl or .ndjson, is JSON, one object per line or all in one
    list: each text with entities, tokens with tags, or CLUENER's form; other fields are not read. Any other file has a
    token per line, the first column the token and the last its tag, between them TABs or, in a line without TAB,
    spaces; a blank line ends a sentence. A line that begins with a whitespace character and a separator has that
    character as its token.

    In some corpora (Weibo NER) each token carries its position within its word: `科0 技1`. The digits are taken off if
    every token of the file has at least two characters and ends in a digit, and every sentence begins with position
    0. Positions go on beyond 9: `p10` after a token of position 9 is `p`, elsewhere `p1` of position 0.

    What has this form but holds something else is refused: tags that are none (ids, part-of-speech tags, `_`; see
    `detect_scheme`), a first column of numbers, a line of names of columns, several sentences without a blank line
    between them.

    Args:
        path: the file.
        joiner: what stands between two tokens in the text: nothing for characters, " " for words.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is empty, is in another encoding, or has a line that cannot be read without loss:
            the message names the file, the line, what was expected and the fix.
    """
    path = Path(path)
    content = read_text(path, "named-entity data")
    lines = list(split_lines(path, [content]))
    if is_json(path, content):
        sentences = [parse_record(where, record, None) for where, record in json_records(path, lines, _NOT_JSON)]
        return _build(sentences, str(path), joiner)
    sentences, document_marks = parse_columns((f"{path}, line {number}", line) for number, line in enumerate(lines, 1))
    stripped = strip_positions(sentences)
    read = _build(sentences, str(path), joiner, document_marks=document_marks, positions_stripped=stripped)
    if len(sentences) == 1:
        check_one_sentence(sentences[0], has_end=not lines[-1].strip())
    return read


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
    scheme = _scheme(tagged, source) if tagged else None
    repairs = 0
    for sentence in tagged:
        spans, broken = decode_tags(sentence.tags, scheme)
        sentence.text, sentence.entities = _join(sentence.tokens, spans, joiner)
        repairs += broken
    for sentence in sentences:
        if LONE_SURROGATE.search(sentence.text):
            raise ValueError(f"{sentence.where}: {shown(sentence.text)} has a lone surrogate; write whole characters")
    rows = [{"text": s.text, "entities": [e._asdict() for e in sorted(s.entities)]} for s in sentences]
    overlapping = sum(len(split_overlaps(sentence.entities)[1]) for sentence in sentences)
    count = sum(len(sentence.entities) for sentence in sentences)
    report = ReadReport(len(rows), count, repairs, overlapping, scheme, **met)
    return Dataset.from_list(rows, features=FEATURES), report


def _scheme(sentences: list[Sentence], source: str) -> str:
    """The scheme of all tags together; an error names the first token whose tag does not fit."""
    try:
        scheme = detect_scheme(sentence.tags for sentence in sentences)
    except TagSchemeError as error:
        where, token, tag = next(
            (sentence.locate(index), sentence.tokens[index], tag)
            for sentence in sentences
            for index, tag in enumerate(sentence.tags)
            if tag in error.tags
        )
        raise ValueError(
            f"{source}: {error}; the first is at {where}: {shown(token)} has the tag {shown(tag)}"
        ) from error
    if scheme == "IO":
        _check_column(sentences)
    return scheme


def _check_column(sentences: list[Sentence]) -> None:
    """Refuses tags of the scheme IO that are words: those of the text, or more different ones than there are O."""
    tags = Counter(tag for sentence in sentences for tag in sentence.tags)
    labels = len(tags) - ("O" in tags)
    pairs = ((s, index) for s in sentences for index, tag in enumerate(s.tags) if tag == s.tokens[index] != "O")
    same = list(islice(pairs, tags.total() // 2 + 1))
    if len(same) * 2 > tags.total() or labels > max(_MOST_LABELS, tags["O"]):
        sentence, index = same[0] if same else (sentences[0], 0)
        raise ValueError(
            f"{sentence.locate(index)}: {shown(sentence.tokens[index])} has the tag {shown(sentence.tags[index])}, one "
            f"of {labels} that are words of the text rather than labels; write the tag into the last column"
        )


def _join(tokens: Sequence[str], spans: Iterable[Entity], joiner: str) -> tuple[str, list[Entity]]:
    """Joins tokens into a text; returns it and the spans of tokens as spans of its characters."""
    starts = [0, *accumulate(len(token) + len(joiner) for token in tokens)]
    return joiner.join(tokens), [Entity(starts[start], starts[end] - len(joiner), label) for start, end, label in spans]

"""The text of a pre-training: which files, what is held out for validation, and the documents as a stream."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from glob import escape, glob
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

from datasets import Dataset, IterableDataset
from transformers.utils import logging

from .hub_data import load_data_set, read_rows
from .text_files import LONE_SURROGATE, is_json, json_records, read_lines, shown

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_SHARDS = 16
_LINES = "give --text_column '' if every line is plain text"
# beginnings of what is no plain text: WikiExtractor, Sogou's news, XML, HTML; a line of tags of any name
_MARKUP = re.compile(
    r"<(?:[!?]|(?:doc|html|head|body|div|p|page|mediawiki|text|article)\b)|<([a-z][\w:.-]*)(?:\s[^<>]*)?>(?:.*</\1>)?\s*$",
    re.IGNORECASE,
)


@dataclass
class TextArguments:
    """Which text: files, or a data set of the Hub."""

    train_files: list[str] = field(
        default_factory=list,
        metadata={"help": "paths or patterns: text with a document per line, or JSON lines; also .gz"},
    )
    validation_files: list[str] = field(
        default_factory=list, metadata={"help": "as train_files; these files are not trained on"}
    )
    dataset_name: str | None = field(default=None, metadata={"help": "in place of files: data set of the Hub"})
    dataset_config_name: str | None = field(default=None, metadata={"help": "configuration of that data set"})
    text_column: str = field(
        default="text",
        metadata={
            "help": "column of JSON lines or data set that holds the text; '' to take every line of files as text"
        },
    )
    max_characters: int | None = field(
        default=None, metadata={"help": "train on so many characters: whole documents, chosen by a hash of their text"}
    )


def find_files(patterns: list[str]) -> dict[str, str]:
    """Finds files, each once: resolved path -> path as it was given; a pattern without files stands for itself."""
    found: dict[str, str] = {}
    for path in (path for pattern in patterns for path in _expand(pattern) or [pattern]):
        found.setdefault(str(Path(path).resolve()), path)
    return found


def _expand(pattern: str) -> list[str]:
    """The files that match a pattern; what exists as it is written is a name, brackets and stars or not."""
    if os.path.exists(pattern):
        return [pattern]
    folder = os.path.dirname(pattern)
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return sorted(glob(escape(folder) + pattern[len(folder) :], recursive=True))


def text_files(args: TextArguments, split: str) -> list[str]:
    """Finds the files of `train` or `validation` and logs them; what is held out for validation is not trained on.

    Raises:
        FileNotFoundError: a path or pattern without a file.
        ValueError: a folder; JSON and plain text mixed, or other kinds of files; no training file that is not held out.
    """
    found = find_files(getattr(args, f"{split}_files"))
    # resolved paths are compared, so that links and other ways of writing a path are seen
    held_out = found.keys() & find_files(args.validation_files).keys() if split == "train" else set()
    files = [path for resolved, path in found.items() if resolved not in held_out]
    for path in map(Path, files):
        if path.is_dir():
            raise ValueError(f"{path} is a folder; give its files: '{path}/*', '{path}/**/*.txt'")
        if not path.is_file():
            what = "not a regular file" if path.exists() else "a broken link" if path.is_symlink() else "missing"
            raise FileNotFoundError(f"there is no file {path} (it is {what}); give paths or patterns that match files")
    if held_out and not files:
        raise ValueError(f"the train files are all validation files too: {[*found.values()]}; give others to train on")
    kinds = {path: _kind(Path(path), args.text_column) for path in files}
    if {*kinds.values()} >= {"JSON", "text"}:
        first = {kind: path for path, kind in reversed(kinds.items())}
        raise ValueError(
            f"the {split} files are JSON lines and plain text mixed: {first['JSON']} is JSON, {first['text']} is text; "
            f"give one kind, or {_LINES}"
        )
    if files:
        rest = f"; held out for validation: {[found[path] for path in sorted(held_out)]}" if held_out else ""
        lines = "" if args.text_column else "; every line is a text, whatever it holds (--text_column '')"
        logger.warning(f"{split} files: {files}{rest}{lines}")
    return files


def _kind(path: Path, column: str) -> str:
    """What a file holds, by its content: "JSON", "text" or, if there is nothing in it, "".

    Raises:
        ValueError: it is a table, markup or values of JSON that are no objects, which have to be made into text first.
    """
    head = _head(path)
    if not column:
        return "text" if head else ""
    if is_json(path, "\n".join(head)):
        return "JSON" if head else ""
    name = path.name.lower()
    if any(f"{ending}." in f"{name}." for ending in (".csv", ".tsv")):
        raise ValueError(
            f"{path} is a table by its name; write its texts as JSON lines, or one per line into a .txt file"
        )
    if head and _MARKUP.match(head[0].lstrip()):
        raise ValueError(
            f"{path} begins with {shown(head[0].strip()[:80])}, which is markup, not text; write plain text or JSON "
            f"lines (WikiExtractor: --json), or {_LINES}"
        )
    if rows := _rows(head):
        raise ValueError(
            f"{path} holds {shown(rows[0][:80])}, a row of a table with TABs between its columns; write its texts as "
            f"JSON lines, or one per line, or {_LINES}"
        )
    values = [line for line in head if _is_value(line)]
    if len(values) * 2 > len(head):
        raise ValueError(
            f"{path} holds {shown(values[0].strip()[:80])}, which is a string or list of JSON or Python, not plain "
            f'text; write JSON lines, an object per line: {{"text": ...}}, or {_LINES}'
        )
    return "text" if head else ""


def _rows(head: list[str]) -> list[str]:
    """The lines that are rows of a table: two or more, and most of all, with equally many TABs in their middle."""
    tabs = [line.strip().count("\t") for line in head]
    usual = max(tabs, key=tabs.count, default=0)
    rows = [line for line, number in zip(head, tabs, strict=True) if number == usual > 0]
    return rows if len(rows) > max(1, len(head) / 2) else []


def _is_value(line: str) -> bool:
    """Whether a line is a string in quotes or a list of JSON, and nothing else."""
    line = line.strip().removesuffix(",")
    if line.startswith("[") and line.endswith("]"):
        try:
            return isinstance(json.loads(line), list)
        except (ValueError, RecursionError):
            return False
    quote, rest = line[:1], re.sub(r"\\.", "", line[1:])
    return quote in ("'", '"') and rest.find(quote) == len(rest) - 1


def _head(path: Path) -> list[str]:
    """The first four lines of a file that are not blank: enough to tell JSON, in one list too."""
    return list(islice((line for line in read_lines(path, "text") if line.strip()), 4))


def load_documents(args: TextArguments, split: str) -> IterableDataset | None:
    """Streams the documents of `train` or `validation`, with the one column `text`; None where there are none.

    Raises:
        FileNotFoundError: see `text_files`.
        ValueError: see `text_files` and `sample_documents`; files beside a data set; no text at all, or none in the
            column `text_column`.
    """
    beside = [f"--{name} {getattr(args, name)}" for name in ("train_files", "validation_files") if getattr(args, name)]
    if args.dataset_name and beside:
        raise ValueError(
            f"--dataset_name {args.dataset_name} beside {' and '.join(beside)}: the text comes from one of them; leave "
            "the other out"
        )
    if not args.dataset_name:
        files = text_files(args, split)
        if not files:
            return None
        # a list among the arguments: its files are shared out between processes and workers
        options = {"files": files, "column": args.text_column}
        documents = IterableDataset.from_generator(_read_files, gen_kwargs=options)
    else:
        documents = load_data_set(args.dataset_name, args.dataset_config_name, "--train_files", streaming=True).get(
            split
        )
        if documents is None:
            return None
    first = next(read_rows(documents, "--train_files"), None)
    if first is None:
        raise ValueError(
            f"the {split} text is empty: {args.dataset_name or files}; give files with a document per line"
        )
    if args.dataset_name:
        if args.text_column not in first:
            raise ValueError(f"the {split} text has the columns {sorted(first)}; name one of them by --text_column")
        documents = documents.select_columns([args.text_column])  # before renaming: another may be called `text`
        if args.text_column != "text":
            documents = documents.rename_column(args.text_column, "text")
    if split == "train" and args.max_characters is not None:
        documents = sample_documents(documents, args.max_characters)
    return documents


def sample_documents(documents: Iterable[dict[str, Any]], number: int) -> IterableDataset:
    """Takes the documents with the smallest hashes of their texts, so many that they have `number` characters.

    Every run, process and seed gets the same ones, from all files alike, and a smaller number gives a part of a larger
    number's. They are held in memory.

    Raises:
        ValueError: a number below 1.
    """
    if number < 1:
        raise ValueError(f"max_characters={number} is not allowed; give 1 or more, or leave it out")
    chosen: list[tuple[int, str]] = []  # a heap: the greatest hash first
    length = 0
    for text in filter(None, read_texts(documents)):
        heappush(chosen, (-crc32(text.encode()), text))
        length += len(text)
        while length - len(chosen[0][1]) >= number:
            length -= len(heappop(chosen)[1])
    texts = [text for _, text in sorted(chosen, reverse=True)]
    there = "" if length >= number else ", which is all that there is"
    logger.warning(f"training text: {len(texts)} documents of {length} characters{there} (--max_characters {number})")
    shards = max(1, min(len(texts), _SHARDS))  # processes and workers share them out
    return Dataset.from_dict({"text": texts}).to_iterable_dataset(num_shards=shards)


def read_texts(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The texts of a stream of documents.

    Raises:
        ValueError: a document has no string as `text`, or the stream cannot be read on: where it is, and what to do.
    """
    before = "the first one read"  # where a wrong document is, for the message: a data set has no line numbers
    for row in read_rows(documents, "--train_files"):
        text = row.get("text")
        if fault := _fault(text):
            raise ValueError(f"{fault}; it is {before}")
        before = f"the one read after {text[:40]!r}"
        yield text


def _read_files(files: list[str], column: str) -> Iterator[dict[str, str]]:
    """The documents of files: the lines of text, or the column `column` of the objects of JSON."""
    for path in map(Path, files):
        lines = read_lines(path, "text")
        if _kind(path, column) != "JSON":
            yield from ({"text": line} for line in lines)
            continue
        for where, record in json_records(path, lines, _LINES):
            if column not in record:
                raise ValueError(
                    f"{where} has the columns {shown(sorted(record))}, and no {column!r}; name one of them by "
                    f"--text_column, or fill or remove such records; or {_LINES}"
                )
            if fault := _fault(record[column]):
                raise ValueError(f"{where}: {fault}")
            yield {"text": record[column]}


def _fault(text: Any) -> str:
    """What is wrong with the text of a document, "" if nothing is."""
    if not isinstance(text, str):
        return (
            f"a document has text={shown(text)}, but a string is needed (it may be empty): fill or remove such records"
        )
    if LONE_SURROGATE.search(text):
        return f"a document has a lone surrogate, which is no character: {shown(text)}; write whole characters"
    return ""


__all__ = ["TextArguments", "find_files", "load_documents", "read_texts", "sample_documents", "text_files"]

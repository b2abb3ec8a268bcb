"""Reads questions about texts of every common form into one: a `datasets.Dataset`, one row a question.

Its columns are `id`, `question`, `context` and `answers`, a list of {"text", "start"}, or None where a question comes
without any. An answer with a `start` from 0 on is a part of the context, context[start : start + len(text)]. The others
have the start -1: "" (the context does not answer the question), "YES", "NO", and any other text that is not in the
context, with which predictions are compared, and from which nothing is learned. Texts stay as they are.

The forms are SQuAD's, 1.1 and 2.0, which CMRC 2018, DRCD and CJRC have too: articles with paragraphs with questions in
one JSON object; its parts by themselves, an article or a paragraph a line or in a list; and flat rows of context,
question and answers, in JSON lines and on the Hub. There SQuAD 2.0 marks no question as impossible: two empty lists,
`text` and `answer_start`, mean no answer where other questions of the data have one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value

from .reading_answers import NO_ANSWER, check_answers, first_answer, has_empty_lists, kind_of
from .text_files import LONE_SURROGATE, json_records, read_text, shown, split_lines

FEATURES = Features(
    {
        **{name: Value("string") for name in ("id", "question", "context")},
        "answers": [{"text": Value("string"), "start": Value("int64")}],
    }
)
LEVELS = ("data", "paragraphs", "qas")  # each a list of what the next one is in


@dataclass(frozen=True)
class ReadReport:
    """What a reader met.

    Attributes:
        questions: rows of the dataset.
        contexts: different contexts.
        unlabelled: questions without answers.
        kinds: how many questions have a first answer of each kind, text (a part of the context), none, yes and no;
            "elsewhere" are those of which no answer is in the context.
        repaired: answers whose answer_start was wrong or missing; the text is in the context once, so it is there.
        elsewhere: answers whose text is not in the context, or more than once without an answer_start.
        contradictory: questions that are marked as impossible and have an answer, which counts.
        repeated_ids: questions whose id an earlier one has; by their ids alone predictions are not told apart.
    """

    questions: int
    contexts: int
    unlabelled: int
    kinds: dict[str, int]
    repaired: int
    elsewhere: int
    contradictory: int
    repeated_ids: int = 0


def read_reading(path: Path) -> tuple[Dataset, ReadReport]:
    """Reads a JSON file; see `text_files` for encodings and compression.

    Returns:
        The dataset (see the module) and its report.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file, is empty, is no JSON or has no questions; a question or context is no text; an
            answer is not where it should be, and its text is in the context never, or more than once: the message
            names the file, the line or the question, and the fix.
    """
    content = read_text(path, "questions about texts")
    lines = list(split_lines(path, [content]))
    filled = [line for line in lines if line.strip()]
    # one object over several lines is read as if it were in one
    is_lines = len(filled) > 1 and filled[0].rstrip().endswith("}")
    records = json_records(path, lines if is_lines else [content], "the one object of a file of SQuAD's form")
    return _build(str(path), records)


def from_dataset(dataset: Dataset) -> tuple[Dataset, ReadReport]:
    """Converts one split of a data set, as on the Hub: `context`, `question` and `answers` (SQuAD's), maybe `id`.

    Raises:
        ValueError: see `read_reading`; the message names the row.
    """
    return _build("the data set", ((f"row {number}", row) for number, row in enumerate(dataset)))


def _build(source: str, records: Iterable[tuple[str, dict[str, Any]]]) -> tuple[Dataset, ReadReport]:
    met: Counter[str] = Counter()
    rows, empty = [], []
    for where, question in (found for place, record in records for found in _questions(place, record)):
        context = _check_text(where, "context", question.get("context"))
        answers = check_answers(where, context, question, met)
        named = str(question["id"]) if question.get("id") is not None else str(len(rows))
        text = _check_text(where, "question", question.get("question"))
        empty += [len(rows)] if has_empty_lists(question) else []
        rows.append({"id": named, "question": text, "context": context, "answers": answers})
    if not rows:
        raise ValueError(f"{source} has no questions; give a file with some")
    if any(row["answers"] for row in rows):
        for number in empty:
            rows[number]["answers"] = [dict(NO_ANSWER)]
    labelled = [first_answer(row["answers"]) for row in rows if row["answers"] is not None]
    report = ReadReport(
        questions=len(rows),
        contexts=len({row["context"] for row in rows}),
        unlabelled=len(rows) - len(labelled),
        kinds=dict(Counter(kind_of(answer) or "elsewhere" if answer else "elsewhere" for answer in labelled)),
        **{name: met[name] for name in ("repaired", "elsewhere", "contradictory")},
        repeated_ids=len(rows) - len({row["id"] for row in rows}),
    )
    return Dataset.from_list(rows, features=FEATURES), report


def _questions(where: str, record: Any, context: Any = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The questions of a file, an article or a paragraph, or the record itself, each with its place and context."""
    if not isinstance(record, dict):
        raise ValueError(f"{where} has {shown(record)}, expected a JSON object; correct it")
    context = record.get("context", context)
    level = next((name for name in LEVELS if name in record), None)
    if level is None:
        if "question" not in record:
            raise ValueError(
                f"{where} has the keys {sorted(record)}; expected a question with its context, or a list of questions "
                f"(qas), of paragraphs or of articles (data), as SQuAD has them: rename the keys"
            )
        place = where if record.get("id") is None else f"{where}, question {record['id']!r}"
        yield place, {**record, "context": context}
        return
    if not isinstance(record[level], list):
        raise ValueError(f"{where}: {level!r} is {shown(record[level])}, expected a list; correct it")
    for number, part in enumerate(record[level]):
        yield from _questions(f"{where}, {level} {number}", part, context)


def _check_text(where: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where}: the {name} is {shown(value)}, expected a text; write one")
    if LONE_SURROGATE.search(value):
        raise ValueError(f"{where}: the {name} {shown(value)} has a lone surrogate; write whole characters")
    return value


__all__ = ["FEATURES", "ReadReport", "from_dataset", "read_reading"]

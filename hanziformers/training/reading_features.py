"""From questions with answers to windows with the positions of answers, with counts of what cannot be learned or found.

An answer that begins or ends inside a token is widened to it, and one that begins or ends with characters without a
token (white space, U+200B) is narrowed. A window that does not hold the whole answer has none: [CLS]. Yes and no hold
for every window of a context, as nothing says what in it they follow from.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .reading_answers import KINDS, Answer, first_answer, kind_of
from .reading_windows import EXTRA, make_windows

LEARNED = ("whole", "between_tokens", "too_long")
POSITIONS = ("start_positions", "end_positions")


@dataclass(frozen=True)
class ReadingCoverage:
    """What a model does not get to see, cannot learn or cannot predict of the answers that are learned.

    Attributes:
        questions: rows.
        windows: parts of contexts that are predicted, of training data those that are learned.
        cut_questions: questions that were cut.
        cut_off: no window holds the whole answer, or none of its characters has a token.
        between_tokens: the answer begins or ends inside a token, or at a character without one.
        too_long: the answer has more tokens than a predicted one may have.
        elsewhere: no answer of the question is in the context.
        other_kind: the answer is of a kind that the model does not give: none, yes or no.
    """

    questions: int
    windows: int
    cut_questions: int
    cut_off: int
    between_tokens: int
    too_long: int
    elsewhere: int
    other_kind: int


def encode_reading(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    kinds: Sequence[str],
    max_length: int,
    doc_stride: int | None,
    max_answer_length: int,
    training: bool,
) -> tuple[Dataset, ReadingCoverage]:
    """Encodes questions with their contexts, several windows each if need be (see `make_windows`).

    Args:
        dataset: see `reading_data`.
        tokenizer: a fast tokenizer; its keys become columns.
        kinds: the kinds of answers that the model gives, some of `KINDS`.
        max_length: longest window in tokens, special ones included.
        doc_stride: see `make_windows`.
        max_answer_length: tokens that a predicted answer may have.
        training: whether questions are left out from whose first answer nothing can be learned: those that are
            counted as cut_off, elsewhere or other_kind. Otherwise they stay, as they are predicted and scored.

    Returns:
        The windows, with the tokenizer's keys, `EXTRA` (see `make_windows`; `row` counts the rows of the dataset) and,
        if every question has answers, start_positions and end_positions; and the counts.

    Raises:
        ValueError: `training`, and nothing can be learned.
    """
    is_labelled = None not in dataset["answers"][:]

    def encode(batch: dict[str, list], rows: list[int]) -> dict[str, list]:
        windows = make_windows(tokenizer, batch["question"], batch["context"], max_length, doc_stride)
        found = []
        for row, group in groupby(range(len(windows["row"])), key=windows["row"].__getitem__):
            own = [{name: windows[name][number] for name in EXTRA} for number in group]
            found += _label(own, batch["answers"][row], kinds, max_answer_length)
        states, starts, ends = (list(column) for column in zip(*found, strict=True))
        positions = dict(zip(POSITIONS, (starts, ends), strict=True)) if is_labelled else {}
        windows["row"] = [rows[row] for row in windows["row"]]
        return {**windows, **positions, "state": states}

    encoded = dataset.map(
        encode, batched=True, with_indices=True, remove_columns=dataset.column_names, desc="Tokenising"
    )
    states, cut = (dict(zip(encoded["row"], encoded[name], strict=True)) for name in ("state", "cut"))  # by question
    if training:
        encoded = encoded.select([number for number, state in enumerate(encoded["state"]) if state in LEARNED])
    counts = Counter(states.values())
    if training and not len(encoded):
        raise ValueError(
            f"no answer of the training data can be learned ({dict(counts)}): give a greater "
            "--max_seq_length, or other data"
        )
    coverage = ReadingCoverage(
        questions=len(dataset),
        windows=len(encoded),
        cut_questions=sum(cut.values()),
        **{name: counts[name] for name in ("cut_off", "between_tokens", "too_long", "elsewhere", "other_kind")},
    )
    return encoded.remove_columns(["state", "cut"]), coverage


def _label(
    windows: list[dict[str, Any]], answers: list[Answer] | None, kinds: Sequence[str], max_answer_length: int
) -> list[tuple[str, int, int]]:
    """For each window of a question the state of its answer, and the positions of its start and end."""
    empty = [window["marks"][0] for window in windows]
    answer = first_answer(answers)
    kind = answer and kind_of(answer)
    if kind is None or kind not in kinds:
        state = "elsewhere" if answer is None else "other_kind"
        return [("unlabelled" if answers is None else state, mark, mark) for mark in empty]
    if kind != "text":
        return [("whole", *(window["marks"][KINDS.index(kind) - 1],) * 2) for window in windows]
    start, end = answer["start"], answer["start"] + len(answer["text"])
    spans = [np.array(window["offsets"], dtype=np.int64).reshape(-1, 2) for window in windows]
    touched = [np.flatnonzero((span[:, 0] < end) & (span[:, 1] > start)) for span in spans]
    found = [span[inside] for span, inside in zip(spans, touched, strict=True) if len(inside)]
    # the characters of the tokens that the answer touches, over all windows: what a whole answer begins and ends with
    begins, ends = min((s[0, 0] for s in found), default=-1), max((s[-1, 1] for s in found), default=-1)
    whole = [
        bool(len(inside)) and span[inside[0], 0] == begins and span[inside[-1], 1] == ends
        for span, inside in zip(spans, touched, strict=True)
    ]
    lengths = [len(inside) for inside, is_whole in zip(touched, whole, strict=True) if is_whole]
    if not lengths:
        state = "cut_off"
    elif max(lengths) > max_answer_length:
        state = "too_long"
    else:
        state = "whole" if (begins, ends) == (start, end) else "between_tokens"
    return [
        (state, *(window["first"] + int(inside[edge]) if is_whole else mark for edge in (0, -1)))
        for window, inside, is_whole, mark in zip(windows, touched, whole, empty, strict=True)
    ]


__all__ = ["POSITIONS", "ReadingCoverage", "encode_reading"]

"""From texts with their corrections to labelled tokens.

Every token of one Chinese character is labelled with the right character, most with their own. All count alike in the
loss: a model has to learn as well what it leaves alone, false alarms being the price of every correction, and the loss
is then the same plain mean for every family. A weight on the errors would only move the balance, which `threshold`
moves after training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ..spelling import character_positions
from ..tokenization.characters import code_points
from .controls import PermutedPinyin

IGNORED = -100


@dataclass(frozen=True)
class SpellingCoverage:
    """Which errors no prediction can correct, and what a model does not get to see.

    Attributes:
        texts: rows.
        errors: characters that differ.
        cut_off: errors after the last token that `max_length` leaves.
        no_token: errors at what is no token of one Chinese character.
        unknown_right: errors whose right character the vocabulary lacks, or is no Chinese one.
        unknown_characters: Chinese characters that the vocabulary lacks, [UNK] to a model without glyph images. They
            are left alone where they are right.
        truncated_texts: rows that were cut.
    """

    texts: int
    errors: int
    cut_off: int
    no_token: int
    unknown_right: int
    unknown_characters: int
    truncated_texts: int


def encode_spelling(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, pinyin: PermutedPinyin | None = None
) -> tuple[Dataset, SpellingCoverage]:
    """Tokenises texts as they were written, and labels their tokens with the right characters.

    Args:
        dataset: columns `text` and `correct` (see `spelling_data`).
        tokenizer: a fast tokenizer; its keys become columns.
        max_length: longest sequence in tokens, special ones included; what is longer is cut.
        pinyin: of a control, see `controls`.

    Returns:
        The dataset with the tokenizer's keys, `labels` and `positions` (the character of each token, -1 for what is
        not predicted) added, and what cannot be corrected. Labels are -100 where nothing is learned: at tokens that are
        not one Chinese character, and where the vocabulary lacks the right one. One that it lacks and that is right is
        labelled as [UNK].
    """
    counted = ("errors", "cut_off", "no_token", "unknown_right", "unknown_characters", "truncated_texts")

    def encode(batch: dict[str, list]) -> dict[str, list]:
        output = tokenizer(batch["text"], truncation=True, max_length=max_length, return_offsets_mapping=True)
        offsets = output.pop("offset_mapping")
        truncated = [bool(encoding.overflowing) for encoding in output.encodings]
        rows = zip(batch["text"], batch["correct"], output["input_ids"], offsets, truncated, strict=True)
        labelled = [_label(tokenizer, *row) for row in rows]
        if pinyin is not None:
            output["pinyin_ids"] = list(map(pinyin, output["input_ids"], output["pinyin_ids"]))
        return {**output, **{name: [row[name] for row in labelled] for name in ("labels", "positions", *counted)}}

    encoded = dataset.map(encode, batched=True, desc="Tokenising")
    coverage = SpellingCoverage(texts=len(dataset), **{name: sum(encoded[name]) for name in counted})
    return encoded.remove_columns(list(counted)), coverage


def _label(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    correct: str,
    input_ids: Sequence[int],
    offsets: Sequence[Sequence[int]],
    truncated: bool,
) -> dict[str, Any]:
    """The labels of one text's tokens, and the counts of `SpellingCoverage`."""
    ids, positions = np.array(input_ids, np.int64), character_positions(text, offsets)
    labels = np.where(positions >= 0, ids, IGNORED)  # right characters: their own ids, [UNK] for unknown ones
    unknown, has_token = tokenizer.unk_token_id, np.zeros(len(text) + 1, bool)
    has_token[positions] = True
    wrong = np.flatnonzero(code_points(text) != code_points(correct))
    end = max((end for _, end in offsets), default=0) if truncated else len(text)
    tokens = {int(positions[token]): token for token in np.flatnonzero(positions >= 0)}
    lacking = 0
    for place in wrong[has_token[:-1][wrong]].tolist():
        right = tokenizer.convert_tokens_to_ids(correct[place])
        known = right not in (None, unknown) and character_positions(correct[place], [(0, 1)])[0] == 0
        labels[tokens[place]] = right if known else IGNORED
        lacking += not known
    return {
        "labels": labels.tolist(),
        "positions": positions.tolist(),
        "errors": len(wrong),
        "cut_off": int((wrong >= end).sum()),
        "no_token": int((~has_token[:-1][wrong] & (wrong < end)).sum()),
        "unknown_right": lacking,
        "unknown_characters": int((ids[positions >= 0] == unknown).sum()),
        "truncated_texts": int(truncated),
    }


__all__ = ["IGNORED", "SpellingCoverage", "encode_spelling"]

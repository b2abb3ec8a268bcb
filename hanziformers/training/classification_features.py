"""From texts with labels to the inputs of a model, with counts of what it does not get to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .model_loading import get_tokenizer
from .task import ProcessingClass


@dataclass(frozen=True)
class ClassificationCoverage:
    """What of the texts a model does not get to see.

    Attributes:
        texts: rows; a pair is one.
        characters: characters of all texts, those of text pairs too.
        truncated_texts: rows that were cut.
        cut_characters: characters after the last one that is left of a cut text, those of text pairs too.
        unknown_tokens: tokens that the vocabulary lacks, [UNK] to a model without glyph images.
    """

    texts: int
    characters: int
    truncated_texts: int
    cut_characters: int
    unknown_tokens: int


def encode_classification(
    dataset: Dataset,
    processing_class: ProcessingClass,
    labels: Sequence[str],
    max_length: int,
    multi_label: bool = False,
) -> tuple[Dataset, ClassificationCoverage]:
    """Encodes texts, or pairs of texts, whole, as a pipeline will.

    Args:
        dataset: columns `text`, `label` and, for pairs, `text_pair` (see `classification_data`).
        processing_class: processor, or fast tokenizer; its keys become columns.
        labels: the labels of the model, in the order of its logits.
        max_length: longest sequence in tokens, special ones included; what is longer is cut, of a pair the longer text.
        multi_label: whether a row has a list of labels.

    Returns:
        The dataset with the keys of `processing_class` and, if every row has a label, `labels`: an int, for
        multi-label data a list of 0. and 1. Beside it, what the model does not see.

    Raises:
        ValueError: a label is not among `labels`.
    """
    tokenizer = get_tokenizer(processing_class)
    texts = [name for name in ("text", "text_pair") if name in dataset.column_names]
    is_labelled = None not in dataset["label"][:]

    def encode(batch: dict[str, list]) -> dict[str, list]:
        columns = [batch[name] for name in texts]
        output = dict(processing_class(*columns, truncation=True, max_length=max_length))
        # only a row that is full can have been cut: these few are encoded again, for their offsets
        tokens = output[tokenizer.model_input_names[0]]
        full = [row for row, ids in enumerate(tokens) if len(ids) >= max_length]
        cut = [-1] * len(columns[0])
        for row, count in zip(full, _count_cut(tokenizer, columns, full, max_length), strict=True):
            cut[row] = count
        unknown = [list(ids).count(tokenizer.unk_token_id) for ids in tokens]
        if is_labelled:
            output["labels"] = encode_labels(batch["label"], labels, multi_label).tolist()
        return {**output, "cut": cut, "unknown": unknown}

    encoded = dataset.map(encode, batched=True, remove_columns=dataset.column_names, desc="Tokenising")
    cut = np.array(encoded["cut"][:])
    coverage = ClassificationCoverage(
        texts=len(dataset),
        characters=sum(len(text) for name in texts for text in dataset[name]),
        truncated_texts=int((cut >= 0).sum()),
        cut_characters=int(cut[cut >= 0].sum()),
        unknown_tokens=sum(encoded["unknown"]),
    )
    return encoded.remove_columns(["cut", "unknown"]), coverage


def _count_cut(
    tokenizer: PreTrainedTokenizerBase, columns: list[list[str]], rows: list[int], max_length: int
) -> list[int]:
    """How many characters truncation takes away from each of the rows' texts (or pairs); -1 where all fit."""
    if not rows:
        return []
    chosen = [[column[row] for row in rows] for column in columns]
    output = tokenizer(*chosen, truncation=True, max_length=max_length, return_offsets_mapping=True)
    counts, rows_of_offsets = [], zip(output.encodings, output["offset_mapping"], strict=True)
    for texts, (encoding, offsets) in zip(zip(*chosen, strict=True), rows_of_offsets, strict=True):
        # where the last token of each text ends; special tokens belong to no text
        ends = [0] * len(texts)
        for number, (_, end) in zip(encoding.sequence_ids, offsets, strict=True):
            if number is not None:
                ends[number] = max(ends[number], end)
        cut = sum(len(text) - end for text, end in zip(texts, ends, strict=True))
        counts.append(cut if encoding.overflowing else -1)
    return counts


def encode_labels(rows: Sequence[Any], labels: Sequence[str], multi_label: bool = False) -> np.ndarray:
    """Labels as numbers: int64 [N], for multi-label data float32 [N, K] of 0 and 1.

    Raises:
        ValueError: a label is not among `labels`.
    """
    ids = {label: number for number, label in enumerate(labels)}
    lists = rows if multi_label else [[row] for row in rows]
    unknown = sorted({label for row in lists for label in row} - set(ids))
    if unknown:
        raise ValueError(f"the labels {unknown} are none of the model's {list(ids)}; train it again or rename them")
    if not multi_label:
        return np.array([ids[row] for row in rows], dtype=np.int64)
    encoded = np.zeros((len(rows), len(ids)), dtype=np.float32)
    for number, row in enumerate(rows):
        encoded[number, [ids[label] for label in row]] = 1
    return encoded


__all__ = ["ClassificationCoverage", "encode_classification", "encode_labels"]

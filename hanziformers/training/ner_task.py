"""From texts with entities to labelled tokens, and from predicted tokens back to entities and their scores.

Entities are counted in characters, before and after: an entity that truncation cuts off, that begins or ends inside a
token, or that overlaps another one is still in the gold standard and counts as missed. `NerCoverage` says how many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from transformers import EvalPrediction, PreTrainedTokenizerBase

from .tag_schemes import Entity, decode_tags, encode_tags, split_overlaps

IGNORED = -100
SCHEME = "IOB2"  # the one that transformers' token-classification pipeline groups rightly


@dataclass(frozen=True)
class NerCoverage:
    """Which gold entities no prediction can hit.

    Attributes:
        entities: all gold entities.
        cut_off: they end after the last token that `max_length` leaves.
        between_tokens: they begin or end inside a token, or at a character that has none (white space, U+200B ...).
        overlapping: they overlap an entity that is kept; flat tags hold one.
        truncated_texts: texts that were cut.
    """

    entities: int
    cut_off: int
    between_tokens: int
    overlapping: int
    truncated_texts: int


def entity_labels(*datasets: Dataset) -> list[str]:
    """The tags of a model for these data: O, then B- and I- of every label, sorted."""
    labels = sorted({entity["label"] for data in datasets for row in data["entities"] for entity in row})
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def encode_ner(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, tags: Sequence[str], max_length: int
) -> tuple[Dataset, NerCoverage]:
    """Tokenises texts as a pipeline will, whole, and gives every token its tag.

    Args:
        dataset: columns `text` and `entities` (see `ner_data`).
        tokenizer: a fast tokenizer; its keys become columns.
        tags: the tags of the model, from `entity_labels`.
        max_length: longest sequence in tokens, special ones included; what is longer is cut.

    Returns:
        The dataset with the tokenizer's keys, `labels` (-100 at special tokens) and `offsets` ([L, 2], characters)
        added, and what cannot be predicted.

    Raises:
        ValueError: an entity's label is not among the tags.
    """
    tag_ids = {tag: index for index, tag in enumerate(tags)}
    missed = ("cut_off", "between_tokens", "overlapping")

    def encode(batch: dict[str, list]) -> dict[str, list]:
        output = tokenizer(batch["text"], truncation=True, max_length=max_length, return_offsets_mapping=True)
        offsets = output.pop("offset_mapping")
        truncated = [bool(encoding.overflowing) for encoding in output.encodings]
        rows = zip(offsets, batch["entities"], truncated, strict=True)
        labelled = [_label(*row, tag_ids) for row in rows]
        added = {name: [row[name] for row in labelled] for name in ("labels", *missed)}
        return {**output, "offsets": offsets, "truncated": truncated, **added}

    encoded = dataset.map(encode, batched=True, desc="Tokenising")
    coverage = NerCoverage(
        entities=sum(len(row) for row in dataset["entities"]),
        **{name: sum(encoded[name]) for name in missed},
        truncated_texts=sum(encoded["truncated"]),
    )
    return encoded.remove_columns([*missed, "truncated"]), coverage


def _label(
    offsets: Sequence[Sequence[int]], entities: list[dict], truncated: bool, tag_ids: Mapping[str, int]
) -> dict[str, Any]:
    """The labels of one text's tokens, and how many of its entities they cannot express."""
    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    is_token = spans[:, 1] > spans[:, 0]
    labels = np.where(is_token, tag_ids["O"], IGNORED)
    last = spans[:, 1].max(initial=0)
    kept, left_over = split_overlaps(Entity(**entity) for entity in entities)
    cut_off = between = 0
    for start, end, label in kept:
        if f"B-{label}" not in tag_ids:
            raise ValueError(f"the label {label!r} is none of the model's {list(tag_ids)}; train it anew or rename")
        inside = np.flatnonzero(is_token & (spans[:, 0] < end) & (spans[:, 1] > start))
        if truncated and end > last:
            cut_off += 1
        elif not len(inside) or spans[inside[0], 0] != start or spans[inside[-1], 1] != end:
            between += 1
        labels[inside] = tag_ids[f"I-{label}"]
        labels[inside[:1]] = tag_ids[f"B-{label}"]
    return {"labels": labels.tolist(), "cut_off": cut_off, "between_tokens": between, "overlapping": len(left_over)}


class SpanScorer:
    """Scores predictions for one encoded dataset by exact entities; call it as `compute_metrics` of a Trainer.

    Args:
        dataset: what `encode_ner` returned, in the order in which it is predicted.
        tags: the tags of the model, in the order of its logits.
    """

    def __init__(self, dataset: Dataset, tags: Sequence[str]) -> None:
        self.texts: list[str] = dataset["text"][:]
        self.gold = [[Entity(**entity) for entity in row] for row in dataset["entities"]]
        self.offsets: list[list[list[int]]] = dataset["offsets"][:]
        self.labels: list[list[int]] = dataset["labels"][:]
        self.tags = list(tags)

    def entities(self, predictions: np.ndarray) -> list[list[Entity]]:
        """The entities, in characters, that tag ids [N, L] or logits [N, L, K] name; padding is not read."""
        ids = predictions.argmax(-1) if predictions.ndim == 3 else predictions
        return [self._decode(*row) for row in zip(ids, self.labels, self.offsets, strict=True)]

    def _decode(self, ids: np.ndarray, labels: list[int], offsets: list[list[int]]) -> list[Entity]:
        scored = [place for place, label in enumerate(labels) if label != IGNORED]
        found, _ = decode_tags([self.tags[ids[place]] for place in scored], SCHEME)
        spans = [offsets[place] for place in scored]
        named = [Entity(spans[first][0], spans[end - 1][1], label) for first, end, label in found]
        return split_overlaps(named)[0]  # several tokens can stand for one character (Hangul)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Micro precision, recall and F1 over all gold entities, by seqeval.

        Raises:
            ValueError: the predictions are not those of this dataset, in its order.
        """
        given = [row[: len(own)].tolist() for row, own in zip(prediction.label_ids, self.labels, strict=True)]
        if given != self.labels:
            raise ValueError("the predictions are of other data than the scorer's, or in another order")
        gold, predicted = self._tag_sequences(self.entities(np.asarray(prediction.predictions)))
        scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
        return {name: float(score(gold, predicted, zero_division=0)) for name, score in scores.items()}

    def report(self, predictions: np.ndarray) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of every label, by seqeval."""
        gold, predicted = self._tag_sequences(self.entities(predictions))
        return classification_report(gold, predicted, output_dict=True, zero_division=0)

    def _tag_sequences(self, predicted: list[list[Entity]]) -> tuple[list[list[str]], list[list[str]]]:
        """Gold and predicted entities as tags of characters.

        Gold entities that overlap another have a sequence of their own, in which nothing is predicted: missed.
        """
        gold_tags, predicted_tags = [], []
        for text, gold, found in zip(self.texts, self.gold, predicted, strict=True):
            kept, left_over = split_overlaps(gold)
            gold_tags.append(encode_tags(kept, len(text), SCHEME))
            predicted_tags.append(encode_tags(found, len(text), SCHEME))
            gold_tags += [[f"B-{entity.label}"] for entity in left_over]
            predicted_tags += [["O"] for _ in left_over]
        return gold_tags, predicted_tags


__all__ = ["NerCoverage", "SpanScorer", "encode_ner", "entity_labels"]

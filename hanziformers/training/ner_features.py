"""From texts with entities to labelled tokens, and from predicted tokens back to entities.

Entities are counted in characters, before and after: an entity that truncation cuts off, that begins or ends inside a
token, or that overlaps another one is still in the gold standard. `NerCoverage` says how many of them there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .tag_schemes import Entity, decode_tags, split_overlaps

IGNORED = -100
SCHEME = "IOB2"  # the scheme of which transformers' token-classification pipeline groups the tags rightly


@dataclass(frozen=True)
class NerCoverage:
    """Which gold entities no prediction can hit.

    Attributes:
        entities: all gold entities.
        cut_off: they end after the last token that `max_length` leaves.
        between_tokens: they begin or end inside a token, or at a character that has none (white space, U+200B ...).
        overlapping: they overlap an entity that is kept; flat tags hold one of the two.
        truncated_texts: texts that were cut.
    """

    entities: int
    cut_off: int
    between_tokens: int
    overlapping: int
    truncated_texts: int


def entity_tags(datasets: Iterable[Dataset]) -> list[str]:
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
        tags: the tags of the model, from `entity_tags`.
        max_length: longest sequence in tokens, special ones included; what is longer is cut.

    Returns:
        The dataset with the tokenizer's keys, `labels` (-100 at special tokens) and `offsets` ([L, 2], characters)
        added, and which entities cannot be predicted.

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
    is_token = spans[:, 1] > spans[:, 0]  # special tokens have the span (0, 0)
    labels = np.where(is_token, tag_ids["O"], IGNORED)
    last = spans[:, 1].max(initial=0)
    kept, left_over = split_overlaps(Entity(**entity) for entity in entities)
    cut_off = between = 0
    for start, end, label in kept:
        if f"B-{label}" not in tag_ids:
            raise ValueError(f"the label {label!r} is none of the model's {list(tag_ids)}; train it again or rename")
        inside = np.flatnonzero(is_token & (spans[:, 0] < end) & (spans[:, 1] > start))
        # an entity that its tokens cannot express keeps the tags of those it touches, for training; it is counted
        if truncated and end > last:
            cut_off += 1
        elif not len(inside) or spans[inside[0], 0] != start or spans[inside[-1], 1] != end:
            between += 1
        labels[inside] = tag_ids[f"I-{label}"]
        labels[inside[:1]] = tag_ids[f"B-{label}"]
    return {"labels": labels.tolist(), "cut_off": cut_off, "between_tokens": between, "overlapping": len(left_over)}


def decode_ner(
    predictions: np.ndarray, offsets: Sequence[Any], labels: Sequence[Sequence[int]], tags: Sequence[str]
) -> list[list[Entity]]:
    """The entities, in characters, that predicted tags name; padding and special tokens are not read.

    Args:
        predictions: tag ids [N, L] or logits [N, L, K].
        offsets: of every text's tokens, from `encode_ner`.
        labels: of every text's tokens, from `encode_ner`.
        tags: the tags of the model, in the order of its logits.
    """
    ids = predictions.argmax(-1) if predictions.ndim == 3 else predictions
    return [_decode(*row, tags) for row in zip(ids, offsets, labels, strict=True)]


def _decode(ids: np.ndarray, offsets: Sequence[Any], labels: Sequence[int], tags: Sequence[str]) -> list[Entity]:
    scored = [position for position, label in enumerate(labels) if label != IGNORED]
    found, _ = decode_tags([tags[ids[position]] for position in scored], SCHEME)
    spans = [offsets[position] for position in scored]
    entities = [Entity(spans[first][0], spans[end - 1][1], label) for first, end, label in found]
    return split_overlaps(entities)[0]  # several tokens can have the span of one character (Hangul)


__all__ = ["IGNORED", "NerCoverage", "decode_ner", "encode_ner", "entity_tags"]

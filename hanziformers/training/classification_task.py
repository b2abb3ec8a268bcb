"""From texts with labels to what a model takes, and from its logits back to labels and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from transformers import EvalPrediction, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

THRESHOLD = 0.5  # multi-label: a label applies from this probability on


@dataclass(frozen=True)
class ClassificationCoverage:
    """What of the texts a model does not get to see.

    Attributes:
        texts: rows; a pair is one.
        characters: characters of all texts, second ones too.
        truncated_texts: rows that were cut.
        cut_characters: characters after the last one that is left of a cut text, second ones too.
        unknown_tokens: tokens that the vocabulary lacks, [UNK] to a model without glyph images.
    """

    texts: int
    characters: int
    truncated_texts: int
    cut_characters: int
    unknown_tokens: int


def encode_classification(
    dataset: Dataset,
    processing_class: ProcessorMixin | PreTrainedTokenizerBase,
    labels: Sequence[str],
    max_length: int,
    multi_label: bool = False,
) -> tuple[Dataset, ClassificationCoverage]:
    """Encodes texts, or pairs of texts, whole, as a pipeline will.

    Args:
        dataset: columns `text`, `label` and, for pairs, `text_pair` (see `classification_data`).
        processing: processor, or fast tokenizer; its keys become columns.
        labels: the labels of the model, in the order of its logits.
        max_length: longest sequence in tokens, special ones included; what is longer is cut, of a pair the longer text.
        multi_label: whether a row has a list of labels.

    Returns:
        The dataset with the keys of `processing_class` and, if every row has a label, `labels`: an int, for multi-label data
        a list of 0. and 1. Beside it, what the model does not see.

    Raises:
        ValueError: a label is not among `labels`.
    """
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    texts = [name for name in ("text", "text_pair") if name in dataset.column_names]
    is_labelled = None not in dataset["label"][:]

    def encode(batch: dict[str, list]) -> dict[str, list]:
        columns = [batch[name] for name in texts]
        output = dict(processing_class(*columns, truncation=True, max_length=max_length))
        full = [place for place, ids in enumerate(output["input_ids"]) if len(ids) >= max_length]
        cut = [-1] * len(columns[0])
        for place, count in zip(full, _count_cut(tokenizer, columns, full, max_length), strict=True):
            cut[place] = count
        unknown = [list(ids).count(tokenizer.unk_token_id) for ids in output["input_ids"]]
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
    tokenizer: PreTrainedTokenizerBase, columns: list[list[str]], places: list[int], max_length: int
) -> list[int]:
    """How many characters of each text (or pair) truncation takes away; -1 where it fits."""
    if not places:
        return []
    chosen = [[column[place] for place in places] for column in columns]
    encodings = tokenizer(*chosen, truncation=True, max_length=max_length).encodings
    counts = []
    for row, encoding in zip(zip(*chosen, strict=True), encodings, strict=True):
        ends = [0] * len(row)
        for number, (_, end) in zip(encoding.sequence_ids, encoding.offsets, strict=True):
            if number is not None:
                ends[number] = max(ends[number], end)
        cut = sum(len(text) - end for text, end in zip(row, ends, strict=True))
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
        raise ValueError(f"the labels {unknown} are none of the model's {list(ids)}; train it anew or rename them")
    if not multi_label:
        return np.array([ids[row] for row in rows], dtype=np.int64)
    encoded = np.zeros((len(rows), len(ids)), dtype=np.float32)
    for number, row in enumerate(rows):
        encoded[number, [ids[label] for label in row]] = 1
    return encoded


class ClassificationScorer:
    """Scores logits [N, K]; call it as `compute_metrics` of a Trainer.

    Args:
        labels: the labels of the model, in the order of its logits.
        multi_label: whether every label applies by itself (sigmoid), or just one (softmax).
    """

    def __init__(self, labels: Sequence[str], multi_label: bool = False) -> None:
        self.labels = list(labels)
        self.multi_label = multi_label

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probability of every label [N, K], float64."""
        logits = np.asarray(logits, dtype=np.float64)
        if self.multi_label:
            return np.exp(-np.logaddexp(0, -logits))
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def decide(self, logits: np.ndarray) -> np.ndarray:
        """Numbers as `encode_labels` gives them: int64 [N], for multi-label data [N, K] of 0 and 1."""
        logits = np.asarray(logits)
        return (self.probabilities(logits) >= THRESHOLD).astype(np.int64) if self.multi_label else logits.argmax(-1)

    def named(self, logits: np.ndarray) -> list[str] | list[list[str]]:
        """The predicted label of every row, for multi-label data the list of its labels."""
        decided = self.decide(logits)
        if not self.multi_label:
            return [self.labels[number] for number in decided]
        return [[self.labels[number] for number in np.flatnonzero(row)] for row in decided]

    def scores(self, logits: np.ndarray, gold: np.ndarray) -> dict[str, float]:
        """Accuracy, macro F1 and micro F1, by scikit-learn.

        For multi-label data a row counts for accuracy if all its labels are right. Macro F1 is the mean over the labels
        that occur, in the gold standard or the predictions.
        """
        predicted = self.decide(logits)
        chosen = self._present(predicted, gold)
        macro, micro = (
            f1_score(gold, predicted, labels=chosen, average=kind, zero_division=0) for kind in ("macro", "micro")
        )
        return {"accuracy": float(accuracy_score(gold, predicted)), "macro_f1": float(macro), "micro_f1": float(micro)}

    def report(self, logits: np.ndarray, gold: np.ndarray) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of every label that occurs."""
        predicted = self.decide(logits)
        chosen = self._present(predicted, gold)
        columns = precision_recall_fscore_support(gold, predicted, labels=chosen, zero_division=0)
        names = ("precision", "recall", "f1", "support")
        rows = {
            self.labels[number]: dict(zip(names, map(float, row), strict=True))
            for number, row in zip(chosen, zip(*columns, strict=True), strict=True)
        }
        return {label: {**row, "support": int(row["support"])} for label, row in rows.items()}

    def _present(self, predicted: np.ndarray, gold: np.ndarray) -> list[int]:
        both = np.concatenate([predicted, gold])
        present = np.flatnonzero(both.any(0)) if self.multi_label else np.unique(both)
        return present.astype(int).tolist() or [0]

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """`scores` of what a Trainer predicted."""
        return self.scores(np.asarray(prediction.predictions), np.asarray(prediction.label_ids))


def stratified_sample(strata: Sequence[Any], count: int, seed: int) -> np.ndarray:
    """Rows chosen at random, of each stratum its share, rounded up or down: int64 [count], ascending.

    Args:
        strata: what each row is of: its label, or its set of labels.
        count: how many rows, up to all of them.
        seed: the same seed chooses the same rows.
    """
    rng = np.random.default_rng(seed)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(strata))}
    order = rng.permutation(len(strata))
    order = order[np.argsort([numbers[strata[row]] for row in order], kind="stable")]
    places = ((np.arange(count) + rng.random()) * len(strata) / max(count, 1)).astype(np.int64)
    return np.sort(order[np.minimum(places, len(strata) - 1)])


__all__ = [
    "ClassificationCoverage",
    "ClassificationScorer",
    "encode_classification",
    "encode_labels",
    "stratified_sample",
]

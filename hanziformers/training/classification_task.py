"""The task of classifying texts or pairs of texts: how its data are read, encoded and scored."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset, Value
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from .classification_data import ReadReport, from_dataset, read_classification, sort_labels
from .classification_features import ClassificationCoverage, encode_classification, encode_labels
from .classification_scores import ClassificationScores
from .model_loading import ModelArguments, Text, load_model
from .task import ProcessingClass, Splits, Task, check_same_data

POSITIVE_SCORES = ("precision", "recall", "f1")
THRESHOLD = 0.5  # multi-label: a label applies from this probability on
PROBLEMS = {False: "single_label_classification", True: "multi_label_classification"}
DECISIONS = {
    False: "The most probable class; accuracy, and F1 as mean over the classes (macro) and over all texts (micro).",
    True: "Every label of at least 0.5 probability; accuracy counts texts of which all labels are right, F1 is the "
    "mean over the labels (macro) and over all decisions (micro).",
}


@dataclass
class ClassificationTask(Task):
    """Texts or pairs of texts in TSV, CSV or JSON lines, each of one class or with several labels."""

    text_column: str | None = field(default=None, metadata={"help": "default: the one of a known name; or a position"})
    pair_column: str | None = field(default=None, metadata={"help": "column of the text pairs, for pairs of texts"})
    label_column: str | None = field(default=None, metadata={"help": "default: the first of a known name"})
    multi_label: bool = field(default=False, metadata={"help": "a text has any number of labels, not just one"})
    label_separator: str = field(default=",", metadata={"help": "multi-label: between the labels of a text"})
    positive_label: str | None = field(
        default=None,
        metadata={
            "help": "of two labels the one whose precision, recall and F1 are reported too; default: 1, if they are 0 "
            "and 1"
        },
    )

    pipeline_tag: ClassVar[str] = "text-classification"
    title: ClassVar[str] = "classification"
    tags: ClassVar[Sequence[str]] = ("text-classification",)
    scores: ClassVar[Sequence[str]] = ("accuracy", "macro_f1", "micro_f1")
    counts: ClassVar[Sequence[str]] = (
        *("used.texts", "read.unlabelled", "read.empty_texts", "used.characters"),
        *("used.truncated_texts", "used.cut_characters", "used.unknown_tokens"),
    )
    auto_class: ClassVar[Any] = AutoModelForSequenceClassification
    shortest: ClassVar[int] = 5  # a pair has three special tokens and one of each text

    def __post_init__(self) -> None:
        self._are_pairs = False  # whether the data are, once they are read

    @property
    def best_score(self) -> str:
        """Accuracy, for multi-label data macro F1."""
        return "macro_f1" if self.multi_label else "accuracy"

    def read(self, source: Path | Dataset) -> tuple[Dataset, ReadReport]:
        """See `classification_data`: the columns `text`, `text_pair` and `label`."""
        reader = read_classification if isinstance(source, Path) else from_dataset
        return reader(
            source,
            text=self.text_column,
            pair=self.pair_column,
            label=self.label_column,
            label_separator=self.label_separator if self.multi_label else None,
        )

    def check(self, data: Splits, reports: dict[str, ReadReport]) -> None:
        """Refuses texts beside pairs, lists of labels without --multi_label, and training data without labels."""
        pairs = {name: report.columns[1] for name, report in reports.items()}
        if any(pairs.values()) and not all(pairs.values()):
            raise ValueError(
                f"some data are pairs, others are not (columns of text pairs: {pairs}): give --pair_column"
            )
        self._are_pairs = any(pairs.values())
        for name, dataset in data.items():
            if not self.multi_label and not isinstance(dataset.features["label"], Value):
                raise ValueError(f"the {name} data have lists of labels: give --multi_label True")
            if name != "test" and reports[name].unlabelled == len(dataset):
                raise ValueError(f"no row of the {name} data has a label: give --label_column")

    def labels(self, data: Splits, reports: dict[str, ReadReport]) -> list[str]:
        """The labels of all splits: in the order of the data set where all have one order, else sorted."""
        orders = {tuple(report.labels) for report in reports.values() if report.labels}
        return list(orders.pop()) if len(orders) == 1 else sort_labels({*chain(*orders)})

    def score_names(self, labels: Sequence[str]) -> Sequence[str]:
        """Precision, recall and F1 too where one of two labels is the positive one."""
        return self.scores if self.positive(labels) is None else (*self.scores, *POSITIVE_SCORES)

    def positive(self, labels: Sequence[str]) -> str | None:
        """The label whose precision, recall and F1 are reported: the one given, or "1" beside "0".

        Raises:
            ValueError: one was given, and it is none of two labels.
        """
        if self.positive_label is None:
            return "1" if not self.multi_label and sorted(labels) == ["0", "1"] else None
        if self.multi_label or len(labels) != 2 or self.positive_label not in labels:
            raise ValueError(
                f"positive_label={self.positive_label!r} is not allowed with the labels {list(labels)}: it has to be "
                "one of two labels of which a text has one; correct it, or leave it out"
            )
        return self.positive_label

    def labelled_rows(self, dataset: Dataset) -> list[int]:
        """The rows with a label, or a list of labels."""
        return [row for row, label in enumerate(dataset["label"]) if label is not None]

    def strata(self, dataset: Dataset) -> list[Hashable]:
        """The label of every row, for multi-label data its set of labels."""
        return [tuple(sorted(row)) if self.multi_label else row for row in dataset["label"]]

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """Refuses labels from which nothing is learned, and a model of the other kind of classification or of data."""
        problem = PROBLEMS[self.multi_label]
        if training and len(labels) < 2 and not self.multi_label:
            raise ValueError(f"the data have the labels {labels}; at least two are needed: correct --label_column")
        loaded = load_model(args, self.auto_class, labels, training, problem if training else None, texts=texts)
        config = loaded[0].config
        if getattr(loaded[0], "reads_pairs", False) and not self._are_pairs:
            raise ValueError(
                f"a {config.model_type} matches the two texts of a pair, and the data are single texts: give "
                "--pair_column, or another --model_type"
            )
        if config.problem_type not in (None, problem):
            raise ValueError(
                f"{args.model_name_or_path} was trained for {config.problem_type}: give --multi_label "
                f"{not self.multi_label}, or train it again"
            )
        return loaded

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, ClassificationCoverage]:
        """See `encode_classification`."""
        return encode_classification(dataset, processing_class, labels, max_length, self.multi_label)

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
        """Pads the inputs; a row has its labels as they are."""
        return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The logits [B, K], which come first; an encoder-decoder has further tensors beside them."""
        return logits[0] if isinstance(logits, tuple) else logits

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> "ClassificationScorer":
        """Scores classes, or sets of labels."""
        return ClassificationScorer(dataset, labels, self.multi_label, self.positive(labels))

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, ReadReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """The labels, whether the data are pairs, and how labels are decided."""
        is_pair = any(report.columns[1] for report in reports.values())
        positive = self.positive(labels)
        return {
            "kind": "pairs of texts" if is_pair else "texts",
            "labels": ", ".join(labels),
            "example": '{"text": "...", "text_pair": "..."}' if is_pair else '"..."',
            "decision": DECISIONS[self.multi_label]
            + (f" Precision, recall and f1 are those of the label {positive}." if positive else ""),
        }


class ClassificationScorer:
    """Scores logits [N, K] for one dataset, of which rows may be unlabelled (see `classification_scores`).

    Args:
        dataset: `text`, `text_pair` and `label` (see `classification_data`), in the order in which it is predicted.
        labels: the labels of the model, in the order of its logits.
        multi_label: whether every label applies by itself (sigmoid), or just one (softmax).
        positive: a label of which precision, recall and F1 are reported too.
    """

    def __init__(
        self, dataset: Dataset, labels: Sequence[str], multi_label: bool = False, positive: str | None = None
    ) -> None:
        self.dataset = dataset
        self.gold: list[str | list[str] | None] = dataset["label"][:]
        self.labels = list(labels)
        self.multi_label = multi_label
        self.positive = positive
        self.metric = ClassificationScores(keep_in_memory=True)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probability of every label [N, K], float64."""
        logits = np.asarray(logits, dtype=np.float64)
        if self.multi_label:
            return np.exp(-np.logaddexp(0, -logits))
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def decide(self, logits: np.ndarray) -> list[str] | list[list[str]]:
        """The predicted label of every row, for multi-label data the list of its labels."""
        if not self.multi_label:
            return [self.labels[number] for number in np.asarray(logits).argmax(-1)]
        applies = self.probabilities(logits) >= THRESHOLD
        return [[self.labels[number] for number in np.flatnonzero(row)] for row in applies]

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """`scores` of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of this dataset, in its order.
        """
        check_same_data(prediction.label_ids, encode_labels(self.gold, self.labels, self.multi_label).tolist())
        return self.scores(prediction.predictions)

    def scores(self, predictions: np.ndarray) -> dict[str, float]:
        """Accuracy, macro F1, micro F1 and those of `positive`, of the rows with a label; {} where none has one."""
        return self._compute(predictions)

    def by_label(self, predictions: np.ndarray) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of every label that occurs."""
        return self._compute(predictions, by_label=True).get("by_label", {})

    def rows(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For every row its texts, the predicted label (or labels), the probability of every label, and `gold`."""
        texts = [name for name in ("text", "text_pair") if name in self.dataset.column_names]
        probabilities = self.probabilities(predictions).round(6).tolist()
        return [
            {
                **{name: row[name] for name in texts},
                "label": label,
                "scores": dict(zip(self.labels, values, strict=True)),
                "gold": row["label"],
            }
            for row, label, values in zip(self.dataset, self.decide(predictions), probabilities, strict=True)
        ]

    def _compute(self, predictions: np.ndarray, **options: Any) -> dict[str, Any]:
        pairs = zip(self.decide(predictions), self.gold, strict=True)
        labelled = [(predicted, gold) for predicted, gold in pairs if gold is not None]
        if not labelled:
            return {}
        predicted, gold = (list(column) for column in zip(*labelled, strict=True))
        options |= {"labels": self.labels, "positive": self.positive}
        return self.metric.compute(predictions=predicted, references=gold, **options)


__all__ = ["ClassificationScorer", "ClassificationTask"]

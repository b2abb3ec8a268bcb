"""The tasks that find spans of texts by tagging tokens: how their data are read, encoded and scored.

They are named entities, word segmentation (CWS) and parts of speech (POS): words are entities that cover the text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..modeling.checks import CLASSIFIERS
from .exact_entities import ExactEntities
from .model_loading import ModelArguments, Text, get_tokenizer, load_model
from .ner_data import ReadReport, from_columns, read_ner
from .ner_features import NerCoverage, decode_ner, encode_ner, entity_tags
from .tag_schemes import Entity
from .task import ProcessingClass, Splits, Task, check_same_data
from .word_data import LABELS, is_conllu, read_words

# by task: what is found, in words, and the tag of its model cards
KINDS = {
    "ner": ("named entities", "named-entity-recognition"),
    "cws": ("words", "chinese-word-segmentation"),
    "pos": ("words with their parts of speech", "part-of-speech"),
}


@dataclass
class NerTask(Task):
    """Named entities in CoNLL columns (BIO, BMES, ...) or JSON lines, or words, in CoNLL-U too; one tag per token."""

    task_name: str = field(
        default="ner",
        metadata={
            "help": "ner, or for words, which are entities that cover the text: cws (word segmentation) or pos (parts "
            "of speech), in CoNLL-U or, with tags, in the forms of ner",
            "choices": list(KINDS),
        },
    )
    joiner: str = field(default="", metadata={"help": "between two tokens of the data: nothing, or ' ' for words"})
    classifier: str | None = field(
        default=None,
        metadata={
            "help": "layers that label tokens (crf: whole entities are decoded); default: the checkpoint's, or linear",
            "choices": list(CLASSIFIERS),
        },
    )

    pipeline_tag: ClassVar[str] = "token-classification"
    scores: ClassVar[Sequence[str]] = ("precision", "recall", "f1")
    counts: ClassVar[Sequence[str]] = tuple(
        f"used.{name}" for name in ("entities", "cut_off", "between_tokens", "overlapping", "truncated_texts")
    )
    auto_class: ClassVar[Any] = AutoModelForTokenClassification

    def __post_init__(self) -> None:
        if self.task_name not in KINDS:
            raise ValueError(f"task_name={self.task_name!r} is not allowed; give one of {', '.join(KINDS)}")

    @property
    def title(self) -> str:
        """What is found."""
        return KINDS[self.task_name][0]

    @property
    def tags(self) -> Sequence[str]:
        """The tag of the task."""
        return KINDS[self.task_name][1:]

    @property
    def best_score(self) -> str:
        """F1."""
        return "f1"

    def read(self, source: Path | Dataset) -> tuple[Dataset, ReadReport]:
        """See `ner_data` and, for CoNLL-U, `word_data`: the columns `text` and `entities`."""
        if isinstance(source, Path) and is_conllu(source):
            if self.task_name not in LABELS:
                raise ValueError(
                    f"{source} is named as a file of CoNLL-U, which has words but no named entities: give --task_name "
                    f"{' or '.join(LABELS)}, or another name to a file with a token and a tag in a line"
                )
            return read_words(source, LABELS[self.task_name], self.joiner)
        reader = read_ner if isinstance(source, Path) else from_columns
        return reader(source, joiner=self.joiner)

    def labels(self, data: Splits, reports: dict[str, ReadReport]) -> list[str]:
        """The tags of all entities, in IOB2."""
        return entity_tags(data.values())

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """With the classifier that was chosen."""
        return load_model(args, self.auto_class, labels, training, classifier=self.classifier, texts=texts)

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, NerCoverage]:
        """See `encode_ner`."""
        return encode_ner(dataset, get_tokenizer(processing_class), labels, max_length)

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
        """Pads the labels like the tokens, with -100."""
        return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The id of the most probable tag: [B, L]."""
        return (logits[0] if isinstance(logits, tuple) else logits).argmax(-1)

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> "NerScorer":
        """Scores exact entities."""
        return NerScorer(encoded, labels)

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, ReadReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """What is found, and the labels of the entities."""
        return {"kind": self.title, "labels": ", ".join(sorted({tag[2:] for tag in labels if tag != "O"}))}


class NerScorer:
    """Scores predictions for one encoded dataset by exact entities, over all gold entities (see `exact_entities`).

    Args:
        dataset: what `encode_ner` returned, in the order in which it is predicted.
        tags: the tags of the model, in the order of its logits.
    """

    def __init__(self, dataset: Dataset, tags: Sequence[str]) -> None:
        self.texts: list[str] = dataset["text"][:]
        self.gold: list[list[dict]] = dataset["entities"][:]
        self.offsets: list[list[list[int]]] = dataset["offsets"][:]
        self.labels: list[list[int]] = dataset["labels"][:]
        self.tags = list(tags)
        self.metric = ExactEntities(keep_in_memory=True)

    def entities(self, predictions: np.ndarray) -> list[list[Entity]]:
        """The entities, in characters, that tag ids [N, L] or logits [N, L, K] name."""
        return decode_ner(np.asarray(predictions), self.offsets, self.labels, self.tags)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Micro precision, recall and F1 of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of this dataset, in its order.
        """
        check_same_data(prediction.label_ids, self.labels)
        return self.scores(prediction.predictions)

    def scores(self, predictions: np.ndarray) -> dict[str, float]:
        """Micro precision, recall and F1."""
        return self._compute(predictions)

    def by_label(self, predictions: np.ndarray) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of every label."""
        return self._compute(predictions, by_label=True)["by_label"]

    def rows(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For every text the entities found, each with its characters, and the gold ones."""
        found = zip(self.texts, self.entities(predictions), self.gold, strict=True)
        return [
            {
                "text": text,
                "entities": [{**entity._asdict(), "text": text[entity.start : entity.end]} for entity in entities],
                "gold": gold,
            }
            for text, entities, gold in found
        ]

    def _compute(self, predictions: np.ndarray, **options: bool) -> dict[str, Any]:
        found = [[entity._asdict() for entity in row] for row in self.entities(predictions)]
        return self.metric.compute(predictions=found, references=self.gold, **options)


__all__ = ["NerScorer", "NerTask"]

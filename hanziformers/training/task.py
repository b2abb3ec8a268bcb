"""What `fine_tune` has to know about a task: how its data are read, encoded and scored, and nothing else."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.processing_utils import ProcessorMixin

from .model_loading import ModelArguments, Text, load_model

Splits = dict[str, Dataset]
ProcessingClass = ProcessorMixin | PreTrainedTokenizerBase


class Scorer(Protocol):
    """Scores the predictions for one split; called, it is the `compute_metrics` of a Trainer.

    Predictions are what the Trainer collects from `Task.preprocess_logits`: in the order of the encoded rows.
    """

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Scores all rows, each of which has its gold standard; returns the figures that `Task.scores` names."""

    def scores(self, predictions: Any) -> dict[str, float]:
        """Scores the rows that have a gold standard; returns the same figures, or {} where no row has one."""

    def by_label(self, predictions: Any) -> dict[str, dict[str, float]]:
        """The figures of every label, by name; {} for a task without labels."""

    def rows(self, predictions: Any) -> list[dict[str, Any]]:
        """The lines of predictions.jsonl: for every row of the data its input, what was predicted, and `gold`."""


class Task(Protocol):
    """A task, as a dataclass of the options that are its own; inherit from this class to take the defaults.

    Nothing here assumes that a text has one label or a token one tag: between `read` and `rows` only the task itself
    looks into its data sets and its predictions.

    Attributes:
        pipeline_tag: the task as the Hub names it: "token-classification".
        title: in words: "named entities".
        tags: tags of the model card.
        scores: names of the figures, in the order in which they are printed.
        counts: the counts of coverage.json that the model card shows: "read.NAME" is a field of the dataclass that
            `read` returns, counted over the whole file; "used.NAME" is one of `encode`, over the rows that are used.
        auto_class: class that makes the model: `AutoModelForTokenClassification`.
        greater_is_better: whether a greater `best_score` is better.
        shortest: the least --max_seq_length that makes sense, in tokens, special ones included.
    """

    pipeline_tag: ClassVar[str]
    title: ClassVar[str]
    tags: ClassVar[Sequence[str]]
    scores: ClassVar[Sequence[str]]
    counts: ClassVar[Sequence[str]]
    auto_class: ClassVar[Any]
    greater_is_better: ClassVar[bool] = True
    shortest: ClassVar[int] = 3  # [CLS], one token of the text, [SEP]
    permutes_pinyin: ClassVar[bool] = False  # whether texts of a control get the pinyin that it was trained on

    @property
    @abstractmethod
    def best_score(self) -> str:
        """The figure by which the best checkpoint is chosen, unless --metric_for_best_model names another."""

    @abstractmethod
    def read(self, source: Path | Dataset) -> tuple[Dataset, Any]:
        """Reads one split from a file or from a data set of the Hub.

        Returns:
            The data, and a dataclass that says what the reader met.
        """

    def check(self, data: Splits, reports: dict[str, Any]) -> None:
        """Refuses splits that do not fit each other or the options; by default none."""

    def labels(self, data: Splits, reports: dict[str, Any]) -> list[str] | None:
        """The labels of all splits, in the order of a new model's logits; None, the default, for heads without."""
        return None

    def score_names(self, labels: Sequence[str]) -> Sequence[str]:
        """The names of the figures for a model with these labels; by default `scores`."""
        return self.scores

    def labelled_rows(self, dataset: Dataset) -> Sequence[int]:
        """The rows that can be learned from and scored; by default all."""
        return range(len(dataset))

    def strata(self, dataset: Dataset) -> Sequence[Hashable]:
        """The group of every row: samples hold all groups in proportion; by default there is one group."""
        return [None] * len(dataset)

    def groups(self, dataset: Dataset) -> Sequence[Hashable] | None:
        """What every row belongs to: rows of one group stay together where data are held out; by default none do."""
        return None

    def training_texts(self, dataset: Dataset) -> Iterator[Text]:
        """The texts of training data, from which a new model's words are counted: strings, or lists of words.

        By default those of the columns `text` and `text_pair`.
        """
        for name in ("text", "text_pair"):
            if name in dataset.column_names:
                yield from dataset[name]

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """As `model_loading.load_model`, by default with `auto_class`; a task may check what is loaded."""
        return load_model(args, self.auto_class, labels, training, texts=texts)

    @abstractmethod
    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, Any]:
        """Turns a split into the inputs and labels of the model.

        Args:
            dataset: what `read` returned, or some of its rows.
            processing_class: the model's processor or tokenizer.
            labels: the labels of the model, in the order of its logits; [] for heads without.
            max_length: to how many tokens texts are cut, special ones included.
            split: "train", "validation" or "test": a task may encode training data in another way.

        Returns:
            The encoded data, and a dataclass of counts: what the model does not get to see, or cannot predict.
        """

    @abstractmethod
    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
        """What makes batches of encoded rows."""

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """What of a batch's outputs is kept for scoring; by default every tensor: start and end logits are two.

        Hidden states and attentions are tuples of tensors, one for each layer, and are left out.
        """
        if not isinstance(logits, tuple):
            return logits
        kept = tuple(part for part in logits if hasattr(part, "shape"))
        return kept[0] if len(kept) == 1 else kept

    def callbacks(self) -> list[TrainerCallback]:
        """Callbacks of the Trainer; by default none of the task's own."""
        return []

    @abstractmethod
    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> Scorer:
        """The scorer of a split; `dataset` is what was read, `encoded` what `encode` made of it."""

    def write_predictions(self, folder: Path, scorer: Scorer, predictions: Any) -> None:
        """Writes what the predictions of the test data are beside predictions.jsonl, in a form of the task's own."""

    def example(self) -> str:
        """What a script shows below the figures of the test data that were written last; by default nothing."""
        return ""

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, Any], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """What the task's template of a model card names beyond the fields of `write_card` and `fine_tune`."""
        return {}


def check_same_data(given: np.ndarray | tuple[np.ndarray, ...], own: Sequence[Any]) -> None:
    """Refuses predictions of other data than the scorer's.

    Args:
        given: label ids that the Trainer collected with the predictions, padded: [N], [N, K] or [N, L]; a tuple of
            such arrays where rows have several columns of labels (start and end positions).
        own: the label ids of the scorer's rows, in its order; if `given` is a tuple, a tuple of as many.

    Raises:
        ValueError: they differ.
    """
    given, own = (given, own) if isinstance(given, tuple) else ((given,), (own,))
    columns = zip(given, own, strict=False)
    if len(given) != len(own) or not all(_are_same(np.asarray(one).tolist(), list(mine)) for one, mine in columns):
        raise ValueError("the predictions are of other data than the scorer's, or in another order")


def _are_same(rows: list[Any], own: list[Any]) -> bool:
    if len(rows) != len(own):
        return False
    # the Trainer pads what it collects: a row is compared as far as the scorer's goes
    return [row[: len(mine)] if isinstance(mine, list) else row for row, mine in zip(rows, own, strict=True)] == own


__all__ = ["ProcessingClass", "Scorer", "Splits", "Task", "check_same_data"]

"""The task of answering questions about texts: how its data are read, encoded and scored."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from .model_loading import ModelArguments, Text, get_tokenizer
from .reading_answers import KINDS, Answer, first_kind
from .reading_data import ReadReport, from_dataset, read_reading
from .reading_decoding import Window, best_answers, check_null_threshold
from .reading_features import POSITIONS, ReadingCoverage, encode_reading
from .reading_scores import SCORINGS
from .reading_windows import SHORTEST
from .task import ProcessingClass, Splits, Task, check_same_data

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
# in words, for cards
NAMES = {"text": "a part of the text", "none": "no answer", "yes": "yes", "no": "no"}
DECODING = ("doc_stride", "max_answer_length", "null_threshold")  # options that `answer` has too
LAWS = {"cmrc2018": "CMRC 2018's (no answer: SQuAD 2.0's)", "cjrc": "CJRC's"}


@dataclass
class ReadingTask(Task):
    """Questions about texts in the form of SQuAD (CMRC 2018, DRCD, CJRC): parts of the text, yes, no, no answer."""

    doc_stride: int | None = field(
        default=None,
        metadata={"help": "tokens that neighbouring windows of a long text share; default: a quarter of a window"},
    )
    max_answer_length: int = field(default=128, metadata={"help": "tokens that a predicted answer may have"})
    n_best_size: int = field(default=5, metadata={"help": "answers of each question in predictions.jsonl"})
    null_threshold: float = field(
        default=0.0,
        metadata={"help": "how much more than the best other answer no answer has to score, in logits, to be given"},
    )
    scoring: str = field(
        default="cmrc2018",
        metadata={"help": "whose definition of EM and F1: cmrc2018 (DRCD, SQuAD), or cjrc", "choices": list(SCORINGS)},
    )

    pipeline_tag: ClassVar[str] = "question-answering"
    title: ClassVar[str] = "reading comprehension"
    tags: ClassVar[Sequence[str]] = ("question-answering", "reading-comprehension")
    scores: ClassVar[Sequence[str]] = ("em", "f1")
    counts: ClassVar[Sequence[str]] = (
        *("read.repaired", "read.elsewhere", "used.questions", "used.windows", "used.cut_questions"),
        *("used.cut_off", "used.between_tokens", "used.too_long", "used.other_kind"),
    )
    auto_class: ClassVar[Any] = AutoModelForQuestionAnswering
    shortest: ClassVar[int] = SHORTEST

    def __post_init__(self) -> None:
        if self.scoring not in SCORINGS:
            raise ValueError(f"scoring={self.scoring!r} is not allowed; give one of {', '.join(SCORINGS)}")
        for name in ("max_answer_length", "n_best_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is not allowed; give 1 or more")
        check_null_threshold(self.null_threshold)

    @property
    def best_score(self) -> str:
        """F1."""
        return "f1"

    def read(self, source: Path | Dataset) -> tuple[Dataset, ReadReport]:
        """See `reading_data`: the columns `id`, `question`, `context` and `answers`."""
        return (read_reading if isinstance(source, Path) else from_dataset)(source)

    def check(self, data: Splits, reports: dict[str, ReadReport]) -> None:
        """Refuses training data of which no answer can be learned; names CJRC's scores where there are yes and no."""
        for name, report in reports.items():
            if name == "train" and not set(report.kinds) & set(KINDS):
                raise ValueError("no question of the training data has an answer in its context; give answers")
            if {"yes", "no"} & set(report.kinds) and self.scoring != "cjrc":
                logger.warning(f"the {name} data have yes and no as answers, as CJRC: --scoring cjrc scores as it does")

    def labels(self, data: Splits, reports: dict[str, ReadReport]) -> list[str]:
        """The kinds of answers in the training data, or in all data where nothing is trained."""
        chosen = [reports["train"]] if "train" in reports else reports.values()
        found = {"text", *(kind for report in chosen for kind in report.kinds)}
        return [kind for kind in KINDS if kind in found]

    def labelled_rows(self, dataset: Dataset) -> list[int]:
        """The questions with answers."""
        return [row for row, answers in enumerate(dataset["answers"]) if answers is not None]

    def strata(self, dataset: Dataset) -> list[Hashable]:
        """The kind of every question's first answer."""
        return [first_kind(answers) for answers in dataset["answers"]]

    def groups(self, dataset: Dataset) -> list[Hashable]:
        """The context: what is asked about a text in training would help to answer other questions about it."""
        return dataset["context"][:]

    def training_texts(self, dataset: Dataset) -> Iterator[Text]:
        """The questions, and each context once."""
        yield from dataset["question"]
        yield from dict.fromkeys(dataset["context"])

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """Writes the kinds of answers into the configuration, as `answer_kinds`; a stock model gives parts of texts.

        A checkpoint that knows all kinds of the training data keeps its own.

        Raises:
            ValueError: the head has other scores than one start and one end for each token.
        """
        model, processing_class, _ = super().load_model(args, None, training, texts)
        scores = getattr(getattr(model, "qa_outputs", None), "out_features", 2)
        if scores != 2:
            raise ValueError(
                f"the head of {args.model_name_or_path} has {scores} scores for each token, an answer needs 2, its "
                "start and its end: give --config_overrides num_labels=2"
            )
        own = getattr(model.config, "answer_kinds", None) or ([] if training else ["text"])
        kinds = list(labels if training and not set(labels) <= set(own) else own)
        model.config.answer_kinds = kinds
        if self.null_threshold and "none" not in kinds:
            logger.warning(f"null_threshold={self.null_threshold} has no effect: the model never gives no answer")
        return model, processing_class, kinds

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, ReadingCoverage]:
        """See `encode_reading`."""
        lengths = (max_length, self.doc_stride, self.max_answer_length)
        return encode_reading(dataset, get_tokenizer(processing_class), labels, *lengths, split == "train")

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
        """Pads the inputs; a window has its positions as they are."""
        return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The start and end scores [B, L], which come first."""
        return tuple(logits[:2])

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> "ReadingScorer":
        """Scores the best answer of each question."""
        return ReadingScorer(self, dataset, encoded, labels)

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, ReadReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """The kinds of answers, by whose definition they are scored, and the options with which `answer` agrees."""
        usual, own = ReadingTask(), {name: getattr(self, name) for name in DECODING}
        options = "".join(f", {name}={value}" for name, value in own.items() if value != getattr(usual, name))
        labels = ", ".join(NAMES[kind] for kind in labels)
        return {"labels": labels, "scoring": LAWS[self.scoring], "options": options}


class ReadingScorer:
    """Scores start and end scores [N, L] of windows for one dataset, of which rows may have no answers.

    Args:
        task: how answers are decoded and scored.
        dataset: see `reading_data`.
        encoded: its windows, see `encode_reading`, in the order in which they are predicted.
        kinds: the kinds of answers that the model gives.
    """

    def __init__(self, task: ReadingTask, dataset: Dataset, encoded: Dataset, kinds: Sequence[str]) -> None:
        self.task = task
        self.dataset = dataset
        self.encoded = encoded
        self.kinds = list(kinds)
        self.gold: list[list[Answer] | None] = dataset["answers"][:]

    def answers(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[list[dict[str, Any]]]:
        """The best answers of every question (see `best_answers`)."""
        places = zip(*(self.encoded[name][:] for name in ("first", "offsets", "marks")), strict=True)
        windows = [Window(*scores, *place) for *scores, place in zip(*predictions, places, strict=True)]
        rows, contexts, task = self.encoded["row"][:], self.dataset["context"][:], self.task
        options = (self.kinds, task.n_best_size, task.max_answer_length, task.null_threshold)
        # every question has a window, so that the groups are the rows of the dataset
        return [
            best_answers([windows[number] for number in group], contexts[row], *options)
            for row, group in groupby(range(len(rows)), key=rows.__getitem__)
        ]

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """EM and F1 of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of these windows, in their order.
        """
        check_same_data(prediction.label_ids, tuple(self.encoded[name][:] for name in POSITIONS))
        return self.scores(prediction.predictions)

    def scores(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """EM and F1, 0..1, of the questions with answers; {} where none has any."""
        return self._mean([pair for _, pair in self._scored(predictions)])

    def by_label(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, dict[str, float]]:
        """EM, F1 and the number of questions by the kind of their first answer; "elsewhere": not in the context."""
        scored = self._scored(predictions)
        groups = {kind: [pair for own, pair in scored if own == kind] for kind in (*KINDS, "elsewhere")}
        return {kind: {**self._mean(pairs), "support": len(pairs)} for kind, pairs in groups.items() if pairs}

    def rows(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
        """For every question its context, the best answer with its characters, the n best, and the gold ones."""
        names = ("id", "question", "context")
        return [
            {
                **{name: row[name] for name in names},
                **(found[0] if found else {"answer": "", "start": None, "end": None, "score": 0.0}),
                "n_best": found,
                "gold": row["answers"],
            }
            for row, found in zip(self.dataset, self.answers(predictions), strict=True)
        ]

    def _scored(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[tuple[str, tuple[float, float]]]:
        """Of every question with answers the kind of the first one, and EM and F1."""
        score = SCORINGS[self.task.scoring]
        return [
            (first_kind(gold), score(found[0]["answer"] if found else "", [answer["text"] for answer in gold]))
            for found, gold in zip(self.answers(predictions), self.gold, strict=True)
            if gold is not None
        ]

    @staticmethod
    def _mean(pairs: list[tuple[float, float]]) -> dict[str, float]:
        return dict(zip(ReadingTask.scores, np.mean(pairs, axis=0).tolist(), strict=True)) if pairs else {}


__all__ = ["ReadingScorer", "ReadingTask"]

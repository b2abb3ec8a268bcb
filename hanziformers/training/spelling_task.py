"""The task of Chinese spelling correction: how its data are read, encoded and scored."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset, concatenate_datasets
from transformers import (
    AutoModelForMaskedLM,
    DataCollatorForTokenClassification,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..spelling import CANDIDATES, Change, Decider, apply, as_dict, check_decision, most_probable
from ..tokenization.characters import code_points, is_han
from .controls import apply_controls, control_section, permuted_pinyin
from .model_loading import ModelArguments, Text, get_tokenizer, load_model
from .spelling_data import SpellingReport, from_dataset, make_dataset, read_spelling
from .spelling_errors import ErrorMaker, ErrorOptions, check_seed
from .spelling_features import SpellingCoverage, encode_spelling
from .spelling_scores import SCORES, Scored, scores_by_kind, spelling_scores
from .task import ProcessingClass, Task, check_same_data

_SHOWN = 5  # candidates of a change in predictions.jsonl


@dataclass
class SpellingTask(Task):
    """Texts with their corrections in TSV, CSV or JSON lines, or right text, in which errors are made."""

    error_rate: float = field(
        default=ErrorOptions.rate,
        metadata={"help": "right text: probability that a Chinese character becomes an error"},
    )
    error_mix: str = field(default=ErrorOptions.mix, metadata={"help": "right text: weights of the kinds of errors"})
    error_characters: str = field(
        default=ErrorOptions.characters,
        metadata={"help": "right text: what errors write: simplified, traditional, or a text file of characters"},
    )
    error_seed: int = field(default=0, metadata={"help": "right text: seed of the errors, the same for every --seed"})
    error_copies: int = field(
        default=1, metadata={"help": "right text: train on so many copies of it, each with other errors"}
    )
    candidates: str = field(
        default="free",
        metadata={
            "help": "free: a character becomes any of the vocabulary; confusions: one that looks or sounds like it",
            "choices": list(CANDIDATES),
        },
    )
    threshold: float = field(default=0.0, metadata={"help": "least probability of a replacement, 0..1"})
    permute_glyphs: int | None = field(
        default=None, metadata={"help": "control: seed by which glyph images are permuted between characters"}
    )
    permute_pinyin: int | None = field(
        default=None, metadata={"help": "control: seed by which pinyin is permuted between characters"}
    )

    pipeline_tag: ClassVar[str] = "fill-mask"
    title: ClassVar[str] = "spelling correction"
    tags: ClassVar[Sequence[str]] = ("chinese-spelling-correction",)
    scores: ClassVar[Sequence[str]] = SCORES
    counts: ClassVar[Sequence[str]] = (
        *("used.texts", "used.errors", "read.made", "used.cut_off", "used.no_token", "used.unknown_right"),
        *("used.unknown_characters", "used.truncated_texts"),
    )
    auto_class: ClassVar[Any] = AutoModelForMaskedLM
    permutes_pinyin: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._control, self._maker, self._pinyin = "", None, None
        check_decision(self.candidates, self.threshold)
        self._errors = ErrorOptions(self.error_rate, self.error_mix, self.error_characters)
        if self.error_copies < 1:
            raise ValueError(f"error_copies={self.error_copies} is not allowed; give 1 or more")
        check_seed(self.error_seed)

    @property
    def best_score(self) -> str:
        """F1 of corrections, by character: by sentence it is 0 for long where models are small."""
        return "correction_f1"

    def read(self, source: Path | Dataset) -> tuple[Dataset, SpellingReport]:
        """See `spelling_data`: the columns `text`, `correct` and `kinds`."""
        reader = read_spelling if isinstance(source, Path) else from_dataset
        return reader(source, self._make_maker)

    def labelled_rows(self, dataset: Dataset) -> list[int]:
        """The rows with a Chinese character: elsewhere nothing is learned or scored."""
        return [row for row, text in enumerate(dataset["text"]) if is_han(code_points(text)).any()]

    def groups(self, dataset: Dataset) -> list[Hashable]:
        """The right text: where it is known from training, its errors are no test of anything else."""
        return dataset["correct"][:]

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """With glyph images and pinyin permuted, where the model is to be a control, or was trained as one."""
        model, processing_class, labels = load_model(args, self.auto_class, labels, training, texts=texts)
        apply_controls(model, processing_class, self.permute_glyphs, self.permute_pinyin)
        self._pinyin = permuted_pinyin(model.config, get_tokenizer(processing_class))
        self._control = control_section(model.config)
        return model, processing_class, labels

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, SpellingCoverage]:
        """See `encode_spelling`; training data with further copies of right text."""
        if split == "train" and self.error_copies > 1:
            clean = [row["correct"] for row in dataset if row["made"]]
            written = [self._make_maker()(clean, copy) for copy in range(1, self.error_copies)] if clean else []
            dataset = concatenate_datasets([dataset, *(make_dataset(rows, clean, made=True) for rows in written)])
        return encode_spelling(dataset, get_tokenizer(processing_class), max_length, self._pinyin)

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
        """Pads the labels like the tokens, with -100."""
        return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The most probable ids and their probabilities, [B, L, K] each."""
        return most_probable(logits[0] if isinstance(logits, tuple) else logits)

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> "SpellingScorer":
        """Scores corrected texts."""
        return SpellingScorer(encoded, Decider(get_tokenizer(processing_class), self.candidates, self.threshold))

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, SpellingReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """How errors were made, how candidates are chosen, and whether the model is a control."""
        made = any(report.made for report in reports.values())
        errors = (
            f" Errors were made in right text: {self.error_rate:.0%} of its Chinese characters, {self.error_mix} "
            f"(characters: {Path(self.error_characters).name}; seed {self.error_seed}; {self.error_copies} copies for "
            "training)."
        )
        return {
            "errors": errors if made else "",
            "candidates": self.candidates,
            "threshold": str(self.threshold),
            "control": self._control,
        }

    def _make_maker(self) -> ErrorMaker:
        """What makes errors, for all splits the same one."""
        self._maker = self._maker or ErrorMaker(self._errors, self.error_seed)
        return self._maker


class SpellingScorer:
    """Scores predictions for one encoded dataset (see `spelling_scores`).

    Args:
        dataset: what `encode_spelling` returned, in the order in which it is predicted.
        decide: turns predictions into changes.
    """

    def __init__(self, dataset: Dataset, decide: Decider) -> None:
        names = ("text", "correct", "kinds", "labels", "positions", "input_ids")
        columns = (dataset[name][:] for name in names)
        self.texts, self.correct, self.kinds, self.labels, self.positions, self.ids = columns
        self.decide = decide

    def changes(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[list[Change]]:
        """The changes of every text, from ids [N, L, K] and probabilities [N, L, K]."""
        rows = zip(self.texts, self.positions, self.ids, *predictions, strict=True)
        return [self._changes(*row) for row in rows]

    def _changes(self, text: str, positions: list[int], own: list[int], *predicted: np.ndarray) -> list[Change]:
        places = np.array(positions)
        tokens = np.flatnonzero(places >= 0)
        ids, probabilities = (values[tokens] for values in predicted)
        return self.decide(text, places[tokens], np.array(own)[tokens], ids, probabilities)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """The figures of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of this dataset, in its order.
        """
        check_same_data(prediction.label_ids, self.labels)
        return self.scores(prediction.predictions)

    def scores(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """The figures of `SCORES`, of the texts with a Chinese character; {} where there is none."""
        scored = self._scored(predictions)
        return spelling_scores(scored) if scored else {}

    def by_label(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, dict[str, float]]:
        """The recall of every kind of error."""
        return scores_by_kind(self._scored(predictions))

    def rows(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
        """For every text the corrected one, its suggestions (see `correct_spelling`), the right one and the kinds."""
        found = zip(self.texts, self.changes(predictions), self.correct, self.kinds, strict=True)
        return [
            {
                "text": text,
                "predicted": apply(text, changes),
                "suggestions": [as_dict(change, _SHOWN) for change in changes],
                "gold": correct,
                "kinds": kinds,
            }
            for text, changes, correct, kinds in found
        ]

    def _scored(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[Scored]:
        rows = zip(self.texts, self.correct, self.changes(predictions), self.kinds, self.positions, strict=True)
        return [
            Scored(text, correct, apply(text, changes), kinds, sum(p >= 0 and text[p] == correct[p] for p in places))
            for text, correct, changes, kinds, places in rows
            if is_han(code_points(text)).any()  # the others, `labelled_rows` leaves out elsewhere too
        ]


__all__ = ["SpellingScorer", "SpellingTask"]

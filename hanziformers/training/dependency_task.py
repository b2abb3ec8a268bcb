"""The task of dependency parsing: how its data are read, encoded and scored."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from ..tree_drawing import draw_tree
from .dependency_data import (
    FILLS,
    TreeCoverage,
    TreeReport,
    encode_trees,
    from_columns,
    names_of,
    read_trees,
    with_trees,
)
from .dependency_scores import TreeScorer
from .model_loading import ModelArguments, Text, get_tokenizer, load_model
from .task import ProcessingClass, Scorer, Splits, Task
from .tree_checks import check_annotated, check_uncut
from .word_collator import WordCollator


@dataclass
class DependencyTask(Task):
    """Trees over the words of CoNLL-U, which are given; parts of speech are read where that is wanted."""

    read_tags: bool = field(
        default=False,
        metadata={
            "help": "new models: read the parts of speech (UPOS) of the data beside the words; the parser then needs "
            "them for every sentence, and figures are those with gold ones"
        },
    )

    pipeline_tag: ClassVar[str] = "token-classification"
    title: ClassVar[str] = "dependency trees"
    tags: ClassVar[Sequence[str]] = ("dependency-parsing",)
    scores: ClassVar[Sequence[str]] = ("uas", "las")
    counts: ClassVar[Sequence[str]] = (
        *("read.sentences", "read.without_tree", "read.non_projective", "read.longest"),
        *("used.words", "used.unknown_words", "used.unknown_relations"),
    )
    auto_class: ClassVar[Any] = AutoModel
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._names: list[str] = []  # the parts of speech that a model reads
        self._example = ""  # see `example`

    @property
    def best_score(self) -> str:
        """LAS."""
        return "las"

    def read(self, source: Path | Dataset) -> tuple[Dataset, TreeReport]:
        """See `dependency_data`."""
        return read_trees(source) if isinstance(source, Path) else from_columns(source)

    def check(self, data: Splits, reports: dict[str, TreeReport]) -> None:
        """Notes which parts of speech a new model reads.

        Raises:
            ValueError: they are to be read, and the training data have none.
        """
        if self.read_tags and "train" in data:
            self._names = names_of(data["train"], "tags")
            if not self._names:
                raise ValueError(
                    "read_tags=True is not allowed: no word of the training data has a part of speech (UPOS); leave "
                    "it out"
                )

    def labels(self, data: Splits, reports: dict[str, TreeReport]) -> list[str]:
        """The relations of the training data; what other data have beyond them counts as missed."""
        return names_of(data["train"], "relations") if "train" in data else []

    def labelled_rows(self, dataset: Dataset) -> Sequence[int]:
        """Sentences with a tree."""
        return [row for row, heads in enumerate(dataset["heads"]) if heads]

    def training_texts(self, dataset: Dataset) -> Iterator[list[str]]:
        """The words of every sentence."""
        yield from dataset["words"]

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """A new model with the parts of speech that it reads.

        Raises:
            ValueError: also, if the model is no parser, or nothing says which relations a new one has.
        """
        if not labels and not args.model_name_or_path:
            raise ValueError("a new parser learns its relations from training data: give --train_file, or a checkpoint")
        new = {} if args.model_name_or_path or not self._names else {"pos_tags": self._names}
        model, processing_class, labels = load_model(args, self.auto_class, labels, training, texts=texts, **new)
        if "head_labels" not in signature(model.forward).parameters:
            raise ValueError(
                f"a {type(model).__name__} is no dependency parser: give --model_type biaffine, or a checkpoint of one"
            )
        self._names = model.config.pos_tags
        return model, processing_class, labels

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, TreeCoverage]:
        """See `encode_trees`.

        Raises:
            ValueError: a sentence has more words than `max_length`; parts of speech are read, and no word has one.
        """
        check_uncut(dataset["words"], max_length, split)
        if self._names:
            check_annotated(dataset["tags"], "a part of speech (UPOS)", split)
        return encode_trees(dataset, get_tokenizer(processing_class), labels, self._names)

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> WordCollator:
        """Pads labels and parts of speech beside the words."""
        return WordCollator(tokenizer, FILLS, pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The heads of the best trees, and the most probable relation to each: [B, T] both."""
        _, relation_logits, heads, *_ = logits
        return heads, relation_logits.argmax(-1)

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> TreeScorer:
        """Scores heads and relations."""
        return TreeScorer(dataset, encoded, labels)

    def write_predictions(self, folder: Path, scorer: Scorer, predictions: tuple[np.ndarray, np.ndarray]) -> None:
        """Writes predictions.conllu: the test data with the trees found, all else as it was; draws the first tree."""
        (folder / "predictions.conllu").write_text(scorer.conllu(predictions), encoding="utf-8")
        first = scorer.rows(predictions)[0]
        svg = draw_tree(first["words"], first["heads"], first["relations"])
        (folder / "first_tree.svg").write_text(svg, encoding="utf-8")
        self._example = with_trees(scorer.dataset[0]["source"], first["heads"], first["relations"])

    def example(self) -> str:
        """The first sentence of the test data with the tree found, as predictions.conllu has it."""
        return self._example

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, TreeReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """The relations, and whether parts of speech are read."""
        read = f"reads the parts of speech {', '.join(self._names)}, in the figures gold ones" if self._names else ""
        return {"relations": ", ".join(labels), "reads": read or "reads no parts of speech"}


__all__ = ["DependencyTask"]

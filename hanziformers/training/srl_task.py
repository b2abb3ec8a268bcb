"""The task of semantic role labelling: how its data are read, encoded and scored, and which words are read."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from datasets import Dataset
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from .model_loading import ModelArguments, Text, get_tokenizer, load_model
from .srl_data import FILLS, SrlCoverage, SrlReport, encode_srl, names_of, read_srl, roles_of
from .srl_files import NO_ROLE, SYNTAX
from .srl_scores import SrlScorer
from .task import ProcessingClass, Splits, Task
from .tree_checks import check_annotated, check_uncut
from .word_collator import WordCollator

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
AUTO, NONE = "auto", "none"
ENOUGH = 0.99  # of the arguments of the validation data: what pruning loses is lost to recall


@dataclass
class SrlTask(Task):
    """Roles of predicates that are given, in files of UP 2.0 (CoNLL-U-plus) or CoNLL-2009; one role a word."""

    pruning_order: str = field(
        default=AUTO,
        metadata={
            "help": "k: words more than k steps away from the predicate's path to the root are not read; none: all are "
            f"read; auto: the least k that keeps {ENOUGH:.0%} of the arguments of the validation data (without such "
            "data: of the training data), or the checkpoint's own where nothing is trained"
        },
    )
    read_tags: bool = field(
        default=True, metadata={"help": "new models: read the parts of speech of the data beside the words"}
    )
    read_relations: bool = field(
        default=False, metadata={"help": "new models: read the words' relations to their heads, too"}
    )
    syntax: str = field(
        default=SYNTAX[0],
        metadata={
            "help": "CoNLL-2009: tags and trees by hand (gold) or by programs (predicted: PPOS, PHEAD, PDEPREL)",
            "choices": list(SYNTAX),
        },
    )

    pipeline_tag: ClassVar[str] = "token-classification"
    title: ClassVar[str] = "semantic roles"
    tags: ClassVar[Sequence[str]] = ("semantic-role-labeling",)
    scores: ClassVar[Sequence[str]] = ("precision", "recall", "f1")
    counts: ClassVar[Sequence[str]] = (
        *("read.sentences", "read.predicates", "used.arguments", "used.pruned", "used.two_roles"),
        *("used.unknown_roles", "used.unknown_words"),
    )
    auto_class: ClassVar[Any] = AutoModelForTokenClassification
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._order: int | None = None  # k, once it is known
        self._names: dict[str, list[str]] = {}  # of the training data: what a new model reads
        if self.syntax not in SYNTAX:
            raise ValueError(f"syntax={self.syntax!r} is not allowed; allowed is {' or '.join(map(repr, SYNTAX))}")
        if self.pruning_order not in (AUTO, NONE) and not self.pruning_order.isdecimal():
            raise ValueError(
                f"pruning_order={self.pruning_order!r} is not allowed; allowed is {AUTO!r}, {NONE!r} or an integer of "
                "0 or more"
            )

    @property
    def best_score(self) -> str:
        """F1."""
        return "f1"

    def read(self, source: Path | Dataset) -> tuple[Dataset, SrlReport]:
        """See `srl_data`.

        Raises:
            ValueError: the source is a data set of the Hub.
        """
        if not isinstance(source, Path):
            raise ValueError(
                "dataset_name is not allowed for semantic roles, which data sets of the Hub have in no common form; "
                "give files of UP 2.0 or CoNLL-2009: --train_file, --validation_file, --test_file"
            )
        return read_srl(source, self.syntax)

    def check(self, data: Splits, reports: dict[str, SrlReport]) -> None:
        """Chooses k, and notes what a new model reads.

        Raises:
            ValueError: the training or validation data have no argument.
        """
        for name in ("train", "validation"):
            if name in reports and not reports[name].arguments:
                raise ValueError(
                    f"no predicate of the {name} data has an argument (UP:ARGHEADS, APRED): from them nothing is "
                    "learned or scored; give data with arguments, or files without as --test_file"
                )
        split = next(name for name in ("validation", "train", "test") if name in data)
        coverage = reports[split].coverage
        enough = (order for order, kept in enumerate(coverage) if kept >= ENOUGH)
        if self.pruning_order == AUTO:
            self._order = next(enough, 0)
        else:
            self._order = None if self.pruning_order == NONE else int(self.pruning_order)
        shown = ", ".join(f"k={order}: {kept:.2%}" for order, kept in enumerate(coverage))
        logger.warning(f"arguments of the {split} data that k-order pruning keeps: {shown}")
        if "train" in data:
            fields = (("pos_tags", "tags", self.read_tags), ("relations", "relations", self.read_relations))
            self._names = {name: names_of(data["train"], column) for name, column, wanted in fields if wanted}

    def labels(self, data: Splits, reports: dict[str, SrlReport]) -> list[str]:
        """O and the roles of the training data; what other data have beyond them counts as missed."""
        return roles_of(data["train"]) if "train" in data else [NO_ROLE]

    def groups(self, dataset: Dataset) -> list[Hashable]:
        """The words of every row: the predicates of a sentence stay together where data are held out."""
        return list(map(tuple, dataset["words"]))

    def training_texts(self, dataset: Dataset) -> Iterator[list[str]]:
        """The words of every sentence, once, however many predicates it has."""
        yield from map(list, dict.fromkeys(map(tuple, dataset["words"])))

    def load_model(
        self, args: ModelArguments, labels: list[str] | None, training: bool, texts: Iterable[Text] = ()
    ) -> tuple[PreTrainedModel, ProcessingClass, list[str]]:
        """With k; a new model with the parts of speech and relations that it reads.

        Raises:
            ValueError: also, if the model labels no roles of predicates.
        """
        new = {} if args.model_name_or_path else self._names
        if new and args.model_type:
            _check_kind(args.model_type, hasattr(AutoConfig.for_model(args.model_type), "pruning_order"))
        model, processing_class, labels = load_model(args, self.auto_class, labels, training, texts=texts, **new)
        _check_kind(model.config.model_type, hasattr(model.config, "pruning_order"))
        if training or self.pruning_order != AUTO:
            model.config.pruning_order = self._order
        self._order = model.config.pruning_order
        self._names = {"pos_tags": model.config.pos_tags, "relations": model.config.relations}
        return model, processing_class, labels

    def encode(
        self, dataset: Dataset, processing_class: ProcessingClass, labels: Sequence[str], max_length: int, split: str
    ) -> tuple[Dataset, SrlCoverage]:
        """See `encode_srl`.

        Raises:
            ValueError: a sentence has more words than `max_length`; parts of speech or relations are read, and no word
                has any.
        """
        check_uncut(dataset["words"], max_length, split)
        if self._names["pos_tags"]:
            check_annotated(dataset["tags"], "a part of speech", split)
        if self._names["relations"]:
            check_annotated(dataset["relations"], "a relation to its head", split)
        names = self._names["pos_tags"], self._names["relations"]
        return encode_srl(dataset, get_tokenizer(processing_class), labels, *names, self._order)

    def collator(self, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> WordCollator:
        """Pads labels, heads and what else there is one of for a word, beside the words."""
        return WordCollator(tokenizer, FILLS, pad_to_multiple_of)

    def preprocess_logits(self, logits: Any, labels: Any) -> Any:
        """The id of the most probable role: [B, T]."""
        return (logits[0] if isinstance(logits, tuple) else logits).argmax(-1)

    def scorer(
        self, dataset: Dataset, encoded: Dataset, labels: Sequence[str], processing_class: ProcessingClass
    ) -> SrlScorer:
        """Scores arguments."""
        return SrlScorer(dataset, encoded["labels"], labels)

    def card_fields(
        self, labels: Sequence[str], reports: dict[str, SrlReport], processing_class: ProcessingClass
    ) -> dict[str, str]:
        """The roles, k, and the fraction of the arguments that every k keeps."""
        shown = [
            f"- {name}: " + ", ".join(f"k={order} {kept:.1%}" for order, kept in enumerate(report.coverage))
            for name, report in reports.items()
        ]
        return {
            "roles": ", ".join(label for label in labels if label != NO_ROLE),
            "order": "all words are read" if self._order is None else f"k = {self._order}",
            "coverage": "\n".join(shown),
        }


def _check_kind(kind: str, has_pruning: bool) -> None:
    if not has_pruning:
        raise ValueError(
            f"a {kind} labels no semantic roles: it takes no predicate; give --model_type srl, or a checkpoint of one"
        )


__all__ = ["SrlTask"]

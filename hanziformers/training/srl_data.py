"""Semantic roles as a data set, one row for each predicate, and as inputs of a model.

The columns are `words`; `predicate`, the position of its word (0 is the first), and `sense`, its sense; `heads` (1..T,
0 = root), `tags` and `relations` of the words; and `arguments`, a list of {"word", "role", "order"}: `order` is the
least k with which k-order pruning keeps the word (see `modeling/srl.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Value
from transformers import PreTrainedTokenizerBase

from ..modeling.srl import pruning_orders
from .conllu_files import NOTHING
from .srl_files import NO_ROLE, read_sentences

_ARGUMENT = {"word": Value("int64"), "role": Value("string"), "order": Value("int64")}
FEATURES = Features(
    {
        "words": [Value("string")],
        "predicate": Value("int64"),
        "sense": Value("string"),
        "heads": [Value("int64")],
        "tags": [Value("string")],
        "relations": [Value("string")],
        "arguments": [_ARGUMENT],
    }
)
FILLS = {"labels": -100, "heads": -100, "tag_ids": 0, "relation_ids": 0}  # what is padded beside the tokenizer's keys
_BATCH = 256  # rows whose trees are looked at together


@dataclass(frozen=True)
class SrlReport:
    """What the reader met.

    Attributes:
        sentences: all sentences.
        without_predicate: sentences that have none, and so no row.
        predicates: rows of the data set.
        arguments: words with a role, over all rows; a word with two roles counts twice.
        without_arguments: predicates that have none.
        two_roles: arguments whose word has another role of the same predicate before them.
        coverage: for k = 0, 1, ... the fraction of the arguments that k-order pruning keeps, up to the k that keeps
            all.
    """

    sentences: int
    without_predicate: int
    predicates: int
    arguments: int
    without_arguments: int
    two_roles: int
    coverage: list[float]


@dataclass(frozen=True)
class SrlCoverage:
    """Which gold arguments no prediction can hit, and what the model does not know.

    Attributes:
        arguments: all gold arguments.
        pruned: their words are not read, as k-order pruning leaves them out.
        two_roles: another role of their word is kept; the model gives a word one role.
        unknown_roles: the model has no such role.
        words: all words, over all rows.
        unknown_words: those outside of the vocabulary.
        unknown_tags: words whose part of speech the model does not know, where it reads them.
        unknown_relations: words whose relation the model does not know, where it reads them.
    """

    arguments: int
    pruned: int
    two_roles: int
    unknown_roles: int
    words: int
    unknown_words: int
    unknown_tags: int
    unknown_relations: int


def read_srl(path: Path, syntax: str = "gold") -> tuple[Dataset, SrlReport]:
    """Reads a file of UP 2.0 or CoNLL-2009: see `read_sentences`, whose arguments and errors are these.

    Returns:
        The data set (see the module) and its report.

    Raises:
        ValueError: also, if no sentence has a predicate.
    """
    rows: list[dict[str, Any]] = []
    sentences = empty = 0
    for sentence in read_sentences(path, syntax):
        sentences, empty = sentences + 1, empty + (not sentence.predicates)
        shared = {"words": sentence.forms, "heads": sentence.heads, "tags": sentence.tags}
        for one in sentence.predicates:
            arguments = [{"word": word, "role": role} for word, role in sorted(one.arguments)]
            own = {"predicate": one.word, "sense": one.sense, "arguments": arguments}
            rows.append({**shared, "relations": sentence.relations, **own})
    if not rows:
        raise ValueError(
            f"no sentence of {path} has a predicate; semantic roles are those of predicates that are given"
        )
    for start in range(0, len(rows), _BATCH):
        _add_orders(rows[start : start + _BATCH])
    return Dataset.from_list(rows, features=FEATURES), _report(rows, sentences, empty)


def _add_orders(rows: Sequence[dict[str, Any]]) -> None:
    longest = max(len(row["heads"]) for row in rows)
    heads = torch.tensor([[*row["heads"], *[0] * (longest - len(row["heads"]))] for row in rows])
    counts = torch.tensor([[len(row["heads"])] for row in rows])
    predicates = torch.tensor([row["predicate"] for row in rows])
    orders = pruning_orders(heads, predicates, torch.arange(longest) < counts).tolist()
    for row, found in zip(rows, orders, strict=True):
        for argument in row["arguments"]:
            argument["order"] = found[argument["word"]]


def _report(rows: Sequence[dict[str, Any]], sentences: int, empty: int) -> SrlReport:
    orders = Counter(argument["order"] for row in rows for argument in row["arguments"])
    total, kept, coverage = orders.total(), 0, []
    for order in range(max(orders, default=-1) + 1):
        kept += orders[order]
        coverage.append(kept / total)
    return SrlReport(
        sentences=sentences,
        without_predicate=empty,
        predicates=len(rows),
        arguments=total,
        without_arguments=sum(not row["arguments"] for row in rows),
        two_roles=total - sum(len({argument["word"] for argument in row["arguments"]}) for row in rows),
        coverage=coverage,
    )


def roles_of(dataset: Dataset) -> list[str]:
    """The labels of a model for these data: O, then the roles, sorted."""
    return [NO_ROLE, *sorted({argument["role"] for row in dataset["arguments"] for argument in row})]


def names_of(dataset: Dataset, column: str) -> list[str]:
    """The parts of speech (`tags`) or `relations` that occur, sorted."""
    return sorted({name for row in dataset[column] for name in row} - {NOTHING})


def encode_srl(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    roles: Sequence[str],
    tags: Sequence[str],
    relations: Sequence[str],
    order: int | None,
) -> tuple[Dataset, SrlCoverage]:
    """Turns rows into the inputs and labels of a model.

    Args:
        dataset: see the module.
        tokenizer: takes words; its keys become columns.
        roles: the labels of the model.
        tags: the parts of speech that the model knows; [] if it reads none.
        relations: the relations that it knows; [] if it reads none.
        order: k of its pruning; None for none.

    Returns:
        The columns of the tokenizer, `heads`, `predicate` and `labels` and, where the model reads them, `tag_ids` and
        `relation_ids` (0 = not known); and what cannot be predicted.
    """
    role_ids = {role: index for index, role in enumerate(roles)}
    tables = {name: _numbered(names) for name, names in (("tag", tags), ("relation", relations)) if names}
    counts: Counter[str] = Counter()

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        output = dict(tokenizer(row["words"], is_split_into_words=True))
        counts["words"] += len(row["words"])
        counts["unknown_words"] += sum(index == tokenizer.unk_token_id for index in output["word_ids"])
        for name, table in tables.items():
            output[f"{name}_ids"] = [table.get(value, 0) for value in row[f"{name}s"]]
            counts[f"unknown_{name}s"] += output[f"{name}_ids"].count(0)
        return {**output, "labels": _label(row, role_ids, order, counts)}

    rows = [{**encode(row), "heads": row["heads"], "predicate": row["predicate"]} for row in dataset]
    return Dataset.from_list(rows), SrlCoverage(**{name: counts[name] for name in SrlCoverage.__annotations__})


def _label(row: dict[str, Any], role_ids: dict[str, int], order: int | None, counts: Counter[str]) -> list[int]:
    """The label of every word; counts the arguments that no prediction can hit, each of them once."""
    labels = [role_ids[NO_ROLE]] * len(row["words"])
    for argument in row["arguments"]:
        word, index = argument["word"], role_ids.get(argument["role"])
        counts["arguments"] += 1
        if order is not None and argument["order"] > order:
            counts["pruned"] += 1
        elif index is None:
            counts["unknown_roles"] += 1
        elif labels[word] != role_ids[NO_ROLE]:
            counts["two_roles"] += 1
        else:
            labels[word] = index
    return labels


def _numbered(names: Iterable[str]) -> dict[str, int]:
    """Name -> id; 0 is for all others."""
    return {name: index for index, name in enumerate(names, 1)}


__all__ = ["FEATURES", "FILLS", "SrlCoverage", "SrlReport", "encode_srl", "names_of", "read_srl", "roles_of"]

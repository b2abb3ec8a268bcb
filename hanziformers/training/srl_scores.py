"""Scores semantic roles: precision, recall and F1 of arguments, over all gold ones.

An argument is right if its word and its role are, for its predicate. That is the semantic F1 of CoNLL-2009 without the
senses of predicates, which are given here and would count as arguments there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction

from .exact_entities import ExactEntities
from .srl_files import NO_ROLE
from .task import check_same_data


class SrlScorer:
    """Scores predictions for one data set.

    Args:
        dataset: see `srl_data`, in the order in which it is predicted.
        labels: the label ids of every row, as `encode_srl` made them.
        roles: the labels of the model, in the order of its logits.
    """

    def __init__(self, dataset: Dataset, labels: Sequence[Sequence[int]], roles: Sequence[str]) -> None:
        self.dataset = dataset
        self.labels = [list(row) for row in labels]
        self.roles = list(roles)
        self.gold = [[(one["word"], one["role"]) for one in row] for row in dataset["arguments"]]
        self.metric = ExactEntities(keep_in_memory=True)

    def arguments(self, predictions: np.ndarray) -> list[list[tuple[int, str]]]:
        """The arguments, each a word (0 is the first) and its role, that label ids [N, T] name; padding is not read."""
        found = []
        for row, labels in zip(np.asarray(predictions), self.labels, strict=True):
            names = [self.roles[index] for index in row[: len(labels)]]
            found.append([(word, name) for word, name in enumerate(names) if name != NO_ROLE])
        return found

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """`scores` of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of this data set, in its order.
        """
        check_same_data(prediction.label_ids, self.labels)
        return self.scores(prediction.predictions)

    def scores(self, predictions: np.ndarray) -> dict[str, float]:
        """Micro precision, recall and F1; a gold argument that no prediction can hit is missed.

        {} where no predicate has a gold argument, as in a file whose arguments nobody wrote: 0 would be no figure of
        the model.
        """
        return self._compute(predictions) if any(self.gold) else {}

    def by_label(self, predictions: np.ndarray) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of every role."""
        return self._compute(predictions, by_label=True)["by_label"]

    def rows(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For every predicate the words of its sentence, its word and sense, the roles found, and the gold ones."""
        found = zip(self.dataset, self.arguments(predictions), self.gold, strict=True)
        return [
            {
                "words": row["words"],
                "predicate": {**_named(row["words"], row["predicate"]), "sense": row["sense"]},
                "roles": [{**_named(row["words"], word), "role": role} for word, role in arguments],
                "gold": [{**_named(row["words"], word), "role": role} for word, role in gold],
            }
            for row, arguments, gold in found
        ]

    def _compute(self, predictions: np.ndarray, **options: bool) -> dict[str, Any]:
        # an argument is an entity of one word
        sides = (
            [[_as_entity(*one) for one in row] for row in rows] for rows in (self.arguments(predictions), self.gold)
        )
        found, gold = sides
        return self.metric.compute(predictions=found, references=gold, **options)


def _as_entity(word: int, role: str) -> dict[str, Any]:
    return {"start": word, "end": word + 1, "label": role}


def _named(words: Sequence[str], word: int) -> dict[str, Any]:
    """A word by its position, 0 for the first, and its form."""
    return {"word": word, "form": words[word]}


__all__ = ["SrlScorer"]

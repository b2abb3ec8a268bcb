"""Scores dependency trees: the words whose head is right (UAS), and whose relation is right too (LAS).

Words are those of the data, so that no word is missing or cut otherwise. Punctuation is left out: words with the part
of speech PUNCT, or without a part of speech those with the relation `punct`, in the gold standard. Relations are
compared whole, with their subtypes (`nsubj:pass` is not `nsubj`).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction

from .conllu_files import NOTHING
from .dependency_data import with_trees
from .task import check_same_data

PUNCTUATION = ("PUNCT", "punct")  # as a part of speech, and as a relation


class TreeScorer:
    """Scores predictions for one split.

    Predictions are a pair of int64 [N, T]: heads, 1..T, 0 = root, and ids of relations; both hold any values behind the
    words of a sentence.

    Args:
        dataset: what was read, see `dependency_data`, in the order in which it is predicted.
        encoded: what `encode_trees` made of it.
        relations: those of the model, in the order of its logits.
    """

    def __init__(self, dataset: Dataset, encoded: Dataset, relations: Sequence[str]) -> None:
        self.dataset = dataset.to_list()
        self.labels = encoded["head_labels"][:], encoded["relation_labels"][:]
        self.relations = list(relations)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """UAS and LAS of what a Trainer predicted.

        Raises:
            ValueError: the predictions are not those of these data, in their order.
        """
        check_same_data(prediction.label_ids, self.labels)
        return self.scores(prediction.predictions)

    def trees(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[tuple[list[int], list[str]]]:
        """For every sentence the heads and the relations, by name, of its words."""
        heads, relations = (np.asarray(part) for part in predictions)
        found = []
        for row, of_heads, of_relations in zip(self.dataset, heads, relations, strict=True):
            count = len(row["words"])
            names = [self.relations[index] for index in of_relations[:count].tolist()]
            found.append((of_heads[:count].tolist(), names))
        return found

    def scores(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """UAS and LAS over all words that are scored; {} where there are none."""
        counts = self._count(predictions)
        words = counts["words"].total()
        return {name: counts[name].total() / words for name in ("uas", "las")} if words else {}

    def by_label(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, dict[str, float]]:
        """Of every relation: UAS and LAS of the words that have it, LAS of those that got it, and how many have it."""
        counts = self._count(predictions)
        words, got = counts["words"], counts["got"]
        return {
            name: {
                "uas": counts["uas"][name] / max(words[name], 1),
                "las": counts["las"][name] / max(words[name], 1),
                "precision": counts["las"][name] / max(got[name], 1),
                "support": words[name],
            }
            for name in sorted({*words, *got})
        }

    def rows(self, predictions: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
        """For every sentence its words, the heads and relations found, and the gold ones; None without a tree."""
        return [
            {
                "words": row["words"],
                "heads": heads,
                "relations": relations,
                "gold": {name: row[name] for name in ("heads", "relations")} if row["heads"] else None,
            }
            for row, (heads, relations) in zip(self.dataset, self.trees(predictions), strict=True)
        ]

    def conllu(self, predictions: tuple[np.ndarray, np.ndarray]) -> str:
        """The data as they were read, with the trees found: see `with_trees`."""
        found = zip(self.dataset, self.trees(predictions), strict=True)
        return "".join(f"{with_trees(row['source'], *tree)}\n\n" for row, tree in found)

    def _count(self, predictions: tuple[np.ndarray, np.ndarray]) -> dict[str, Counter[str]]:
        """By gold relation the words, and those with the right head, and with both right; by relation found the words.

        Only of words that are scored.
        """
        counts: dict[str, Counter[str]] = {name: Counter() for name in ("words", "uas", "las", "got")}
        for row, (heads, relations) in zip(self.dataset, self.trees(predictions), strict=True):
            # a sentence without a tree has no heads, and nothing is counted
            gold = zip(row["tags"], row["heads"], row["relations"], strict=False)
            for (tag, gold_head, gold_relation), head, relation in zip(gold, heads, relations, strict=False):
                if is_punctuation(tag, gold_relation):
                    continue
                counts["words"][gold_relation] += 1
                counts["got"][relation] += 1
                counts["uas"][gold_relation] += head == gold_head
                counts["las"][gold_relation] += head == gold_head and relation == gold_relation
        return counts


def is_punctuation(tag: str, relation: str) -> bool:
    """Whether a word is left out: by its part of speech, or, where it has none ("_"), by its relation."""
    return tag == PUNCTUATION[0] if tag != NOTHING else relation.split(":")[0] == PUNCTUATION[1]


__all__ = ["TreeScorer", "is_punctuation"]

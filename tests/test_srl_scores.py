"""Semantic F1, counted by hand: over all gold arguments, in all and by role."""

import numpy as np
import pytest
from datasets import Dataset
from transformers import EvalPrediction

from hanziformers.training.srl_data import FEATURES
from hanziformers.training.srl_scores import SrlScorer

ROLES = ["O", "A0", "A1", "AM-TMP"]
NO, A0, A1, TMP = range(4)


def row(predicate, *arguments, words=("他", "昨天", "吃", "鱼")):
    count = len(words)
    found = [{"word": word, "role": role, "order": 1} for word, role in arguments]
    return {
        "words": list(words),
        "predicate": predicate,
        "sense": "eat.01",
        "heads": [0, *range(1, count)],
        "tags": ["_"] * count,
        "relations": ["_"] * count,
        "arguments": found,
    }


@pytest.fixture
def scorer():
    dataset = Dataset.from_list(
        [
            row(2, (0, "A0"), (1, "AM-TMP"), (3, "A1")),
            row(2, (0, "A0"), (0, "A2"), (3, "C-A1")),  # a word with two roles, and a role that the model lacks
            row(0, words=("好", "。")),
        ],
        features=FEATURES,
    )
    return SrlScorer(dataset, [[A0, TMP, NO, A1], [A0, NO, NO, NO], [NO, NO]], ROLES)


def test_counted_by_hand(scorer):
    # right: A0 and A1 of the first row, A0 of the second; wrong: AM-TMP at another word, A1 for C-A1, A1 of the third
    predictions = np.array([[A0, NO, TMP, A1], [A0, NO, NO, A1], [NO, A1, -100, -100]])
    scores = scorer.scores(predictions)
    assert scores == {"precision": 3 / 6, "recall": 3 / 6, "f1": pytest.approx(0.5)}
    by_label = scorer.by_label(predictions)
    assert by_label["A0"] == {"precision": 1, "recall": 1, "f1": 1, "support": 2}
    assert by_label["A1"] == {"precision": 1 / 3, "recall": 1, "f1": 0.5, "support": 1}
    assert by_label["AM-TMP"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert by_label["A2"] == by_label["C-A1"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}


def test_labels_that_are_all_right_miss_what_no_prediction_can_hit(scorer):
    scores = scorer.scores(np.array([[A0, TMP, NO, A1], [A0, NO, NO, NO], [NO, NO, NO, NO]]))
    assert scores == {"precision": 1, "recall": 4 / 6, "f1": pytest.approx(0.8)}


def test_nothing_found(scorer):
    assert scorer.scores(np.zeros((3, 4), int)) == {"precision": 0, "recall": 0, "f1": 0}


def test_data_without_gold_arguments_have_no_figures():
    dataset = Dataset.from_list([row(2), row(0, words=("好", "。"))], features=FEATURES)
    scorer = SrlScorer(dataset, [[NO] * 4, [NO, NO]], ROLES)
    predictions = np.array([[A0, NO, NO, A1], [NO, A1, -100, -100]])
    assert scorer.scores(predictions) == {}
    assert [len(one["roles"]) for one in scorer.rows(predictions)] == [2, 1]


def test_padding_is_not_read(scorer):
    short = np.array([[A0, TMP, NO, A1, A1], [A0, NO, NO, NO, A1], [NO, NO, A0, A0, A0]])
    assert scorer.scores(short)["precision"] == 1


def test_rows_hold_words_predicate_roles_and_gold(scorer):
    first, _, third = scorer.rows(np.array([[A0, NO, TMP, NO], [NO, NO, NO, NO], [NO, NO, NO, NO]]))
    assert first == {
        "words": ["他", "昨天", "吃", "鱼"],
        "predicate": {"word": 2, "form": "吃", "sense": "eat.01"},
        "roles": [{"word": 0, "form": "他", "role": "A0"}, {"word": 2, "form": "吃", "role": "AM-TMP"}],
        "gold": [
            {"word": 0, "form": "他", "role": "A0"},
            {"word": 1, "form": "昨天", "role": "AM-TMP"},
            {"word": 3, "form": "鱼", "role": "A1"},
        ],
    }
    assert (third["roles"], third["gold"]) == ([], [])


def test_other_data_are_refused(scorer):
    labels = np.array([[A0, TMP, NO, A1], [A0, NO, NO, NO], [NO, NO, -100, -100]])
    assert scorer(EvalPrediction(labels, labels))["precision"] == 1
    with pytest.raises(ValueError, match="other data"):
        scorer(EvalPrediction(labels, labels[::-1]))

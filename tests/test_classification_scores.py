"""Accuracy, macro and micro F1 against hand-counted cases and scikit-learn's own report."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from hanziformers.training.classification_scores import ClassificationScores

METRIC = ClassificationScores(keep_in_memory=True)


def compute(predictions, references, **options):
    return METRIC.compute(predictions=predictions, references=references, **options)


@pytest.mark.parametrize("label", [str, "abc".__getitem__, int, np.int64])
def test_one_label(label):
    predicted, gold = ([label(number) for number in row] for row in ([0, 1, 1, 1], [0, 0, 1, 2]))
    result = compute(predicted, gold)
    # 0: P 1, R 1/2; 1: P 1/3, R 1; 2: 0
    assert result == {"accuracy": 0.5, "macro_f1": pytest.approx((2 / 3 + 1 / 2 + 0) / 3), "micro_f1": 0.5}


@pytest.mark.parametrize("label", ["abc".__getitem__, int])
def test_the_positive_label(label):
    predicted, gold = ([label(number) for number in row] for row in ([0, 1, 1, 1], [0, 0, 1, 0]))
    result = compute(predicted, gold, positive=label(1))
    assert (result["precision"], result["recall"], result["f1"]) == (pytest.approx(1 / 3), 1.0, 0.5)
    assert compute(predicted[:1], gold[:1], positive=label(1))["f1"] == 0.0


@pytest.mark.parametrize("label", ["abc".__getitem__, int])
def test_several_labels(label):
    predicted, gold = ([[label(n) for n in row] for row in rows] for rows in ([[], [0], [0]], [[], [0], [0, 1]]))
    result = compute(predicted, gold)
    # 0: 1; 1: 0; the third text lacks a label
    assert result == {"accuracy": pytest.approx(2 / 3), "macro_f1": 0.5, "micro_f1": pytest.approx(2 * 2 / (2 + 3))}


def test_where_one_label_or_none_occurs():
    """Of a single label scikit-learn would also score its absence."""
    assert compute([["a"], []], [["a"], ["a"]]) == {"accuracy": 0.5, "macro_f1": 2 / 3, "micro_f1": 2 / 3}
    assert compute([[], []], [["a"], []]) == {"accuracy": 0.5, "macro_f1": 0.0, "micro_f1": 0.0}
    assert compute([[]], [[]], by_label=True) == {"accuracy": 1.0, "macro_f1": 0.0, "micro_f1": 0.0, "by_label": {}}
    assert compute(["a", "a"], ["a", "a"]) == {"accuracy": 1.0, "macro_f1": 1.0, "micro_f1": 1.0}


def test_the_order_of_labels():
    result = compute(["b", "c"], ["b", "b"], labels=["c", "b", "a"], by_label=True)
    assert list(result["by_label"]) == ["c", "b"]  # a does not occur
    assert result["by_label"]["b"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert result["macro_f1"] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match=r"the labels \['c'\] are none of labels=\['b'\]; give all labels"):
        compute(["b", "c"], ["b", "b"], labels=["b"])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_as_scikit_learn_reports_it(pairs):
    predicted, gold = map(list, zip(*pairs, strict=True))
    ours = compute(predicted, gold, by_label=True)
    theirs = classification_report(gold, predicted, output_dict=True, zero_division=0)
    assert ours["accuracy"] == pytest.approx(theirs["accuracy"])
    assert ours["macro_f1"] == pytest.approx(theirs["macro avg"]["f1-score"])
    assert set(ours["by_label"]) == {*predicted, *gold}
    for label, row in ours["by_label"].items():
        assert list(row.values()) == pytest.approx(list(theirs[label].values()))


@pytest.mark.parametrize("pick", [list, np.array])
def test_rows_that_may_be_multi_hot_are_refused(pick):
    """Wrong in every row, they would score 1.0."""
    hot, other = pick([[0, 1, 1], [1, 0, 0]]), pick([[1, 0, 0], [0, 1, 1]])
    with pytest.raises(ValueError, match=r"has 3 values, all 0 or 1, as \[0, 1, 1\].* give names, or ids"):
        compute(hot, other)
    with pytest.raises(ValueError, match="has 2 values, all 0 or 1"):
        compute([[0], [1]], [[0, 1], [1, 0]])
    assert compute([[0, 1], [0, 2]], [[0, 1], [0, 2]])["accuracy"] == 1.0
    assert compute([["0", "1"]], [["1", "0"]])["accuracy"] == 1.0  # names


def test_a_label_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"the row \[2, 2\] names a label twice; give names"):
        compute([[2, 2], [1]], [[2], [1]])
    with pytest.raises(ValueError, match=r"the row \['a', 'a'\] names a label twice"):
        compute([["a"]], [["a", "a"]])


@pytest.mark.parametrize("rows", [[0.6, 1.2], np.array([0.6, 1.0]), [[0.6], [1.0]], np.array([[0.1, 0.9], [0.6, 0.4]])])
def test_floats_are_refused(rows):
    with pytest.raises(ValueError, match=r"0\.[16] is a float, no label; give the names or the ids"):
        compute(rows, [0, 1])
    with pytest.raises(ValueError, match="is a float, no label"):
        METRIC.add(prediction=rows[0], reference=0)


def test_ids_stay_ids_where_the_first_row_is_empty():
    result = compute([[], [0, 2]], [[], [0, 10]], labels=[0, 2, 10], by_label=True)
    assert result["accuracy"] == 0.5
    assert list(result["by_label"]) == ["0", "2", "10"]
    assert compute([[0], []], [[], [0]])["micro_f1"] == 0.0


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows of predictions and references; give one for each text"):
        compute([], [])


def test_names_beside_ids_are_refused():
    with pytest.raises(ValueError, match="don't match the expected format"):
        compute(["a"], [1])

"""The task of classification, and its decisions and scores."""

import numpy as np
import pytest
from datasets import Dataset
from transformers import EvalPrediction

from hanziformers.training.classification_data import ReadReport
from hanziformers.training.classification_task import ClassificationScorer, ClassificationTask
from hanziformers.training.model_loading import ModelArguments


def scorer(gold, labels, multi_label=False):
    return ClassificationScorer(Dataset.from_dict({"text": ["x"] * len(gold), "label": gold}), labels, multi_label)


def test_one_label():
    logits = np.eye(4)[[0, 1, 1, 1]] * 3
    found = scorer(list("aabc"), list("abcd"))
    scores = found(EvalPrediction(predictions=logits, label_ids=np.array([0, 0, 1, 2])))
    # a: P 1, R 1/2; b: P 1/3, R 1; c: 0; d does not occur
    assert scores["accuracy"] == scores["micro_f1"] == 0.5
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found.decide(logits) == list("abbb")
    assert np.allclose(found.probabilities(logits)[0], np.exp([3, 0, 0, 0]) / (np.exp(3) + 3))
    assert list(found.by_label(logits)) == list("abc")
    assert found.by_label(logits)["b"] == {"precision": pytest.approx(1 / 3), "recall": 1.0, "f1": 0.5, "support": 1}


def test_many_labels():
    logits = np.array([[2.0, -1, -9], [0.0, -0.1, -9], [-1e3, -1e3, -1e3]])
    found = scorer([["a"], ["a", "b"], []], list("abc"), multi_label=True)
    gold = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.float32)
    scores = found(EvalPrediction(predictions=logits, label_ids=gold))
    assert found.decide(logits) == [["a"], ["a"], []]  # 0.5 is enough
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["micro_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["macro_f1"] == pytest.approx((1 + 0) / 2)  # c does not occur
    assert set(found.by_label(logits)) == {"a", "b"}
    assert np.isfinite(found.probabilities(logits)).all()


def test_rows_without_label_are_predicted_and_not_scored():
    logits = np.array([[1.0, 0], [0, 1], [0, 1]])
    found = scorer(["a", None, "a"], ["a", "b"])
    assert found.scores(logits)["accuracy"] == 0.5
    assert [row["label"] for row in found.rows(logits)] == ["a", "b", "b"]
    assert [row["gold"] for row in found.rows(logits)] == ["a", None, "a"]
    assert found.rows(logits)[0]["scores"] == {"a": pytest.approx(0.731059), "b": pytest.approx(0.268941)}
    nothing = scorer([None, None, None], ["a", "b"])
    assert nothing.scores(logits) == nothing.by_label(logits) == {}


def test_other_data_are_refused():
    logits = np.array([[1.0, 0], [0, 1]])
    with pytest.raises(ValueError, match="other data"):
        scorer(["a", "b"], ["a", "b"])(EvalPrediction(predictions=logits, label_ids=np.array([1, 0])))


def report(labels, pair=None, unlabelled=0):
    return ReadReport(2, dict.fromkeys(labels, 1), unlabelled, 0, ("text", pair, "label"))


def test_labels_of_all_splits():
    """In the order of the data where all splits have one, else sorted, integers by value."""
    task = ClassificationTask()
    one_order = {"train": report(["z", "a"]), "test": report(["z", "a"]), "validation": report([])}
    assert task.labels({}, one_order) == ["z", "a"]
    assert task.labels({}, {"train": report(["z", "a"]), "test": report(["m"])}) == ["a", "m", "z"]
    assert task.labels({}, {"train": report(["10"]), "test": report(["9", "2"])}) == ["2", "9", "10"]


def test_binary_sets_have_figures_of_the_positive_label():
    """AFQMC's are those of label 1; other names have to be given, and those of one of two labels only."""
    binary, named = ClassificationTask(), ClassificationTask(positive_label="good")
    assert [binary.positive(labels) for labels in (["0", "1"], ["1", "0"], ["1", "2"], ["0", "1", "2"])] == [
        "1", "1", None, None
    ]  # fmt: skip
    assert ClassificationTask(multi_label=True).positive(["0", "1"]) is None
    assert named.positive(["bad", "good"]) == "good"
    for task, labels in ((named, ["bad", "fair"]), (named, ["good", "bad", "fair"])):
        with pytest.raises(ValueError, match="positive_label='good' is not allowed with the labels"):
            task.positive(labels)
    with pytest.raises(ValueError, match="positive_label='1' is not allowed"):
        ClassificationTask(positive_label="1", multi_label=True).score_names(["0", "1"])
    assert binary.score_names(["0", "1"]) == (*binary.scores, "precision", "recall", "f1")
    assert binary.score_names(["a", "b"]) == binary.scores
    logits = np.eye(2)[[1, 1, 1, 0]]
    data = Dataset.from_dict({"text": ["x"] * 4, "label": ["1", "0", "0", "1"]})
    scores = binary.scorer(data, None, ["0", "1"], None).scores(logits)
    assert list(scores) == list(binary.score_names(["0", "1"]))
    assert (scores["precision"], scores["recall"], scores["f1"]) == (pytest.approx(1 / 3), 0.5, pytest.approx(0.4))
    assert binary.scorer(data.select([1]), None, ["0", "1"], None).scores(logits[3:])["f1"] == 0.0  # no 1 at all
    reports = {"train": report(["0", "1"])}
    assert "those of the label 1." in binary.card_fields(["0", "1"], reports, None)["decision"]
    assert "the label" not in ClassificationTask().card_fields(["a", "b"], reports, None)["decision"].split("; ")[0]


def test_splits_that_do_not_fit():
    single = Dataset.from_dict({"text": ["x", "y"], "label": ["a", "b"]})
    lists = Dataset.from_dict({"text": ["x", "y"], "label": [["a"], []]})
    task = ClassificationTask()
    with pytest.raises(ValueError, match="some data are pairs, others are not"):
        task.check({"train": single, "test": single}, {"train": report("ab"), "test": report("ab", "text_pair")})
    with pytest.raises(ValueError, match="the test data have lists of labels: give --multi_label True"):
        task.check({"test": lists}, {"test": report("a")})
    ClassificationTask(multi_label=True).check({"test": lists}, {"test": report("a")})
    with pytest.raises(ValueError, match="no row of the validation data has a label"):
        task.check({"validation": single}, {"validation": report("", unlabelled=2)})
    task.check({"test": single}, {"test": report("", unlabelled=2)})


def test_one_label_teaches_nothing():
    with pytest.raises(ValueError, match=r"have the labels \['x'\]; at least two are needed"):
        ClassificationTask().load_model(ModelArguments(), ["x"], training=True)


def test_groups_of_rows():
    data = Dataset.from_dict({"label": [["b", "a"], [], ["a", "b"], None]})
    task = ClassificationTask(multi_label=True)
    assert task.labelled_rows(data) == [0, 1, 2]
    assert task.strata(data.select([0, 1, 2])) == [("a", "b"), (), ("a", "b")]
    assert ClassificationTask().strata(Dataset.from_dict({"label": ["a", "b"]})) == ["a", "b"]

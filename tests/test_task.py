"""What a task inherits, and the check that predictions are of a scorer's own rows."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from hanziformers.training.classification_task import ClassificationTask
from hanziformers.training.ner_task import NerTask
from hanziformers.training.task import Task, check_same_data


def preprocess(logits):
    return Task.preprocess_logits(NerTask(), logits, None)


def test_all_logits_are_kept_without_states_or_attentions():
    start, end, states = torch.rand(2, 3), torch.rand(2, 3), (torch.rand(2, 3, 4), torch.rand(2, 3, 4))
    kept = preprocess((start, end, states, states))
    assert isinstance(kept, tuple)
    assert [id(part) for part in kept] == [id(start), id(end)]
    assert preprocess((start, states)) is start
    assert preprocess(start) is start


def test_what_a_task_inherits():
    task = NerTask()
    assert (task.callbacks(), task.greater_is_better, task.shortest) == ([], True, 3)
    assert Task.card_fields(task, [], {}, None) == {}
    assert Task.groups(task, "ab") is None
    assert (Task.labels(task, {}, {}), list(Task.labelled_rows(task, "ab")), Task.strata(task, "ab")) == (
        None,
        [0, 1],
        [None, None],
    )
    assert ClassificationTask.shortest == 5  # a pair: three special tokens and one of each text


def test_an_encoder_decoder_has_its_logits_first():
    logits, encoder_states = torch.rand(2, 3), torch.rand(2, 5, 4)
    assert ClassificationTask().preprocess_logits((logits, encoder_states), None) is logits


def test_a_task_without_its_parts_cannot_be_made():
    class Half(Task):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Half()


SAME = [
    (np.array([1, 0]), [1, 0]),
    (np.array([[1, 2, -100], [3, -100, -100]]), [[1, 2], [3]]),
    ((np.array([4, 5]), np.array([6, 7])), ([4, 5], [6, 7])),
    ((np.array([[1, -100]]), np.array([2])), ([[1]], np.array([2]))),
]
OTHER = [
    (np.array([1, 0]), [0, 1]),
    (np.array([1, 0]), [1]),
    (np.array([1]), [1, 0]),
    (np.array([[1, 2]]), [[1, 3]]),
    ((np.array([4, 5]), np.array([6, 7])), ([4, 5], [6, 8])),
    ((np.array([4, 5]), np.array([6, 7])), ([4, 5],)),
    ((np.array([4, 5]),), ([4, 5], [6, 7])),
]


@pytest.mark.parametrize(("given", "own"), SAME)
def test_predictions_of_the_same_data(given, own):
    check_same_data(given, own)


@pytest.mark.parametrize(("given", "own"), OTHER)
def test_predictions_of_other_data_are_refused(given, own):
    with pytest.raises(ValueError, match="the predictions are of other data than the scorer's, or in another order"):
        check_same_data(given, own)


def test_the_texts_of_training_data():
    pairs = Dataset.from_dict({"text": ["银行", "很"], "text_pair": ["行", "忙"], "label": ["0", "1"]})
    assert list(ClassificationTask().training_texts(pairs)) == ["银行", "很", "行", "忙"]
    assert list(NerTask().training_texts(pairs.remove_columns("text_pair"))) == ["银行", "很"]
    assert list(NerTask().training_texts(pairs.select_columns("label"))) == []

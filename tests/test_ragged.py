"""Inputs with an axis of their own: taken out of examples, and written back like the other keys."""

import numpy as np
import pytest
import torch
from transformers import BatchEncoding

from hanziformers.tokenization.ragged import PaddedExamples, fill, without

EXAMPLES = [{"ids": [1, 2], "words": [5]}, {"ids": [3], "words": []}]


@pytest.mark.parametrize("examples", [EXAMPLES, {"ids": [[1, 2], [3]], "words": [[5], []]}])
def test_a_key_is_taken_out(examples):
    assert without(examples, "words") == ({"ids": [[1, 2], [3]]}, [[5], []])
    rest, missing = without(examples, "other")
    assert rest == {"ids": [[1, 2], [3]], "words": [[5], []]}
    assert missing in (None, [None, None])
    assert examples is not rest


def test_one_example():
    assert without(EXAMPLES[0], "words") == ({"ids": [1, 2]}, [5])


def test_what_became_of_examples():
    padded = PaddedExamples.of(torch.tensor([[1, 2, 0], [3, 0, 0]]), left=True)
    assert padded == PaddedExamples([3, 3], True, True, "pt")
    assert padded.rows(None) == [None, None]
    alone = PaddedExamples.of([1, 2, 0], left=False)
    assert (alone, alone.rows([7])) == (PaddedExamples([3], False, False, None), [[7]])
    assert PaddedExamples.of(np.zeros((1, 0)), left=False).batched
    assert not PaddedExamples.of([], left=False).batched


def test_keys_are_written_like_the_others():
    rows = [np.array([[1, 2]]), np.array([[3, 4]])]
    for ids, kind in ((torch.ones(2, 1), torch.Tensor), (np.ones((2, 1)), np.ndarray), ([[1], [1]], list)):
        output = BatchEncoding({})
        PaddedExamples.of(ids, left=False).put(output, "words", rows)
        assert type(output["words"]) is kind
        assert np.array_equal(output["words"], rows)
    output = BatchEncoding({})
    PaddedExamples.of(torch.ones(1), left=False).put(output, "words", rows[:1])
    assert output["words"].tolist() == [[1, 2]]


def test_rows_are_filled_up():
    assert [row.tolist() for row in fill([[1], [], [2, 3]], -1)] == [[1, -1], [-1, -1], [2, 3]]
    spans = fill([[], [[1, 2]]], [0, 0])
    assert [row.tolist() for row in spans] == [[[0, 0]], [[1, 2]]]
    assert fill([[], []], [0, 0])[0].shape == (0, 2)
    assert fill([[]], -1)[0].dtype == np.int64

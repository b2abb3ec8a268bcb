"""Rows of tokens: which positions take part, and there and back again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hanziformers.modeling.token_rows import TokenRows, is_token, takes_part

PAD, CLS, SEP = 0, 2, 3


def test_special_tokens_are_left_out_wherever_they_stand():
    """Padding on either side, pairs, a special token in the middle, a text without tokens."""
    ids = torch.tensor([[2, 7, 8, 3, 9, 3], [0, 0, 2, 7, 8, 3], [2, 7, 2, 3, 3, 8], [2, 3, 0, 0, 0, 0]])
    found = takes_part(ids, (ids != PAD).long(), [PAD, CLS, SEP])
    assert found.int().tolist() == [[0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1], [0] * 6]
    rows = TokenRows(found)
    assert rows.gather(ids)[rows.mask].tolist() == [7, 8, 9, 7, 8, 7, 8]
    assert rows.mask.sum(1).tolist() == [2, 1, 2, 1, 1]
    assert rows.text.tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("shape", [None, (2, 1, 3, 3)])
def test_a_mask_of_who_sees_whom_leaves_nothing_out(shape):
    mask = None if shape is None else torch.zeros(shape)
    assert takes_part(torch.tensor([[2, 7, 3]] * 2), mask, [2]).int().tolist() == [[0, 1, 1]] * 2
    assert takes_part(torch.tensor([[2, 7, 3]]), torch.tensor([[1, 0, 1]]), []).int().tolist() == [[1, 0, 1]]


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(1, 7), st.data())
def test_there_and_back(batch, length, data):
    bits = data.draw(st.lists(st.booleans(), min_size=batch * length, max_size=batch * length))
    part = torch.tensor(bits).view(batch, length)
    values = torch.randn(batch, length, 2, requires_grad=True)
    rows = TokenRows(part)
    gathered = rows.gather(values, -7)
    assert gathered.shape == (*rows.mask.shape, 2)
    assert (gathered[~rows.mask] == -7).all()
    assert not (rows.mask[:, 1:] & ~rows.mask[:, :-1]).any()
    back = rows.scatter(gathered, torch.tensor([5.0, 6.0]))
    assert torch.equal(back[part], values[part])
    assert (back[~part] == torch.tensor([5.0, 6.0])).all()
    back[part].sum().backward()
    assert torch.equal(values.grad, part[..., None].expand_as(values).float())
    # one row for each run of positions, and one that is empty where there is none
    runs = sum(len([run for run in "".join("x" if bit else " " for bit in row).split()]) for row in part.tolist())
    assert len(rows.mask) == max(1, runs)


def test_tokens_are_where_the_mask_says():
    vectors, mask = torch.zeros(2, 3, 5), torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert is_token(vectors, mask).tolist() == [[True, True, False], [False, True, True]]
    assert is_token(vectors, mask.bool()).tolist() == is_token(vectors, mask).tolist()
    assert is_token(vectors, None).all()
    assert is_token(vectors, torch.zeros(2, 1, 3, 3)).shape == (2, 3)  # who sees whom

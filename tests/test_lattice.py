"""The words of a batch by the steps at which they are read."""

import pytest
import torch

from hanziformers.modeling.lattice import read_lattice

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
STEPS = torch.arange(5).expand(2, 5)
BACKWARDS = torch.tensor([[4, 3, 2, 1, 0], [2, 1, 0, 3, 4]])
IDS = torch.tensor([[3, 1, -1, 4], [-1, 2, 3, -7]])
SPANS = torch.tensor([[[0, 4], [0, 1], [9, 9], [2, 4]], [[-5, 0], [0, 1], [1, 2], [3, 2]]])


def words(lattice):
    """(id, row, begin, end) of every word, read from all fields."""
    begins = [step for step, count in enumerate(lattice.begin_counts) for _ in range(count)]
    ends = [end for pairs in lattice.starting for end, count in pairs for _ in range(count)]
    assert ends == lattice.ends.tolist()
    assert lattice.end_counts == [ends.count(step) for step in range(len(lattice.end_counts))]
    assert [sum(count for _, count in pairs) for pairs in lattice.starting] == lattice.begin_counts
    return list(zip(lattice.ids.tolist(), lattice.rows.tolist(), begins, ends, strict=True))


def test_words_are_sorted_by_start_and_end():
    lattice = read_lattice(MASK, STEPS, IDS, SPANS, 5)
    assert words(lattice) == [(1, 0, 0, 1), (2, 1, 0, 1), (3, 0, 0, 4), (3, 1, 1, 2), (4, 0, 2, 4)]
    assert lattice.starting == [[(1, 2), (4, 1)], [(2, 1)], [(4, 1)], [], []]


def test_read_backwards():
    lattice = read_lattice(MASK, BACKWARDS, IDS, SPANS, 5)
    assert words(lattice) == [(3, 1, 0, 1), (4, 0, 0, 2), (3, 0, 0, 4), (2, 1, 1, 2), (1, 0, 3, 4)]


@pytest.mark.parametrize("count", [0, 3])
def test_no_words(count):
    lattice = read_lattice(MASK, STEPS, torch.full((2, count), -1), torch.zeros(2, count, 2, dtype=torch.long), 5)
    assert words(lattice) == []
    assert lattice.begin_counts == lattice.end_counts == [0] * 5


@pytest.mark.parametrize("span", [(0, 5), (-1, 2), (3, 1), (2, 2), (7, 9), (-9, -8), (5, 0)])
def test_spans_outside_are_refused(span):
    spans = torch.tensor([[[0, 1], span]])
    with pytest.raises(ValueError, match=rf"holds \({span[0]}, {span[1]}\) in row 0.*its positions are 0 to 4"):
        read_lattice(MASK[:1], STEPS[:1], torch.tensor([[0, 0]]), spans, 5)
    padding = torch.tensor([[0, -1]])  # whose spans are not read
    assert words(read_lattice(MASK[:1], STEPS[:1], padding, spans, 5)) == [(0, 0, 0, 1)]


@pytest.mark.parametrize("row", [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]])
def test_words_over_padding_are_refused(row):
    mask, ids = torch.tensor([[1] * 5, row]).bool(), torch.tensor([[-1], [0]])
    for start in range(5):
        for end in range(start + 1, 5):
            spans = torch.tensor([[[0, 0]], [[start, end]]])
            if all(row[start : end + 1]):
                assert words(read_lattice(mask, STEPS, ids, spans, 5)) == [(0, 1, start, end)]
            else:
                with pytest.raises(ValueError, match=rf"\({start}, {end}\) in row 1.*two or more characters"):
                    read_lattice(mask, STEPS, ids, spans, 5)


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match=r"word_ids holds 4; allowed are 0 to 3 \(words of the lexicon\)"):
        read_lattice(MASK, STEPS, IDS, SPANS, 4)

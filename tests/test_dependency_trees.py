"""The best tree against every tree there is, and against networkx."""

import itertools
import time
from functools import cache

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hanziformers.modeling.dependency_trees import decode_heads

INF = float("inf")


def is_tree(heads):
    """The slow obvious way: one word on the root, and from every word up to it."""
    for word in range(1, len(heads) + 1):
        for _ in heads:
            word = heads[word - 1] if word else 0
        if word:
            return False
    return list(heads).count(0) == 1


@cache
def all_trees(words):
    return [heads for heads in itertools.product(range(words + 1), repeat=words) if is_tree(heads)]


def value(scores, heads):
    """Fewest forbidden arcs first, then the sum of the others."""
    taken = [scores[word, head] for word, head in enumerate(heads, 1)]
    return -taken.count(-INF), sum(score for score in taken if score != -INF)


def by_brute_force(scores):
    """The first of the best trees, as lists are sorted; exact for integers."""
    trees = all_trees(len(scores) - 1)
    best = max(value(scores, heads) for heads in trees)
    return next(list(heads) for heads in trees if value(scores, heads) == best)


def decode(scores):
    return decode_heads(np.asarray(scores)[None], [len(scores) - 1])[0, 1:].tolist()


def squares(elements, most=5, least=1):
    sizes = st.integers(least + 1, most + 1)
    return sizes.flatmap(lambda size: arrays(np.float64, (size, size), elements=elements))


@given(squares(st.integers(-2, 2) | st.just(-INF)))
def test_is_the_first_of_the_best_trees(scores):
    assert decode(scores) == by_brute_force(scores)


@pytest.mark.parametrize("seed", range(3))
def test_six_words_against_all_trees(seed):
    scores = np.random.default_rng(seed).integers(-9, 9, (7, 7)).astype(float)
    assert decode(scores) == by_brute_force(scores)


def by_networkx(scores):
    """The best of the best trees in which a given word hangs on the root."""
    size, best = len(scores), -INF
    for top in range(1, size):
        graph = networkx.DiGraph()
        graph.add_edge(0, top, weight=scores[top, 0])
        pairs = itertools.permutations(range(1, size), 2)
        graph.add_weighted_edges_from((head, word, scores[word, head]) for word, head in pairs)
        tree = networkx.maximum_spanning_arborescence(graph)
        best = max(best, sum(weight for *_, weight in tree.edges.data("weight")))
    return best


@settings(max_examples=40)
@given(squares(st.floats(-50, 50, width=32), most=9))
def test_is_as_good_as_networkx(scores):
    heads = decode(scores)
    assert is_tree(heads)
    assert value(scores, heads) == (0, pytest.approx(by_networkx(scores), rel=1e-9, abs=1e-6))


@pytest.mark.parametrize("kind", ["normal", "near"])
def test_a_long_sentence_is_as_good_as_networkx(kind):
    scores = np.random.default_rng(3).normal(size=(19, 19))
    if kind == "near":  # words want their neighbours: cycles within cycles
        scores = scores / 100 - np.abs(np.arange(19)[:, None] - np.arange(19))
    heads = decode(scores)
    assert is_tree(heads)
    assert value(scores, heads)[1] == pytest.approx(by_networkx(scores))


def test_cycles_inside_of_cycles():
    scores = np.full((5, 5), -9.0)
    scores[1, 2] = scores[2, 1] = 9
    scores[3, 1] = scores[1, 3] = 5  # 1, 2 and 3 want each other, and 4 hangs on them
    scores[4, 3], scores[:, 0] = 1, [0, -7, -8, -4, -20]
    assert decode(scores) == by_brute_force(scores) == [3, 1, 0, 3]


@pytest.mark.parametrize("words", [1, 2, 3, 40])
def test_equal_scores_give_the_first_tree(words):
    assert decode(np.zeros((words + 1, words + 1))) == [0, *[1] * (words - 1)]
    assert decode(np.full((words + 1, words + 1), -INF)) == [0, *[1] * (words - 1)]


def test_one_word_hangs_on_the_root_however_bad_that_is():
    assert decode([[0, 0], [-1e9, 5]]) == [0]
    assert decode([[0, 0], [-INF, 5]]) == [0]
    assert decode([[0, 0, 0], [100, 0, 1], [100.5, 1, 0]]) == [2, 0]  # both want the root: one gets it


def test_forbidden_arcs_are_taken_only_where_there_is_no_other_way():
    scores = np.array([[0, 0, 0], [-INF, 0, 1e6], [1.0, -INF, 0]])
    assert decode(scores) == [2, 0]
    scores[2, 0] = -INF  # now one of the two must be: the fewest
    assert decode(scores) == [2, 0]


def test_crossing_arcs():
    scores = np.zeros((5, 5))
    scores[1, 3] = scores[2, 4] = scores[3, 4] = scores[4, 0] = 1
    assert decode(scores) == [3, 4, 4, 0]


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(0, 2), st.booleans())
def test_sentences_of_a_batch_do_not_see_each_other_nor_padding(lengths, more, tied):
    rng, width = np.random.default_rng(1), max(lengths, default=0) + more + 1
    scores = rng.integers(0, 2, (len(lengths), width, width)).astype(float)
    if not tied:
        scores += rng.normal(size=scores.shape)
    alone = [decode(square[: length + 1, : length + 1]) for square, length in zip(scores, lengths, strict=True)]
    for square, length in zip(scores, lengths, strict=True):
        square[length + 1 :] = np.nan  # what is not read may hold anything
        square[:, length + 1 :] = INF
        square[0] = np.nan
        np.fill_diagonal(square, np.nan)
    heads = decode_heads(scores, lengths)
    assert heads.dtype == np.int64
    assert heads.tolist() == [[-1, *found, *[-1] * (width - 1 - len(found))] for found in alone]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors(dtype):
    scores = torch.tensor([[[0, 0, 0], [1, 0, 9], [5, 9, 0]]], dtype=dtype, requires_grad=True)
    heads = decode_heads(scores, torch.tensor([2]))
    assert heads.dtype == torch.int64
    assert heads.tolist() == [[-1, 2, 0]]
    assert decode_heads(scores[:0], torch.zeros(0)).shape == (0, 3)


def test_scores_stay_as_they_are():
    scores = np.zeros((1, 4, 4))
    scores[0, 1, 2] = -INF
    before = scores.copy()
    decode_heads(scores, [3])
    assert (scores == before).all()


@pytest.mark.parametrize(
    ("scores", "lengths", "message"),
    [
        (np.zeros((3, 3)), [2], r"scores have the shape \(3, 3\); needed is \[B, L \+ 1, L \+ 1\]"),
        (np.zeros((1, 3, 2)), [1], r"shape \(1, 3, 2\)"),
        (np.zeros((1, 0, 0)), [0], r"shape \(1, 0, 0\)"),
        (np.zeros((2, 3, 3)), [2], r"lengths are int64 of the shape \(1,\); needed is one integer for each of 2"),
        (np.zeros((1, 3, 3)), [2.0], "lengths are float64"),
        (np.zeros((2, 3, 3)), [2, 3], "lengths hold 3; allowed are 0 to 2"),
        (np.zeros((2, 3, 3)), [-1, 2], "lengths hold -1; allowed are 0 to 2"),
        (np.full((1, 3, 3), np.nan), [2], r"scores\[0, 1, 0\] is nan; allowed are numbers .* and -inf"),
        (np.full((1, 3, 3), INF), [2], r"scores\[0, 1, 0\] is inf"),
        (np.full((1, 3, 3), 1e301), [2], r"scores\[0, 1, 0\] is 1e\+301; allowed are numbers from -1e\+300 to 1e"),
    ],
)
def test_what_is_refused(scores, lengths, message):
    with pytest.raises(ValueError, match=message):
        decode_heads(scores, lengths)


def test_long_sentences_are_decoded_in_time():
    """111 words, the longest sentence of UD GSD, take 5 to 10 ms; thousands recurse nowhere."""
    rng, times = np.random.default_rng(0), []
    for scores in rng.normal(size=(5, 1, 112, 112)):
        start = time.process_time()
        decode_heads(scores, [111])
        times.append(time.process_time() - start)
    assert min(times) < 0.02
    near = -np.abs(np.arange(701)[:, None] - np.arange(701)) + rng.normal(size=(701, 701)) / 100
    assert is_tree(decode(near))

"""k-order pruning: the fast way equals a slow obvious one, on random trees, and words come back to their places."""

import pytest
import torch

from hanziformers.modeling.srl import KeptWords, check_predicates, pruning_orders


def random_heads(length, generator):
    """A random tree: every word but the first of a random order hangs on one that comes before it."""
    order = torch.randperm(length, generator=generator).tolist()
    heads = [0] * length
    for place, word in enumerate(order[1:], 1):
        heads[word] = 1 + order[int(torch.randint(place, (1,), generator=generator))]
    return heads


def kept_slowly(heads, predicate, order):
    """The rule as it is written: climb head by head, and keep the descendants of every word that is visited."""
    visited, word = [], predicate + 1
    while word:
        visited.append(word)
        word = heads[word - 1]
    kept = set(visited)
    for start in visited:
        generation = {start}
        for _ in range(order):
            generation = {word for word, head in enumerate(heads, 1) if head in generation}
            kept |= generation
    return [word in kept for word in range(1, len(heads) + 1)]


def batch(sentences):
    longest = max(map(len, sentences))
    heads = torch.tensor([[*heads, *[-100] * (longest - len(heads))] for heads in sentences])
    return heads, torch.arange(longest) < torch.tensor([[len(heads)] for heads in sentences])


@pytest.mark.parametrize("order", [0, 1, 2, 3, 7])
def test_equals_the_rule_as_it_is_written(order):
    generator = torch.Generator().manual_seed(order)
    lengths = [1, 2, 3, 4, 7, 8, 9, 16, 30, 31] * 4
    sentences = [random_heads(length, generator) for length in lengths]
    predicate = torch.tensor([int(torch.randint(length, (1,), generator=generator)) for length in lengths])
    heads, mask = batch(sentences)
    orders = pruning_orders(heads, predicate, mask)
    for row, length in enumerate(lengths):
        expected = kept_slowly(sentences[row], int(predicate[row]), order)
        assert (orders[row] <= order)[:length].tolist() == expected
    assert orders[~mask].eq(heads.shape[1]).all()  # no k keeps padding: a word is at most T - 1 steps away


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65])
def test_a_chain_is_climbed_to_its_end(length):
    heads, mask = batch([list(range(length))])  # the head of each word is the one before it
    last = pruning_orders(heads, torch.tensor([length - 1]), mask)
    first = pruning_orders(heads, torch.tensor([0]), mask)
    assert last.tolist() == [[0] * length]
    assert first.tolist() == [list(range(length))]


def test_a_sentence_counted_by_hand():
    # 他(2) 说(0) 小(4) 猫(5) 爱(2) 吃(5) 鲜(8) 鱼(6): the predicate is 吃, its path 吃 爱 说
    orders = pruning_orders(torch.tensor([[2, 0, 4, 5, 2, 5, 8, 6]]), torch.tensor([5]), torch.ones(1, 8).bool())
    assert orders.tolist() == [[1, 0, 2, 1, 0, 0, 2, 1]]


@pytest.mark.parametrize(
    ("heads", "predicate", "message"),
    [
        ([2, 1, 0], 0, r"the heads \[2, 1, 0\] of sentence 1 go round in a circle"),
        ([2, 3, 1], 0, "go round in a circle"),
        ([1, 0, 2], 1, "go round in a circle"),  # beside the path, too
        ([0, 0, 1], 0, "have 2 roots"),
        ([2, 0, 4], 0, r"word 3 of sentence 1 has the head 4; allowed is 1 to 3"),
        ([2, 0, -1], 0, "word 3 of sentence 1 has the head -1"),
        ([2, 0, 2], 3, "the predicate of sentence 1 is word 3, and the sentence has 3 words"),
        ([2, 0, 2], -1, "the predicate of sentence 1 is word -1"),
    ],
)
def test_what_is_no_tree_is_refused(heads, predicate, message):
    heads, mask = batch([[0, 1, 2, 3], heads])
    with pytest.raises(ValueError, match=message):
        pruning_orders(heads, torch.tensor([3, predicate]), mask)


def test_predicates_are_words_of_their_sentence():
    mask = torch.tensor([[True, True, False]])
    with pytest.raises(ValueError, match=r"predicate has the shape \(1, 1\); needed is \(1,\)"):
        check_predicates(torch.tensor([[0]]), mask)
    with pytest.raises(ValueError, match="a 0 before a 1; padding has to follow"):
        check_predicates(torch.tensor([0]), mask.flip(1))
    with pytest.raises(ValueError, match="has 0 words"):
        check_predicates(torch.tensor([0]), mask & False)


def test_heads_of_padding_are_not_read():
    heads, mask = batch([[0, 1, 2, 3], [2, 0]])
    predicate = torch.tensor([3, 0])
    expected = pruning_orders(heads, predicate, mask)
    assert torch.equal(pruning_orders(heads.masked_fill(~mask, 4), predicate, mask), expected)
    assert torch.equal(pruning_orders(heads.masked_fill(~mask, 0), predicate, mask), expected)


def test_kept_words_are_read_together_and_come_back():
    keep = torch.tensor([[True, False, True, False], [False, False, False, True]])
    kept, values = KeptWords(keep), torch.arange(24.0).view(2, 4, 3)
    rows = kept.gather(values, -1)
    assert kept.mask.tolist() == [[True, True], [True, False]]
    expected = torch.stack([values[0, [0, 2]], torch.stack([values[1, 3], torch.full((3,), -1.0)])])
    assert torch.equal(rows, expected)
    fill = torch.tensor([7.0, 8, 9])
    assert torch.equal(kept.scatter(rows, fill), torch.where(keep[..., None], values, fill))
    ids = torch.arange(8).view(2, 4)
    assert torch.equal(kept.gather(ids), torch.tensor([[0, 2], [7, 0]]))
    assert kept.gather(ids[..., None, None].expand(2, 4, 2, 3)).shape == (2, 2, 2, 3)


def test_a_batch_that_keeps_nothing_has_one_empty_place():
    kept = KeptWords(torch.zeros(2, 3, dtype=torch.bool))
    assert kept.mask.tolist() == [[False], [False]]
    assert kept.scatter(kept.gather(torch.ones(2, 3, 4))).eq(0).all()
    assert kept.gather(torch.ones(2, 3, 0)).shape == (2, 1, 0)


def test_the_pruned_words_get_no_gradient():
    values = torch.ones(1, 3, 2, requires_grad=True)
    kept = KeptWords(torch.tensor([[True, False, True]]))
    kept.scatter(kept.gather(values)).sum().backward()
    assert values.grad[0, :, 0].tolist() == [1, 0, 1]

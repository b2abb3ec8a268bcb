"""BiMPM against plain loops over the words of one pair, as the paper writes them, whatever stands beside the pair."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hanziformers.modeling.bimpm import BiMpmLayers, MultiPerspectiveMatching, end_states, logger, split_pair

WIDTH, PERSPECTIVES = 5, 3
LENGTHS = [(4, 6), (1, 1), (7, 2), (1, 5)]


def cosine(one, other):
    return F.cosine_similarity(one, other, dim=-1)


def plain_matching(first, second, weights, direction):
    """Four matchings of each word of `first` [T1, h] with `second` [T2, h], Eq. 5 to 7 and "max-attentive"."""
    full, maxpool, mean, highest = weights[direction::2]
    rows = []
    for word in first:
        alike = torch.stack([cosine(word, other) for other in second])
        each = torch.stack([cosine(maxpool * word, maxpool * other) for other in second])
        end = second[0] if direction else second[-1]
        attended = sum(score * other for score, other in zip(alike, second, strict=True)) / alike.sum().clamp(min=1e-8)
        nearest = second[alike.argmax()]
        found = [cosine(full * word, full * end), each.max(0).values, cosine(mean * word, mean * attended)]
        rows.append(torch.stack([*found, cosine(highest * word, highest * nearest)]))
    return torch.stack(rows)  # [T1, 4, l]


def plain_pair(first, second, weights):
    """Both sentences of one pair: [T1, 8l] and [T2, 8l], W_1 to W_8 in order."""
    sides = []
    for own, other in ((first, second), (second, first)):
        states = zip(own.chunk(2, -1), other.chunk(2, -1), strict=True)
        both = [plain_matching(*pair, weights, direction) for direction, pair in enumerate(states)]
        sides.append(torch.stack(both, 2).flatten(1))  # [T, 4, 2, l]
    return sides


def batch_of(lengths, width=2 * WIDTH, filling=7.0):
    """Random sentences of both sides, padded with `filling`, and their masks."""
    sides = []
    for side in zip(*lengths, strict=True):
        mask = torch.arange(max(side)) < torch.tensor(side)[:, None]
        rows = torch.randn(len(side), max(side), width, dtype=torch.float64).masked_fill(~mask[..., None], filling)
        sides += [rows.requires_grad_(), mask]
    return sides


def test_equal_to_plain_loops_with_gradients():
    module = MultiPerspectiveMatching(WIDTH, PERSPECTIVES).double()
    first, first_mask, second, second_mask = batch_of(LENGTHS)
    found = module(first, first_mask, second, second_mask)
    assert [side.shape for side in found] == [(4, 7, 24), (4, 6, 24)]
    wanted = []
    for row, (one, other) in enumerate(LENGTHS):
        pair = plain_pair(first[row, :one], second[row, :other], module.perspectives)
        for side, part, length in zip(found, pair, (one, other), strict=True):
            torch.testing.assert_close(side[row, :length], part)
            assert not side[row, length:].any()
        wanted += pair
    scales = [torch.randn_like(part) for part in wanted]
    plain = sum((part * scale).sum() for part, scale in zip(wanted, scales, strict=True))
    ours = sum(
        (found[side][row, : LENGTHS[row][side]] * scales[2 * row + side]).sum() for row in range(4) for side in (0, 1)
    )
    leaves = (first, second, module.perspectives)
    for one, other in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(plain, leaves), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("filling", [0.0, 100.0, float("inf"), float("nan")])
def test_padding_changes_nothing(filling):
    module = MultiPerspectiveMatching(WIDTH, PERSPECTIVES).double()
    torch.manual_seed(1)
    first, first_mask, second, second_mask = batch_of(LENGTHS, filling=filling)
    found = module(first, first_mask, second, second_mask)
    for row, (one, other) in enumerate(LENGTHS):
        masks = first_mask[row : row + 1, :one], second_mask[row : row + 1, :other]
        alone = module(first[row : row + 1, :one], masks[0], second[row : row + 1, :other], masks[1])
        for side, part in zip(found, alone, strict=True):
            torch.testing.assert_close(side[row, : part.shape[1]], part[0])


def test_a_sentence_without_words_is_matched_with_nothing():
    module = MultiPerspectiveMatching(WIDTH, PERSPECTIVES).double()
    first, first_mask, second, second_mask = batch_of([(3, 0), (0, 2), (0, 0), (3, 2)])
    found = module(first, first_mask, second, second_mask)
    assert [bool(side[row].any()) for row in range(4) for side in found] == [False] * 6 + [True] * 2
    torch.stack([side.sum() for side in found]).sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in (first, second, module.perspectives))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_vectors_of_zero_give_finite_gradients(dtype):
    """Dropout makes them, and 1 / 0, or 1 / 1e-8, would be the end of a training."""
    module = MultiPerspectiveMatching(WIDTH, PERSPECTIVES).to(dtype)
    first, second = torch.randn(1, 4, 2 * WIDTH, dtype=dtype), torch.randn(1, 3, 2 * WIDTH, dtype=dtype)
    first[0, 1], second[0, 0] = 0, 0
    first.requires_grad_()
    mask = torch.ones(1, 4, dtype=torch.bool)
    found = module(first, mask, second, mask[:, :3])
    assert not found[0][0, 1].any()
    sum(side.float().sum() for side in found).backward()
    assert first.grad.abs().max() < 100
    assert module.perspectives.grad.abs().max() < 100


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("size", [1, 0.05])
def test_fp16_is_near_float32(size, autocast):
    """States of an LSTM are small at first: their squares are none in fp16."""
    module = MultiPerspectiveMatching(50, 20)
    first, second = size * torch.randn(2, 6, 100), size * torch.randn(2, 5, 100)
    masks = [torch.ones(side.shape[:2], dtype=torch.bool) for side in (first, second)]
    wanted = module(first, masks[0], second, masks[1])
    if not autocast:
        module, first, second = module.half(), first.half(), second.half()
    first.requires_grad_()
    with torch.autocast("cpu", dtype=torch.float16, enabled=autocast):
        found = module(first, masks[0], second, masks[1])
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == first.dtype
        torch.testing.assert_close(one.float(), other, atol=2e-3, rtol=0)
    sum(side.float().square().sum() for side in found).backward()
    assert first.grad.isfinite().all()
    assert module.perspectives.grad.isfinite().all()


def test_no_tensor_of_all_pairs_is_kept_for_the_backward_pass():
    """B x T1 x T2 x l cosines are made, but neither they nor the products B x T1 x T2 x h stay."""
    module, kept = MultiPerspectiveMatching(8, 6), []
    rows, mask = torch.randn(2, 30, 16, requires_grad=True), torch.ones(2, 30, dtype=torch.bool)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: kept.append(saved.numel()) or saved, lambda saved: saved
    ):
        module(rows, mask, rows.flip(1), mask)
    assert max(kept) < 2 * 30 * 30 * 6


def test_end_states_are_those_of_the_true_length():
    states, mask = torch.arange(12.0).view(3, 4, 1), torch.arange(4) < torch.tensor([2, 4, 0])[:, None]
    assert end_states(states, mask, 0).flatten().tolist() == [1, 7, 8]
    assert end_states(states, mask, 1).flatten().tolist() == [0, 4, 8]


# ---------------------------------------------------------------------------------------------- the layers around it


def lstm_of(layer):
    """torch's own bidirectional LSTM with the weights of a BiLSTM."""
    lstm = nn.LSTM(layer.forwards.input_size, layer.width // 2, batch_first=True, bidirectional=True).double()
    state = dict(layer.forwards.state_dict())
    lstm.load_state_dict(state | {f"{name}_reverse": value for name, value in layer.backwards.state_dict().items()})
    return lstm


def plain_layers(layers, first, second):
    """The words [T1 + T2, 2h] and the vector of one pair of sentences [T, W] without padding."""
    sides, width = [first[None], second[None]], layers.dense.in_features // 4
    for layer in layers.context.layer:
        sides = [lstm_of(layer)(side)[0] for side in sides]
    features = plain_pair(sides[0][0], sides[1][0], layers.matching.perspectives)
    states = [lstm_of(layers.aggregation)(side[None])[0][0] for side in features]
    ends = [part for side in states for part in (side[-1, :width], side[0, width:])]
    return torch.cat(states), torch.tanh(layers.dense(torch.cat(ends)))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_layers_are_equal_to_plain_ones_on_each_pair_alone(num_layers):
    """The words of either sentence may stand anywhere, padding may hold anything, and one batch holds all lengths."""
    layers = BiMpmLayers(6, 2 * WIDTH, PERSPECTIVES, 4, num_layers).double().eval()
    vectors = torch.randn(4, 13, 6, dtype=torch.float64)
    first, second = torch.zeros(2, 4, 13, dtype=torch.bool)
    for row, (one, other) in enumerate(LENGTHS):
        start = row  # nothing stands in front of the first pair
        first[row, start : start + one] = True
        second[row, start + one + row % 2 : start + one + row % 2 + other] = True
    vectors[~(first | second)] = float("nan")
    vectors.requires_grad_()
    words, pairs = layers(vectors, first, second)
    assert (words.shape, pairs.shape) == ((4, 13, 2 * WIDTH), (4, 4))
    assert not words[~(first | second)].any()
    for row in range(4):
        wanted = plain_layers(layers, vectors[row, first[row]], vectors[row, second[row]])
        torch.testing.assert_close(words[row, first[row] | second[row]], wanted[0])
        torch.testing.assert_close(pairs[row], wanted[1])
    (words.sum() + pairs.sum()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in layers.parameters())
    assert vectors.grad.isfinite().all()


def test_order_of_the_sentences_matters_and_dropout_is_behind_every_part():
    layers = BiMpmLayers(6, 2 * WIDTH, PERSPECTIVES, 4, dropout=0.5).eval()
    vectors, first = torch.randn(2, 9, 6), torch.arange(9) < torch.tensor([4, 5])[:, None]
    straight, turned = layers(vectors, first, ~first), layers(vectors, ~first, first)
    torch.testing.assert_close(straight[0], turned[0])
    assert (straight[1] - turned[1]).abs().max() > 1e-3
    calls = []
    layers.dropout.register_forward_hook(lambda *_: calls.append(1))
    assert not torch.equal(layers.train()(vectors, first, ~first)[1], straight[1])
    assert len(calls) == 2
    assert layers.context.dropout.p == 0.5


def test_a_batch_without_any_word():
    layers = BiMpmLayers(6, 2 * WIDTH, PERSPECTIVES, 4).eval()
    nothing = torch.zeros(2, 0, dtype=torch.bool)
    words, pairs = layers(torch.zeros(2, 0, 6), nothing, nothing)
    assert words.shape == (2, 0, 10)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    torch.testing.assert_close(pairs, layers(torch.randn(2, 3, 6), nothing, nothing)[1])


# ---------------------------------------------------------------------------------------------- pairs


def test_types_tell_the_sentences_apart():
    types, part = torch.tensor([[0, 0, 1, 0], [1, 0, 1, 1]]), torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]]) > 0
    first, second = split_pair(types, part, some_empty=False)
    assert first.int().tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]
    assert second.int().tolist() == [[0, 0, 1, 0], [0, 0, 1, 1]]


def test_what_is_no_pair_is_refused():
    types, part = torch.tensor([[0, 1], [0, 0], [0, 1]]), torch.tensor([[1, 1], [1, 1], [1, 0]]) > 0
    message = r"2 of 3 texts are no pairs: text 1 has no token of type 1\. BiMPM .*: pass tokenizer\(text, pair\)"
    with pytest.raises(ValueError, match=message):
        split_pair(types, part, some_empty=False)
    assert split_pair(types, part, some_empty=True)[1].sum() == 1
    with pytest.raises(ValueError, match=r"token_type_ids are missing\. BiMPM"):
        split_pair(None, part, some_empty=True)
    assert not split_pair(types[:1], part[:1] & False, some_empty=True)[0].any()  # empty texts: nothing tells


@pytest.mark.parametrize("rows", [slice(1, 2), slice(2, 3), slice(1, 3)])
def test_second_sentences_may_be_empty_in_any_batch(rows, warnings):
    types, part = torch.tensor([[0, 1], [0, 0], [0, 1]]), torch.tensor([[1, 1], [1, 1], [1, 0]]) > 0
    logger.warning_once.cache_clear()
    wanted, found = split_pair(types, part, some_empty=True), split_pair(types[rows], part[rows], some_empty=True)
    assert [side.tolist() for side in found] == [side[rows].tolist() for side in wanted]
    assert len(warnings) == 1
    assert "no text of a batch has a second sentence (tokens of type 1)" in warnings[0]

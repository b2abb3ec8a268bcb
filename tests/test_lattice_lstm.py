"""The batched LSTM of lattices against the published loop, word by word, and against reference vectors."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from hanziformers.modeling.lattice_lstm import LatticeLSTM

FOLDER = os.environ.get("HANZIFORMERS_ORACLES")
oracle = pytest.mark.skipif(not FOLDER, reason="HANZIFORMERS_ORACLES does not name the folder of reference vectors")


def make(size=5, hidden=4, word_size=3, words=7, **options):
    """A model in float64 in which every weight is random, so that none hides another."""
    model = LatticeLSTM(size, hidden, word_size, words, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.8, 0.8)
    return model


def read_text(model, vectors, words):
    """The published loop over one text: h and c [n, H] of vectors [n, D] with words (id, first, last)."""
    cells, word_cells, size = model.rnn, model.word_rnn, model.hidden_size
    count, found = len(vectors), {}
    h = c = vectors.new_zeros(size)
    ending = {step: [] for step in range(count)}
    for position in reversed(range(count)) if model.reverse else range(count):
        x = vectors[position]
        i, o, g = (x @ cells.weight_ih + h @ cells.weight_hh + cells.bias).split(size)
        i, o, g = i.sigmoid(), o.sigmoid(), g.tanh()
        if ending[position]:
            candidates = torch.stack(ending[position])  # [words, H]
            alphas = x @ cells.alpha_weight_ih + candidates @ cells.alpha_weight_hh + cells.alpha_bias
            weights = torch.cat([i[None], alphas.sigmoid()]).softmax(0)
            c = (weights * torch.cat([g[None], candidates])).sum(0)
        else:
            c = (1 - i) * c + i * g
        h = o * c.tanh()
        found[position] = (h, c)
        for word, first, last in words:
            start, end = (last, first) if model.reverse else (first, last)
            if start == position:
                e = model.word_emb.weight[word]
                f, i, g = (e @ word_cells.weight_ih + h @ word_cells.weight_hh + word_cells.bias).split(size)
                ending[end].append(f.sigmoid() * c + i.sigmoid() * g.tanh())
    return tuple(torch.stack([found[position][part] for position in range(count)]) for part in (0, 1))


def read_batch(model, inputs, mask, words):
    """The loop over a batch; `words` are lists of (id, first, last) by position."""
    hidden, cell = (inputs.new_zeros(*mask.shape, model.hidden_size) for _ in range(2))
    for row, kept in enumerate(mask.bool()):
        positions = kept.nonzero().flatten()
        if len(positions):
            first = int(positions[0])
            moved = [(word, start - first, end - first) for word, start, end in words[row]]
            for whole, part in zip((hidden, cell), read_text(model, inputs[row, kept], moved), strict=True):
                whole[row, kept] = part
    return hidden, cell


def as_tensors(words, room=0):
    """word_ids [B, M] and word_spans [B, M, 2]; padding has spans that do not exist."""
    most = max(map(len, words)) + room
    ids, spans = torch.full((len(words), most), -1), torch.full((len(words), most, 2), -100)
    for row, found in enumerate(words):
        for slot, (word, start, end) in enumerate(found):
            ids[row, slot], spans[row, slot] = word, torch.tensor([start, end])
    return ids, spans


def assert_equal_to_the_loop(model, mask, words, room=0):
    """Outputs, and the gradients of inputs and of all weights."""
    inputs = torch.randn(*mask.shape, model.rnn.weight_ih.shape[0], dtype=torch.float64, requires_grad=True)
    sought = [inputs, *model.parameters()]
    found, wanted = model(inputs, mask, *as_tensors(words, room)), read_batch(model, inputs, mask, words)
    weights = [torch.randn_like(one) for one in wanted]
    gradients = []
    for results in (found, wanted):
        loss = sum((weight * result).sum() for weight, result in zip(weights, results, strict=True))
        loss = loss + 0 * sum(one.sum() for one in sought)  # the loop reads nothing where no text has a character
        gradients.append(torch.autograd.grad(loss, sought, allow_unused=True, materialize_grads=True))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-11)


@st.composite
def batches(draw):
    """Lengths, padding on the left, and the words of each text."""
    length = draw(st.integers(1, 7))
    texts = draw(st.lists(st.tuples(st.integers(0, length), st.integers(0, length)), min_size=1, max_size=4))
    mask, words = torch.zeros(len(texts), length), []
    for row, (count, left) in enumerate(texts):
        left = min(left, length - count)
        mask[row, left : left + count] = 1
        pairs = [(left + one, left + two) for one in range(count) for two in range(one + 1, count)]
        spans = draw(st.lists(st.sampled_from(pairs), max_size=12)) if pairs else []
        words.append([(draw(st.integers(0, 6)), *span) for span in spans])
    return mask, words


@pytest.mark.parametrize("reverse", [False, True])
@given(batches(), st.integers(0, 2))
@settings(max_examples=40)
def test_equal_to_the_loop(reverse, batch, room):
    assert_equal_to_the_loop(make(reverse=reverse), *batch, room)


EVERY_PAIR = [(start % 7, start, end) for start in range(6) for end in range(start + 1, 6)]
CASES = {
    "all end at one character": [[(word, word, 5) for word in range(5)]],
    "all begin at one character": [[(word, 0, word + 1) for word in range(5)]],
    "nested": [[(0, 0, 5), (1, 1, 4), (2, 2, 3)]],
    "every pair": [EVERY_PAIR],
    "one word several times": [[(3, 1, 3)] * 4 + [(3, 0, 1)] * 2],
    "in any order": [EVERY_PAIR[::-1], EVERY_PAIR[7:] + EVERY_PAIR[:7]],
    "in one text of many": [[], [(1, 2, 4)], [], []],
    "none": [[], []],
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_lattices(case, reverse):
    words = CASES[case]
    assert_equal_to_the_loop(make(reverse=reverse), torch.ones(len(words), 6), words)


@oracle
def test_reference_vectors():
    path = str(Path(FOLDER, "glyce", "lattice_lstm_fw"))
    saved = np.load(f"{path}.npz")
    words = [
        (word, start, start + length - 1)
        for start, begun in enumerate(json.loads(str(saved["skip"])))
        for word, length in zip(*(begun or [[], []]), strict=True)
    ]
    model = LatticeLSTM(10, 8, 6, 20)
    model.load_state_dict(load_file(f"{path}.safetensors"))
    x, y, c = (torch.from_numpy(saved[name]) for name in "xyc")
    hidden, cell = model(x, torch.ones(1, 6), *as_tensors([words]))
    torch.testing.assert_close((hidden, cell), (y, c), rtol=0, atol=2e-7)
    # mirrored words of a mirrored text, read from its end
    mirrored = LatticeLSTM(10, 8, 6, 20, reverse=True)
    mirrored.load_state_dict(model.state_dict())
    words = [(word, 5 - end, 5 - start) for word, start, end in words]
    found, _ = mirrored(x.flip(1), torch.ones(1, 6), *as_tensors([words]))
    torch.testing.assert_close(found.flip(1), y, rtol=0, atol=2e-7)


@pytest.mark.parametrize("reverse", [False, True])
def test_batches_are_their_texts(reverse):
    model, inputs = make(reverse=reverse), torch.randn(3, 6, 5, dtype=torch.float64)
    mask = torch.tensor([[1] * 6, [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1]])
    words = [EVERY_PAIR, [(1, 0, 2), (2, 1, 2)], [(1, 2, 5), (2, 3, 4)]]
    together, _ = model(inputs, mask, *as_tensors(words))
    assert not together[mask == 0].any()
    for row, (start, end) in enumerate([(0, 6), (0, 3), (2, 6)]):
        alone = [[(word, one - start, two - start) for word, one, two in words[row]]]
        found, _ = model(inputs[row : row + 1, start:end], torch.ones(1, end - start), *as_tensors(alone))
        torch.testing.assert_close(found[0], together[row, start:end], rtol=0, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("filling", [float("nan"), float("inf")])
def test_padding_does_not_leak(filling, reverse):
    model, inputs = make(reverse=reverse), torch.randn(2, 5, 5, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
    words = as_tensors([[(0, 0, 2)], []])
    wanted, _ = model(inputs, mask, *words)
    filled = inputs.masked_fill(~mask[..., None], filling).requires_grad_()
    found, _ = model(filled, mask, *words)
    assert torch.equal(found, wanted)
    found.sum().backward()
    assert filled.grad[0, :3].any()
    assert not filled.grad[~mask].any()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (2, 4)])
def test_without_words_their_weights_have_gradients_of_0(size):
    model = make()
    hidden, _ = model(torch.randn(*size, 5).double(), torch.ones(size), *as_tensors([[]] * size[0]))
    hidden.sum().backward()
    read = {"rnn.weight_ih", "rnn.weight_hh", "rnn.bias"}
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is not None for grad in grads.values())  # DDP waits for every one of them
    assert {name for name, grad in grads.items() if grad.any()} <= read


def test_second_derivatives():
    model, inputs = make(2, 2, 2, 3), torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    words = as_tensors([[(0, 0, 1), (1, 0, 2), (2, 1, 2)]])
    assert torch.autograd.gradgradcheck(lambda x: model(x, torch.ones(1, 3), *words)[0], (inputs,))


def test_words_are_dropped_in_training_only():
    model = make(word_dropout=0.5)
    inputs, words = torch.randn(1, 6, 5).double(), as_tensors([EVERY_PAIR])
    calls = [model(inputs, torch.ones(1, 6), *words)[0] for _ in range(2)]
    assert not torch.equal(*calls)
    model.eval()
    calls = [model(inputs, torch.ones(1, 6), *words)[0] for _ in range(2)]
    assert torch.equal(*calls)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_half_precision(dtype):
    model, inputs, words = make(), torch.randn(2, 6, 5).double(), as_tensors([EVERY_PAIR, []])
    wanted, _ = model(inputs, torch.ones(2, 6), *words)
    found, _ = model.to(dtype)(inputs.to(dtype), torch.ones(2, 6), *words)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol={torch.float32: 1e-6}.get(dtype, 0.03))


def test_autocast_leaves_the_recurrence_as_it_is():
    model, inputs, words = make().float(), torch.randn(1, 6, 5).bfloat16(), as_tensors([EVERY_PAIR])
    wanted, _ = model(inputs.float(), torch.ones(1, 6), *words)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = model(inputs, torch.ones(1, 6), *words)
    assert torch.equal(found, wanted)


def test_published_keys_and_start():
    model = LatticeLSTM(6, 4, 3, 9)
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    assert shapes == {
        "rnn.weight_ih": (6, 12), "rnn.weight_hh": (4, 12), "rnn.bias": (12,),
        "rnn.alpha_weight_ih": (6, 4), "rnn.alpha_weight_hh": (4, 4), "rnn.alpha_bias": (4,),
        "word_rnn.weight_ih": (3, 12), "word_rnn.weight_hh": (4, 12), "word_rnn.bias": (12,),
        "word_emb.weight": (9, 3),
    }  # fmt: skip
    for weight in (model.rnn.weight_hh, model.rnn.alpha_weight_hh, model.word_rnn.weight_hh):
        assert torch.equal(weight.detach(), torch.eye(4).repeat(1, weight.shape[1] // 4))
    torch.testing.assert_close(model.rnn.weight_ih @ model.rnn.weight_ih.T, torch.eye(6))
    assert model.word_emb.weight.abs().max() <= 1
    assert "reverse=True" in repr(LatticeLSTM(6, 4, 3, 9, reverse=True))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("inputs", torch.zeros(2, 6, 4), r"shapes \(2, 6, 4\), .*needed are \[B, L, 5\]"),
        ("inputs", torch.zeros(12, 5), r"shapes \(12, 5\)"),
        ("inputs", torch.zeros(2, 0, 5), "with L >= 1"),
        ("attention_mask", torch.ones(2, 5), r"\(2, 5\).*\[B, L\]"),
        ("attention_mask", torch.ones(2, 1, 6, 6), r"\(2, 1, 6, 6\)"),
        ("word_ids", torch.zeros(1, 2, dtype=torch.long), r"\(1, 2\).*\[B, M\]"),
        ("word_spans", torch.zeros(2, 2, dtype=torch.long), r"\[B, M, 2\]"),
        ("word_spans", torch.zeros(2, 3, 2, dtype=torch.long), r"\(2, 3, 2\)"),
        ("word_ids", torch.zeros(2, 2), "word_ids are torch.float32; needed are integers"),
        ("word_spans", torch.zeros(2, 2, 2), "word_spans are torch.float32"),
        ("word_ids", torch.tensor([[0, 7], [-1, -1]]), "word_ids holds 7; allowed are 0 to 6"),
        ("word_spans", torch.tensor([[[0, 1], [2, 6]]] * 2), r"word_spans holds \(2, 6\) in row 0"),
    ],
)
def test_what_does_not_fit_is_refused(name, value, message):
    inputs = {"inputs": torch.zeros(2, 6, 5), "attention_mask": torch.ones(2, 6)}
    inputs |= {"word_ids": torch.zeros(2, 2, dtype=torch.long), "word_spans": torch.tensor([[[0, 1], [2, 5]]] * 2)}
    model = make().float()
    model(**inputs)
    with pytest.raises(ValueError, match=message):
        model(**{**inputs, name: value})


def test_graphs_are_refused():
    model, inputs = make().float(), (torch.zeros(1, 3, 5), torch.ones(1, 3), *as_tensors([[(0, 0, 1)]]))
    with pytest.raises(ValueError, match="reads the words of each text"):
        torch.jit.trace(model, inputs)
    with pytest.raises(ValueError, match="reads the words of each text"):
        model.to("meta")(*(one.to("meta") for one in inputs))

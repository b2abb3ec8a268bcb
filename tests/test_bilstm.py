"""The BiLSTM against torch's bidirectional one on packed rows."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hanziformers.modeling.bilstm import BiLSTM, BiLSTMLayers


def packed(model, vectors, lengths):
    """What torch's own bidirectional LSTM with the same weights makes of packed rows; none may be empty."""
    lstm = torch.nn.LSTM(vectors.shape[-1], model.width // 2, batch_first=True, bidirectional=True)
    weights = {name: value for name, value in model.forwards.state_dict().items()}
    weights |= {f"{name}_reverse": value for name, value in model.backwards.state_dict().items()}
    lstm.load_state_dict(weights)
    rows = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(lstm(rows)[0], batch_first=True, total_length=vectors.shape[1])[0]


@pytest.mark.parametrize("lengths", [[5, 9, 1, 7], [1], [9], [4, 4]])
def test_equal_to_packed_rows(lengths):
    model, mask = BiLSTM(6, 4), torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    vectors = torch.randn(*mask.shape, 6)
    found = model(vectors, mask)
    torch.testing.assert_close(found, packed(model, vectors, lengths))
    assert not found[~mask].any()
    assert found.shape[-1] == model.width == 8


@pytest.mark.parametrize("filling", [float("nan"), float("inf"), 1e30])
def test_padding_does_not_leak(filling):
    model, mask = BiLSTM(6, 4), torch.arange(7) < torch.tensor([3, 7, 0])[:, None]
    vectors = torch.randn(3, 7, 6)
    wanted = model(vectors, mask)
    found = model(vectors.masked_fill(~mask[..., None], filling), mask)
    assert torch.equal(found, wanted)
    assert not found[2].any()
    torch.testing.assert_close(model(vectors[:1, :3], mask[:1, :3]), wanted[:1, :3])


def test_rows_of_nothing_have_no_gradient():
    model, vectors = BiLSTM(6, 4), torch.randn(2, 5, 6, requires_grad=True)
    mask = torch.arange(5) < torch.tensor([0, 2])[:, None]
    model(vectors, mask).sum().backward()
    assert vectors.grad[1, :2].any()
    assert not vectors.grad[0].any()
    assert not vectors.grad[1, 2:].any()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("side", ["right", "left", "between"])
def test_layers_read_texts_wherever_padding_stands(side):
    layers, vectors = BiLSTMLayers(6, 8, 2, 0.0), torch.randn(3, 7, 6)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0]])
    order = {"right": range(7), "left": range(6, -1, -1), "between": [0, 4, 1, 5, 2, 6, 3]}[side]
    mask = mask[:, order]
    found = layers.all_layers(vectors, mask)
    assert [tuple(one.shape) for one in found] == [(3, 7, 8)] * 2
    for row in range(2):
        alone = vectors[row : row + 1, mask[row] > 0]
        for layer, one in zip(layers.layer, found, strict=True):
            alone = layer(alone, torch.ones(alone.shape[:2], dtype=torch.bool))
            torch.testing.assert_close(one[row : row + 1, mask[row] > 0], alone)
    assert not found[-1][mask == 0].any()
    assert torch.equal(layers(vectors, mask), found[-1])
    assert torch.equal(layers(vectors, None), layers(vectors, torch.ones_like(mask)))
    assert layers(vectors[:1, :1], None).shape == (1, 1, 8)


def test_dropout_is_behind_every_layer():
    layers, vectors = BiLSTMLayers(6, 8, 2, 0.5), torch.ones(1, 50, 6)
    first, second = layers.train().all_layers(vectors, None)
    assert 0.3 < first.eq(0).float().mean() < 0.7
    assert 0.3 < second.eq(0).float().mean() < 0.7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_lstms_alone(dtype):
    model, mask = BiLSTM(6, 4), torch.ones(2, 5, dtype=torch.bool)
    vectors = torch.randn(2, 5, 6)
    wanted = model(vectors, mask)
    with torch.autocast("cpu", dtype):
        assert torch.equal(model(vectors, mask), wanted)
        assert BiLSTMLayers(6, 8, 2, 0.0)(vectors.to(dtype), None).dtype == torch.float32
        assert model.to(dtype)(vectors, mask).dtype == dtype  # that of the weights

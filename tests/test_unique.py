"""Work done once must equal work done every time."""

import pytest
import torch
from torch.nn import functional as F

from hanziformers.modeling.unique import encode_unique

SHAPES = [(7,), (3, 5), (2, 3, 4), (1,), (1, 1), (), (0,), (2, 0), (64, 16)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("span", [1, 6, 10**15])
def test_equal_to_encoding_every_key(shape, span):
    keys = torch.randint(-span, span, shape) if span > 1 else torch.full(shape, 3)
    results = []
    for distinct in (True, False):
        torch.manual_seed(1)
        weight = torch.randn(5, 4, requires_grad=True)

        def encode(flat, weight=weight):
            features = torch.stack([(flat % base).double() / base for base in (2, 3, 5, 7, 11)], -1).float()
            return torch.tanh(features @ weight)  # [U, 4]

        value = encode_unique(keys, encode) if distinct else encode(keys.flatten()).unflatten(0, shape or (1,))
        value = value.reshape(*shape, 4)
        factor = torch.randn(value.shape)
        (value * factor).sum().backward()
        results.append((value, weight.grad))
    (found, found_grad), (wanted, wanted_grad) = results
    assert found.shape == (*shape, 4)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(found_grad, wanted_grad, atol=1e-4, rtol=1e-5)


def test_gradients_of_copies_are_summed():
    table = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    keys = torch.tensor([[0, 0, 5], [5, 5, 2]])
    assert torch.autograd.gradcheck(lambda t: encode_unique(keys, lambda flat: F.embedding(flat, t) ** 2), (table,))
    encode_unique(keys, lambda flat: F.embedding(flat, table)).sum().backward()
    assert table.grad[:, 0].tolist() == [2, 0, 1, 0, 0, 3]


def test_each_distinct_key_is_encoded_once():
    seen = []

    def encode(flat):
        seen.append(flat.tolist())
        return flat[:, None].float()

    keys = torch.tensor([[4, 9, 4], [9, 9, 1]])
    assert encode_unique(keys, encode).squeeze(-1).tolist() == keys.tolist()
    assert [sorted(call) for call in seen] == [[1, 4, 9]]


@pytest.mark.parametrize("shape", [(2, 5), (3, 1, 4), (7,)])
def test_a_graph_serves_other_numbers_of_keys(shape):
    """Of keys and of distinct ones."""
    table = torch.randn(6, 3)

    class Model(torch.nn.Module):
        def forward(self, keys):
            return encode_unique(keys, lambda flat: F.embedding(flat, table))

    example = torch.randint(0, 6, shape)
    traced = torch.jit.trace(Model(), (example,))
    axes = {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(shape) if size > 1}
    exported = torch.export.export(Model(), (example,), dynamic_shapes=(axes,), strict=False).module()
    for factor in (1, 3):
        keys = torch.randint(0, 2, [size * factor if size > 1 else 1 for size in shape])
        assert torch.equal(traced(keys), table[keys])
        assert torch.equal(exported(keys), table[keys])


def test_compiled_without_breaks():
    torch._dynamo.reset()
    table = torch.randn(6, 3)
    keys = torch.tensor([[0, 0, 5], [5, 5, 2]])
    compiled = torch.compile(
        lambda k: encode_unique(k, lambda flat: F.embedding(flat, table)), fullgraph=True, backend="eager"
    )
    assert torch.equal(compiled(keys), table[keys])

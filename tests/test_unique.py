"""Work done once must equal work done every time."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hanziformers.modeling.unique import WeightCache, encode_unique

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


def test_compiled_without_breaks():
    torch._dynamo.reset()
    table = torch.randn(6, 3)
    keys = torch.tensor([[0, 0, 5], [5, 5, 2]])
    compiled = torch.compile(
        lambda k: encode_unique(k, lambda flat: F.embedding(flat, table)), fullgraph=True, backend="eager"
    )
    assert torch.equal(compiled(keys), table[keys])


class Counter:
    """A value of weights that counts how often it is computed."""

    def __init__(self):
        self.cache, self.calls = WeightCache(), 0

    def __call__(self, *weights):
        def compute():
            self.calls += 1
            return sum(weight.sum() for weight in weights) * 2

        return self.cache.get(weights, compute)


def test_kept_while_the_weights_stay_the_same():
    value, a, b = Counter(), torch.randn(3, requires_grad=True), torch.randn(2, 2)
    first = value(a, b)
    assert not first.requires_grad
    torch.testing.assert_close(first, 2 * (a.detach().sum() + b.sum()))
    for _ in range(3):
        assert value(a, b) is first
    with torch.no_grad(), torch.inference_mode():
        assert value(a, b) is first
    assert value.calls == 1


def write(a):
    a.add_(1)
    return a


def write_a_part(a):
    a[0].mul_(-3)
    return a


def step(optimizer, **kwargs):
    def change(a):
        a = a.detach().requires_grad_() if a.grad_fn is not None else a
        a.grad = torch.ones_like(a)
        with torch.enable_grad():
            optimizer([a], lr=0.5, **kwargs).step()
        return a

    return change


CHANGES = {
    "write": write,
    "write a part": write_a_part,
    "copy": lambda a: a.copy_(torch.randn(5)),
    "new tensor": lambda a: a * 2,
    "dtype": lambda a: a.double(),
    "shape": lambda a: a[:4],
    "SGD": step(torch.optim.SGD),
    "AdamW": step(torch.optim.AdamW),
    "AdamW foreach": step(torch.optim.AdamW, foreach=True),
    "AdamW fused": step(torch.optim.AdamW, fused=True),
}


@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("place", [0, 1])
def test_computed_again_after_a_change(name, place):
    value, weights = Counter(), [torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)]
    value(*weights)
    for turn in range(1, 4):
        with torch.no_grad():
            weights[place] = CHANGES[name](weights[place])
        found = value(*weights)
        torch.testing.assert_close(found, 2 * (weights[0].detach().sum() + weights[1].detach().sum()))
        assert value.calls == turn + 1 or name in ("dtype", "shape")  # the second time neither is new
        assert value(*weights) is found


def test_dtype_of_the_value_follows():
    value, a = Counter(), torch.randn(5)
    assert value(a).dtype == torch.float32
    assert value(a.double()).dtype == torch.float64
    assert value(a.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [4, 1000, 300_000])
def test_a_new_tensor_at_the_address_of_a_dead_one(size):
    """Memory is given out again: the address of a weight does not tell who it is."""
    cache = WeightCache()
    for turn in range(20):
        weight = torch.full((size,), float(turn))
        found = cache.get([weight], lambda weight=weight: weight[:1].clone())
        assert found.item() == turn
        del weight


def test_other_memory_at_the_address_of_the_old_one():
    value, a = Counter(), torch.randn(4000)
    for _ in range(20):
        for _ in range(2):  # the second may lie where the first one of all lay
            a.data = a.data - 1
        torch.testing.assert_close(value(a), 2 * a.sum())


def test_merged_into_the_weight_it_wraps():
    """As adapter libraries merge: a write that torch does not count, then the old part in its old place."""
    value, outer = Counter(), nn.Sequential(nn.Linear(3, 3))
    inner = outer[0]
    value(inner.weight)
    outer[0] = nn.Sequential(inner)
    inner.weight.data.add_(1)
    outer[0] = inner
    torch.testing.assert_close(value(inner.weight), 2 * inner.weight.detach().sum())


def test_dropped():
    value, a = Counter(), torch.randn(3)
    value(a)
    a.data.add_(1)  # torch does not count this
    value.cache.drop()
    torch.testing.assert_close(value(a), 2 * a.sum())
    assert value.calls == 2
    WeightCache().drop()


def test_neither_pickled_nor_copied():
    cache, big = WeightCache(), torch.randn(10_000)
    empty = len(pickle.dumps(cache))
    cache.get([big], lambda: big * 2)
    assert len(pickle.dumps(cache)) == empty < 1000
    buffer = io.BytesIO()
    torch.save(cache, buffer)
    buffer.seek(0)
    for variant in (copy.deepcopy(cache), copy.copy(cache), pickle.loads(pickle.dumps(cache)),
                 torch.load(buffer, weights_only=False)):  # fmt: skip
        assert torch.equal(variant.get([big], lambda: big * 3), big * 3)
        assert torch.equal(cache.get([big], lambda: big * 4), big * 2)


def test_made_in_inference_mode_used_elsewhere():
    value, a = Counter(), torch.randn(3, requires_grad=True)
    with torch.inference_mode():
        first = value(a)
    assert not first.is_inference()
    with torch.no_grad():
        assert value(a) is first
    x = torch.ones((), requires_grad=True)
    (value(a) * x).backward()  # an inference tensor could not be saved for backward
    assert x.grad.item() == pytest.approx(first.item())
    assert value.calls == 1


def test_weights_made_in_inference_mode():
    """Their writes are not counted by torch, and still must be seen."""
    value = Counter()
    with torch.inference_mode():
        a = torch.randn(3)
        value(a)
        a.add_(1)
        torch.testing.assert_close(value(a), 2 * a.sum())


def test_autocast_does_not_lower_the_dtype():
    cache, a = WeightCache(), torch.randn(8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
        found = cache.get([a], lambda: a @ a)
    assert found.dtype == torch.float32
    assert torch.equal(found, a @ a)


def test_a_failed_computation_is_not_kept():
    cache, a = WeightCache(), torch.randn(3)
    with pytest.raises(ZeroDivisionError):
        cache.get([a], lambda: 1 / 0)
    assert cache.get([a], lambda: 5) == 5

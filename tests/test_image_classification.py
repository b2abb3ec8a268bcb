"""The image-classification loss over distinct characters against the mean over tokens, one by one."""

import math

import pytest
import torch
from test_glyph_cnn import make_config
from torch.nn import functional as F

from hanziformers.modeling.image_classification import ImageClassification

N, D = 20, 32


def make_batch(rows=N, shape=(3, 11)):
    """Ids, one vector for each distinct id, and which tokens count."""
    table = torch.randn(rows, D, dtype=torch.float64, requires_grad=True)
    ids = torch.randint(0, rows, shape)
    return table, ids, torch.rand(shape) < 0.6


def naive(model, ids, vectors, scored):
    losses = [
        F.cross_entropy(model.dense(vector)[None], target[None])
        for target, vector, counts in zip(ids.flatten(), vectors.flatten(0, -2), scored.flatten(), strict=True)
        if counts and target < N
    ]
    return torch.stack(losses).mean()


@pytest.mark.parametrize("shape", [(3, 11), (40,), (2, 3, 7)])
@pytest.mark.parametrize("rows", [N, N + 5])  # from N on: an example's own characters
def test_equal_to_the_mean_over_tokens(shape, rows):
    model = ImageClassification(make_config(vocab_size=N)).double()
    table, ids, scored = make_batch(rows, shape)
    found, wanted = model(ids, table[ids], scored), naive(model, ids, table[ids], scored)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(wanted.item(), abs=1e-12)
    weights = [table, *model.parameters()]
    for ours, theirs in zip(torch.autograd.grad(found, weights), torch.autograd.grad(wanted, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_each_distinct_character_is_classified_once():
    model, sizes = ImageClassification(make_config(vocab_size=N)), []
    model.dense.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    ids = torch.tensor([[4, 4, 7, 4, 9, 0]])
    model(ids, torch.randn(N, D)[ids], ids > 0)
    assert sizes == [3]


@pytest.mark.parametrize(
    "ids", [torch.zeros(2, 3, dtype=torch.long), torch.full((2, 3), N + 1), torch.zeros(2, 0).long()]
)
def test_nothing_that_counts_is_zero_with_a_gradient(ids):
    model, vectors = ImageClassification(make_config(vocab_size=N)), torch.randn(*ids.shape, D, requires_grad=True)
    loss = model(ids, vectors, ids >= N)
    loss.backward()
    assert loss.item() == 0
    assert not vectors.grad.any()
    assert all(weight.grad is not None and not weight.grad.any() for weight in model.parameters())


def test_chance_is_the_logarithm():
    model, (table, ids, scored) = ImageClassification(make_config(vocab_size=N)), make_batch()
    torch.nn.init.zeros_(model.dense.weight)
    torch.nn.init.zeros_(model.dense.bias)
    assert (model(ids, table[ids].float(), scored)).item() == pytest.approx(math.log(N), abs=1e-6)


def test_half_precision_sums_in_full():
    model, (table, ids, scored) = ImageClassification(make_config(vocab_size=N)), make_batch()
    wanted = model(ids, table[ids].float(), scored)
    found = model.bfloat16()(ids, table[ids].bfloat16(), scored)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(wanted.item(), rel=0.02)


def test_a_compiled_graph_gives_the_same_and_serves_other_batches():
    model = ImageClassification(make_config(vocab_size=N))
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=True)
    for shape in ((3, 11), (2, 5)):
        table, ids, scored = make_batch(N + 5, shape)
        vectors = table[ids].float()
        torch.testing.assert_close(compiled(ids, vectors, scored), model(ids, vectors, scored))
        assert compiled(ids, vectors, scored & False).item() == 0

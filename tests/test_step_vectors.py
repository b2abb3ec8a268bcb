"""Vectors that the batches of a step share: the gradients must be those of batches that each encode their own."""

import pytest
import torch
from test_character_bank import ROWS, WIDTH, build, calls, make_batch
from torch import nn

from hanziformers.modeling.step_vectors import StepVectors


class Last:
    """Whether the present batch is the last one."""

    def __init__(self):
        self.value = False

    def __call__(self):
        return self.value


def backward(bank, batches, last=None):
    """Gradients of all batches together, and the vectors of each."""
    bank.zero_grad()
    bank.encoder.calls.clear()
    torch.manual_seed(3)
    vectors = []
    for number, (ids, extra) in enumerate(batches, 1):
        if last is not None:
            last.value = number == len(batches)
        out = bank(ids, extra)
        (out.tanh() * torch.randn(*ids.shape, WIDTH, dtype=out.dtype)).sum().backward()
        vectors.append(out.detach())
    return [weight.grad.clone() for weight in bank.parameters()], vectors


@pytest.fixture
def bank():
    torch.manual_seed(0)
    return build(chunk_size=3).train()


@pytest.mark.parametrize("extras", [None, 0, 2])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_gradients_are_those_of_batches_that_encode_their_own(bank, extras, number):
    batches = [make_batch(extras=extras or 0) for _ in range(number)]
    batches = [(ids, None if extras is None else extra) for ids, extra in batches]
    wanted, own = backward(bank, batches)
    encoded = calls(bank)
    bank.step_vectors = StepVectors(last := Last())
    found, shared = backward(bank, batches, last)
    bank.step_vectors.check()
    for ours, theirs in zip(found + shared, wanted + own, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    distinct = len(torch.cat([ids[ids < ROWS] for ids, _ in batches]).unique())
    further = sum(len({(b, i) for b, row in enumerate(ids.tolist()) for i in row if i >= ROWS}) for ids, _ in batches)
    assert calls(bank) == distinct + further
    assert calls(bank) < encoded or number == 1


def test_a_last_batch_of_one_known_character_carries_the_gradients_of_all(bank):
    batches = [(torch.arange(ROWS)[None], None), (torch.tensor([[3]]), None)]
    wanted, _ = backward(bank, batches)
    bank.step_vectors = StepVectors(last := Last())
    found, _ = backward(bank, batches, last)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_batch_may_read_the_bank_twice(bank):
    """As a model of two texts does."""
    bank.step_vectors = StepVectors(last := Last())
    parts = [(torch.tensor([[1, 2]]), torch.tensor([[2, 3]])), (torch.tensor([[3, 4]]), torch.tensor([[5, 1]]))]
    results = []
    for shared in (False, True):
        bank.step_vectors = StepVectors(last) if shared else None
        bank.zero_grad()
        for number, pair in enumerate(parts):
            last.value = number == 1
            sum((bank(ids).sin() ** 2).sum() for ids in pair).backward()
        results.append([weight.grad.clone() for weight in bank.parameters()])
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-5)


def test_gradients_of_many_batches_are_summed_in_single_precision(bank):
    """bfloat16 holds 8 bits: 256 + 1 is 256."""
    bank.to(torch.bfloat16)
    bank.step_vectors = step = StepVectors(last := Last())
    ids = torch.tensor([[5]])
    for factor in (256.0, 1.0, 1.0, 1.0, 1.0):
        (bank(ids) * factor).sum().backward()
    (leaf,) = step._leaves
    assert leaf.grad[0].tolist() == [260.0] * WIDTH
    assert all(weight.grad is None for weight in bank.parameters())
    last.value = True
    out = bank(ids)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert all(weight.grad is not None for weight in bank.parameters())


def test_a_last_batch_without_characters_is_refused(bank):
    bank.step_vectors = StepVectors(Last())
    bank(torch.tensor([[1]])).sum().backward()
    with pytest.raises(RuntimeError, match="the last batch of an optimisation step read no characters"):
        bank.step_vectors.check()


def test_evaluation_and_calls_without_gradients_do_not_take_part(bank):
    bank.step_vectors = step = StepVectors(Last())
    with torch.no_grad():
        bank(torch.tensor([[1]]))
    bank.eval()(torch.tensor([[1]]))
    assert step.is_empty()
    bank.train()(torch.tensor([[1]]))
    assert not step.is_empty()


def test_an_encoder_that_is_frozen_stays_without_gradients(bank):
    """A hook forbids the table, so that its vectors are made in every batch."""
    bank.encoder.requires_grad_(False)
    bank.encoder.register_forward_hook(lambda *_: None)
    bank.step_vectors = StepVectors(last := Last())
    factor = nn.Parameter(torch.ones(WIDTH))
    for last.value in (False, True):
        (bank(torch.tensor([[1, 2]])) * factor).sum().backward()
    bank.step_vectors.check()
    assert factor.grad.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_vectors_have_the_dtype_of_the_encoder(bank, dtype):
    bank.to(dtype)
    bank.step_vectors = StepVectors(last := Last())
    for last.value in (False, True):
        assert bank(torch.tensor([[1, 2]])).dtype == dtype
    assert bank.step_vectors._leaves[0].dtype == torch.promote_types(dtype, torch.float32)

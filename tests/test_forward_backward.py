"""The two forms of the algorithm agree, and the fast one is left where it would lose paths."""

import pytest
import torch
from crf_tools import random_batch, random_crf

from hanziformers.modeling import forward_backward as module
from hanziformers.modeling.forward_backward import LogPartition, forward_backward

LENGTHS = [7, 1, 4, 0]


def potentials(crf, dtype=torch.float64):
    return [value.detach().to(dtype) for value in crf._potentials()]


@pytest.fixture
def forms(monkeypatch):
    """The forms that ran: (dtype, whether it was kept) of the fast one, "logarithms" of the other."""
    ran, scaled, logarithms = [], module._scaled, module._logarithms

    def watch(*args):
        found = scaled(*args)
        ran.append((args[0].dtype, found is not None))
        return found

    monkeypatch.setattr(module, "_scaled", watch)
    monkeypatch.setattr(module, "_logarithms", lambda *args: ran.append("logarithms") or logarithms(*args))
    return ran


def gradients(emissions, parameters, mask):
    given = [value.clone().requires_grad_() for value in (emissions, *parameters)]
    found = LogPartition.apply(*given, mask)
    (found * torch.arange(1.0, len(found) + 1)).sum().backward()  # another weight for each row
    return [found.detach(), *(value.grad for value in given)]


@pytest.mark.parametrize("tags", [1, 2, 5])
def test_both_forms_agree_on_values_and_gradients(tags, monkeypatch):
    crf, (emissions, mask, _) = random_crf(tags), random_batch(LENGTHS, tags)
    fast = gradients(emissions, potentials(crf), mask)
    monkeypatch.setattr(module, "_scaled", lambda *args: None)
    for one, other in zip(fast, gradients(emissions, potentials(crf), mask), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    sweep = forward_backward(emissions, *potentials(crf), mask)
    assert sweep.log_partition[3] == 0
    torch.testing.assert_close(sweep.marginals.transpose(0, 1).sum(-1), mask.double())


def test_gradients_are_those_of_the_log_partition():
    crf, (emissions, mask, _) = random_crf(3), random_batch(LENGTHS, 3)
    given = [value.clone().requires_grad_() for value in (emissions, *potentials(crf))]
    assert torch.autograd.gradcheck(lambda *args: LogPartition.apply(*args, mask), given)


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        (1, [(torch.float32, True)]),
        (100, [(torch.float32, False), (torch.float64, True)]),
        (2000, [(torch.float32, False), (torch.float64, False), "logarithms"]),
    ],
)
def test_wide_transitions_take_the_next_form(forms, scale, wanted):
    """And stay right: as the logarithms in float64 have it."""
    torch.manual_seed(3)
    crf, (emissions, mask, _) = random_crf(5, scale), random_batch([30, 1, 12], 5)
    parameters = potentials(crf, torch.float32)
    found = gradients(emissions.float(), parameters, mask)
    assert forms == wanted
    both = [value.double() for value in (emissions.float(), *parameters)]
    exact = module._logarithms(*both, mask, torch.where(mask, mask.sum(1, keepdim=True) - 1 - torch.arange(30), 0))
    torch.testing.assert_close(found[0].double(), exact.log_partition, atol=1e-4, rtol=1e-6)
    wanted = exact.marginals.transpose(0, 1) * torch.arange(1.0, 4)[:, None, None]
    torch.testing.assert_close(found[1].double(), wanted, atol=1e-4, rtol=0)
    assert all(value.isfinite().all() for value in found)


def test_tags_that_never_meet_are_not_lost(forms):
    """Each side of the middle favours one of two tags by more than floats hold: both paths are equally probable."""
    steps = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])
    emissions = torch.zeros(1, 400, 2)
    emissions[:, :200, 0] = emissions[:, 200:, 1] = 10
    sweep = forward_backward(emissions, torch.zeros(2), torch.zeros(2), steps, torch.ones(1, 400, dtype=torch.bool))
    assert forms[-1] == "logarithms"
    torch.testing.assert_close(sweep.log_partition, torch.tensor([2000.6931471805599], dtype=torch.float64))
    torch.testing.assert_close(sweep.marginals, torch.full((400, 1, 2), 0.5, dtype=torch.float64))


def test_what_lies_outside_of_the_mask_is_not_read():
    crf, (emissions, mask, _) = random_crf(3), random_batch(LENGTHS, 3)
    wanted = gradients(emissions, potentials(crf), mask)
    for value in (torch.nan, torch.inf, 1e30):
        found = gradients(emissions.masked_fill(~mask[..., None], value), potentials(crf), mask)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_there_is_no_second_derivative():
    crf, (emissions, mask, _) = random_crf(3), random_batch(LENGTHS, 3)
    emissions.requires_grad_()
    found = LogPartition.apply(emissions, *potentials(crf), mask).sum()
    (slope,) = torch.autograd.grad(found, emissions, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        slope.sum().backward()

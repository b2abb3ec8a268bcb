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


@pytest.mark.parametrize("excluded", [False, True])
def test_gradients_can_be_differentiated_again(excluded):
    """As for gradient penalties and curvatures, which would else take the gradient for a constant."""
    crf, (emissions, mask, _) = random_crf(3), random_batch([4, 1, 2, 0], 3)
    given = [value.clone() for value in (emissions, *potentials(crf))]
    if excluded:
        given[1][0] = given[2][1] = given[3][0, 2] = given[3][1] = -torch.inf  # after tag 1 there is nothing
    given = [value.requires_grad_() for value in given]
    once = torch.autograd.grad(LogPartition.apply(*given, mask).sum(), given)
    again = torch.autograd.grad(LogPartition.apply(*given, mask).sum(), given, create_graph=True)
    for one, other in zip(once, again, strict=True):
        torch.testing.assert_close(one, other)
    if not excluded:
        assert torch.autograd.gradgradcheck(lambda *args: LogPartition.apply(*args, mask), given)
    sum(value.square().sum() for value in again).backward()
    assert all(value.grad.isfinite().all() for value in given)
    assert given[0].grad[0].any()
    # what needs no gradient gets none
    first = given[0].detach().requires_grad_()
    rest = [value.detach() for value in given[1:]]
    (alone,) = torch.autograd.grad(LogPartition.apply(first, *rest, mask).sum(), first, create_graph=True)
    torch.testing.assert_close(alone, once[0])


def exactly(emissions, start, end, transitions, mask):
    """The algorithm on logarithms in float64."""
    both = [value.double() for value in (emissions, start, end, transitions)]
    positions = torch.arange(mask.shape[1])
    return module._logarithms(*both, mask, torch.where(mask, mask.sum(1, keepdim=True) - 1 - positions, positions))


def agree(given, mask):
    """Whether the log partition and the marginals are right; returns the form that found them."""
    found, exact = forward_backward(*given, mask), exactly(*given, mask)
    torch.testing.assert_close(found.log_partition, exact.log_partition, atol=1e-4, rtol=1e-7)
    torch.testing.assert_close(found.marginals.double(), exact.marginals, atol=1e-5, rtol=0)
    return "logarithms" if found.exact else found.left.dtype


@pytest.mark.parametrize("chunk", range(4))
def test_paths_that_both_directions_lose_are_seen(chunk):
    """A step that float32 rounds to 0 is lost forward and backward alike: both then agree on what is wrong."""
    mask, forms = torch.ones(1, 5, dtype=torch.bool), set()
    for seed in (118, 145, 531, 534, *range(1000 + 100 * chunk, 1100 + 100 * chunk)):
        torch.manual_seed(seed)
        transitions, emissions = torch.randn(3, 3) * 60, torch.randn(1, 5, 3) * 50
        forms.add(agree((emissions, torch.zeros(3), torch.zeros(3), transitions), mask))
    assert forms == {torch.float32, torch.float64}


@pytest.mark.parametrize("seed", range(3))
def test_potentials_of_any_width(seed):
    """Also sums over positions, tags that never meet, and one tag alone."""
    torch.manual_seed(seed)
    forms = set()
    for _ in range(60):
        tags, length = (int(torch.randint(1, most, ())) for most in (7, 50))
        wide, scale = (10 ** float(torch.rand(()) * 3 - 0.5) for _ in range(2))
        transitions = torch.randn(tags, tags) * wide
        if torch.rand(()) < 0.3:
            transitions = transitions.masked_fill(torch.rand(tags, tags) < 0.6, -torch.inf).fill_diagonal_(0)
        emissions = torch.randn(3, length, tags) * scale
        emissions = emissions.cumsum(1) / 3 if torch.rand(()) < 0.3 else emissions
        mask = torch.arange(length) < torch.tensor([[length], [max(1, length // 2)], [0]])
        forms.add(agree((emissions, torch.randn(tags) * wide, torch.randn(tags) * wide, transitions), mask))
    assert len(forms) == 3


@pytest.mark.parametrize("step", [-80.0, -88.0, -95.0, -102.0, -103.5, -200.0])
def test_steps_that_float32_holds_coarsely(step):
    """The one path that emissions leave takes a step of e**-103.5 each time; float32 has two numbers around that."""
    steps = torch.tensor([[0.0, step], [step, 0.0]])
    emissions = torch.full((1, 20, 2), -torch.inf)
    emissions[0, ::2, 0] = emissions[0, 1::2, 1] = 0
    mask = torch.ones(1, 20, dtype=torch.bool)
    given = [value.requires_grad_() for value in (emissions, torch.zeros(2), torch.zeros(2), steps)]
    found = LogPartition.apply(*given, mask)
    assert found.item() == 19 * step
    (found * 65536).backward()  # as a loss scaler of float16 does
    assert steps.grad.tolist() == [[0, 10 * 65536], [9 * 65536, 0]]
    assert torch.equal(emissions.grad[0].argmax(-1), torch.arange(20) % 2)


def test_scaled_losses_have_scaled_gradients():
    for seed in range(40):
        torch.manual_seed(seed)
        crf, (emissions, mask, _) = random_crf(5, 25), random_batch([30, 12], 5, 25)
        given = [value.float().requires_grad_() for value in (emissions, *potentials(crf))]
        (LogPartition.apply(*given, mask).sum() * 2**24).backward()
        exact = [value.double().detach().requires_grad_() for value in given]
        LogPartition.apply(*exact, mask).sum().backward()
        for one, other in zip(given, exact, strict=True):
            torch.testing.assert_close(one.grad.double() / 2**24, other.grad, atol=1e-4, rtol=1e-4)


def test_without_any_path_there_is_no_probability_and_no_gradient():
    crf, (emissions, mask, _) = random_crf(3), random_batch(LENGTHS, 3)
    wanted = gradients(emissions[1:], potentials(crf), mask[1:])
    emissions[0, 2] = -torch.inf
    given = [value.float().requires_grad_() for value in (emissions, *potentials(crf))]
    found = LogPartition.apply(*given, mask)
    assert found[0] == -torch.inf
    assert not forward_backward(*given, mask).marginals[:, 0].any()
    (found * torch.tensor([7.0, 1, 2, 3])).sum().backward()
    assert not given[0].grad[0].any()
    torch.testing.assert_close(given[0].grad[1:].double(), wanted[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(given[3].grad.double(), wanted[4], atol=1e-5, rtol=0)


def test_autocast_rounds_no_gradient():
    """Also where the backward pass itself runs under it."""
    crf, (emissions, mask, _) = random_crf(5), random_batch([30, 12], 5)
    wanted = gradients(emissions.float(), potentials(crf, torch.float32), mask)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(emissions.float(), potentials(crf, torch.float32), mask)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))

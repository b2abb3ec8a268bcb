"""LinearChainCRF against all paths one by one, reference vectors and pytorch-crf."""

import copy
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from crf_tools import as_lists, enumerate_rows, path_score, random_batch, random_crf
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from hanziformers.modeling import crf as module
from hanziformers.modeling.crf import LinearChainCRF

FOLDER = os.environ.get("HANZIFORMERS_ORACLES")
ORACLES = Path(FOLDER or ".") / "mpm_cner"
oracle = pytest.mark.skipif(not FOLDER, reason="HANZIFORMERS_ORACLES does not name the folder of reference vectors")
PARAMETERS = ("start", "end", "transitions")
# O, B, M, E, S of one label
BMESO = {
    "allowed_transitions": [[1, 1, 0, 0, 1], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 0, 0, 1], [1, 1, 0, 0, 1]],
    "allowed_starts": [1, 1, 0, 0, 1],
    "allowed_ends": [1, 0, 0, 1, 1],
}


@settings(max_examples=25)
@given(st.integers(1, 5), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**31 - 1))
def test_equal_to_all_paths_one_by_one(tags, lengths, constrained, seed):
    torch.manual_seed(seed)
    tags, allowed = (5, BMESO) if constrained else (tags, {})
    crf, (emissions, mask, _) = random_crf(tags, **allowed), random_batch(lengths, tags)
    partition, marginals, best = enumerate_rows(crf, emissions, mask)
    assert as_lists(crf.decode(emissions, mask)) == best
    torch.testing.assert_close(crf.marginals(emissions, mask), marginals)
    gold = torch.zeros_like(mask, dtype=torch.long)
    for row, path in enumerate(best):
        gold[row, : len(path)] = torch.tensor(path, dtype=torch.long)
    scores = [
        path_score(crf, emissions[row], path) if path else torch.zeros(()).double() for row, path in enumerate(best)
    ]
    torch.testing.assert_close(crf.nll(emissions, mask, gold), partition - torch.stack(scores))
    torch.testing.assert_close(crf.score(emissions, mask, gold), torch.stack(scores))


def load(name):
    arrays = {key: torch.from_numpy(value) for key, value in np.load(ORACLES / f"{name}.npz").items()}
    allowed = {f"allowed_{key}": arrays.get(f"allowed_{key.removesuffix('s') if key != 'transitions' else key}")
               for key in ("transitions", "starts", "ends")}  # fmt: skip
    free, bound = (LinearChainCRF(len(arrays["start"]), **kwargs).double() for kwargs in ({}, allowed))
    with torch.no_grad():
        for crf in (free, bound):
            for key in PARAMETERS:
                getattr(crf, key).copy_(arrays[key])
    return arrays, free, bound


@oracle
@pytest.mark.parametrize("name", ["crf", "crf_bmeso"])
def test_reference_vectors(name):
    wanted, crf, bound = load(name)
    emissions, mask, tags = wanted["emissions"].requires_grad_(), wanted["mask"], wanted["tags"]
    nll = crf.nll(emissions, mask, tags)
    torch.testing.assert_close(nll.detach(), wanted["nll"], atol=1e-9, rtol=0)
    nll.mean().backward()
    for key, found in (("emissions", emissions), *((key, getattr(crf, key)) for key in PARAMETERS)):
        torch.testing.assert_close(found.grad, wanted[f"grad_{key}"], atol=1e-9, rtol=0)
    torch.testing.assert_close(crf.marginals(emissions, mask), wanted["marginals"])
    assert torch.equal(crf.decode(emissions, mask), wanted["best_path"])
    for row, length in enumerate(mask.sum(1).tolist()):
        path = wanted["best_path"][row, :length].tolist()
        torch.testing.assert_close(path_score(crf, emissions[row], path), wanted["best_score"][row])
    torch.testing.assert_close(
        crf.score(emissions, mask, wanted["best_path"].clamp(min=0)).detach(), wanted["best_score"]
    )
    score = crf.score(emissions, mask, tags)
    torch.testing.assert_close((nll + score).detach(), wanted["log_partition"], atol=1e-9, rtol=0)
    torch.testing.assert_close(nll.mean().detach(), wanted["loss_mean"])
    if name == "crf_bmeso":
        partition = (bound.nll(emissions, mask, tags) + bound.score(emissions, mask, tags)).detach()
        torch.testing.assert_close(partition, wanted["constrained_log_partition"], atol=1e-9, rtol=0)
        differs = (bound.decode(emissions, mask) != crf.decode(emissions, mask)).any(1)
        assert torch.equal(differs, wanted["constraint_changes"])
        assert torch.equal(bound.decode(emissions, mask), wanted["constrained_path"])
        torch.testing.assert_close(bound.nll(emissions, mask, tags).detach(), wanted["constrained_nll"])
    single = LinearChainCRF(crf.num_tags)
    single.load_state_dict(crf.state_dict())
    torch.testing.assert_close(single.nll(emissions.float(), mask, tags).double(), wanted["nll"], atol=1e-5, rtol=1e-6)


@oracle
def test_reference_vectors_of_the_crf_of_glyce():
    """Its start and stop are two tags more, which take part as the others do."""
    arrays = np.load(ORACLES.parent / "glyce" / "lattice_crf.npz")
    given = {key: torch.from_numpy(value) for key, value in arrays.items()}
    crf = LinearChainCRF(6)
    moves = load_file(ORACLES.parent / "glyce" / "lattice_crf.safetensors")["transitions"]
    with torch.no_grad():
        for key, value in (("start", moves[4]), ("end", moves[:, 5]), ("transitions", moves)):
            getattr(crf, key).copy_(value)
    mask = given["mask"]
    torch.testing.assert_close(crf.nll(given["feats"], mask, given["tags"]).sum().detach(), given["nll"])
    assert torch.equal(crf.decode(given["feats"], mask)[mask], given["decode"][mask])


@pytest.mark.parametrize("tags", [3, 33])
def test_equal_to_pytorch_crf(tags):
    stock = pytest.importorskip("torchcrf").CRF(tags, batch_first=True)
    crf, (emissions, mask, gold) = LinearChainCRF(tags), random_batch([20, 3, 11, 1], tags, 3.0)
    with torch.no_grad():
        for parameter, name in zip(PARAMETERS, ("start_transitions", "end_transitions", "transitions"), strict=True):
            getattr(crf, parameter).copy_(getattr(stock, name))
    one, other = (emissions.float().requires_grad_() for _ in range(2))
    loss, wanted = crf.nll(one, mask, gold).mean(), -stock(other, gold, mask=mask, reduction="mean")
    torch.testing.assert_close(loss, wanted, atol=1e-4, rtol=1e-6)
    loss.backward()
    wanted.backward()
    torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=0)
    torch.testing.assert_close(crf.transitions.grad, stock.transitions.grad, atol=1e-5, rtol=0)
    assert as_lists(crf.decode(one, mask)) == stock.decode(other.detach(), mask=mask)


def test_partly_known_tags_sum_over_what_is_possible():
    crf, (emissions, mask, _) = random_crf(3), random_batch([4, 2, 0], 3)
    possible = torch.rand(3, 4, 3) < 0.6
    possible[..., 0] = True
    wanted = []
    for row, length in enumerate(mask.sum(1).tolist()):
        rows = torch.cartesian_prod(*[torch.arange(3)] * length).view(-1, length).tolist() if length else [[]]
        fitting = [path for path in rows if all(possible[row, position, tag] for position, tag in enumerate(path))]
        scores = [path_score(crf, emissions[row], path) if path else torch.zeros(()).double() for path in fitting]
        wanted.append(enumerate_rows(crf, emissions, mask)[0][row] - torch.stack(scores).logsumexp(0))
    torch.testing.assert_close(crf.partial_nll(emissions, mask, possible), torch.stack(wanted))
    one = torch.nn.functional.one_hot(possible.long().argmax(-1), 3).bool()
    torch.testing.assert_close(crf.partial_nll(emissions, mask, one), crf.nll(emissions, mask, one.long().argmax(-1)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("scale", [1, 200])
def test_low_precision_stays_finite_and_right(dtype, scale):
    """Transitions and emissions are rounded to the dtype; what is computed from them is not."""
    crf, (emissions, mask, gold) = random_crf(7, scale), random_batch([25, 9], 7, scale / 4)
    low, given = crf.to(dtype), emissions.to(dtype).requires_grad_()
    exact = copy.deepcopy(low).double()
    with torch.autocast("cpu", torch.bfloat16):
        loss = low.nll(given, mask, gold)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact.nll(given.double(), mask, gold), atol=1e-4, rtol=1e-5)
    loss.sum().backward()
    assert given.grad.dtype == low.transitions.grad.dtype == dtype
    assert all(value.isfinite().all() for value in (given.grad, *(p.grad for p in low.parameters())))
    assert torch.equal(low.decode(given, mask), exact.decode(given.double(), mask))
    assert low.marginals(given, mask).dtype == torch.float32


def test_what_a_mask_may_be():
    crf, (emissions, mask, gold) = random_crf(3), random_batch([4, 2], 3)
    assert torch.equal(crf.decode(emissions, mask.long()), crf.decode(emissions, mask))
    for wrong in ([[1, 0, 1, 1], [1, 1, 0, 0]], [[1, 1, 1, 1], [0, 0, 1, 1]]):
        with pytest.raises(ValueError, match=r"row [01] of the mask is not left-aligned: \[.*\]; needed is 1 from"):
            crf.nll(emissions, torch.tensor(wrong), gold)
    nothing = torch.zeros_like(mask)
    assert crf.nll(emissions, nothing, gold).tolist() == [0, 0]
    assert (crf.decode(emissions, nothing) == -1).all()
    assert not crf.marginals(emissions, nothing).any()


def test_wrong_inputs_are_explained():
    crf, (emissions, mask, gold) = LinearChainCRF(5, **BMESO), random_batch([4, 2], 5)
    with pytest.raises(ValueError, match=r"emissions have the shape \(2, 4, 3\).*needed are \[B, L, 5\]"):
        crf.decode(emissions[..., :3], mask)
    with pytest.raises(ValueError, match="no position"):
        crf.decode(emissions[:, :0], mask[:, :0])
    with pytest.raises(ValueError, match=r"tags have the shape \(2, 3\); needed is that of the mask, \(2, 4\)"):
        crf.nll(emissions, mask, gold[:, 1:])
    with pytest.raises(ValueError, match="tags holds 5; allowed are 0 to 4"):
        crf.nll(emissions, mask, gold * 0 + 5)
    crf.nll(emissions, mask, torch.tensor([[0, 1, 3, 0], [4, 4, 2, 9]]))  # tags outside of the mask are not read
    for wrong, where in (([0, 2, 3, 0], "2 at position 1"), ([2, 3, 0, 0], "2 at position 0"),
                         ([0, 0, 0, 1], "1 at position 3")):  # fmt: skip
        with pytest.raises(ValueError, match=f"tag {where} of row 0 cannot stand there"):
            crf.nll(emissions, mask, torch.tensor([wrong, [0] * 4]))


def test_wrong_tables_are_explained():
    with pytest.raises(ValueError, match="num_tags=0 is not allowed"):
        LinearChainCRF(0)
    with pytest.raises(ValueError, match=r"allowed_starts has the shape \(2,\); needed is \(3,\)"):
        LinearChainCRF(3, allowed_starts=[True, False])
    with pytest.raises(ValueError, match="allow no path of length 1"):
        LinearChainCRF(2, allowed_starts=[1, 0], allowed_ends=[0, 1])
    with pytest.raises(ValueError, match="allow no path of length 3"):
        LinearChainCRF(2, allowed_transitions=[[0, 1], [0, 0]])


def test_tables_survive_copies_and_are_not_in_checkpoints():
    crf = LinearChainCRF(5, **BMESO)
    assert set(crf.state_dict()) == set(PARAMETERS)
    for again in (copy.deepcopy(crf), pickle.loads(pickle.dumps(crf))):
        assert torch.equal(again.excluded_transitions, crf.excluded_transitions)
    with torch.device("meta"):
        empty = LinearChainCRF(5, **BMESO)
    empty.to_empty(device="cpu").reset_parameters()
    assert torch.equal(empty.excluded_ends, crf.excluded_ends)
    assert all(0 < parameter.abs().max() <= 0.1 for parameter in empty.parameters())


def in_double(crf):
    return copy.deepcopy(crf).double()


@pytest.mark.parametrize("offset", [1e4, 1e6, -1e7])
@pytest.mark.parametrize("length", [6, 128])
def test_large_emissions_leave_small_differences_right(offset, length):
    """The score of a path and the log partition are large and alike: only their difference counts."""
    crf, (emissions, mask, gold) = random_crf(9).float(), random_batch([length, length // 2, 1], 9)
    with torch.no_grad():
        crf.transitions.add_(offset / 100)
    given, exact = (emissions.float() + offset).requires_grad_(), in_double(crf)
    found, wanted = crf.nll(given, mask, gold), exact.nll(given.double(), mask, gold)
    torch.testing.assert_close(found, wanted.float(), atol=1e-4, rtol=1e-5)
    assert torch.equal(crf.decode(given, mask), exact.decode(given.double(), mask))
    torch.testing.assert_close(crf.marginals(given, mask), exact.marginals(given.double(), mask).float())
    possible = torch.nn.functional.one_hot(gold, 9).bool()
    torch.testing.assert_close(crf.partial_nll(given, mask, possible), found, atol=1e-5, rtol=1e-6)


def test_the_greatest_emissions_that_float32_holds():
    crf, (emissions, mask, _) = random_crf(4).float(), random_batch([40, 3, 0], 4)
    given = (emissions.sign() * torch.tensor([3e38, 1e38, 3e37, 1e30])).float().requires_grad_()
    path, exact = crf.decode(given, mask), in_double(crf)
    assert torch.equal(path, exact.decode(given.double(), mask))
    loss = crf.nll(given, mask, path.clamp(min=0))
    torch.testing.assert_close(loss, exact.nll(given.double(), mask, path.clamp(min=0)).float())
    loss.sum().backward()
    assert given.grad.isfinite().all()


def test_a_best_path_that_has_to_be_bad_all_along():
    """Forced off the tags that emissions favour, scores fall so far that float32 would mix up paths."""
    crf = LinearChainCRF(3, allowed_starts=[0, 1, 1], allowed_transitions=[[1, 1, 1], [0, 1, 1], [0, 1, 1]])
    emissions = torch.randn(2, 200, 3)
    emissions[..., 0] += 1e5
    mask = torch.ones(2, 200, dtype=torch.bool)
    assert torch.equal(crf.decode(emissions, mask), in_double(crf).decode(emissions.double(), mask))


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_among_paths_that_tie_one_of_the_best_is_found(tags, length, seed):
    torch.manual_seed(seed)
    crf, (emissions, mask, _) = random_crf(tags), random_batch([length, max(1, length - 2)], tags)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.round_()
    emissions = emissions.round()
    for row, path in enumerate(as_lists(crf.decode(emissions, mask))):
        best = enumerate_rows(crf, emissions[row : row + 1], mask[row : row + 1])[2][0]
        assert path_score(crf, emissions[row], path) == path_score(crf, emissions[row], best)


def test_excluded_tags_have_no_probability_and_no_gradient():
    crf, (emissions, mask, _) = LinearChainCRF(5, **BMESO), random_batch([60, 9, 1], 5, 4.0)
    found = crf.marginals(emissions.float(), mask)
    last = mask.sum(1) - 1
    assert not found[:, 0][:, crf.excluded_starts].any()
    assert not found[torch.arange(3), last][:, crf.excluded_ends].any()
    torch.testing.assert_close(found.sum(-1), mask.float())
    crf.nll(emissions.float(), mask, torch.zeros_like(mask, dtype=torch.long)).sum().backward()
    for name in PARAMETERS:
        excluded = getattr(crf, "excluded_transitions" if name == "transitions" else f"excluded_{name}s")
        assert not getattr(crf, name).grad[excluded].any()


def test_a_row_without_any_path_spoils_no_other():
    crf, (emissions, mask, gold) = random_crf(3).float(), random_batch([4, 3], 3)
    given, possible = emissions.float().requires_grad_(), torch.ones(2, 4, 3, dtype=torch.bool)
    possible[0, 1] = False
    found = crf.partial_nll(given, mask, possible)
    assert found[0] == torch.inf
    found[1].backward()
    crf.nll(given.masked_fill(~possible, -torch.inf), mask, gold)[1].backward()
    assert all(value.grad.isfinite().all() for value in (given, *crf.parameters()))
    blank = given.detach().masked_fill(~possible, -torch.inf)
    assert torch.equal(crf.decode(blank, mask)[1], crf.decode(given, mask)[1])
    assert not crf.marginals(blank, mask)[0].any()
    bound = LinearChainCRF(5, **BMESO)  # and what is decoded all the same follows the rules
    path = bound.decode(torch.full((1, 4, 5), -torch.inf), torch.ones(1, 4, dtype=torch.bool))
    bound.score(torch.zeros(1, 4, 5), path >= 0, path)


def test_what_tags_and_batches_may_be():
    crf, (emissions, mask, gold) = random_crf(3), random_batch([4, 2], 3)
    wanted = crf.nll(emissions, mask, gold)
    for dtype in (torch.int32, torch.int16, torch.int8, torch.uint8):
        assert torch.equal(crf.nll(emissions, mask, gold.to(dtype)), wanted)
    for dtype in (torch.float32, torch.bool):
        with pytest.raises(ValueError, match=f"tags are {dtype}; needed are ids of tags, int64"):
            crf.nll(emissions, mask, gold.to(dtype))
    strided = torch.stack((mask, ~mask), -1)[..., 0]
    assert torch.equal(crf.nll(emissions, strided, gold), wanted)
    assert torch.equal(crf.nll(emissions.transpose(0, 1).contiguous().transpose(0, 1), mask, gold), wanted)
    nothing = emissions[:0], mask[:0]
    assert crf.nll(*nothing, gold[:0]).shape == (0,)
    assert crf.decode(*nothing).shape == (0, 4)
    assert crf.marginals(*nothing).shape == (0, 4, 3)


def test_where_values_are_not_looked_at_what_is_excluded_costs_inf(monkeypatch):
    """As on a GPU."""
    crf, (emissions, mask, _) = LinearChainCRF(5, **BMESO), random_batch([4, 2, 0], 5)
    good = torch.tensor([[0, 1, 3, 0], [4, 4, 0, 0], [2, 2, 2, 2]])
    wanted = crf.nll(emissions, mask, good)
    monkeypatch.setattr(module, "is_traced", lambda tensor: True)
    assert torch.equal(crf.nll(emissions, mask, good), wanted)
    for wrong in ([0, 2, 3, 0], [2, 3, 0, 0], [0, 0, 0, 1]):
        found = crf.nll(emissions, mask, torch.tensor([wrong, *good[1:].tolist()]))
        assert found[0] == torch.inf
        assert torch.equal(found[1:], wanted[1:])

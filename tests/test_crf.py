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


@settings(max_examples=25, deadline=None)
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
    if name == "crf_bmeso":
        assert torch.equal(bound.decode(emissions, mask), wanted["constrained_path"])
        torch.testing.assert_close(bound.nll(emissions, mask, tags).detach(), wanted["constrained_nll"])
    single = LinearChainCRF(crf.num_tags)
    single.load_state_dict(crf.state_dict())
    torch.testing.assert_close(single.nll(emissions.float(), mask, tags).double(), wanted["nll"], atol=1e-5, rtol=1e-6)


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

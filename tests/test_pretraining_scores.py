"""Validation figures of pre-training, against sums over one token after the other."""

from math import exp, log

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import EvalPrediction

from hanziformers.training.pretraining_scores import per_example, summarise

MASK = 4


def slow(scores, labels):
    """Loss, hits and number of the tokens that are to be predicted."""
    loss = hits = number = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        if label == -100:
            continue
        loss += log(sum(exp(value) for value in row)) - row[label]
        hits += row.index(max(row)) == label
        number += 1
    return loss, hits, number


def slow_kinds(scores, labels, shown):
    """The sums of `slow` for each kind of tokens, by a look at one after the other."""
    sums = {name: np.zeros(3) for name in ("mlm", "mask", "random", "unchanged")}
    for score, label, token in zip(scores.flatten(0, 1), labels.flatten(), shown.flatten(), strict=True):
        kind = "mask" if token == MASK else "unchanged" if token == label else "random"
        for name in ("mlm", kind):
            sums[name] += slow(score[None], label[None])
    return sums


def figures(sums):
    """The means that such sums make; none of a kind without tokens."""
    return {
        f"{kind}_{name}": value / number
        for kind, (loss, hits, number) in sums.items()
        for name, value in (("loss", loss), ("accuracy", hits))
        if number
    }


def make_batch(examples=6, length=5, vocabulary=7):
    scores, labels = torch.randn(examples, length, vocabulary), torch.randint(0, vocabulary, (examples, length))
    shown = torch.where(torch.rand(labels.shape) < 0.5, labels, torch.randint(0, vocabulary, labels.shape))
    shown[torch.rand(labels.shape) < 0.4] = MASK
    labels[labels == MASK] = 0  # special tokens are never predicted
    labels[torch.rand(labels.shape) > 0.6] = -100
    labels[0] = -100  # an example without anything to predict
    labels[1, :3] = torch.tensor([3, 3, 3])
    shown[1, :3] = torch.tensor([3, MASK, 2])
    return scores, labels, shown


@pytest.mark.parametrize("pairs", [False, True])
def test_figures_are_means_over_tokens_and_pairs(pairs):
    scores, labels, shown = make_batch()
    nsp, follows = torch.randn(6, 2), torch.randint(0, 2, (6,))
    batches = [slice(0, 4), slice(4, 6)]  # the Trainer concatenates what it gets of each batch
    sums = [
        per_example((scores[some], nsp[some]), (labels[some], follows[some]), shown[some], MASK)
        if pairs
        else per_example(scores[some], labels[some], shown[some], MASK)
        for some in batches
    ]
    assert [part.shape for part in sums] == [(4, 14), (2, 14)] if pairs else [(4, 12), (2, 12)]
    found = summarise(EvalPrediction(predictions=np.concatenate(sums), label_ids=None))
    wanted = figures(slow_kinds(scores, labels, shown))
    assert len(wanted) == 8
    if pairs:
        loss, hits, number = slow(nsp, follows)
        wanted |= {"nsp_loss": loss / number, "nsp_accuracy": hits / number}
    assert found == pytest.approx(wanted, abs=1e-5)


def test_kinds_add_up_to_all_and_leave_them_as_they_were():
    scores, labels, shown = make_batch(40, 9, 11)
    sums = per_example(scores, labels, shown, MASK)
    torch.testing.assert_close(sums[:, :3], sums[:, 3:].unflatten(1, (3, 3)).sum(1))
    for apart in (
        per_example(scores, labels),
        per_example(scores, labels, shown),
        per_example(scores, labels, None, 4),
    ):
        assert torch.equal(apart[:, :3], sums[:, :3])  # bit for bit
        assert not apart[:, 3:].any()


def test_a_kind_without_tokens_has_no_figures():
    scores, labels = torch.randn(2, 4, 7), torch.tensor([[-100, 1, 2, -100], [3, -100, -100, -100]])
    found = {}
    for name, shown in {"mask": MASK, "unchanged": labels.clamp(min=0), "random": 6}.items():
        sums = per_example(scores, labels, torch.as_tensor(shown).expand_as(labels), MASK)
        found[name] = summarise(EvalPrediction(sums.numpy(), None))
        assert found[name].keys() == {"mlm_loss", "mlm_accuracy", f"{name}_loss", f"{name}_accuracy"}
        assert found[name][f"{name}_loss"] == found[name]["mlm_loss"]
    nothing = per_example(scores, torch.full_like(labels, -100), labels, MASK)
    assert summarise(EvalPrediction(nothing.numpy(), None)) == {}
    nothing = per_example((scores, torch.zeros(2, 2)), (torch.full_like(labels, -100), torch.ones(2).long()), labels, 4)
    assert summarise(EvalPrediction(nothing.numpy(), None)).keys() == {"nsp_loss", "nsp_accuracy"}


class NoWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU: reading a value, and tensors whose size depends on values."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function.__name__.split(".")[0] not in {"_local_scalar_dense", "nonzero", "index", "_unique2"}
        return function(*args, **(kwargs or {}))


def test_no_value_is_waited_for():
    scores, labels, shown = make_batch()
    with NoWaiting():
        with pytest.raises(AssertionError):
            labels.nonzero()
        sums = per_example((scores, torch.randn(6, 2)), (labels, torch.zeros(6).long()), shown, MASK)
    assert sums.shape == (6, 14)


def test_an_infinite_loss_of_one_kind_is_not_that_of_another():
    scores, labels = torch.randn(1, 2, 7), torch.tensor([[1, 2]])
    scores[0, 0, 1] = -torch.inf
    found = summarise(EvalPrediction(per_example(scores, labels, torch.tensor([[MASK, 2]]), MASK).numpy(), None))
    assert found["mask_loss"] == np.inf
    assert np.isfinite(found["unchanged_loss"])


def test_half_precision_is_summed_in_float32():
    scores, labels = torch.randn(2, 400, 50), torch.randint(0, 50, (2, 400))
    half = per_example(scores.bfloat16(), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half[:, 0], per_example(scores.bfloat16().float(), labels)[:, 0])

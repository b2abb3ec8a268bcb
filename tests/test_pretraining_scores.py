"""Validation figures of pre-training, against sums over one token after the other."""

from math import exp, log

import numpy as np
import pytest
import torch
from transformers import EvalPrediction

from hanziformers.training.pretraining_scores import per_example, summarise


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


@pytest.mark.parametrize("pairs", [False, True])
def test_figures_are_means_over_tokens_and_pairs(pairs):
    scores, labels = torch.randn(6, 5, 7), torch.randint(0, 7, (6, 5))
    labels[torch.rand(6, 5) > 0.6] = -100
    labels[0] = -100  # an example without anything to predict
    labels[1, 0] = 3
    nsp, follows = torch.randn(6, 2), torch.randint(0, 2, (6,))
    batches = [slice(0, 4), slice(4, 6)]  # the Trainer concatenates what it gets of each batch
    sums = [
        per_example((scores[some], nsp[some]), (labels[some], follows[some]))
        if pairs
        else per_example(scores[some], labels[some])
        for some in batches
    ]
    assert [part.shape for part in sums] == [(4, 5), (2, 5)] if pairs else [(4, 3), (2, 3)]
    found = summarise(EvalPrediction(predictions=np.concatenate(sums), label_ids=None))
    loss, hits, number = np.sum([slow(*both) for both in zip(scores, labels, strict=True)], axis=0)
    wanted = {"mlm_loss": loss / number, "mlm_accuracy": hits / number}
    if pairs:
        loss, hits, number = slow(nsp, follows)
        wanted |= {"nsp_loss": loss / number, "nsp_accuracy": hits / number}
    assert found == pytest.approx(wanted, abs=1e-5)


def test_half_precision_is_summed_in_float32():
    scores, labels = torch.randn(2, 400, 50), torch.randint(0, 50, (2, 400))
    half = per_example(scores.bfloat16(), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half[:, 0], per_example(scores.bfloat16().float(), labels)[:, 0])

"""Losses and accuracies of pre-training on image pairs."""

import pytest
import torch
from torch.nn import functional as F
from transformers import EvalPrediction

from hanziformers.modeling.configuration_mpm_pretraining import MpmPretrainingConfig
from hanziformers.training.pair_scores import PairScores

SYLLABLES = ["ma1", "ma3", "shi1", "shi4"]
PAIR_LOGITS = torch.tensor([2.0, -1.0, 0.5])
SAME = torch.tensor([1, 0, 0])
CLASSES = torch.tensor([[0, 1], [2, -100], [3, 0]])
# right, the tone alone; wrong class but no label; the base alone, right
BEST = torch.tensor([[0, 0], [0, 3], [2, 0]])
CLASS_LOGITS = 3.0 * F.one_hot(BEST, 4)


def summed(scores, rows=(0, 1, 2)):
    rows = list(rows)
    logits = (PAIR_LOGITS[rows], CLASS_LOGITS[rows], torch.zeros(len(rows), 2, 9))
    return scores.per_pair(logits, (CLASSES[rows], SAME[rows]))


@pytest.mark.parametrize(("modality", "names"), [("glyph", ("rci", "gic")), ("phonetic", ("pci", "pcm"))])
def test_figures(modality, names):
    scores = PairScores(MpmPretrainingConfig(modality=modality, id2label=dict(enumerate(SYLLABLES))))
    whole = torch.cat([summed(scores, (0,)), summed(scores, (1, 2))])
    assert torch.equal(whole, summed(scores))
    found = scores.summarise(EvalPrediction(whole.numpy(), None))
    pair, of_class = names
    assert found[f"{pair}_accuracy"] == pytest.approx(2 / 3)
    assert found[f"{pair}_loss"] == pytest.approx(F.binary_cross_entropy_with_logits(PAIR_LOGITS, SAME.float()).item())
    known = CLASSES != -100
    assert found[f"{of_class}_loss"] == pytest.approx(F.cross_entropy(CLASS_LOGITS[known], CLASSES[known]).item())
    assert found[f"{of_class}_accuracy"] == pytest.approx(2 / 5)
    parts = {f"{of_class}_base_accuracy": 4 / 5, f"{of_class}_tone_accuracy": 3 / 5} if modality == "phonetic" else {}
    assert {name: found[name] for name in parts} == pytest.approx(parts)
    assert len(found) == 4 + len(parts)


def test_no_class_no_figure():
    scores = PairScores(MpmPretrainingConfig(id2label=dict(enumerate("甲乙丙丁"))))
    rows = scores.per_pair((PAIR_LOGITS, CLASS_LOGITS), (torch.full((3, 2), -100), SAME))
    assert set(scores.summarise(EvalPrediction(rows.numpy(), None))) == {"rci_loss", "rci_accuracy"}


def test_plots():
    plots = PairScores(MpmPretrainingConfig(num_labels=4)).plots(["training", "font"])
    assert list(plots) == ["loss", "accuracy"]
    assert plots["accuracy"]["accuracy"]["eval_font_gic_accuracy"] == "GIC, font"
    assert plots["loss"]["loss (nats)"]["loss"] == "training, weighted sum"

"""Pairs for RCI and PCI: their definitions, their ratios, and what one linear layer can make of them."""

from collections import Counter

import numpy as np
import pytest
from scipy.optimize import minimize

from hanziformers.training.glyph_pairs import radical_groups, traditional_forms
from hanziformers.training.pair_sampling import PairSampler

RNG = np.random.default_rng(0)
UNIT_GROUPS = np.array([0, 0, 0, 3, 3, 7, 9, 9, 9, 9])  # the unit 5 is alone in its group
UNITS = RNG.permutation(np.repeat(np.arange(10), [1, 2, 3, 1, 4, 2, 1, 1, 5, 2]))
GROUPS = UNIT_GROUPS[UNITS]


def epochs(sampler, number):
    found = [sampler.epoch(epoch) for epoch in range(number)]
    return (np.concatenate([getattr(pairs, name) for pairs in found]) for name in ("rows", "flipped", "same"))


@pytest.mark.parametrize("flips", [False, True])
def test_the_definitions(flips):
    sampler = PairSampler(UNITS, GROUPS, flips, seed=3)
    rows, flipped, same = epochs(sampler, 200)
    first, second = rows.T
    assert len(rows) == 200 * sampler.size == 200 * len(UNITS) * (1 + flips)
    assert np.array_equal(GROUPS[first] == GROUPS[second], same)
    own_flip = same & (UNITS[first] == UNITS[second])
    assert np.array_equal(own_flip, same & sampler.alone[first])
    assert own_flip.any() == flips  # without flips such an anchor is chosen again
    assert (first == second)[own_flip].all()
    assert (flipped[:, 0] != flipped[:, 1])[own_flip].all()
    assert flipped.any() == flips
    assert same.mean() == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(np.flatnonzero(sampler.alone), np.flatnonzero(UNITS == 5))


def test_every_row_is_an_anchor_once_in_an_epoch_and_with_flips_twice():
    plain = PairSampler(UNITS[UNITS != 5], GROUPS[UNITS != 5]).epoch(4)
    assert sorted(plain.rows[:, 0]) == list(range((UNITS != 5).sum()))
    pairs = PairSampler(UNITS, GROUPS, flips=True).epoch(4)
    anchors = set(zip(pairs.rows[:, 0].tolist(), pairs.flipped[:, 0].tolist(), strict=True))
    assert anchors == {(row, flip) for row in range(len(UNITS)) for flip in (False, True)}


def test_the_other_side_is_uniform_over_units_and_then_over_their_rows():
    rows, _, same = epochs(PairSampler(UNITS, GROUPS), 3000)
    chosen = UNITS[rows[:, 0]] == 8
    positive = Counter(UNITS[rows[chosen & same, 1]].tolist())
    assert set(positive) == {6, 7, 9}
    assert max(positive.values()) / min(positive.values()) < 1.1
    negative = Counter(UNITS[rows[chosen & ~same, 1]].tolist())
    assert set(negative) == {0, 1, 2, 3, 4, 5}
    assert max(negative.values()) / min(negative.values()) < 1.15
    of_unit = Counter(rows[chosen & ~same & (UNITS[rows[:, 1]] == 4), 1].tolist())  # four rows, such as four fonts
    assert len(of_unit) == 4
    assert max(of_unit.values()) / min(of_unit.values()) < 1.2


def test_seed_and_epoch_decide():
    def pairs(seed, epoch):
        return PairSampler(UNITS, GROUPS, True, seed).epoch(epoch).rows.tolist()

    assert pairs(1, 2) == pairs(1, 2)
    assert len({str(pairs(seed, epoch)) for seed in (1, 2) for epoch in (0, 1, 2)}) == 6


def test_refusals():
    with pytest.raises(ValueError, match="a unit belongs to two groups"):
        PairSampler([0, 0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="there are 1 groups; negative pairs need two or more"):
        PairSampler([0, 1], [5, 5])
    with pytest.raises(ValueError, match="every unit is alone in its group"):
        PairSampler([0, 1, 1], [0, 1, 1])
    assert PairSampler([0, 1, 1], [0, 1, 1], flips=True).size == 6  # the own flip is a positive pair


def test_it_says_what_an_epoch_holds():
    text = PairSampler(UNITS, GROUPS, flips=True).describe()
    assert "44 pairs in an epoch" in text
    assert "9.1 % of the images are alone in their group" in text


def additive(sizes):
    """What f(a) + g(b) makes of the pairs that are drawn from groups of these sizes, counted over all of them.

    Returns:
        The loss of the best f and g, the accuracy of these, and that of f and g which rank the groups.
    """
    sizes = np.asarray(sizes, float)
    number, total = len(sizes), sizes.sum()
    anchor = sizes / total
    same = np.diag(anchor) / 2  # [groups, groups], the probability of each kind of pair
    other = anchor[:, None] * sizes / (total - sizes)[:, None] / 2
    np.fill_diagonal(other, 0)
    assert same.sum() + other.sum() == pytest.approx(1)

    def loss(values):  # convex: a minimum is the best that there is
        scores = values[:number, None] + values[None, number:]
        slope = other / (1 + np.exp(-scores)) - same / (1 + np.exp(scores))
        value = (same * np.logaddexp(0, -scores) + other * np.logaddexp(0, scores)).sum()
        return value, np.concatenate([slope.sum(1), slope.sum(0)])

    best = minimize(loss, np.zeros(2 * number), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    ranks = np.arange(number)
    scores = (best.x[:number, None] + best.x[None, number:], ranks[None] - ranks[:, None] + 0.5)
    return best.fun, *(np.where(score > 0, same, other).sum() for score in scores)


def test_one_linear_layer_cannot_learn_rci():
    """Eq. 5 as printed: the ceiling of the pair head "linear", whatever the encoder."""
    radicals = Counter(radical_groups(traditional_forms()).tolist())
    loss, accuracy, ranked = additive([*radicals.values()])
    assert len(radicals) == 214
    assert min(radicals.values()) == 2  # every radical has a positive pair
    assert loss == pytest.approx(0.6931, abs=1e-4)  # ln 2 is 0.69315: a coin
    assert accuracy == pytest.approx(0.508, abs=1e-3)
    assert ranked == pytest.approx(0.75, abs=0.005)  # reached at a larger loss alone


def test_one_linear_layer_cannot_learn_pci():
    """Eq. 8 as printed, with as many tones for every syllable."""
    loss, accuracy, _ = additive([4] * 400)
    assert loss == pytest.approx(np.log(2), abs=1e-6)
    assert accuracy == pytest.approx(0.5, abs=1e-3)

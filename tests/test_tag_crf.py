"""IOB2 outside, a scheme of its own inside: labels, repairs, missing labels and logits, over label sets of any kind."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from crf_tools import as_lists
from hypothesis import given, settings
from hypothesis import strategies as st

from hanziformers.modeling.tag_crf import TagCRF, _logits
from hanziformers.training.tag_schemes import decode_tags

FOLDER = os.environ.get("HANZIFORMERS_ORACLES")
NAMES = ["LOC", "PER.NOM", "人-名", "B-x", "I-", "O", "-", "地点", "E-S", "时 间", *"abcdefghij"]
SCHEMES = ["BMESO", "IOB2"]


@st.composite
def label_sets(draw, most=20):
    """Labels in any order; some without I-x."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=most))
    labels = ["O", *(f"B-{name}" for name in names)]
    labels += [f"I-{name}" for name in names if draw(st.integers(0, 3))]
    return draw(st.permutations(labels))


def make(labels, scheme="BMESO", scale=1.5):
    crf = TagCRF(labels, scheme)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_().mul_(scale)
    return crf


def random_rows(crf, lengths, scale=2.0):
    mask = torch.arange(max(1, *lengths))[None] < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, crf.num_tags) * scale, mask


LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**31 - 1)


@settings(max_examples=60)
@given(label_sets(), LENGTHS, st.sampled_from(SCHEMES), SEEDS)
def test_paths_are_valid_and_logits_say_them(labels, lengths, scheme, seed):
    torch.manual_seed(seed)
    crf = make(labels, scheme)
    emissions, mask = random_rows(crf, lengths)
    logits, path = crf.path_logits(emissions, mask), crf.decode(emissions, mask)
    outer = torch.where(mask, crf.outer[path.clamp(min=0)], -1)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert torch.equal(logits.argmax(-1)[mask], outer[mask])
    # also after what pipelines make of them
    assert torch.equal(torch.from_numpy(logits.softmax(-1).numpy().argmax(-1))[mask], outer[mask])
    for row, inner in zip(as_lists(outer), as_lists(path), strict=True):
        entities, broken = decode_tags([labels[tag] for tag in row], "IOB2")
        assert broken == 0
        if scheme == "BMESO":
            again, broken = decode_tags([crf.inner_tags[tag] for tag in inner], "BMES")
            assert (again, broken) == (entities, 0)
    marginals = crf.sums(crf.marginals(emissions, mask))
    found = logits.softmax(-1)
    first = (marginals.argmax(-1) == outer) & mask
    torch.testing.assert_close(found[first], marginals[first], atol=2e-5, rtol=0)


@settings(max_examples=60)
@given(st.integers(2, 9), st.integers(1, 20), SEEDS)
def test_the_path_wins_by_the_smallest_change(labels, count, seed):
    torch.manual_seed(seed)
    given_ = (torch.randn(count, labels) * 3).softmax(-1)
    path = torch.randint(0, labels, (count,))
    found = _logits(given_, path).softmax(-1)
    assert torch.equal(found.argmax(-1), path)
    own = found.gather(1, path[:, None])
    taken = given_ - found
    taken.scatter_(1, path[:, None], 0)
    # nothing is given to another label; those that lose fall to the path's level and no further; the rest stays
    assert (taken > -2e-5).all()
    loses = taken > 2e-5
    torch.testing.assert_close(found[loses], own.expand_as(found)[loses], atol=3e-5, rtol=0)
    agree = given_.argmax(-1) == path
    torch.testing.assert_close(found[agree], given_[agree], atol=2e-5, rtol=0)


def tagged(labels, crf, text):
    """Labels [1, W] of a line; "?" is a missing one."""
    ids = [-100 if name == "?" else labels.index(name) for name in text.split()]
    return torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool)


LABELS = ["I-人-名", "B-LOC", "O", "I-LOC", "B-人-名", "B-T"]


@pytest.mark.parametrize(
    ("outside", "inside", "repaired"),
    [
        ("O B-LOC I-LOC I-LOC B-LOC O", "O B-LOC M-LOC E-LOC S-LOC O", 0),
        ("B-LOC B-LOC I-LOC B-人-名 I-人-名", "S-LOC B-LOC E-LOC B-人-名 E-人-名", 0),
        ("B-T B-T O", "S-T S-T O", 0),
        ("I-LOC I-LOC O", "B-LOC E-LOC O", 1),
        ("O I-LOC B-LOC I-人-名 I-LOC", "O S-LOC S-LOC S-人-名 S-LOC", 3),
        ("I-LOC", "S-LOC", 1),
    ],
)
def test_labels_inside(outside, inside, repaired):
    for scheme in SCHEMES:
        crf = TagCRF(LABELS, scheme)
        found = crf.read_labels(*tagged(LABELS, crf, outside))
        assert int(found.repaired) == repaired
        names = [crf.inner_tags[tag] for tag in found.tags[0]]
        assert decode_tags(names, "BMES" if scheme == "BMESO" else scheme) == (
            decode_tags(outside.split(), "IOB2")[0],
            0,
        )
        assert scheme == "IOB2" or names == inside.split()


@settings(max_examples=60)
@given(label_sets(4), LENGTHS, st.sampled_from(SCHEMES), SEEDS)
def test_any_labels_are_read_as_scorers_read_them(labels, lengths, scheme, seed):
    torch.manual_seed(seed)
    crf = make(labels, scheme)
    emissions, mask = random_rows(crf, lengths)
    given_ = torch.randint(0, len(labels), mask.shape).masked_fill(~mask, -100)
    found = crf.read_labels(given_, mask)
    assert found.possible is None
    total = 0
    for row, known, tags in zip(given_, mask, found.tags, strict=True):
        entities, broken = decode_tags([labels[tag] for tag in row[known]], "IOB2")
        total += broken
        outer = [labels[crf.outer[tag]] for tag in tags[known]]
        assert decode_tags(outer, "IOB2") == (entities, 0)
    assert int(found.repaired) == total
    assert crf.labels_nll(emissions, mask, found).isfinite().all()  # a path that is allowed


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("known", ["? ? ?", "B-LOC ? ?", "? I-LOC ?", "O ? I-人-名", "? B-T ?", "B-LOC ? I-LOC O"])
def test_missing_labels_count_all_that_they_may_be(scheme, known):
    """Against the sum over all ways of filling them in."""
    crf = make(LABELS, scheme)
    labels, mask = tagged(LABELS, crf, known)
    emissions = torch.randn(1, labels.shape[1], crf.num_tags)
    found = crf.labels_nll(emissions, mask, crf.read_labels(labels, mask))
    ways = itertools.product(*[LABELS if name == "?" else [name] for name in known.split()])
    valid = [" ".join(way) for way in ways if not decode_tags(way, "IOB2")[1]]
    filled = [crf.labels_nll(emissions, mask, crf.read_labels(*tagged(LABELS, crf, way))) for way in valid]
    torch.testing.assert_close(found, -(-torch.stack(filled)).logsumexp(0), atol=1e-4, rtol=0)


@pytest.mark.skipif(not FOLDER, reason="HANZIFORMERS_ORACLES does not name the folder of reference vectors")
def test_the_rules_are_those_of_the_reference():
    folder = Path(FOLDER) / "mpm_cner"
    wanted, names = np.load(folder / "crf_bmeso.npz"), json.loads((folder / "crf_bmeso_tags.json").read_text())
    crf = TagCRF(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    assert crf.inner_tags == names
    for ours, theirs in (("transitions", "transitions"), ("starts", "start"), ("ends", "end")):
        assert np.array_equal(~getattr(crf, f"excluded_{ours}").numpy(), wanted[f"allowed_{theirs}"])


def test_tags_inside_and_what_follows_what():
    crf = TagCRF(LABELS)
    assert crf.inner_tags == ["O", *(f"{p}-LOC" for p in "BMES"), *(f"{p}-人-名" for p in "BMES"), "S-T"]
    assert TagCRF(LABELS, "IOB2").inner_tags == ["O", "B-LOC", "I-LOC", "B-人-名", "I-人-名", "B-T"]
    allowed = ~crf.excluded_transitions
    names = crf.inner_tags

    def after(name):
        return {names[i] for i in allowed[names.index(name)].nonzero().flatten()}

    opening = {"O", "B-LOC", "S-LOC", "B-人-名", "S-人-名", "S-T"}
    assert after("O") == after("E-LOC") == after("S-T") == opening
    assert after("B-LOC") == after("M-LOC") == {"M-LOC", "E-LOC"}
    assert TagCRF(["O"]).inner_tags == ["O"]


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (["LABEL_0", "LABEL_1"], "LABEL_0"),
        (["B-x", "I-x"], "no O"),
        (["O", "I-x"], "I-x"),
        (["O", "B-x", "I-y"], "I-y"),
        (["O", "B-"], "B-"),
        (["O", "B-x", "E-x"], "E-x"),
        (["O", "B-x", "B-x"], "one name twice"),
        (["O", "B-x", None], "None"),
        ([], "no O"),
    ],
)
def test_labels_that_are_not_iob2_are_refused(labels, what):
    with pytest.raises(ValueError, match=rf"id2label .*{what}.*Needed are IOB2 labels.*id2label=.*linear"):
        TagCRF(labels)


def test_wrong_schemes_and_labels_are_explained():
    with pytest.raises(ValueError, match="scheme='BIO' is not allowed; allowed is 'BMESO' or 'IOB2'"):
        TagCRF(LABELS, "BIO")
    with pytest.raises(ValueError, match="labels holds 6; allowed are 0 to 5"):
        TagCRF(LABELS).read_labels(torch.tensor([[6]]), torch.ones(1, 1, dtype=torch.bool))


def test_cheap_logits_are_those_of_each_token_by_itself():
    crf = make(LABELS)
    emissions, _ = random_rows(crf, [4, 2])
    torch.testing.assert_close(crf.cheap_logits(emissions).softmax(-1), crf.sums(emissions.softmax(-1)))
    assert crf.cheap_logits(emissions * 1e4).isfinite().all()
    outside = crf.outside_logits()
    assert outside.softmax(-1)[LABELS.index("O")] == 1
    assert outside.isfinite().all()

"""Parts of a test set: which characters count, and that the parts sum to the whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanziformers.training.ner_subsets import part_scores, polyphones, subsets, unknown_characters


def test_polyphones_are_those_in_frequent_use():
    found = polyphones()
    assert set("长行重得都乐") <= found
    # one reading; two by tone sandhi alone; a second one in rare words alone
    assert not found & set("国人一不石")


def test_unknown_characters():
    vocabulary = ["[UNK]", "a", "中", "##国"]
    assert unknown_characters(["A中 国\u3000𰻝", "a"], vocabulary) == {"国", "𰻝"}


def test_subsets_by_text():
    assert subsets(["长江", "黄河", ""], {"one": "长", "none": []}) == {
        "one": [True, False, False],
        "none": [False] * 3,
    }


ENTITIES = st.lists(
    st.builds(
        lambda start, label: {"start": start, "end": start + 1, "label": label},
        st.integers(0, 3),
        st.sampled_from("AB"),
    ),
    max_size=4,
)


@given(st.lists(st.tuples(ENTITIES, ENTITIES, st.booleans()), min_size=1, max_size=6))
def test_the_parts_sum_to_the_whole(rows):
    data = [{"entities": found, "gold": gold} for found, gold, _ in rows]
    chosen = [side for _, _, side in rows]

    def hits(part):
        """True positives, from precision and recall."""
        scores = part_scores(data, part)
        return 0 if math.isnan(scores["f1"]) else round(scores["recall"] * scores["entities"]), scores["entities"]

    parts = [hits(chosen), hits([not one for one in chosen])]
    assert tuple(map(sum, zip(*parts, strict=True))) == hits([True] * len(data))


def test_a_part_without_entities_has_no_score():
    scores = part_scores([{"entities": [], "gold": []}], [True])
    assert scores["texts"] == 1
    assert math.isnan(scores["f1"])
    with pytest.raises(ValueError, match="longer|shorter"):
        part_scores([], [True])

"""The nearest characters by glyph image and by sound."""

import numpy as np
import pytest

import hanziformers
from hanziformers.confusion_sets import KINDS, Confusion, ConfusionSets, common_characters, confusions, kinds_of

SOME = "未末己已巳人入大在再载债的得地德底土士日目曰清请情晴青静休体本木朱米来王玉主"


@pytest.fixture(scope="module")
def sets():
    return ConfusionSets(SOME)


def test_the_lists_of_common_characters():
    simplified, traditional = common_characters(), common_characters("traditional")
    assert (len(simplified), len(traditional)) == (3755, 5401)
    assert len(set(simplified)) == 3755
    assert {*"们这说"} <= {*simplified} - {*traditional}
    assert {*"們這說"} <= {*traditional} - {*simplified}
    with pytest.raises(ValueError, match="script='both' is not allowed; give one of simplified, traditional"):
        common_characters("both")


def test_look_alikes():
    found = hanziformers.confusions("未己人土", candidates=SOME, top=2)
    assert {one: row[0].character for one, row in found.items()} == {"未": "末", "己": "已", "人": "入", "土": "士"}
    assert all(row[0].kind == "look_alike" and len(row) == 2 for row in found.values())
    assert found["未"][0].score > found["未"][1].score


def test_sounds():
    found = confusions("在的", by="sound", candidates=SOME)
    assert found["在"] == [
        Confusion("载", "homophone", 1.0),  # in more phrases than 再
        Confusion("再", "homophone", 1.0),
        Confusion("债", "near_homophone", 0.8),
    ]
    assert {one.character: one.kind for one in found["的"]} == {
        "得": "homophone",
        "地": "homophone",
        "德": "near_homophone",
        "底": "near_homophone",
    }


def test_equal_scores_go_by_commonness():
    found = confusions("清", by="sound", candidates="晴情青")["清"]
    assert found == [
        Confusion("青", "homophone", 1.0),
        Confusion("情", "near_homophone", 0.9),
        Confusion("晴", "near_homophone", 0.9),
    ]


def test_a_character_is_none_of_its_confusions_and_others_are_answered_too():
    assert all(one.character != "在" for one in confusions("在", candidates=SOME, top=99)["在"])
    assert confusions("a1", by="sound", candidates=SOME) == {"a": [], "1": []}
    assert confusions("", candidates=SOME) == {}
    # one that is no candidate itself, and one that stands twice
    assert confusions(["惰", "惰"], candidates=SOME, top=1)["惰"][0].character == "情"


def test_answers_do_not_depend_on_what_else_is_asked():
    together = confusions(SOME, candidates=SOME)
    assert all(confusions(one, candidates=SOME)[one] == together[one] for one in SOME[::7])
    assert confusions(SOME[::-1], candidates=SOME[::-1]) == together


def test_readings_of_a_text_are_compared_alone(sets):
    columns = [sets.candidates.index(one) for one in "得底"]
    assert np.allclose(sets.by_sound("的", ["de"])[0, columns], [0.98, 0])
    assert np.allclose(sets.by_sound("的", ["di4"])[0, columns], [0, 0.9])
    assert sets.by_sound("的", [""]).max() == 0


def test_what_may_take_the_place_of_a_character(sets):
    allowed = sets.allowed("在未清a")
    assert allowed["在"] == {*"再载债"}
    assert "末" in allowed["未"]
    assert {*"请情晴青"} <= allowed["清"]
    assert allowed["a"] == set()


def test_kinds_exclude_each_other():
    glyph, sound = np.array([0.8, 0.8, 0.8, 0.1, 0.1, 0.1]), np.array([0.1, 0.8, 1, 1, 0.8, 0.1])
    assert [KINDS[kind] if kind >= 0 else None for kind in kinds_of(glyph, sound)] == [
        "look_alike", "look_and_sound", "look_and_sound", "homophone", "near_homophone", None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "meaning"}, "by='meaning', top=10 is not allowed; give by='glyph' or 'sound' and top >= 1"),
        ({"top": 0}, "top=0 is not allowed"),
        ({"characters": ["未来"]}, "'未来' is no single character"),
        ({"characters": [None]}, "None is no single character"),
        ({"candidates": []}, "candidates is empty"),
        ({"candidates": ["末", ""]}, "'' is no single character"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        confusions(**{"characters": "未", "candidates": SOME, **arguments})

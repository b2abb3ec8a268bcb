"""Which answers are taken as they are, which are repaired, and which are refused."""

from collections import Counter

import pytest

from hanziformers.training.reading_answers import check_answers, first_answer, kind_of

CONTEXT = "北京和上海，北京更大。NO是一氧化氮。"


def check(answers, **more):
    met = Counter()
    return check_answers("FILE, question 7", CONTEXT, {"answers": answers, **more}, met), met


@pytest.mark.parametrize(
    ("text", "given", "start", "repaired"),
    [
        ("上海", 3, 3, 0),
        ("北京", 6, 6, 0),  # the second of two
        ("上海", 4, 3, 1),  # once in the context
        ("上海", -1, 3, 1),
        ("天津", -1, -1, 0),  # scored, never learned
        ("北京", -1, -1, 0),
        ("", -1, -1, 0),
        ("", 5, -1, 0),
        ("YES", -1, -1, 0),
        ("NO", -1, -1, 0),  # the answer no, though the context has these letters
        ("NO", 11, 11, 0),  # the part of the context
    ],
)
def test_places(text, given, start, repaired):
    answers, met = check([{"text": text, "answer_start": given}])
    assert answers == [{"text": text, "start": start}]
    assert met["repaired"] == repaired


def test_every_form_of_a_list():
    wanted = [{"text": "上海", "start": 3}, {"text": "更大", "start": 8}]
    both = {"text": ["上海", "更大"], "answer_start": [3, 8]}
    for given in (both, ["上海", "更大"], [{"text": "上海"}, {"text": "更大", "answer_start": 8}]):
        assert check(given)[0] == wanted


@pytest.mark.parametrize(
    ("text", "start", "how"),
    [("北京", 1, "more than once"), ("天津", 0, "never"), ("NO", 0, None), ("上海", 99, None), ("一氧", 2, None)],
)
def test_a_wrong_place_is_repaired_only_where_there_is_one(text, start, how):
    given = [{"text": text, "answer_start": start}]
    if how is None:
        assert check(given)[0] == [{"text": text, "start": CONTEXT.index(text)}]
        return
    message = rf"FILE, question 7: the answer '{text}' is not at answer_start={start}.*{how}"
    with pytest.raises(ValueError, match=message):
        check(given)


@pytest.mark.parametrize(
    ("flag", "given", "wanted"),
    [
        (True, [], [{"text": "", "start": -1}]),
        ("true", None, [{"text": "", "start": -1}]),
        (False, [], None),
        (None, None, None),
        ("False", ["上海"], [{"text": "上海", "start": 3}]),
    ],
)
def test_impossible_questions(flag, given, wanted):
    assert check(given, is_impossible=flag)[0] == wanted


def test_answers_count_more_than_the_mark():
    answers, met = check(["上海"], is_impossible="true")
    assert kind_of(first_answer(answers)) == "text"
    assert met["contradictory"] == 1
    assert check([""], is_impossible="true")[1]["contradictory"] == 0


@pytest.mark.parametrize(
    "given",
    ["上海", 5, [5], [None], [{"answer_start": 3}], [{"text": "上海", "answer_start": "3"}]]
    + [[{"text": "上海", "answer_start": True}], [{"text": "上海", "answer_start": -2}], {"text": ["上海"]}]
    + [{"text": ["上海"], "answer_start": []}, [{"text": "\ud83d", "answer_start": 0}], [[("text", "上海")]]],
)
def test_other_forms_are_refused(given):
    with pytest.raises(ValueError, match="FILE, question 7"):
        check(given)


@pytest.mark.parametrize("flag", [2, "maybe", [], {}])
def test_other_marks_are_refused(flag):
    with pytest.raises(ValueError, match="'is_impossible' is .*, expected true or false"):
        check(["上海"], is_impossible=flag)


def test_the_first_answer_of_a_kind_is_learned():
    free, yes = {"text": "天津", "start": -1}, {"text": "YES", "start": -1}
    assert first_answer([free, yes, {"text": "上海", "start": 3}]) is yes
    assert first_answer([free]) is None
    assert first_answer(None) is None

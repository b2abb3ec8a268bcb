"""Scores of spelling correction, counted by hand."""

import pytest

from hanziformers.training.spelling_scores import SCORES, Scored, scores_by_kind, spelling_scores

ROWS = [
    # text, correct, predicted, kinds, right characters
    Scored("我门在这", "我们在这", "我们在这", ["near_homophone"], 3),  # found and right
    Scored("末来再那", "未来在那", "未来再那", ["look_alike", "homophone"], 2),  # one of two, the other is missed
    Scored("他跑的块", "他跑得快", "他跑地快", ["homophone", "other"], 2),  # both found, one wrongly corrected
    Scored("我己到了", "我已到了", "你已到了", ["look_alike"], 3),  # found, and a right character broken
    Scored("天气很好", "天气很好", "天气很好", [], 4),  # right, left alone
    Scored("请坐下吧", "请坐下吧", "请座下吧", [], 4),  # right, broken
]


def test_by_hand():
    scores = spelling_scores(ROWS)
    assert list(scores) == list(SCORES)
    # 6 errors; 7 changes: 们, 未, 地 and 快, 你 and 已, 座; at errors 5, right 4
    expected = {
        "detection_precision": 5 / 7,
        "detection_recall": 5 / 6,
        "correction_precision": 4 / 7,
        "correction_recall": 4 / 6,
        # 4 wrong sentences, 5 changed; all errors and nothing else found in the first and the third; the first is right
        "sentence_detection_precision": 2 / 5,
        "sentence_detection_recall": 2 / 4,
        "sentence_correction_precision": 1 / 5,
        "sentence_correction_recall": 1 / 4,
        "false_alarms": 1000 * 2 / 18,
        "broken_texts": 1 / 2,
    }
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value), name
    for level in ("detection", "correction", "sentence_detection", "sentence_correction"):
        p, r = scores[f"{level}_precision"], scores[f"{level}_recall"]
        assert scores[f"{level}_f1"] == pytest.approx(2 * p * r / (p + r))


def test_by_kind():
    assert scores_by_kind(ROWS) == {
        "homophone": {"detection_recall": 1 / 2, "correction_recall": 0, "support": 2},
        "look_alike": {"detection_recall": 1, "correction_recall": 1, "support": 2},
        "near_homophone": {"detection_recall": 1, "correction_recall": 1, "support": 1},
        "other": {"detection_recall": 1, "correction_recall": 1, "support": 1},
    }
    assert list(scores_by_kind(ROWS))[-1] == "other"


def test_nothing_to_divide_by():
    assert set(spelling_scores([]).values()) == {0.0}
    right = spelling_scores([Scored("好", "好", "好", [], 1)])
    assert set(right.values()) == {0.0}
    assert spelling_scores([Scored("好", "好", "坏", [], 1)])["broken_texts"] == 1
    perfect = spelling_scores(ROWS[:1])
    assert {perfect[name] for name in SCORES[:12]} == {1.0}


def test_texts_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        spelling_scores([Scored("好", "好", "好好", [], 1)])

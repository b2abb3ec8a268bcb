"""The best answers of windows whose scores are plain."""

import numpy as np
import pytest

from hanziformers.training.reading_decoding import Window, best_answers, check_null_threshold
from hanziformers.training.reading_task import ReadingTask

CONTEXT = "王小明在北京上学"
OFFSETS = [[place, place + 1] for place in range(len(CONTEXT))]


def window(starts, ends, none=-9.0, yes=-9.0, no=-9.0, begin=0, end=8):
    """[CLS] 谁 [SEP] context [SEP] and padding; `starts` and `ends` score characters, all others -5."""
    count = end - begin
    logits = []
    for given in (starts, ends):
        row = np.full(3 + count + 1 + 4, -5.0, dtype=np.float32)
        row[[0, 2, 3 + count]] = none / 2, yes / 2, no / 2
        row[1] = row[-4:] = 99.0  # the question and padding are never read
        for place, score in given.items():
            row[3 + place - begin] = score
        logits.append(row)
    return Window(*logits, 3, OFFSETS[begin:end], [0, 2, 3 + count])


def best(*windows, kinds=("text",), top_k=3, longest=4, **more):
    return best_answers(windows, CONTEXT, kinds, top_k, longest, **more)


def test_the_best_part_of_the_text():
    found = best(window({4: 3.0, 0: 2.0}, {5: 3.0, 2: 1.0}))
    assert [(one["answer"], one["start"], one["end"]) for one in found[:2]] == [("北京", 4, 6), ("王小明", 0, 3)]
    assert sum(one["score"] for one in found) == pytest.approx(1, abs=1e-5)
    assert found[0]["score"] / found[1]["score"] == pytest.approx(np.exp(3), rel=1e-3)


def test_no_answer_ends_before_it_begins_or_is_too_long():
    assert best(window({5: 9.0}, {0: 9.0}))[0]["answer"] != "王小明在北京"
    scores = window({0: 9.0}, {5: 9.0})
    assert best(scores, longest=6)[0]["answer"] == "王小明在北京"
    assert best(scores, longest=5)[0]["answer"] in {"王", "王小明在", "小明在北京", "王小", "王小明", "王小明在北"}
    assert all(len(one["answer"]) <= 2 for one in best(scores, longest=2, top_k=20))


def test_all_spans_are_compared():
    rng = np.random.default_rng(0)
    starts, ends = ({place: float(rng.normal()) for place in range(8)} for _ in range(2))
    wanted = sorted(
        ((starts[i] + ends[j], CONTEXT[i : j + 1]) for i in range(8) for j in range(i, min(8, i + 4))), reverse=True
    )
    assert [one["answer"] for one in best(window(starts, ends), top_k=50)] == [text for _, text in wanted]


def test_windows_share_one_ranking():
    first = window({4: 1.0}, {5: 1.0}, end=6)
    second = window({4: 3.0}, {5: 3.0}, begin=3)
    found = best(first, second, top_k=9)
    assert found[0]["answer"] == "北京"
    assert [one["answer"] for one in found].count("北京") == 1
    assert best(first)[0]["start"] == best(second)[0]["start"] == 4


def test_no_answer_has_to_hold_in_every_window():
    sure, unsure = window({4: 1.0}, {5: 1.0}, none=5.0), window({}, {}, none=1.0)
    kinds = ("text", "none")
    assert best(sure, kinds=kinds)[0] == {"answer": "", "start": None, "end": None, "score": pytest.approx(1, abs=0.1)}
    assert best(sure, unsure, kinds=kinds)[0]["answer"] == "北京"
    assert best(sure)[0]["answer"] == "北京"  # not allowed


@pytest.mark.parametrize(("threshold", "answer"), [(2.9, ""), (3.1, "北京"), (-1.0, "")])
def test_the_null_threshold_is_what_no_answer_has_to_score_more(threshold, answer):
    found = best(window({4: 1.0}, {5: 1.0}, none=5.0), kinds=("text", "none"), null_threshold=threshold)
    assert found[0]["answer"] == answer


def test_yes_and_no():
    kinds = ("text", "none", "yes", "no")
    assert best(window({}, {}, yes=4.0, no=3.0), kinds=kinds)[0]["answer"] == "YES"
    assert best(window({}, {}, yes=4.0), window({}, {}, no=6.0), kinds=kinds)[0]["answer"] == "NO"


def test_a_context_without_tokens_has_no_answer():
    empty = Window(np.zeros(4), np.zeros(4), 3, [], [0, 2, 3])
    assert best_answers([empty], "", ["text"], 3, 4) == []
    assert best_answers([empty], "", ["text", "none"], 3, 4)[0]["answer"] == ""


@pytest.mark.parametrize("threshold", [float("nan"), -float("inf")])
def test_a_threshold_without_an_order_is_refused(threshold):
    with pytest.raises(ValueError, match=f"null_threshold={threshold} is not allowed; give a number of logits"):
        check_null_threshold(threshold)
    with pytest.raises(ValueError, match="null_threshold"):
        ReadingTask(null_threshold=threshold)

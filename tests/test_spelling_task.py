"""The task of spelling correction, and its scores of predictions that are given."""

import numpy as np
import pytest
from spelling_tools import VOCABULARY, make
from test_confusion_sets import SOME
from transformers import EvalPrediction, HfArgumentParser

from hanziformers.confusion_sets import KINDS
from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.data_splits import select_rows
from hanziformers.training.spelling_data import find_kinds, make_dataset
from hanziformers.training.spelling_errors import Misspelt
from hanziformers.training.spelling_scores import SCORES
from hanziformers.training.spelling_task import SpellingTask


@pytest.fixture(scope="module")
def tokenizer():
    return make("bert")[1]


@pytest.fixture(scope="module")
def data():
    written = [Misspelt("我门在", ["near_homophone"]), Misspelt("末来", ["look_alike"]), Misspelt("学校", [])]
    return make_dataset(written, ["我们在", "未来", "学校"], made=False)


def predict(encoded, table):
    """Predictions (ids [N, L, 2], probabilities) by text: the second is the character itself."""
    width = max(map(len, encoded["input_ids"])) + 1
    ids = np.full((len(encoded), width, 2), -100)
    for row, (own, text) in enumerate(zip(encoded["input_ids"], table, strict=True)):
        ids[row, : len(own)] = np.array(own)[:, None]
        ids[row, 1 : len(text) + 1, 0] = [VOCABULARY[one] for one in text]
    return ids, np.broadcast_to([0.7, 0.2], ids.shape)


def test_scores_of_given_predictions(data, tokenizer):
    task = SpellingTask()
    encoded, _ = task.encode(data, tokenizer, [], 48, "validation")
    scorer = task.scorer(data, encoded, [], tokenizer)
    predictions = predict(encoded, ["我们在", "末来", "学人"])
    labels = np.full(predictions[0].shape[:2], -100)
    for row, own in enumerate(encoded["labels"]):
        labels[row, : len(own)] = own
    scores = scorer(EvalPrediction(predictions=predictions, label_ids=labels))
    assert list(scores) == list(task.scores) == list(SCORES)
    assert scores["correction_precision"] == scores["correction_recall"] == 0.5
    assert scores["sentence_correction_recall"] == 0.5
    assert scores["false_alarms"] == pytest.approx(1000 / 5)
    assert scores["broken_texts"] == 1
    assert scorer.by_label(predictions) == {
        "look_alike": {"detection_recall": 0, "correction_recall": 0, "support": 1},
        "near_homophone": {"detection_recall": 1, "correction_recall": 1, "support": 1},
    }
    rows = scorer.rows(predictions)
    assert rows[0] == {
        "text": "我门在",
        "predicted": "我们在",
        "suggestions": [
            {
                "start": 1,
                "end": 2,
                "character": "门",
                "replacement": "们",
                "score": 0.7,
                "candidates": [{"character": "们", "score": 0.7}, {"character": "门", "score": 0.2}],
            }
        ],
        "gold": "我们在",
        "kinds": ["near_homophone"],
    }
    with pytest.raises(ValueError, match="other data"):
        scorer(EvalPrediction(predictions=predictions, label_ids=labels[::-1]))
    strict = SpellingTask(candidates="confusions", threshold=0.5).scorer(data, encoded, [], tokenizer)
    assert strict.scores(predictions)["false_alarms"] == 0  # 人 is nothing like 校
    assert SpellingTask(threshold=0.8).scorer(data, encoded, [], tokenizer).scores(predictions)["broken_texts"] == 0


def test_training_on_several_copies(tmp_path, tokenizer):
    (tmp_path / "characters").write_text(SOME, encoding="utf-8")
    (tmp_path / "clean.txt").write_text("我在大学校人来的土地\n未来的日目", encoding="utf-8")
    options = {"error_rate": 0.5, "error_characters": str(tmp_path / "characters"), "error_copies": 3}
    task = SpellingTask(**options)
    data, report = task.read(tmp_path / "clean.txt")
    assert report.rows == 2
    encoded, coverage = task.encode(data, tokenizer, [], 48, "train")
    assert encoded["correct"][:] == data["correct"][:] * 3
    assert encoded["text"][:2] == data["text"][:]
    assert len({*encoded["text"]}) > 4
    assert coverage.texts == 6
    assert len(task.encode(data, tokenizer, [], 48, "validation")[0]) == 2
    again = SpellingTask(**options)
    assert again.encode(again.read(tmp_path / "clean.txt")[0], tokenizer, [], 48, "train")[0]["text"] == encoded["text"]


def test_copies_are_of_right_text_alone(data, tokenizer):
    assert len(SpellingTask(error_copies=5).encode(data, tokenizer, [], 48, "train")[0]) == 3


def test_rows_without_chinese_teach_nothing(data):
    more = make_dataset([Misspelt("abc", []), Misspelt("我", []), Misspelt("", [])], ["abc", "我", ""], made=False)
    assert SpellingTask().labelled_rows(more) == [1]


def test_rows_without_chinese_are_not_scored(tokenizer):
    """A test gives the figures of a validation with the same data, which leaves these rows out."""
    written, right = ["我门在", "abc", "1", "人"], ["我们在", "abd", "1", "人"]
    data = make_dataset(map(Misspelt, written, find_kinds(list(zip(written, right, strict=True)))), right, made=False)
    task, scores = SpellingTask(), []
    for rows in (range(4), task.labelled_rows(data)):
        encoded, _ = task.encode(data.select(rows), tokenizer, [], 48, "test")
        scorer = task.scorer(data.select(rows), encoded, [], tokenizer)
        predictions = predict(encoded, ["我们在", "", "", "大"] if len(rows) == 4 else ["我们在", "大"])
        scores.append((scorer.scores(predictions), scorer.by_label(predictions)))
    assert scores[0] == scores[1]
    assert scores[0][0]["broken_texts"] == scores[0][0]["detection_recall"] == 1
    only, _ = task.encode(data.select([1]), tokenizer, [], 48, "test")
    assert task.scorer(data.select([1]), only, [], tokenizer).scores(predict(only, [""])) == {}


def test_right_texts_stay_together_where_data_are_held_out():
    rows = [("我门", "我们"), ("找们", "我们"), ("我门", "我们")] * 9 + [("人", "人")] * 9
    texts, right = zip(*rows, strict=True)
    data = make_dataset([Misspelt(text, []) for text in texts], list(right), made=False)
    parts = select_rows(SpellingTask(), {"train": data}, DataArguments(validation_fraction=0.3), seed=0)
    assert not {*parts["train"]["correct"]} & {*parts["validation"]["correct"]}


def test_options():
    (task,) = HfArgumentParser(SpellingTask).parse_args_into_dataclasses(["--candidates", "confusions"])
    assert task.candidates == "confusions"
    assert task.best_score in task.scores
    assert {*KINDS} == {piece.split("=")[0] for piece in task.error_mix.split(",")}
    for options, message in (
        ({"error_rate": 2}, "error_rate=2 is not allowed"),
        ({"error_mix": "x=1"}, "error_mix='x=1'"),
        ({"error_copies": 0}, "error_copies=0 is not allowed"),
        ({"candidates": "all"}, "candidates='all' is not allowed"),
        ({"threshold": -1}, "threshold=-1 is not allowed"),
    ):
        with pytest.raises(ValueError, match=message):
            SpellingTask(**options)

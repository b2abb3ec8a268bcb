"""Files of questions, in every form in which they come."""

import gzip
import json
from pathlib import Path

import pytest
from datasets import Dataset

from hanziformers.training.reading_data import FEATURES, from_dataset, read_reading

SAMPLE = Path(__file__).parent / "data" / "reading_sample"
CONTEXT = "王小明在北京上大学。"
QUESTION = {"id": "q1", "question": "在哪里？", "answers": [{"text": "北京", "answer_start": 4}]}
PARAGRAPH = {"context": CONTEXT, "qas": [QUESTION]}
ROW = {"id": "q1", "question": "在哪里？", "context": CONTEXT, "answers": [{"text": "北京", "start": 4}]}
FLAT = {"context": CONTEXT, **QUESTION}


def test_the_sample_of_cmrc():
    data, report = read_reading(SAMPLE / "cmrc.json")
    assert (report.questions, report.contexts, report.kinds, report.elsewhere) == (14, 4, {"text": 14}, 1)
    assert data.features == FEATURES
    for row in data:
        for answer in row["answers"]:
            found = row["context"][answer["start"] :].startswith(answer["text"])
            assert found or (answer["start"], answer["text"]) == (-1, "孙女小雨")


def test_the_sample_of_cjrc():
    _, report = read_reading(SAMPLE / "cjrc.json")
    assert report.kinds == {"text": 5, "no": 2, "yes": 3, "none": 3}
    assert report.contradictory == 2  # NO, and one of three people


def test_the_sample_of_squad2():
    data, report = read_reading(SAMPLE / "squad2.json")
    assert report.kinds == {"text": 5, "none": 3}
    assert report.contexts == 3
    assert data[2]["answers"] == [{"text": "", "start": -1}]


FORMS = {
    "squad": json.dumps({"version": "1.0", "data": [{"title": "t", "paragraphs": [PARAGRAPH]}]}),
    "indented": json.dumps({"data": [{"paragraphs": [PARAGRAPH]}]}, indent=2, ensure_ascii=False),
    "one open line": '{"version": "1",\n "data": [' + json.dumps({"paragraphs": [PARAGRAPH]}) + "]}\n",
    "list of articles": json.dumps([{"paragraphs": [PARAGRAPH]}]),
    "list of paragraphs": json.dumps([PARAGRAPH]),
    "a paragraph a line": json.dumps(PARAGRAPH) + "\n",
    "flat": json.dumps(FLAT) + "\n",
    "one flat question": json.dumps(FLAT, indent=1),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_forms(tmp_path, content):
    (tmp_path / "data.json").write_text(content, encoding="utf-8")
    assert read_reading(tmp_path / "data.json")[0].to_list() == [ROW]


def test_lines_and_gzip(tmp_path):
    lines = "\n".join(json.dumps({**FLAT, "id": number}) for number in range(3))
    (tmp_path / "data.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read_reading(tmp_path / "data.jsonl.gz")[0]["id"][:] == ["0", "1", "2"]


def test_a_data_set_of_the_hub():
    answers = {"text": ["北京"], "answer_start": [4]}
    data = Dataset.from_list([{"question": "在哪里？", "context": CONTEXT, "answers": answers}] * 2)
    found, report = from_dataset(data)
    assert found.to_list() == [{**ROW, "id": "0"}, {**ROW, "id": "1"}]
    assert (report.questions, report.contexts) == (2, 1)


def test_questions_without_answers(tmp_path):
    rows = [{**FLAT, "answers": []}, {**FLAT, "answers": None}, FLAT]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    data, report = read_reading(tmp_path / "data.json")
    assert [row is None for row in data["answers"]] == [True, True, False]
    assert report.unlabelled == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected questions about texts"),
        ("text\tlabel\n", "is not JSON .*SQuAD"),
        ('{"data": [}', "is not JSON"),
        ('{"data": []}', "has no questions"),
        ('{"data": {"a": 1}}', "'data' is .*expected a list"),
        ('{"data": [5]}', "data 0 has 5, expected a JSON object"),
        ('{"text": "a"}', r"has the keys \['text'\]; expected a question with its context"),
        (json.dumps({"qas": [QUESTION]}), r"question 'q1': the context is None, expected a text"),
        (json.dumps({**FLAT, "question": 5}), r"question 'q1': the question is 5, expected a text"),
        (json.dumps({**FLAT, "context": "\ud83d"}), "lone surrogate"),
        (
            json.dumps({"data": [{"paragraphs": [{"context": "北京，北京", "qas": [QUESTION]}]}]}),
            r"line 1, data 0, paragraphs 0, qas 0, question 'q1': the answer '北京' is not at answer_start=4.*more",
        ),
        (
            json.dumps(FLAT) + "\n" + json.dumps({**FLAT, "question": None}),
            "line 2, question 'q1': the question is",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_reading(tmp_path / "bad.json")
    assert "bad.json" in str(error.value)


EMPTY = {"text": [], "answer_start": []}
KNOWN = {"text": ["北京"], "answer_start": [4]}


@pytest.mark.parametrize(
    ("rows", "kinds", "unlabelled"),
    [
        ([{"answers": EMPTY}, {"answers": KNOWN}], {"none": 1, "text": 1}, 0),
        ([{"answers": EMPTY}, {"answers": EMPTY}], {}, 2),  # test data whose answers are not known
        ([{"answers": EMPTY, "is_impossible": False}, {"answers": KNOWN, "is_impossible": False}], {"text": 1}, 1),
        ([{"answers": EMPTY, "is_impossible": None}, {"answers": KNOWN}], {"none": 1, "text": 1}, 0),
        ([{"answers": None}, {"answers": KNOWN}], {"text": 1}, 1),
    ],
)
def test_the_hubs_form_of_no_answer(tmp_path, rows, kinds, unlabelled):
    """SQuAD 2.0 of the Hub has no column that marks questions as impossible."""
    rows = [{"question": "在哪里？", "context": CONTEXT, **row} for row in rows]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "data.jsonl").write_text(lines, encoding="utf-8")
    for data, report in (from_dataset(Dataset.from_list(rows)), read_reading(tmp_path / "data.jsonl")):
        assert (report.kinds, report.unlabelled) == (kinds, unlabelled)
        assert [{"text": "", "start": -1}] * kinds.get("none", 0) == (data["answers"][0] if "none" in kinds else [])


@pytest.mark.parametrize(("ids", "repeated"), [(["a", "a", "a"], 2), (["a", "b", None], 0), (["1", None, "2"], 1)])
def test_ids_that_several_questions_have_are_counted(tmp_path, ids, repeated):
    rows = [{**FLAT, "id": one} for one in ids]  # the number of a row is its id where it has none
    (tmp_path / "data.json").write_text(json.dumps(rows), encoding="utf-8")
    assert read_reading(tmp_path / "data.json")[1].repeated_ids == repeated

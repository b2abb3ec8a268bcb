"""Files of texts with their corrections, and of right text."""

import json
from pathlib import Path

import pytest
from datasets import Dataset
from test_confusion_sets import SOME

from hanziformers.training.spelling_data import find_kinds, from_dataset, read_spelling
from hanziformers.training.spelling_errors import ErrorMaker, ErrorOptions

SAMPLE = Path(__file__).parent / "data" / "spelling_sample" / "pairs.tsv"
PAIRS = [("我门在这儿，", "我们在这儿，"), ("很好", "很好")]


def no_maker():
    raise AssertionError("no errors have to be made")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def table(*rows, separator="\t"):
    return "".join(separator.join(row) + "\n" for row in rows)


FORMS = {
    "two.tsv": table(*PAIRS),
    "named.tsv": table(("id", "Target", "SRC"), *(("1", right, text) for text, right in PAIRS)),
    "three.txt": table(*(("1", *pair) for pair in PAIRS)),
    "blank.tsv": table(*PAIRS).replace("\n", "\r\n\r\n"),
    "quoted.csv": table(("original", "correct"), *((f'"{a}"', f'"{b}"') for a, b in PAIRS), separator=","),
    "lines.jsonl": "\n".join(
        json.dumps({"original_text": a, "wrong_ids": [1], "correct_text": b}, ensure_ascii=False) for a, b in PAIRS
    ),
    "list.json": json.dumps([{"text": a, "target": b} for a, b in PAIRS], ensure_ascii=False),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same(tmp_path, name):
    data, report = read_spelling(write(tmp_path / name, FORMS[name]), no_maker)
    assert [(row["text"], row["correct"]) for row in data] == PAIRS
    assert data["kinds"][:] == [["near_homophone"], []]
    assert (report.rows, report.wrong_rows, report.errors, report.made) == (2, 1, 1, False)
    assert report.kinds == {"near_homophone": 1}
    assert report.blank_lines == 2 * (name == "blank.tsv")


def test_data_sets_are_read_as_json_is():
    columns = {"source": [a for a, _ in PAIRS], "target": [b for _, b in PAIRS], "id": [1, 2]}
    data, report = from_dataset(Dataset.from_dict(columns), no_maker)
    assert [(row["text"], row["correct"]) for row in data] == PAIRS
    assert report.errors == 1
    with pytest.raises(TypeError, match="takes a datasets.Dataset, not dict"):
        from_dataset(columns, no_maker)
    with pytest.raises(ValueError, match=r"the dataset has the columns \['sentence'\].*original_text"):
        from_dataset(Dataset.from_dict({"sentence": ["x"]}), no_maker)


def test_the_sample():
    data, report = read_spelling(SAMPLE, no_maker)
    assert (report.rows, report.wrong_rows, report.errors) == (24, 16, 17)
    kinds = {text: row for text, row in zip(data["text"], data["kinds"], strict=True) if row}
    assert kinds["末来的城市会是什么样子？"] == ["look_alike"]
    assert kinds["他再图书馆看书。"] == ["homophone"]
    assert kinds["他跑的很快。"] == ["homophone"]


def test_kinds_of_errors():
    assert find_kinds([("末再亲在大", "未在请在请"), ("", ""), ("人a", "人b")]) == [
        ["look_alike", "homophone", "near_homophone", "other"],
        [],
        ["other"],
    ]
    assert find_kinds([]) == []


@pytest.mark.parametrize("form", ["txt", "jsonl", "tsv"])
def test_errors_are_made_in_right_text(tmp_path, form):
    """Documents are cut into sentences; the errors of one do not depend on the others."""
    documents = ["未来在人。清静的土地！", "请再来", "abc。"]
    text = "\n".join(documents)
    if form == "jsonl":
        text = "\n".join(json.dumps({"source": "web", "text": one, "id": 1}) for one in documents)
    if form == "tsv":
        text = "text\n" + text
    path = write(tmp_path / f"clean.{form}", text)
    characters = str(write(tmp_path / "characters", SOME))
    data, report = read_spelling(path, lambda: ErrorMaker(ErrorOptions(rate=1, characters=characters)))
    assert data["correct"][:] == ["未来在人。", "清静的土地！", "请再来", "abc。"]
    assert all(len(row["text"]) == len(row["correct"]) for row in data)
    changed = [sum(a != b for a, b in zip(row["text"], row["correct"], strict=True)) for row in data]
    assert changed == [len(row) for row in data["kinds"]]
    assert report.made
    assert report.errors == sum(changed) > 9
    alone, _ = read_spelling(
        write(tmp_path / "one.txt", "请再来"), lambda: ErrorMaker(ErrorOptions(1, characters=characters))
    )
    assert alone[0] == data[2]


def test_errors_that_nothing_corrects_are_counted(tmp_path):
    _, report = read_spelling(write(tmp_path / "x.tsv", "我，a在1\t我。b再人\n"), no_maker)
    assert (report.errors, report.not_chinese) == (4, 3)


BAD = {
    "unequal.tsv": (table(*PAIRS, ("我们们", "我们")), r"unequal\.tsv, line 3: '我们们' has 3 characters.*has 2; both"),
    "unequal.jsonl": ('{"source": "我", "target": "我们"}', r"unequal\.jsonl, line 1: '我' has 1 characters"),
    "missing.jsonl": ('{"source": "我"}', r"line 1 has the columns \['source'\], and not what is needed"),
    "both.jsonl": ('{"original": "我", "text": "我"}', r"line 1 has the columns \['original', 'text'\]"),
    "null.jsonl": ('{"source": null, "target": "我"}', r"line 1: None is no text"),
    "mixed.jsonl": ('{"source": "我", "target": "我"}\n{"text": "我"}', r"line 2 has only right text, other rows"),
    "half.jsonl": ('{"source": "\\ud800", "target": "我"}', "line 1: .* has a lone surrogate"),
    "width.tsv": (table(*PAIRS, ("我",)), "line 3: .* has 1 columns, expected 2"),
    "names.tsv": (table(("original", "id"), ("我", "1")), r"line 1 has the columns \['original', 'id'\]"),
    "only_names.tsv": (table(("original", "correct")), "has no row; expected the text as it was written"),
    "empty.tsv": ("\n", "is empty; expected texts with their corrections"),
    "sighan.txt": (
        "(pid=A2-0001)\t在我的生活裡\n",
        "line 1: .* has 13 characters, its correction .* has 6.*name the columns",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_by_its_line(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        read_spelling(write(tmp_path / name, content), no_maker)


UNNAMED = {
    # the correction has an unknown name: no errors are made in wrong text
    "label.jsonl": (
        '{"text": "我门在", "label": "我们在"}\n{"text": "学校", "label": "学校"}',
        "right text in text, and texts of the same lengths in label: if .* name their column correct_text",
    ),
    "label.tsv": (table(("text", "fixed"), ("我门在", "我们在")), "same lengths in fixed"),
    "label.csv": ("fixed,text\n我们在,我门在\n", "same lengths in fixed"),
    "names.tsv": (table(("error", "fixed"), ("我门", "我们")), r"line 1 has the columns \['error', 'fixed'\], and not"),
    "twice.tsv": (table(("source", "source", "target"), ("我", "你", "我")), "one of them twice; leave one"),
    "blank.jsonl": ('{"text": "  "}\n{"text": ""}', "blank.jsonl has only blank texts"),
}


@pytest.mark.parametrize("name", UNNAMED)
def test_corrections_of_another_name_are_not_read_as_something_else(tmp_path, name):
    content, message = UNNAMED[name]
    with pytest.raises(ValueError, match=message):
        read_spelling(write(tmp_path / name, content), no_maker)


def test_a_data_set_with_corrections_of_another_name_is_refused():
    with pytest.raises(ValueError, match="the dataset has right text in text, and texts of the same lengths in label"):
        from_dataset(Dataset.from_list([{"text": "我门在", "label": "我们在"}]), no_maker)


def test_other_columns_beside_right_text_are_left_out(tmp_path):
    maker = ErrorMaker(ErrorOptions(rate=0))
    for line in (
        '{"text": "我们在", "title": "土地人"}',
        '{"text": "我们在", "id": "abc"}',
        '{"text": "我们", "raw": "我"}',
    ):
        assert read_spelling(write(tmp_path / "x.jsonl", line), lambda: maker)[1].rows == 1

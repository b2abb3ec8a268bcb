"""Columns of texts, text pairs and labels: given, of known names, or inferred (see test_classification_data too)."""

from pathlib import Path

import pytest

from hanziformers.training.classification_columns import (
    Row,
    choose_columns,
    choose_keys,
    split_header,
    split_labels,
)

NONE = (None, None, None)


def header(*lines, given=NONE, separator=None):
    rows = [(f"data, line {number}", line.split("\t")) for number, line in enumerate(lines, 1)]
    return split_header(Path("data"), rows, given, separator)


def test_a_line_of_names_is_no_row():
    names, columns, rows = header("Label\ttext_a\ttext_b", "x\t一\t二")
    assert names == ["Label", "text_a", "text_b"]
    assert columns == ("text_a", "text_b", "Label")
    assert rows == [("data, line 2", ["x", "一", "二"])]


def test_positions_where_there_are_no_names():
    names, columns, rows = header(*[f"第{number}句\t{number % 2}" for number in range(4)])
    assert (names, columns, len(rows)) == (["0", "1"], ("0", None, "1"), 4)
    assert header("一\t二\tx", "三\t四\ty", given=("1", None, "2"))[1] == ("1", None, "2")


def test_labels_with_a_separator_are_counted_one_by_one():
    rows = [f"第{number}句\ta,b" if number % 2 else f"第{number}句\tb,a" for number in range(4)]
    assert header(*rows, separator=",")[1] == ("0", None, "1")


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (["sentence1", "sentence2", "label"], NONE, ("sentence1", "sentence2", "label")),
        (["sentence1", "sentence2", "label"], ("sentence2", None, None), ("sentence2", None, "label")),
        (["label", "label_desc", "text"], NONE, ("text", None, "label_desc")),
        (["text", "labels"], (None, None, "text"), None),
        (["title", "content", "class"], (None, "title", None), ("content", "title", "class")),
    ],
)
def test_columns_of_known_names(names, given, expected):
    if expected is None:  # the only column of texts was given as that of labels
        with pytest.raises(ValueError, match="no known text column"):
            choose_columns("data", names, given)
    else:
        assert choose_columns("data", names, given) == expected


@pytest.mark.parametrize("names", [["premise", "hypo", "label"], ["sentence1", "sent2"], ["text1", "label"]])
def test_the_first_text_of_a_pair_is_not_read_alone(names):
    with pytest.raises(ValueError, match=f"data has '{names[0]}' without .*--pair_column"):
        choose_columns("data", names, NONE)
    assert choose_columns("data", names, (None, names[1], None))[:2] == (names[0], names[1])
    assert choose_columns("data", names, (names[0], None, None))[:2] == (names[0], None)


def test_a_second_line_of_names_is_no_row():
    with pytest.raises(ValueError, match="data, line 3: the names of the columns .* once more"):
        header("text\tlabel", "一\tx", "text\tlabel", "二\tx")


def test_labels_of_a_field():
    assert split_labels(" a, b ", None) == ["a, b"]
    assert split_labels(" a, b ,, ", ",") == ["a", "b"]
    assert split_labels("", ",") == []


def keys(*records, given=NONE):
    return choose_keys("data", [Row(f"line {number}", record) for number, record in enumerate(records, 1)], given)


COMMON = {"sentence": "好", "label": "x", "id": 7}


@pytest.mark.parametrize(
    "odd",
    [
        {"sentence": "好", "label": "x", "label_desc": "y"},
        {"sentence": "好", "label": "x", "text": "y", "text_a": "y"},
        {"sentence": "好", "label": "x", "text_pair": "y", "sentence2": "z"},
        {"sentence": "好"},
        {"label": "x"},
        {},
    ],
)
def test_an_odd_record_does_not_decide_for_the_others(odd):
    assert keys(COMMON, odd, COMMON) == keys(odd, COMMON, COMMON) == ("sentence", None, "label")


def test_few_records_may_have_a_label():
    bare = {"text": "好"}
    assert keys(bare, bare, bare, {"text": "好", "label": "x"}) == ("text", None, "label")
    both = {"text": "好", "label_desc": "x", "label": "1"}
    assert keys(bare, both, bare) == ("text", None, "label_desc")
    assert keys(bare, both, bare, given=(None, None, "label")) == ("text", None, "label")


def test_a_label_in_another_column_is_not_lost():
    other = {"sentence": "好", "category": "x"}
    with pytest.raises(ValueError, match=r"line 2 has \['category'\] where most rows have 'label'; rename the column"):
        keys(COMMON, other, COMMON)
    assert keys(COMMON, other, COMMON, given=(None, None, "category")) == ("sentence", None, "category")


def test_given_columns_may_be_rare():
    assert keys(COMMON, COMMON, COMMON | {"note": "n"}, given=("note", None, None)) == ("note", None, "label")
    with pytest.raises(ValueError, match=r"data has no column \['none'\]"):
        keys(COMMON, given=("none", None, None))


def test_a_column_of_ids_is_none_of_texts_whatever_an_odd_row_holds():
    ids = ["x7", *map(str, range(39))]
    with pytest.raises(ValueError, match="what its 3 columns hold cannot be inferred"):
        header(*(f"{number}\t第{number}句话\t{number[-1] in '123'}" for number in ids))


@pytest.mark.parametrize("first", ["text;label", "text|label", "text\tlabel", "好\t1"])
def test_other_separators_than_the_name_says_are_refused(first):
    rows = [("data.csv, line 1", [first]), ("data.csv, line 2", ["x"])]
    with pytest.raises(ValueError, match="has other separators than the file's name says"):
        split_header(Path("data.csv"), rows, NONE, None)

"""Columns of texts, text pairs and labels: given, of known names, or inferred (see test_classification_data too)."""

from pathlib import Path

import pytest

from hanziformers.training.classification_columns import choose_columns, split_header, split_labels

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


def test_labels_of_a_field():
    assert split_labels(" a, b ", None) == ["a, b"]
    assert split_labels(" a, b ,, ", ",") == ["a", "b"]
    assert split_labels("", ",") == []

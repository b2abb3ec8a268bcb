"""Tokens and tags in columns, and positions within words (see test_ner_data too)."""

import pytest

from hanziformers.training.ner_columns import parse_columns, strip_positions
from hanziformers.training.ner_records import Sentence


def lines(*texts):
    return [(f"line {number}", text) for number, text in enumerate(texts, 1)]


def test_blank_lines_and_marks_end_sentences():
    sentences, marks = parse_columns(lines("-DOCSTART- O", "", "李\tN\tB-PER", "雷\tN\tI-PER", " ", "好\tN\tO"))
    assert marks == 1
    assert [(s.where, s.tokens, s.tags) for s in sentences] == [
        ("line 3", ["李", "雷"], ["B-PER", "I-PER"]),
        ("line 6", ["好"], ["O"]),
    ]


@pytest.mark.parametrize(("line", "token"), [("\u3000 O", "\u3000"), (" \tO", " "), ("\t\tO", "\t"), ("  O", " ")])
def test_white_space_may_be_a_token(line, token):
    assert parse_columns(lines(line))[0][0].tokens == [token]


def test_lines_of_other_widths_are_refused():
    with pytest.raises(ValueError, match="line 2: '雷 N O' has the columns .*expected 2"):
        parse_columns(lines("李 O", "雷 N O"))


@pytest.mark.parametrize(
    ("tokens", "stripped"),
    [
        (["科0", "技1", "好0"], ["科", "技", "好"]),
        (["50", "01", "a2"], ["5", "0", "a"]),  # digits of the token stay
        ([*(f"{letter}{number}" for number, letter in enumerate("abcdefghij")), "k10"], [*"abcdefghijk"]),
        (["科0", "技"], None),
        (["技1"], None),
    ],
)
def test_positions_within_words(tokens, stripped):
    sentences = [Sentence("line 1", tokens=list(tokens), tags=["O"] * len(tokens))]
    assert strip_positions(sentences) is (stripped is not None)
    assert sentences[0].tokens == (stripped or tokens)

"""Tokens and tags in columns, and positions within words (see test_ner_data too)."""

import pytest

from hanziformers.training.ner_columns import check_one_sentence, parse_columns, strip_positions
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


def test_an_odd_first_line_does_not_decide_for_the_others():
    with pytest.raises(ValueError, match="line 1: 'a title' .*expected 3 as in most lines"):
        parse_columns(lines("a title", "李 N O", "雷 N O"))


@pytest.mark.parametrize(
    "texts",
    [
        ("1\t李\tO", "2\t雷\tO", "", "1\t好\tO"),
        ("1 B-PER", "2 I-PER", "3 O"),
        ("doc1 李 O", "doc1 雷 O", "doc2 好 O"),
        ("Sentence:1 李 O", "Sentence:1 雷 O"),
        ("1-2 李 _ O", "3 雷 _ O"),
        *(tuple(f"{number} O" for number in range(101, 113)),),
    ],
)
def test_a_first_column_of_ids_is_refused(texts):
    with pytest.raises(ValueError, match="line 1: the first column holds .*, which are numbers or ids, not tokens"):
        parse_columns(lines(*texts))


@pytest.mark.parametrize("line", ["李, O", "李 \tO", "李| O", "李\u3000\tO"])
def test_a_separator_is_no_part_of_the_tokens(line):
    with pytest.raises(ValueError, match="line 1: the token '李.*' ends in .*, as all tokens do"):
        parse_columns(lines(*[line] * 10))
    parse_columns(lines(*[line] * 10, "好\tO" if "\t" in line else "好 O"))  # one odd token decides nothing


def test_a_blank_line_after_every_token_ends_no_sentence():
    with pytest.raises(ValueError, match="line 3: a blank line ends every token"):
        parse_columns(lines(*["李 O", ""] * 10))


@pytest.mark.parametrize("tokens", [["1", "2"], ["5", "6", "7"], ["A1", "B2"], ["1", "李", "3"]])
def test_digits_may_be_tokens(tokens):
    sentences, _ = parse_columns(lines(*(f"{token} O" for token in tokens)))
    assert sentences[0].tokens == tokens


def sentence(*tokens):
    places = [f"line {number}" for number in range(1, len(tokens) + 1)]
    return Sentence("line 1", tokens=list(tokens), tags=["O"] * len(tokens), places=places)


def test_a_file_without_blank_lines_is_not_one_sentence():
    for tokens in ("他说：“好！”", "李雷！？", "3.5元", "天" * 200, "好。"):
        check_one_sentence(sentence(*tokens))
    check_one_sentence(sentence("好0", "。0"))
    for tokens, message in (
        ("好。李雷", "of 4 tokens; after its end it goes on at line 3; write a blank line after every sentence"),
        ("好！”是", "goes on at line 4"),
        ("天" * 201, "of 201 tokens; write a blank line"),
    ):
        with pytest.raises(ValueError, match=f"line 1: no blank line ends a sentence, .*{message}"):
            check_one_sentence(sentence(*tokens))
    with pytest.raises(ValueError, match="goes on at line 3"):
        check_one_sentence(sentence("好0", "。1", "李0"))


def test_a_file_of_one_sentence_is_said(warnings):
    check_one_sentence(sentence(*"李雷好"))
    assert warnings == [
        "line 1: the whole file is one sentence of 3 tokens, as no blank line ends one; write a blank line after every "
        "sentence, and after the last"
    ]
    check_one_sentence(sentence(*"李雷。好"), has_end=True)
    assert len(warnings) == 1
    check_one_sentence(sentence(*"天" * 201), has_end=True)
    assert "line 1: the whole file is one sentence of 201 tokens; if it is not" in warnings[1]


NAMES = [
    "char entity",
    "token label",
    "Word Tag",
    "字 标签",
    "# token\tner_tag",
    "汉字 实体类型",
    "tokens BIO",
    "char N type",
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("prefix", ["", "B-"])
@pytest.mark.parametrize("before", [(), ("-DOCSTART- O", ""), ("好 O", "")])
def test_a_line_of_names_is_no_sentence(names, prefix, before):
    separator, middle = "\t" if "\t" in names else " ", "N " * (names.count(" ") == 2)
    texts = [text.replace(" ", f" {middle}").replace(" ", separator) for text in (*before, f"李 {prefix}PER", "雷 O")]
    with pytest.raises(ValueError, match=rf"line {len(before) + 1}: .* has the tag .*the names of columns; remove it"):
        parse_columns(lines(*texts[: len(before)], names, *texts[len(before) :]))


@pytest.mark.parametrize(
    "texts",
    [
        ("word entity", "life entity", "好 O"),  # the label of another token too
        ("好 O", "word entity", "", "word entity"),  # within a sentence
        ("字 LOC", "好 O"),
        ("李 entity", "好 O"),
        ("word O", "李 entity", "雷 entity"),
    ],
)
def test_words_that_may_be_names_stay_where_they_are_data(texts):
    assert parse_columns(lines(*texts))[0][0].tokens[0] == texts[0].split()[0]


def test_few_tokens_without_position_do_not_decide_for_the_others():
    tokens = ["科0", "技1"] * 15
    for odd, number in (([*tokens, "好"], 31), (["科1", *tokens[1:]], 1)):
        with pytest.raises(ValueError, match=f"line {number}: the token .* as 30 of 31 tokens do|line 1: .*29 of 30"):
            strip_positions([sentence(*odd)])

"""What is wrong with a text is said by the name of the wrong piece."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanziformers.tokenization.text_checks import check_batch, check_words, explain, lone_surrogate


@given(st.text(st.characters() | st.sampled_from("\ud800\udbff\udc00\udfff\ud7ff\ue000𠀀"), max_size=6))
def test_the_first_lone_surrogate(text):
    slow = [index for index, character in enumerate(text) if 0xD800 <= ord(character) <= 0xDFFF]
    assert lone_surrogate(text) == (slow[0] if slow else None)


@pytest.mark.parametrize("empty", [[], ()])
def test_a_batch_has_a_text(empty):
    with pytest.raises(ValueError, match="text is an empty list; a batch needs one text or more"):
        check_batch(empty, is_split_into_words=False)
    check_batch(empty, is_split_into_words=True)  # a text of no words
    check_batch("", is_split_into_words=False)
    check_batch([""], is_split_into_words=False)


@pytest.mark.parametrize(
    ("text", "pair", "message"),
    [
        (None, None, "text is None; a text must be a string"),
        (["银", ["行", 3]], None, r"text\[1\]\[1\] is 3; a text must be a string"),
        ("银", ["行", None], r"text_pair\[1\] is None; a text must be a string"),
        (["银", "a\udc00"], None, r"text\[1\] holds the lone surrogate '\\udc00' at 1, which is no character"),
        ([("银", "行"), ("银", "\ud800")], None, r"text\[1\]\[1\] holds the lone surrogate '\\ud800' at 0"),
    ],
)
def test_the_wrong_piece_is_named(text, pair, message):
    cause = TypeError("as the tokenizer says it")
    with pytest.raises(ValueError, match=message) as error:
        explain(text, pair, cause)
    assert error.value.__cause__ is cause


def test_texts_without_fault_are_not_explained():
    assert explain(["银", ("a", "")], "行", ValueError("something else")) is None


@pytest.mark.parametrize(
    ("words", "pair", "message"),
    [
        (["银", ""], None, r"text\[1\] is an empty word, which no token stands for; leave it out"),
        ([["银"], [""]], None, r"text\[1\]\[0\] is an empty word"),
        (["银"], ["", "行"], r"text_pair\[0\] is an empty word"),
        (["银", 3], None, r"text\[1\] is 3"),
        (["\ud800"], None, "lone surrogate"),
    ],
)
def test_words_that_are_none_are_refused(words, pair, message):
    with pytest.raises(ValueError, match=message) as error:
        check_words(words, pair)
    assert error.value.__cause__ is None
    assert check_words([["银", " "], []], [[], ["行"]]) is None

"""Words line up with characters and tokens, for every text."""

import numpy as np
import pytest
import rjieba
from hypothesis import example, given
from hypothesis import strategies as st

from hanziformers import GlyphCrmTokenizer
from hanziformers.tokenization.words import token_words, word_numbers

SENTENCE = "我来到北京清华大学,hello  3.14\r\n好"
WORDS = ["我", "来到", "北京", "清华大学", ",", "hello", " ", " ", "3.14", "\r\n", "好"]

families = ["👍🏽", "👨\u200d👩\u200d👧", "e\u0301"]
pieces = [SENTENCE, *"中国银行行长", "中华人民共和国", "𠀀𰻝", "\r", "\n", "\u3000", "x1", *families]
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
texts = st.lists(st.sampled_from(pieces) | anything, max_size=12).map("".join)


def test_words_of_a_sentence():
    assert word_numbers(SENTENCE).tolist() == [number for number, word in enumerate(WORDS) for _ in word]


@given(texts)
@example("")
@example("\r\n")
@example("a\r\n\r\nb")
def test_words_line_up_with_characters(text):
    numbers = word_numbers(text)
    assert numbers.dtype == np.int32
    assert numbers.shape == (len(text),)
    slow = [number for number, word in enumerate(rjieba.cut(text)) for _ in word]
    assert numbers.tolist() == slow
    pieces = ["".join(c for c, n in zip(text, slow, strict=True) if n == number) for number in range(len(set(slow)))]
    assert pieces == rjieba.cut(text)


@given(texts)
@example(SENTENCE)
def test_words_of_tokens(text):
    encoded = GlyphCrmTokenizer()(text, return_offsets_mapping=True)
    numbers = token_words(text, encoded["offset_mapping"])
    characters = word_numbers(text)
    expected = [-1 if end == start else characters[start] for start, end in encoded["offset_mapping"]]
    assert numbers.tolist() == expected
    assert numbers[0] == numbers[-1] == -1


def test_no_tokens():
    assert token_words("", []).shape == (0,)
    assert token_words("好", np.zeros((2, 2), int)).tolist() == [-1, -1]


def test_bad_input_is_explained():
    with pytest.raises(TypeError, match="must be one str, got list"):
        word_numbers(["好"])
    with pytest.raises(ValueError, match=r"lone surrogate '\\ud83d' at 1"):
        word_numbers("好\ud83d")
    with pytest.raises(ValueError, match="start between 0 and 5, but the text has 2 characters"):
        token_words("你好", [(0, 1), (5, 6)])

"""Cutting texts into words and characters, and vocabularies that are counted in them."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hanziformers.tokenization.characters import NO_INK
from hanziformers.tokenization.word_counting import build_word_vocabulary, count_words, cut_text

texts = st.lists(
    st.sampled_from(
        ["南京市长江大桥", "银行", " ", "\r\n", "\u3000", "\u200b", "𠮷野家", "a1.2", "[PAD]", "\x00", "👩\u200d🔬"]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    max_size=6,
).map("".join)


def has_ink(character):
    return not any(first <= ord(character) <= last for first, last in NO_INK)


@given(texts, st.sampled_from(["words", "characters"]))
@example("银行 \n很忙", "words")
@example("", "characters")
def test_words_stand_where_they_are_said_to_stand_and_all_ink_is_in_one(text, cut):
    words = cut_text(text, cut)
    covered, end = set(), 0
    for word, start in words:
        assert text.startswith(word, start)
        assert start >= end
        end = start + len(word)
        covered |= set(range(start, end))
    assert {i for i, character in enumerate(text) if has_ink(character)} <= covered
    assert cut == "words" or [word for word, _ in words] == [one for one in text if has_ink(one)]


def test_a_vocabulary_of_words():
    counts = count_words(["银行今天", ["银行", "New York", "[PAD]", ""], "今天 很 忙"], "words")
    assert counts == {"银行": 2, "今天": 2, "很": 1, "忙": 1, "New York": 1, "[PAD]": 1, "": 1}
    assert list(build_word_vocabulary(counts)) == ["[PAD]", "[UNK]", "今天", "银行", "New York", "很", "忙"]
    assert build_word_vocabulary(counts, min_count=2) == {"[PAD]": 0, "[UNK]": 1, "今天": 2, "银行": 3}
    assert build_word_vocabulary(Counter()) == {"[PAD]": 0, "[UNK]": 1}
    assert count_words(["银行 很"], "characters") == {"银": 1, "行": 1, "很": 1}


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="cut='letters' is not allowed; allowed is 'words' or 'characters'"):
        count_words(["银"], "letters")
    with pytest.raises(ValueError, match="min_count=0 is not allowed"):
        build_word_vocabulary(Counter("银"), 0)
    for cut in ("words", "characters"):
        with pytest.raises(UnicodeEncodeError):
            count_words(["\ud800"], cut)
        with pytest.raises(TypeError):
            count_words([None], cut)
        with pytest.raises(ValueError, match="the string '银行' is given in place of a list of strings; give ..银行.."):
            count_words("银行", cut)  # not its characters

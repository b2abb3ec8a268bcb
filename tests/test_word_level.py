"""Words as tokens: one id a word, whatever stands in it."""

import pytest
from hypothesis import example, given
from word_tools import VOCABULARY, WORDS, make_word_tokenizer, word_lists

from hanziformers import WordTokenizer
from hanziformers.tokenization.word_level import WordLevelTokenizer

TOKENIZER = make_word_tokenizer()


@given(word_lists)
@example(["[PAD]", "[UNK]", "银行", "[CLS]", " ", "New York"])
def test_a_word_that_is_written_like_padding_is_no_padding(words):
    encoded = WordLevelTokenizer(VOCABULARY)(words, is_split_into_words=True, padding="max_length", max_length=8)
    expected = [VOCABULARY[word] if word in WORDS[2:] else 1 for word in words]
    assert encoded["word_ids"] == expected + [0] * (8 - len(words))
    assert encoded["attention_mask"] == [1] * len(words) + [0] * (8 - len(words))


def test_decoding_writes_chinese_without_spaces():
    words = ["银行", "行长", "ab", "今天", "ab", "ab"]
    assert TOKENIZER.decode(TOKENIZER(words, is_split_into_words=True)["word_ids"]) == "银行行长ab今天ab ab"
    assert TOKENIZER.tokenize("银行犇") == ["银行", "[UNK]"]


@pytest.mark.parametrize("vocabulary", [{"[UNK]": 0, "[PAD]": 1}, {"[PAD]": 0, "x": 1, "[UNK]": 2}])
def test_other_first_words_are_refused(vocabulary):
    with pytest.raises(ValueError, match=r"must be the first two words of a vocabulary of words"):
        WordTokenizer(vocabulary)


def test_vocabularies_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="without a gap"):
        WordTokenizer({"[PAD]": 0, "[UNK]": 1, "银": 3})
    with pytest.raises(ValueError, match=r"lacks \['\[UNK\]'\]"):
        WordTokenizer({"[PAD]": 0})
    with pytest.raises(ValueError, match="cut='letters' is not allowed"):
        WordTokenizer(VOCABULARY, cut="letters")

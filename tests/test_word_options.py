"""Where the words of a new model come from: files, or the training text, which is read only then."""

import pytest

from hanziformers import GlyceTokenizer, LatticeLstmTokenizer, WordTokenizer
from hanziformers.training.model_loading import ModelArguments
from hanziformers.training.word_options import counts_words, is_given, new_words, reads_lexicon, warn_of_words

TEXTS = ["银行今天", ["银行", "New York"], "今天"]


def unread():
    raise AssertionError("the training text is read")
    yield


def test_what_tokenizers_need():
    assert [counts_words(one) for one in (WordTokenizer, LatticeLstmTokenizer, GlyceTokenizer, None)] == [
        True,
        *[False] * 3,
    ]
    assert [reads_lexicon(one) for one in (WordTokenizer, LatticeLstmTokenizer, GlyceTokenizer, None)] == [
        False,
        True,
        False,
        False,
    ]


def test_words_are_counted(warnings):
    vocabulary, settings = new_words(ModelArguments(model_type="bimpm"), WordTokenizer, iter(TEXTS))
    assert (vocabulary, settings) == ({"[PAD]": 0, "[UNK]": 1, "今天": 2, "银行": 3}, {})
    assert "vocabulary: the 2 words that occur 2 times or more in the training text" in warnings[0]
    options = ModelArguments(model_type="bimpm", cut="characters", min_word_count=1)
    vocabulary, settings = new_words(options, WordTokenizer, TEXTS)
    assert list(vocabulary) == ["[PAD]", "[UNK]", "今", "天", "New York", "行", "银", "银行"]
    assert settings == {"cut": "characters"}


def test_a_lexicon_is_found(warnings):
    vocabulary, settings = new_words(ModelArguments(vocab_file="v.txt"), LatticeLstmTokenizer, iter(TEXTS))
    assert (vocabulary, settings) == ("v.txt", {"lexicon_file": ["银行", "今天", "New", "York"]})
    assert warnings == ["lexicon: the 4 words that rjieba finds in the training text"]


def test_files_go_before_the_training_text():
    options = ModelArguments(vocab_file="v.txt", lexicon_file="l.txt", cut="characters")
    assert new_words(options, LatticeLstmTokenizer, unread()) == ("v.txt", {"lexicon_file": "l.txt"})
    assert new_words(options, WordTokenizer, unread()) == ("v.txt", {"cut": "characters"})
    assert new_words(ModelArguments(semantic_encoder="bert"), GlyceTokenizer, unread()) == ("bert", {})


def test_no_training_text_is_refused():
    with pytest.raises(ValueError, match="the vocabulary of a new model .* there is none: give --vocab_file, or train"):
        new_words(ModelArguments(model_type="bimpm"), WordTokenizer, ())
    with pytest.raises(ValueError, match="the lexicon of a new model .* give --lexicon_file, or train"):
        new_words(ModelArguments(vocab_file="v.txt"), LatticeLstmTokenizer, iter(()))


def test_0_is_given_too(warnings):
    assert [value for value in (None, False, "", 0, 1, "0", True) if is_given(value)] == [0, 1, "0", True]
    warn_of_words(ModelArguments(model_type="glyce", min_word_count=0), GlyceTokenizer)
    assert warnings == ["--min_word_count 0 has no effect: a glyce does not read words"]


def test_options_without_effect_are_warned_about(warnings):
    every = {"lexicon_file": "l.txt", "cut": "words", "min_word_count": 3}
    warn_of_words(ModelArguments(model_type="glyce", **every), GlyceTokenizer)
    assert warnings == [
        "--lexicon_file l.txt has no effect: a glyce has no lexicon",
        "--cut words has no effect: a glyce does not read words",
        "--min_word_count 3 has no effect: a glyce does not read words",
    ]
    warnings.clear()
    warn_of_words(ModelArguments(model_type="bimpm", vocab_file="v.txt", cut="words", min_word_count=3), WordTokenizer)
    assert warnings == ["--min_word_count 3 has no effect: --vocab_file v.txt has the words"]

"""Labels of tokens, and what cannot be corrected."""

import pytest
from spelling_tools import FAMILIES, VOCABULARY, make

from hanziformers.training.model_loading import get_tokenizer
from hanziformers.training.spelling_data import make_dataset
from hanziformers.training.spelling_errors import Misspelt
from hanziformers.training.spelling_features import IGNORED, encode_spelling


def dataset(*pairs):
    written = [
        Misspelt(text, ["other"] * sum(a != b for a, b in zip(text, right, strict=True))) for text, right in pairs
    ]
    return make_dataset(written, [right for _, right in pairs], made=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_chinese_character_is_labelled_with_the_right_one(family):
    tokenizer = get_tokenizer(make(family)[1])
    data = dataset(("我门，在1", "我们，在1"), ("末来", "未来"))
    encoded, coverage = encode_spelling(data, tokenizer, 48)
    ids = {token: VOCABULARY[token] for token in "我们在未来门末"}
    assert encoded["labels"][0] == [IGNORED, ids["我"], ids["们"], IGNORED, ids["在"], IGNORED, IGNORED]
    assert encoded["labels"][1] == [IGNORED, ids["未"], ids["来"], IGNORED]
    assert encoded["positions"][0] == [-1, 0, 1, -1, 3, -1, -1]
    assert encoded["input_ids"][1][1:3] == [ids["末"], ids["来"]]  # as it was written
    assert (coverage.texts, coverage.errors) == (2, 2)
    assert coverage.cut_off == coverage.no_token == coverage.unknown_right == coverage.unknown_characters == 0
    if family == "chinese_bert":
        assert encoded["pinyin_ids"][0] == tokenizer("我门，在1")["pinyin_ids"]


def test_characters_that_the_vocabulary_lacks():
    """An unknown one that is right is learned as [UNK]; a wrong one can be corrected; an unknown right one cannot."""
    tokenizer = make("bert")[1]
    encoded, coverage = encode_spelling(dataset(("㐀㐁未", "㐀在㐂")), tokenizer, 48)
    assert encoded["labels"][0] == [IGNORED, VOCABULARY["[UNK]"], VOCABULARY["在"], IGNORED, IGNORED]
    assert (coverage.errors, coverage.unknown_characters, coverage.unknown_right) == (2, 2, 1)


def test_errors_that_no_prediction_hits():
    tokenizer = make("bert")[1]
    data = dataset(("我在，末a来apples的", "我再。未b来appleX得"), ("大" * 60, "大" * 59 + "士"), ("我在", "我，"))
    encoded, coverage = encode_spelling(data, tokenizer, 20)
    assert coverage.errors == 6 + 1 + 1
    assert coverage.no_token == 3  # ，, a and s
    assert coverage.cut_off == 1
    assert coverage.truncated_texts == 1
    assert coverage.unknown_right == 1  # a comma is never written
    assert [len(row) for row in encoded["labels"]] == [len(row) for row in encoded["input_ids"]]
    assert max(map(len, encoded["input_ids"])) == 20


def test_an_empty_text():
    encoded, coverage = encode_spelling(dataset(("", ""), ("a", "a")), make("bert")[1], 48)
    assert encoded["labels"][0] == [IGNORED, IGNORED]
    assert coverage.errors == 0

"""Encoding of texts and pairs, what truncation takes away, and labels as numbers."""

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from hanziformers.training.classification_features import (
    ClassificationCoverage,
    encode_classification,
    encode_labels,
)

CHARACTERS = "天地玄黄宇宙洪荒"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]), encoding="utf-8")
    return BertTokenizer(str(path))


def test_encodes_texts_and_counts_what_is_cut(tokenizer):
    texts = ["天地", "天地玄", "天地玄黄宇宙", "天地玄黄  ", "", "火天x"]
    data = Dataset.from_dict({"text": texts, "label": list("ababab")})
    encoded, coverage = encode_classification(data, tokenizer, ["a", "b"], 5)
    whole = tokenizer(texts)["input_ids"]
    assert [len(row) for row in encoded["input_ids"]] == [4, 5, 5, 5, 2, 5]
    assert encoded[0]["input_ids"] == whole[0]
    assert set(encoded.column_names) == {*tokenizer(texts), "labels"}
    assert encoded["labels"][:] == [0, 1] * 3
    # 黄宇宙; 黄 and two spaces
    assert coverage == ClassificationCoverage(6, sum(map(len, texts)), 2, 3 + 3, 2)


def test_encodes_pairs(tokenizer):
    data = Dataset.from_dict({"text": ["天地", "天"], "text_pair": ["玄黄宇宙", "玄"], "label": ["x", None]})
    encoded, coverage = encode_classification(data, tokenizer, ["x"], 7)
    assert encoded[0]["input_ids"] == tokenizer("天地", "玄黄")["input_ids"]
    assert set(encoded[0]["token_type_ids"]) == {0, 1}
    assert (coverage.truncated_texts, coverage.cut_characters) == (1, 2)
    assert "labels" not in encoded.column_names  # one row has none


@given(st.lists(st.text(CHARACTERS, max_size=12), min_size=1, max_size=6), st.integers(4, 10))
def test_what_is_cut_is_what_is_missing(tokenizer, texts, length):
    data = Dataset.from_dict({"text": texts, "label": ["a"] * len(texts)})
    _, coverage = encode_classification(data, tokenizer, ["a"], length)
    lost = [max(0, len(text) - (length - 2)) for text in texts]
    assert (coverage.truncated_texts, coverage.cut_characters) == (sum(map(bool, lost)), sum(lost))


def test_labels_as_numbers():
    assert encode_labels(["b", "a"], ["a", "b"]).tolist() == [1, 0]
    assert encode_labels([["b", "a"], []], ["a", "b", "c"], True).tolist() == [[1, 1, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match=r"the labels \['d'\] are none of the model's \['a', 'b'\]"):
        encode_labels(["a", "d"], ["a", "b"])
    with pytest.raises(ValueError, match=r"\['d'\]"):
        encode_labels([["a", "d"]], ["a", "b"], True)

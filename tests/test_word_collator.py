"""Batches of sentences in words: everything that a word has one of is padded to the same length."""

import pytest
import torch

from hanziformers.tokenization.tokenization_words import WordTokenizer
from hanziformers.training.word_collator import WordCollator


@pytest.fixture
def tokenizer():
    return WordTokenizer({"[PAD]": 0, "[UNK]": 1, "他": 2, "吃饭": 3})


def rows(tokenizer):
    texts, labels = (["他", "吃饭"], ["他"]), ([1, 2], [0])
    pairs = zip(texts, labels, strict=True)
    return [
        {**tokenizer(words, is_split_into_words=True), "labels": ids, "heads": ids, "predicate": len(words)}
        for words, ids in pairs
    ]


@pytest.mark.parametrize(("multiple", "length"), [(None, 2), (8, 8)])
def test_pads_beside_the_tokenizer(tokenizer, multiple, length):
    batch = WordCollator(tokenizer, {"labels": -100, "heads": 0, "tag_ids": 0}, multiple)(rows(tokenizer))
    assert batch["word_ids"].shape == batch["labels"].shape == batch["heads"].shape == (2, length)
    assert batch["labels"][:, :2].tolist() == [[1, 2], [0, -100]]
    assert batch["heads"][:, :2].tolist() == [[1, 2], [0, 0]]
    assert batch["labels"].dtype == torch.int64
    assert batch["predicate"].tolist() == [2, 1]
    assert batch["glyph_ids"].shape == (2, length, 2)
    assert "tag_ids" not in batch


def test_pads_behind_the_words_whatever_the_tokenizers_side(tokenizer):
    expected = WordCollator(tokenizer, {"labels": -100, "heads": 0})(rows(tokenizer))
    tokenizer.padding_side = "left"
    batch = WordCollator(tokenizer, {"labels": -100, "heads": 0})(rows(tokenizer))
    assert batch["word_ids"].tolist() == [[2, 3], [2, 0]]
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in expected)

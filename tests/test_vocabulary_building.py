"""Vocabularies of single characters, made from texts: against counting and sorting one by one."""

from collections import Counter
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanziformers import GlyphCrmTokenizer
from hanziformers.tokenization import vocabulary_building
from hanziformers.tokenization.characters import NO_INK
from hanziformers.tokenization.vocabulary_building import build_vocabulary, count_characters

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from("银行长 \r\n\u3000\u200b\ufe0f𠀀")
corpora = st.lists(st.text(characters, max_size=8), max_size=8)


@given(corpora, st.integers(1, 30))
def test_counting_in_pieces_equals_counting_one_by_one(texts, chunk):
    slow = Counter(c for c in "".join(texts) if not any(first <= ord(c) <= last for first, last in NO_INK))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary_building, "_CHUNK", chunk)
        counts = count_characters(iter(texts))
    assert counts == slow
    assert all(type(number) is int for number in counts.values())
    assert count_characters("".join(texts)) == slow


@given(corpora, st.integers(6, 20))
def test_vocabularies_are_ordered_by_frequency(texts, size):
    counts = count_characters(texts)
    tokens = build_vocabulary(counts, size)
    assert tokens[:5] == SPECIAL
    assert len(tokens) == min(size, 5 + len(counts))
    chosen = tokens[5:]
    assert chosen == sorted(chosen, key=lambda c: (-counts[c], c))
    assert all(counts[c] <= counts[chosen[-1]] for c in counts.keys() - set(chosen))
    tokenizer = GlyphCrmTokenizer({token: index for index, token in enumerate(tokens)})
    assert tokenizer("".join(chosen))["input_ids"] == [2, *range(5, len(tokens)), 3]


def test_vocabulary_of_a_text():
    counts = count_characters(["银行 行长\n", "行，b\u200b"])
    assert counts == {"行": 3, "银": 1, "长": 1, "，": 1, "b": 1}
    assert build_vocabulary(counts) == [*SPECIAL, "行", "b", "银", "长", "，"]
    assert build_vocabulary({"b": 2, "\n": 9, "a": 2, "c": 0}, 7, ["[X]"]) == ["[X]", "a", "b"]


def test_counts_that_cannot_be_used():
    with pytest.raises(TypeError, match="a text must be a str, got NoneType"):
        count_characters(["银", None])
    with pytest.raises(ValueError, match="size=5 is too small: it must be greater than the 5"):
        build_vocabulary({"银": 1}, 5)
    with pytest.raises(ValueError, match="counts holds '银行'; every key must be one character"):
        build_vocabulary({"银行": 1})
    with pytest.raises(ValueError, match="names a token twice"):
        build_vocabulary({"银": 1}, specials=["[PAD]", "[PAD]"])


def test_a_large_corpus_is_counted_fast():
    text = "".join(map(chr, range(0x4E00, 0x9FA6))) * 100  # two million characters
    before = perf_counter()
    counts = count_characters(text[start : start + 50] for start in range(0, len(text), 50))
    assert perf_counter() - before < 2
    assert set(counts.values()) == {100}

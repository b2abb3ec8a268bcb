"""Vocabularies that can be used, and those that cannot, each with an error that says why."""

from collections import Counter
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer
from hanziformers.tokenization import vocabulary
from hanziformers.tokenization.vocabulary import NO_INK, build_vocabulary, count_characters, read_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, *"银行长", "hello", "##s"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}


def test_missing_vocabulary(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no vocabulary file .*none\.txt"):
        ChineseBertTokenizer(str(tmp_path / "none.txt"))
    with pytest.raises(FileNotFoundError, match="one token a line"):
        read_vocabulary(tmp_path, SPECIAL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n".join([*SPECIAL, "银"]).encode("gb18030"), r"not UTF-8 \(byte 31\)"),
        (b"", r"has 0 tokens and lacks \['\[UNK\]', '\[SEP\]'"),
        ("[PAD]\n[CLS]\n[SEP]\n[MASK]\n银".encode(), r"has 5 tokens and lacks \['\[UNK\]'\]"),
    ],
)
def test_vocabulary_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        ChineseBertTokenizer(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"银": VOCABULARY["行"]}, "ids must be distinct"),
        ({"银": -1}, "ids must be distinct and >= 0"),
        ({"[UNK]": None}, r"lacks \['\[UNK\]'\]"),
    ],
)
def test_mappings_that_cannot_be_used(change, message):
    vocabulary = {token: index for token, index in {**VOCABULARY, **change}.items() if index is not None}
    with pytest.raises(ValueError, match=message):
        ChineseBertTokenizer(vocabulary)
    with pytest.raises(ValueError, match="has 0 tokens"):
        ChineseBertTokenizer({})


def test_other_names_of_special_tokens():
    vocabulary = {"<unk>" if token == "[UNK]" else token: index for token, index in VOCABULARY.items()}
    tokenizer = ChineseBertTokenizer(vocabulary, unk_token="<unk>")
    assert tokenizer("龘").tokens()[1] == "<unk>"


def test_repeated_lines(tmp_path, warnings):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, "银", "行", "银", "银"]) + "\n", encoding="utf-8")
    assert ChineseBertTokenizer(str(path))("银")["input_ids"][1] == 8
    assert any("2 of 9 lines repeat a token" in message for message in warnings)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks(tmp_path, warnings, end, mark, last):
    path = tmp_path / "vocab.txt"
    path.write_bytes((mark + end.join(TOKENS) + end * last).encode())
    assert read_vocabulary(str(path), SPECIAL) == VOCABULARY
    assert warnings == []


def test_unusual_line_ends_are_tokens(tmp_path):
    """Only a line feed ends a line: published vocabularies hold U+2028 and others as tokens."""
    path = tmp_path / "vocab.txt"
    path.write_bytes("\n".join([*SPECIAL, "\u2028", "\x85", "银"]).encode())
    assert read_vocabulary(str(path), SPECIAL)["银"] == 7


characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from("银行长 \r\n\u3000\u200b\ufe0f𠀀")
corpora = st.lists(st.text(characters, max_size=8), max_size=8)


@given(corpora, st.integers(1, 30))
def test_counting_in_pieces_equals_counting_one_by_one(texts, chunk):
    slow = Counter(c for c in "".join(texts) if not any(first <= ord(c) <= last for first, last in NO_INK))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "_CHUNK", chunk)
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
    start = perf_counter()
    counts = count_characters(text[place : place + 50] for place in range(0, len(text), 50))
    assert perf_counter() - start < 2
    assert set(counts.values()) == {100}

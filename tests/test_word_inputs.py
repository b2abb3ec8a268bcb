"""Words as inputs: one id a word, the glyph ids of its characters, nothing shifted, against slow versions."""

import string
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from datasets.fingerprint import Hasher
from glyph_tools import NumberGlyphs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import DataCollatorWithPadding
from word_tools import CHARACTERS, VOCABULARY, WORDS, N, make_word_tokenizer, texts, word_lists

from hanziformers.tokenization.characters import NO_INK
from hanziformers.tokenization.word_counting import cut_text

TOKENIZERS = {cut: make_word_tokenizer(cut=cut) for cut in ("words", "characters")}
TOKENIZER = TOKENIZERS["words"]
TEXT = "银行行长今天\u200b在 New York犇𠮷"
UNRENDERED = "\ue000"


def slow_ids(words):
    return [VOCABULARY[word] if word in WORDS[2:] else 1 for word in words]


def shown(word):
    inky = [one for one in word if not any(first <= ord(one) <= last for first, last in NO_INK)]
    return inky if len(inky) <= 32 else list(dict.fromkeys(inky))[:32]


def slow_glyphs(word):
    return [2 + CHARACTERS.index(one) if one in CHARACTERS else N + ord(one) for one in shown(word)]


def images_of(tokenizer, batch, row, word):
    """The glyph images of a word's characters."""
    bank = NumberGlyphs().render(tokenizer.bank_tokens()).reshape(N, -1)
    everything = np.concatenate([bank, np.asarray(batch["extra_glyphs"][row])])
    ids = np.asarray(batch["glyph_ids"][row][word])
    return everything[ids[ids > 0]]


@given(texts, st.sampled_from(["words", "characters"]))
@example(TEXT, "words")
@example(TEXT, "characters")
@example("", "words")
def test_strings(text, cut):
    encoded = TOKENIZERS[cut](text, return_offsets_mapping=True)
    expected = cut_text(text, cut)
    words = [word for word, _ in expected]
    assert encoded["word_ids"] == slow_ids(words)
    assert encoded["glyph_ids"] == [slow_glyphs(word) for word in words]
    assert encoded["attention_mask"] == [1] * len(words)
    assert encoded["offset_mapping"] == [(start, start + len(word)) for word, start in expected]
    assert TOKENIZERS[cut].encode(text) == encoded["word_ids"]


@given(word_lists)
@example(["[PAD]", "[UNK]", " ", "New York", "银\x00行", "\u200b", "犇" * 50, "##b", "##"])
@example([])
def test_given_words_are_one_token_each(words):
    encoded = TOKENIZER(words, is_split_into_words=True, return_offsets_mapping=True)
    assert encoded["word_ids"] == slow_ids(words)
    assert encoded["glyph_ids"] == [slow_glyphs(word) for word in words]
    assert encoded["offset_mapping"] == [(0, len(word)) for word in words]
    assert encoded.word_ids() == list(range(len(words)))


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example([TEXT, "", "犇" * 3 + UNRENDERED], "left", "pt")
@example(["", " "], "right", "pt")
@example([""], "left", "np")
def test_batches(batch, side, kind):
    options = {"padding": True, "padding_side": side, "return_offsets_mapping": True}
    encoded = TOKENIZER(batch, **options, return_tensors=kind)
    alone = [TOKENIZER(text) for text in batch]
    most, widest = max(len(one["word_ids"]) for one in alone), encoded["glyph_ids"].shape[2]
    assert encoded["offset_mapping"].shape == (len(batch), most, 2)
    assert encoded["word_ids"].shape == encoded["attention_mask"].shape == encoded["glyph_ids"].shape[:2]
    assert {str(encoded[name].dtype).split(".")[-1] for name in ("word_ids", "glyph_ids")} == {"int64"}
    assert widest == max([1, *(len(word) for one in alone for word in one["glyph_ids"])]) or len(batch) == 1
    for row, (text, one) in enumerate(zip(batch, alone, strict=True)):
        first = most - len(one["word_ids"]) if side == "left" else 0
        assert np.asarray(encoded["word_ids"][row])[first:].tolist()[: len(one["word_ids"])] == one["word_ids"]
        for number, (word, _) in enumerate(cut_text(text, "words")):
            known = [one if NumberGlyphs().can_render([one])[0] else "[UNK]" for one in shown(word)]
            expected = NumberGlyphs().render(known).reshape(len(known), -1) if known else np.zeros((0, 32))
            assert np.array_equal(images_of(TOKENIZER, encoded, row, first + number), expected)
        padded = np.asarray(encoded["attention_mask"][row]) == 0
        assert not np.asarray(encoded["glyph_ids"][row])[padded].any()
    del encoded["offset_mapping"]
    if len(batch) > 1:
        padded = TOKENIZER.pad(alone, padding_side=side, return_tensors=kind)
        assert all(np.array_equal(padded[key], encoded[key]) for key in encoded)


def test_words_of_many_characters_show_32(warnings):
    tokenizer, letters = make_word_tokenizer(), string.ascii_letters
    for word in (letters[:32], "ab" * 40, "a" + letters[:32]):  # no character is left out
        assert tokenizer([word], is_split_into_words=True)["glyph_ids"] == [slow_glyphs(word)]
    assert not tokenizer.shortened + Counter(warnings)
    words = ["银行", "z" + letters, letters + "a", letters[:33]]
    encoded = tokenizer([words, words[1:2]], is_split_into_words=True, padding=True, return_tensors="pt")
    assert encoded["glyph_ids"].shape == (2, 4, 32)
    assert tokenizer.shortened == {words[1]: 2, words[2]: 1, words[3]: 1}
    assert len(warnings) == 1
    assert warnings[0].startswith(f"3 words have more than 32 different characters, such as {words[1]!r}: the first 32")
    assert {tokenizer(text, return_tensors="pt")["glyph_ids"].shape[2] for text in ("", "银行", letters)} == {32}


def test_use_does_not_change_what_data_sets_hash():
    tokenizer = make_word_tokenizer()
    before = Hasher.hash(tokenizer)
    tokenizer(["".join(map(chr, range(0x4E00, 0x4E00 + 1000)))], is_split_into_words=True)
    assert [len(word) for word in tokenizer.shortened] == [60]
    assert Hasher.hash(tokenizer) == before


def test_lists_are_padded_where_padding_is_requested():
    batch = TOKENIZER(["银行", "New York 犇"], padding=True)
    assert batch["glyph_ids"][0] == [[*slow_glyphs("银行"), 0, 0], [0] * 4, [0] * 4]
    padded = TOKENIZER.pad([TOKENIZER("银行"), TOKENIZER("New York 犇")])
    assert dict(padded) == dict(batch)
    ragged = TOKENIZER.pad([TOKENIZER("银行"), TOKENIZER("New York 犇")], padding=False)
    assert [len(row) for row in ragged["glyph_ids"]] == [1, 3]
    single = TOKENIZER.pad(TOKENIZER("银行"), padding="max_length", max_length=2, return_tensors="pt")
    assert single["glyph_ids"].shape == (2, 2)


@settings(max_examples=30)
@given(texts, texts, st.integers(1, 5))
@example(TEXT, "银行 今天", 3)
def test_pairs_and_truncation(first, second, length):
    words = [[word for word, _ in cut_text(text, "words")] for text in (first, second)]
    pair = TOKENIZER(first, second, return_offsets_mapping=True)
    assert pair["word_ids"] == slow_ids(words[0] + words[1])
    assert pair["token_type_ids"] == [0] * len(words[0]) + [1] * len(words[1])
    assert dict(TOKENIZER([(first, second)])) == dict(TOKENIZER([first], [second]))
    starts = [start for text in (first, second) for _, start in cut_text(text, "words")]
    assert [start for start, _ in pair["offset_mapping"]] == starts
    options = {"truncation": True, "max_length": length, "stride": length - 1, "return_overflowing_tokens": True}
    windows = TOKENIZER(first, **options, return_offsets_mapping=True)
    for row in range(len(windows["word_ids"])):
        chosen = [word for word in windows.word_ids(row)]
        assert len(chosen) <= length
        assert windows["glyph_ids"][row] == [slow_glyphs(words[0][word]) for word in chosen]
        assert [first[s:e] for s, e in windows["offset_mapping"][row]] == [words[0][word] for word in chosen]


def test_examples_from_tensors_are_padded_again():
    alone = [TOKENIZER(text, return_tensors="pt") for text in ("银行犇𠮷", "今天犇")]
    rows = [{name: value[0] for name, value in one.items()} for one in alone]
    batch, expected = TOKENIZER.pad(rows), TOKENIZER(["银行犇𠮷", "今天犇"], padding=True, return_tensors="pt")
    assert batch["word_ids"].equal(expected["word_ids"])
    for row in range(2):
        for word in range(batch["word_ids"].shape[1]):
            ours, theirs = (images_of(TOKENIZER, given, row, word) for given in (batch, expected))
            assert np.array_equal(ours, theirs)
    mixed = TOKENIZER.pad([rows[0], {**TOKENIZER("今天"), "extra_glyphs": None}], return_tensors="pt")
    assert np.array_equal(images_of(TOKENIZER, mixed, 0, 1), images_of(TOKENIZER, expected, 0, 1))


def test_stock_collator_pads_all_inputs():
    batch = DataCollatorWithPadding(TOKENIZER)([{**TOKENIZER(text), "label": 1} for text in ("银行犇", "今天")])
    assert batch["glyph_ids"].shape[:2] == batch["word_ids"].shape
    assert batch["labels"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "pair", "message"),
    [
        (["银", None], None, r"text\[1\] is None; a text must be a string"),
        (3, None, "text is 3; a text must be a string"),
        ("银\ud800", None, r"text holds the lone surrogate '\\ud800' at 1"),
        ("银", "\ud800", "text_pair holds the lone surrogate"),
        ([], None, "text is an empty list"),
        (np.array(["银", "行"]), None, r"text is array.*; a text must be a string .*columns by list\(...\)"),
        (Dataset.from_dict({"text": ["银", "行"]})["text"], None, r"text is Column.*; a text must be a string"),
        ({"银": 1, "行": 2}, None, "text is {'银': 1, '行': 2}; a text must be a string"),
        ([np.array(["银", "行"])], None, r"text\[0\] is array"),
        (["银", "行"], np.array(["长", "长"]), "text_pair is array"),
        (["银", "行"], [None, "长"], r"text_pair\[0\] is None"),
        ([("银", None)], None, r"text\[0\]\[1\] is None"),
        ([("银", "行", "长")], None, r"\['银', '行', '长'\] is neither a text nor a pair of texts"),
        ("银", ["行"], r"\['银', \['行'\]\] is neither a text nor a pair of texts.*is_split_into_words=True"),
        (["银", []], None, r"\[\] is neither a text nor a pair"),
        (["银", "行"], "长", "text is a batch of 2 texts, text_pair one string"),
        (["银", "行"], ["长"], "text is a batch of 2 texts, text_pair 1 texts"),
    ],
)
@pytest.mark.parametrize("cut", ["words", "characters"])
def test_texts_that_cannot_be_encoded_are_refused(cut, text, pair, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZERS[cut](text, pair)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["银", ""], r"text\[1\] is an empty word"),
        ([["银"], ["行", ""]], r"text\[1\]\[1\] is an empty word"),
        (["银", None], r"text\[1\] is None"),
        (["\ud800"], r"text\[0\] holds the lone surrogate"),
        ("银行", "a text is a list of words, not the string '银行'"),
        ([["银"], "行长"], "a text is a list of words, not the string '行长'"),
    ],
)
def test_words_that_cannot_be_encoded_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER(words, is_split_into_words=True)

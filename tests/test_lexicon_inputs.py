"""Words of a lexicon on tokens: spans count tokens, whatever the tokens are, against a slow second version."""

import pickle

import numpy as np
import pytest
from datasets import Dataset
from datasets.fingerprint import Hasher
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, DataCollatorForTokenClassification
from word_tools import LEXICON, make_lattice_tokenizer, texts, word_lists

from hanziformers import LatticeLstmTokenizer

TOKENIZERS = [make_lattice_tokenizer(), make_lattice_tokenizer(do_lower_case=False, strip_accents=False)]
TOKENIZER = TOKENIZERS[0]
TEXT = "银行行长2020很 银\u200b行 天气한ab银行"


def slow_words(encoded, text, sequence=0):
    """(word, first token, last token) of every stretch of a text that is a word and has tokens at both ends."""
    offsets = [
        (token, *span)
        for token, (span, number) in enumerate(zip(encoded["offset_mapping"], encoded.sequence_ids(), strict=True))
        if number == sequence and span[1] > span[0]
    ]
    found = []
    for start in range(len(text)):
        for end in range(start + 2, len(text) + 1):
            first = [token for token, begin, _ in offsets if begin == start]
            last = [token for token, _, finish in offsets if finish == end]
            if text[start:end] in LEXICON and first and last and first[0] < last[-1]:
                found.append((LEXICON.index(text[start:end]), first[0], last[-1]))
    return found


def words_of(encoded):
    pairs = zip(encoded["lexicon_ids"], encoded["lexicon_spans"], strict=True)
    return [(int(word) - 1, *map(int, span)) for word, span in pairs if word > 0]


@given(texts, st.sampled_from(TOKENIZERS))
@example(TEXT, TOKENIZERS[0])
@example(TEXT, TOKENIZERS[1])
@example("20201 220 长2020", TOKENIZERS[0])
@example("e\u0301很", TOKENIZERS[0])
@example("[CLS]银行[SEP]", TOKENIZERS[0])
def test_words_lie_on_the_tokens_of_their_characters(text, tokenizer):
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert words_of(encoded) == slow_words(encoded, text)


def test_what_is_found():
    tokens = TOKENIZER.convert_ids_to_tokens(TOKENIZER("银行行长2020银行")["input_ids"])
    assert tokens == ["[CLS]", "银", "行", "行", "长", "2020", "银", "行", "[SEP]"]
    # 长2 and 20 end or begin within a token, 2020 is a token by itself
    assert words_of(TOKENIZER("银行行长2020银行")) == [(0, 1, 2), (2, 1, 4), (1, 3, 4), (0, 6, 7)]
    assert words_of(TOKENIZER("银\u200b行 银 行")) == []
    assert words_of(TOKENIZER("20 银行")) == [(0, 2, 3)]


@settings(max_examples=40)
@given(word_lists)
@example(["银", "行", "20", "20", "很"])
def test_given_words_are_read_as_one_text(words):
    encoded = TOKENIZER(words, is_split_into_words=True)
    alignment = [0, *np.cumsum([len(word) for word in words])]
    offsets = []
    for (start, end), word in zip(encoded.encodings[0].offsets, encoded.word_ids(), strict=True):
        shift = 0 if word is None else int(alignment[word])
        offsets.append((start + shift, end + shift) if end > start else (0, 0))
    encoded["offset_mapping"] = offsets
    assert words_of(encoded) == slow_words(encoded, "".join(words))


@settings(max_examples=40)
@given(texts, texts, st.integers(4, 9), st.sampled_from(["left", "right"]))
@example("银行行长很银行", "天气银行", 6, "right")
def test_pairs_windows_and_truncation(first, second, length, side):
    pair = TOKENIZER(first, second, return_offsets_mapping=True)
    assert words_of(pair) == [*slow_words(pair, first), *slow_words(pair, second, 1)]
    tokenizer = make_lattice_tokenizer(truncation_side=side)
    options = {"truncation": True, "max_length": length, "return_offsets_mapping": True}
    cut = tokenizer(first, **options)
    assert words_of(cut) == slow_words(cut, first)  # words that were cut are gone
    windows = tokenizer(first, **options, stride=1, return_overflowing_tokens=True)
    for row, offsets in enumerate(windows["offset_mapping"]):
        found = {"lexicon_ids": windows["lexicon_ids"][row], "lexicon_spans": windows["lexicon_spans"][row]}
        own = {"offset_mapping": offsets}
        view = type("Window", (dict,), {"sequence_ids": lambda self, row=row: windows.sequence_ids(row)})(own)
        assert words_of(found) == slow_words(view, first)


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example(["银行行长很", "天气", ""], "left", "pt")
@example(["很", "长"], "left", "np")
def test_batches(batch, side, kind):
    options = {"padding": True, "padding_side": side}
    encoded = TOKENIZER(batch, **options, return_tensors=kind)
    alone = [TOKENIZER(text) for text in batch]
    most = max(len(one["lexicon_ids"]) for one in alone)  # 1 or more
    assert encoded["lexicon_ids"].shape == (len(batch), most)
    assert encoded["lexicon_spans"].shape == (len(batch), most, 2)
    for row, one in enumerate(alone):
        found = {name: encoded[name][row] for name in ("lexicon_ids", "lexicon_spans")}
        assert words_of(found) == words_of(one)  # on the left as on the right
        for values in found.values():
            assert not np.asarray(values)[len(one["lexicon_ids"]) :].any()
    padded = TOKENIZER.pad(alone, padding_side=side, return_tensors=kind)
    assert all(np.array_equal(padded[name], encoded[name]) for name in encoded)
    lists = TOKENIZER(batch, **options)
    for name in ("lexicon_ids", "lexicon_spans"):
        assert lists[name] == encoded[name].tolist()
        assert "int64" in str(encoded[name].dtype)


def test_texts_without_words_have_one_of_padding():
    assert TOKENIZER(["很", ""])["lexicon_ids"] == [[0], [0]]
    assert TOKENIZER("很")["lexicon_spans"] == [[0, 0]]
    # or else a data set would take the type of its first rows for "nothing at all"
    data = Dataset.from_dict({"text": ["很", "", "长", "银行"]})
    encoded = data.map(lambda rows: TOKENIZER(rows["text"]), batched=True, batch_size=2, remove_columns="text")
    assert encoded["lexicon_ids"][:] == [[0], [0], [0], [1]]
    assert encoded["lexicon_spans"][3] == [[1, 2]]
    assert TOKENIZER.pad([encoded[0], encoded[3]], return_tensors="pt")["lexicon_ids"].tolist() == [[0], [1]]


def test_stock_collator_pads_all_inputs():
    rows = [{**TOKENIZER(text), "labels": [0] * len(TOKENIZER(text)["input_ids"])} for text in ("银行行长很", "天气")]
    batch = DataCollatorForTokenClassification(TOKENIZER)(rows)
    assert batch["labels"].shape == batch["input_ids"].shape
    assert batch["lexicon_ids"].tolist() == [[1, 3, 2], [9, 0, 0]]
    again = TOKENIZER.pad([{name: value[0] for name, value in batch.items() if name != "labels"}] * 2)
    assert again["lexicon_spans"].tolist() == [batch["lexicon_spans"][0].tolist()] * 2


def test_save_and_load(tmp_path):
    tokenizer = make_lattice_tokenizer()
    before = Hasher.hash(tokenizer)
    tokenizer([TEXT, "天气"], padding=True, return_tensors="pt")
    assert Hasher.hash(tokenizer) == before
    assert pickle.loads(pickle.dumps(tokenizer)).lexicon == tokenizer.lexicon
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "lexicon.txt").read_text(encoding="utf-8") == "".join(f"{word}\n" for word in LEXICON)
    assert "银行" not in (tmp_path / "tokenizer_config.json").read_text(encoding="utf-8")
    again = type(tokenizer).from_pretrained(tmp_path)
    assert dict(again(TEXT)) == dict(tokenizer(TEXT))
    (tmp_path / "lexicon.txt").unlink()
    for auto in (type(tokenizer), AutoTokenizer):
        with pytest.raises(FileNotFoundError, match=r"has no lexicon\.txt.* or give lexicon_file"):
            auto.from_pretrained(tmp_path)
    for words in (LEXICON, []):  # of no words, too
        again = type(tokenizer).from_pretrained(tmp_path, lexicon_file=words)
        again.save_pretrained(tmp_path / "again")
        assert type(tokenizer).from_pretrained(tmp_path / "again").lexicon.words == words
    with pytest.raises(FileNotFoundError, match="no lexicon file"):
        make_lattice_tokenizer().__class__(tokenizer.get_vocab(), lexicon_file=str(tmp_path / "missing.txt"))


def test_words_under_another_name_are_refused():
    with pytest.raises(TypeError, match=r"lexicon=.*is not allowed; give lexicon_file"):
        LatticeLstmTokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}, lexicon=["银行"])

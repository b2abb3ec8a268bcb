"""Glyce's tokenizer: the ids of a stock BERT on every text, and glyph ids against a slow second version."""

import json
import pickle

import numpy as np
import pytest
from datasets.fingerprint import Hasher
from glyph_tools import NOT_RENDERED, NumberGlyphs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer, DataCollatorForTokenClassification

from hanziformers.tokenization.tokenization_glyce import GlyceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [
    *SPECIAL,
    *"银行长很忙，。馬か한",
    *"abeEÉ120[]",
    "ex",
    "##s",
    "##e",
    "20",
    "##20",
    "##か",
    "北京",
    "ä",
    "##\u0301",
]
VOCABULARY = {token: row for row, token in enumerate(TOKENS)}
EXTRA = "龘A"
V, N = len(VOCABULARY), len(VOCABULARY) + len(EXTRA)
UNKNOWN = VOCABULARY["[UNK]"]
TEXT = "银行 exes2020\n龘𠮷É한か𰀀𰀀[MASK]北京A\u200b馬"
ODD = "马𠮷𰀀カЖAÀİß１ﬀ👩🏽\u0301\u200d\ufe0f\xad\x00\ufffd \n\u3000\u2028\uf900\U0002f80a"
LONG = ["e\u0301", "xyz", "##", "[MASK", "x" * 101]
odd = st.sampled_from([*TOKENS, *EXTRA, *NOT_RENDERED, *ODD, *LONG])
texts = st.lists(odd | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=12).map("".join)
SETTINGS = [{}, {"do_lower_case": False}, {"strip_accents": False}, {"do_lower_case": False, "strip_accents": True}]
SETTINGS += [{"tokenize_chinese_chars": False}]


def make_tokenizer(**kwargs):
    tokenizer = GlyceTokenizer(VOCABULARY, extra_characters=EXTRA, **kwargs)
    tokenizer.image_processor = NumberGlyphs()
    return tokenizer


PAIRS = [(make_tokenizer(**kwargs), BertTokenizer(VOCABULARY, **kwargs)) for kwargs in SETTINGS]
TOKENIZER, BERT = PAIRS[0]
BERT_KEYS = ("input_ids", "token_type_ids", "attention_mask", "offset_mapping", "special_tokens_mask")


def slow_glyph_ids(encoded, text):
    """Token by token: its own row, but for an unknown single character its open id."""
    ids = []
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        character = text[start:end]
        if token != UNKNOWN or len(character) != 1 or character.isspace() or character in "\u200d\ufe0f\xad":
            ids.append(token)
        else:
            ids.append(V + EXTRA.index(character) if character in EXTRA else N + ord(character))
    return ids


@given(texts, st.sampled_from(PAIRS))
@example(TEXT, PAIRS[0])
@example(TEXT, PAIRS[1])
@example("", PAIRS[0])
def test_ids_are_those_of_bert_and_glyph_ids_are_open(text, pair):
    tokenizer, bert = pair
    options = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    encoded, expected = tokenizer(text, **options), bert(text, **options)
    assert {key: encoded[key] for key in BERT_KEYS} == {key: expected[key] for key in BERT_KEYS}
    assert encoded["glyph_ids"] == slow_glyph_ids(encoded, text)
    assert tokenizer.tokenize(text) == bert.tokenize(text)


def test_what_each_token_shows():
    encoded = TOKENIZER(TEXT)
    shown = [chr(row - N) if row >= N else TOKENIZER.bank_tokens()[row] for row in encoded["glyph_ids"]]
    assert "".join(shown[1:3]) == "银行"
    assert "龘" in shown
    assert "𠮷" in shown
    assert "𰀀" not in shown  # two of them are one word, as they lie outside of the blocks that BERT splits
    assert shown[-2:] == ["馬", "[SEP]"]


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example([TEXT, "好", ""], "left", "pt")
def test_batches(batch, side, kind):
    options = {"padding": True, "padding_side": side, "return_tensors": kind}
    encoded, expected = TOKENIZER(batch, **options), BERT(batch, **options)
    assert list(encoded) == TOKENIZER.model_input_names
    for key in expected:
        assert np.array_equal(encoded[key], expected[key])
    bank = NumberGlyphs().render(TOKENIZER.bank_tokens()).reshape(N, -1)
    for row, text in enumerate(batch):
        alone = TOKENIZER(text)
        ids = [TOKENIZER.pad_token_id] * (encoded["glyph_ids"].shape[1] - len(alone["glyph_ids"]))
        ids = ids + alone["glyph_ids"] if side == "left" else alone["glyph_ids"] + ids
        tokens = [TOKENIZER.bank_tokens()[i] if i < N else chr(i - N) for i in ids]
        tokens = [token if NumberGlyphs().can_render([token])[0] else "[UNK]" for token in tokens]
        images = np.concatenate([bank, encoded["extra_glyphs"][row]])[encoded["glyph_ids"][row]]
        assert np.array_equal(images, NumberGlyphs().render(tokens).reshape(len(ids), -1))
    padded = TOKENIZER.pad([TOKENIZER(text) for text in batch], padding_side=side, return_tensors=kind)
    assert all(np.array_equal(padded[key], encoded[key]) for key in encoded)


@settings(max_examples=40)
@given(texts, texts, st.integers(5, 9), st.integers(0, 2))
@example(TEXT, "龘银行", 5, 1)
def test_pairs_and_windows(first, second, length, stride):
    pair, expected = TOKENIZER(first, second), BERT(first, second)
    assert {key: pair[key] for key in expected} == dict(expected)
    whole = [TOKENIZER(text)["glyph_ids"] for text in (first, second)]
    assert pair["glyph_ids"] == (whole[0] + whole[1][1:] if second else whole[0])  # "" is no text pair
    options = {"truncation": True, "max_length": length, "stride": stride, "return_overflowing_tokens": True}
    windows, expected = TOKENIZER([first, second], **options), BERT([first, second], **options)
    assert {key: windows[key] for key in expected} == dict(expected)
    starts = [1, 1]
    for row, owner in enumerate(windows["overflow_to_sample_mapping"]):
        assert windows["glyph_ids"][row][1:-1] == whole[owner][:-1][starts[owner] : starts[owner] + length - 2]
        starts[owner] += length - 2 - stride


@settings(max_examples=40)
@given(st.lists(texts, max_size=6))
@example(["银行", "龘", "ex", ""])
def test_words(words):
    split = TOKENIZER(words, is_split_into_words=True, return_offsets_mapping=True)
    expected = BERT(words, is_split_into_words=True)
    assert {key: split[key] for key in expected} == dict(expected)
    assert split.word_ids() == expected.word_ids()
    glyph_ids = [row for word in words for row in TOKENIZER(word)["glyph_ids"][1:-1]]
    assert split["glyph_ids"][1:-1] == glyph_ids


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a cased BERT as its own tokenizer saves it."""
    folder = tmp_path_factory.mktemp("bert")
    BertTokenizer(VOCABULARY, do_lower_case=False, strip_accents=True, model_max_length=77).save_pretrained(folder)
    return folder


def test_folder_of_a_bert(bert, tmp_path):
    tokenizer, stock = GlyceTokenizer.from_pretrained(bert), BertTokenizer.from_pretrained(bert)
    assert (tokenizer.do_lower_case, tokenizer.strip_accents, tokenizer.model_max_length) == (False, True, 77)
    assert tokenizer.get_vocab() == VOCABULARY
    for text in (TEXT, "EeÉ", "Ä ä"):
        assert tokenizer(text)["input_ids"] == stock(text)["input_ids"]
    tokenizer.save_pretrained(tmp_path)
    again = GlyceTokenizer.from_pretrained(tmp_path)
    assert (again.do_lower_case, again.strip_accents) == (False, True)
    assert dict(again(TEXT)) == dict(tokenizer(TEXT))
    assert BertTokenizer.from_pretrained(tmp_path)(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_folder_with_vocab_txt_alone(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    tokenizer, stock = GlyceTokenizer.from_pretrained(tmp_path), BertTokenizer.from_pretrained(tmp_path)
    assert tokenizer("EeÉ" + TEXT)["input_ids"] == stock("EeÉ" + TEXT)["input_ids"]
    assert not tokenizer.do_lower_case
    assert GlyceTokenizer(str(tmp_path / "vocab.txt"))(TEXT)["input_ids"] == BERT(TEXT)["input_ids"]


def test_save_and_load(tmp_path):
    tokenizer = GlyceTokenizer(VOCABULARY, extra_characters=EXTRA, glyph_values=32)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["extra_characters"], saved["extra_characters_start"]) == (EXTRA, V)
    again = GlyceTokenizer.from_pretrained(tmp_path)
    assert (again.extra_characters, again.glyph_values, again.glyph_vocab_size) == (EXTRA, 32, N)
    assert dict(again(TEXT)) == dict(tokenizer(TEXT))
    assert "extra_glyphs" in again.model_input_names


def test_pickles_and_hashes_do_not_change_with_use():
    tokenizer = make_tokenizer()
    before = Hasher.hash(tokenizer)
    tokenizer([TEXT, "龘𠮷"], padding=True, return_tensors="pt")
    assert Hasher.hash(tokenizer) == before
    assert dict(pickle.loads(pickle.dumps(tokenizer))(TEXT)) == dict(tokenizer(TEXT))


def test_stock_collator_pads_all_inputs():
    examples = [{**TOKENIZER(text), "labels": [0] * len(TOKENIZER(text)["input_ids"])} for text in (TEXT, "银𠮷")]
    batch = DataCollatorForTokenClassification(TOKENIZER)(examples)
    assert batch["glyph_ids"].shape == batch["input_ids"].shape == batch["labels"].shape
    assert batch["extra_glyphs"].shape[0] == 2


def test_a_vocabulary_with_gaps_is_refused():
    with pytest.raises(ValueError, match=r"must be 0, 1, 2, \.\.\. without a gap"):
        GlyceTokenizer({**VOCABULARY, "z": V + 3})
    with pytest.raises(ValueError, match=r"lacks \['\[MASK\]'\]"):
        GlyceTokenizer({token: row for row, token in enumerate(SPECIAL[:4])})


def test_texts_that_cannot_be_encoded_are_refused():
    for wrong in (None, "\ud800", [], ["银", None]):
        with pytest.raises((ValueError, TypeError)):
            TOKENIZER(wrong)


def test_added_tokens_stand_before_extra_characters():
    tokenizer = GlyceTokenizer(VOCABULARY)
    tokenizer.add_tokens(["犇"])
    tokenizer.set_extra_characters("𠮷")
    assert tokenizer("犇𠮷")["glyph_ids"] == [VOCABULARY["[CLS]"], V, V + 1, VOCABULARY["[SEP]"]]
    with pytest.raises(ValueError, match="cannot be added"):
        tokenizer.add_tokens(["麤"])

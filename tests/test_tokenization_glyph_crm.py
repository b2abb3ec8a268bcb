"""GlyphCRM's tokenizer: one token a character, offsets, and for every token the row or image of its own glyph."""

import json

import numpy as np
import pytest
import torch
from glyph_tools import (
    EXTRA,
    RARE,
    TEXT,
    TOKENS,
    VOCABULARY,
    N,
    NumberGlyphs,
    V,
    expected_images,
    images_of,
    make_tokenizer,
    slow_glyph_id,
    slow_tokens,
    texts,
)
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hanziformers import GlyphCrmConfig, GlyphCrmTokenizer

TOKENIZER = make_tokenizer()


@given(texts)
@example(TEXT)
@example("")
def test_tokens_offsets_and_open_ids(text):
    encoded = TOKENIZER(text, return_offsets_mapping=True)
    tokens = slow_tokens(text)
    assert encoded["offset_mapping"] == [(0, 0), *((start, end) for _, start, end in tokens), (0, 0)]
    assert encoded["input_ids"] == [2, *(VOCABULARY.get(token, 1) for token, _, _ in tokens), 3]
    assert encoded["glyph_ids"] == [2, *(slow_glyph_id(token) for token, _, _ in tokens), 3]
    assert "extra_glyphs" not in encoded


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example([TEXT, "好", ""], "right", "pt")
def test_every_token_of_a_batch_has_its_image(batch, side, kind):
    encoded = TOKENIZER(batch, padding=True, padding_side=side, return_tensors=kind)
    lengths = [2 + len(slow_tokens(text)) for text in batch]
    extra = encoded["extra_glyphs"]
    assert isinstance(extra, torch.Tensor if kind == "pt" else np.ndarray)
    assert str(extra.dtype).endswith("uint8")
    assert (extra.shape[0], extra.shape[2]) == (len(batch), 32)
    assert str(encoded["glyph_ids"].dtype).endswith("int64")
    for row, text in enumerate(batch):
        tokens = [token for token, _, _ in slow_tokens(text)]
        padding = ["[PAD]"] * (max(lengths) - lengths[row])
        tokens = ["[CLS]", *tokens, "[SEP]"]
        tokens = padding + tokens if side == "left" else tokens + padding
        assert np.array_equal(images_of(TOKENIZER, encoded, row), expected_images(*tokens))
    rare = [{token for token, _, _ in slow_tokens(text) if slow_glyph_id(token) >= N} for text in batch]
    rendered = [{token for token in tokens if NumberGlyphs().can_render([token])[0]} for tokens in rare]
    assert extra.shape[1] == max(map(len, rendered))  # a row for each different character of an example


@given(texts, texts, st.integers(5, 9), st.integers(0, 2))
@example(TEXT, RARE, 5, 1)
def test_pairs_and_windows(first, second, length, stride):
    tokens = [[token for token, _, _ in slow_tokens(text)] for text in (first, second)]
    pair = TOKENIZER(first, second, return_tensors="pt")
    expected = ["[CLS]", *tokens[0], "[SEP]"] + ([*tokens[1], "[SEP]"] if second else [])  # "" is no text pair
    assert np.array_equal(images_of(TOKENIZER, pair, 0), expected_images(*expected))
    assert pair["token_type_ids"][0].tolist() == [0] * (len(tokens[0]) + 2) + [1] * (len(expected) - len(tokens[0]) - 2)
    windows = TOKENIZER(
        [first, second],
        truncation=True,
        max_length=length,
        stride=stride,
        return_overflowing_tokens=True,
        return_tensors="np",
        padding=True,
    )
    starts = [0, 0]
    for row, owner in enumerate(windows["overflow_to_sample_mapping"].tolist()):
        part = tokens[owner][starts[owner] : starts[owner] + length - 2]
        shown = ["[CLS]", *part, "[SEP]"]
        shown += ["[PAD]"] * (windows["input_ids"].shape[1] - len(shown))
        assert np.array_equal(images_of(TOKENIZER, windows, row), expected_images(*shown))
        starts[owner] += length - 2 - stride
    assert all(start + stride >= len(part) for start, part in zip(starts, tokens, strict=True))


@given(st.lists(texts, max_size=6), st.lists(texts, max_size=4))
def test_words_give_what_their_text_gives(words, others):
    whole = [token for word in words for token, _, _ in slow_tokens(word)]
    assert TOKENIZER(words, is_split_into_words=True)["glyph_ids"] == [2, *map(slow_glyph_id, whole), 3]
    if words and others:
        other = [token for word in others for token, _, _ in slow_tokens(word)]
        expected = [2, *map(slow_glyph_id, whole), 3, *map(slow_glyph_id, other), 3]
        batch = TOKENIZER([words], [others], is_split_into_words=True)
        assert batch["glyph_ids"] == [expected]


def test_decoding_writes_no_spaces():
    ids = TOKENIZER("银行 很Ab忙")["input_ids"]
    assert TOKENIZER.decode(ids) == "[CLS]银行很[UNK]b忙[SEP]"
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "银行很b忙"
    assert TOKENIZER.tokenize("银 行龘") == ["银", "行", "[UNK]"]


def test_save_and_load(tmp_path):
    tokenizer = make_tokenizer(renders=False)
    tokenizer.glyph_values = 32
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["extra_characters"], saved["glyph_values"]) == (EXTRA, 32)
    assert "image_processor" not in saved
    for load in (GlyphCrmTokenizer, AutoTokenizer):
        again = load.from_pretrained(tmp_path)
        assert type(again) is GlyphCrmTokenizer
        assert dict(again(TEXT)) == dict(tokenizer(TEXT))
        assert again.bank_tokens() == tokenizer.bank_tokens()
        assert again("好", return_tensors="pt")["extra_glyphs"].shape == (1, 0, 32)


def test_vocabulary_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    assert GlyphCrmTokenizer(str(path))("银犇")["glyph_ids"] == [2, VOCABULARY["银"], V + ord("犇"), 3]
    path.write_text("\n".join([*TOKENS, "银"]), encoding="utf-8")
    with pytest.raises(ValueError, match="must not repeat a token"):
        GlyphCrmTokenizer(str(path))


def test_folder_with_only_a_vocabulary_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    config = GlyphCrmConfig(vocab_size=V, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    config.save_pretrained(tmp_path)  # tells AutoTokenizer the class
    expected = GlyphCrmTokenizer(VOCABULARY)
    found = [GlyphCrmTokenizer(vocab_file=str(path)), GlyphCrmTokenizer(VOCABULARY, vocab_file="unread.txt")]
    for load in (GlyphCrmTokenizer, AutoTokenizer):
        found.append(load.from_pretrained(tmp_path))
        found[-1].save_pretrained(tmp_path / load.__name__)
        saved = json.loads((tmp_path / load.__name__ / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert "vocab_file" not in saved
        found.append(AutoTokenizer.from_pretrained(tmp_path / load.__name__))
    for tokenizer in found:
        assert type(tokenizer) is GlyphCrmTokenizer
        assert tokenizer.get_vocab() == VOCABULARY
        assert dict(tokenizer(TEXT)) == dict(expected(TEXT))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"You need to specify|text is None"),
        (["好", None], r"text\[1\] is None; a text must be a string"),
        ([1], r"text\[0\] is 1; a text must be a string"),
        ("好\ud800", r"text holds the lone surrogate '\\ud800' at 1"),
        ([], "empty list"),
    ],
)
def test_texts_that_cannot_be_encoded(text, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER(text)

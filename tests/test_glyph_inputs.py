"""Glyph inputs of a tokenizer: rows of the bank, open ids, and the images of a batch."""

import inspect
import pickle

import numpy as np
import pytest
import torch
from glyph_tools import (
    RARE,
    TEXT,
    VOCABULARY,
    N,
    expected_images,
    images_of,
    make_tokenizer,
    texts,
)
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer, DataCollatorForTokenClassification, DataCollatorWithPadding

from hanziformers import GlyphCrmTokenizer

TOKENIZER = make_tokenizer()


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
def test_pad_gives_what_a_call_gives(batch, side, kind):
    expected = TOKENIZER(batch, padding=True, padding_side=side, return_tensors=kind)
    examples = [TOKENIZER(text) for text in batch]
    before = pickle.dumps([dict(one) for one in examples])
    in_tensors = [
        {key: value[0] for key, value in TOKENIZER(text, return_tensors=kind).items()}
        if index % 2
        else dict(TOKENIZER(text))
        for index, text in enumerate(batch)
    ]
    all_tensors = [{key: value[0] for key, value in TOKENIZER(text, return_tensors=kind).items()} for text in batch]
    columns = TOKENIZER(batch)
    for given_as in (
        examples,
        all_tensors,
        columns,
        [{k: np.asarray(v).tolist() for k, v in e.items()} for e in in_tensors],
    ):
        padded = TOKENIZER.pad(given_as, padding_side=side, return_tensors=kind)
        assert set(padded) == set(expected)
        for key in expected:
            assert padded[key].dtype == expected[key].dtype, key
            assert np.array_equal(padded[key], expected[key]), key
    assert pickle.dumps([dict(one) for one in examples]) == before


def test_lists_stay_lists_in_pad():
    padded = TOKENIZER.pad([TOKENIZER("好"), TOKENIZER(RARE)])
    assert padded["glyph_ids"] == TOKENIZER(["好", RARE], padding=True)["glyph_ids"]
    assert "extra_glyphs" not in padded
    resolved = [{k: v[0].tolist() for k, v in TOKENIZER(text, return_tensors="np").items()} for text in ("好", RARE)]
    again = TOKENIZER.pad(resolved)
    expected = TOKENIZER(["好", RARE], padding=True, return_tensors="np")
    assert again["glyph_ids"] == expected["glyph_ids"].tolist()
    assert np.array_equal(again["extra_glyphs"], expected["extra_glyphs"])


def test_pad_takes_what_transformers_takes_by_position():
    stock, ours = (inspect.signature(cls.pad).parameters for cls in (BertTokenizer, GlyphCrmTokenizer))
    assert [(one.name, one.default, one.kind) for one in ours.values()] == [
        (one.name, one.default, one.kind) for one in stock.values()
    ]
    examples = [TOKENIZER("好"), TOKENIZER(RARE)]
    names = {"padding_side": "left", "return_attention_mask": True, "return_tensors": "np", "verbose": False}
    expected = TOKENIZER.pad(examples, padding="max_length", max_length=9, pad_to_multiple_of=5, **names)
    found = TOKENIZER.pad(examples, "max_length", 9, 5, *names.values())
    assert found["glyph_ids"].shape == (2, 10)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_pad_one_example():
    padded = TOKENIZER.pad(TOKENIZER(RARE), padding="max_length", max_length=8, return_tensors="pt")
    assert padded["glyph_ids"].shape == (8,)
    assert padded["extra_glyphs"].shape == (len(RARE), 32)
    batch = {key: value[None] for key, value in padded.items()}
    tokens = ["[CLS]", *RARE, "[SEP]", "[PAD]", "[PAD]"]
    assert np.array_equal(images_of(TOKENIZER, batch, 0), expected_images(*tokens))


def test_collators_make_images():
    examples = [dict(TOKENIZER(text)) for text in (TEXT, "好")]
    expected = TOKENIZER([TEXT, "好"], padding=True, return_tensors="pt")
    padded = DataCollatorWithPadding(TOKENIZER)(examples)
    labelled = [{**one, "labels": [0] * len(one["input_ids"])} for one in examples]
    tagged = DataCollatorForTokenClassification(TOKENIZER)(labelled)
    for batch in (padded, tagged):
        for key in expected:
            assert torch.equal(batch[key], expected[key]), key
    assert tagged["labels"].shape == expected["input_ids"].shape


def test_keys_are_the_same_whatever_the_text():
    for text in ("好", RARE, ""):
        encoded = TOKENIZER(text, return_tensors="pt")
        assert list(encoded) == [*GlyphCrmTokenizer.model_input_names, "extra_glyphs"]
        assert set(TOKENIZER.model_input_names) == set(encoded)
    assert TOKENIZER("好", return_tensors="np")["extra_glyphs"].shape == (1, 0, 32)
    assert TOKENIZER("好", return_tensors="np")["extra_glyphs"].dtype == np.uint8


def test_the_axis_of_images_is_not_empty_where_pipelines_pad_on_the_left():
    left = make_tokenizer()
    left.padding_side = "left"
    for text, rows in (("好", 1), (RARE[0], 1), (RARE, len(RARE))):
        for batch in (left(text, return_tensors="pt"), left.pad([left(text)], return_tensors="np")):
            assert batch["extra_glyphs"].shape == (1, rows, 32)
            assert np.asarray(batch["extra_glyphs"]).any() == (text != "好")
    assert left("好")["glyph_ids"] == TOKENIZER("好")["glyph_ids"]


def test_wrong_ids_and_images_are_explained():
    encoded = TOKENIZER("好")
    for wrong in (N, N + 0x200B, N + 0x110000):
        with pytest.raises(ValueError, match=f"glyph id {wrong} stands for no character"):
            TOKENIZER.pad([{**encoded, "glyph_ids": [2, wrong, 3]}], return_tensors="pt")
    with pytest.raises(ValueError, match=r"int64 \[1, 7\], but must be uint8 \[E, 32\]"):
        TOKENIZER.pad([{**encoded, "extra_glyphs": np.ones((1, 7), int)}], return_tensors="pt")
    with pytest.raises(ValueError, match=r"float64 \[1, 32\], but must be uint8"):
        TOKENIZER.pad([{**encoded, "extra_glyphs": np.ones((1, 32))}], return_tensors="pt")
    for value in (-1, 256):
        with pytest.raises(ValueError, match=f"extra_glyphs of an example holds {value}, but is ink from 0 to 255"):
            TOKENIZER.pad([{**encoded, "extra_glyphs": np.full((1, 32), value)}], return_tensors="pt")
    for value in (0, True, 4.0):
        with pytest.raises(ValueError, match=f"glyph_values={value!r} must be None"):
            GlyphCrmTokenizer(VOCABULARY, glyph_values=value)

"""Glyph inputs of a tokenizer: rows of the bank, open ids, images that are rendered when a character is met."""

import copy
import inspect
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from datasets.fingerprint import Hasher
from font_tools import RARE as BARS
from font_tools import rare_font
from glyph_tools import (
    EXTRA,
    NOT_RENDERED,
    RARE,
    TEXT,
    VOCABULARY,
    N,
    NumberGlyphs,
    V,
    expected_images,
    images_of,
    make_tokenizer,
    texts,
)
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer, DataCollatorForTokenClassification, DataCollatorWithPadding

from hanziformers import GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor

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


def test_what_cannot_be_rendered_is_unk_counted_and_warned_about(warnings):
    tokenizer = make_tokenizer()
    texts = [f"{NOT_RENDERED[0]}好{NOT_RENDERED[0]}{RARE[0]}", NOT_RENDERED]
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    assert encoded["glyph_ids"].tolist() == [[2, 1, VOCABULARY["好"], 1, N, 3], [2, 1, 1, 3, 0, 0]]
    assert tokenizer.unrendered == Counter({NOT_RENDERED[0]: 3, NOT_RENDERED[1]: 1})
    (message,) = warnings
    assert "2 different ones so far, 4 in all" in message
    assert "U+E000" in message
    assert "fonts=" in message
    tokenizer(NOT_RENDERED[0], return_tensors="pt")  # known: counted, not warned of again
    assert tokenizer.unrendered.total() == 5
    assert len(warnings) == 1
    for code in range(0xE100, 0xE180):
        tokenizer(chr(code), return_tensors="pt")
    assert 4 < len(warnings) < 10  # whenever the number of characters has doubled


def test_without_an_image_processor(warnings):
    tokenizer = make_tokenizer(renders=False)
    encoded = tokenizer(RARE + EXTRA, return_tensors="pt")
    assert encoded["glyph_ids"].tolist() == [[2, *[1] * len(RARE), *range(V, N), 3]]
    assert "extra_glyphs" not in encoded
    assert "extra_glyphs" not in tokenizer.model_input_names
    assert tokenizer.unrendered.total() == len(RARE)
    assert "no image processor" in warnings[0]


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


def test_pickles():
    again = pickle.loads(pickle.dumps(TOKENIZER))
    first, second = (one(TEXT, return_tensors="np") for one in (TOKENIZER, again))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def same_tensors(one, other, text):
    first, second = (tokenizer(text, return_tensors="np") for tokenizer in (one, other))
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


@pytest.fixture
def checkpoint(tmp_path):
    """A folder whose tokenizer lies in a subfolder, with an image processor that renders `BARS`."""
    font = str(rare_font(tmp_path / "bars.ttf"))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]}, save_fonts=True)
    tokenizer = make_tokenizer(renders=False)
    tokenizer.image_processor = image_processor
    tokenizer.save_pretrained(tmp_path / "root/sub")
    return tmp_path / "root", tokenizer


@pytest.mark.parametrize("load", [GlyphCrmTokenizer, AutoTokenizer])
def test_the_image_processor_is_looked_for_where_the_tokenizer_was(checkpoint, monkeypatch, load):
    root, tokenizer = checkpoint
    monkeypatch.chdir(root.parent)
    where = {"subfolder": "sub", "cache_dir": str(root.parent / "cache"), "revision": "main", "token": "hf_secret"}
    again = load.from_pretrained("root", **where)
    monkeypatch.chdir("/")
    assert again.name_or_path == "root"
    assert b"hf_secret" not in pickle.dumps(again)
    assert same_tensors(again, tokenizer, BARS)
    assert not again.unrendered
    for copied in (pickle.loads(pickle.dumps(again)), copy.deepcopy(again)):
        assert same_tensors(copied, tokenizer, BARS)
    again.save_pretrained(root.parent / "second")
    saved = (root.parent / "second/tokenizer_config.json").read_text(encoding="utf-8")
    assert "hf_secret" not in saved
    assert str(root.parent) not in saved


def test_saving_without_the_image_processor_is_warned_about(checkpoint, warnings):
    root, _ = checkpoint
    again = GlyphCrmTokenizer.from_pretrained(root / "sub")
    again.save_pretrained(root / "whole")
    assert not warnings
    again = GlyphCrmTokenizer.from_pretrained(root / "sub")
    shutil.rmtree(root / "sub")
    again.save_pretrained(root / "third")
    (message,) = warnings
    assert "GlyphCrmTokenizer is saved without its image processor, which cannot be found (" in message
    assert str(root / "sub") in message


def test_the_image_processor_of_a_revision_in_a_cache(checkpoint):
    root, tokenizer = checkpoint
    revision, cache = "0123456789" * 4, root.parent / "cache"
    GlyphCrmConfig(vocab_size=V, glyph_vocab_size=N, glyph_size=24).save_pretrained(root / "sub")
    shutil.copytree(root, cache / "models--someone--glyphs/snapshots" / revision)  # as the Hub's client lays it out
    where = {"cache_dir": str(cache), "revision": revision, "subfolder": "sub", "local_files_only": True}
    again = AutoTokenizer.from_pretrained("someone/glyphs", **where)
    for found in (again, pickle.loads(pickle.dumps(again))):
        assert same_tensors(found, tokenizer, BARS)
        assert not found.unrendered


@pytest.mark.parametrize("loaded", [True, False])
def test_use_does_not_change_what_data_sets_hash(checkpoint, loaded):
    root, _ = checkpoint
    tokenizer = AutoTokenizer.from_pretrained(root, subfolder="sub") if loaded else make_tokenizer()
    before, size = Hasher.hash(tokenizer), len(pickle.dumps(tokenizer))
    assert size < 20_000
    tokenizer([BARS, NOT_RENDERED], padding=True, truncation=True, max_length=4, return_tensors="pt")
    DataCollatorWithPadding(tokenizer)([tokenizer(BARS), tokenizer(RARE + NOT_RENDERED)])
    assert tokenizer.image_processor is not None
    assert tokenizer.unrendered
    assert Hasher.hash(tokenizer) == before
    assert len(pickle.dumps(tokenizer)) < size + 500
    tokenizer.set_extra_characters(RARE)
    assert Hasher.hash(tokenizer) != before


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


def test_image_processors_that_cannot_render():
    tokenizer = make_tokenizer()
    with pytest.raises(
        TypeError, match=r"a str is no image processor of characters: it has no \['render', 'can_render'\]"
    ):
        tokenizer.image_processor = "song"

    class Flat(NumberGlyphs):
        def render(self, tokens):
            return super().render(tokens)[:, 0]

    with pytest.raises(ValueError, match=r"as uint8 \[1, 4, 4\], but must give uint8 \[1, fonts, height, width\]"):
        tokenizer.image_processor = Flat()
    assert type(tokenizer.image_processor) is NumberGlyphs  # nothing changed
    tokenizer.glyph_values = 48
    with pytest.raises(ValueError, match=r"glyph images \[2, 4, 4\] of 32 values, but the tokenizer .* of 48"):
        tokenizer(RARE, return_tensors="pt")

"""Characters outside of the bank are rendered once, remembered, and counted where they cannot be."""

import copy
import json
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest
from glyph_tools import NOT_RENDERED, RARE, VOCABULARY, NumberGlyphs, make_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from hanziformers import GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor
from hanziformers.tokenization import rare_glyphs
from hanziformers.tokenization.rare_glyphs import RareGlyphs, flat_glyphs


class Counting(NumberGlyphs):
    def __init__(self):
        self.rendered = Counter()

    def render(self, tokens):
        self.rendered.update(tokens)
        return super().render(tokens)


def slow(character):
    return NumberGlyphs().render([character]).ravel() if NumberGlyphs().can_render([character])[0] else None


calls = st.lists(st.lists(st.sampled_from([*RARE, *NOT_RENDERED, *"甲乙丙丁"]), unique=True, max_size=5), max_size=6)


@given(calls, st.integers(1, 6))
def test_what_is_remembered_equals_what_is_rendered(batches, entries):
    images = RareGlyphs(Counting())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rare_glyphs, "_MEMO_ENTRIES", entries)
        for characters in batches:
            rendered, found = images.render(characters, [1] * len(characters), 32)
            expected = [slow(character) for character in characters]
            assert rendered.tolist() == [image is not None for image in expected]
            assert (found.dtype, found.shape) == (np.uint8, (int(rendered.sum()), 32))
            assert np.array_equal(found, np.array([i for i in expected if i is not None]).reshape(-1, 32))
        assert len(images._memo) <= max(entries, *map(len, batches), 0)


def test_images_are_rendered_once():
    images = RareGlyphs(Counting())
    for characters in (RARE, RARE[:2], RARE + NOT_RENDERED, NOT_RENDERED):
        images.render(list(characters), [1] * len(characters), 32)
    assert set(images.image_processor.rendered.values()) == {1}


def test_a_blank_image_counts_as_none():
    """It would be taken for padding."""

    class Blank(NumberGlyphs):
        def render(self, tokens):
            return super().render(tokens) * 0

    images = RareGlyphs(Blank())
    rendered, found = images.render(["甲"], [3], 32)
    assert rendered.tolist() == [False]
    assert found.shape == (0, 32)
    assert images.unrendered == {"甲": 3}


def test_counts_and_warnings(warnings):
    images = RareGlyphs(NumberGlyphs())
    images.render([NOT_RENDERED[0], "甲"], [2, 9], 32)
    assert images.unrendered == {NOT_RENDERED[0]: 2}
    (message,) = warnings
    assert message.startswith(
        "Characters that have no glyph image get that of [UNK]: 1 different ones so far, 2 in all, among"
    )
    assert "U+E000" in message
    assert "fonts=" in message
    images.render([NOT_RENDERED[0]], [1], 32)  # known: counted, and no second warning
    assert images.unrendered.total() == 3
    assert len(warnings) == 1
    images.render([NOT_RENDERED[1]], [1], 32)
    assert len(warnings) == 2


def test_without_an_image_processor(warnings):
    images = RareGlyphs()
    images.find()
    rendered, found = images.render([*RARE], [1] * len(RARE), 32)
    assert not rendered.any()
    assert found.shape == (0, 32)
    assert "The tokenizer has no image processor to render them" in warnings[0]


def test_a_source_is_tried_once_and_its_error_told(tmp_path, warnings):
    images = RareGlyphs(source={"pretrained_model_name_or_path": str(tmp_path)})
    images.find()
    (tmp_path / "processor_config.json").write_text("{")  # not looked at again
    images.find()
    images.render(["甲"], [1], 32)
    assert images.image_processor is None
    assert str(tmp_path) in warnings[0]


def test_copies_carry_what_was_given_and_no_secret():
    source = {
        "pretrained_model_name_or_path": "someone/glyphs",
        "token": "hf_secret",
        "proxies": {},
        "revision": "main",
    }
    used = RareGlyphs(NumberGlyphs(), source)
    used.render(["甲", NOT_RENDERED[0]], [1, 1], 32)
    fresh = pickle.dumps(RareGlyphs(NumberGlyphs(), source))
    assert pickle.dumps(used) == fresh
    assert b"hf_secret" not in fresh
    for copied in (pickle.loads(fresh), copy.deepcopy(used)):
        assert type(copied.image_processor) is NumberGlyphs
        assert copied.source == {"pretrained_model_name_or_path": "someone/glyphs", "revision": "main"}
        assert not copied.unrendered


class Flat(NumberGlyphs):
    def render(self, tokens):
        return super().render(tokens)[:, 0]


def test_image_processors_that_cannot_render():
    with pytest.raises(
        TypeError, match=r"a str is no image processor of characters: it has no \['render', 'can_render"
    ):
        RareGlyphs("song")
    with pytest.raises(ValueError, match=r"as uint8 \[1, 4, 4\], but must give uint8 \[1, fonts, height, width\]"):
        flat_glyphs(Flat(), ["甲"])
    with pytest.raises(ValueError, match=r"glyph images \[2, 4, 4\] of 32 values, but the tokenizer .* of 48"):
        flat_glyphs(NumberGlyphs(), ["甲"], 48)
    with pytest.raises(ValueError, match="of 32 values"):
        RareGlyphs(NumberGlyphs()).render(["甲"], [1], 48)


def test_tokens_are_flattened():
    images = NumberGlyphs()
    assert np.array_equal(flat_glyphs(images, [*RARE], 32), images.render([*RARE]).reshape(len(RARE), 32))


def test_workers_of_a_tokenizer_start_with_no_counts():
    tokenizer = make_tokenizer()
    tokenizer(NOT_RENDERED, return_tensors="np")
    assert tokenizer.unrendered.total() == 2
    assert not pickle.loads(pickle.dumps(tokenizer)).unrendered


@pytest.fixture(scope="module")
def folder_of_a_model(tmp_path_factory):
    """A tokenizer with its image processor (one style, 24 px), and the configuration of its model."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = GlyphCrmTokenizer(VOCABULARY)
    tokenizer.image_processor = HanziGlyphImageProcessor(styles=["cao"], size=24, fallback=False)
    tokenizer.save_pretrained(folder)
    GlyphCrmConfig(glyph_styles=["cao"], glyph_size=24).save_pretrained(folder)
    return folder


def with_settings(source, folder, **settings):
    shutil.copytree(source, folder)
    whole = json.loads((folder / "processor_config.json").read_text())
    whole["image_processor"] |= settings
    (folder / "processor_config.json").write_text(json.dumps(whole))
    return RareGlyphs(source={"pretrained_model_name_or_path": str(folder)})


@pytest.mark.parametrize(
    ("settings", "used", "words"),
    [
        ({}, True, None),
        ({"styles": ["cao", "xingkai", "cao", "xingkai"], "size": 12}, False, "'size': 12"),  # as many values
        ({"size": 48}, False, "'size': 48"),
        ({"binary": False}, True, "says {'styles': ['cao'], 'size': 24, 'binary': True} of its glyph images"),
        ({"styles": ["xingkai"]}, True, "image processor beside it {'styles': ['xingkai'], 'size': 24"),
    ],
)
def test_what_is_found_is_compared_with_the_models_configuration(
    folder_of_a_model, tmp_path, warnings, settings, used, words
):
    images = with_settings(folder_of_a_model, tmp_path / "x", **settings)
    images.find()
    assert (images.image_processor is not None) is used
    assert any(words in text for text in [*warnings, images.reason]) if words else not warnings


def test_a_folder_without_a_model_is_not_compared(folder_of_a_model, tmp_path, warnings):
    images = with_settings(folder_of_a_model, tmp_path / "x", size=48)
    (tmp_path / "x/config.json").unlink()
    images.find()
    assert images.image_processor.size == 48
    assert not warnings


@pytest.mark.parametrize("settings", [{"auto_map": 3}, {"styles": 3}, {"font_manifest": 3}, {"_renderer": 3}])
def test_settings_that_are_none_give_a_reason(folder_of_a_model, tmp_path, settings):
    images = with_settings(folder_of_a_model, tmp_path / "x", **settings)
    images.find()
    assert images.image_processor is None
    assert images.reason


def test_nobody_is_asked_whether_code_is_trusted(folder_of_a_model, tmp_path, monkeypatch):
    """In the middle of a text."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    images = with_settings(folder_of_a_model, tmp_path / "x", image_processor_type="Other")
    images.find()
    assert "trust_remote_code" in images.reason

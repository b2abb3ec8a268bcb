"""What renders characters outside of the bank: given or found, counted, kept by copies, and saved."""

import copy
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest
from datasets.fingerprint import Hasher
from font_tools import RARE as BARS
from font_tools import rare_font
from glyph_tools import EXTRA, NOT_RENDERED, RARE, TEXT, VOCABULARY, N, NumberGlyphs, V, make_tokenizer
from transformers import AutoTokenizer, DataCollatorWithPadding

from hanziformers import GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor

TOKENIZER = make_tokenizer()


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

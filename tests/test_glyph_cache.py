"""Glyph images of many characters, and findings about fonts, on disk."""

import os
import stat
import threading

import numpy as np
import pytest
from font_tools import MANY, WHOLE, box_font

from hanziformers.processors import glyph_cache
from hanziformers.processors.glyph_rendering import GlyphRenderer
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


def kept(tmp_path):
    return sorted((tmp_path / "cache").glob("glyphs-*.npz"))


def test_many_tokens_are_kept_and_read_back(tmp_path, monkeypatch):
    expected = HanziGlyphImageProcessor(styles=["xingkai"], size=24).render(MANY)
    assert len(kept(tmp_path)) == 1
    monkeypatch.setattr(GlyphRenderer, "render", lambda *_: pytest.fail("rendered again"))
    again = HanziGlyphImageProcessor(styles=["xingkai"], size=24)
    assert (again.render(MANY) == expected).all()
    assert again.font_manifest["tokens"] == len(MANY)


def test_everything_that_matters_is_in_the_key(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})
    keys = {
        HanziGlyphImageProcessor(**settings)._renderer.key(tokens)
        for tokens in (MANY, MANY[1:])
        for settings in ({}, {"size": 24}, {"binary": False}, {"render_words": False}, {"styles": ["kai"]})
    }
    keys.add(HanziGlyphImageProcessor(fonts={"song": [path]})._renderer.key(MANY))
    box_font(path, {0x4E00: (0, 0, 800, 800)})
    keys.add(HanziGlyphImageProcessor(fonts={"song": [path]})._renderer.key(MANY))
    assert len(keys) == 12


def test_no_cache(tmp_path):
    HanziGlyphImageProcessor(styles=["xingkai"], size=16, cache=False).render(MANY)
    assert not kept(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other shape"])
def test_a_damaged_file_is_reported_and_rendered_again(tmp_path, warnings, damage):
    expected = HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY)
    (path,) = kept(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    if damage == "other shape":
        np.savez(path, images=np.zeros((1, 2), np.uint8), candidates=np.zeros((1, 2), np.int16))
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "flipped": data}[damage])
    assert (HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY) == expected).all()
    assert any("rendered again" in text for text in warnings)
    warnings.clear()
    assert (HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY) == expected).all()
    assert not any("rendered again" in text for text in warnings)


def test_writers_at_once(tmp_path):
    results = []

    def render():
        results.append(HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY))

    threads = [threading.Thread(target=render) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((result == results[0]).all() for result in results)
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "file"))
    assert HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY).any()


def test_kept_files_are_for_all_whom_the_umask_lets(tmp_path):
    before = os.umask(0o002)
    try:
        HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY)
        glyph_cache.write_json("font-x.json", {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "cache").iterdir()} == {0o664}


def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, warnings):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "file" / "x"))
    assert HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY).any()
    assert glyph_cache.read_json("font-x.json") is None
    assert sum("cannot be read" in text for text in warnings) == 2
    assert not any("damaged" in text for text in warnings)


def test_a_file_that_cannot_be_renamed_leaves_nothing(tmp_path):
    glyph_cache.write_json("kept.json", 3)
    (tmp_path / "cache" / "other.json" / "in the way").mkdir(parents=True)
    glyph_cache.write_json("other.json", 3)
    assert {file.name for file in (tmp_path / "cache").iterdir()} == {"kept.json", "other.json"}

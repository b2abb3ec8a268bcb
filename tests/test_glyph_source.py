"""What all sources of glyph images have in common."""

import pickle
import shutil
from pathlib import Path

import pytest
from font_tools import box_font, image_folder, with_tables

from hanziformers.processors import font_file, fonts
from hanziformers.processors.font_coverage import FontInfo
from hanziformers.processors.font_file import FontFile
from hanziformers.processors.fonts import NOT_FOUND, FontChain, open_source
from hanziformers.processors.glyph_source import split_part
from hanziformers.processors.shipped_fonts import shipped_folder

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_pickles_of_sources_are_the_same_before_and_after_use(tmp_path):
    folder = image_folder(tmp_path / "p", {"人.png": "black"})
    font = box_font(tmp_path / "x.ttf", {ord("人"): (0, 0, 900, 100)})
    for path, where in ((folder, "path"), (font, "path"), (shipped_folder() / "xingkai.woff2", "shipped")):
        source = open_source(path, where)
        before = pickle.dumps(source)
        image = source.render("人", 24, False)
        assert len(pickle.dumps(source)) == len(before)
        for pickled in (before, pickle.dumps(source)):
            assert (pickle.loads(pickled).render("人", 24, False) == image).all()


def test_errors_of_paths(tmp_path):
    (tmp_path / "text.ttf").write_text("no font")
    (tmp_path / "x.zip").write_bytes(b"no zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no font at '.*nothing\.ttf'; give a font file"):
        open_source(tmp_path / "nothing.ttf")
    with pytest.raises(ValueError, match=r"text\.ttf' cannot be opened as a font .*; give a \.ttf"):
        open_source(tmp_path / "text.ttf")
    with pytest.raises(ValueError, match=r"x\.zip' cannot be opened as a zip"):
        open_source(tmp_path / "x.zip")
    with pytest.raises(ValueError, match=r"empty' holds no glyph images named .*; rename them"):
        open_source(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"after # comes the number of a font"):
        open_source(f"{box_font(tmp_path / 'x.ttf', {0x4E00: (0, 0, 9, 9)})}#seal")


def test_parts_of_a_path(tmp_path):
    assert split_part("x.ttc#2") == (Path("x.ttc"), "2")
    assert split_part("a#b/x.zip#seal") == (Path("a#b/x.zip"), "seal")
    assert split_part("x.ttf") == (Path("x.ttf"), "")
    (tmp_path / "x#2").mkdir()
    assert split_part(f"{tmp_path}/x#2") == (tmp_path / "x#2", "")  # it exists as it stands


def test_the_hash_of_a_folder_is_of_names_and_bytes(tmp_path):
    folder = image_folder(tmp_path / "p", {"人.png": "black", "大.png": "black"})
    first = open_source(folder).sha256
    assert open_source(shutil.copytree(folder, tmp_path / "copy")).sha256 == first
    (folder / "大.png").rename(folder / "小.png")
    assert open_source(folder).sha256 != first
    assert open_source(f"{folder.parent}#p").sha256.endswith("#p")


def test_a_copy_of_a_shipped_font_is_not_examined_again(tmp_path, monkeypatch):
    """Another file of its name is."""
    monkeypatch.setattr(FontFile, "examine", lambda self: FontInfo("mine", "", "", (0.0, 0.0, 1.0, 1.0), "4e00"))
    shutil.copyfile(shipped_folder() / "xingkai.woff2", tmp_path / "xingkai.woff2")
    assert open_source(tmp_path / "xingkai.woff2", "checkpoint").info.family == "Hanziformers XingKai"
    assert open_source(tmp_path / "xingkai.woff2").info.family == "mine"  # a user's file is always examined
    box_font(tmp_path / "xingkai.woff2", {0x4E00: (0, 0, 900, 100)})
    assert open_source(tmp_path / "xingkai.woff2", "checkpoint").info.family == "mine"


def test_a_damaged_font_of_the_system_stops_nothing(tmp_path, monkeypatch, warnings):
    """Nobody gave it by name: it counts as not installed, and is named once."""
    good = box_font(tmp_path / "good.ttf", {0x4E00: (0, 0, 900, 100), 0x10FFFD: (0, 0, 900, 900)})
    cut = tmp_path / "cut.ttf"
    cut.write_bytes(good.read_bytes()[:300])
    (tmp_path / "gone.ttf").symlink_to("nothing")
    blank = box_font(tmp_path / "blank.ttf", {0x4E00: None})
    unmapped = with_tables(good, tmp_path / "unmapped.ttf", {"cmap": None, "post": None})
    monkeypatch.setattr(font_file, "_TRIED", range(0x4E00, 0x4E10))
    paths = [cut, tmp_path / "gone.ttf", blank, unmapped, good]
    monkeypatch.setattr(fonts, "system_paths", lambda style: paths if style == "other" else [])
    fonts._installed.cache_clear()
    chain = FontChain("song")
    indices, _ = chain.find(["\U0010fffd", "一"])
    assert chain.candidates()[indices[0]].source.path == good
    assert indices[1] != NOT_FOUND
    for name in ("cut.ttf", "gone.ttf", "unmapped.ttf"):
        assert sum("an installed font is not used" in one and name in one for one in warnings) == 1, name
    with pytest.raises(ValueError, match="no character map"):
        _ = open_source(unmapped).info  # the same font as the user's own is refused


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(FileNotFoundError, match="no font at"):
        open_source(f"{tmp_path}/{'x' * 5000}#2")

"""Folders and zips of images: names, polarity, transparency, margins."""

import hashlib
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from font_tools import box_font, covered, image_folder
from PIL import Image, ImageDraw

from hanziformers.processors.fonts import open_source
from hanziformers.processors.shipped_fonts import shipped_folder

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_names_of_images(tmp_path):
    names = ["人.png", "u4eba.png", "U+4E8C.png", "uni4E09.bmp", "u20000.png", "人人.png", "notes.png"]
    source = open_source(image_folder(tmp_path / "p", dict.fromkeys(names, "black")))
    assert covered(source) == {"人", "二", "三", "\U00020000"}


def test_folder_and_zip_render_the_same(tmp_path):
    folder = image_folder(tmp_path / "all" / "seal", {"人.png": "black", "大.png": "black"}).parent
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", folder)
    one, two = open_source(f"{folder}#seal"), open_source(f"{archive}#seal")
    assert covered(one) == covered(two) == {"人", "大"}
    assert (one.render("人", 48, False) == two.render("人", 48, False)).all()
    assert (pickle.loads(pickle.dumps(two)).render("大", 24, True) == one.render("大", 24, True)).all()


def test_a_blank_image_is_no_character(tmp_path):
    source = open_source(image_folder(tmp_path / "p", {"人.png": "black", "空.png": "blank"}))
    assert covered(source) == {"人"}


@pytest.mark.parametrize("kind", ["black", "white"])
def test_black_on_white_and_white_on_black(tmp_path, kind):
    source = open_source(image_folder(tmp_path / "p", {"人.png": kind, "大.png": kind, "二.png": kind}))
    assert covered(source) == {"人", "大", "二"}
    for character in "人大二":
        ink = source.render(character, 64, False)
        assert ink[0].max() == 0
        assert 0.1 < (ink > 127).mean() < 0.2


def tight_images(folder, light_on_dark=False, clear=False):
    """口, 田 and three more, cropped to their ink: 口 and 田 are ink all along the border, 一 is nothing but ink."""
    paper, ink = (0, 255) if light_on_dark else (255, 0)
    frame, cross = [(0, 0, 59, 59)], [(0, 25, 59, 34), (25, 0, 34, 59)]
    folder.mkdir()
    for name, boxes, bars in (
        ("口", frame, []),
        ("田", frame, cross),
        ("十", [], cross),
        ("丁", [], cross[1:]),
        ("一", [], []),
    ):
        height = 10 if name == "一" else 60
        image = Image.new("LA", (60, height), (paper, 0 if clear else 255))
        pen = ImageDraw.Draw(image)
        for box in boxes:
            pen.rectangle(box, outline=(ink, 255), width=8)
        for bar in bars or ([(0, 0, 59, 9)] if name == "一" else []):
            pen.rectangle(bar, fill=(ink, 255))
        (image if clear else image.convert("L")).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize(("light_on_dark", "clear"), [(False, False), (True, False), (False, True)])
def test_images_cropped_to_their_ink_are_not_inverted(tmp_path, light_on_dark, clear):
    source = open_source(tight_images(tmp_path / "p", light_on_dark, clear))
    assert source.info.light_on_dark is light_on_dark
    assert covered(source) == set("口田十丁一")
    for character, part in (("口", 0.46), ("田", 0.66), ("十", 0.31), ("丁", 0.17), ("一", 0.17)):
        image = source.render(character, 60, True) > 0
        assert image.mean() == pytest.approx(part, abs=0.06), character
    assert (source.render("口", 60, True)[20:40, 20:40] == 0).all()


def test_a_zip_of_images_is_written_flat_with_nothing_else(tmp_path):
    folder = image_folder(tmp_path / "p", {"人.png": "black", "u5927.png": "black"})
    image_folder(folder / "more", {"人.png": "white", "中.png": "black"})
    (folder / "notes.txt").write_text("mine")
    for name in ("one", "two"):
        open_source(folder).save(tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert sorted(archive.namelist()) == ["u5927.png", "人.png"]
    again = open_source(tmp_path / "one.zip")
    assert covered(again) == covered(open_source(folder)) == {"人", "大"}
    assert (again.render("人", 48, False) == open_source(folder).render("人", 48, False)).all()
    again.save(tmp_path / "one.zip")  # onto itself
    assert covered(open_source(tmp_path / "one.zip")) == {"人", "大"}


def test_thin_images_keep_ink_at_a_small_size(tmp_path):
    (tmp_path / "p").mkdir()
    image = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(image).line((0, 200, 399, 200), fill=0, width=4)
    image.save(tmp_path / "p" / "一.png")
    source = open_source(tmp_path / "p")
    assert source.render("一", 8, True).any()
    font = open_source(box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 900), 0x2D: (300, 300, 600, 330)}))
    for character in "-一":
        assert set(np.unique(font.render(character, 8, True))) == {0, 255}


def test_images_keep_their_shape(tmp_path):
    wide = Image.new("LA", (90, 30), (0, 0))  # transparent paper
    wide.paste((0, 255), (0, 10, 90, 20))
    (tmp_path / "p").mkdir()
    wide.save(tmp_path / "p" / "一.png")
    ink = open_source(tmp_path / "p").render("一", 30, True)
    assert np.flatnonzero(ink.any(1)).tolist() == [13, 14, 15, 16] or ink.any(1).sum() in (3, 4)
    assert ink.any(0).all()


def test_a_damaged_image_is_named(tmp_path):
    folder = image_folder(tmp_path / "p", {"人.png": "black", "大.png": b"no image"})
    with pytest.raises(ValueError, match=r"'大\.png' in .* cannot be read as a glyph image .*; replace or remove it"):
        _ = open_source(folder).info


def test_entries_that_are_not_there_do_not_stop_the_others(tmp_path, warnings):
    folder = image_folder(
        tmp_path / "p", {"人.png": "black", "u4eba.png": "black", "notes.png": "black", "一.png": "black"}
    )
    (folder / "大.png").symlink_to("nothing")
    (folder / "中.png").symlink_to("中.png")
    (folder / "小.png").mkdir()
    os.mkfifo(folder / "上.png")
    (folder / "下.png").symlink_to("/dev/zero")
    for name in ("ud800.png", "U+110000.png", "国.svg", "readme.txt", "._人.png"):
        (folder / name).write_bytes(b"x")
    with open(os.fsencode(folder) + b"/\xff.png", "wb") as file:
        file.write(b"x")
    (folder / "天.png").symlink_to(folder / "一.png")  # a link that leads somewhere is an image
    source = open_source(folder)
    assert covered(source) == {"一", "人", "天"}
    assert source.render("人", 24, False).any()
    (message,) = [one for one in warnings if str(folder) in one]
    for part in (
        "has 3 glyph images. Not used are",
        "broken links: 2 ('中.png', '大.png')",
        "folders and devices: 3",
        "names that are no character: 4",
        "characters that another file shows: 1",
        "kinds that are not read: 1 ('国.svg')",
    ):
        assert part in message
    assert "readme" not in message
    (folder / "大.png").unlink()
    shutil.copy(folder / "一.png", folder / "大.png")
    assert covered(open_source(folder)) == {"一", "人", "天", "大"}


def test_files_that_may_not_be_read(tmp_path, monkeypatch, warnings):
    """Root may read everything, so the question is answered here."""
    folder = image_folder(tmp_path / "p", {"人.png": "black", "大.png": "black"})
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not os.fspath(path).endswith("大.png") and access(path, mode))
    assert covered(open_source(folder)) == {"人"}
    assert any("files that you may not read: 1 ('大.png')" in one for one in warnings)


def test_a_folder_without_any_usable_image_says_why(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "大.png").symlink_to("nothing")
    (tmp_path / "p" / "大.zip").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"broken links: 1 \('大\.png'\); zips inside it: 1 \('大\.zip'\)\); rename them"
    ):
        open_source(tmp_path / "p")


def test_a_warning_about_a_clean_folder_is_not_given(tmp_path, warnings):
    folder = image_folder(tmp_path / "p", {"人.png": "black"})
    (folder / "licence.txt").write_text("mine")
    open_source(folder).save(tmp_path / "p.zip")
    for source in (folder, tmp_path / "p.zip", shipped_folder() / "ancient-characters.zip#seal"):
        open_source(source)
    assert not warnings


@pytest.mark.parametrize("part", ["..", "../q", "/etc", "a/../../b"])
def test_a_part_stays_inside(tmp_path, part):
    image_folder(tmp_path / "q", {"人.png": "black"})
    folder = image_folder(tmp_path / "p", {"人.png": "black"})
    open_source(folder).save(tmp_path / "p.zip")
    for path in (folder, tmp_path / "p.zip"):
        with pytest.raises(ValueError, match="after # comes the name of a folder inside"):
            open_source(f"{path}#{part}")


@pytest.mark.parametrize("size", [2**26 + 1, 2**34])
def test_a_file_that_is_too_large_is_not_read(tmp_path, size):
    folder = image_folder(tmp_path / "p", {"人.png": "black", "大.png": "black"})
    os.truncate(folder / "大.png", size)  # sparse: nothing is written
    with pytest.raises(
        ValueError, match=rf"'大\.png' in .*it has {size:,} bytes; at most 67,108,864 are .*; replace or"
    ):
        _ = open_source(folder).info


def test_hashes_are_of_images_alone(tmp_path):
    folder = image_folder(tmp_path / "p", {"人.png": "black"})
    first = open_source(folder).sha256
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more" / "large").write_bytes(b"x")
    assert open_source(folder).sha256 == first
    assert (
        first
        == hashlib.sha256("人.png".encode() + hashlib.sha256((folder / "人.png").read_bytes()).digest()).hexdigest()
    )

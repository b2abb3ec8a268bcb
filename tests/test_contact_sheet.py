"""Contact sheets, of a text, of tokens and of glyph images."""

import numpy as np
import pytest
import torch
from PIL import Image

from hanziformers.processors.contact_sheet import _label_font, contact_sheet
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


@pytest.fixture(scope="module")
def song():
    return HanziGlyphImageProcessor()


def dark(sheet, box):
    """Whether a pixel of the box (left, top, right, bottom) is darker than the paper of the sheet."""
    return sheet.crop(box).getextrema()[0] < 225


def test_one_line_from_a_text(tmp_path, song):
    """Each distinct character with ink once, in order, with its label above it."""
    path = contact_sheet("银行 很忙\n银行", tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet)
    images = song.render(list("银行很忙"))[:, 0]
    height, width = pixels.shape
    assert height == 14 + 4 + 48 + 4
    cell = width // 4
    for index, image in enumerate(images):
        x = index * cell + 4
        assert (pixels[18:66, x : x + 48] == 255 - image).all()
        assert pixels[:14, x : x + cell - 4].min() < 100  # the label
        assert (pixels[18:66, x + 48 : (index + 1) * cell] == 225).all()


def test_styles_lie_side_by_side_under_a_line_that_names_them(tmp_path):
    image_processor = HanziGlyphImageProcessor(styles=["song", "hei"], size=24)
    one = contact_sheet("一人", tmp_path / "one.png", styles=["song", "hei"], size=24, columns=2, zoom=2)
    two = contact_sheet("一人", tmp_path / "two.png", image_processor=image_processor, columns=2, zoom=2)
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as sheet:
        assert dark(sheet, (0, 0, 100, 14))  # "from left to right: song, hei"
        for style, image in enumerate(image_processor.render(["一"])[0]):
            x, y = 4 + style * 52, 18 + 18
            tile = np.asarray(sheet)[y : y + 48, x : x + 48]
            assert (tile == 255 - image.repeat(2, 0).repeat(2, 1)).all()


def test_what_a_style_lacks_is_grey(tmp_path):
    contact_sheet("马馬龘", tmp_path / "sheet.png", styles=["xingkai"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
        assert dark(sheet, (0, 0, 100, 14))  # says so
    rows = pixels[36:84]
    cell = max(48, max(int(_label_font().getlength(f"{c} {ord(c):04X}")) for c in "马馬龘")) + 8
    darkest = [int(rows[:, 4 + cell * index : 52 + cell * index].min()) for index in range(3)]
    assert darkest == [0, 150, 150]  # itself; its simplified variant; in the style kai


def test_tokens_and_characters_without_a_font(tmp_path, warnings):
    path = contact_sheet(["[MASK]", "international", "中"], tmp_path / "tokens.png", columns=1)
    with Image.open(path) as sheet:
        assert sheet.height == 3 * 70
    assert not warnings
    contact_sheet("中\U0010fffd", tmp_path / "sheet.png")
    assert any("1 of 2 characters have no glyph image" in text and "\U0010fffd" in text for text in warnings)


def test_rows_are_about_as_wide_as_a_page(tmp_path):
    path = contact_sheet("".join(map(chr, range(0x4E00, 0x4E00 + 60))), tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        assert 800 < sheet.width <= 900


@pytest.mark.parametrize(
    ("characters", "options", "words"),
    [
        (" \n", {}, "holds no character with ink; give a text"),
        ([], {}, "holds no character with ink"),
        ("中", {"labels": ["a", "b"]}, "2 labels for 1 glyph images"),
        ("中", {"zoom": 0}, "zoom 0; both must be 1 or more"),
        ("中", {"styles": ["songg"]}, "the style 'songg' is not known"),
        ("中", {"image_processor": HanziGlyphImageProcessor(), "size": 24}, "give either it, or styles and size"),
        (np.zeros((1, 1, 8, 8), np.uint8), {"styles": ["kai"]}, "glyph images were given; leave them out"),
    ],
)
def test_texts_and_options_that_do_not_go_together(tmp_path, characters, options, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(characters, tmp_path / "x.png", **options)


def test_contact_sheet(tmp_path, song):
    images = song.render(["中", "国", "[MASK]"])
    path = contact_sheet(images, tmp_path / "new" / "sheet.png", labels=["中", "国", "[MASK]"], columns=2, zoom=2)
    with Image.open(path) as sheet:
        assert sheet.size == (2 * (48 * 2 + 8), 2 * (48 * 2 + 22))
        assert sheet.getextrema() == (0, 255)
    assert contact_sheet(images[:, 0], tmp_path / "one.png", labels=list("abc")).exists()


def test_tensors_lists_and_arrays_of_tokens(tmp_path, song):
    tokens = ["中", "国", "[MASK]"]
    images = song.render(tokens)
    expected = contact_sheet(images, tmp_path / "a.png").read_bytes()
    for given in (torch.from_numpy(images), list(images), list(torch.from_numpy(images)), tuple(images[:, 0])):
        assert contact_sheet(given, tmp_path / "b.png").read_bytes() == expected
    expected = contact_sheet(tokens, tmp_path / "a.png").read_bytes()
    for given in (np.array(tokens), np.array(tokens, dtype=object), list(np.array(tokens)), iter(tokens)):
        assert contact_sheet(given, tmp_path / "b.png").read_bytes() == expected
    with pytest.raises(TypeError, match=r"tokens\[1\] is 3"):
        contact_sheet(["中", 3], tmp_path / "x.png")


@pytest.mark.parametrize("labels", ["ab", [1, 2], ["a", None], [b"a", "b"]])
def test_labels_must_be_strings(tmp_path, labels):
    with pytest.raises(TypeError, match="a label cannot be .*: labels must be a list of strings"):
        contact_sheet("中国", tmp_path / "x.png", labels=labels)


def test_control_characters_of_labels_are_written_as_code_points(tmp_path):
    shown = ["U+000AaU+200B", "U+2028", "U+D800", "中"]
    given = ["\na\u200b", "\u2028", "\ud800", "中"]
    one, two = (
        contact_sheet("中国人大", tmp_path / f"{labels is given}.png", labels=labels) for labels in (given, shown)
    )
    assert one.read_bytes() == two.read_bytes()


def test_a_token_is_grey_if_a_fallback_renders_one_of_its_characters(tmp_path):
    contact_sheet(["马马", "马龘"], tmp_path / "sheet.png", styles=["xingkai"], columns=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert dark(sheet, (0, 0, 100, 14))  # the legend says what grey is
        rows = np.asarray(sheet)[18:]
    assert [int(rows[top + 18 : top + 66, 4:52].min()) for top in (0, 70)] == [0, 150]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((1, 1, 8, 8)), ["a"], "dtype float64; needed is uint8"),
        (np.zeros((8, 8), np.uint8), ["a"], r"shape \(8, 8\)"),
        (np.zeros((0, 1, 8, 8), np.uint8), [], "one glyph image or more"),
        (np.zeros((2, 1, 8, 8), np.uint8), ["a"], "1 labels for 2 glyph images"),
    ],
)
def test_contact_sheet_refuses(tmp_path, images, labels, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(images, tmp_path / "x.png", labels=labels)
    with pytest.raises(ValueError, match="columns is 0"):
        contact_sheet(np.zeros((1, 1, 8, 8), np.uint8), tmp_path / "x.png", labels=["a"], columns=0)


def test_eight_scripts_at_the_size_that_glyce_sees(tmp_path):
    """What a script has itself is black, what stands in for it grey, what nothing renders blank."""
    styles = ["bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao"]
    image_processor = HanziGlyphImageProcessor(styles, size=12, binary=False, render_words=False)
    contact_sheet("马爱", tmp_path / "sheet.png", image_processor=image_processor, columns=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    darkest = [[int(pixels[y : y + 12, 4 + 16 * n : 16 + 16 * n].min()) for n in range(8)] for y in (36, 70)]
    names = ["blank" if value == 255 else "grey" if value >= 150 else "black" for row in darkest for value in row]
    assert names[:8] == ["black", "grey", "black", "grey", "black", "black", "grey", "black"]
    assert names[8:] == ["blank", "grey", "grey", "grey", "black", "black", "grey", "black"]

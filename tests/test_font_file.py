"""Font files: covered is what has ink, whatever the character map says."""

import numpy as np
import pytest
from font_tools import NOTDEF, WHOLE, box_font, covered

from hanziformers.processors.fonts import open_source
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_only_ink_counts(tmp_path):
    same = {code: (200, 100, 800, 700) for code in range(0x4E00, 0x4E06)}  # six Han characters, one glyph image
    boxes = {0x41: (0, 0, 500, 700), 0x20: None, 0x4E2D: None, 0x4E2E: NOTDEF, 0x56FD: (50, -100, 950, 850), **same}
    source = open_source(box_font(tmp_path / "x.ttf", boxes))
    assert covered(source) == {"A", "国"}
    assert not source.covered[ord("永")]


def test_a_few_characters_may_look_the_same(tmp_path):
    boxes = {code: (0, 0, 900, 900) for code in (0x2F00, 0x4E00, 0xF967, 0x3400)} | {0x4E8C: (0, 0, 400, 400)}
    assert len(covered(open_source(box_font(tmp_path / "x.ttf", boxes)))) == 5


def test_records_are_read(tmp_path):
    source = open_source(box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)}))
    info = source.info
    assert (info.family, info.version, info.licence) == ("Test Boxes", "1.5", "OFL-1.1")
    assert len(source.sha256) == 64


def test_a_damaged_font_is_refused(tmp_path):
    whole = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 900)}).read_bytes()
    (tmp_path / "cut.ttf").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ValueError, match="cannot be opened as a font"):
        open_source(tmp_path / "cut.ttf")


def test_a_font_that_renders_nothing_is_refused(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: None, 0x4E8C: NOTDEF})
    with pytest.raises(ValueError, match=r"renders no character: .*; give another font"):
        _ = open_source(path).covered


def test_a_glyph_larger_than_the_image_is_made_smaller(tmp_path):
    boxes = {0x4E00: WHOLE, 0x4E01: WHOLE, 0x2E3A: (-500, 200, 1500, 400)}
    image = HanziGlyphImageProcessor(fonts={"song": [str(box_font(tmp_path / "x.ttf", boxes))]}).render(["\u2e3a"])[
        0, 0
    ]
    assert np.flatnonzero(image.any(0)).tolist() == list(range(48))
    assert image.any(1).sum() in range(3, 7)


def test_han_is_centred_and_not_cut():
    for style in ("song", "hei", "kai"):
        images = HanziGlyphImageProcessor(styles=[style]).render(list("国田目四日口回曲龘鬱麤"))[:, 0] > 0
        box = images.any(0)
        for axis in (0, 1):
            filled = np.flatnonzero(box.any(axis))
            assert abs(filled[0] + filled[-1] - 47) <= 4, style
        assert images[:, [0, -1]].mean() < 0.1


def test_marks_keep_their_position():
    comma, quote, bracket = (image[0] for image in HanziGlyphImageProcessor().render(["，", "“", "「"]))
    rows = lambda image: np.flatnonzero(image.any(1)).mean()  # noqa: E731
    assert rows(comma) > 30
    assert rows(quote) < 20
    assert np.flatnonzero(bracket.any(0)).mean() > 24

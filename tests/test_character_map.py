"""Character maps: which one is read, codes of old encodings, and maps that promise too much."""

import struct

import numpy as np
import pytest
from font_tools import box_font, covered, map_table, ranges_map, recoded_font, table_of, with_tables
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTFont

from hanziformers.processors import font_file
from hanziformers.processors.character_map import read_map
from hanziformers.processors.font_checks import open_tables
from hanziformers.processors.fonts import open_source

pytestmark = pytest.mark.usefixtures("own_fonts")

TRADITIONAL, SIMPLIFIED, BOTH = "一人大A漢字國學", "一人大A汉字国学", "一人大A漢國學字"
# (platform, encoding), codec of the codes, format of the map, characters
OLD = [
    ((3, 4), "big5", 4, TRADITIONAL),
    ((3, 4), "cp950", 2, TRADITIONAL + "碁銹裏╔"),
    ((3, 4), "big5hkscs", 4, TRADITIONAL + "嘅咗𠝹"),
    ((3, 3), "gb2312", 4, SIMPLIFIED),
    ((3, 3), "gbk", 4, SIMPLIFIED + BOTH),
    ((3, 2), "shift_jis", 4, "一人大A漢字国学かカ"),
    ((3, 5), "cp949", 4, BOTH + "각힣똠"),
    ((3, 6), "johab", 4, BOTH + "각힣"),
    ((1, 2), "x_mac_trad_chinese_ttx", 2, TRADITIONAL),
    ((1, 25), "x_mac_simp_chinese_ttx", 2, SIMPLIFIED),
    ((1, 1), "x_mac_japanese_ttx", 2, "一人大A漢字国学か"),
    ((1, 3), "x_mac_korean_ttx", 2, BOTH),
    ((1, 0), "mac_roman", 6, "ABé≠"),
]


def boxes_of(text):
    return {ord(c): (25 * row, 0, 25 * row + 300, 880) for row, c in enumerate(dict.fromkeys(text))}


def outline_font(path, text):
    """An OpenType font with CFF outlines."""
    names = [".notdef", *(f"g{row}" for row in range(len(text)))]

    def glyph(row):
        pen = T2CharStringPen(1000, None)
        pen.moveTo((40 * row, 0))
        for point in ((40 * row, 800), (40 * row + 300, 800), (40 * row + 300, 0)):
            pen.lineTo(point)
        pen.closePath()
        return pen.getCharString()

    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"g{row}" for row, c in enumerate(text)})
    builder.setupCFF("Test", {}, {name: glyph(row) for row, name in enumerate(names)}, {})
    builder.setupHorizontalMetrics({name: (1000, 0) for name in names})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Test Outlines", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost(keepGlyphNames=False)
    builder.save(path)
    return path


def same_images(one, other, text):
    return all(
        (one.render(c, size, binary) == other.render(c, size, binary)).all() and one.render(c, size, binary).any()
        for c in text
        for size, binary in ((24, False), (48, True), (96, False))
    )


@pytest.mark.parametrize(("key", "codec", "kind", "text"), OLD, ids=lambda value: str(value))
def test_old_encodings_render_as_unicode_does(tmp_path, warnings, key, codec, kind, text):
    text = "".join(dict.fromkeys(text))
    unicode = open_source(box_font(tmp_path / "x.ttf", boxes_of(text)))
    source = open_source(recoded_font(tmp_path / "x.ttf", tmp_path / "old.ttf", key, codec, kind))
    assert covered(source) == covered(unicode) == set(text)
    assert source.info == unicode.info
    assert same_images(source, unicode, text)
    assert any("old.ttf' has no Unicode character map; its characters are found by decoding" in one for one in warnings)


@pytest.mark.parametrize("ending", ["woff2", "otf"])
def test_other_kinds_of_fonts_with_old_maps(tmp_path, ending):
    text = "一人大漢字國學"
    plain = outline_font(tmp_path / "x.otf", text) if ending == "otf" else box_font(tmp_path / "x.ttf", boxes_of(text))
    source = open_source(recoded_font(plain, tmp_path / f"old.{ending}", (3, 4), "big5"))
    assert covered(source) == set(text)
    assert same_images(source, open_source(plain), text)
    again = tmp_path / f"again.{ending}"
    source.save(again)
    assert again.read_bytes() == source.path.read_bytes()  # the font itself, not the copy


def test_a_font_for_symbols_has_private_characters(tmp_path, warnings):
    plain = box_font(tmp_path / "x.ttf", boxes_of("\uf041\uf042一"))
    source = open_source(recoded_font(plain, tmp_path / "old.ttf", (3, 0), "utf_16_be"))
    assert covered(source) == {"\uf041", "\uf042", "一"}  # and not A and B
    assert same_images(source, open_source(plain), "\uf041一")
    assert any("private-use characters in a font for symbols" in one for one in warnings)


def test_codes_that_are_no_character_are_counted(tmp_path):
    plain = box_font(tmp_path / "x.ttf", boxes_of("A\u8140\u81fd"))  # as codes of Big5 the last two are none
    font = recoded_font(plain, tmp_path / "old.ttf", (3, 4), "utf_16_be")
    with open_tables(font, 0) as (opened, table):
        found = read_map(opened, table)
    assert (found.codec, found.undecoded) == ("cp950", 2)
    assert "2 codes are no character there" in found.how


def test_glyph_names_that_say_more_than_the_map(tmp_path):
    """FreeType alone finds them; they are kept."""
    font = TTFont(box_font(tmp_path / "x.ttf", boxes_of("A㐀")))
    (font["cmap"].tables[0].platformID, font["cmap"].tables[0].platEncID), names = (1, 0), font.getGlyphOrder()
    font["cmap"].tables[0].cmap = {0x41: names[1]}
    del font["cmap"].tables[1:]
    font.save(tmp_path / "old.ttf")
    assert covered(open_source(tmp_path / "old.ttf")) == {"A", "㐀"}  # the glyph of 㐀 is called u3400


def test_the_best_map_is_read(tmp_path):
    plain = box_font(tmp_path / "x.ttf", boxes_of("一人大"))
    maps = [ranges_map([(0x4E00, 0x4E00, 1)]), ranges_map([(0x4EBA, 0x4EBA, 2)]), ranges_map([(0x5927, 0x5927, 3)])]
    for records, found in (
        ([(0, 3, 0), (3, 1, 1), (3, 10, 2)], "大"),
        ([(0, 3, 0), (3, 1, 1)], "人"),
        ([(3, 4, 2), (0, 3, 0), (1, 0, 1)], "一"),
    ):
        path = with_tables(plain, tmp_path / "y.ttf", {"cmap": map_table(records, maps)})
        assert covered(open_source(path)) == {found}


def segments_map(count):
    """A map of format 4 in which every segment holds all codes."""
    last, first = struct.pack(">H", 65534) * count, bytes(2 * count)
    return struct.pack(">7H", 4, 16 + 8 * count, 0, 2 * count, 0, 0, 0) + last + bytes(2) + first + bytes(4 * count)


@pytest.mark.parametrize(
    ("data", "promised"),
    [
        (ranges_map([(0, 0xFFFFFFFE, 1)]), "4,294,967,295"),
        (ranges_map(1000 * [(0, 0x10FFFF, 1)]), "1,114,112,000"),
        (ranges_map(1000 * [(0, 0x10FFFF, 1)], 13), "1,114,112,000"),
        (segments_map(8000), "524,280,000"),
    ],
    ids=["12", "12 often", "13 often", "4 often"],
)
def test_maps_that_promise_more_than_unicode_has(tmp_path, data, promised):
    plain = box_font(tmp_path / "x.ttf", {ord("A"): (0, 0, 900, 900)})
    path = with_tables(plain, tmp_path / "y.ttf", {"cmap": map_table([(3, 10, 0), (0, 4, 0)], [data])})
    with open_tables(path, 0) as (font, table), pytest.raises(ValueError, match=f"promises {promised} characters; Uni"):
        read_map(font, table)


def test_maps_that_are_not_read_are_not_laid_out(tmp_path):
    """fontTools would: two records with one map make it, and names of glyphs."""
    plain = box_font(tmp_path / "x.ttf", boxes_of("一人"))
    maps = [ranges_map([(0x4E00, 0x4E00, 1), (0x4EBA, 0x4EBA, 2)]), ranges_map(2000 * [(0, 0x10FFFF, 1)])]
    table = map_table([(0, 3, 1), (0, 4, 1), (3, 10, 0)], maps)
    nameless = struct.pack(">L", 0x30000) + table_of(plain, "post")[4:32]
    path = with_tables(plain, tmp_path / "y.ttf", {"cmap": table, "post": nameless})
    assert covered(open_source(path)) == {"一", "人"}


def test_glyphs_that_are_not_there(tmp_path):
    plain = box_font(tmp_path / "x.ttf", boxes_of("一人"))
    data = ranges_map([(0x4E00, 0x4E00, 1), (0x4E8C, 0x4E8C, 60000)])
    path = with_tables(plain, tmp_path / "y.ttf", {"cmap": map_table([(3, 10, 0)], [data])})
    assert covered(open_source(path)) == {"一"}


@pytest.mark.parametrize(
    ("records", "found"),
    [([], "none"), ([(4, 0)], "platform 4 encoding 0"), ([(3, 7), (3, 8)], "platform 3 encoding 7, platform 3 enc")],
)
def test_a_font_without_a_map_that_can_be_read(tmp_path, monkeypatch, records, found):
    monkeypatch.setattr(font_file, "_TRIED", range(0x4E00, 0x4F00))  # instead of the first plane
    plain = box_font(tmp_path / "x.ttf", boxes_of("一人"))
    table = map_table([(*record, 0) for record in records], [ranges_map([(0x4E00, 0x4E00, 1)])])
    nameless = struct.pack(">L", 0x30000) + table_of(plain, "post")[4:32]
    path = with_tables(plain, tmp_path / "y.ttf", {"cmap": table, "post": nameless})
    with pytest.raises(ValueError, match=rf"no character map that can be read \(found: {found}.*FontForge: Encoding"):
        _ = open_source(path).covered


def test_what_is_kept_of_a_font_with_an_old_map(tmp_path, monkeypatch):
    """A second source renders by its own copy, without examining the font."""
    plain = box_font(tmp_path / "x.ttf", boxes_of("一人漢"))
    path = recoded_font(plain, tmp_path / "old.ttf", (3, 4), "big5")
    first = open_source(path)
    image = first.render("漢", 48, False)
    monkeypatch.setattr(type(first), "examine", lambda self: pytest.fail("examined again"))
    assert (open_source(path).render("漢", 48, False) == image).all()
    assert np.array_equal(open_source(path).covered, first.covered)

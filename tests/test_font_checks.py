"""Hostile and damaged font files are refused by name, before they cost memory."""

import gzip
import os
import shutil
import struct

import brotli
import pytest
from font_tools import WHOLE, box_font, table_of, with_tables
from fontTools.ttLib import TTCollection, TTFont

from hanziformers.processors import font_checks
from hanziformers.processors.font_checks import check_extent, check_names, open_tables
from hanziformers.processors.fonts import open_source

pytestmark = pytest.mark.usefixtures("own_fonts")

BOXES = {0x4E00 + number: (0, 0, 900 - 10 * number, 900) for number in range(5)}


@pytest.fixture
def font(tmp_path):
    return box_font(tmp_path / "x.ttf", BOXES)


def packed_font(path, sizes, body):
    """A .woff2 of tables that declare these sizes."""
    directory = b""
    for tag, size in sizes.items():
        digits = [size & 127]
        while size := size >> 7:
            digits.insert(0, size & 127 | 128)
        directory += bytes([0x3F]) + tag.encode() + bytes(digits)
    length = 48 + len(directory) + len(body)
    length += -length % 4
    head = struct.pack(">4sLLHHLL7L", b"wOF2", 0x10000, length, len(sizes), 0, 0, len(body), 1, *[0] * 6)
    # The version takes four bytes, of which the format above makes one number.
    path.write_bytes((head[:48] + directory + body).ljust(length, b"\0"))
    return path


def refusal(path):
    with pytest.raises(ValueError, match="cannot be opened as a font") as caught:
        open_source(path)
    assert str(path) in str(caught.value)
    assert "give a .ttf, .otf, .ttc or .woff2 file that is whole" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("end", [0, 1, 4, 11, 12, 60, 200, 0.5, -100, -1])
def test_a_font_that_is_cut_off(font, end):
    whole = font.read_bytes()
    font.write_bytes(whole[: int(end * len(whole)) if isinstance(end, float) else end])
    refusal(font)


def test_the_table_that_is_cut_off_is_named(font):
    whole = font.read_bytes()
    font.write_bytes(whole[:-1])
    assert f"its table 'post' ends at byte {len(whole):,} of {len(whole) - 1:,}" in refusal(font)


@pytest.mark.parametrize("flavor", ["woff", "woff2"])
@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.99])
def test_a_packed_font_that_is_cut_off(font, flavor, part):
    whole = TTFont(font)
    whole.flavor = flavor
    path = font.with_suffix(f".{flavor}")
    whole.save(path)
    assert open_source(path).covered.sum() == 5
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refusal(path)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n", b"%!PS-AdobeFont", gzip.compress(b"x", mtime=0), b"STARTFONT 2.1", b"PK\3\4"]
)
def test_other_kinds_of_files(tmp_path, data):
    (tmp_path / "x.ttf").write_bytes(data * 50)
    assert f"it begins with {data[:4]!r}, as no font does" in refusal(tmp_path / "x.ttf")


def test_pipes_and_devices(tmp_path):
    os.mkfifo(tmp_path / "x.ttf")
    (tmp_path / "y.ttf").symlink_to("/dev/zero")
    for name in ("x.ttf", "y.ttf"):
        assert "it is no regular file" in refusal(tmp_path / name)


def test_a_file_that_is_too_large(font):
    os.truncate(font, font_checks.MOST_BYTES + 1)  # sparse: nothing is written
    assert "it has 268,435,457 bytes; at most 268,435,456 are allowed" in refusal(font)


def test_packed_fonts_that_unpack_to_too_much(tmp_path):
    bomb = packed_font(tmp_path / "x.woff2", {"head": 54, "junk": 2**28, "glyf": 2**27}, b"x" * 99)
    assert "unpack to 402,653,238; at most 134,217,728 are allowed" in refusal(bomb)
    undeclared = packed_font(tmp_path / "y.woff2", {"head": 54, "junk": 100}, brotli.compress(bytes(2**22), quality=1))
    refusal(undeclared)  # FreeType unpacks no more than is declared
    head = struct.pack(">4sLLHHL", b"wOFF", 0x10000, 200, 1, 0, 2**30)
    (tmp_path / "z.woff").write_bytes(head.ljust(200, b"\0"))
    assert "its 200 bytes unpack to 1,073,741,824" in refusal(tmp_path / "z.woff")
    (tmp_path / "z.woff2").write_bytes(bomb.read_bytes()[:55])
    assert "its table directory is damaged" in refusal(tmp_path / "z.woff2")


@pytest.mark.parametrize(("flavor", "at"), [("woff", 24), ("woff2", 28)])
def test_metadata_is_not_unpacked(font, flavor, at):
    whole = TTFont(font)
    whole.flavor = flavor
    path = font.with_suffix(f".{flavor}")
    whole.save(path)
    data = bytearray(path.read_bytes())
    data[at : at + 12] = struct.pack(">LLL", len(data), 4, 2**30)
    data[8:12] = struct.pack(">L", len(data) + 4)
    path.write_bytes(data + b"none")  # fontTools alone would unpack these
    with open_tables(path, 0) as (opened, _):
        assert opened["name"].getDebugName(1) == "Test Boxes"


def test_tables_that_only_fonttools_knows_are_left_out(font):
    hostile = struct.pack(">LL", 0x10000, 2**32 - 1) + bytes(24)  # the number of glyphs, of which it would make names
    path = with_tables(font, font.with_name("y.ttf"), {"MAXP": hostile, "DMAP": b"x"})
    assert open_source(path).covered.sum() == 5


@pytest.mark.parametrize(
    ("count", "message"),
    [(2**32 - 1, "a collection of 4,294,967,295 fonts; allowed are 1 to 4,096"), (0, "a collection of 0 fonts")],
)
def test_collections_of_no_fonts_and_of_too_many(tmp_path, count, message):
    (tmp_path / "x.ttc").write_bytes(b"ttcf\0\1\0\0" + struct.pack(">L", count) + bytes(99))
    assert message in refusal(tmp_path / "x.ttc")


def test_the_number_of_a_font(font):
    collection = TTCollection()
    collection.fonts = [TTFont(font), TTFont(font)]
    path = font.with_suffix(".ttc")
    collection.save(path)
    assert open_source(f"{path}#1").covered.sum() == 5
    for number in ("2", "65536", "9" * 30, "9" * 5000):
        refusal(f"{path}#{number}")
    assert "it holds 2 fonts, #0 to #1" in refusal(f"{path}#2")
    assert "it is no collection" in refusal(f"{font}#1")
    with pytest.raises(ValueError, match="after # comes the number of a font"):
        open_source(f"{path}#²")
    path.write_bytes(path.read_bytes()[:-1])
    refusal(f"{path}#1")


@pytest.mark.parametrize("tag", ["glyf", "head", "hhea", "hmtx", "loca"])
def test_tables_without_which_nothing_is_rendered(font, tag):
    refusal(with_tables(font, font.with_name("y.ttf"), {tag: None}))


@pytest.mark.parametrize("tag", ["name", "post", "OS/2"])
def test_tables_that_may_be_missing(font, tag):
    assert open_source(with_tables(font, font.with_name("y.ttf"), {tag: None})).covered.sum() == 5


@pytest.mark.parametrize("units", [0, 1, 65535])
def test_absurd_units(font, units):
    head = table_of(font, "head")
    refusal(with_tables(font, font.with_name("y.ttf"), {"head": head[:18] + struct.pack(">H", units) + head[20:]}))


def test_characters_that_cannot_be_rendered(font, warnings):
    whole = box_font(font.with_name("whole.ttf"), {**BOXES, 0x4E80: (-16000, -16000, 16000, 16000), 0x4E81: WHOLE})
    with TTFont(whole) as tables:
        start, glyphs = tables["loca"][tables.getGlyphID("u4e81")], table_of(whole, "glyf")
    damaged = glyphs[: start + 10] + b"\xff\xff" + glyphs[start + 12 :]  # the number of the outline's last point
    path = with_tables(whole, font.with_name("y.ttf"), {"glyf": damaged})
    assert open_source(path).covered.sum() == 5
    message = f"'{path}': these characters cannot be rendered and are not used: 4e80-4e81"
    assert message in warnings
    warnings.clear()
    shutil.copy(path, font.with_name("again.ttf"))  # also where the findings were kept
    assert open_source(font.with_name("again.ttf")).covered.sum() == 5
    assert any("again.ttf': these characters cannot be rendered" in one for one in warnings)
    path = box_font(font.with_name("z.ttf"), {0x4E00 + number: (0, 0, 32000, 32000 - number) for number in range(200)})
    with pytest.raises(ValueError, match=r"z\.ttf' cannot be used: its U\+4E64 cannot be rendered \(.*get"):
        _ = open_source(path).info
    head = table_of(font, "head")
    path = with_tables(font, font.with_name("w.ttf"), {"head": head[:18] + struct.pack(">H", 16) + head[20:]})
    with pytest.raises(ValueError, match=r"w\.ttf' cannot be used: its U\+.* cannot be rendered \(.*get"):
        _ = open_source(path).info


def test_how_large_a_character_may_be():
    check_extent((-320, 0, 320, 64), 32)  # a wide ligature
    with pytest.raises(ValueError, match="it is 32 x 30 em large; at most 16 x 16 em are allowed"):
        check_extent((0, -960, 1024, 0), 32)


def test_a_wide_character_is_no_damage(font):
    wide = box_font(font.with_name("w.ttf"), {**BOXES, 0xFDFD: (-3000, 0, 3000, 2000)})
    assert open_source(wide).covered[0xFDFD]


def test_an_absurd_bounding_box_changes_nothing(font):
    head = table_of(font, "head")
    box = struct.pack(">4h", -32768, -32768, 32767, 32767)
    path = with_tables(font, font.with_name("y.ttf"), {"head": head[:36] + box + head[44:]})
    assert open_source(path).info == open_source(font).info


def test_records_that_name_the_same_bytes(font):
    record = struct.pack(">6H", 3, 1, 0x409, 1, 65535, 0)
    names = struct.pack(">3H", 0, 1000, 6 + 12 * 1000) + 1000 * record + "长".encode("utf-16-be") * 33000
    path = with_tables(font, font.with_name("y.ttf"), {"name": names})
    with open_tables(path, 0) as (opened, _), pytest.raises(ValueError, match="more than 16,777,216 bytes"):
        check_names(opened)
    assert len(open_source(path).info.family) <= 120

"""Findings about a font are kept, and made again where they are damaged."""

import json

import numpy as np
import pytest
from font_tools import box_font, covered

from hanziformers.processors.font_coverage import pack_codes, unpack_codes, without_placeholders
from hanziformers.processors.font_file import FontFile
from hanziformers.processors.fonts import open_source

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_findings_are_kept_by_the_hash_of_the_file(tmp_path, monkeypatch):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    first = open_source(path).info
    monkeypatch.setattr(FontFile, "examine", lambda self: pytest.fail("examined again"))
    assert open_source(path).info == first


def test_a_changed_file_is_examined_again(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    assert covered(open_source(path)) == {"一"}
    box_font(path, {0x4E00: (0, 0, 900, 100), 0x4E8C: (0, 0, 800, 800)})
    assert covered(open_source(path)) == {"一", "二"}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"family": 3}', b"[]", b'{"family": "", "box": 3}'])
def test_damaged_findings_are_made_again(tmp_path, damage):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    info = open_source(path).info
    kept = next((tmp_path / "cache").glob("font-*.json"))
    kept.write_bytes(damage)
    assert open_source(path).info == info
    assert json.loads(kept.read_text())["family"] == "Test Boxes"


@pytest.mark.parametrize(
    "wrong",
    [{"covered": 3}, {"covered": "zz"}, {"covered": None}, {"family": None}, {"box": [0, 0, "a", 0]}, {"box": [0]}]
    + [{"light_on_dark": 1}, {"box": 3}],
)
def test_findings_of_wrong_types_are_named_and_made_again(tmp_path, warnings, wrong):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    first = open_source(path)
    kept = next((tmp_path / "cache").glob("font-*.json")) if first.info else None
    whole = json.loads(kept.read_text())
    kept.write_text(json.dumps(whole | wrong))
    source = open_source(path)
    assert covered(source) == {"一"}
    assert source.info == first.info
    assert any(f"{kept} is damaged" in text and "the font is examined again" in text for text in warnings)
    assert json.loads(kept.read_text()) == whole


def test_ranges():
    codes = [0x20, 0x4E00, 0x4E01, 0x4E02, 0x20000]
    assert pack_codes(codes) == "20,4e00-4e02,20000"
    assert np.flatnonzero(unpack_codes("20,4e00-4e02,20000")).tolist() == codes
    assert not unpack_codes("").any()


def test_placeholders_are_what_more_than_four_share():
    """Of Han, Hangul and private characters; others may look the same (spaces of a font, rules)."""
    same, own = b"same", iter(map(str.encode, map(str, range(99))))
    five = {code: same for code in (0x4E00, 0x4E01, 0xAC00, 0xE000, 0x20000)}
    rest = {code: next(own) for code in (0x4E8C, 0x41)}
    assert without_placeholders(five | rest) == list(rest)
    assert without_placeholders(dict(list(five.items())[:4]) | rest) == [*list(five)[:4], *rest]
    assert without_placeholders({0x41: same} | five) == [0x41]
    assert without_placeholders({code: same for code in range(0x41, 0x50)}) == list(range(0x41, 0x50))

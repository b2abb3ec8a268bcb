import pytest
from font_tools import box_font

from hanziformers.processors.font_report import fonts

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_report_of_the_machine(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: (0, 0, 900, 900)})
    report = fonts({"wei": [str(path)]})
    rows = {(row.style, row.where): row for row in report}
    assert rows["wei", "path"].gb2312 == 1
    assert rows["song", "shipped"].gb2312 == 6763
    assert rows["song", "shipped"].big5 == 13053
    assert rows["song", "shipped"].uro == 20992
    assert rows["hei", "shipped"].uro == 20976
    assert [(rows["song", "shipped"].standard, rows["hei", "shipped"].standard)] == [(8105, 7909)]
    assert rows["song", "shipped"].hkscs == 17574
    assert rows["song", "shipped"].jisx0213 == 13099
    assert rows["song", "shipped"].beyond_bmp == 2306
    assert rows["lishu", "none"].fallback_style == "kai"
    assert rows["traditional", "shipped"].family == rows["song", "shipped"].family
    assert rows["traditional", "shipped"].fallback_style == "song"
    lines = str(report).splitlines()
    assert lines[0].split()[:4] == ["style", "family", "version", "licence"]
    assert len(lines) == len(report) + 1

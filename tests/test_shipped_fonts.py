"""The fonts that hanziformers ships: small enough, whole, described, renamed as their licences ask."""

import numpy as np
import pytest
from PIL import ImageFont

from hanziformers.processors.fonts import open_source
from hanziformers.processors.shipped_fonts import (
    SHIPPED,
    SHIPPED_TOO,
    shipped_folder,
    shipped_infos,
    standard_characters,
)

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_shipped_files_are_small_enough_whole_and_described():
    folder, infos = shipped_folder(), shipped_infos()
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 27_000_000
    assert set(infos) == {*SHIPPED.values(), *SHIPPED_TOO.values()}
    for name, entry in infos.items():
        source = open_source(folder / name)  # as a path, so that the file itself is read
        assert source.sha256 == entry["sha256"], f"{name}: run run_scripts/build_fonts.py"
        assert (folder / "licenses").is_dir()
        assert entry["info"]["licence"] in ("OFL-1.1", "public domain")


def test_the_list_of_standard_characters():
    characters = standard_characters()
    assert len(characters) == len(set(characters)) == 8105
    assert sum(character > "\uffff" for character in characters) == 196
    assert set("我们䴙㑇𬬭") <= set(characters)
    assert not set("們馬𠮷") & set(characters)


def test_shipped_fonts_cover_what_the_readme_says():
    for style in ("song", "kai"):
        known = open_source(shipped_folder() / SHIPPED[style], "shipped").covered
        assert known[0x4E00:0xA000].all()
        assert known[0x3400:0x4DC0].all()
    song = open_source(shipped_folder() / SHIPPED["song"], "shipped").covered
    assert song[[ord(character) for character in "𠮷𡈽𬬭𫟹𠀀"]].tolist() == [True] * 4 + [False]
    assert song[[ord(character) for character in standard_characters()]].all()
    hei = open_source(shipped_folder() / SHIPPED["hei"], "shipped").covered
    assert (~hei[0x4E00:0xA000]).sum() == 16
    assert (~hei[0x3400:0x4DC0]).sum() == 10


@pytest.mark.parametrize("style", ["song", "hei", "kai", "xingkai", "cao", "brush"])
def test_renamed_fonts_carry_no_reserved_name_and_keep_the_notice(style):
    from fontTools.ttLib import TTFont

    with TTFont(shipped_folder() / SHIPPED[style], lazy=True) as font:
        names = font["name"]
        for number in (1, 3, 4, 6):
            assert "Hanziformers" in names.getDebugName(number)
            assert not any(word in names.getDebugName(number) for word in ("LXGW", "霞", "Noto", "Source", "Klee"))
        assert "opyright" in names.getDebugName(0) or "©" in names.getDebugName(0)
        assert "Open Font License" in names.getDebugName(13)


@pytest.mark.parametrize("style", sorted(SHIPPED))
def test_what_fonts_json_lists_has_ink(style):
    source = open_source(shipped_folder() / SHIPPED[style], "shipped")
    codes = np.flatnonzero(source.covered)
    for code in codes[:: max(1, len(codes) // 40)]:
        assert source.render(chr(code), 32, False).max() > 100, hex(code)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["song.woff2", "hei.woff2", "kai.woff2", "xingkai.woff2", "seal.ttf"])
def test_fonts_json_agrees_with_a_new_examination(name):
    """So that the copy in a checkpoint, which is examined again, renders as the shipped file does."""
    info, known = open_source(shipped_folder() / name).examine(), shipped_infos()[name]["info"]
    assert (info.covered, list(info.box)) == (known["covered"], known["box"])


def test_pillow_opens_woff2_here():
    assert ImageFont.truetype(str(shipped_folder() / "xingkai.woff2"), 24).getname()[0] == "Hanziformers XingKai"

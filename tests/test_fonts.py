import json
import pickle
import shutil
import unicodedata
import zipfile

import numpy as np
import pytest
from font_tools import NOTDEF, box_font, picture_folder
from PIL import Image, ImageDraw, ImageFont

from hanziformers.processors import font_source
from hanziformers.processors import fonts as fonts_module
from hanziformers.processors.font_manifest import font_manifest_markdown, fonts, make_font_manifest
from hanziformers.processors.font_source import open_source, pack_codes, shipped_folder, shipped_infos, unpack_codes
from hanziformers.processors.fonts import FALLBACK_STYLES, SHIPPED, SHIPPED_TOO, STYLES, Style, has_no_ink, variants
from hanziformers.tokenization.vocabulary import may_have_ink

pytestmark = pytest.mark.usefixtures("own_fonts")


def covered(source):
    return {chr(code) for code in np.flatnonzero(source.covered)}


# --- what is shipped ---


def test_shipped_files_are_small_enough_whole_and_described():
    folder, infos = shipped_folder(), shipped_infos()
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 25_000_000
    assert set(infos) == {*SHIPPED.values(), *SHIPPED_TOO.values()}
    for name, entry in infos.items():
        source = open_source(folder / name)  # as a path, so that the file itself is read
        assert source.sha256 == entry["sha256"], f"{name}: run run_scripts/build_fonts.py"
        assert (folder / "licenses").is_dir()
        assert entry["info"]["licence"] in ("OFL-1.1", "public domain")


def test_shipped_fonts_cover_what_the_readme_says():
    for style in ("song", "kai"):
        known = open_source(shipped_folder() / SHIPPED[style], "shipped").covered
        assert known[0x4E00:0xA000].all()
        assert known[0x3400:0x4DC0].all()
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
def test_what_fonts_json_says_is_drawn_has_ink(style):
    source = open_source(shipped_folder() / SHIPPED[style], "shipped")
    codes = np.flatnonzero(source.covered)
    for code in codes[:: max(1, len(codes) // 40)]:
        assert source.render(chr(code), 32, False).max() > 100, hex(code)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["song.woff2", "hei.woff2", "kai.woff2", "xingkai.woff2", "seal.ttf"])
def test_fonts_json_agrees_with_a_new_look(name):
    """So that the copy in a checkpoint, which is looked through anew, renders as the shipped file does."""
    info, known = open_source(shipped_folder() / name).examine(), shipped_infos()[name]["info"]
    assert (info.covered, list(info.box)) == (known["covered"], known["box"])


# --- ink, not character maps ---


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


def test_findings_are_kept_by_the_hash_of_the_file(tmp_path, monkeypatch):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    first = open_source(path).info
    monkeypatch.setattr(font_source.FontFile, "examine", lambda self: pytest.fail("looked through again"))
    assert open_source(path).info == first


def test_a_changed_file_is_looked_through_again(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    assert covered(open_source(path)) == {"一"}
    box_font(path, {0x4E00: (0, 0, 900, 100), 0x4E8C: (0, 0, 800, 800)})
    assert covered(open_source(path)) == {"一", "二"}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"family": 3}', b"[]", b'{"family": "", "box": 3}'])
def test_damaged_findings_are_found_out_anew(tmp_path, damage):
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
def test_findings_of_wrong_types_are_named_and_found_out_anew(tmp_path, warnings, wrong):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 100)})
    first = open_source(path)
    kept = next((tmp_path / "cache").glob("font-*.json")) if first.info else None
    whole = json.loads(kept.read_text())
    kept.write_text(json.dumps(whole | wrong))
    source = open_source(path)
    assert covered(source) == {"一"}
    assert source.info == first.info
    assert any(f"{kept} is damaged" in text and "finding it out anew" in text for text in warnings)
    assert json.loads(kept.read_text()) == whole


def test_ranges():
    codes = [0x20, 0x4E00, 0x4E01, 0x4E02, 0x20000]
    assert pack_codes(codes) == "20,4e00-4e02,20000"
    assert np.flatnonzero(unpack_codes("20,4e00-4e02,20000")).tolist() == codes
    assert not unpack_codes("").any()


# --- glyph images ---


def test_names_of_pictures(tmp_path):
    names = ["人.png", "u4eba.png", "U+4E8C.png", "uni4E09.bmp", "u20000.png", "人人.png", "notes.png"]
    source = open_source(picture_folder(tmp_path / "p", dict.fromkeys(names, "black")))
    assert covered(source) == {"人", "二", "三", "\U00020000"}


def test_folder_and_zip_draw_the_same(tmp_path):
    folder = picture_folder(tmp_path / "all" / "seal", {"人.png": "black", "大.png": "black"}).parent
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", folder)
    one, two = open_source(f"{folder}#seal"), open_source(f"{archive}#seal")
    assert covered(one) == covered(two) == {"人", "大"}
    assert (one.render("人", 48, False) == two.render("人", 48, False)).all()
    assert (pickle.loads(pickle.dumps(two)).render("大", 24, True) == one.render("大", 24, True)).all()


def test_a_blank_picture_is_no_character(tmp_path):
    source = open_source(picture_folder(tmp_path / "p", {"人.png": "black", "空.png": "blank"}))
    assert covered(source) == {"人"}


@pytest.mark.parametrize("kind", ["black", "white"])
def test_black_on_white_and_white_on_black(tmp_path, kind):
    source = open_source(picture_folder(tmp_path / "p", {"人.png": kind, "大.png": kind, "二.png": kind}))
    assert covered(source) == {"人", "大", "二"}
    for character in "人大二":
        ink = source.render(character, 64, False)
        assert ink[0].max() == 0
        assert 0.1 < (ink > 127).mean() < 0.2


def tight_pictures(folder, light_on_dark=False, clear=False):
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
def test_pictures_cropped_to_their_ink_are_not_inverted(tmp_path, light_on_dark, clear):
    source = open_source(tight_pictures(tmp_path / "p", light_on_dark, clear))
    assert source.info.light_on_dark is light_on_dark
    assert covered(source) == set("口田十丁一")
    for character, share in (("口", 0.46), ("田", 0.66), ("十", 0.31), ("丁", 0.17), ("一", 0.17)):
        image = source.render(character, 60, True) > 0
        assert image.mean() == pytest.approx(share, abs=0.06), character
    assert (source.render("口", 60, True)[20:40, 20:40] == 0).all()


def test_a_zip_of_pictures_is_written_flat_with_nothing_else(tmp_path):
    folder = picture_folder(tmp_path / "p", {"人.png": "black", "u5927.png": "black"})
    picture_folder(folder / "more", {"人.png": "white", "中.png": "black"})
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


def test_thin_pictures_keep_ink_at_a_small_size(tmp_path):
    (tmp_path / "p").mkdir()
    image = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(image).line((0, 200, 399, 200), fill=0, width=4)
    image.save(tmp_path / "p" / "一.png")
    source = open_source(tmp_path / "p")
    assert source.render("一", 8, True).any()
    font = open_source(box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 900), 0x2D: (300, 300, 600, 330)}))
    for character in "-一":
        assert set(np.unique(font.render(character, 8, True))) == {0, 255}


def test_pickles_of_sources_are_the_same_before_and_after_use(tmp_path):
    folder = picture_folder(tmp_path / "p", {"人.png": "black"})
    font = box_font(tmp_path / "x.ttf", {ord("人"): (0, 0, 900, 100)})
    for path, where in ((folder, "path"), (font, "path"), (shipped_folder() / "xingkai.woff2", "shipped")):
        source = open_source(path, where)
        before = pickle.dumps(source)
        image = source.render("人", 24, False)
        assert len(pickle.dumps(source)) == len(before)
        for pickled in (before, pickle.dumps(source)):
            assert (pickle.loads(pickled).render("人", 24, False) == image).all()


def test_pictures_keep_their_shape(tmp_path):
    wide = Image.new("LA", (90, 30), (0, 0))  # transparent paper
    wide.paste((0, 255), (0, 10, 90, 20))
    (tmp_path / "p").mkdir()
    wide.save(tmp_path / "p" / "一.png")
    ink = open_source(tmp_path / "p").render("一", 30, True)
    assert np.flatnonzero(ink.any(1)).tolist() == [13, 14, 15, 16] or ink.any(1).sum() in (3, 4)
    assert ink.any(0).all()


# --- chains ---


def test_the_users_path_comes_first(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: (0, 0, 900, 900)})
    style = Style("song", {"song": [str(path)]})
    numbers, rendered = style.find(list("一二"))
    assert [style.places()[n].source.where for n in numbers] == ["path", "shipped"]
    assert rendered == ["一", "二"]


def test_order_path_checkpoint_shipped_installed(tmp_path, monkeypatch):
    paths = [box_font(tmp_path / f"{n}.ttf", {0x4E00 + n: (0, 0, 900, 900)}) for n in range(3)]
    monkeypatch.setattr(fonts_module, "_installed_files", lambda: {"simsun.ttc": paths[2]})
    fonts_module._installed.cache_clear()
    style = Style("song", {"song": [str(paths[0])]}, {"song": [str(paths[1])]})
    assert [s.where for s in style.levels[0][1]] == ["path", "checkpoint", "shipped", "system"]


def test_a_damaged_installed_font_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "simsun.ttc").write_bytes(b"damaged")
    monkeypatch.setattr(fonts_module, "_installed_files", lambda: {"simsun.ttc": tmp_path / "simsun.ttc"})
    fonts_module._installed.cache_clear()
    assert [s.where for s in Style("song").levels[0][1]] == ["shipped"]


def test_twins_come_before_another_style():
    style = Style("xingkai")
    numbers, rendered = style.find(["马", "馬", "龘", "か"])
    ways = [style.places()[n] for n in numbers]
    assert [(w.style, w.variant) for w in ways] == [
        ("xingkai", False),
        ("xingkai", True),
        ("kai", False),
        ("kai", False),
    ]
    assert rendered == ["马", "马", "龘", "か"]


def test_twins_of_a_character():
    assert variants("马") == ("馬",)
    assert variants("馬") == ("马",)
    assert variants("人") == ()


def test_without_substitutes_what_is_missing_is_not_drawn():
    numbers, _ = Style("seal", fallback=False).find(["一", "龘"])
    assert (numbers >= 0).tolist() == [True, False]


def test_every_style_ends_in_song_hei_kai():
    assert set(FALLBACK_STYLES.values()) <= set(STYLES)
    for name in STYLES:
        names = [style for style, _ in Style(name).levels]
        assert names[0] == name
        assert len(names) == len(set(names))
        assert {"song", "hei", "kai"} <= set(names)


def test_a_substitute_is_stated(warnings):
    fonts_module.logger.warning_once.__func__.cache_clear()
    style = Style("wei")
    assert style.levels[0] == ("wei", [])
    assert any("no font of the style 'wei' is here; the style 'kai' stands in" in text for text in warnings)
    numbers, _ = style.find(["中"])
    manifest = make_font_manifest(["中"], numbers[:, None], [style])
    assert manifest["styles"][0]["fallbacks"] == {"kai": 1}
    assert "(stands in: kai)" in font_manifest_markdown(manifest)


def test_blank_by_right():
    assert all(map(has_no_ink, " \u3000\t\n\u200b\u200d\ufe0f\u00ad\x7f"))
    assert not any(map(has_no_ink, "a中。\u0300\ue000\U00020000"))


def test_blank_by_right_is_what_the_tokenizer_drops():
    """Else a token would have a blank glyph image, which is padding."""
    known = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs")]
    tokens = may_have_ink()
    assert [c for c in known if has_no_ink(c) is bool(tokens[ord(c)])] == []


# --- bad input ---


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


def test_a_damaged_font_is_refused(tmp_path):
    whole = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 900)}).read_bytes()
    (tmp_path / "cut.ttf").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ValueError, match="cannot be opened as a font"):
        open_source(tmp_path / "cut.ttf")


def test_a_damaged_picture_is_named(tmp_path):
    folder = picture_folder(tmp_path / "p", {"人.png": "black", "大.png": b"no glyph image"})
    with pytest.raises(ValueError, match=r"'大\.png' in .* cannot be read as a glyph image .*; replace or remove it"):
        _ = open_source(folder).info


def test_a_font_that_draws_nothing_is_refused(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: None, 0x4E8C: NOTDEF})
    with pytest.raises(ValueError, match=r"renders no character: .*; give another font"):
        _ = open_source(path).covered


def test_unknown_style():
    with pytest.raises(ValueError, match=r"the style 'comic' is not known; use one of song, hei, kai"):
        Style("comic")


def test_no_font_at_all(monkeypatch):
    monkeypatch.setattr(fonts_module, "shipped_folder", lambda: None)
    fonts_module._shipped.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"no font for the style 'kai': .*pip install hanziformers"):
            Style("kai")
    finally:
        fonts_module._shipped.cache_clear()


def test_the_passport_names_no_folder(tmp_path):
    path = box_font(tmp_path / "unused.ttf", {0x20000: (0, 0, 900, 900)})
    style = Style("song", {"song": [str(path)]})
    numbers, _ = style.find(["一"])
    manifest = make_font_manifest(["一"], numbers[:, None], [style])
    assert manifest["styles"][0]["unused"] == ["unused.ttf"]
    assert str(tmp_path) not in json.dumps(manifest)


# --- report ---


def test_report_of_the_machine(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: (0, 0, 900, 900)})
    report = fonts({"wei": [str(path)]})
    rows = {(row.style, row.where): row for row in report}
    assert rows["wei", "path"].gb2312 == 1
    assert rows["song", "shipped"].gb2312 == 6763
    assert rows["song", "shipped"].big5 == 13053
    assert rows["song", "shipped"].uro == 20992
    assert rows["hei", "shipped"].uro == 20976
    assert rows["lishu", "none"].fallback_style == "kai"
    lines = str(report).splitlines()
    assert lines[0].split()[:4] == ["style", "family", "version", "licence"]
    assert len(lines) == len(report) + 1


def test_pillow_opens_woff2_here():
    assert ImageFont.truetype(str(shipped_folder() / "xingkai.woff2"), 24).getname()[0] == "Hanziformers XingKai"

"""ImageFolder of tokens, the same everywhere; fonts that go with a checkpoint; font manifests."""

import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from datasets.fingerprint import Hasher
from font_tools import MANY, WHOLE, box_font, picture_folder
from PIL import Image

from hanziformers.processors import image_processing_glyph as module
from hanziformers.processors.contact_sheet import contact_sheet
from hanziformers.processors.font_manifest import font_manifest_markdown
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

pytestmark = pytest.mark.usefixtures("own_fonts")


@pytest.fixture(scope="module")
def song():
    return HanziGlyphImageProcessor()


# --- glyph images ---


@pytest.mark.parametrize("size", [16, 24, 48, 96])
@pytest.mark.parametrize("binary", [True, False])
def test_shapes_and_values(size, binary):
    images = HanziGlyphImageProcessor(styles=["xingkai", "seal"], size=size, binary=binary).render(["人", "a", "[UNK]"])
    assert images.shape == (3, 2, size, size)
    assert images.dtype == np.uint8
    assert images.reshape(3, -1).any(1).all()
    assert (set(np.unique(images)) <= {0, 255}) is binary


def test_specials_have_about_the_papers_ink(song):
    ink = (song.render(SPECIALS) > 0).mean((1, 2, 3))
    assert ink == pytest.approx([0, 0.192, 0.144, 0.159, 0.149], abs=0.07)
    hei = HanziGlyphImageProcessor(styles=["hei"]).render(SPECIALS)
    assert (hei > 0).mean((1, 2, 3)) == pytest.approx([0, 0.192, 0.144, 0.159, 0.149], abs=0.03)


def test_words_are_whole_and_scale(song):
    small = song.render(["[MASK]", "international"])[:, 0]
    large = HanziGlyphImageProcessor(size=96).render(["[MASK]", "international"])[:, 0]
    for one, two in zip(small, large, strict=True):
        rows_one, rows_two = np.flatnonzero(one.any(1)), np.flatnonzero(two.any(1))
        assert rows_one[0] > 4
        assert rows_one[-1] < 43
        assert abs(2 * len(rows_one) - len(rows_two)) <= 4


def test_word_pieces(song):
    images = song.render(["中", "##中", "ing", "##ing", "##", "[ing]", "2019", "2018"])
    assert (images[0] == images[1]).all()
    assert (images[2] == images[3]).all()
    assert (images[2] == images[5]).all()
    assert images[4].any()
    assert (images[6] != images[7]).any()


def test_words_may_be_left_blank():
    processor = HanziGlyphImageProcessor(render_words=False)
    tokens = ["中", "##中", "##ing", "[UNK]", "[x]"]
    assert processor.render(tokens).reshape(5, -1).any(1).tolist() == [True, True, False, False, False]
    assert processor.can_render(tokens).all()


def test_blank_by_right_counts_as_drawn(song):
    tokens = ["[PAD]", " ", "\u3000", "\n", "\u200d", "\U000e0100"]
    assert not song.render(tokens).any()
    assert song.can_render(tokens).all()


@pytest.mark.parametrize("size", [8, 10, 12])
def test_small_binary_words_have_ink(size):
    words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "##ing", "international", "2019", "www", "##th", "-"]
    images = HanziGlyphImageProcessor(size=size).render(words)
    assert images.reshape(len(words), -1).any(1).all()
    assert set(np.unique(images)) == {0, 255}


def test_visible_format_characters_are_drawn_where_a_font_has_them(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x0600: WHOLE, 0x2800: None, 0xFFF9: (0, 0, 500, 500)})
    tokens = ["\u0600", "\u2800", "\ufff9", "\u200b"]
    processor = HanziGlyphImageProcessor(fonts={"song": [path]})
    assert processor.render(tokens).reshape(4, -1).any(1).tolist() == [True, False, True, False]
    assert processor.can_render(tokens).tolist() == [True, False, True, True]
    assert HanziGlyphImageProcessor().can_render(tokens).tolist() == [False, False, False, True]
    assert processor.has_no_ink([*tokens, "[PAD]", "a"]).tolist() == [False, False, False, True, True, False]


def test_what_no_font_has(song):
    tokens = ["\U0010fffd", "中\U0010fffd", "\ud800", "中"]
    assert song.can_render(tokens).tolist() == [False, False, False, True]
    assert song.render(tokens).reshape(4, -1).any(1).tolist() == [False, False, False, True]


def test_marks_keep_their_place(song):
    comma, quote, bracket = (image[0] for image in song.render(["，", "“", "「"]))
    rows = lambda image: np.flatnonzero(image.any(1)).mean()  # noqa: E731
    assert rows(comma) > 30
    assert rows(quote) < 20
    assert np.flatnonzero(bracket.any(0)).mean() > 24


def test_han_is_centred_and_not_cut():
    for style in ("song", "hei", "kai"):
        images = HanziGlyphImageProcessor(styles=[style]).render(list("国田目四日口回曲龘鬱麤"))[:, 0] > 0
        box = images.any(0)
        for axis in (0, 1):
            places = np.flatnonzero(box.any(axis))
            assert abs(places[0] + places[-1] - 47) <= 4, style
        assert images[:, [0, -1]].mean() < 0.1


def test_distinct_characters_have_distinct_pictures(song):
    images = song.render(MANY)
    assert len({image.tobytes() for image in images}) == len(MANY)


def test_any_script_that_a_font_has(tmp_path):
    rare = {0x20000: (0, 0, 900, 800), 0xE000: (100, 0, 800, 500), 0xAC00: (0, 300, 900, 800), 0x1F600: WHOLE}
    path = box_font(tmp_path / "rare.ttf", rare)
    processor = HanziGlyphImageProcessor(fonts={"song": [str(path)]})
    tokens = [chr(code) for code in rare]
    assert processor.can_render(tokens).all()
    assert len({image.tobytes() for image in processor.render(tokens)}) == 4
    assert not HanziGlyphImageProcessor().can_render(["\U00020000"])[0]


def test_a_glyph_larger_than_the_picture_is_made_smaller(tmp_path):
    boxes = {0x4E00: WHOLE, 0x4E01: WHOLE, 0x2E3A: (-500, 200, 1500, 400)}
    image = HanziGlyphImageProcessor(fonts={"song": [str(box_font(tmp_path / "x.ttf", boxes))]}).render(["\u2e3a"])[
        0, 0
    ]
    assert np.flatnonzero(image.any(0)).tolist() == list(range(48))
    assert image.any(1).sum() in range(3, 7)


def test_own_style_with_pictures(tmp_path):
    folder = picture_folder(tmp_path / "mine", {"人.png": "black", "大.png": "white"})
    processor = HanziGlyphImageProcessor(styles=["mine", "song"], fonts={"mine": [str(folder)]})
    entry = processor.make_font_manifest(["人", "中"])["styles"][0]
    assert entry["fallbacks"] == {"song": 1}
    assert [source["where"] for source in entry["sources"]] == ["path", "shipped"]


# --- the same everywhere ---

SHEET = """
import hashlib
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor
processor = HanziGlyphImageProcessor(styles=["song", "xingkai", "bronze"], size=24, binary=False, cache=False)
digest = hashlib.sha256(processor.render(list("永和九年歲在癸丑") + ["[MASK]", "a"]).tobytes()).hexdigest()
"""


def test_two_processes_draw_the_same():
    here = {}
    exec(SHEET, here)
    code = SHEET + "print(digest)"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.split() == [here["digest"]]


def test_pickled_and_reloaded_draw_the_same(tmp_path, song):
    tokens = ["永", "[MASK]", "龘"]
    expected = song.render(tokens)
    assert (pickle.loads(pickle.dumps(song)).render(tokens) == expected).all()
    song.save_pretrained(tmp_path)
    assert (HanziGlyphImageProcessor.from_pretrained(tmp_path).render(tokens) == expected).all()


def test_settings_are_saved_as_json_and_may_be_changed_when_loaded(tmp_path):
    HanziGlyphImageProcessor(styles=["hei", "seal"], size=24, binary=False, render_words=False).save_pretrained(
        tmp_path
    )
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path)
    assert (loaded.styles, loaded.size, loaded.binary, loaded.render_words) == (["hei", "seal"], 24, False, False)
    changed = HanziGlyphImageProcessor.from_pretrained(tmp_path, styles=["kai"], size=32, binary=True)
    assert changed.render(["中"]).shape == (1, 1, 32, 32)
    assert json.loads(loaded.to_json_string())["image_processor_type"] == "HanziGlyphImageProcessor"


def test_a_pickle_and_its_hash_are_the_same_before_and_after_use(tmp_path):
    """So that `Dataset.map` finds what it has kept."""
    folder = picture_folder(tmp_path / "p", {"人.png": "black"})
    processor = HanziGlyphImageProcessor(styles=["xingkai", "mine"], size=16, fonts={"mine": [folder]})
    before, size = Hasher.hash(processor), len(pickle.dumps(processor))
    few, many = processor.render(["人", "永", "[UNK]"]), processor.render(MANY)
    assert Hasher.hash(processor) == before
    assert len(pickle.dumps(processor)) == size < 20_000
    again = pickle.loads(pickle.dumps(processor))
    assert (again.render(["人", "永", "[UNK]"]) == few).all()
    assert (again.render(MANY) == many).all()
    assert Hasher.hash(again) == before
    assert again.font_manifest == processor.font_manifest
    assert Hasher.hash(HanziGlyphImageProcessor(styles=["xingkai"], size=16)) != before


def test_called_as_transformers_calls_it(song):
    assert song(["中", "国"], return_tensors="pt")["glyphs"].shape == (2, 1, 48, 48)
    assert song("中")["glyphs"].shape == (1, 1, 48, 48)
    assert song.model_input_names == ["glyphs"]


def test_saved_code_loads_without_the_package(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})
    saved = HanziGlyphImageProcessor(fonts={"song": [str(path)]}, save_fonts=True)
    saved.save_pretrained(tmp_path / "checkpoint")
    script = f"""
import sys
sys.modules["hanziformers"] = None
from transformers.models.auto.image_processing_auto import AutoImageProcessor
processor = AutoImageProcessor.from_pretrained({str(tmp_path / "checkpoint")!r}, trust_remote_code=True)
assert type(processor).__module__.startswith("transformers_modules")
print(processor.render(["一"]).any(), *processor.can_render(["中", "𰻝"]))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "True", "False"]  # 中 by the copy of the shipped Song


# --- fonts of the checkpoint ---


def in_zip(path):
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


@pytest.mark.parametrize("name", ["my.glyph images", "images"])
def test_saved_folders_of_pictures_draw_the_same(tmp_path, name):
    """Whatever the folder is called, and whatever else lies in it."""
    folder = picture_folder(tmp_path / name, {"人.png": "black", "大.png": "black"})
    picture_folder(folder / "a", {"中.png": "black", "x.png": "black", "人.png": "blank"})
    (folder / "notes.txt").write_text("mine")
    first = HanziGlyphImageProcessor(fonts={"song": [folder]}, save_fonts=True)
    first.save_pretrained(tmp_path / "saved")
    assert in_zip(tmp_path / "saved/fonts/song-0.zip") == ["人.png", "大.png"]
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved")
    assert (again.render(list("人大中")) == first.render(list("人大中"))).all()


def test_a_folder_inside_a_users_zip_is_saved_alone(tmp_path):
    folder = picture_folder(tmp_path / "all" / "seal", {"人.png": "black"}).parent
    picture_folder(folder / "other", {"大.png": "black"})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    first = HanziGlyphImageProcessor(styles=["mine"], fonts={"mine": f"{tmp_path / 'all.zip'}#seal"}, save_fonts=True)
    first.save_pretrained(tmp_path / "saved")
    assert in_zip(tmp_path / "saved/fonts/mine-0.zip") == ["人.png"]
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved")
    assert (again.render(list("人大")) == first.render(list("人大"))).all()


def test_only_shipped_fonts_bring_texts(tmp_path):
    path = box_font(tmp_path / "song.ttf", {0x4E00: WHOLE})
    (tmp_path / "song-diary.txt").write_text("mine")
    HanziGlyphImageProcessor(fonts={"song": [path]}, save_fonts=True).save_pretrained(tmp_path / "one")
    names = {file.name for file in (tmp_path / "one/fonts").iterdir()}
    assert names == {"song-0.ttf", "song.woff2", "song-OFL.txt"}


def test_texts_of_licences_are_fetched_with_their_fonts(tmp_path, monkeypatch):
    """From a hub only what is asked for comes, and a font is not to be saved again without its licence."""
    HanziGlyphImageProcessor().save_pretrained(tmp_path / "one")
    asked, real = [], module.cached_file
    monkeypatch.setattr(module, "cached_file", lambda *args, **kwargs: asked.append(args[1]) or real(*args, **kwargs))
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path / "one")
    assert asked == ["fonts/song.woff2", "fonts/song-OFL.txt"]
    loaded.save_pretrained(tmp_path / "two")
    assert (tmp_path / "two/fonts/song-OFL.txt").read_text() == (tmp_path / "one/fonts/song-OFL.txt").read_text()
    (tmp_path / "one/fonts/song-OFL.txt").unlink()
    assert HanziGlyphImageProcessor.from_pretrained(tmp_path / "one").render(["中"]).any()


@pytest.mark.parametrize("same_folder", [True, False])
def test_another_own_font_leaves_the_saved_one(tmp_path, same_folder):
    one = box_font(tmp_path / "one.ttf", {0x20000: WHOLE})
    two = box_font(tmp_path / "two.ttf", {0x20001: (0, 0, 500, 500)})
    first, last = tmp_path / "first", tmp_path / ("first" if same_folder else "last")
    HanziGlyphImageProcessor(fonts={"song": [one]}, save_fonts=True).save_pretrained(first)
    second = HanziGlyphImageProcessor.from_pretrained(first, fonts={"song": [str(two)]})
    tokens = ["\U00020000", "\U00020001"]
    expected = second.render(tokens)
    assert expected.reshape(2, -1).any(1).all()
    second.save_pretrained(last)
    written = {file.name: file.read_bytes() for file in last.rglob("*") if file.is_file()}
    second.save_pretrained(last)
    assert {file.name: file.read_bytes() for file in last.rglob("*") if file.is_file()} == written
    assert {"song-0.ttf", "song-1.ttf"} < set(written)
    one.unlink()
    two.unlink()
    assert (HanziGlyphImageProcessor.from_pretrained(last).render(tokens) == expected).all()


def test_names_of_styles_stay_in_the_folder(tmp_path):
    fonts = {
        name: [box_font(tmp_path / f"{number}.ttf", {0x20000: (0, 0, 200 * number + 300, 800)})]
        for number, name in enumerate(["../../out", "a/b", "a b", "Mine", "mine", "草书"])
    }
    first = HanziGlyphImageProcessor(styles=list(fonts), fonts=fonts, save_fonts=True, fallback=False)
    first.save_pretrained(tmp_path / "deep/er/saved")
    assert {path.name for path in (tmp_path / "deep/er").iterdir()} == {"saved"}
    names = {path.name for path in (tmp_path / "deep/er/saved/fonts").iterdir()}
    assert names == {"_out-0.ttf", "a_b-0.ttf", "a_b-1.ttf", "Mine-0.ttf", "mine-1.ttf", "草书-0.ttf"}
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "deep/er/saved")
    assert (again.render(["\U00020000"]) == first.render(["\U00020000"])).all()


def test_paths_are_saved_absolute_or_not_at_all(tmp_path, monkeypatch):
    box_font(tmp_path / "x.ttf", {0x20000: WHOLE})
    monkeypatch.chdir(tmp_path)
    for save in (False, True):
        HanziGlyphImageProcessor(fonts={"song": ["x.ttf"]}, save_fonts=save).save_pretrained(tmp_path / f"{save}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for save in (False, True):
        assert HanziGlyphImageProcessor.from_pretrained(tmp_path / f"{save}").can_render(["\U00020000"])[0]
        text = (tmp_path / f"{save}" / "preprocessor_config.json").read_text()
        assert (str(tmp_path / "x.ttf") in text) is not save


def test_saved_fonts_are_found_where_the_originals_are_not(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: WHOLE, 0x20000: (0, 0, 500, 500)})
    folder = picture_folder(tmp_path / "images", {"人.png": "black"})
    first = HanziGlyphImageProcessor(
        styles=["song", "oracle"], fonts={"song": [path], "oracle": [folder]}, save_fonts=True
    )
    tokens = ["一", "人", "\U00020000"]
    expected = first.render(tokens)
    first.save_pretrained(tmp_path / "one")
    path.unlink()
    second = HanziGlyphImageProcessor.from_pretrained(tmp_path / "one")
    assert (second.render(tokens) == expected).all()
    assert second.make_font_manifest(["一"])["styles"][0]["sources"][0]["where"] == "checkpoint"
    second.save_pretrained(tmp_path / "two")
    assert (HanziGlyphImageProcessor.from_pretrained(tmp_path / "two").render(tokens) == expected).all()
    names = {file.name for file in (tmp_path / "two/fonts").iterdir()}
    shipped = {"song.woff2", "song-OFL.txt", "ancient-characters.zip", "ancient-characters-PD.txt"}
    assert names == {"oracle-0.zip", "song-0.ttf"} | shipped


def test_a_path_of_another_machine_is_left_out_with_a_warning(tmp_path, warnings):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: WHOLE})
    HanziGlyphImageProcessor(fonts={"song": [path]}).save_pretrained(tmp_path / "one")
    path.unlink()
    assert HanziGlyphImageProcessor.from_pretrained(tmp_path / "one").can_render(["一"])[0]
    assert any("mine.ttf' that drew the style 'song' is not on this machine" in text for text in warnings)


@pytest.mark.parametrize("kind", ["font", "folder"])
def test_a_font_that_was_removed_is_named_with_its_style(tmp_path, kind):
    path = tmp_path / "mine"
    if kind == "font":
        box_font(path, {0x4E00: WHOLE})
    else:
        picture_folder(path, {"一.png": "black"})
    fresh, used = (HanziGlyphImageProcessor(fonts={"song": [path]}, save_fonts=True) for _ in range(2))
    used.render(["一"])
    path.rename(tmp_path / "away")
    words = "mine', a font of the style 'song', is no longer there; put it back, or make the image processor anew"
    for method in (fresh.draw, fresh.can_render, fresh.manifest):
        for tokens in (["一", "二"], MANY):
            with pytest.raises(FileNotFoundError, match=words):
                method(tokens)
    if kind == "folder":  # a font stays open
        with pytest.raises(FileNotFoundError, match=words):
            used.render(MANY)
    with pytest.raises(FileNotFoundError, match=words):
        fresh.save_pretrained(tmp_path / "saved")


# --- font manifest ---


def test_passport_counts_and_is_saved(tmp_path, warnings):
    module.logger.warning_once.__func__.cache_clear()
    processor = HanziGlyphImageProcessor(styles=["xingkai"])
    processor.render([*MANY, "[UNK]", " ", "\U0010fffd"])
    entry = processor.font_manifest["styles"][0]
    counted = sum(source["characters"] + source["variants"] for source in entry["sources"])
    assert counted == len(MANY)
    assert entry["variants"] > 10
    assert entry["fallbacks"]["kai"] > 100
    assert (entry["not_rendered"], entry["not_rendered_first"]) == (1, ["\U0010fffd"])
    assert any("which stands in" in text and "variant" in text for text in warnings)
    processor.save_pretrained(tmp_path)
    assert HanziGlyphImageProcessor.from_pretrained(tmp_path).font_manifest == processor.font_manifest
    assert "| xingkai | Hanziformers XingKai | 2.001 | OFL-1.1 |" in font_manifest_markdown(processor.font_manifest)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"styles": ["kai"]}, False),
        ({"fonts": "x.ttf"}, False),
        ({"fallback": False}, False),
        ({"size": 24}, False),
        ({"binary": False}, False),
        ({"cache": False}, True),
        ({"styles": "xingkai", "size": 16, "binary": True, "fonts": None}, True),
    ],
)
def test_a_passport_is_not_loaded_with_other_settings(tmp_path, settings, kept):
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    processor.render(MANY)
    processor.save_pretrained(tmp_path)
    if settings.get("fonts"):
        settings = {"fonts": {"xingkai": [str(box_font(tmp_path / "x.ttf", {0x4E00: WHOLE}))]}}
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path, **settings)
    assert loaded.font_manifest == (processor.font_manifest if kept else None)


def test_of_equal_sets_the_last_is_in_the_passport(tmp_path):
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    processor.render(MANY)
    processor.render(["\U0010fffd", *MANY[1:]])
    assert processor.font_manifest["styles"][0]["not_rendered"] == 1


def test_a_given_font_that_draws_nothing_of_it_is_reported(tmp_path, warnings):
    path = box_font(tmp_path / "x.ttf", {0x20000: WHOLE})
    HanziGlyphImageProcessor(styles=["kai"], fonts={"kai": [path]}).render(MANY)
    assert any("none by" in text and "x.ttf" in text for text in warnings)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MEMORY", 20 * 16 * 16)
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    first = processor.render(MANY[:15])
    processor.render(MANY[10:30])
    assert len(processor._memory) <= 20
    assert (processor.render(MANY[:15]) == first).all()


# --- bad input ---


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ("中国", r"tokens is '中国'; give a list"),
        (["中", 3], r"tokens\[1\] is 3, a int"),
        (5, "tokens is 5"),
        (["a", None], "None"),
    ],
)
def test_tokens_must_be_strings(song, tokens, words):
    for method in (song.draw, song.can_render, song.manifest):
        with pytest.raises(TypeError, match=words):
            method(tokens)


def test_no_tokens(song):
    assert song.render([]).shape == (0, 1, 48, 48)
    assert song.can_render([]).shape == (0,)


# --- contact sheet ---


def test_contact_sheet(tmp_path, song):
    images = song.render(["中", "国", "[MASK]"])
    path = contact_sheet(images, ["中", "国", "[MASK]"], tmp_path / "new" / "sheet.png", columns=2, zoom=2)
    with Image.open(path) as sheet:
        assert sheet.size == (2 * (48 * 2 + 8), 2 * (48 * 2 + 22))
        assert sheet.getextrema() == (0, 255)
    assert contact_sheet(images[:, 0], list("abc"), tmp_path / "one.png").exists()


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
        contact_sheet(images, labels, tmp_path / "x.png")
    with pytest.raises(ValueError, match="columns is 0"):
        contact_sheet(np.zeros((1, 1, 8, 8), np.uint8), ["a"], tmp_path / "x.png", columns=0)

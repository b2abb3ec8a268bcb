"""Fonts that are saved with a checkpoint, and found again."""

import json
import os
import zipfile

import numpy as np
import pytest
from font_tools import MANY, WHOLE, box_font, image_folder

from hanziformers import GlyphCrmTokenizer, HanziProcessor
from hanziformers.processors import checkpoint_fonts, saved_fonts
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor
from hanziformers.processors.shipped_fonts import shipped_folder

pytestmark = pytest.mark.usefixtures("own_fonts")


def in_zip(path):
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


@pytest.mark.parametrize("name", ["my.images", "images"])
def test_saved_image_folders_render_the_same(tmp_path, name):
    """Whatever the folder is called, and whatever else lies in it."""
    folder = image_folder(tmp_path / name, {"人.png": "black", "大.png": "black"})
    image_folder(folder / "a", {"中.png": "black", "x.png": "black", "人.png": "blank"})
    (folder / "notes.txt").write_text("mine")
    first = HanziGlyphImageProcessor(fonts={"song": [folder]}, save_fonts=True)
    first.save_pretrained(tmp_path / "saved")
    assert in_zip(tmp_path / "saved/fonts/song-0.zip") == ["人.png", "大.png"]
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved")
    assert (again.render(list("人大中")) == first.render(list("人大中"))).all()


def test_a_folder_inside_a_users_zip_is_saved_alone(tmp_path):
    folder = image_folder(tmp_path / "all" / "seal", {"人.png": "black"}).parent
    image_folder(folder / "other", {"大.png": "black"})
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
    """From a hub only what is fetched comes, and a font is not to be saved again without its licence."""
    HanziGlyphImageProcessor().save_pretrained(tmp_path / "one")
    fetched, real = [], saved_fonts.cached_file
    monkeypatch.setattr(
        saved_fonts, "cached_file", lambda *args, **kwargs: fetched.append(args[1]) or real(*args, **kwargs)
    )
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path / "one")
    assert fetched == ["fonts/song.woff2", "fonts/song-OFL.txt"]
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
    second = HanziGlyphImageProcessor.from_pretrained(first, fonts={"song": [str(two)]}, save_fonts=True)
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


@pytest.mark.parametrize("save", [False, True])
def test_no_path_is_saved(tmp_path, monkeypatch, save):
    box_font(tmp_path / "x.ttf", {0x20000: WHOLE})
    monkeypatch.chdir(tmp_path)
    first = HanziGlyphImageProcessor(fonts={"song": ["x.ttf"]}, save_fonts=save)
    first.save_pretrained("saved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert first.can_render(["\U00020000"])[0]
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved")
    assert again.can_render(["\U00020000"])[0] is np.bool_(save)
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved", fonts={"song": ["../x.ttf"]})
    assert (again.render(["\U00020000"]) == first.render(["\U00020000"])).all()
    again.save_pretrained(tmp_path / "again")
    for one in (first, again):
        assert str(tmp_path) not in one.to_json_string() + repr(one)
    for file in [*(tmp_path / "saved").rglob("*.*"), *(tmp_path / "again").rglob("*.*")]:
        assert str(tmp_path).encode() not in file.read_bytes()


def test_saved_fonts_are_found_where_the_originals_are_not(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: WHOLE, 0x20000: (0, 0, 500, 500)})
    folder = image_folder(tmp_path / "images", {"人.png": "black"})
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


def test_fonts_that_are_not_saved_are_named_when_they_are_missing(tmp_path, warnings):
    """Else other glyph images would be rendered without a word."""
    checkpoint_fonts.logger.warning_once.__func__.cache_clear()
    path = box_font(tmp_path / "mine.ttf", {0x4E00: WHOLE})
    fonts = {"seal": [path], "xingkai": [path]}  # whose shipped fonts are small
    HanziGlyphImageProcessor(styles=list(fonts), fonts=fonts, fallback=False).save_pretrained(tmp_path / "0")
    assert any("['mine.ttf'] of the style 'seal' are not saved with the checkpoint" in text for text in warnings)

    def named(number, **given):
        warnings.clear()
        loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path / str(number), **given)
        loaded.save_pretrained(tmp_path / str(number + 1))
        return [s for s in fonts if any(f"['mine.ttf'] that rendered the style {s!r} are not" in t for t in warnings)]

    assert named(0) == named(1) == named(2, size=24) == ["seal", "xingkai"]  # also of what was saved without them
    assert named(0, fonts={"seal": [path]}) == ["xingkai"]
    assert named(1) == ["seal", "xingkai"]  # the given one is not saved either
    assert named(0, fonts={"seal": [path]}, save_fonts=True) == named(1) == ["xingkai"]
    assert named(0, fonts=fonts) == named(0, fonts={}) == named(1) == named(0, styles="cao") == []


def test_a_style_of_ones_own_without_its_font_is_refused(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: WHOLE})
    HanziGlyphImageProcessor(styles=["mine"], fonts={"mine": [path]}).save_pretrained(tmp_path / "one")
    with pytest.raises(ValueError, match="the style 'mine' is not known; .* or give fonts for it"):
        HanziGlyphImageProcessor.from_pretrained(tmp_path / "one")
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path / "one", fonts={"mine": [path]})
    assert loaded.can_render(["一"])[0]


@pytest.mark.parametrize("kind", ["font", "folder"])
def test_a_font_that_was_removed_is_named_with_its_style(tmp_path, kind):
    path = tmp_path / "mine"
    if kind == "font":
        box_font(path, {0x4E00: WHOLE})
    else:
        image_folder(path, {"一.png": "black"})
    fresh, used = (HanziGlyphImageProcessor(fonts={"song": [path]}, save_fonts=True) for _ in range(2))
    used.render(["一"])
    path.rename(tmp_path / "away")
    words = "mine', a font of the style 'song', is no longer there; put it back, or make the image processor again"
    for method in (fresh.render, fresh.can_render, fresh.make_font_manifest):
        for tokens in (["一", "二"], MANY):
            with pytest.raises(FileNotFoundError, match=words):
                method(tokens)
    if kind == "folder":  # a font stays open
        with pytest.raises(FileNotFoundError, match=words):
            used.render(MANY)
    with pytest.raises(FileNotFoundError, match=words):
        fresh.save_pretrained(tmp_path / "saved")


def test_names_in_a_checkpoint():
    """The user's fonts first, then those of the checkpoint, then the shipped ones; no name twice."""
    song = str(shipped_folder() / "song.woff2")
    names = checkpoint_fonts.checkpoint_names(["song"], {"song": ["/x/a.ttf", "/x/b.ttc#2"]}, {"song": [song]})
    assert names == {
        "song": {"fonts/song-0.ttf": "/x/a.ttf", "fonts/song-1.ttc#2": "/x/b.ttc#2", "fonts/song.woff2": song}
    }
    assert checkpoint_fonts.checkpoint_names(["wei"], {}, {"mine": ["/nowhere/x.ttf"]}) == {}


def test_names_differ_in_more_than_case():
    """Some file systems take fonts/Mine-0.ttf and fonts/mine-0.ttf for one file."""
    for style, other in (("mine", "Mine"), ("Mine", "mine")):
        saved = {other: [f"/nowhere/{other}-0.ttf"]}
        names = checkpoint_fonts.checkpoint_names([], {style: ["/x/a.ttf"], other: ["/x/b.ttf"]}, saved)
        assert names == {style: {f"fonts/{style}-1.ttf": "/x/a.ttf"}, other: {f"fonts/{other}-2.ttf": "/x/b.ttf"}}


@pytest.mark.parametrize("same_folder", [True, False])
def test_a_font_of_the_checkpoint_that_is_given_again_is_saved_once(tmp_path, same_folder):
    path = box_font(tmp_path / "mine.ttf", {0x20000: WHOLE})
    first, last = tmp_path / "first", tmp_path / ("first" if same_folder else "last")
    given = {"fonts": {"mine": [path]}, "save_fonts": True}
    HanziGlyphImageProcessor(
        styles=["mine", "other"], fonts={"mine": [path], "other": [path]}, save_fonts=True
    ).save_pretrained(first)
    for _ in range(2):
        HanziGlyphImageProcessor.from_pretrained(first, **given).save_pretrained(last)
        assert {file.name for file in (last / "fonts").iterdir()} == {"mine-0.ttf", "other-0.ttf"}
        saved = json.loads((last / "processor_config.json").read_text())["image_processor"]["saved_fonts"]
        assert saved == {"mine": ["fonts/mine-0.ttf"], "other": ["fonts/other-0.ttf"]}  # each style keeps its own
    path.unlink()
    assert HanziGlyphImageProcessor.from_pretrained(last).can_render(["\U00020000"])[0]
    shipped = {"fonts": {"song": [str(shipped_folder() / "song.woff2")]}, "save_fonts": True}
    HanziGlyphImageProcessor().save_pretrained(tmp_path / "shipped")
    HanziGlyphImageProcessor.from_pretrained(tmp_path / "shipped", **shipped).save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/fonts/song-OFL.txt").is_file()  # a shipped font never loses its licence


def test_fonts_of_a_subfolder_are_found(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x20000: WHOLE})
    HanziGlyphImageProcessor(fonts={"song": [path]}, save_fonts=True).save_pretrained(tmp_path / "root/sub")
    path.unlink()
    again = HanziGlyphImageProcessor.from_pretrained(tmp_path / "root", subfolder="sub")
    assert again.can_render(["\U00020000"])[0]


def test_a_shipped_font_given_as_the_users_own_keeps_its_licence(tmp_path):
    own = {"kai": [str(shipped_folder() / "xingkai.woff2")]}
    HanziGlyphImageProcessor(styles=["kai"], fonts=own, save_fonts=True).save_pretrained(tmp_path)
    names = {file.name for file in (tmp_path / "fonts").iterdir()}
    assert names == {"kai-0.woff2", "kai.woff2", "kai-OFL.txt"}
    shipped = {"song": [str(shipped_folder() / "song.woff2")]}
    HanziGlyphImageProcessor(fonts=shipped, save_fonts=True).save_pretrained(tmp_path / "two")
    names = {file.name for file in (tmp_path / "two/fonts").iterdir()}
    assert names == {"song-0.woff2", "song.woff2", "song-OFL.txt"}


def test_whoever_saves_writes_the_same_fonts_and_settings(tmp_path):
    """The image processor, its processor, and the tokenizer that a Trainer saves."""
    path = box_font(tmp_path / "mine.ttf", {0x20000: WHOLE})
    image_processor = HanziGlyphImageProcessor(size=24, fonts={"song": [path]}, save_fonts=True)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "银"]
    processor = HanziProcessor(image_processor, GlyphCrmTokenizer({token: row for row, token in enumerate(tokens)}))
    written, settings = [], []
    for number, part in enumerate((image_processor, processor, processor.tokenizer)):
        folder = tmp_path / str(number)
        part.save_pretrained(folder)
        written.append({file.name: file.read_bytes() for file in (folder / "fonts").iterdir()})
        settings.append(json.loads((folder / "processor_config.json").read_text())["image_processor"])
    assert set(written[0]) == {"song-0.ttf", "song.woff2", "song-OFL.txt"}
    assert written[0] == written[1] == written[2]
    assert settings[0] == settings[1] == settings[2]


def test_images_that_are_given_again_are_saved_once(tmp_path):
    """The folder, and the zip that was made of it."""
    folder = image_folder(tmp_path / "images", {"人.png": "black", "大.png": "black", "notes.txt": b"mine"})
    given = {"fonts": {"song": [str(folder)]}, "save_fonts": True}
    HanziGlyphImageProcessor(**given).save_pretrained(tmp_path / "one")
    HanziGlyphImageProcessor.from_pretrained(tmp_path / "one", **given).save_pretrained(tmp_path / "two")
    assert {file.name for file in (tmp_path / "two/fonts").glob("*.zip")} == {"song-0.zip"}
    image_folder(folder, {"人.png": "white"})
    HanziGlyphImageProcessor.from_pretrained(tmp_path / "two", **given).save_pretrained(tmp_path / "three")
    assert {file.name for file in (tmp_path / "three/fonts").glob("*.zip")} == {"song-0.zip", "song-1.zip"}


def test_fonts_that_are_replaced_are_removed(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x20000: WHOLE})
    saved = tmp_path / "saved"
    first = HanziGlyphImageProcessor(styles=["kai"], fonts={"kai": [path]}, save_fonts=True)
    first.save_pretrained(saved)
    (saved / "fonts/notes.txt").write_text("not ours")
    HanziGlyphImageProcessor().save_pretrained(saved)
    assert {file.name for file in (saved / "fonts").iterdir()} == {"song.woff2", "song-OFL.txt", "notes.txt"}
    # A font that is rendered with is never removed, nor anything that hostile settings name outside of fonts/.
    used = {"fonts": {"song": [str(box_font(saved / "fonts/used.ttf", {0x20001: WHOLE}))]}}
    for names in (["fonts/used.ttf", "fonts/song.woff2"], ["fonts/../../mine.ttf"], ["../mine.ttf"]):
        settings = {"image_processor": {"saved_fonts": {"song": names}}}
        (saved / "processor_config.json").write_text(json.dumps(settings))
        HanziGlyphImageProcessor(**used).save_pretrained(saved)
        assert {file.name for file in (saved / "fonts").glob("*.ttf")} == {"used.ttf"}
        assert path.is_file()


def test_nothing_is_written_through_a_link(tmp_path):
    """The folder may be a clone, and what is in it anything."""
    path, private = box_font(tmp_path / "mine.ttf", {0x20000: WHOLE}), tmp_path / "private"
    private.write_text("mine")
    (tmp_path / "saved/fonts").mkdir(parents=True)
    for name in ("song-0.ttf", "song.woff2", "song-OFL.txt"):
        (tmp_path / "saved/fonts" / name).symlink_to(private)
    HanziGlyphImageProcessor(fonts={"song": [path]}, save_fonts=True).save_pretrained(tmp_path / "saved")
    assert private.read_text() == "mine"
    assert HanziGlyphImageProcessor.from_pretrained(tmp_path / "saved").can_render(["\U00020000"])[0]


def test_overwritten_fonts_are_seen_by_whoever_uploads_what_has_changed(tmp_path):
    """transformers looks when the folder fonts/ itself was changed."""
    loaded = HanziGlyphImageProcessor()
    for _ in range(2):  # into a new folder, and into the one that it was loaded from
        loaded.save_pretrained(tmp_path)
        os.utime(tmp_path / "fonts", (0, 0))
        loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path)
        loaded.save_pretrained(tmp_path)
        assert (tmp_path / "fonts").stat().st_mtime > 0

"""Settings of a checkpoint open nothing outside of its folder, and nothing else is copied into what the user saves."""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
from font_tools import WHOLE, box_font, image_folder
from glyph_tools import VOCABULARY
from remote_tools import run_without_package
from transformers import AutoProcessor, AutoTokenizer
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer, HanziGlyphImageProcessor, HanziProcessor
from hanziformers.processors.saved_fonts import find_saved_fonts

pytestmark = pytest.mark.usefixtures("own_fonts")

PRIVATE = "\U00020000"  # only the user's private font has it
MARK = b"Private Boxes"  # stands in each of the user's private files


def privates(folder):
    """A font, a zip and a text of the user, which lie outside of any checkpoint."""
    folder.mkdir()
    box_font(folder / "x.ttf", {ord(PRIVATE): WHOLE}, MARK.decode())
    image_folder(folder / "images", {f"{PRIVATE}.png": "black", "notes.txt": MARK})
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for file in (folder / "images").iterdir():
            archive.write(file, file.name)
    (folder / "x.txt").write_bytes(MARK)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A good checkpoint of each family."""
    top = tmp_path_factory.mktemp("good")
    own = box_font(top / "own.ttf", {0x20001: WHOLE})
    for tokenizer in (GlyphCrmTokenizer, ChineseBertTokenizer):
        image_processor = HanziGlyphImageProcessor(["cao"], 24, fallback=False, fonts={"cao": [own]}, save_fonts=True)
        HanziProcessor(image_processor, tokenizer(VOCABULARY)).save_pretrained(top / tokenizer.__name__)
        shutil.copy(own, top / tokenizer.__name__ / "fonts/cao.woff2")  # small, so that it is opened quickly
    return top


def link(private, name):
    def make(folder):
        (folder / "fonts" / name).unlink(missing_ok=True)
        (folder / "fonts" / name).symlink_to(private / "x.ttf")

    return make


def linked_folder(folder, private):
    shutil.rmtree(folder / "fonts")
    (folder / "fonts").symlink_to(private)


def attacks(private):
    """name -> settings, and what is done to the folder."""
    far = os.path.relpath(private / "x.ttf", "/")
    up = "../" * 30
    found = {
        "above": ({"saved_fonts": {"cao": ["../x.ttf"]}}, lambda f: shutil.copy(private / "x.ttf", f.parent)),
        "above fonts": ({"saved_fonts": {"cao": ["fonts/../../x.ttf"]}}, None),
        "far": ({"saved_fonts": {"cao": [f"fonts/{up}{far}"]}}, None),
        "absolute": ({"saved_fonts": {"cao": [str(private / "x.ttf")]}}, None),
        "absolute zip": ({"saved_fonts": {"cao": [str(private / "x.zip")]}}, None),
        "of another style": ({"saved_fonts": {"none": [str(private / "x.txt")]}}, None),
        "backslashes": ({"saved_fonts": {"cao": ["fonts\\..\\..\\x.ttf"]}}, None),
        "part": ({"saved_fonts": {"cao": [f"fonts/cao-0.ttf#{up}{far}"]}}, None),
        "two parts": ({"saved_fonts": {"cao": ["fonts/a#b#c"]}}, None),
        "no list": ({"saved_fonts": {"cao": "fonts/cao-0.ttf"}}, None),
        "no dict": ({"saved_fonts": [str(private / "x.ttf")]}, None),
        "no text": ({"saved_fonts": {"cao": [3]}}, None),
        "fonts": ({"fonts": {"cao": [str(private / "x.ttf")]}, "save_fonts": True}, None),
        "fonts of a zip": ({"fonts": {"cao": str(private / "x.zip")}, "save_fonts": True}, None),
        "fonts of a folder": ({"fonts": {"cao": [str(private)]}, "save_fonts": True}, None),
        "styles": ({"styles": [str(private / "x.ttf")]}, None),
        "unsaved": ({"unsaved_fonts": {"cao": [str(private / "x.ttf")]}}, None),
        "link": ({}, link(private, "cao-0.ttf")),
        "link of a part": (
            {"saved_fonts": {"cao": ["fonts/cao-0.ttf#2"]}},
            link(private, "cao-0.ttf#2"),
        ),
        "link of a licence": ({}, link(private, "cao-OFL.txt")),
        "linked folder": ({"saved_fonts": {"cao": ["fonts/x.ttf"]}}, lambda f: linked_folder(f, private)),
        "no font": (
            {"saved_fonts": {"none": ["fonts/x.sh"]}},
            lambda f: shutil.copy(private / "x.txt", f / "fonts/x.sh"),
        ),
        "zip of anything": (
            {"saved_fonts": {"cao": ["fonts/x.zip"]}},
            lambda f: shutil.copy(private / "x.zip", f / "fonts"),
        ),
        "pipe": ({"saved_fonts": {"cao": ["fonts/pipe"]}}, lambda f: os.mkfifo(f / "fonts/pipe")),
        "device": ({"saved_fonts": {"cao": ["fonts/zero"]}}, lambda f: (f / "fonts/zero").symlink_to("/dev/zero")),
        "folder": ({"saved_fonts": {"cao": ["fonts/a"]}}, lambda f: (f / "fonts/a").mkdir()),
        "no settings": (None, None),
    }
    return found


def place(folder, checkpoint, attack, alone):
    """A checkpoint with the settings of an attack, as a part of processor_config.json or in a file of their own."""
    settings, change = attack
    shutil.copytree(checkpoint, folder)
    whole = json.loads((folder / "processor_config.json").read_text())
    part = whole.pop("image_processor")
    part = None if settings is None else part | settings
    if alone:
        (folder / "preprocessor_config.json").write_text(json.dumps(part))
    else:
        whole["image_processor"] = part
    (folder / "processor_config.json").write_text(json.dumps(whole))
    if change:
        change(folder)


def lazily(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer(PRIVATE, return_tensors="np")
    return tokenizer


ROUTES = {
    "image processor": HanziGlyphImageProcessor.from_pretrained,
    "auto": AutoImageProcessor.from_pretrained,
    "auto with remote code": lambda f: AutoImageProcessor.from_pretrained(f, trust_remote_code=True),
    "processor": HanziProcessor.from_pretrained,
    "auto processor": AutoProcessor.from_pretrained,
    "tokenizer": lazily,
    "dict": lambda f: HanziGlyphImageProcessor.from_dict(settings_of(f)),
    "json": lambda f: HanziGlyphImageProcessor.from_json_file(written(f)),
}
NAMES = list(attacks(Path("/private")))
UNKNOWN_FOLDER = ("dict", "json")  # the fonts of a checkpoint are not found by them


def settings_of(folder):
    alone = folder / "preprocessor_config.json"
    if alone.is_file():
        return json.loads(alone.read_text())
    return json.loads((folder / "processor_config.json").read_text())["image_processor"]


def written(folder):
    path = folder.parent / "settings.json"
    path.write_text(json.dumps(settings_of(folder)))
    return path


def assert_harmless(loaded, private, folder):
    """Nothing of the user's is rendered, or lies in what is saved."""
    image_processor = getattr(loaded, "image_processor", loaded)
    if image_processor is not None:
        assert not image_processor.can_render([PRIVATE])[0]
        assert not image_processor.save_fonts
    pickle.loads(pickle.dumps(loaded)).save_pretrained(folder)
    for file in folder.rglob("*"):
        assert not file.is_symlink()
        assert file.is_dir() or (MARK not in file.read_bytes() and str(private).encode() not in file.read_bytes()), file


@pytest.mark.parametrize("name", NAMES)
def test_settings_open_nothing_outside_of_their_folder(tmp_path, checkpoints, name):
    private = privates(tmp_path / "private")
    refused = 0
    for number, load in enumerate(ROUTES.values()):
        folder = tmp_path / str(number) / "checkpoint"
        folder.parent.mkdir()
        place(folder, checkpoints / "GlyphCrmTokenizer", attacks(private)[name], alone=number % 2 == 1)
        try:
            loaded = load(folder)
        except (ValueError, TypeError, OSError):
            refused += 1
        else:
            assert_harmless(loaded, private, tmp_path / str(number) / "saved")
    assert refused >= 5 or name == "unsaved"


@pytest.mark.parametrize("route", [name for name in ROUTES if name not in UNKNOWN_FOLDER])
def test_what_a_checkpoint_saved_renders_on_every_route(tmp_path, checkpoints, route):
    folder = checkpoints / "GlyphCrmTokenizer"
    loaded = ROUTES[route](folder)
    image_processor = getattr(loaded, "image_processor", loaded)
    assert image_processor.can_render(["\U00020001", PRIVATE]).tolist() == [True, False]
    loaded.save_pretrained(tmp_path / "again")
    names = {file.name for file in (folder / "fonts").iterdir()}
    assert (
        {file.name for file in (tmp_path / "again/fonts").iterdir()}
        == names
        == {
            "cao-0.ttf",
            "cao.woff2",
            "cao-OFL.txt",
        }
    )


@pytest.mark.parametrize("route", UNKNOWN_FOLDER)
def test_fonts_of_an_unknown_folder_are_named_and_left_out(checkpoints, warnings, monkeypatch, route):
    folder = checkpoints / "GlyphCrmTokenizer"
    monkeypatch.chdir(folder)  # where the names would be paths
    assert not ROUTES[route](folder).saved_fonts
    (text,) = [text for text in warnings if "cao-0.ttf" in text]
    assert "lie in the folder of a checkpoint" in text
    with pytest.raises(TypeError, match="saved_fonts is .*; from_pretrained alone sets it"):
        HanziGlyphImageProcessor(**settings_of(folder))


def test_an_argument_opens_what_the_user_names(tmp_path, checkpoints):
    private, folder = privates(tmp_path / "private"), tmp_path / "checkpoint"
    own = {"cao": [str(private / "x.ttf")]}
    place(folder, checkpoints / "GlyphCrmTokenizer", ({"fonts": own, "save_fonts": True}, None), alone=False)
    for load in (HanziGlyphImageProcessor, AutoImageProcessor, HanziProcessor, AutoProcessor):
        with pytest.raises(ValueError, match=r"hold fonts=.*x.ttf.*; paths of a file of settings are not opened"):
            load.from_pretrained(folder)
        loaded, without = (load.from_pretrained(folder, fonts=fonts) for fonts in (own, {}))
        found = [getattr(one, "image_processor", one).can_render([PRIVATE])[0] for one in (loaded, without)]
        assert found == [True, False]
        loaded.save_pretrained(tmp_path / load.__name__)
        for file in (tmp_path / load.__name__).rglob("*.*"):
            assert MARK not in file.read_bytes()
            assert str(private).encode() not in file.read_bytes()


@pytest.mark.parametrize("cls", [GlyphCrmTokenizer, ChineseBertTokenizer])
def test_no_tokenizer_keeps_and_publishes_paths_of_fonts(tmp_path, checkpoints, cls):
    private, folder = privates(tmp_path / "private"), checkpoints / cls.__name__
    own = {"cao": [str(private / "x.ttf")]}
    processor = AutoProcessor.from_pretrained(folder, fonts=own, save_fonts=True, size=16)
    processor.save_pretrained(tmp_path / "saved")
    assert processor.image_processor.size == 16
    settings = json.loads((tmp_path / "saved/tokenizer_config.json").read_text())
    assert not {"fonts", "size", "save_fonts"} & settings.keys()
    assert MARK in (tmp_path / "saved/fonts/cao-1.ttf").read_bytes()
    with pytest.raises(TypeError, match=r"takes no fonts; .* tokenizer.image_processor = Hanzi"):
        AutoTokenizer.from_pretrained(folder, fonts=own)


def in_hub_cache(source, top):
    """A checkpoint as the Hub's client keeps it: every file is a link to one of a folder beside."""
    snapshot, blobs = top / "models--a--b/snapshots/0123abc", top / "models--a--b/blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in source.rglob("*") if path.is_file())):
        shutil.copy(file, blobs / str(number))
        (snapshot / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / file.relative_to(source)).symlink_to(blobs / str(number))
    return snapshot


def test_the_links_of_the_hubs_cache_are_followed_and_no_other(tmp_path, checkpoints):
    snapshot = in_hub_cache(checkpoints / "GlyphCrmTokenizer", tmp_path)
    loaded = HanziGlyphImageProcessor.from_pretrained(snapshot)
    loaded.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved/fonts/cao-0.ttf").is_symlink()
    assert loaded.can_render(["\U00020001"])[0]
    (tmp_path / "linked").symlink_to(snapshot)  # the user's way to a folder is his own
    assert HanziGlyphImageProcessor.from_pretrained(tmp_path / "linked").can_render(["\U00020001"])[0]
    renamed = (tmp_path / "models--a--b").rename(tmp_path / "clone") / "snapshots/0123abc"
    (renamed / "fonts/cao-0.ttf").unlink()
    (renamed / "fonts/cao-0.ttf").symlink_to(tmp_path / "clone/blobs/3")
    with pytest.raises(ValueError, match="no file of its folder"):
        find_saved_fonts({"cao": ["fonts/cao-0.ttf"]}, str(renamed), {})


def test_a_font_that_becomes_a_link_is_not_copied(tmp_path, checkpoints):
    private, folder = privates(tmp_path / "private"), tmp_path / "checkpoint"
    place(folder, checkpoints / "GlyphCrmTokenizer", ({}, None), alone=False)
    loaded = HanziGlyphImageProcessor.from_pretrained(folder)
    link(private, "cao-0.ttf")(folder)
    with pytest.raises(ValueError, match="is really .*x.ttf', which is no file of its folder"):
        loaded.save_pretrained(tmp_path / "saved")


REMOTE = """
source, mark = sys.argv[1:]
for name in sorted(os.listdir(source)):
    for load in (transformers.AutoProcessor, transformers.AutoTokenizer):
        try:
            loaded = load.from_pretrained(f"{source}/{name}", trust_remote_code=True)
        except ValueError as error:
            words = {"absolute": "may only hold", "fonts": "are not opened", "link": "no file of its folder"}
            assert words[name] in str(error), error
            continue
        assert type(loaded).__module__.startswith("transformers_modules."), type(loaded)
        getattr(loaded, "tokenizer", loaded)("\U00020000", return_tensors="np")
        found = [loaded.image_processor.can_render([c])[0] for c in "\U00020001\U00020000"] if name == "good" else []
        assert loaded.image_processor is None or found == [True, False], name
        loaded.save_pretrained("saved")
    for root, _, files in os.walk("saved"):
        for file in files:
            assert mark.encode() not in open(os.path.join(root, file), "rb").read(), (name, file)
assert os.path.isfile("saved/fonts/cao-0.ttf")
"""


def test_remote_code_opens_nothing_outside_of_its_folder(tmp_path, checkpoints):
    """Folders of a hostile author that hold our code, in a process that has nothing but transformers."""
    private, top = privates(tmp_path / "private"), tmp_path / "source"
    found = attacks(private)
    for name, attack in {"good": ({}, None), **{name: found[name] for name in ("absolute", "fonts", "link")}}.items():
        place(top / name, checkpoints / "GlyphCrmTokenizer", attack, alone=False)
    run_without_package(REMOTE, top, MARK.decode(), folder=tmp_path / "work")

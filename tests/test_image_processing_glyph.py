"""The image processor: the same glyph images everywhere, settings, pickles, transformers' ways of calling it."""

import copy
import json
import pickle

import pytest
from datasets.fingerprint import Hasher
from font_tools import MANY, WHOLE, box_font, image_folder
from process_tools import run_program

from hanziformers.processors import image_processing_glyph as module
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


@pytest.fixture(scope="module")
def song():
    return HanziGlyphImageProcessor()


def test_own_style_with_images(tmp_path):
    folder = image_folder(tmp_path / "mine", {"人.png": "black", "大.png": "white"})
    processor = HanziGlyphImageProcessor(styles=["mine", "song"], fonts={"mine": [str(folder)]})
    entry = processor.make_font_manifest(["人", "中"])["styles"][0]
    assert entry["fallbacks"] == {"song": 1}
    assert [source["where"] for source in entry["sources"]] == ["path", "shipped"]


SHEET = """
import hashlib
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor
processor = HanziGlyphImageProcessor(styles=["song", "xingkai", "bronze"], size=24, binary=False, cache=False)
digest = hashlib.sha256(processor.render(list("永和九年歲在癸丑") + ["[MASK]", "a"]).tobytes()).hexdigest()
"""


def test_two_processes_render_the_same():
    here = {}
    exec(SHEET, here)
    code = SHEET + "print(digest)"
    there = run_program(code).stdout
    assert there.split() == [here["digest"]]


def test_pickled_and_reloaded_render_the_same(tmp_path, song):
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
    folder = image_folder(tmp_path / "p", {"人.png": "black"})
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("styles", ["kai"]),
        ("size", 24),
        ("binary", False),
        ("fonts", None),
        ("render_words", False),
        ("fallback", False),
        ("saved_fonts", {}),
        ("unsaved_fonts", {}),
    ],
)
def test_settings_cannot_be_changed_afterwards(tmp_path, name, value):
    """They would be saved, but not rendered."""
    made = HanziGlyphImageProcessor()
    made.save_pretrained(tmp_path)
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path)
    copies = (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), HanziGlyphImageProcessor.from_dict(made.to_dict()))
    for processor in (made, loaded, *copies):
        before = processor.to_dict()
        with pytest.raises(
            AttributeError, match=rf"{name} cannot be changed, .* HanziGlyphImageProcessor\({name}=...\)"
        ):
            setattr(processor, name, value)
        assert processor.to_dict() == before
    made.styles.append("kai")  # a copy
    assert made.styles == made.to_dict()["styles"] == ["song"]
    made.auto_map, made._processor_class = {}, "x"  # transformers' own stay free


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
print(processor.render(["一"]).any(), *processor.can_render(["中", "🉣"]))
"""
    result = run_program(script, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "True", "False"]  # 中 by the copy of the shipped Song


def test_which_tokens_a_fallback_renders():
    processor = HanziGlyphImageProcessor(styles=["xingkai", "song"], size=16)
    tokens = ["马", "馬", "龘", "马马", "马馬", "马龘", "[龘]", "马\U0010fffd龘", "\U0010fffd", " ", "[PAD]"]
    expected = [False, True, True, False, True, True, True, False, False, False, False]
    slow = []
    for token in tokens[:3]:
        entry = processor.make_font_manifest([token])["styles"][0]
        slow.append(bool(entry["fallbacks"] or entry["variants"]))
    found = processor.uses_fallback(tokens)
    assert slow == expected[:3]
    assert found[:, 0].tolist() == expected
    assert not found[:2, 1].any()
    bare = HanziGlyphImageProcessor(styles=["xingkai"], size=16, render_words=False)
    assert bare.uses_fallback(["龘龘", "龘"]).tolist() == [[False], [True]]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MEMORY", 20 * 16 * 16)
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    first = processor.render(MANY[:15])
    processor.render(MANY[10:30])
    assert len(processor._memory) <= 20
    assert (processor.render(MANY[:15]) == first).all()


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
    for method in (song.render, song.can_render, song.make_font_manifest):
        with pytest.raises(TypeError, match=words):
            method(tokens)


def test_no_tokens(song):
    assert song.render([]).shape == (0, 1, 48, 48)
    assert song.can_render([]).shape == (0,)

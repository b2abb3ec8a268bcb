"""The image processor: the same glyph images everywhere, settings, pickles, transformers' ways of calling it."""

import copy
import itertools
import json
import pickle

import pytest
from datasets.fingerprint import Hasher
from font_tools import MANY, WHOLE, box_font, image_folder
from process_tools import run_program

from hanziformers.processors import fonts
from hanziformers.processors import image_processing_glyph as module
from hanziformers.processors.fallback_styles import STYLES
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


# Table 1 of Glyce: bronze, clerical, seal and tablet script, traditional characters, Song, FangSong, cursive script
EIGHT = ["bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao"]
# a sample of the characters of GB2312's first level, the 3,755 common ones
COMMON = [bytes([row, cell]).decode("gb2312") for row in range(0xB0, 0xD7) for cell in range(0xA1, 0xFF, 12)]


def equal_pairs(images):
    """The pairs of channels whose images are equal for more than 10 % of the characters: images [n, F, h, w]."""
    pairs = itertools.combinations(range(images.shape[1]), 2)
    return [pair for pair in pairs if (images[:, pair[0]] == images[:, pair[1]]).all(axis=(1, 2)).mean() > 0.1]


@pytest.mark.parametrize("size", [12, 24])
def test_eight_scripts_are_eight(size):
    image_processor = HanziGlyphImageProcessor(EIGHT, size=size, binary=False, render_words=False, cache=False)
    images = image_processor.render(COMMON)
    assert equal_pairs(images) == [(4, 5)]  # traditional characters and Song
    distinct = [len({image.tobytes() for image in row if image.any()}) for row in images]
    assert sum(distinct) / len(distinct) > 6.2
    assert image_processor.can_render(COMMON).all()  # though bronze is blank for most


@pytest.mark.parametrize(
    "styles",
    [
        ["seal", "bronze"],
        ["kai", "lishu"],
        ["song", "fangsong"],
        ["hei", "wei", "lishu", "oracle"],
        ["fangsong", "xingkai", "lishu"],
        [*STYLES],
    ],
)
def test_any_scripts_are_as_many(styles):
    images = HanziGlyphImageProcessor(styles, size=16, binary=False, cache=False).render(COMMON)
    shown = [column for column in range(len(styles)) if images[:, column].any(axis=(1, 2)).mean() > 0.1]
    pairs = [{styles[shown[one]], styles[shown[other]]} for one, other in equal_pairs(images[:, shown])]
    assert pairs in ([], [{"song", "traditional"}])


def test_other_sets_render_each_style_as_by_itself():
    tokens = [*"马龘𠮷のA1。犇", "[UNK]", "ab"]
    for styles in (["fangsong", "xingkai", "lishu"], ["song", "hei", "kai"], ["song", "xingkai", "bronze"]):
        images = HanziGlyphImageProcessor(styles, size=16).render(tokens)
        for column, style in enumerate(styles):
            assert (images[:, column] == HanziGlyphImageProcessor([style], size=16).render(tokens)[:, 0]).all()
    eight = HanziGlyphImageProcessor(EIGHT, size=16).render(tokens)
    assert (eight[:, 5] == HanziGlyphImageProcessor(["song"], size=16).render(tokens)[:, 0]).all()


def test_what_the_eight_scripts_show_of_other_tokens():
    image_processor = HanziGlyphImageProcessor(EIGHT, size=24, render_words=False)
    tokens = ["马", "馬", "a", "1", "𠮷", "[UNK]", "[PAD]", "ab", " "]
    shown = image_processor.render(tokens).any(axis=(2, 3))
    assert shown[:2].all()
    assert shown[2:5, [4, 5]].all()
    assert not shown[2:5, 0].any()
    assert not shown[5:].any()
    images = image_processor.render(["马", "馬"])
    same = (images[0] == images[1]).all(axis=(1, 2))
    assert dict(zip(EIGHT, same.tolist(), strict=True)) == {
        "bronze": True,
        "lishu": False,  # Kai in its place shows the character of the text
        "seal": True,
        "wei": True,  # Brush has the simplified character alone
        "traditional": True,
        "song": False,
        "fangsong": False,
        "cao": True,
    }


def test_can_render_counts_styles_that_have_a_fallback():
    tokens = ["马", "龘", "\U0010fffd", " "]
    assert HanziGlyphImageProcessor(EIGHT, size=16).can_render(tokens).tolist() == [True, True, False, True]
    old = HanziGlyphImageProcessor(["seal", "bronze", "oracle"], size=16)
    assert old.can_render(tokens).tolist() == [True, True, False, True]
    bare = HanziGlyphImageProcessor(["seal", "song"], size=16, fallback=False)
    assert bare.can_render(["马", "爱"]).tolist() == [True, False]


def test_the_users_font_of_a_script_goes_first(tmp_path):
    path = box_font(tmp_path / "li.ttf", {ord("馬"): WHOLE, ord("人"): (0, 0, 500, 500)})
    own = HanziGlyphImageProcessor(EIGHT, size=16, fonts={"lishu": [path]}, render_words=False)
    usual = HanziGlyphImageProcessor(EIGHT, size=16, render_words=False)
    entry = own.make_font_manifest([*"马人爱"])["styles"][1]
    assert (entry["own"], entry["fallbacks"]) == (2, {"kai": 1})
    images, others = own.render([*"马人爱"]), usual.render([*"马人爱"])
    differ = (images != others).any(axis=(2, 3))
    assert differ.tolist() == [[column == 1 and row < 2 for column in range(8)] for row in range(3)]
    with pytest.raises(ValueError, match="fonts has 'oracle'"):
        HanziGlyphImageProcessor(EIGHT, fonts={"oracle": [path]})


def test_scripts_of_a_checkpoint_where_the_package_has_no_fonts(tmp_path, monkeypatch):
    names = HanziGlyphImageProcessor(EIGHT).to_dict()["saved_fonts"]
    others = {"lishu": "kai", "wei": "brush", "fangsong": "hei", "seal": "xingkai"}
    assert all(names[other] == [f"fonts/{other}.woff2"] for other in others.values())
    saved = HanziGlyphImageProcessor(["wei", "seal", "brush"], size=16, render_words=False)
    tokens = [*COMMON[:40], *"a1。龘馬"]
    expected = saved.render(tokens)
    saved.save_pretrained(tmp_path)
    assert {"kai-OFL.txt", "kai.woff2", "xingkai.woff2"} < {file.name for file in (tmp_path / "fonts").iterdir()}
    monkeypatch.setattr(fonts, "_shipped", lambda style: ())
    assert (HanziGlyphImageProcessor.from_pretrained(tmp_path).render(tokens) == expected).all()


def test_kept_images_of_other_fallbacks_are_not_used():
    """Kept on disk by one set, a style's images are not those of another set."""
    alone = HanziGlyphImageProcessor(["wei"], size=16).render(MANY)[:, 0]
    beside = HanziGlyphImageProcessor(["wei", "kai"], size=16).render(MANY)[:, 0]
    again = HanziGlyphImageProcessor(["wei", "kai"], size=16).render(MANY)[:, 0]
    assert (alone != beside).any()
    assert (beside == again).all()

"""Font manifests: what they count, when they are saved and loaded."""

import json

import pytest
from font_tools import MANY, WHOLE, box_font

from hanziformers.processors import font_manifest
from hanziformers.processors.font_manifest import font_manifest_markdown, make_font_manifest
from hanziformers.processors.fonts import FontChain
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_the_font_manifest_names_no_folder(tmp_path):
    path = box_font(tmp_path / "unused.ttf", {0x20000: (0, 0, 900, 900)})
    style = FontChain("song", {"song": [str(path)]})
    numbers, _ = style.find(["一"])
    manifest = make_font_manifest(["一"], numbers[:, None], [style])
    assert manifest["styles"][0]["unused"] == ["unused.ttf"]
    assert str(tmp_path) not in json.dumps(manifest)


def test_the_font_manifest_counts_and_is_saved(tmp_path, warnings):
    font_manifest.logger.warning_once.__func__.cache_clear()
    processor = HanziGlyphImageProcessor(styles=["xingkai"])
    processor.render([*MANY, "[UNK]", " ", "\U0010fffd"])
    entry = processor.font_manifest["styles"][0]
    counted = sum(source["characters"] + source["variants"] for source in entry["sources"])
    assert counted == len(MANY)
    assert entry["variants"] > 10
    assert entry["fallbacks"]["kai"] > 100
    assert (entry["not_rendered"], entry["not_rendered_first"]) == (1, ["\U0010fffd"])
    assert any("in the fallback style" in text and "variant" in text for text in warnings)
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
def test_a_font_manifest_is_not_loaded_with_other_settings(tmp_path, settings, kept):
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    processor.render(MANY)
    processor.save_pretrained(tmp_path)
    if settings.get("fonts"):
        settings = {"fonts": {"xingkai": [str(box_font(tmp_path / "x.ttf", {0x4E00: WHOLE}))]}}
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path, **settings)
    assert loaded.font_manifest == (processor.font_manifest if kept else None)


def test_of_equal_sets_the_last_is_in_the_font_manifest(tmp_path):
    processor = HanziGlyphImageProcessor(styles=["xingkai"], size=16)
    processor.render(MANY)
    processor.render(["\U0010fffd", *MANY[1:]])
    assert processor.font_manifest["styles"][0]["not_rendered"] == 1


def test_a_given_font_that_renders_nothing_is_reported(tmp_path, warnings):
    path = box_font(tmp_path / "x.ttf", {0x20000: WHOLE})
    HanziGlyphImageProcessor(styles=["kai"], fonts={"kai": [path]}).render(MANY)
    assert any("none is rendered by" in text and "x.ttf" in text for text in warnings)


@pytest.mark.parametrize(
    "manifest",
    [
        3,
        [],
        {},
        {"tokens": "many", "styles": []},
        {"tokens": 3, "styles": 3},
        {"tokens": 3, "styles": [{"style": "song", "sources": [{}]}]},
        {"tokens": 3, "styles": [{"style": 3, "sources": [], "not_rendered": 1, "not_rendered_first": [3]}]},
    ],
)
def test_a_font_manifest_of_a_file_that_is_none_is_refused(manifest):
    with pytest.raises(ValueError, match="which is no font manifest"):
        HanziGlyphImageProcessor(font_manifest=manifest)


def test_names_of_fonts_are_no_markdown(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE}, "A|B\n\n# [x](http://x) <script>")
    manifest = HanziGlyphImageProcessor(fonts={"song": [path]}).make_font_manifest(["一"])
    assert "\n| song | A/B # \\[x\\](http://x) \\<script> | 1.5 |" in font_manifest_markdown(manifest)


def test_the_font_manifest_says_what_is_a_scripts_own_and_what_stands_in():
    image_processor = HanziGlyphImageProcessor(["bronze", "lishu", "wei", "traditional"], size=16, render_words=False)
    manifest = image_processor.make_font_manifest([*"人马爱国", "[UNK]", "ab", " "])
    counts = [(entry["own"], entry["fallbacks"], entry["not_rendered"]) for entry in manifest["styles"]]
    assert counts == [(2, {"seal": 1}, 1), (0, {"kai": 4}, 0), (0, {"brush": 4}, 0), (4, {}, 0)]
    markdown = font_manifest_markdown(manifest)
    for line in (
        "- bronze: 2 are its own, 1 are rendered in seal instead, 1 are not rendered, among them 爱",
        "- lishu: 0 are its own, 4 are rendered in kai instead",
        "- traditional: 4 are its own",
    ):
        assert f"\n{line}" in markdown
    for entry in manifest["styles"]:  # as older checkpoints have it
        del entry["own"]
    assert font_manifest_markdown(manifest) == markdown
    assert HanziGlyphImageProcessor(font_manifest=manifest).font_manifest == manifest

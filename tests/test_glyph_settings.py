"""Settings of the image processor: what is refused, when it is made, called and loaded."""

import json

import numpy as np
import pytest
from font_tools import WHOLE, box_font
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


@pytest.fixture(scope="module")
def song():
    return HanziGlyphImageProcessor()


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"size": 0}, ValueError, "size is 0; .* from 8 to 512"),
        ({"size": 24.5}, ValueError, "size is 24.5"),
        ({"size": {"height": 24}}, ValueError, "size is .*whole number"),
        ({"styles": []}, ValueError, r"styles is \[\]; give one name or more"),
        ({"styles": ["songg"]}, ValueError, "the style 'songg' is not known; use one of song"),
        ({"size": True}, ValueError, "size is True"),
        ({"style": "kai"}, TypeError, "'style' is no setting of HanziGlyphImageProcessor; is 'styles' meant"),
        ({"colour": 3}, TypeError, "'colour' is no setting of HanziGlyphImageProcessor; settings are styles, size"),
        ({"binary": "false"}, TypeError, "binary is 'false', a str; give True or False"),
        ({"fallback": 0}, TypeError, "fallback is 0, a int; give True or False"),
        (
            {"styles": ["kai"], "fonts": {"kia": ["/x.ttf"]}},
            ValueError,
            r"fonts has 'kia', but styles=\['kai'\] renders",
        ),
        ({"styles": ["kai"], "fallback": False, "fonts": {"song": ["/x.ttf"]}}, ValueError, "renders with kai only"),
        ({"fonts": ["x.ttf"]}, TypeError, "give style -> paths"),
        ({"fonts": {"kai": [3]}}, TypeError, r"fonts\['kai'\] is \[3\]; give a list of paths"),
        ({"fonts": {"song": ["/nowhere/x.ttf"]}}, FileNotFoundError, "no font at '/nowhere/x.ttf'"),
    ],
)
def test_settings_out_of_range(settings, kind, words):
    with pytest.raises(kind, match=words):
        HanziGlyphImageProcessor(**settings)


def test_transformers_own_names_are_no_settings_and_whole_numbers_are_sizes():
    names = {"auto_map": {}, "processor_class": "x", "image_processor_type": "x", "do_resize": False, "_x": 1}
    processor = HanziGlyphImageProcessor(size=np.int64(24), binary=np.bool_(False), **names)
    assert processor.render(["中"]).shape == (1, 1, 24, 24)
    assert json.loads(processor.to_json_string())["size"] == 24


def test_unknown_settings_are_refused_when_loading(tmp_path, song):
    song.save_pretrained(tmp_path)
    for load in (HanziGlyphImageProcessor.from_pretrained, AutoImageProcessor.from_pretrained):
        with pytest.raises(TypeError, match="'sizes' is no setting of HanziGlyphImageProcessor; is 'size' meant"):
            load(tmp_path, sizes=16)
        assert load(tmp_path, size=16, trust_remote_code=False, local_files_only=True).size == 16
    with pytest.raises(TypeError, match="'colour' is no setting"):
        HanziGlyphImageProcessor.from_pretrained(tmp_path, colour=3)
    assert AutoImageProcessor.from_pretrained(tmp_path, padding_side="left").size == 48  # the tokenizer's
    _, unused = HanziGlyphImageProcessor.from_pretrained(tmp_path, colour=3, return_unused_kwargs=True)
    assert unused == {"colour": 3}


def test_fonts_of_styles_that_are_then_not_used_are_not_asked_for(tmp_path, warnings):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})
    HanziGlyphImageProcessor(styles=["mine"], fonts={"mine": [path]}).save_pretrained(tmp_path)
    warnings.clear()
    loaded = HanziGlyphImageProcessor.from_pretrained(tmp_path, styles=["kai"])
    assert (loaded.fonts, loaded.unsaved_fonts, warnings) == (None, {}, [])


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"size": 24}, ValueError, r"size=24 in a call, but .* size=48; make one for it: .*\(size=24\)"),
        ({"binary": False}, ValueError, "binary=False in a call"),
        ({"styles": ["kai"]}, ValueError, r"styles=\['kai'\] in a call"),
        ({"sizes": 24}, TypeError, "'sizes' is no setting of HanziGlyphImageProcessor; is 'size' meant"),
    ],
)
def test_a_call_refuses_other_settings(song, settings, kind, words):
    with pytest.raises(kind, match=words):
        song(["中"], **settings)
    same = song(["中"], size=np.int64(48), binary=True, styles="song", do_resize=True)["glyphs"]
    assert (same == song.render(["中"])).all()

"""Glyph images and pinyin that belong to other characters."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from spelling_tools import CHARACTERS, VOCABULARY, make
from transformers import AutoConfig, AutoModelForSequenceClassification

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer, HanziGlyphImageProcessor, HanziProcessor
from hanziformers.training.controls import (
    PermutedPinyin,
    apply_controls,
    control_section,
    permuted_pinyin,
    rows_by_character,
    shown_character,
)
from hanziformers.training.model_loading import ModelArguments, load_model

ROWS = [VOCABULARY[one] for one in CHARACTERS]
OTHERS = sorted({*VOCABULARY.values()} - {*ROWS})


def images(model):
    base = model.base_model
    table = base.embeddings.glyph_embeddings.embedding.weight if hasattr(base.embeddings, "glyph_embeddings") else None
    if table is None:
        table = next(value for name, value in model.named_buffers() if name.endswith("glyphs"))
    return table.detach().flatten(1).float().numpy().copy()


@pytest.mark.parametrize("family", ["chinese_bert", "glyph_crm"])
def test_glyph_images_are_permuted_between_chinese_characters(family, tmp_path):
    model, processor = make(family)
    before = images(model)
    apply_controls(model, processor, 5, None)
    after = images(model)
    assert (before[OTHERS] == after[OTHERS]).all()
    moved = (before[ROWS] != after[ROWS]).any(1)
    assert moved.mean() > 0.8
    assert sorted(map(bytes, before[ROWS])) == sorted(map(bytes, after[ROWS]))
    # the same seed permutes the same way; again, or as it was saved, nothing is permuted twice
    other, _ = make(family)
    apply_controls(other, processor, 5, None)
    apply_controls(other, processor, 5, None)
    assert (images(other) == after).all()
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).permuted_glyphs == 5
    apply_controls(loaded, processor, 5, None)
    assert (images(loaded) == after).all()
    with pytest.raises(ValueError, match="the model has permuted_glyphs=5, and 6 is requested"):
        apply_controls(loaded, processor, 6, None)
    assert control_section(loaded.config) == (
        " This model is a control: the glyph images of Chinese characters are permuted (seed 5)."
    )


@pytest.mark.parametrize("family", ["chinese_bert", "glyph_crm"])
def test_glyph_images_become_random_with_as_much_ink(family, tmp_path):
    model, processor = make(family)
    before = images(model)
    apply_controls(model, processor, random_glyphs=5)
    after = images(model)
    assert (before[OTHERS] == after[OTHERS]).all()
    values = np.unique(after[ROWS])
    assert len(values) == 2
    assert values[0] == 0
    assert after[ROWS].mean() == pytest.approx(before[ROWS].mean(), rel=0.05)
    assert len(np.unique(after[ROWS], axis=0)) == len(ROWS)
    again, _ = make(family)
    apply_controls(again, processor, random_glyphs=5)
    assert (images(again) == after).all()
    assert control_section(model.config).endswith("the glyph images of Chinese characters are random (seed 5).")
    for options in ({"random_glyphs": 6}, {"glyphs": 5}, {"glyphs": 5, "random_glyphs": 5}):
        with pytest.raises(ValueError, match="has random_glyphs=5, and 6 is requested|two controls of the same glyph"):
            apply_controls(model, processor, **options)


def test_fine_tuning_keeps_the_glyph_images_of_a_control(tmp_path):
    model, processor = make("glyph_crm")
    apply_controls(model, processor, 5)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    args = ModelArguments(model_name_or_path=str(tmp_path))
    tuned, _, _ = load_model(args, AutoModelForSequenceClassification, ["0", "1"])
    assert (images(tuned) == images(model)).all()
    assert tuned.config.permuted_glyphs == 5


def test_pinyin_is_permuted_between_characters_not_between_syllables():
    model, tokenizer = make("chinese_bert")
    own = tokenizer("在再载的apple，")
    apply_controls(model, tokenizer, None, 7)
    permuted = permuted_pinyin(model.config, tokenizer)(own["input_ids"], own["pinyin_ids"])
    plain = np.array(own["pinyin_ids"])
    assert permuted.shape == plain.shape
    assert (permuted[[0, 5, 6, 7]] == plain[[0, 5, 6, 7]]).all()  # specials, a word, a comma
    assert (plain[1] == plain[2]).all()
    assert len(np.unique(permuted[1:4], axis=0)) > 1  # homophones are none any more
    every = PermutedPinyin(tokenizer, 7)(ROWS, np.zeros((len(ROWS), 8)))
    values = tokenizer.values_of_tokens(np.array(ROWS))["pinyin_ids"]
    assert sorted(every.tolist()) == sorted(values.tolist())
    assert (PermutedPinyin(tokenizer, 8)(ROWS, values) != every).any()


def test_controls_that_have_no_effect_are_refused():
    model, tokenizer = make("bert")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for options, message in (
        ({"random_glyphs": 1}, "random_glyphs=1 has no effect: a bert sees no glyph images; leave it out"),
        ({"glyphs": 1}, "permute_glyphs=1 has no effect: a bert sees no glyph images; leave it out"),
        ({"pinyin": 2}, "permute_pinyin=2 has no effect: a bert takes no pinyin; leave it out"),
    ):
        with pytest.raises(ValueError, match=message):
            apply_controls(model, tokenizer, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert control_section(model.config) == ""
    assert permuted_pinyin(model.config, tokenizer) is None


@pytest.mark.parametrize("options", [{"glyphs": 1}, {"random_glyphs": 1}])
def test_a_control_that_changes_no_glyph_image_is_refused(options):
    """Here all characters look the same, as those that no font has."""
    model, processor = make("glyph_crm")
    render = processor.render_bank
    processor.render_bank = lambda: np.zeros_like(render())
    with pytest.raises(ValueError, match="seed 1 changes no glyph image of the 23 Chinese characters.*another seed"):
        apply_controls(model, processor, **options)
    assert getattr(model.config, "permuted_glyphs", None) is getattr(model.config, "random_glyphs", None) is None


def test_a_seed_below_0_is_refused():
    model, processor = make("chinese_bert")
    options = {"glyphs": "permute_glyphs", "pinyin": "permute_pinyin", "random_glyphs": "random_glyphs"}
    for name, option in options.items():
        with pytest.raises(ValueError, match=f"{option}=-1 is not allowed; give a seed of 0 or more"):
            apply_controls(model, processor, **{name: -1})
    assert getattr(model.config, "permuted_pinyin", None) is None


def test_the_character_that_a_token_shows():
    for token, character in {"天": "天", "##天": "天", "\u2fa6": "金", "\uf900": "\u8c48", "##\u2fa6": "金"}.items():
        assert shown_character(token) == character
    for token in (
        "",
        None,
        "##",
        "##s",
        "天地",
        "##天地",
        "，",
        "a",
        "\u328e",
        "\u3220",
        "\u3192",
        "\u2e9f天",
        "[UNK]",
    ):
        assert shown_character(token) == ""  # in a circle, in brackets, small: other glyph images
    rows, character = rows_by_character(["[UNK]", "##天", "天", None, "##地", "\u2fa6", "金", "天地"])
    assert rows.tolist() == [2, 4, 6]
    assert character.tolist() == [-1, 0, 0, -1, 1, 2, 2, -1]


@pytest.mark.parametrize("option", ["glyphs", "random_glyphs"])
def test_tokens_that_show_the_same_character_stay_the_same(option):
    """Else a random token would show a true glyph image."""
    vocabulary = {token: row for row, token in enumerate([*VOCABULARY, "##大", "\u2f49", "月", "##月", "##未"])}
    pairs = [("大", "##大"), ("月", "\u2f49"), ("月", "##月"), ("未", "##未")]
    shown = {}
    processor = HanziProcessor(HanziGlyphImageProcessor(size=24), GlyphCrmTokenizer(vocabulary))
    true = processor.render_bank()
    base = SimpleNamespace(set_glyphs=lambda images, rows: shown.update(zip(rows.tolist(), images, strict=True)))
    config = SimpleNamespace(glyph_styles=["song"], model_type="glyph_crm")
    apply_controls(SimpleNamespace(config=config, base_model=base), processor, **{option: 5})
    assert sorted(shown) == sorted([*ROWS, *(vocabulary[one] for one in ("月", *(other for _, other in pairs)))])
    for one, other in pairs:
        assert (shown[vocabulary[one]] == shown[vocabulary[other]]).all()
    changed = [(true[row] != images).any() for row, images in shown.items()]
    assert np.mean(changed) > 0.8
    pinyin = PermutedPinyin(ChineseBertTokenizer(vocabulary), 7)
    own = pinyin([vocabulary[one] for one, _ in pairs], np.zeros((4, 8)))
    assert (own == pinyin([vocabulary[other] for _, other in pairs], np.zeros((4, 8)))).all()

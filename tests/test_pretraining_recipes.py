"""The table of recipes: what each makes of the same text, and that options meant for one reach it alone."""

import dataclasses

import numpy as np
import pytest
from pretraining_tools import SEP, TEXTS, TOKENIZER
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining

from hanziformers.training.pretraining_recipes import RECIPES, Recipe, check_recipe

OPTIONS = {"short_seq_prob": 0.1, "packed_prob": 0.9, "whole_word_ratio": 0.5, "vocab_size": 3}


def examples(recipe, length, **options):
    documents = recipe.encoder(TOKENIZER, length)(TEXTS)
    return list(recipe.examples(TOKENIZER, length, **{**OPTIONS, **options})(documents, np.random.default_rng(0)))


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("length", [5, 6, 16, 33])
def test_examples_have_their_segments_and_fit(name, length):
    recipe = RECIPES[name]
    made = examples(recipe, length)
    assert made
    for example in made:
        assert len(example["input_ids"]) <= length
        assert example["input_ids"].count(SEP) == recipe.segments
        assert ("next_sentence_label" in example) == recipe.next_sentence
        assert ("word_ids" in example) == (recipe.words is not None)


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_longest_sentences_fit(name):
    """As many of the encoder's longest sentences as an example has segments fit, and not one token more a segment."""
    recipe = RECIPES[name]
    for length in range(5, 40):
        longest = recipe.encoder(TOKENIZER, length).longest
        room = length - 1 - recipe.segments
        assert recipe.segments * longest <= room < recipe.segments * (longest + 1)


def test_what_the_recipes_are():
    glyph_crm, chinese_bert = RECIPES["glyph_crm"], RECIPES["chinese_bert"]
    assert (glyph_crm.auto_class, chinese_bert.auto_class) == (AutoModelForPreTraining, AutoModelForMaskedLM)
    assert (glyph_crm.segments, chinese_bert.segments) == (2, 1)
    collators = [recipe.collator(TOKENIZER, mlm_probability=0.3, seed=5, **OPTIONS) for recipe in RECIPES.values()]
    for collator in collators:
        assert (collator.seed, collator.tokenizer, collator.shown_as) == (5, TOKENIZER, None)
    assert [collator.mlm_probability for collator in collators] == [0.3, 0.3, 0.15]  # the last one does not mask
    assert [collator.predict_unknown for collator in collators] == [True, False, False]
    assert [collator.whole_word_ratio for collator in collators] == [0.0, 0.5, 0.0]
    assert [recipe.masks for recipe in RECIPES.values()] == [True, True, False]
    for name in ("glyph_crm", "chinese_bert"):
        assert AutoConfig.for_model(RECIPES[name].model_type).model_type == name
        assert "paper" in RECIPES[name].presets
    assert RECIPES["glyph_crm"].collator(TOKENIZER, 5, {7: 1}, mlm_probability=0.3).shown_as == {7: 1}


def test_options_of_other_recipes_have_no_effect():
    pairs, packs = RECIPES["glyph_crm"], RECIPES["chinese_bert"]
    assert examples(pairs, 24) == examples(pairs, 24, packed_prob=0.1)
    assert examples(packs, 24) == examples(packs, 24, short_seq_prob=1.0)
    assert examples(pairs, 24) != examples(pairs, 24, short_seq_prob=1.0)
    assert examples(packs, 24) != examples(packs, 24, packed_prob=0.1)
    assert pairs.options & packs.options == {"mlm_probability"}


def test_a_further_recipe_is_one_more_entry():
    mixed = dataclasses.replace(
        RECIPES["glyph_crm"], words=RECIPES["chinese_bert"].words, collator_options=("whole_word_ratio",)
    )
    assert isinstance(mixed, Recipe)
    made = examples(mixed, 24)
    batch = mixed.collator(TOKENIZER, mlm_probability=0.15, seed=1, **OPTIONS)(made[:4])
    assert sorted(batch) == [
        "attention_mask",
        "input_ids",
        "labels",
        "next_sentence_label",
        "pinyin_ids",
        "token_type_ids",
    ]


def model_of(auto_class, model_type):
    own = {"glyph_crm": {"glyph_size": 24, "first_block_channels": 2, "second_block_channels": 2}}
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    return auto_class.from_config(AutoConfig.for_model(model_type, vocab_size=9, **sizes, **own.get(model_type, {})))


@pytest.mark.parametrize(
    ("model_type", "fitting"),
    [
        ("bert", ["glyph_crm", "chinese_bert", "causal"]),
        ("glyph_crm", ["glyph_crm", "chinese_bert", "causal"]),
        ("chinese_bert", ["chinese_bert", "causal"]),
    ],
)
def test_models_that_take_the_labels(model_type, fitting):
    models = {name: model_of(recipe.auto_class, model_type) for name, recipe in RECIPES.items()}
    assert [name for name, recipe in RECIPES.items() if recipe.takes(models[name])] == fitting


@pytest.mark.parametrize("model_type", ["bert", "glyph_crm"])
def test_what_a_recipe_does_not_work_with_is_refused(model_type):
    model = model_of(AutoModelForMaskedLM, model_type)
    check_recipe("causal", model)
    with pytest.raises(ValueError, match="takes no next_sentence_label; give --recipe chinese_bert or --recipe causal"):
        check_recipe("glyph_crm", model)
    model.set_attn_implementation("eager")  # adds the mask to its scores: every position sees all others
    check_recipe("chinese_bert", model)
    with pytest.raises(ValueError, match="--recipe causal does not work with the attention 'eager'.*use 'sdpa'"):
        check_recipe("causal", model)


def test_a_recipe_in_words():
    """It says what this model sees, and what these options do."""
    glyph_crm, chinese_bert = RECIPES["glyph_crm"], RECIPES["chinese_bert"]
    sums = "and next sentence; the loss is the sum of both means"
    models = {name: model_of(AutoModelForPreTraining, name) for name in ("bert", "glyph_crm")}
    assert glyph_crm.describe(models["bert"], **OPTIONS) == f"masked characters, {sums}"
    assert glyph_crm.describe(models["glyph_crm"], **OPTIONS) == f"masked characters on glyph images, {sums}"
    causal = RECIPES["causal"].describe(models["glyph_crm"], whole_word_ratio=0.5, packed_prob=1.0)
    assert causal == "the next character from those before it on glyph images, in packed sentences"
    found = {
        (words, packed): chinese_bert.describe(models["bert"], whole_word_ratio=words, packed_prob=packed)
        for words, packed in ((0.9, 0.75), (0.0, 0.0), (1.0, 1.0))
    }
    assert found == {
        (
            0.9,
            0.75,
        ): "masked whole words (90 % of the examples) and characters (10 %), in packed sentences (75 % of the "
        "examples) and single sentences (25 %), without next sentence",
        (0.0, 0.0): "masked characters, in single sentences, without next sentence",
        (1.0, 1.0): "masked whole words, in packed sentences, without next sentence",
    }

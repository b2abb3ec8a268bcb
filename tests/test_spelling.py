"""Correcting texts: what is replaced, where it stands, and what the model's predictions mean."""

import numpy as np
import pytest
import torch
from spelling_tools import FAMILIES, SIZES, VOCABULARY, Scripted, make
from transformers import BertConfig, BertForTokenClassification, BertModel, BertTokenizer

from hanziformers import correct_spelling
from hanziformers.spelling import KEPT, Decider, character_positions, most_probable
from hanziformers.training.controls import PermutedPinyin

TABLE = {
    ("门", "我"): {"们": 4.0, "入": 2.0},
    ("末", "[CLS]"): {"未": 3.0},
    ("再", "们"): {"，": 9.0, "在": 1.0},  # what is no Chinese character is no candidate
    ("己", "人"): {"[UNK]": 5.0, "已": 3.0},  # [UNK] leaves the text as it is
    ("地", "得"): {"学": 2.0, "的": 1.0},  # 学 looks and sounds otherwise
    ("土", "大"): {"士": -0.5},
}


@pytest.fixture(scope="module")
def parts():
    model, tokenizer = make("bert")
    return Scripted(VOCABULARY, TABLE, model.config), tokenizer


def replaced(found):
    return [(one["start"], one["character"], one["replacement"]) for one in found["suggestions"]]


def test_suggestions_have_offsets_and_candidates(parts):
    found = correct_spelling(*parts, " 我门，apples 2018我门")
    assert found["text"] == " 我们，apples 2018我们"
    assert replaced(found) == [(2, "门", "们"), (16, "门", "们")]
    first = found["suggestions"][0]
    assert first["end"] == 3
    # 4 of 们, 2 of 入 and 0 of 门, which stands there
    scores = np.exp([4, 2, 0]) / np.exp([4, 2, 0]).sum()
    assert first["score"] == pytest.approx(scores[0], abs=1e-5)
    assert [one["character"] for one in first["candidates"]][:3] == ["们", "入", "门"]
    assert [one["score"] for one in first["candidates"]][:3] == pytest.approx(scores, abs=1e-5)
    assert len(first["candidates"]) == 5


def test_one_text_and_many(parts):
    texts = ["我门", "", "末来", "abc", "大土"]
    found = correct_spelling(*parts, texts, batch_size=2)
    assert [one["text"] for one in found] == ["我们", "", "未来", "abc", "大土"]
    assert found == [correct_spelling(*parts, text) for text in texts]
    assert correct_spelling(*parts, []) == []


def test_what_is_no_chinese_character_is_neither_changed_nor_written(parts):
    assert replaced(correct_spelling(*parts, "我们再")) == [(2, "再", "在")]
    assert correct_spelling(*parts, "人己")["suggestions"] == []


def test_traditional_text(parts):
    """Characters stand as they are written, simplified or traditional, and confusions are those of both."""
    vocabulary = {token: row for row, token in enumerate([*list(VOCABULARY)[:5], *"我門們覽覺來"])}
    tokenizer = BertTokenizer(vocabulary, model_max_length=48)
    table = {("門", "我"): {"們": 3.0}, ("覺", "[UNK]"): {"覽": 2.0, "來": 3.0}}
    model = Scripted(vocabulary, table, parts[0].config)
    assert replaced(correct_spelling(model, tokenizer, "我門來國覺")) == [(1, "門", "們"), (4, "覺", "來")]
    held = correct_spelling(model, tokenizer, "我門來國覺", candidates="confusions")
    assert replaced(held) == [(1, "門", "們"), (4, "覺", "覽")]
    assert held["text"] == "我們來國覽"


def test_candidates_may_be_held_to_confusions(parts):
    assert replaced(correct_spelling(*parts, "得地")) == [(1, "地", "学")]
    assert replaced(correct_spelling(*parts, "得地", candidates="confusions")) == [(1, "地", "的")]
    assert replaced(correct_spelling(*parts, "末来我门", candidates="confusions")) == [(0, "末", "未"), (3, "门", "们")]


def test_the_threshold_leaves_what_is_less_probable(parts):
    assert replaced(correct_spelling(*parts, "我门", threshold=0.8)) == [(1, "门", "们")]
    assert replaced(correct_spelling(*parts, "我门", threshold=0.9)) == []


@pytest.mark.parametrize("before", [0, 1, 30, 44, 45, 46, 200])
def test_long_texts_go_through_windows(parts, before):
    """Every character is predicted, with what stands before it in the text, wherever windows are cut."""
    model, tokenizer = parts
    model.sizes.clear()
    text = "大" * before + "我门" + "人" * 100 + "我门" + "来" * 3
    found = correct_spelling(model, tokenizer, text)
    assert found["text"] == text.replace("门", "们")
    assert replaced(found) == [(before + 1, "门", "们"), (before + 103, "门", "们")]
    assert max(size[1] for size in model.sizes) <= 48


def test_a_tokenizer_that_sets_no_limit_leaves_it_to_the_model():
    model, tokenizer = make("bert")
    text = "我门在学校" * 20
    wanted = correct_spelling(model, tokenizer, text)
    tokenizer.model_max_length = int(1e30)  # as many stock tokenizers
    assert correct_spelling(model, tokenizer, text) == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_corrects(family):
    """A batch with padding gives what each text gives; unknown characters pass; the mode of the model stays."""
    model, processor = make(family)
    texts = ["我门在学校，", "未来的𰻝㐀人" * 12, "a"]
    model.train()
    together = correct_spelling(model, processor, texts)
    assert model.training
    for text, found in zip(texts, together, strict=True):
        alone = correct_spelling(model, processor, text)
        assert alone["text"] == found["text"]
        assert len(found["text"]) == len(text)
        assert [one["start"] for one in alone["suggestions"]] == [one["start"] for one in found["suggestions"]]
        assert all(text[one["start"] : one["end"]] == one["character"] for one in found["suggestions"])


def test_a_control_gets_the_pinyin_that_it_was_trained_on(monkeypatch):
    model, tokenizer = make("chinese_bert")
    given = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **inputs: given.append(inputs) or forward(**inputs))
    correct_spelling(model, tokenizer, "我门")
    model.config.permuted_pinyin = 3
    correct_spelling(model, tokenizer, "我门")
    plain, permuted = (inputs["pinyin_ids"][0].tolist() for inputs in given)
    assert plain != permuted
    assert (PermutedPinyin(tokenizer, 3)(given[0]["input_ids"][0], plain) == permuted).all()


def test_left_padding():
    model, tokenizer = make("bert")
    texts = ["我门在学校", "末"]
    right = correct_spelling(model, tokenizer, texts)
    tokenizer.padding_side = "left"
    scripted = Scripted(VOCABULARY, TABLE, model.config)
    assert [one["text"] for one in correct_spelling(scripted, tokenizer, texts)] == ["我们在学校", "未"]
    assert len(right) == 2


def test_positions_of_tokens():
    _, tokenizer = make("bert")
    text = "我 apples，2018门㐀"
    encoded = tokenizer(text, return_offsets_mapping=True)
    positions = character_positions(text, encoded["offset_mapping"]).tolist()
    assert [text[place] for place in positions if place >= 0] == ["我", "门", "㐀"]
    assert len(positions) == len(encoded["input_ids"])
    assert character_positions("", [(0, 0), (0, 0)]).tolist() == [-1, -1]


def test_most_probable():
    logits = torch.randn(2, 3, 50)
    ids, probabilities = most_probable(logits)
    assert ids.shape == probabilities.shape == (2, 3, KEPT)
    assert torch.allclose(probabilities, logits.softmax(-1).gather(-1, ids))
    assert (ids[..., 0] == logits.argmax(-1)).all()
    assert most_probable(logits[..., :4].bfloat16())[0].shape == (2, 3, 4)


def test_wrong_models_and_texts(parts):
    tokenizer = parts[1]
    for model in (BertModel(BertConfig(**SIZES)), BertForTokenClassification(BertConfig(**SIZES))):
        with pytest.raises(ValueError, match="does not predict the 34 tokens of its tokenizer; load the checkpoint by"):
            correct_spelling(model, tokenizer, "我")
    for text in (None, {"text": "我"}):
        with pytest.raises(TypeError, match="give a string, or a list of strings"):
            correct_spelling(*parts, text)
    with pytest.raises(TypeError, match="got NoneType: give a string, or a list of strings"):
        correct_spelling(*parts, [None])
    for text in ("\ud800", ["我", "我\udc00"]):
        with pytest.raises(ValueError, match="lone surrogate"):
            correct_spelling(*parts, text)
    for options in ({"top": -1}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="is not allowed; give top >= 0 and batch_size >= 1"):
            correct_spelling(*parts, "我", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": "all"}, "candidates='all' is not allowed; give one of free, confusions"),
        ({"threshold": 1.5}, "threshold=1.5 is not allowed; give a probability"),
        ({"threshold": float("nan")}, "threshold=nan is not allowed"),
    ],
)
def test_wrong_options(parts, options, message):
    with pytest.raises(ValueError, match=message):
        correct_spelling(*parts, "我", **options)
    with pytest.raises(ValueError, match=message):
        Decider(parts[1], **options)

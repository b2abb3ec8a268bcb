"""Answers from text to text, by the tiny model of every family with a head for it."""

import chinese_bert_tools
import glyce_tools
import glyph_crm_tools
import pytest
import torch
from font_tools import rare_font
from test_reading_windows import CONTEXT, VOCABULARY
from transformers import BertConfig, BertForQuestionAnswering, BertModel, BertTokenizer

from hanziformers import (
    ChineseBertForQuestionAnswering,
    ChineseBertTokenizer,
    GlyceForQuestionAnswering,
    GlyphCrmForQuestionAnswering,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    answer,
)

LONG = CONTEXT * 110  # over 3,000 characters, in windows of 40 tokens
SIZES = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 37}


def bert(font):
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=40, initializer_range=0.2, **SIZES)
    return BertForQuestionAnswering(config), BertTokenizer(VOCABULARY)


def chinese_bert(font):
    model = chinese_bert_tools.build(ChineseBertForQuestionAnswering, vocab_size=len(VOCABULARY))
    return model, ChineseBertTokenizer(VOCABULARY)


def glyph_crm(font):
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]})
    processor = HanziProcessor(image_processor, GlyphCrmTokenizer(VOCABULARY))
    return glyph_crm_tools.build_for(processor, GlyphCrmForQuestionAnswering), processor


def glyce(font):
    processor = glyce_tools.make_processor(VOCABULARY, font)
    rows = processor.tokenizer.glyph_vocab_size
    model = glyce_tools.build(GlyceForQuestionAnswering, vocab_size=len(VOCABULARY), glyph_vocab_size=rows)
    return model, processor


@pytest.fixture(scope="module", params=[bert, chinese_bert, glyph_crm, glyce], ids=lambda make: make.__name__)
def parts(request, tmp_path_factory):
    torch.manual_seed(0)
    return request.param(str(rare_font(tmp_path_factory.mktemp("font") / "rare.ttf")))


def test_answers_are_characters_of_a_long_context(parts):
    found = answer(*parts, "谁在北京？", LONG, top_k=50, max_answer_length=9)
    assert len(found) == 50
    for one in found:
        assert LONG[one["start"] : one["end"]] == one["answer"] != ""
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert sum(one["score"] for one in found) == pytest.approx(1, abs=1e-3)
    again = answer(*parts, "谁在北京？", LONG, top_k=50, max_answer_length=9, batch_size=3)
    assert again[0]["start"] == found[0]["start"]


def test_the_answer_that_the_head_scores_best(parts):
    """Against the model's own scores of one window."""
    model, processing_class = parts
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    batch = tokenizer("谁？", CONTEXT, return_tensors="pt", return_offsets_mapping=True)
    offsets, ids = batch.pop("offset_mapping")[0].tolist(), batch.encodings[0].sequence_ids
    model.eval()
    with torch.no_grad():
        output = model(**batch)
    start, end = output.start_logits[0], output.end_logits[0]
    tokens = [place for place, text in enumerate(ids) if text == 1]
    best = max(((i, j) for i in tokens for j in tokens if i <= j), key=lambda pair: start[pair[0]] + end[pair[1]])
    found = answer(model, processing_class, "谁？", CONTEXT)[0]
    assert (found["start"], found["end"]) == (offsets[best[0]][0], offsets[best[1]][1])


def test_kinds_are_those_of_the_model_unless_others_are_given(parts):
    model, _ = parts
    kinds = ["none", "yes", "no"]
    assert {one["answer"] for one in answer(*parts, "谁？", CONTEXT, kinds=kinds)} == {"", "YES", "NO"}
    assert all(one["start"] is not None for one in answer(*parts, "谁？", CONTEXT))
    model.config.answer_kinds = ["none"]
    assert answer(*parts, "谁？", CONTEXT) == [{"answer": "", "start": None, "end": None, "score": 1.0}]
    del model.config.answer_kinds
    assert answer(*parts, "谁？", CONTEXT, kinds=["text", "none"], null_threshold=99)[0]["answer"]
    assert answer(*parts, "谁？", CONTEXT, kinds=["text", "none"], null_threshold=-99)[0]["answer"] == ""


def test_the_side_of_padding_changes_nothing(parts):
    tokenizer = getattr(parts[1], "tokenizer", parts[1])
    wanted = answer(*parts, "谁在北京？", LONG, top_k=9)
    tokenizer.padding_side = "left"
    found = answer(*parts, "谁在北京？", LONG, top_k=9)
    tokenizer.padding_side = "right"
    assert found == wanted


def test_nothing_to_answer_from(parts):
    for context in ("", " ", "\u200b"):
        assert answer(*parts, "谁？", context) == []
        assert answer(*parts, "", context, kinds=["text", "none"])[0]["answer"] == ""


def test_the_model_stays_in_its_mode(parts):
    model, _ = parts
    for training in (True, False):
        model.train(training)
        first, second = (answer(*parts, "谁？", CONTEXT) for _ in range(2))
        assert first == second
        assert model.training is training


def test_what_is_refused(parts):
    for texts, name in (((5, "a"), "question is a int"), (("a", ["b"]), "context is a list")):
        with pytest.raises(TypeError, match=name):
            answer(*parts, *texts)
    for options, message in (
        ({"kinds": ["maybe"]}, r"kinds=\['maybe'\] is not allowed; give some of text, none, yes, no"),
        ({"kinds": []}, r"kinds=\[\] is not allowed"),
        ({"kinds": "text"}, "is not allowed"),
        ({"top_k": 0}, "top_k=0 is not allowed; give 1 or more"),
        ({"doc_stride": 30}, "doc_stride=30 is not allowed"),
        ({"max_seq_length": 0}, "max_seq_length=0: .*give 8 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            answer(*parts, "谁？", CONTEXT, **options)
    for texts, name in ((("\ud800", "a"), "question"), (("a", "b\udc00"), "context")):
        with pytest.raises(ValueError, match=f"{name} has a lone surrogate"):
            answer(*parts, *texts)


def test_wrong_models_and_thresholds():
    tokenizer = BertTokenizer(VOCABULARY)
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=40, **SIZES)
    model = BertModel(config).train()
    with pytest.raises(ValueError, match="a BertModel does not score where answers start.*AutoModelForQuestionAnsw"):
        answer(model, tokenizer, "谁？", CONTEXT)
    assert model.training
    model = BertForQuestionAnswering(config)
    with pytest.raises(ValueError, match="null_threshold=nan is not allowed"):
        answer(model, tokenizer, "谁？", CONTEXT, null_threshold=float("nan"))
    config.permuted_pinyin = 3  # it would get pinyin on which it was not trained
    with pytest.raises(ValueError, match="the model has permuted_pinyin=3: only run_spelling.py"):
        answer(model, tokenizer, "谁？", CONTEXT)

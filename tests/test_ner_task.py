"""Labels of tokens, what they cannot express, and scores, against small texts whose answers are plain."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EvalPrediction

from hanziformers import ChineseBertTokenizer
from hanziformers.training.ner_data import FEATURES
from hanziformers.training.ner_task import IGNORED, SpanScorer, encode_ner, entity_labels
from hanziformers.training.tag_schemes import Entity

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["apple", "##s", "2018", "，", "。", "e"]


@pytest.fixture(scope="module")
def tokenizer():
    tokens = SPECIAL + WORDS + list("我在北京上海银行长江大桥看书")
    return ChineseBertTokenizer({token: index for index, token in enumerate(dict.fromkeys(tokens))})


def dataset(*rows):
    made = [{"text": text, "entities": [Entity(*entity)._asdict() for entity in found]} for text, found in rows]
    return Dataset.from_list(made, features=FEATURES)


def names(encoded, tags):
    return [[tags[label] if label != IGNORED else "-" for label in row] for row in encoded["labels"]]


def test_labels_of_all_data_sorted():
    data = dataset(("北京", [(0, 2, "LOC")]), ("上海", [(0, 1, "A")]))
    assert entity_labels(data) == ["O", "B-A", "I-A", "B-LOC", "I-LOC"]


def test_tokens_get_tags_by_their_characters(tokenizer):
    data = dataset(("我在 北京 apples，上海上海", [(3, 5, "LOC"), (6, 12, "ORG"), (13, 15, "LOC"), (15, 17, "LOC")]))
    tags = entity_labels(data)
    encoded, coverage = encode_ner(data, tokenizer, tags, 64)
    assert names(encoded, tags) == [
        ["-", "O", "O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "O", "B-LOC", "I-LOC", "B-LOC", "I-LOC", "-"]
    ]
    assert (coverage.entities, coverage.cut_off, coverage.between_tokens, coverage.truncated_texts) == (4, 0, 0, 0)


def test_what_cannot_be_found_is_counted(tokenizer):
    data = dataset(
        ("我在北京上海", [(2, 4, "LOC"), (4, 6, "LOC")]),  # the second is cut off at 6 tokens
        ("apples", [(0, 3, "ORG")]),  # ends inside a token
        ("北\u200b", [(0, 2, "LOC")]),  # ends at a character without a token
        ("\u200b", [(0, 1, "LOC")]),  # has no token at all
        ("长江大桥", [(0, 4, "LOC"), (0, 2, "LOC")]),  # nested
    )
    encoded, coverage = encode_ner(data, tokenizer, entity_labels(data), 6)
    assert coverage.__dict__ == {
        "entities": 7,
        "cut_off": 1,
        "between_tokens": 3,
        "overlapping": 1,
        "truncated_texts": 1,
    }
    assert max(map(len, encoded["input_ids"])) == 6


def test_missed_gold_counts_in_recall(tokenizer):
    data = dataset(("我在北京上海", [(2, 4, "LOC"), (4, 6, "LOC")]), ("长江大桥", [(0, 4, "LOC"), (0, 2, "LOC")]))
    tags = entity_labels(data)
    encoded, _ = encode_ner(data, tokenizer, tags, 6)
    scores = score(encoded, tags, encoded["labels"])
    assert scores == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}


def score(encoded, tags, ids):
    width = max(map(len, ids))
    labels = np.array([row + [IGNORED] * (width - len(row)) for row in encoded["labels"]])
    given_ids = np.array([list(row) + [0] * (width - len(row)) for row in ids])
    return SpanScorer(encoded, tags)(EvalPrediction(predictions=given_ids, label_ids=labels))


def test_scores_are_of_exact_entities(tokenizer):
    data = dataset(("我在北京上海", [(2, 4, "LOC"), (4, 6, "ORG")]))
    tags = entity_labels(data)  # O B-LOC I-LOC B-ORG I-ORG
    encoded, _ = encode_ner(data, tokenizer, tags, 64)
    right = score(encoded, tags, [[0, 0, 0, 1, 2, 3, 4, 0]])
    assert right == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    half = score(encoded, tags, [[0, 0, 0, 1, 2, 3, 0, 0]])  # the second is too short
    assert half == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert score(encoded, tags, [[0] * 8]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    report = SpanScorer(encoded, tags).report(np.array([[0, 0, 0, 1, 2, 3, 0, 0]]))
    assert report["LOC"]["f1-score"] == 1.0
    assert report["ORG"]["support"] == 1


def test_logits_and_ids_name_the_same_entities(tokenizer):
    data = dataset(("我在北京", [(2, 4, "LOC")]))
    tags = entity_labels(data)
    encoded, _ = encode_ner(data, tokenizer, tags, 64)
    logits = np.random.default_rng(0).normal(size=(1, 6, len(tags)))
    scorer = SpanScorer(encoded, tags)
    assert scorer.entities(logits) == scorer.entities(logits.argmax(-1))
    assert scorer.entities(np.array([[1, 0, 0, 1, 2, 1]])) == [[Entity(2, 4, "LOC")]]  # special tokens are not read


def test_other_data_are_refused(tokenizer):
    data = dataset(("我在北京", [(2, 4, "LOC")]), ("上海我", [(0, 2, "LOC")]))
    tags = entity_labels(data)
    encoded, _ = encode_ner(data, tokenizer, tags, 64)
    labels = np.array([row + [IGNORED] * (6 - len(row)) for row in encoded["labels"]])
    with pytest.raises(ValueError, match="other data"):
        SpanScorer(encoded, tags)(EvalPrediction(predictions=labels[::-1], label_ids=labels[::-1]))


def test_an_unknown_label_is_refused(tokenizer):
    data = dataset(("北京", [(0, 2, "GPE")]))
    with pytest.raises(ValueError, match="'GPE' is none of the model's"):
        encode_ner(data, tokenizer, ["O", "B-LOC", "I-LOC"], 64)


TEXT = st.text(st.sampled_from("我北京上海ae2018 　，\u200b\ufe0f😀한é"), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_gold_labels_score_all_that_can_be_found(tokenizer, data):
    rows = []
    for text in data.draw(st.lists(TEXT, min_size=1, max_size=4)):
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
        spans = list(zip(cuts[::2], cuts[1::2], strict=False))
        rows.append((text, [(start, end, data.draw(st.sampled_from(["LOC", "ORG"]))) for start, end in spans]))
    made = dataset(*rows)
    tags = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
    encoded, coverage = encode_ner(made, tokenizer, tags, 12)
    findable = coverage.entities - coverage.cut_off - coverage.between_tokens - coverage.overlapping
    found = [
        SpanScorer(encoded.select([index]), tags).entities(np.array([row]))[0]
        for index, row in enumerate(encoded["labels"])
    ]
    hits = sum(len(set(a) & {Entity(*e) for e in b}) for a, (_, b) in zip(found, rows, strict=True))
    assert hits <= coverage.entities
    # every findable entity is found, unless a token that spans a border was claimed by its neighbour
    assert hits == findable or coverage.between_tokens

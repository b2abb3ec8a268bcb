"""Labels of tokens, what they cannot express, and entities of predicted tags, where the answers are plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ner_tools import dataset, make_tokenizer

from hanziformers.training.ner_features import IGNORED, decode_ner, encode_ner, entity_tags
from hanziformers.training.tag_schemes import Entity


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def names(encoded, tags):
    return [[tags[label] if label != IGNORED else "-" for label in row] for row in encoded["labels"]]


def test_tags_of_all_labels_sorted():
    data = dataset(("北京", [(0, 2, "LOC")]), ("上海", [(0, 1, "A")]))
    assert entity_tags([data]) == ["O", "B-A", "I-A", "B-LOC", "I-LOC"]


def test_tokens_get_tags_by_their_characters(tokenizer):
    data = dataset(("我在 北京 apples，上海上海", [(3, 5, "LOC"), (6, 12, "ORG"), (13, 15, "LOC"), (15, 17, "LOC")]))
    tags = entity_tags([data])
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
    encoded, coverage = encode_ner(data, tokenizer, entity_tags([data]), 6)
    assert coverage.__dict__ == {
        "entities": 7,
        "cut_off": 1,
        "between_tokens": 3,
        "overlapping": 1,
        "truncated_texts": 1,
    }
    assert max(map(len, encoded["input_ids"])) == 6


def decode(encoded, tags, predictions):
    return decode_ner(np.asarray(predictions), encoded["offsets"][:], encoded["labels"][:], tags)


def test_logits_and_ids_name_the_same_entities(tokenizer):
    data = dataset(("我在北京", [(2, 4, "LOC")]))
    tags = entity_tags([data])
    encoded, _ = encode_ner(data, tokenizer, tags, 64)
    logits = np.random.default_rng(0).normal(size=(1, 6, len(tags)))
    assert decode(encoded, tags, logits) == decode(encoded, tags, logits.argmax(-1))
    # neither special tokens nor padding are read
    assert decode(encoded, tags, [[1, 0, 0, 1, 2, 1, 1, 1]]) == [[Entity(2, 4, "LOC")]]


def test_an_unknown_label_is_refused(tokenizer):
    data = dataset(("北京", [(0, 2, "GPE")]))
    with pytest.raises(ValueError, match="'GPE' is none of the model's"):
        encode_ner(data, tokenizer, ["O", "B-LOC", "I-LOC"], 64)


TEXT = st.text(st.sampled_from("我北京上海ae2018 　，\u200b\ufe0f😀한é"), min_size=1, max_size=20)


@settings(max_examples=60)
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
    found = [decode(encoded.select([index]), tags, [row])[0] for index, row in enumerate(encoded["labels"])]
    hits = sum(len(set(a) & {Entity(*e) for e in b}) for a, (_, b) in zip(found, rows, strict=True))
    assert hits <= coverage.entities
    # every findable entity is found, unless a token that spans a border was claimed by its neighbour
    assert hits == findable or coverage.between_tokens

"""One record of each form (see test_ner_data for their errors)."""

import pytest

from hanziformers.training.ner_records import TAG_COLUMNS, parse_record
from hanziformers.training.tag_schemes import Entity

ENTITIES = [Entity(0, 2, "PER")]
OFFSETS = [{"start": 0, "end": 2, "label": "PER"}]


@pytest.mark.parametrize(
    "record",
    [
        {"text": "李雷好", "entities": OFFSETS},
        {"text": "李雷好", "entities": {"start": [0], "end": [2], "label": ["PER"]}},
        {"text": "李雷好", "label": {"PER": {"李雷": [[0, 1]]}}},
    ],
)
def test_texts_with_offsets(record):
    sentence = parse_record("row 0", record, None)
    assert (sentence.text, sentence.entities, sentence.tokens) == ("李雷好", ENTITIES, None)


@pytest.mark.parametrize("column", TAG_COLUMNS)
@pytest.mark.parametrize(("tags", "names"), [(["B-PER", "O"], None), ([1, 0], ["O", "B-PER"])])
def test_tokens_with_tags(column, tags, names):
    sentence = parse_record("row 0", {"tokens": ["李", "好"], column: tags, "text": "李好"}, names)
    assert (sentence.tokens, sentence.tags) == (["李", "好"], ["B-PER", "O"])


def test_other_forms_are_refused():
    with pytest.raises(ValueError, match="row 0 is of no known form.*write one of: text with entities"):
        parse_record("row 0", {"text": "李雷好"}, None)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": "李", "entities": [], "tags": ["news"], "tokens": None}, "text"),
        ({"text": "李", "entities": [], "tags": "news", "tokens": 1}, "text"),
        ({"text": "李", "entities": [], "tags": "news", "tokens": ["李"]}, "text"),
        ({"tokens": ["李"], "tags": "news", "labels": ["O"]}, "tokens"),
        ({"tokens": ["李"], "ner_tags": None, "labels": ["O"]}, "tokens"),
    ],
)
def test_columns_that_hold_something_else_are_not_looked_at(record, expected):
    sentence = parse_record("row 0", record, None)
    assert (sentence.tokens is None) == (expected == "text")
    assert expected == "text" or sentence.locate(0) == "row 0, token 1"

"""Exact entities against hand-counted cases, a plain count, and seqeval where tags say the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from hanziformers.training.exact_entities import ExactEntities
from hanziformers.training.tag_schemes import Entity, encode_tags, split_overlaps

METRIC = ExactEntities(keep_in_memory=True)


def texts(*rows):
    return [[Entity(*entity)._asdict() for entity in row] for row in rows]


def compute(predictions, references, **options):
    return METRIC.compute(predictions=predictions, references=references, **options)


LOC, ORG = (2, 4, "LOC"), (4, 6, "ORG")


@pytest.mark.parametrize(
    ("predicted", "precision", "recall"),
    [
        ([[LOC, ORG], [LOC]], 1, 1),
        ([[ORG, LOC], [LOC]], 1, 1),  # in any order
        ([[LOC], [LOC]], 1, 2 / 3),
        ([[LOC, ORG], [ORG]], 2 / 3, 2 / 3),  # a right entity in a wrong text
        ([[(2, 5, "LOC"), (3, 4, "LOC"), (2, 4, "ORG")], []], 0, 0),  # end, start and label are wrong
        ([[LOC, LOC], []], 1 / 2, 1 / 3),  # given twice, right once
        ([[], []], 0, 0),
    ],
)
def test_counted_by_hand(predicted, precision, recall):
    result = compute(texts(*predicted), texts([LOC, ORG], [LOC]))
    assert (result["precision"], result["recall"]) == pytest.approx((precision, recall))
    f1 = 2 * precision * recall / (precision + recall) if precision else 0
    assert result == {"precision": precision, "recall": recall, "f1": pytest.approx(f1)}


def test_nothing_to_find():
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert compute([[]], [[]]) == compute([[]], texts([LOC])) == compute(texts([LOC]), [[]]) == nothing


def test_overlapping_gold_entities_all_count():
    gold = texts([(0, 4, "LOC"), (0, 2, "LOC"), (0, 2, "LOC")])
    assert compute(texts([(0, 4, "LOC")]), gold)["recall"] == pytest.approx(1 / 3)
    assert compute(texts([(0, 2, "LOC")]), gold)["recall"] == pytest.approx(1 / 3)
    assert compute(texts([(0, 4, "LOC"), (0, 2, "LOC")]), gold)["recall"] == pytest.approx(2 / 3)


def test_every_label_by_itself():
    result = compute(texts([LOC, (0, 1, "PER")], []), texts([LOC, ORG], [LOC]), by_label=True)["by_label"]
    assert list(result) == ["LOC", "ORG", "PER"]
    assert result["LOC"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert result["ORG"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert result["PER"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


SPANS = st.lists(
    st.builds(
        lambda start, size, label: Entity(start, start + size, label),
        st.integers(0, 6),
        st.integers(1, 4),
        st.sampled_from("xy"),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=4))
def test_flat_entities_score_as_seqeval_scores_their_tags(rows):
    flat = [[split_overlaps(side)[0] for side in row] for row in rows]
    predicted, gold = ([encode_tags(row[side], 10) for row in flat] for side in (0, 1))
    ours = compute(*([[entity._asdict() for entity in row[side]] for row in flat] for side in (0, 1)))
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    theirs = {name: score(gold, predicted, zero_division=0) for name, score in scores.items()}
    assert ours == theirs  # to the last bit
    assert compute(predicted, gold) == ours


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BMES", "BILOU"])
def test_tags_of_two_schemes(scheme):
    """A model's IOB2 against data in any scheme; predictions alone may lack the prefixes that tell their scheme."""
    gold = [encode_tags([Entity(0, 3, "x"), Entity(3, 5, "x"), Entity(6, 7, "y")], 8, scheme)]
    predicted = [encode_tags([Entity(0, 3, "x"), Entity(3, 5, "x")], 8)]
    assert compute(predicted, gold) == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": pytest.approx(0.8)}
    only_ends = [["O"] * 4 + [gold[0][4]] + ["O"] * 3]
    assert compute(only_ends, gold)["precision"] == 0.0


def test_texts_without_entities_come_first_or_last():
    assert compute([[], *texts([LOC])], [[], *texts([LOC])])["f1"] == 1.0
    assert compute([["O"], ["B-x"]], [["O"], ["B-x"]])["f1"] == 1.0
    assert compute([[], ["B-x"]], [[], ["B-x"]])["f1"] == 1.0
    assert compute([[], ["B-x", "O"]], [[], ["B-x", "B-x"]])["recall"] == 0.5


def test_further_keys_of_an_entity_are_not_read():
    """As predictions.jsonl has them."""
    found = [[{**entity, "text": "北京", "score": 0.5} for entity in row] for row in texts([LOC, ORG], [LOC])]
    assert compute(found, texts([LOC], [LOC]))["precision"] == pytest.approx(2 / 3)
    METRIC.add(prediction=found[1], reference=found[1])
    assert METRIC.compute()["f1"] == 1.0
    with pytest.raises(
        ValueError, match=r"\{'start': 0, 'label': 'LOC'\} is no entity; give one with start, end, label"
    ):
        compute([[{"start": 0, "label": "LOC"}]], [[]])


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows of predictions and references; give one for each text"):
        compute([], [])


@pytest.mark.parametrize(("predicted", "gold"), [([["O"]], [["O", "O"]]), ([["O"]], [[]]), ([[]], [["O"]])])
def test_tag_sequences_of_two_lengths_are_refused(predicted, gold):
    with pytest.raises(ValueError, match=f"row 0 has {len(predicted[0])} predicted tags and {len(gold[0])} references"):
        compute(predicted, gold)

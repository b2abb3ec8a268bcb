"""UAS and LAS: hand-counted, and against a slow obvious way."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EvalPrediction

from hanziformers.training.conllu_files import conllu_line
from hanziformers.training.dependency_data import FEATURES
from hanziformers.training.dependency_scores import TreeScorer, is_punctuation

RELATIONS = ["nsubj", "nsubj:pass", "obj", "punct", "root"]


def scorer(*sentences):
    """Of sentences of words (tag, head, relation)."""
    rows = []
    for sentence in sentences:
        tags, heads, relations = ([*column] for column in zip(*sentence, strict=True))
        words = [f"词{number}" for number in range(len(tags))]
        columns = zip(words, tags, heads, relations, strict=True)
        lines = [conllu_line(number, *word) for number, word in enumerate(columns, 1)]
        has_tree = heads[0] is not None
        row = {"words": words, "tags": tags, "heads": heads if has_tree else [], "source": "\n".join(lines)}
        rows.append({**row, "relations": relations if has_tree else []})
    dataset = Dataset.from_list(rows, features=FEATURES)
    labels = {"head_labels": [row["heads"] or [-100] * len(row["words"]) for row in rows]}
    labels["relation_labels"] = [
        [RELATIONS.index(name) if name in RELATIONS else -100 for name in row["relations"]]
        or [-100] * len(row["words"])
        for row in rows
    ]
    return TreeScorer(dataset, Dataset.from_dict(labels), RELATIONS)


def padded(rows, fill=-100):
    width = max(map(len, rows)) + 1
    return np.array([[*row, *[fill] * (width - len(row))] for row in rows])


SENTENCE = [("PRON", 2, "nsubj"), ("VERB", 0, "root"), ("NOUN", 2, "obj"), ("PUNCT", 2, "punct")]


def test_hand_counted():
    """Head and relation right; head right, relation a subtype; head wrong; punctuation wrong."""
    found = scorer(SENTENCE)
    predictions = padded([[2, 0, 1, 1]]), padded([[1, 4, 2, 0]], fill=-1)
    assert found.scores(predictions) == {"uas": pytest.approx(2 / 3), "las": pytest.approx(1 / 3)}
    by_label = found.by_label(predictions)
    assert by_label == {
        "nsubj": {"uas": 1.0, "las": 0.0, "precision": 0.0, "support": 1},
        "nsubj:pass": {"uas": 0.0, "las": 0.0, "precision": 0.0, "support": 0},
        "obj": {"uas": 0.0, "las": 0.0, "precision": 0.0, "support": 1},
        "root": {"uas": 1.0, "las": 1.0, "precision": 1.0, "support": 1},
    }


def test_words_count_alike_however_long_their_sentences():
    found = scorer(SENTENCE, [("VERB", 0, "root")])
    predictions = padded([[2, 0, 2, 2], [0]]), padded([[0, 4, 2, 3], [0]])
    assert found.scores(predictions) == {"uas": 1.0, "las": 0.75}


def test_sentences_without_trees_are_parsed_and_not_scored():
    bare = [("PRON", None, "_"), ("VERB", None, "_")]
    found = scorer(bare, SENTENCE)
    predictions = padded([[2, 0], [2, 0, 2, 2]]), padded([[0, 4], [0, 4, 2, 3]])
    assert found.scores(predictions) == {"uas": 1.0, "las": 1.0}
    assert [row["gold"] is None for row in found.rows(predictions)] == [True, False]
    assert "1\t词0\t_\tPRON\t_\t_\t2\tnsubj\t_\t_\n2\t词1\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n" in found.conllu(
        predictions
    )
    alone = scorer(bare)
    assert alone.scores((padded([[2, 0]]), padded([[0, 4]]))) == {}
    assert alone.by_label((padded([[2, 0]]), padded([[0, 4]]))) == {}


def test_a_relation_that_the_model_does_not_know_is_missed():
    found = scorer([("PRON", 2, "iobj"), ("VERB", 0, "root")])
    predictions = padded([[2, 0]]), padded([[2, 4]])
    assert found.scores(predictions) == {"uas": 1.0, "las": 0.5}
    assert found.by_label(predictions)["iobj"]["support"] == 1


def test_punctuation():
    assert is_punctuation("PUNCT", "dep")
    assert not is_punctuation("SYM", "punct")
    assert is_punctuation("_", "punct")
    assert is_punctuation("_", "punct:x")
    assert not is_punctuation("_", "punctual")


def test_rows():
    (row,) = scorer(SENTENCE).rows((padded([[2, 0, 1, 1]]), padded([[1, 4, 2, 0]])))
    assert row == {
        "words": ["词0", "词1", "词2", "词3"],
        "heads": [2, 0, 1, 1],
        "relations": ["nsubj:pass", "root", "obj", "nsubj"],
        "gold": {"heads": [2, 0, 2, 2], "relations": ["nsubj", "root", "obj", "punct"]},
    }


WORD = st.tuples(st.sampled_from(["NOUN", "PUNCT", "_"]), st.integers(0, 3), st.sampled_from(RELATIONS))
FOUND = st.tuples(st.integers(0, 3), st.integers(0, 4))


@settings(max_examples=30)
@given(st.lists(st.lists(st.tuples(WORD, FOUND), min_size=1, max_size=4), min_size=1, max_size=4))
def test_against_the_slow_way(sentences):
    found = scorer(*([gold for gold, _ in sentence] for sentence in sentences))
    columns = ([[got[part] for _, got in sentence] for sentence in sentences] for part in (0, 1))
    predictions = tuple(padded(column) for column in columns)
    words = heads = both = 0
    for sentence in sentences:
        for (tag, head, relation), (got_head, got_relation) in sentence:
            if tag == "PUNCT" or (tag == "_" and relation == "punct"):
                continue
            words += 1
            if head == got_head:
                heads += 1
                if relation == RELATIONS[got_relation]:
                    both += 1
    expected = {"uas": heads / words, "las": both / words} if words else {}
    assert found.scores(predictions) == expected
    labels = tuple(padded(found.labels[part]) for part in (0, 1))
    assert found(EvalPrediction(predictions=predictions, label_ids=labels)) == expected
    by_label = found.by_label(predictions)
    assert sum(row["support"] for row in by_label.values()) == words
    assert sum(round(row["las"] * row["support"]) for row in by_label.values()) == both


def test_other_data_are_refused():
    found = scorer(SENTENCE)
    labels = padded([[2, 0, 1, 2]]), padded([[0, 4, 2, 3]])
    with pytest.raises(ValueError, match="other data"):
        found(EvalPrediction(predictions=labels, label_ids=labels))

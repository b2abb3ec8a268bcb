"""The task of named entities, and its scores on small texts whose answers are plain."""

import numpy as np
import pytest
from datasets import Dataset
from ner_tools import dataset, make_tokenizer
from transformers import EvalPrediction, HfArgumentParser

from hanziformers.training.ner_features import IGNORED, entity_tags
from hanziformers.training.ner_task import NerScorer, NerTask

CONLLU = "".join(
    f"{index}\t{form}\t_\t{part}\t_\t_\t_\t_\t_\t_\n"
    for index, (form, part) in enumerate([("我", "PRON"), ("在", "ADP"), ("北京", "PROPN")], 1)
)


def test_words_are_entities_that_cover_the_text(tmp_path, tokenizer):
    (tmp_path / "train.conllu").write_text(CONLLU, encoding="utf-8")
    tasks = {name: NerTask(task_name=name) for name in ("cws", "pos")}
    found = {name: task.read(tmp_path / "train.conllu")[0] for name, task in tasks.items()}
    assert {name: entity_tags([data]) for name, data in found.items()} == {
        "cws": ["O", "B-W", "I-W"],
        "pos": ["O", "B-ADP", "I-ADP", "B-PRON", "I-PRON", "B-PROPN", "I-PROPN"],
    }
    encoded, tags = encode(found["cws"], tokenizer)
    assert encoded["labels"][0] == [IGNORED, 1, 1, 1, 2, IGNORED]
    # one wrong boundary costs two words
    assert score(encoded, tags, [[0, 1, 2, 1, 2, 0]])["precision"] == 0.5
    kinds = {name: (task.title, *task.tags, task.card_fields([], {}, None)["kind"]) for name, task in tasks.items()}
    assert kinds == {
        "cws": ("words", "chinese-word-segmentation", "words"),
        "pos": ("words with their parts of speech", "part-of-speech", "words with their parts of speech"),
    }


def test_tagged_words_are_read_as_entities_are(tmp_path):
    (tmp_path / "train.bmes").write_text("北 B-W\n京 E-W\n好 S-W\n\n", encoding="utf-8")
    data, report = NerTask(task_name="cws").read(tmp_path / "train.bmes")
    assert [entity["label"] for entity in data["entities"][0]] == ["W", "W"]
    assert report.scheme == "BIOES"


def test_conllu_has_no_named_entities(tmp_path):
    (tmp_path / "train.conllu").write_text(CONLLU, encoding="utf-8")
    with pytest.raises(ValueError, match=r"train\.conllu is named as a file of CoNLL-U.* give --task_name cws or pos"):
        NerTask().read(tmp_path / "train.conllu")
    with pytest.raises(ValueError, match="task_name='seg' is not allowed; give one of ner, cws, pos"):
        NerTask(task_name="seg")


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def encode(data, tokenizer, length=64):
    tags = NerTask().labels({"train": data}, {})
    return NerTask().encode(data, tokenizer, tags, length, "train")[0], tags


def test_missed_gold_counts_in_recall(tokenizer):
    data = dataset(("我在北京上海", [(2, 4, "LOC"), (4, 6, "LOC")]), ("长江大桥", [(0, 4, "LOC"), (0, 2, "LOC")]))
    encoded, tags = encode(data, tokenizer, 6)
    scores = score(encoded, tags, encoded["labels"])
    assert scores == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}


def score(encoded, tags, ids):
    width = max(map(len, ids))
    labels = np.array([row + [IGNORED] * (width - len(row)) for row in encoded["labels"]])
    given_ids = np.array([list(row) + [0] * (width - len(row)) for row in ids])
    return NerScorer(encoded, tags)(EvalPrediction(predictions=given_ids, label_ids=labels))


def test_scores_are_of_exact_entities(tokenizer):
    data = dataset(("我在北京上海", [(2, 4, "LOC"), (4, 6, "ORG")]))
    encoded, tags = encode(data, tokenizer)  # O B-LOC I-LOC B-ORG I-ORG
    right = score(encoded, tags, [[0, 0, 0, 1, 2, 3, 4, 0]])
    assert right == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    half = score(encoded, tags, [[0, 0, 0, 1, 2, 3, 0, 0]])  # the second is too short
    assert half == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert score(encoded, tags, [[0] * 8]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    report = NerScorer(encoded, tags).by_label(np.array([[0, 0, 0, 1, 2, 3, 0, 0]]))
    assert report["LOC"]["f1"] == 1.0
    assert report["ORG"]["support"] == 1


def test_rows_hold_what_was_found_with_its_characters(tokenizer):
    data = dataset(("我在北京上海", [(2, 4, "LOC"), (4, 6, "ORG")]))
    encoded, tags = encode(data, tokenizer)
    logits = np.eye(len(tags))[[0, 0, 0, 1, 2, 0, 0, 0]][None]
    assert NerScorer(encoded, tags).rows(logits) == [
        {
            "text": "我在北京上海",
            "entities": [{"start": 2, "end": 4, "label": "LOC", "text": "北京"}],
            "gold": [{"start": 2, "end": 4, "label": "LOC"}, {"start": 4, "end": 6, "label": "ORG"}],
        }
    ]


def test_other_data_are_refused(tokenizer):
    data = dataset(("我在北京", [(2, 4, "LOC")]), ("上海我", [(0, 2, "LOC")]))
    encoded, tags = encode(data, tokenizer)
    labels = np.array([row + [IGNORED] * (6 - len(row)) for row in encoded["labels"]])
    with pytest.raises(ValueError, match="other data"):
        NerScorer(encoded, tags)(EvalPrediction(predictions=labels[::-1], label_ids=labels[::-1]))


def test_reads_files_and_data_sets_alike(tmp_path):
    (tmp_path / "data.bio").write_text("New B-LOC\nYork I-LOC\n", encoding="utf-8")
    columns = Dataset.from_dict({"tokens": [["New", "York"]], "tags": [["B-LOC", "I-LOC"]]})
    for source in (tmp_path / "data.bio", columns):
        data, report = NerTask(joiner=" ").read(source)
        assert data[0] == {"text": "New York", "entities": [{"start": 0, "end": 8, "label": "LOC"}]}
        assert report.entities == 1


def test_what_the_card_and_the_trainer_are_told():
    task = NerTask()
    assert task.card_fields(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], {}, None) == {
        "kind": "named entities",
        "labels": "LOC, PER",
    }
    assert task.best_score in task.scores
    logits = np.random.default_rng(0).normal(size=(2, 3, 5))
    assert (task.preprocess_logits((logits, "states"), None) == logits.argmax(-1)).all()


def test_the_classifier_is_an_option_of_the_task():
    (task,) = HfArgumentParser(NerTask).parse_args_into_dataclasses(["--classifier", "crf"])
    assert task.classifier == "crf"
    assert NerTask().classifier is None
    with pytest.raises(SystemExit):
        HfArgumentParser(NerTask).parse_args_into_dataclasses(["--classifier", "gru"])

"""The task of semantic role labelling: how k is chosen, what a new model reads, and what is refused."""

from pathlib import Path

import glyce_tools
import numpy as np
import pytest
from datasets import Dataset
from srl_tools import build

from hanziformers import GlyceForTokenClassification
from hanziformers.tokenization.tokenization_words import WordTokenizer
from hanziformers.training import srl_task
from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.data_splits import select_rows
from hanziformers.training.model_loading import ModelArguments
from hanziformers.training.srl_data import SrlReport
from hanziformers.training.srl_task import SrlTask

SAMPLE = Path(__file__).parent / "data" / "srl_sample"


@pytest.fixture(scope="module")
def sample():
    read = SrlTask().read
    return {"train": read(SAMPLE / "train.conllup")[0], "test": read(SAMPLE / "test.conll09")[0]}


def report(*coverage):
    return SrlReport(1, 0, 1, 1, 0, 0, list(coverage))


def order(task, **reports):
    task.check(dict.fromkeys(reports, Dataset.from_dict({"tags": [["X"]], "relations": [["x"]]})), reports)
    return task._order


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [((0.1, 0.8, 0.976, 0.998, 1.0), 3), ((0.1, 0.9899, 0.99, 1.0), 2), ((1.0,), 0), ((), 0)],
)
def test_k_is_the_least_that_keeps_enough(coverage, expected):
    assert order(SrlTask(), validation=report(*coverage), train=report(0.99), test=report(0.99)) == expected
    assert order(SrlTask(), train=report(*coverage), test=report(0.99)) == expected


@pytest.mark.parametrize("name", ["train", "validation"])
def test_nothing_is_learned_or_scored_from_data_without_arguments(name):
    empty = SrlReport(2, 0, 3, 0, 3, 0, [])
    with pytest.raises(ValueError, match=f"no predicate of the {name} data has an argument .*--test_file"):
        order(SrlTask(), **{"train": report(1.0), "validation": report(1.0), name: empty})
    assert order(SrlTask(), test=empty) == 0


def test_how_much_every_k_keeps_is_logged(warnings):
    order(SrlTask(), train=report(1.0), validation=report(0.25, 1.0))
    assert "arguments of the validation data that k-order pruning keeps: k=0: 25.00%, k=1: 100.00%" in warnings


def test_predicates_of_a_sentence_stay_together_where_validation_data_are_held_out(sample):
    for seed in range(3):
        parts = select_rows(SrlTask(), {"train": sample["train"]}, DataArguments(validation_fraction=0.3), seed)
        assert sum(map(len, parts.values())) == len(sample["train"])
        train, validation = ({*map(tuple, parts[name]["words"])} for name in ("train", "validation"))
        assert not train & validation


@pytest.mark.parametrize(("given", "expected"), [("0", 0), ("12", 12), ("none", None)])
def test_k_may_be_given(given, expected):
    assert order(SrlTask(pruning_order=given), train=report(0.5, 1.0)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pruning_order": "-1"}, "pruning_order='-1' is not allowed; allowed is 'auto', 'none' or an integer"),
        ({"pruning_order": "two"}, "pruning_order='two'"),
        ({"syntax": "ours"}, "syntax='ours' is not allowed; allowed is 'gold' or 'predicted'"),
    ],
)
def test_options_that_are_not_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        SrlTask(**options)


def test_data_sets_of_the_hub_are_refused():
    with pytest.raises(ValueError, match="dataset_name is not allowed for semantic roles"):
        SrlTask().read(Dataset.from_dict({"words": []}))


def test_labels_are_those_of_the_training_data(sample):
    assert SrlTask().labels(sample, {}) == ["O", "A0", "A1", "AM-LOC", "AM-NEG", "AM-TMP"]
    assert SrlTask().labels({"test": sample["test"]}, {}) == ["O"]


def test_words_are_counted_once_a_sentence(sample):
    texts = list(SrlTask().training_texts(sample["train"]))
    assert len(texts) == 60 < len(sample["train"])
    assert texts[0] == sample["train"][0]["words"]


@pytest.fixture
def loaded(monkeypatch):
    """What `load_model` was asked for, answered with a tiny labeller of roles."""

    def load(args, auto_class, labels, training, **fields):
        asked.update(fields)
        return build(pos_tags=["X"], relations=[], pruning_order=5), None, labels

    asked = {}
    monkeypatch.setattr(srl_task, "load_model", load)
    return asked


def test_a_new_model_reads_the_tags_of_the_training_data(loaded, sample):
    task = SrlTask(read_relations=True)
    reports = {"train": report(0.5, 1.0)}
    task.check({"train": sample["train"]}, reports)
    model, _, _ = task.load_model(ModelArguments(model_type="srl"), ["O"], True)
    assert loaded["pos_tags"] == ["ADJ", "ADP", "ADV", "AUX", "NOUN", "PART", "PRON", "PUNCT", "VERB"]
    assert loaded["relations"][:3] == ["acl:relcl", "advmod", "amod"]
    assert model.config.pruning_order == 1


@pytest.mark.parametrize(
    ("given", "training", "expected"), [("auto", False, 5), ("auto", True, 1), ("2", False, 2), ("none", False, None)]
)
def test_a_checkpoint_keeps_its_own_k_unless_it_is_trained_or_another_is_given(
    loaded, sample, given, training, expected
):
    task = SrlTask(pruning_order=given)
    task.check(sample, {"train": report(0.5, 1.0), "test": report(0.5, 0.6, 1.0)})
    model, _, _ = task.load_model(ModelArguments(model_name_or_path="somewhere"), ["O"], training)
    assert model.config.pruning_order == expected
    assert loaded == {"texts": ()}  # what it reads is its own


def test_another_model_is_refused(monkeypatch):
    model = glyce_tools.build(GlyceForTokenClassification)
    monkeypatch.setattr(srl_task, "load_model", lambda *args, **fields: (model, None, ["O"]))
    with pytest.raises(ValueError, match="a glyce labels no semantic roles: .* give --model_type srl"):
        SrlTask().load_model(ModelArguments(model_name_or_path="somewhere"), ["O"], True)


def test_trees_are_not_cut(loaded, sample):
    task = SrlTask()
    task.check(sample, {"train": report(1.0)})
    task.load_model(ModelArguments(model_name_or_path="somewhere"), ["O"], False)
    tokenizer = WordTokenizer({"[PAD]": 0, "[UNK]": 1})
    longest = max(map(len, sample["test"]["words"]))
    with pytest.raises(ValueError, match=f"a sentence of the test data has {longest} words, and a tree cannot be cut"):
        task.encode(sample["test"], tokenizer, ["O"], longest - 1, "test")
    _, coverage = task.encode(sample["test"], tokenizer, ["O"], longest, "test")
    assert coverage.unknown_roles == coverage.arguments == 50


@pytest.mark.parametrize(
    ("column", "message"), [("tags", "data has a part of speech"), ("relations", "data has a relation to its head")]
)
def test_data_without_what_the_model_reads_are_refused(monkeypatch, sample, column, message):
    model = build(pos_tags=["NOUN"], relations=["nsubj"])
    monkeypatch.setattr(srl_task, "load_model", lambda *args, **fields: (model, None, ["O"]))
    task, tokenizer = SrlTask(), WordTokenizer({"[PAD]": 0, "[UNK]": 1})
    task.load_model(ModelArguments(model_name_or_path="somewhere"), ["O"], False)
    task.encode(sample["test"], tokenizer, ["O"], 99, "test")
    bare = sample["test"].map(lambda row: {column: ["_"] * len(row["words"])})
    with pytest.raises(ValueError, match=message):
        task.encode(bare, tokenizer, ["O"], 99, "test")


def test_the_most_probable_role_is_kept():
    logits = np.array([[[0.1, 0.9], [0.7, 0.2]]])
    assert SrlTask().preprocess_logits((logits, "hidden"), None).tolist() == [[1, 0]]


def test_the_card_says_how_much_every_k_keeps():
    task = SrlTask(pruning_order="none")
    fields = task.card_fields(["O", "A0", "A1"], {"train": report(0.5, 1.0), "test": report(1.0)}, None)
    assert fields["roles"] == "A0, A1"
    assert fields["coverage"] == "- train: k=0 50.0%, k=1 100.0%\n- test: k=0 100.0%"
    assert fields["order"] == "all words are read"

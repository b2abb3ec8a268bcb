"""The task of parsing, as `fine_tune` uses it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from hanziformers import BiaffineForDependencyParsing
from hanziformers.training.dependency_scores import TreeScorer
from hanziformers.training.dependency_task import DependencyTask
from hanziformers.training.model_loading import ModelArguments

BANK = Path(__file__).parent / "data" / "treebank"
SIZES = "hidden_size=8,num_hidden_layers=1,embedding_dim=4,arc_size=4,relation_size=4,glyph_dim=8,glyph_groups=2"
NEW = ModelArguments(model_type="biaffine", config_overrides=SIZES, vocabulary_bank=True, glyph_styles="song")


@pytest.fixture(scope="module")
def data():
    task = DependencyTask()
    read = {split: task.read(BANK / f"{name}.conllu") for split, name in (("train", "train"), ("test", "test"))}
    return {name: both[0] for name, both in read.items()}


def load(task, data, args=NEW, training=True):
    task.check(data, {})
    texts = task.training_texts(data["train"]) if "train" in data else ()
    return task.load_model(args, task.labels(data, {}), training, texts)


def test_a_new_parser_has_the_words_and_relations_of_the_training_data(data, tmp_path):
    task = DependencyTask()
    model, processor, labels = load(task, data)
    assert type(model) is BiaffineForDependencyParsing
    assert labels == [model.config.id2label[index] for index in range(len(labels))]
    assert {"nsubj", "nsubj:pass", "root"} <= set(labels)
    assert labels == sorted(labels)
    assert model.config.pos_tags == []
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    test_only, again = {"test": data["test"]}, DependencyTask(read_tags=True)  # tags are those of the checkpoint
    loaded, processor, own = load(again, test_only, ModelArguments(str(tmp_path)), training=False)
    assert own == labels
    assert "tag_ids" not in again.encode(data["test"], processor, own, 99, "test")[0].column_names
    batch = again.collator(processor.tokenizer, 8)(again.encode(data["test"], processor, own, 99, "test")[0].to_list())
    assert batch["head_labels"].shape == batch["word_ids"].shape == (3, 8)
    assert batch["head_labels"][2].tolist() == [3, 3, 0, 3, -100, -100, -100, -100]
    kept = {name: batch[name] for name in ("word_ids", "attention_mask", "glyph_ids", "extra_glyphs")}
    assert torch.equal(loaded.decode(**kept).heads, model.eval().decode(**kept).heads)


def test_parts_of_speech_are_read_if_that_is_wanted(data):
    task = DependencyTask(read_tags=True)
    model, processor, labels = load(task, data)
    assert model.config.pos_tags[:3] == ["ADJ", "ADP", "ADV"]
    encoded, coverage = task.encode(data["test"], processor, labels, 99, "test")
    assert encoded["tag_ids"][2][:2] == [1 + model.config.pos_tags.index(name) for name in ("NOUN", "ADV")]
    assert coverage.unknown_tags == 0
    bare = data["test"].map(lambda row: {"tags": ["_"] * len(row["words"])})
    with pytest.raises(ValueError, match=r"no word of the test data has a part of speech \(UPOS\)"):
        task.encode(bare, processor, labels, 99, "test")
    assert "gold ones" in task.card_fields(labels, {}, processor)["reads"]
    assert "NOUN" in task.card_fields(labels, {}, processor)["reads"]


def test_what_is_refused(data, tmp_path):
    bare = data["train"].map(lambda row: {"tags": ["_"] * len(row["words"])})
    with pytest.raises(ValueError, match="read_tags=True is not allowed: no word of the training data has a part"):
        DependencyTask(read_tags=True).check({"train": bare}, {})
    with pytest.raises(ValueError, match="a new parser learns its relations from training data"):
        load(DependencyTask(), {"test": data["test"]}, training=False)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n我\n", encoding="utf-8")
    bert = "hidden_size=8,num_hidden_layers=1,num_attention_heads=1,intermediate_size=8"
    other = ModelArguments(model_type="bert", vocab_file=str(tmp_path / "vocab.txt"), config_overrides=bert)
    with pytest.raises(ValueError, match="BertModel is no dependency parser: give --model_type biaffine"):
        load(DependencyTask(), data, other)
    with pytest.raises(
        ValueError, match="max_seq_length=5: a sentence of the train data has 8 words, and a tree cannot"
    ):
        DependencyTask().encode(data["train"], None, [], 5, "train")


def test_rows_with_trees(data):
    rows = Dataset.from_dict({"heads": [[0], [], [2, 0]]})
    assert DependencyTask().labelled_rows(rows) == [0, 2]


def test_the_first_tree_is_written_drawn_and_shown(data, tmp_path):
    task, rows = DependencyTask(), data["test"]
    assert task.example() == ""
    encoded = Dataset.from_dict(dict.fromkeys(("head_labels", "relation_labels"), rows["heads"][:]))
    width = max(map(len, rows["heads"]))
    heads = np.array([[*row, *[-100] * (width - len(row))] for row in rows["heads"]])
    task.write_predictions(tmp_path, TreeScorer(rows, encoded, ["dep"]), (heads, np.zeros_like(heads)))
    written = (tmp_path / "predictions.conllu").read_text(encoding="utf-8")
    assert task.example() == written.split("\n\n")[0]
    assert [line.split("\t")[6:8] for line in task.example().split("\n") if line[0] != "#"] == [
        [str(head), "dep"] for head in rows[0]["heads"]
    ]
    assert ">dep</text>" in (tmp_path / "first_tree.svg").read_text(encoding="utf-8")


def test_what_is_kept_of_a_batch():
    arcs, relations, heads = torch.randn(2, 4, 4), torch.randn(2, 3, 5), torch.ones(2, 3)
    kept = DependencyTask().preprocess_logits((arcs, relations, heads, (arcs,)), None)
    assert torch.equal(kept[0], heads)
    assert torch.equal(kept[1], relations.argmax(-1))

"""Semantic roles as a data set: rows, counts, how many arguments pruning keeps, and what no prediction can hit."""

import os
from pathlib import Path

import pytest
from srl_tools import HEADS

from hanziformers.tokenization.tokenization_words import WordTokenizer
from hanziformers.training.srl_data import encode_srl, names_of, read_srl, roles_of

WORDS = ["他", "说", "小", "猫", "爱", "吃", "鲜", "鱼"]
ROLES = {0: "AM-CAU", 3: "A0", 4: "AM-PRD", 6: "AM-EXT", 7: "A1"}  # by steps to the path: 1, 1, 0, 2, 1


def write(folder, roles=ROLES, name="data.conllup"):
    """The sentence of srl_tools, with roles of 吃, of 说 without any, and one without a predicate."""
    arguments = "|".join(f"{role}:{word + 1}" for word, role in roles.items())
    lines = ["# global.columns = ID FORM UPOS HEAD DEPREL UP:PRED UP:ARGHEADS"]
    for index, (word, head) in enumerate(zip(WORDS, HEADS[0], strict=True)):
        sense, found = {5: ("eat.01", arguments), 1: ("say.01", "_")}.get(index, ("_", "_"))
        lines.append(f"{index + 1}\t{word}\tT{index}\t{head}\tr{index % 3}\t{sense}\t{found}")
    path = folder / name
    path.write_text("\n".join([*lines, "", "1\t好\t_\t0\troot\t_\t_"]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer():
    vocabulary = ["[PAD]", "[UNK]", *"说小猫爱吃鲜鱼"]
    return WordTokenizer({word: index for index, word in enumerate(vocabulary)})


def test_one_row_for_each_predicate(tmp_path):
    dataset, report = read_srl(write(tmp_path))
    says, eats = dataset
    assert (says["predicate"], says["sense"], says["arguments"]) == (1, "say.01", [])
    assert (eats["predicate"], eats["sense"], eats["words"], eats["heads"]) == (5, "eat.01", WORDS, HEADS[0])
    found = {argument["word"]: (argument["role"], argument["order"]) for argument in eats["arguments"]}
    assert found == {0: ("AM-CAU", 1), 3: ("A0", 1), 4: ("AM-PRD", 0), 6: ("AM-EXT", 2), 7: ("A1", 1)}
    assert (report.sentences, report.without_predicate, report.predicates, report.without_arguments) == (2, 1, 2, 1)
    assert (report.arguments, report.two_roles, report.coverage) == (5, 0, [0.2, 0.8, 1.0])
    assert roles_of(dataset) == ["O", "A0", "A1", "AM-CAU", "AM-EXT", "AM-PRD"]
    assert names_of(dataset, "relations") == ["r0", "r1", "r2"]


def test_data_without_an_argument(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("eat.01", "_").replace("|".join(
        f"{role}:{word + 1}" for word, role in ROLES.items()), "_"), encoding="utf-8")  # fmt: skip
    dataset, report = read_srl(path)
    assert (len(dataset), report.coverage, roles_of(dataset)) == (1, [], ["O"])


def test_data_without_a_predicate_are_refused(tmp_path):
    path = tmp_path / "data.conllup"
    path.write_text("# global.columns = ID FORM UPOS HEAD DEPREL UP:PRED UP:ARGHEADS\n1\t好\tADJ\t0\troot\t_\t_\n")
    with pytest.raises(ValueError, match=r"no sentence of .*data.conllup has a predicate"):
        read_srl(path)


def test_inputs_and_labels(tmp_path, tokenizer):
    dataset, _ = read_srl(write(tmp_path))
    roles = roles_of(dataset)
    encoded, coverage = encode_srl(dataset, tokenizer, roles, ["T1", "T7"], ["r0", "r2"], None)
    eats = encoded[1]
    assert eats["word_ids"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [len(word) for word in eats["glyph_ids"]] == [1] * 8
    assert (eats["heads"], eats["predicate"]) == (HEADS[0], 5)
    assert eats["tag_ids"] == [0, 1, 0, 0, 0, 0, 0, 2]
    assert eats["relation_ids"] == [1, 0, 2, 1, 0, 2, 1, 0]
    assert {word: roles[index] for word, index in enumerate(eats["labels"]) if index} == ROLES
    assert (coverage.arguments, coverage.pruned, coverage.words) == (5, 0, 16)
    assert (coverage.unknown_words, coverage.unknown_tags, coverage.unknown_relations) == (2, 12, 6)
    assert encoded[0]["labels"] == [0] * 8


def test_what_is_not_read_is_no_column(tmp_path, tokenizer):
    dataset, _ = read_srl(write(tmp_path))
    encoded, coverage = encode_srl(dataset, tokenizer, roles_of(dataset), [], [], None)
    assert not {"tag_ids", "relation_ids"} & set(encoded.column_names)
    assert (coverage.unknown_tags, coverage.unknown_relations) == (0, 0)


@pytest.mark.parametrize(("order", "lost"), [(None, []), (2, []), (1, [6]), (0, [0, 3, 6, 7])])
def test_arguments_that_pruning_loses_are_counted(tmp_path, tokenizer, order, lost):
    dataset, _ = read_srl(write(tmp_path))
    roles = roles_of(dataset)
    encoded, coverage = encode_srl(dataset, tokenizer, roles, [], [], order)
    assert coverage.pruned == len(lost)
    labelled = {word for word, index in enumerate(encoded[1]["labels"]) if index}
    assert labelled == set(ROLES) - set(lost)


def test_every_argument_that_cannot_be_found_is_counted_once(tmp_path, tokenizer):
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8").replace("A0:4", "A0:4|A2:4").replace("AM-EXT:7", "AM-EXT:7|A2:7")
    path.write_text(text, encoding="utf-8")
    dataset, report = read_srl(path)
    assert (report.arguments, report.two_roles) == (7, 2)
    _, coverage = encode_srl(dataset, tokenizer, ["O", "A0", "A2", "AM-CAU"], [], [], 1)
    assert (coverage.arguments, coverage.pruned, coverage.two_roles, coverage.unknown_roles) == (7, 2, 1, 2)


@pytest.mark.skipif("HANZIFORMERS_DATA" not in os.environ, reason="needs the data sets")
def test_the_published_annotations():
    folder = Path(os.environ["HANZIFORMERS_DATA"]) / "srl_up2.0_chinese_gsd"
    _, dev = read_srl(folder / "merged_udv2_dev.conllup.gz")
    assert (dev.sentences, dev.predicates, dev.arguments, dev.two_roles) == (499, 674, 975, 0)
    assert [round(kept, 3) for kept in dev.coverage] == [0.083, 0.802, 0.976, 0.993, 1.0]
    dataset, train = read_srl(folder / "merged_ud1.3_train.conllup.gz")
    assert (train.sentences, train.predicates, train.arguments, len(roles_of(dataset))) == (3258, 4562, 6779, 27)
    assert [round(kept, 3) for kept in train.coverage[:4]] == [0.092, 0.822, 0.976, 0.998]

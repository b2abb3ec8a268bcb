"""Splits as they are used: read, without unlabelled rows, held out, and sampled."""

from collections import Counter

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hanziformers.training import reading_data
from hanziformers.training.classification_task import ClassificationTask
from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.data_splits import read_splits, select_rows, stratified_sample
from hanziformers.training.ner_task import NerTask
from hanziformers.training.reading_task import ReadingTask


def labelled(labels):
    return Dataset.from_dict({"text": [str(number) for number in range(len(labels))], "label": labels})


def entities(count):
    rows = [{"text": str(number), "entities": [{"start": 0, "end": 1, "label": "x"}]} for number in range(count)]
    return Dataset.from_list(rows)


SPLITS = [(ClassificationTask(), labelled(["a"] * 40 + ["b"] * 20)), (NerTask(), entities(60))]


@pytest.mark.parametrize(("task", "rows"), SPLITS)
def test_validation_data_are_held_out_by_one_rule(task, rows, warnings):
    chosen = [select_rows(task, {"train": rows}, DataArguments(validation_fraction=0.25), seed) for seed in (1, 1, 2)]
    for data in chosen:
        assert list(data) == ["train", "validation"]
        train, validation = (data[name]["text"][:] for name in data)
        assert (len(train), len(validation)) == (45, 15)
        assert sorted(train + validation) == sorted(rows["text"])
    assert chosen[0]["validation"]["text"][:] == chosen[1]["validation"]["text"][:]
    assert chosen[0]["validation"]["text"][:] != chosen[2]["validation"]["text"][:]
    assert warnings[0] == "no validation data: 15 training rows were held out (seed 1)"


@pytest.mark.parametrize(("task", "rows"), SPLITS)
@pytest.mark.parametrize(("fraction", "count"), [(0, 0), (1, 60), (0.001, 0), (-0.5, -30)])
def test_none_or_all_are_not_held_out(task, rows, fraction, count):
    with pytest.raises(ValueError, match=f"validation_fraction={fraction} holds out {count} of 60 training rows"):
        select_rows(task, {"train": rows}, DataArguments(validation_fraction=fraction), 0)


@pytest.mark.parametrize(("task", "rows"), SPLITS)
def test_without_training_nothing_is_held_out(task, rows):
    data = select_rows(task, {"train": rows}, DataArguments(), 0, training=False)
    assert {name: len(split) for name, split in data.items()} == {"train": 60}


@pytest.mark.parametrize("option", [{"max_train_samples": 3}, {"validation_fraction": 0.2}])
def test_options_of_training_data_without_any_are_refused(option):
    (name,) = option
    rows = {"validation": labelled(["a"]), "test": labelled(["a"])}
    with pytest.raises(ValueError, match=f"{name}={option[name]}, but there are no training data: give --train_file"):
        select_rows(ClassificationTask(), rows, DataArguments(**option), 0)
    select_rows(ClassificationTask(), rows, DataArguments(validation_fraction=0.1), 0)


@pytest.fixture
def read_test(tmp_path):
    """A function that reads 60 rows of training data, 3 of them unlabelled, and holds out test data."""
    lines = [f"text {number}\t{'-' if number < 3 else number % 2}" for number in range(60)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")

    def read(**options):
        return read_splits(ClassificationTask(), DataArguments(train_file=str(tmp_path / "train.tsv"), **options))

    return read


def test_test_data_are_held_out_whatever_the_seed(read_test, warnings):
    data, reports = read_test(test_fraction=0.2)
    assert {name: len(rows) for name, rows in data.items()} == {"train": 46, "test": 11}
    assert list(reports) == ["train"]
    assert abs(data["test"]["label"][:].count("1") - 5.5) <= 1
    assert not set(data["train"]["text"]) & set(data["test"]["text"])
    assert not {f"text {number}" for number in range(3)} & {*data["train"]["text"], *data["test"]["text"]}
    assert "train: 3 of 60 rows have no label and are left out" in warnings
    assert "no test data: 11 training rows were held out (seed 0)" in warnings
    for seed, training in ((1, True), (2, True), (3, False)):
        used = select_rows(ClassificationTask(), read_test(test_fraction=0.2)[0], DataArguments(), seed, training)
        assert used["test"]["text"][:] == data["test"]["text"][:]


def test_test_data_are_held_out_once(read_test, tmp_path):
    with pytest.raises(ValueError, match=r"test_fraction=0\.2 .* there are \['test', 'train'\] data: leave --test"):
        read_test(test_fraction=0.2, test_file=str(tmp_path / "train.tsv"))
    with pytest.raises(ValueError, match=r"test_fraction=1 holds out 57 of 57 training rows; .* or give --test_file"):
        read_test(test_fraction=1)
    only_validation = DataArguments(validation_file=str(tmp_path / "train.tsv"), test_fraction=0.2)
    with pytest.raises(ValueError, match="leave it out, or give --train_file"):
        read_splits(ClassificationTask(), only_validation)


def test_labels_are_held_out_in_proportion():
    data = select_rows(*SPLITS[0][:1], {"train": SPLITS[0][1]}, DataArguments(validation_fraction=0.25), 0)
    assert Counter(data["validation"]["label"]) == {"a": 10, "b": 5}


@pytest.mark.parametrize(("task", "rows"), SPLITS)
def test_few_rows_are_taken_after_holding_out(task, rows):
    args = DataArguments(validation_fraction=0.25, max_train_samples=9)
    data = select_rows(task, {"train": rows, "test": rows}, args, 3)
    assert {name: len(split) for name, split in data.items()} == {"train": 9, "validation": 15, "test": 60}
    assert not set(data["train"]["text"]) & set(data["validation"]["text"])
    assert len(select_rows(task, {"train": rows}, DataArguments(max_train_samples=1000), 3)["train"]) == 54
    with pytest.raises(ValueError, match="max_train_samples=0: give at least 1"):
        select_rows(task, {"train": rows}, DataArguments(max_train_samples=0), 3)


def test_given_validation_data_stay(warnings):
    rows = {"validation": labelled(["a"]), "test": labelled([None]), "train": labelled(["a", "b"])}
    data = select_rows(ClassificationTask(), rows, DataArguments(), 0)
    assert [(name, len(split)) for name, split in data.items()] == [("train", 2), ("validation", 1), ("test", 1)]
    assert not warnings


def test_unlabelled_rows_are_left_out_but_of_the_test_data(warnings):
    rows = {name: labelled(["a", None, "b"]) for name in ("train", "validation", "test")}
    data = select_rows(ClassificationTask(), rows, DataArguments(), 0)
    assert {name: len(split) for name, split in data.items()} == {"train": 2, "validation": 2, "test": 3}
    assert warnings == [f"{name}: 1 of 3 rows have no label and are left out" for name in ("train", "validation")]
    with pytest.raises(ValueError, match="no row of the train data has a label"):
        select_rows(ClassificationTask(), {"train": labelled([None])}, DataArguments(), 0)


def test_reads_files_or_a_data_set(tmp_path):
    (tmp_path / "train.tsv").write_text("text\tlabel\n一\ta\n二\tb\n", encoding="utf-8")
    from_file, reports = read_splits(ClassificationTask(), DataArguments(train_file=str(tmp_path / "train.tsv")))
    assert (list(from_file), reports["train"].rows) == (["train"], 2)
    for name in ("test", "train", "other"):
        labelled(["a", "b"]).to_parquet(tmp_path / "hub" / f"{name}.parquet")
    from_hub, reports = read_splits(ClassificationTask(), DataArguments(dataset_name=str(tmp_path / "hub")))
    assert list(from_hub) == list(reports) == ["train", "test"]
    both = DataArguments(dataset_name=str(tmp_path / "hub"), test_file=str(tmp_path / "train.tsv"))
    with pytest.raises(ValueError, match="hub and --test_file are both given; leave one of them out"):
        read_splits(ClassificationTask(), both)
    with pytest.raises(ValueError, match="there are no data: give --train_file"):
        read_splits(ClassificationTask(), DataArguments())


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.data(), st.integers(0, 9))
def test_a_sample_has_every_stratum_in_proportion(strata, data, seed):
    count = data.draw(st.integers(0, len(strata)))
    chosen = stratified_sample(strata, count, seed)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == count
    found, all_of = Counter(strata[row] for row in chosen), Counter(strata)
    for name, number in all_of.items():
        assert abs(found[name] - number * count / len(strata)) < 1 + 1e-9
    assert (stratified_sample(strata, count, seed) == chosen).all()


def test_samples_differ_by_seed():
    assert stratified_sample("ab" * 50, 20, 0).tolist() != stratified_sample("ab" * 50, 20, 1).tolist()


def test_a_data_set_that_cannot_be_read(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "天", "label": "a"}\n{"text": "x', encoding="utf-8")
    with pytest.raises(ValueError, match="the data set .* cannot be read .*give the files .* by name .--train_file"):
        read_splits(ClassificationTask(), DataArguments(dataset_name=str(tmp_path)))


def questions(sizes):
    rows = [(f"{text}-{number}", str(text)) for text, size in enumerate(sizes) for number in range(size)]
    answers = [{"text": "", "start": -1}]
    return Dataset.from_list(
        [{"id": name, "question": "?", "context": text, "answers": answers} for name, text in rows],
        features=reading_data.FEATURES,
    )


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_held_out_as_a_whole(seed):
    """All questions about one text stay together, and about as many rows are held out as were wanted."""
    rows = questions([3, 1, 5, 4, 2, 5, 4, 3, 1, 2])
    data = select_rows(ReadingTask(), {"train": rows}, DataArguments(validation_fraction=0.3), seed)
    train, validation = (set(data[name]["context"]) for name in data)
    assert not train & validation
    assert len(data["train"]) + len(data["validation"]) == len(rows) == 30
    assert abs(len(data["validation"]) - 9) <= 2
    again = select_rows(ReadingTask(), {"train": rows}, DataArguments(validation_fraction=0.3), seed)
    assert again["validation"]["id"][:] == data["validation"]["id"][:]


def test_one_group_cannot_be_divided():
    with pytest.raises(ValueError, match=r"would hold out all of the training data, whose 8 rows belong to 1 text"):
        select_rows(ReadingTask(), {"train": questions([8])}, DataArguments(validation_fraction=0.5), 0)

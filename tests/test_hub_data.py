"""Data sets that `datasets` cannot read: what the errors say."""

import json

import pytest
from datasets import load_dataset

from hanziformers.training.hub_data import load_data_set, read_rows


def folder(tmp_path, name, **files):
    path = tmp_path / name
    path.mkdir()
    for stem, content in files.items():
        (path / f"{stem}.jsonl").write_bytes(content)
    return str(path)


def rows(*values):
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def test_a_data_set_is_read(tmp_path):
    found = load_data_set(folder(tmp_path, "a", train=rows({"text": "天"})), None, "--train_file")
    assert found["train"][:] == {"text": ["天"]}


@pytest.mark.parametrize("streaming", [False, True])
def test_damaged_data(tmp_path, streaming):
    path = folder(tmp_path, "a", train=rows({"text": "天"}) + b'{"text": "x')

    def read():
        data = load_data_set(path, None, "--train_file", streaming=streaming)
        return list(read_rows(data["train"], "--train_file"))

    with pytest.raises(ValueError, match="cannot be read.*JSON parse error.*give the files .* by name .--train_file"):
        read()


def test_rows_before_the_fault_are_counted(tmp_path):
    path = folder(tmp_path, "a", **{"train-0": rows({"text": "天"}), "train-1": rows({"body": "天"})})
    read = read_rows(load_dataset(path, streaming=True)["train"], "--train_files")
    with pytest.raises(ValueError, match="cannot be read on after 1 rows .CastError.*--train_files"):
        list(read)


def test_errors_of_readers_stay_as_they_are():
    def broken():
        yield {}
        raise ValueError("a.txt, line 3: wrong")

    with pytest.raises(ValueError, match="^a.txt, line 3: wrong$"):
        list(read_rows(broken(), "--train_files"))


def test_folders(tmp_path):
    path = folder(tmp_path, "a[1]", train=rows({"text": "天"}))
    with pytest.raises(
        ValueError, match=r"a\[1\]: `datasets` takes the brackets .*rename the folder, or give the files"
    ):
        load_data_set(path, None, "--train_file")
    with pytest.raises(FileNotFoundError):
        load_data_set(str(tmp_path / "none"), None, "--train_file")

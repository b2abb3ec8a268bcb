"""Which text a pre-training reads: files, each once, without what is held out, and documents as a stream."""

import json

import pytest

from hanziformers.training.pretraining_files import TextArguments, find_files, load_documents, text_files

PARTS = [["天地玄黄。宇宙洪荒。", "日月盈昃。"], ["辰宿列张。", "寒来暑往。"]]


@pytest.fixture
def data(tmp_path):
    for number, texts in enumerate(PARTS):
        rows = [json.dumps({"text": text, "source": "made up"}) for text in texts]
        (tmp_path / f"part{number}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "valid.txt").write_text("秋收冬藏。\n", encoding="utf-8")
    return tmp_path


def texts(args, split="train"):
    return [row["text"] for row in load_documents(args, split)]


def test_validation_text_is_not_trained_on(data, monkeypatch, caplog):
    """However its path is written; and a file that two patterns name is read once."""
    monkeypatch.chdir(data)
    (data / "links").mkdir()
    link = data / "links" / "link.jsonl"
    link.symlink_to(data / "part1.jsonl")
    for held_out in ("part1.jsonl", "./part1.jsonl", str(data / "*1.jsonl"), str(link)):
        args = TextArguments(train_files=["part*.jsonl", "./part0.jsonl"], validation_files=[held_out])
        caplog.clear()
        assert text_files(args, "train") == ["part0.jsonl"]
        assert "train files: ['part0.jsonl']; held out for validation: ['part1.jsonl']" in caplog.text
        assert texts(args) == PARTS[0]
        assert text_files(args, "validation") == [str(data / "part1.jsonl") if "*" in held_out else held_out]
        assert texts(args, "validation") == PARTS[1]
    args.validation_files = ["part*"]
    with pytest.raises(ValueError, match="train files are all validation files too"):
        load_documents(args, "train")


def test_every_file_is_found_once_in_order(data):
    found = find_files([str(data / "part1.jsonl"), str(data / "*.jsonl"), "none*"])
    assert [path.rpartition("/")[2] for path in found.values()] == ["part1.jsonl", "part0.jsonl", "none*"]


def test_kinds_of_text(data):
    assert texts(TextArguments(train_files=[str(data / "valid.txt")])) == ["秋收冬藏。"]
    assert texts(TextArguments(train_files=[str(data / "part*.jsonl")])) == PARTS[0] + PARTS[1]
    documents = load_documents(TextArguments(train_files=[str(data / "part0.jsonl")], text_column="source"), "train")
    assert [dict(row) for row in documents] == [{"text": "made up"}] * 2
    assert load_documents(TextArguments(train_files=[str(data / "valid.txt")]), "validation") is None


@pytest.mark.parametrize(
    ("files", "column", "message"),
    [
        (["none.txt"], "text", "there is no file .*none.txt"),
        (["part0.jsonl"], "body", "has the columns .*'source', 'text'.*--text_column"),
        (["part0.jsonl", "valid.txt"], "text", "mixed: .*give one kind"),
        (["empty.jsonl"], "text", "the train text is empty: .*empty.jsonl"),
        (["empty.txt"], "text", "the train text is empty: .*empty.txt"),
    ],
)
def test_errors_name_the_fix(data, files, column, message):
    for name in ("empty.jsonl", "empty.txt"):
        (data / name).touch()
    args = TextArguments(train_files=[str(data / name) for name in files], text_column=column)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_documents(args, "train")


@pytest.mark.parametrize("name", ["train_files", "validation_files"])
def test_files_beside_a_data_set_are_refused(data, name):
    args = TextArguments(dataset_name="some/texts", **{name: [str(data / "valid.txt")]})
    with pytest.raises(
        ValueError, match=rf"--dataset_name some/texts beside --{name} .*valid\.txt.*leave the other out"
    ):
        load_documents(args, "train")

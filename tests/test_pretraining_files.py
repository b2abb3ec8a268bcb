"""Which text a pre-training reads: files, each once, without what is held out, and documents as a stream."""

import gzip
import json
import lzma
from collections import Counter
from zlib import crc32

import numpy as np
import pytest
from datasets import IterableDataset
from torch.utils.data import DataLoader

from hanziformers.training.pretraining_files import (
    TextArguments,
    find_files,
    load_documents,
    read_texts,
    sample_documents,
    text_files,
)

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


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextArguments(train_files=[str(path)])


RECORDS = '{"text": "天地。", "n": 1}\n{"text": "玄\\n黄。", "n": "x"}\n'


@pytest.mark.parametrize("name", ["wiki_00", "a.ndjson", "a.JSONL", "a.json", "a.txt", "AA/wiki_01", "a.jsonl.bak"])
@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0), lzma.compress])
def test_json_is_known_by_its_content(tmp_path, name, pack):
    """Columns that nobody asked for may hold anything."""
    for content in (RECORDS, "\n \n" + RECORDS, "\ufeff" + RECORDS.replace('{"', '{ "'), RECORDS.replace("\n", "\r")):
        assert texts(write(tmp_path, name, pack(content.encode()))) == ["天地。", "玄\n黄。"]
    content = json.dumps([json.loads(line) for line in RECORDS.splitlines()], indent=1)
    assert texts(write(tmp_path, name, pack(content.encode()))) == ["天地。", "玄\n黄。"]


def test_texts_stay_as_they_are(tmp_path):
    """Dates are no dates, and what is no line end ends no line."""
    record = json.dumps({"text": "2020-01-01"})
    assert texts(write(tmp_path, "a.jsonl", record)) == ["2020-01-01"]
    content = "天\u2028地\u0085\r\r\n\r玄\x0b黄\x0c\n{宇宙}"
    assert texts(write(tmp_path, "a.txt", content)) == ["天\u2028地\u0085", "", "玄\x0b黄\x0c", "{宇宙}"]


@pytest.mark.parametrize("name", ["a[1].txt", "a*.txt", "a?[.txt", "[x]/a.txt", "[x]/[y]*.txt"])
def test_what_exists_is_a_name_not_a_pattern(tmp_path, name):
    write(tmp_path, "a1.txt", "other")
    assert texts(write(tmp_path, name, "天地")) == ["天地"]


def test_patterns_in_a_folder_with_brackets(tmp_path, monkeypatch):
    write(tmp_path, "corpus[1]/a.txt", "天")
    write(tmp_path, "corpus[1]/b.txt", "地")
    for folder in (tmp_path, None):
        monkeypatch.chdir(tmp_path)
        pattern = f"{folder}/corpus[1]/*.txt" if folder else "corpus[1]/[ab].txt"
        assert texts(TextArguments(train_files=[pattern])) == ["天", "地"]


GOOD = '{"text": "天"}\n' * 300


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD + '{"text": "地', "a.jsonl, line 301 is not JSON"),
        ("a.jsonl", GOOD + '{"body": "地"}', r"line 301 has the columns \['body'\], and no 'text'; .*--text_column"),
        ("a.jsonl", GOOD + '{"text": null}', "line 301: a document has text=None, but a string is needed"),
        ("a.jsonl", GOOD + '{"text": "\\ud83d"}', "line 301: a document has a lone surrogate"),
        ("a.jsonl", GOOD + '{"n": ' + "[" * 200_000, "line 301 is not JSON"),
        ("a.jsonl", GOOD + "地", "line 301 is not JSON"),
        ("a.txt", "天\n".encode() * 300 + b"\xff", "line 301: byte 0xff is not UTF-8"),
        ("a.txt.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], "is a damaged gzip file"),
    ],
)
def test_faults_in_the_middle_of_a_stream(tmp_path, monkeypatch, name, content, message):
    """Each with its line."""
    monkeypatch.setattr("hanziformers.training.text_files._CHUNK", 99)  # so that the file is read in parts
    documents = load_documents(write(tmp_path, name, content), "train")
    with pytest.raises(ValueError, match=message):
        list(read_texts(documents))


def test_faults_in_a_worker(tmp_path):
    documents = load_documents(write(tmp_path, "a.jsonl", GOOD + "{"), "train")
    with pytest.raises(ValueError, match="(?s)in DataLoader worker process 0.*a.jsonl, line 301 is not JSON"):
        list(DataLoader(documents, batch_size=None, num_workers=1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "天地玄黄\n".encode("gb18030"), "a.txt, line 1: byte 0xcc is not UTF-8; convert .* GB18030: iconv"),
        ("a.txt", '<doc id="1" url="x" title="天">\n天\n</doc>\n', "begins with '<doc .*, which is markup.*--json"),
        *(
            ("a.txt", f"{tag}\n天\n", "begins with .<.*, which is markup")
            for tag in ("<doc>", "<HTML>", "<mediawiki xmlns='x'>", "<!-- x -->", "<div>")
        ),
        ("a.csv", "text,label\n天,1\n", "a.csv is a table by its name; write its texts as JSON lines"),
        ("a.TSV.gz", gzip.compress(b"text\tlabel\n", mtime=0), "is a table by its name"),
        ("a.json", "天地玄黄", "a.json, line 1 is not JSON"),
        ("a.json", '{\n "version": 1,\n "data": []}', r"record 1 has the columns \['data', 'version'\], and no 'text'"),
    ],
)
def test_other_kinds_of_files_are_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        load_documents(write(tmp_path, name, content), "train")


@pytest.mark.parametrize("name", ["a.txt", "corpus"])
@pytest.mark.parametrize(
    "content",
    ['["x"] 是列表。\n天', '["x"]\n天', '{"x" 天\n地', '{"x": 1}\n天', '{"x": 1} 天', '"天地"\n"玄\\n黄"', "<p>天\n地"],
)
def test_text_that_begins_as_something_else_is_read_as_the_error_says(tmp_path, name, content):
    args = write(tmp_path, name, content)
    with pytest.raises(ValueError, match="give --text_column '' if every line is plain text"):
        texts(args)
    args.text_column = ""
    assert texts(args) == content.split("\n")


@pytest.mark.parametrize(
    "content",
    [
        '"天地\\n玄黄"\n"宇宙"\n',
        '"天地"\n',
        '"天地",\n"玄黄",\n',
        "'天地'\n'玄\\'黄'\n",
        'text\n"天"\n"地"\n"玄"\n',
        '[1, "天地"]\n[2, "玄黄"]\n',
    ],
)
def test_quoted_strings_are_not_trained_on_with_their_quotes(tmp_path, content):
    with pytest.raises(
        ValueError, match="a.txt holds .*a string or list of JSON or Python, not plain text; write JSON"
    ):
        texts(write(tmp_path, "a.txt", content))
    for name in ("a.jsonl", "a.json"):
        with pytest.raises(ValueError, match="expected (one|a) JSON object|is not JSON"):
            texts(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\tlabel\n天\t1\n地\t0\n", r"a.txt holds 'text\\tlabel', a row of a table with TABs"),
        ("# sent_id = 1\n1\t天\t_\n2\t地\t_\n3\t玄\t_\n", "holds .*, a row of a table with TABs"),
        ("<s>天地</s>\n", "begins with '<s>天地</s>', which is markup"),
        ("<news id='1'>\n天\n", "which is markup"),
    ],
)
def test_tables_and_markup_are_known_by_their_content(tmp_path, content, message):
    args = write(tmp_path, "a.txt", content)
    with pytest.raises(ValueError, match=message + ".*give --text_column ''"):
        texts(args)
    args.text_column = ""
    assert texts(args) == content.splitlines()


@pytest.mark.parametrize(
    "content", ["\t天地\n\t玄黄\n", "天\t地\n", "天\t地\n玄黄\n宇宙\n", "<3 天\n", "<UNK> 天\n", "a < b > c\n"]
)
def test_tabs_and_angle_brackets_of_a_text_stay(tmp_path, content):
    assert texts(write(tmp_path, "a.txt", content)) == content.splitlines()


def test_quotes_and_brackets_of_a_text_stay(tmp_path):
    lines = ['"天地"', '"玄"与"黄"', "“宇宙”", "[1] 洪荒", '"', ",", "[天]", '"日', "'"]
    for number in range(len(lines)):
        turned = lines[number:] + lines[:number]
        assert texts(write(tmp_path, "a.txt", "\n".join(turned))) == turned


def test_every_line_as_text_is_said(tmp_path, warnings):
    args = write(tmp_path, "a.jsonl", RECORDS)
    args.text_column = ""
    assert texts(args) == RECORDS.splitlines()
    assert "every line is a text, whatever it holds" in warnings[0]


def test_folders_and_broken_links_are_named(tmp_path):
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/a/b.txt").write_text("天\n", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to("nowhere")
    for name, error, message in (
        ("data", ValueError, r"data is a folder; give its files: '.*/data/\*'"),
        ("data/*", ValueError, "data/a is a folder"),
        ("link*", FileNotFoundError, r"link.txt \(it is a broken link\)"),
        ("none.txt", FileNotFoundError, r"none.txt \(it is missing\)"),
    ):
        with pytest.raises(error, match=message):
            text_files(TextArguments(train_files=[str(tmp_path / name)]), "train")
    assert [*find_files([str(tmp_path / "data/**/*.txt")])] == [str((tmp_path / "data/a/b.txt").resolve())]


def test_a_data_set_that_breaks_off(tmp_path):
    folder = tmp_path / "data"
    write(tmp_path, "data/train.txt", "天\n".encode("gb18030"))
    with pytest.raises(ValueError, match="cannot be read on after 0 rows .UnicodeDecodeError.*--train_files"):
        load_documents(TextArguments(dataset_name=str(folder)), "train")
    rows = IterableDataset.from_generator(lambda: iter([{"text": "天"}, {"text": 3}]))
    with pytest.raises(ValueError, match="a document has text=3, .*; it is the one read after '天'"):
        list(read_texts(rows))


def test_a_sample_is_the_same_for_all_orders_and_a_part_of_larger_ones(warnings):
    rng = np.random.default_rng(0)
    every = ["".join(rng.choice(list("天地玄黄宇宙洪荒"), rng.integers(0, 30))) for _ in range(300)]
    slow = sorted((text for text in every if text), key=lambda text: (crc32(text.encode()), text))
    total, found = sum(map(len, every)), {}
    for number in (1, 100, 1000, total):
        rows = ({"text": text} for text in rng.permutation(every))
        sample = sample_documents(rows, number)
        found[number] = [row["text"] for row in sample]
        size = int(np.searchsorted(np.cumsum([*map(len, slow)]), number)) + 1
        assert sorted(found[number]) == sorted(slow[:size])
        assert sample.num_shards == min(16, size)
    assert not Counter(found[100]) - Counter(found[1000])
    assert not any("all that there is" in warning for warning in warnings)
    sample_documents([{"text": "天"}], 2)
    assert "1 documents of 1 characters, which is all that there is (--max_characters 2)" in warnings[-1]
    with pytest.raises(ValueError, match="max_characters=0 is not allowed; give 1 or more"):
        sample_documents([], 0)


def test_a_sample_of_files_is_what_is_trained_on(tmp_path):
    for number in range(3):
        write(tmp_path, f"{number}.txt", "".join(f"天地{number}{line}\n" for line in range(40)))
    args = TextArguments(train_files=[str(tmp_path / "*.txt")], max_characters=60)
    args.validation_files = [str(tmp_path / "0.txt")]
    train = [row["text"] for row in load_documents(args, "train")]
    assert 60 <= sum(map(len, train)) < 64
    assert {text[2] for text in train} == {"1", "2"}  # of all files that are not held out
    assert len(list(load_documents(args, "validation"))) == 40

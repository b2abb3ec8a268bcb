"""Content of data files, plain or gzipped, and the lines of JSON lines."""

import bz2
import gzip
import lzma
import time
from pathlib import Path

import pytest

from hanziformers.training import text_files
from hanziformers.training.text_files import (
    LONE_SURROGATE,
    is_json,
    json_records,
    parse_json_object,
    read_lines,
    read_text,
    shown,
    split_lines,
)


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_as_it_is(tmp_path, pack, mark):
    path = tmp_path / "data.txt"
    path.write_bytes(pack(mark + "好\r\n\u2028坏\n".encode()))
    assert read_text(path, "texts") == "好\r\n\u2028坏\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "data.txt is empty; expected texts"),
        (b" \n\t", "data.txt is empty"),
        (gzip.compress(b"", mtime=0), "data.txt is empty"),
        (b"a\n\xff\n", "data.txt, line 2: byte 0xff is not UTF-8; convert the file.*iconv"),
        (gzip.compress(b"x" * 99, mtime=0)[:-9], "data.txt is a damaged gzip file"),
        (gzip.compress(b"x\n" * 500_000, mtime=0)[:-9], r"a damaged gzip file .*; at or after line \d{6}\); fetch"),
        (bz2.compress(b"x" * 99)[:-9], "data.txt is a damaged bzip2 file"),
        (lzma.compress(b"x" * 99)[:-9], "data.txt is a damaged xz file"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, data, message):
    (tmp_path / "data.txt").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "data.txt", "texts")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt does not exist; give the path of a file of texts"):
        read_text(tmp_path / "none.txt", "texts")
    with pytest.raises(ValueError, match="is not a file; give one file"):
        read_text(tmp_path, "texts")


ENDS = ["\n", "\r\n", "\r", "\r\r\n"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 16])
def test_a_line_ends_in_every_way_and_in_no_other(tmp_path, monkeypatch, end, chunk):
    """NEL, the line separator and form feeds are text; what ends a line may lie between two parts of the file."""
    monkeypatch.setattr(text_files, "_CHUNK", chunk)
    lines = ["天\u2028地", "", "玄\u0085\x0b", "\x0c\x1c黄", " "]
    path = tmp_path / "data.txt"
    path.write_bytes(end.join([*lines, ""]).encode())
    assert list(read_lines(path, "texts")) == lines
    assert list(split_lines(path, [read_text(path, "texts")])) == lines
    path.write_bytes(end.join(lines).encode() + b"x")
    assert list(read_lines(path, "texts")) == [*lines[:-1], " x"]
    path.write_bytes((end * 3 + "a").encode() + b"\xff")
    with pytest.raises(ValueError, match="line 4: byte 0xff"):
        list(read_lines(path, "texts"))


def test_line_ends_may_be_mixed(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(b"a\nb\r\nc\rd\r\re\r\r\rf\r\n\r\ng\n\rh\r\r\n")
    assert list(read_lines(path, "texts")) == ["a", "b", "c", "d", "", "e", "", "", "f", "", "g", "", "h"]
    path.write_bytes(b"")
    assert list(read_lines(path, "texts")) == []


def test_a_long_line_takes_linear_time_or_is_refused(tmp_path, monkeypatch):
    path, times = tmp_path / "data.txt", []
    for size in (1_000_000, 8_000_000):
        path.write_text("天" * size + "\nb", encoding="utf-8")
        start = time.process_time()
        assert list(map(len, read_lines(path, "texts"))) == [size, 1]
        times.append(time.process_time() - start)
    assert times[1] < 24 * times[0] + 0.2
    monkeypatch.setattr(text_files, "MAX_LINE", 99_999)
    path.write_text("b\n" + "天" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"data.txt, line 2 has more than 99,999 characters, the limit; write one"):
        list(read_lines(path, "texts"))


def test_a_file_is_read_as_far_as_it_is_asked_for(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(b"a\nb\n" * 100_000 + b"\xff")
    lines = read_lines(path, "texts")
    assert [next(lines), next(lines)] == ["a", "b"]
    with pytest.raises(ValueError, match="line 200001: byte 0xff"):
        list(lines)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        *((name, "天", True) for name in ("a.json", "a.jsonl.gz", "a.JSONL", "a.ndjson", "A.NDJSON.xz")),
        *(("wiki_00", content, True) for content in ('{"text": 1}', ' \n\t{ "text": 1}', "{}", '{\n "text"')),
        *(("a.txt", content, True) for content in ('[{"text": 1}]', '[\n  {\n "text"', '["天"]', '[["天", "O"]]')),
        *(
            ("a.txt", content, True)
            for content in ("{'text': '天'}", '# made by x\n{"a": 1}\n{"a": 2}', '天"}\n\n{"\n{"')
        ),
        *(
            ("a.txt", content, False)
            for content in ('天\n{"', "{ O", "[ O", "[1] 天", "{天}", '"天"', "[" * 10_000, "")
        ),
        ("a.json.txt", "text", False),
        ("a.txt", 'text\tlabel\n{"x"}\t1\n{"y"}\t0\n', False),
        ("a.txt", '# made by x\r{"a": 1}\r{"a": 2}', True),
    ],
)
def test_json_is_known_by_its_content_or_name(name, content, expected):
    assert is_json(Path(name), content) is expected


def test_json_is_objects_in_lines_or_in_one_list():
    path, records = Path("a"), [{"a": 1}, {"b": [2]}]
    for text in ('{"a": 1}\n\n{"b": [2]}', '[{"a": 1}, {"b": [2]}]', '\n[\n{"a": 1},\n{"b": [2]}\n]\n'):
        assert [record for _, record in json_records(path, text.split("\n"))] == records
    assert list(json_records(path, ["", "{", '"a": 1', "}"])) == [("a, record 1", {"a": 1})]
    assert list(json_records(path, ["", " "])) == []
    places = [where for where, _ in json_records(path, ["", '{"a": 1}', "", '{"a": 1}'])]
    assert places == ["a, line 2", "a, line 4"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{}", '{"a": '], "a, line 2 is not JSON"),
        (["", "[{}, "], "a, line 2 is not JSON"),
        (['["天"]'], "a, line 1: item 1 of the list is '天', expected a JSON object"),
        (["{}", "[]"], "a, line 2 is a list, expected one JSON object per line"),
        (["{}", '{"a": ' + "[" * 200_000], "a, line 2 is not JSON"),
        (["[" * 200_000], "a, line 1 is not JSON"),
    ],
)
def test_json_that_cannot_be_read(lines, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(json_records(Path("a"), lines))
    assert len(str(caught.value)) < 500


def test_a_key_that_is_there_twice_is_not_looked_over():
    record = parse_json_object("x", '{"text": "a", "id": 1, "text": "b", "rest": {"y": 1, "y": 2}}')
    assert list(record) == ["text", "id", "rest"]
    assert not isinstance(record["text"], str | list)  # no reader takes it
    assert shown(record["text"]) == "several values of one key ('a', 'b')"
    assert record["id"] == 1


@pytest.mark.parametrize("chunk", [1, 3, 4, 1 << 16])
@pytest.mark.parametrize("end", ENDS)
def test_marks_of_joined_files_are_no_text(tmp_path, monkeypatch, chunk, end):
    monkeypatch.setattr("hanziformers.training.text_files._CHUNK", chunk)
    (path := tmp_path / "a").write_bytes(f"\ufeff\ufeff天{end}\ufeff\ufeff地\ufeff{end}{end}\ufeff玄".encode())
    if chunk < 3:  # a mark at the beginning has to be there as a whole
        path.write_bytes(path.read_bytes().removeprefix(b"\xef\xbb\xbf" * 2))
    assert list(read_lines(path, "text")) == ["天", "地\ufeff", "", "玄"]


def test_one_object_per_line():
    assert parse_json_object("x", '{"a": 1}') == {"a": 1}
    for line, message in (("[1]", "line 3 is a list, expected one JSON object"), ("{", "line 3 is not JSON")):
        with pytest.raises(ValueError, match=message):
            parse_json_object("line 3", line)


def test_lone_surrogates():
    assert LONE_SURROGATE.search("a\ud83d")
    assert not LONE_SURROGATE.search("😀")


def test_long_values_are_cut_in_errors():
    assert shown("天") == "'天'"
    assert len(shown("天" * 9_000_000)) < 300
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert shown(nested) == "a deeply nested list"

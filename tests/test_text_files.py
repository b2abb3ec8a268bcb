"""Content of data files, plain or gzipped, and the lines of JSON lines."""

import gzip
from pathlib import Path

import pytest

from hanziformers.training.text_files import LONE_SURROGATE, is_json_lines, parse_json_object, read_text


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


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "", True),
        ("a.jsonl.gz", "", True),
        ("a.txt", ' {"text": 1}', True),
        ("a.txt", '{ "text": 1}', False),
        ("a.json.txt", "text", False),
    ],
)
def test_json_lines_are_known_by_name_or_content(name, content, expected):
    assert is_json_lines(Path(name), content) is expected


def test_one_object_per_line():
    assert parse_json_object("x", '{"a": 1}') == {"a": 1}
    for line, message in (("[1]", "line 3 is a list, expected one JSON object"), ("{", "line 3 is not JSON")):
        with pytest.raises(ValueError, match=message):
            parse_json_object("line 3", line)


def test_lone_surrogates():
    assert LONE_SURROGATE.search("a\ud83d")
    assert not LONE_SURROGATE.search("😀")

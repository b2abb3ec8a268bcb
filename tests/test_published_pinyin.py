"""The pinyin files of published folders: our alphabet or none, other readings told."""

import json

import pytest

from hanziformers.tokenization.pinyin import SYMBOLS, encode_pinyin
from hanziformers.tokenization.published_pinyin import check_published, check_symbols, differing_readings

OURS = {symbol: index for index, symbol in enumerate(SYMBOLS)}


def test_the_published_alphabet_is_ours_whatever_the_empty_symbol_is_called():
    renamed = {"-" if index == 0 else symbol: index for symbol, index in OURS.items()}
    for symbols in (OURS, renamed):
        assert check_symbols({"idx2char": {}, "char2idx": symbols}) == 31


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"char2idx": OURS | {"v": 9, "ü": 27}}, r"'v' 9 \(ours 27\), 'ü' 27 \(ours None\).*read wrongly"),
        ({"char2idx": {symbol: index for symbol, index in OURS.items() if symbol != "z"}}, r"'z' None \(ours 31\)"),
        ({"idx2char": {}}, r"holds no char2idx.*\['idx2char'\]"),
        ({}, "holds no char2idx"),
        ([1], "holds a list; needed is a mapping"),
    ],
)
def test_another_alphabet_is_refused(held, message, tmp_path):
    path = tmp_path / "pinyin_map.json"
    path.write_text(json.dumps(held))
    for given, name in ((held, "pinyin_map "), (path, str(path)), (str(path), str(path))):
        with pytest.raises(ValueError, match=f"(?s)^{name}.*{message}" if given is held else message):
            check_symbols(given)


@pytest.mark.parametrize("content", [b"{", b"", "吗".encode("gb18030"), b"version https://git-lfs.github.com/spec/v1"])
def test_a_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "pinyin2tensor.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"pinyin2tensor\.json cannot be read .*; get the file again"):
        check_published(None, path)


def test_other_readings_are_counted_and_warned_of(warnings):
    same = {"de": encode_pinyin("de"), "yi1": encode_pinyin("yi1")}
    check_published(None, same)
    check_published(None, None)
    assert not warnings
    other = same | {"le": [17, 10, 0, 0, 0, 0, 0, 0], "ê1": [0] * 8}
    lines, count = differing_readings(other)
    assert count == 4
    assert lines[0] == "'le' [17, 10, 0, 0, 0, 0, 0, 0] (ours [17, 10, 5, 0, 0, 0, 0, 0])"
    check_published(None, other)
    assert "other symbols for 2 of 4 readings, among them 'le' [17, 10, 0" in warnings[0]

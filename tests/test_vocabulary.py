"""Vocabularies that can be read, and those that cannot, each with an error that says why."""

import pytest

from hanziformers import ChineseBertTokenizer
from hanziformers.tokenization.vocabulary import check_rows, read_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, *"银行长", "hello", "##s"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}


def test_missing_vocabulary(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no vocabulary file .*none\.txt"):
        ChineseBertTokenizer(str(tmp_path / "none.txt"))
    with pytest.raises(FileNotFoundError, match="one token a line"):
        read_vocabulary(tmp_path, SPECIAL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n".join([*SPECIAL, "银"]).encode("gb18030"), r"not UTF-8 \(byte 31\)"),
        (b"", r"has 0 tokens and lacks \['\[UNK\]', '\[SEP\]'"),
        ("[PAD]\n[CLS]\n[SEP]\n[MASK]\n银".encode(), r"has 5 tokens and lacks \['\[UNK\]'\]"),
    ],
)
def test_vocabulary_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        ChineseBertTokenizer(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"银": VOCABULARY["行"]}, "ids must be distinct"),
        ({"银": -1}, "ids must be distinct and >= 0"),
        ({"[UNK]": None}, r"lacks \['\[UNK\]'\]"),
    ],
)
def test_mappings_that_cannot_be_used(change, message):
    vocabulary = {token: index for token, index in {**VOCABULARY, **change}.items() if index is not None}
    with pytest.raises(ValueError, match=message):
        ChineseBertTokenizer(vocabulary)
    with pytest.raises(ValueError, match="has 0 tokens"):
        ChineseBertTokenizer({})


def test_other_names_of_special_tokens():
    vocabulary = {"<unk>" if token == "[UNK]" else token: index for token, index in VOCABULARY.items()}
    tokenizer = ChineseBertTokenizer(vocabulary, unk_token="<unk>")
    assert tokenizer("龘").tokens()[1] == "<unk>"


def test_repeated_lines(tmp_path, warnings):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, "银", "行", "银", "银"]) + "\n", encoding="utf-8")
    assert ChineseBertTokenizer(str(path))("银")["input_ids"][1] == 8
    assert any("2 of 9 lines repeat a token" in message for message in warnings)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks(tmp_path, warnings, end, mark, last):
    path = tmp_path / "vocab.txt"
    path.write_bytes((mark + end.join(TOKENS) + end * last).encode())
    assert read_vocabulary(str(path), SPECIAL) == VOCABULARY
    assert warnings == []


def test_unusual_line_ends_are_tokens(tmp_path):
    """Only a line feed ends a line: published vocabularies hold U+2028 and others as tokens."""
    path = tmp_path / "vocab.txt"
    path.write_bytes("\n".join([*SPECIAL, "\u2028", "\x85", "银"]).encode())
    assert read_vocabulary(str(path), SPECIAL)["银"] == 7


def test_ids_that_cannot_be_rows_of_a_bank():
    check_rows(VOCABULARY)
    with pytest.raises(ValueError, match=r"has 11 tokens, but ids up to 12; .* without a gap"):
        check_rows({**VOCABULARY, "z": 12})

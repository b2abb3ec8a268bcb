"""The text and the vocabulary that are made up, and pieces of a text."""

from itertools import islice

import pytest

from hanziformers.training.benchmark_text import made_up_vocabulary, pieces, read_text, zipf_text


def test_the_text_is_as_long_as_asked_for_and_the_same_for_a_seed():
    text = zipf_text(3, 5000)
    assert len(text) == 5000
    assert text == zipf_text(3, 9000)[:5000]
    assert text != zipf_text(4, 5000)
    assert set(text) <= made_up_vocabulary().keys()
    assert 0.35 < len(set(text[:1024])) / 1024 < 0.5


def test_the_vocabulary_has_the_published_size():
    vocabulary = made_up_vocabulary()
    assert sorted(vocabulary.values()) == list(range(23236))
    assert vocabulary["[PAD]"] == 0


def test_pieces_start_again_after_the_last():
    assert list(islice(pieces("abcdefg", 3), 3)) == ["abc", "def", "abc"]
    with pytest.raises(ValueError, match="the text has 2 characters, and pieces of 3 are needed"):
        pieces("ab", 3)


def test_lines_are_joined_and_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(" 一\n\n二 \n", encoding="utf-8")
    assert read_text(path) == "一二"
    path.write_text(" \n", encoding="utf-8")
    with pytest.raises(ValueError, match="text.txt holds no text"):
        read_text(path)

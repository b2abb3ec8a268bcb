"""Words of CoNLL-U as entities that cover the text."""

import os
from pathlib import Path

import pytest
from test_conllu_files import word

from hanziformers.training.word_data import is_conllu, read_words

DATA = os.environ.get("HANZIFORMERS_DATA")


@pytest.fixture
def read(tmp_path):
    def read(*lines, label="W", **options):
        (tmp_path / "a.conllu").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_words(tmp_path / "a.conllu", label, **options)

    return read


def cut(row):
    return [row["text"][entity["start"] : entity["end"]] for entity in row["entities"]]


def test_labels(read):
    lines = [word(1, "我", "PRON"), word(2, "看书", "VERB"), "", word(1, "好", "ADJ")]
    data, report = read(*lines)
    assert data["text"][:] == ["我看书", "好"]
    assert data["entities"][0] == [{"start": 0, "end": 1, "label": "W"}, {"start": 1, "end": 3, "label": "W"}]
    assert (report.sentences, report.entities, report.repairs, report.overlapping) == (2, 3, 0, 0)
    data, _ = read(*lines, label="UPOS")
    assert [entity["label"] for row in data["entities"] for entity in row] == ["PRON", "VERB", "ADJ"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["# text = 我 看书。", word(1, "我"), word(2, "看书"), word(3, "。")], "我 看书。"),
        (["# text = New York好", word(1, "New York"), word(2, "好")], "New York好"),
        ([word(1, "我", misc="SpaceAfter=No"), word(2, "看"), word(3, "书", misc="SpaceAfter=No")], "我看 书"),
        # a file that says nothing of spaces
        ([word(1, "《"), word(2, "Game"), word(3, "Informer"), word(4, "》"), word(5, "3")], "《Game Informer》3"),
        ([word(1, "José"), word(2, "Íñigo"), word(3, "Ω2"), word(4, "書")], "José Íñigo Ω2書"),
        ([word(1, "金"), word(2, "가나"), word(3, "ア")], "金가나ア"),
    ],
)  # fmt: skip
def test_texts_and_their_spaces(read, lines, text):
    data, _ = read(*lines)
    assert data["text"][:] == [text]
    assert cut(data[0]) == [line.split("\t")[1] for line in lines if line[0] != "#"]


def test_words_with_something_between_them(read):
    data, _ = read(word(1, "我"), word(2, "看"), joiner=" ")
    assert data["text"][:] == ["我 看"]
    assert cut(data[0]) == ["我", "看"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# text = 我看报", word(1, "我"), word(2, "书")], "line 3: '书' is not what its text goes on with, '看报'"),
        (["# text = 我看书。", word(1, "我"), word(2, "看书")], "line 1: the text ends in '。', which no word has"),
        ([word(1, "我", "_")], r"line 1: '我' has no part of speech \(UPOS\)"),
    ],
)
def test_what_is_refused(read, lines, message):
    with pytest.raises(ValueError, match=message):
        read(*lines, label="UPOS")


def test_names_of_files(tmp_path):
    named = {"a.conllu": True, "A.CONLLU.GZ": True, "a.b.conllu.xz": True, "a.conll": False, "conllu": False}
    assert {name: is_conllu(tmp_path / name) for name in named} == named


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("ud_chinese_gsd_v1.3/zh-ud-dev.conllu.gz", (500, 12663, 15)),
        ("ud_chinese_gsdsimp_v2/zh_gsdsimp-ud-test.conllu.gz", (500, 12012, None)),
    ],
)
@pytest.mark.skipif(not DATA, reason="HANZIFORMERS_DATA, the folder of the corpora, is not set")
def test_a_treebank(file, counts):
    data, report = read_words(Path(DATA, file), "UPOS")
    parts = {entity["label"] for row in data["entities"] for entity in row}
    assert (report.sentences, report.entities) == counts[:2]
    assert {"NOUN", "VERB", "PUNCT"} < parts
    assert counts[2] in (None, sum(" " in text for text in data["text"]))
    assert all("".join(cut(row)) == "".join(row["text"].split()) for row in data)

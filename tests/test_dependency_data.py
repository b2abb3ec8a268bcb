"""Trees of CoNLL-U: read, refused with file and line, encoded, and written back."""

import gzip
import os
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from hanziformers import WordTokenizer
from hanziformers.training.dependency_data import (
    encode_trees,
    from_columns,
    has_crossing_arcs,
    names_of,
    read_trees,
    with_trees,
)

BANK = Path(__file__).parent / "data" / "treebank"
DATA = os.environ.get("HANZIFORMERS_DATA")


def word(index, form, head="_", relation="_", tag="NOUN"):
    return f"{index}\t{form}\t_\t{tag}\t_\t_\t{head}\t{relation}\t_\t_"


def read(tmp_path, *lines):
    (tmp_path / "a.conllu").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_trees(tmp_path / "a.conllu")


def test_own_treebank():
    data, report = read_trees(BANK / "train.conllu")
    assert (report.sentences, report.words, report.non_projective, report.longest) == (12, 73, 1, 8)
    assert (report.without_tree, report.without_tag) == (0, 0)
    row = data[9]
    assert row["words"] == ["鱼", "我", "知道", "猫", "吃", "。"]
    assert row["heads"] == [5, 3, 0, 5, 3, 3]
    assert row["relations"] == ["obj", "nsubj", "root", "nsubj", "ccomp", "punct"]
    assert row["tags"] == ["NOUN", "PRON", "VERB", "NOUN", "VERB", "PUNCT"]
    assert "nsubj:pass" in names_of(data, "relations")  # subtypes are relations of their own
    assert names_of(data, "tags")[:3] == ["ADJ", "ADP", "ADV"]


def test_sentences_without_a_tree(tmp_path):
    data, report = read(tmp_path, word(1, "我"), word(2, "看", tag="_"), "", word(1, "好", 0, "root"))
    assert data["heads"][:] == [[], [0]]
    assert data["relations"][:] == [[], ["root"]]
    assert (report.without_tree, report.without_tag) == (1, 1)
    assert names_of(data, "tags") == ["NOUN"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([word(1, "我", 2, "a"), word(2, "看", 1, "b")], "line 1: no word of the sentence has the head 0"),
        (
            [word(1, "我", 0, "a"), "", "# b", word(1, "看", 2, "b"), word(2, "书", 1, "c"), word(3, "。", 0, "d")],
            "line 4: the heads of the words .1, 2. go round",
        ),
        ([word(1, "我", 0, "a"), word(2, "看", 0, "b")], "line 2: the head is 0, and .*line 1 has it already"),
        ([word(1, "我", 0, "a"), word(2, "看", 3, "b")], "line 2: the head is 3; allowed is 1 to 2"),
        ([word(1, "我", 0, "a"), word(2, "看", -1, "b")], "line 2: the head is -1"),
        ([word(1, "我", 0, "a"), word(2, "看", 2, "b")], "line 2: .*go round"),
        ([word(1, "我", 0, "a"), word(2, "看", "x", "b")], "line 2: the sentence is not CoNLL-U .*head"),
        ([word(1, "我", 0, "a"), word(2, "看", "", "b")], "line 2: the sentence is not CoNLL-U .*head"),
        ([word(1, "我", 0, "a"), word(2, "看", "_", "b")], "line 2: '看' has no head .HEAD."),
        ([word(1, "我", 0, "a"), word(2, "看", 1, "_")], "line 2: '看' has no relation .DEPREL."),
        ([word(1, "我", "_", "a"), word(2, "看")], "line 1: '我' has no head"),
        ([word(1, "我", 0, "a"), "2\t看\t1\tb"], "line 2: .* has 4 columns; a word of CoNLL-U has 10"),
        ([word(1, "我", 0, "a"), "", "# sent_id = 2", "", word(1, "我", 0, "a")], "line 3: no word follows"),
        ([word(1, "我", 0, "a"), word(3, "看", 1, "b")], "line 2: '看' has the id 3, expected 2"),
    ],
)
def test_what_is_no_tree_is_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=rf"a\.conllu, {message}"):
        read(tmp_path, *lines)


@pytest.mark.parametrize(
    ("heads", "crossing"),
    [
        ([], False),
        ([0], False),
        ([2, 0, 2], False),
        ([5, 3, 0, 5, 3, 3], True),
        ([3, 0, 2], True),
        ([0, 4, 1, 1], True),
    ],
)
def test_crossing_arcs(heads, crossing):
    """The arc of the root counts: nothing reaches over the root."""
    assert has_crossing_arcs(heads) == crossing
    arcs = [sorted(arc) for arc in enumerate(heads, 1)]
    assert any(a < c < b < d for a, b in arcs for c, d in arcs) == crossing


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer({name: index for index, name in enumerate(["[PAD]", "[UNK]", "我", "看", "书", "。"])})


def test_encoded(tmp_path, tokenizer):
    lines = [word(1, "我", 2, "nsubj"), word(2, "看", 0, "root", "VERB"), word(3, "报", 2, "obj:x")]
    data, _ = read(tmp_path, *lines, "", word(1, "书"))
    encoded, coverage = encode_trees(data, tokenizer, ["nsubj", "root"], ["VERB"])
    assert encoded["word_ids"][:] == [[2, 3, 1], [4]]
    assert encoded["head_labels"][:] == [[2, 0, 2], [-100]]
    assert encoded["relation_labels"][:] == [[0, 1, -100], [-100]]
    assert encoded["tag_ids"][:] == [[0, 1, 0], [0]]
    found = coverage.words, coverage.unknown_words, coverage.unknown_relations, coverage.unknown_tags
    assert found == (4, 1, 1, 3)
    assert "tag_ids" not in encode_trees(data, tokenizer, ["nsubj"], [])[0].column_names


def test_only_head_and_relation_change():
    source = "\n".join(
        [
            "# text = 我看",
            "# 1\ta\tremark",
            "1-2\t我看\t_\t_\t_\t_\t_\t_\t_\tx=1",
            "1\t我\tl\tPRON\tPN\tCase=Nom\t2\tnsubj\t2:nsubj|1.1:x\tSpaceAfter=No",
            "1.1\t空\t_\t_\t_\t_\t_\t_\t2:y\t_",
            "2\t看\t_\tVERB\t_\t_\t0\troot\t0:root\t_",
        ]
    )
    changed = with_trees(source, [0, 1], ["root", "obj"])
    expected = source.replace("\t2\tnsubj\t2:", "\t0\troot\t2:").replace("\t0\troot\t0:", "\t1\tobj\t0:")
    assert changed == expected
    assert with_trees(source, [2, 0], ["nsubj", "root"]) == source
    for heads, relations in (([2, 0], ["nsubj"]), ([0], ["root"]), ([2, 0, 1], ["nsubj", "root", "obj"])):
        with pytest.raises(ValueError, match="zip"):
            with_trees(source, heads, relations)


@pytest.mark.parametrize("path", sorted(BANK.glob("*.conllu")), ids=lambda path: path.stem)
def test_written_back_as_it_was(path):
    data, _ = read_trees(path)
    written = "".join(f"{with_trees(row['source'], row['heads'], row['relations'])}\n\n" for row in data)
    assert written == path.read_text(encoding="utf-8")


HUB = Features(
    {
        "tokens": Sequence(Value("string")),
        "upos": Sequence(ClassLabel(names=["NOUN", "VERB"])),
        "head": Sequence(Value("string")),
        "deprel": Sequence(Value("string")),
    }
)


def test_data_sets_of_the_hub(tmp_path):
    row = {"tokens": ["我", "看"], "upos": [0, 1], "head": ["2", "0"], "deprel": ["nsubj", "root"]}
    data, report = from_columns(Dataset.from_list([row], features=HUB))
    assert data[0]["tags"] == ["NOUN", "VERB"]
    assert data[0]["heads"] == [2, 0]
    assert report.words == 2
    assert data[0]["source"] == "\n".join([word(1, "我", 2, "nsubj"), word(2, "看", 0, "root", "VERB")])
    plain = {"tokens": ["我", "看"], "head": [2, 0], "deprel": ["nsubj", "root"]}
    assert from_columns(Dataset.from_list([plain]))[0][0]["tags"] == ["_", "_"]


def test_names_of_the_hub_that_are_missing_or_ids():
    features = HUB | {"deprel": Sequence(ClassLabel(names=["nsubj", "root"]))}
    row = {"tokens": ["我", "看", "书"], "upos": [0, -1, None], "head": ["2", "0", "2"], "deprel": [0, 1, 0]}
    data, report = from_columns(Dataset.from_list([row], features=Features(features)))
    assert data[0]["tags"] == ["NOUN", "_", "_"]
    assert data[0]["relations"] == ["nsubj", "root", "nsubj"]
    assert report.without_tag == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": ["我"]}, "tokens, head, deprel missing; rename"),
        ({"tokens": ["我"], "head": [0, 1], "deprel": ["a"]}, "row 0 has 1 tokens, 2 heads"),
        ({"tokens": ["我"], "head": ["None"], "deprel": ["a"]}, "row 0: the heads are .'None'.; needed are integers"),
        ({"tokens": ["我", "看"], "head": [2, 1], "deprel": ["a", "b"]}, "row 0, word 1: no word .* has the head 0"),
        ({"tokens": ["我", "看"], "head": [2, 0], "deprel": ["a", None]}, "row 0: the word 2 has no relation"),
        ({"tokens": ["我"], "head": [0], "deprel": ["_"]}, "row 0: the word 1 has no relation"),
        ({"tokens": ["我"], "head": [0], "deprel": [3]}, r"row 0: the column deprel holds \[3\]; needed are strings"),
        ({"tokens": ["我"], "head": [0], "deprel": ["a"], "upos": [1]}, r"row 0: the column upos holds \[1\]"),
        ({"tokens": [" "], "head": [0], "deprel": ["a"]}, "row 0: ' ' is no word that CoNLL-U can hold"),
    ],
)
def test_other_columns_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        from_columns(Dataset.from_list([row]))


@pytest.mark.skipif(not DATA, reason="HANZIFORMERS_DATA is not set")
def test_real_treebanks():
    folder = Path(DATA) / "ud_chinese_gsd_v1.3"
    report = read_trees(folder / "zh-ud-dev.conllu.gz")[1]
    assert (report.sentences, report.non_projective) == (500, 2)
    path = Path(DATA) / "ud_chinese_gsdsimp_v2" / "zh_gsdsimp-ud-dev.conllu.gz"
    data, _ = read_trees(path)
    written = "".join(f"{with_trees(row['source'], row['heads'], row['relations'])}\n\n" for row in data)
    assert written == gzip.decompress(path.read_bytes()).decode()

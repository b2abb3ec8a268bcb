"""Files of UP 2.0 and CoNLL-2009: both are read into the same sentences, and what is malformed is refused."""

import gzip
import os
from pathlib import Path

import pytest

from hanziformers.training.srl_files import Predicate, read_sentences

SAMPLE = Path(__file__).parent / "data" / "srl_sample"
HEADER = "# global.columns = ID FORM UPOS HEAD DEPREL UP:PRED UP:ARGHEADS"
UP = f"""{HEADER}
# sent_id = 1
1	他	PRON	2	nsubj	_	_
2	说	VERB	0	root	say.01	A0:1|A1:4
3	猫	NOUN	4	nsubj	_	_
4	吃	VERB	2	ccomp	eat.01	A1:5|A0:3
5	鱼	NOUN	4	obj	_	_

1	好	ADJ	0	root	_	_
"""
CONLL = """1	他	他	他	PRON	P1	_	_	2	0	nsubj	p1	_	_	A0	_
2	说	说	说	VERB	P2	_	_	0	1	root	p2	Y	say.01	_	_
3	猫	猫	猫	NOUN	P3	_	_	4	2	nsubj	p3	_	_	_	A0
4	吃	吃	吃	VERB	P4	_	_	2	3	ccomp	p4	Y	eat.01	A1	_
5	鱼	鱼	鱼	NOUN	P5	_	_	4	4	obj	p5	_	_	_	A1

1	好	好	好	ADJ	P6	_	_	0	0	root	p6	_	_
"""


def read(folder, content, syntax="gold", name="data.txt"):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return list(read_sentences(path, syntax))


def of_ten_columns(content):
    """UP without a first line: the ten columns of CoNLL-U, then three."""
    rows = [line.split("\t") for line in content.splitlines()[2:]]
    lines = [
        "\t".join([*row[:2], "_", row[2], "_", "_", *row[3:5], "_", "_", *row[5:], "_"]) for row in rows if row[1:]
    ]
    lines.insert(5, "")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("content", [UP, of_ten_columns(UP), CONLL, UP.replace("\n", "\r\n")])
def test_reads_both_forms_alike(tmp_path, content):
    first, second = read(tmp_path, content)
    assert first.forms == ["他", "说", "猫", "吃", "鱼"]
    assert first.heads == [2, 0, 4, 2, 4]
    assert first.tags == ["PRON", "VERB", "NOUN", "VERB", "NOUN"]
    assert first.relations == ["nsubj", "root", "nsubj", "ccomp", "obj"]
    says, eats = first.predicates
    assert says == Predicate(1, "say.01", [(0, "A0"), (3, "A1")])
    assert (eats.word, eats.sense, sorted(eats.arguments)) == (3, "eat.01", [(2, "A0"), (4, "A1")])
    assert (second.forms, second.predicates) == (["好"], [])


def test_the_syntax_of_programs(tmp_path):
    (first, _) = read(tmp_path, CONLL, "predicted")
    assert (first.heads, first.tags[0], first.relations[0]) == ([0, 1, 2, 3, 4], "P1", "p1")
    assert first.predicates[0].arguments == [(0, "A0"), (3, "A1")]
    with pytest.raises(ValueError, match="syntax='predicted' is for CoNLL-2009"):
        read(tmp_path, UP, "predicted")


def test_columns_are_found_by_their_names(tmp_path):
    names = HEADER.split(" = ")[1].split()
    order = [0, 6, 4, 2, 1, 3, 5]
    lines = [line.split("\t") for line in UP.splitlines()[2:]]
    mixed = ["\t".join(row[index] for index in order) if row[1:] else "" for row in lines]
    header = f"# newdoc\n# global.columns = {' '.join(names[index] for index in order)}\n"
    assert read(tmp_path, header + "\n".join(mixed) + "\n") == read(tmp_path, UP)


TURNED = HEADER.replace("UP:PRED UP:ARGHEADS", "UP:ARGHEADS UP:PRED")


@pytest.mark.parametrize(
    "head",
    [
        HEADER.replace(" = ", "="),
        HEADER.replace("# ", "#"),
        HEADER.replace(" = ", "  =  "),
        f"# a licence\n\n{HEADER}",
        f"{HEADER}\n\n{HEADER}",
    ],
)
def test_the_names_of_columns_however_they_are_written(tmp_path, head):
    assert read(tmp_path, UP.replace(HEADER, head)) == read(tmp_path, UP)


def test_columns_of_thirteen_in_another_order(tmp_path):
    content = of_ten_columns(UP).replace("\tA0:1|A1:4\t_", "\tA0:2\tA0:1|A1:4")
    content = content.replace("A1:5|A0:3\t_", "_\tA1:5|A0:3")
    names = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC UP:PRED UP:ARGSPANS UP:ARGHEADS"
    first, _ = read(tmp_path, f"# global.columns={names}\n{content}")
    assert first.predicates[0].arguments == [(0, "A0"), (3, "A1")]


@pytest.mark.parametrize("content", [f"{UP}\n{UP.replace(HEADER, TURNED)}", f"{of_ten_columns(UP)}\n{UP}"])
def test_files_of_other_columns_are_not_read_as_one(tmp_path, content):
    with pytest.raises(ValueError, match=r"line \d+: '# global.columns = .*' is not what stands before the first word"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("old", "new"), [("VERB\t0", "VERB \t 0"), ("\tnsubj\t", "\tnsubj \t"), ("A0:1|", "A0 :1|"), ("PRON", " PRON")]
)
def test_white_space_at_an_end_is_no_part_of_a_name(tmp_path, old, new):
    assert old in UP
    assert read(tmp_path, UP.replace(old, new)) == read(tmp_path, UP)
    spaced = CONLL.replace("\tA0\t", "\tA0 \t").replace("\tVERB\t", "\tVERB \t")
    assert read(tmp_path, spaced) == read(tmp_path, CONLL)


def test_an_empty_cell_is_no_name(tmp_path):
    assert read(tmp_path, UP.replace("ADJ", ""))[1].tags == ["_"]


def test_empty_nodes_stand_for_no_word(tmp_path):
    node = "4.1\t他\tPRON\t_\t_\t_\t_\n"
    assert read(tmp_path, UP.replace("5\t鱼", f"{node}5\t鱼")) == read(tmp_path, UP)


def test_one_word_may_have_two_roles_of_one_predicate(tmp_path):
    expected = [(0, "A0"), (0, "A2"), (3, "A1")]
    for content in (UP.replace("A0:1|", "A0:1|A2:1|"), CONLL.replace("A0\t_\n2", "A0|A2\t_\n2")):
        (first, _) = read(tmp_path, content)
        assert first.predicates[0].arguments == expected


def test_reads_compressed_files(tmp_path):
    (tmp_path / "data.conllup.gz").write_bytes(gzip.compress(UP.encode()))
    assert list(read_sentences(tmp_path / "data.conllup.gz")) == read(tmp_path, UP)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A1:4", "A1:6", r"line 4: the argument 'A1:6' is no role of a word .* from 1 to 5"),
        ("A1:4", "A1:0", "line 4: the argument 'A1:0'"),
        ("A1:4", "A1:x", "line 4: the argument 'A1:x'"),
        ("A1:4", "A1", "line 4: the argument 'A1'"),
        ("|A1:4", "|", "line 4: the argument ''"),
        ("A1:4", ":4", "line 4: '' is no name of a role"),
        ("A1:4", "O:4", "line 4: 'O' is no name of a role"),
        ("A1:4", "A0:1", "line 4: word 1 has the role A0 of this predicate twice"),
        ("eat.01\t", "_\t", "line 6: '吃' has the arguments 'A1:5|A0:3' and no predicate"),
        ("eat.01\t", "\t", r"line 6: '吃' has '' as predicate \(UP:PRED\); write its sense, or _ if it is none"),
        ("eat.01\t", " \t", "line 6: '吃' has ' ' as predicate"),
        ("nsubj\t_\t", "nsubj\t_ \t", "line 3: '他' has '_ ' as predicate"),
        (" UPOS", " UPOS UPOS", "line 1: the file has the columns .*, one of them twice; name each once"),
        ("\t2\tnsubj", "\t6\tnsubj", "line 3: the head is 6; allowed is 1 to 5"),
        ("\t2\tnsubj", "\t_\tnsubj", r"line 3: '他' has the head '_' \(HEAD\); write"),
        ("\t2\tnsubj", "\t1\tnsubj", r"line 3: the heads of the words \[1\] go round"),
        ("\t0\troot\tsay", "\t1\troot\tsay", "line 3: no word of the sentence has the head 0"),
        ("\t4\tobj", "\t0\tobj", "line 7: the head is 0, and .*line 4 has it already"),
        ("3\t猫\tNOUN", "3\t猫", r"line 5: .* has 6 columns; the words of this file have 7, with TABs"),
        ("3\t猫", "7\t猫", "line 5: '猫' has the id '7', expected 3"),
        ("3\t猫", "2-3\t猫", "line 5: '猫' has the id '2-3', expected 3; .* without multiword tokens"),
        ("3\t猫", "3\t ", "line 5: ' ' is no form of a word"),
        (" UP:ARGHEADS", " UP:ARGSPANS", "line 1: the file has the columns .*, without UP:ARGHEADS; write"),
        (" FORM UPOS", "", "line 1: the file has the columns .*, without FORM, UPOS; write"),
    ],
)
def test_malformed_up_is_refused_by_its_line(tmp_path, old, new, message):
    assert old in UP
    with pytest.raises(ValueError, match=message):
        read(tmp_path, UP.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_\tA0\t_\n", "_\tA0\n", "line 1: the line has 1 columns of roles .* and its sentence 2 predicates"),
        ("_\tA0\t_\n", "_\tA0\t_\t_\n", "line 1: the line has 3 columns of roles"),
        ("Y\teat.01", "_\teat.01", "line 4: '吃' has FILLPRED '_' and PRED 'eat.01'"),
        ("Y\teat.01", "X\teat.01", "line 4: '吃' has FILLPRED 'X'"),
        ("Y\teat.01", "_\t_", "line 1: the line has 2 columns of roles .* 1 predicates"),
        ("\t_\t_\t_\tA1\n", "\t_\n", r"line 5: .* has 13 columns; the words of this file have 14 and one more"),
        ("\t2\t0\tnsubj", "\t9\t0\tnsubj", "line 1: the head is 9; allowed is 1 to 5"),
        ("A0\t_\n2", "A0|A0\t_\n2", "line 1: word 1 has the role A0 of this predicate twice"),
        ("A0\t_\n2", "A0|\t_\n2", "line 1: '' is no name of a role"),
        ("\n\n1", "\n1", "line 6: '好' has the id '1', expected 6; .* write a blank line between sentences"),
    ],
)
def test_malformed_conll_2009_is_refused_by_its_line(tmp_path, old, new, message):
    assert old in CONLL
    with pytest.raises(ValueError, match=message):
        read(tmp_path, CONLL.replace(old, new, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected semantic roles"),
        ("# only a comment\n", "has no sentence, only comments"),
        ("1\t他\t_\tPRON\t_\t_\t0\troot\t_\t_\n", "line 1: .* has 10 columns; a file of UP has"),
        ("1 他 PRON 0 root\n", "line 1: .* has 1 columns; a file of UP has"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; give the path of a file of semantic roles"):
        list(read_sentences(tmp_path / "nothing.conllup"))


def test_the_sample_is_what_its_readme_says():
    found = {path.name: list(read_sentences(path)) for path in sorted(SAMPLE.glob("*.conll*"))}
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for name, sentences in found.items():
        (line,) = [line for line in readme.splitlines() if f" {name} " in line]
        counts = [len(sentences), sum(len(sentence.predicates) for sentence in sentences)]
        assert line.split("|")[-3:-1] == [f" {count} " for count in counts]


@pytest.mark.skipif("HANZIFORMERS_DATA" not in os.environ, reason="needs the data sets")
def test_stand_off_files_of_up_have_no_words():
    path = Path(os.environ["HANZIFORMERS_DATA"]) / "srl_up2.0_chinese_gsd" / "zh_gsd-up-dev.conllup.gz"
    with pytest.raises(ValueError, match="line 1: the file has the columns .* without FORM, UPOS, HEAD, DEPREL"):
        list(read_sentences(path))

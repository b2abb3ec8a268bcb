"""Reading CoNLL-U: words with their places, and what is refused."""

import gzip
import re

import pytest

from hanziformers.training.conllu_files import conllu_line, read_conllu


def word(index, form, part="NOUN", misc="_"):
    return f"{index}\t{form}\t_\t{part}\t_\t_\t_\t_\t_\t{misc}"


def read(tmp_path, *lines, name="a.conllu"):
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_conllu(tmp_path / name)


def test_sentences_and_their_places(tmp_path):
    found = read(
        tmp_path,
        *("# sent_id = 1", "# text = 我看书", word(1, "我", "PRON"), word("1.1", "空"), word(2, "看书", "VERB"), ""),
        *("", "# a remark between sentences", "", word(1, "#", "SYM", "SpaceAfter=No|Translit=x")),
    )
    first, second = found
    assert first.text == "我看书"
    assert [token["form"] for token in first.words] == ["我", "看书"]  # an empty node is no word
    assert [place.rsplit(" ", 1)[1] for place in first.places] == ["3", "5"]
    assert first.where.endswith("a.conllu, line 1")
    assert second.text is None
    assert second.words[0]["misc"] == {"SpaceAfter": "No", "Translit": "x"}
    assert second.places == [f"{tmp_path}/a.conllu, line 10"]


def test_lines_are_kept_with_what_is_no_word(tmp_path):
    lines = [
        *("# newdoc", "", "# sent_id = 1", word("1-2", "我书"), word(1, "我"), word("1.1", "空"), word(2, "书"), ""),
        *("", "# between", "# two", "", "# text = 好", word(1, "好", misc="A=1"), "", "# the end"),
    ]
    (tmp_path / "a.conllu").write_text("\n".join(lines) + "\n", encoding="utf-8")
    first, second = read_conllu(tmp_path / "a.conllu", multiword=True)
    assert [token["form"] for token in first.words] == ["我", "书"]
    assert first.lines == lines[:7]
    assert second.lines == lines[9:]
    assert [*first.lines, "", *second.lines] == [*lines[:7], *lines[8:]]


def test_compressed_files(tmp_path):
    content = "\r\n".join([word(1, "我"), "", word(1, "书"), ""])
    (tmp_path / "a.conllu.gz").write_bytes(gzip.compress(content.encode()))
    assert [sentence.words[0]["form"] for sentence in read_conllu(tmp_path / "a.conllu.gz")] == ["我", "书"]


@pytest.mark.parametrize("column", [2, 4, 5, 8, 9])
@pytest.mark.parametrize("cell", ["书  本", "x  0", "", " "])
def test_tabs_alone_part_the_cells(tmp_path, column, cell):
    cells = ["1", "书", "_", "NOUN", "_", "_", "0", "root", "_", "_"]
    cells[column] = cell
    (token,) = read(tmp_path, "\t".join(cells))[0].words
    assert [token[name] for name in ("id", "form", "upos", "head", "deprel")] == [1, "书", "NOUN", 0, "root"]
    assert token["misc"] is None or column == 9


def test_white_space_at_an_end_is_no_part_of_a_name(tmp_path):
    (sentence,) = read(tmp_path, "1\t书\t_\tNOUN \t_\t_\t 0\troot \t_\tSpaceAfter=No ")
    (token,) = sentence.words
    found = [token[name] for name in ("upos", "head", "deprel", "misc")]
    assert found == ["NOUN", 0, "root", {"SpaceAfter": "No"}]
    assert sentence.lines == ["1\t书\t_\tNOUN \t_\t_\t 0\troot \t_\tSpaceAfter=No "]


@pytest.mark.parametrize("form", ["", " ", "New  York"])
def test_what_is_no_form_is_not_written(form):
    with pytest.raises(ValueError, match=f"'{form}' is no word that CoNLL-U can hold"):
        conllu_line(1, form, "_", 0, "root")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 我 NOUN"], "line 1: '1 我 NOUN' has 1 columns; a word of CoNLL-U has 10, with TABs"),
        ([word(1, "我"), "2\t书\t_"], "line 2: .* has 3 columns"),
        ([word("1-2", "我书"), word(1, "我"), word(2, "书")], "line 1: the multiword token '我书' has words without"),
        (
            [word(1, "我"), word(1, "书")],
            "line 2: '书' has the id 1, expected 2; number .* blank line",
        ),
        ([word(2, "书")], "line 1: '书' has the id 2, expected 1"),
        ([word("x", "书")], "line 1: the sentence is not CoNLL-U"),
        ([word(1, "我"), word(" 2", "书")], "line 2: the sentence is not CoNLL-U .id: ' 2'"),
        ([word(1, "我"), word("_", "书")], "line 2: '书' has the id None, expected 2"),
        ([word(1, "New  York")], "line 1: 'New  York' is no form of a word"),
        ([word(1, "")], "line 1: '' is no form of a word"),
        (["# text = 我"], "has no sentence; expected CoNLL-U"),
        (
            [word(1, "我"), "", "# sent_id = 2", "# text = 书"],
            "line 3: no word follows '# sent_id = 2'; remove the empty",
        ),
        (["#text= 书", "", word(1, "我")], "line 1: no word follows '#text= 书'"),
        ([word(1, "我"), "", "# a", word("0.1", "空")], "line 3: the sentence has no words but '0.1"),
        (
            [word(1, "我"), word(2, "书").replace("\t_\t_\t_\t_\t_", "\t_\t_\tx\t_\t_")],
            "line 2: the sentence is not CoNLL-U",
        ),
    ],
)
def test_what_is_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=rf"{re.escape(str(tmp_path))}/a\.conllu.* ?{message}"):
        read(tmp_path, *lines)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is empty; expected CoNLL-U"):
        read(tmp_path, "")

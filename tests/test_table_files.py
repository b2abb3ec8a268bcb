"""Rows of TSV and CSV, and where they are in their file."""

from pathlib import Path

import pytest

from hanziformers.training.table_files import count_blank, is_blank, split_csv, split_tsv

PATH = Path("data")


def test_tsv_takes_quotes_and_commas_as_characters():
    rows, blank = split_tsv(PATH, 'a"b\t,\r\n\n"c"\td\n\t\n')
    assert rows == [("data, line 1", ['a"b', ","]), ("data, line 3", ['"c"', "d"]), ("data, line 4", ["", ""])]
    assert blank == 1


def test_csv_rows_may_have_several_lines():
    rows, blank = split_csv(PATH, '"a\n""b""",c\n\nd,"e,f"\n')
    assert rows == [("data, line 1", ['a\n"b"', "c"]), ("data, line 4", ["d", "e,f"])]
    assert blank == 1


@pytest.mark.parametrize(("split", "content"), [(split_tsv, "a\tb\n\nc\n"), (split_csv, "a,b\n\nc\n")])
def test_rows_of_other_widths_are_refused(split, content):
    with pytest.raises(ValueError, match=r"data, line 3: \['c'\] has 1 columns, expected 2 as in the first line"):
        split(PATH, content)


def test_broken_quotes_are_refused():
    with pytest.raises(ValueError, match="data, line 2: not CSV"):
        split_csv(PATH, 'a,b\n"c"d,e\n')


def test_blank_lines():
    assert [is_blank(line) for line in ("", "  ", "\r", "\t", "\u3000")] == [True, True, True, False, False]
    assert count_blank(["a", "", "b", ""]) == 1  # what follows the last line break is no line
    assert count_blank(["a", "", "", ""]) == 2
    assert count_blank(["a"]) == 0

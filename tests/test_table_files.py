"""Rows of TSV and CSV, and where they are in their file."""

import csv
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
    assert count_blank(["a", "", "b", " "]) == 2
    assert count_blank(["a"]) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_kind(end):
    assert split_tsv(PATH, end.join(["a\tb", "", "c\u2028\td", ""]))[0][1] == ("data, line 3", ["c\u2028", "d"])
    assert split_csv(PATH, end.join(["a,b", "", "c\u0085,d", ""]))[0][1] == ("data, line 3", ["c\u0085", "d"])


@pytest.mark.parametrize(("split", "join"), [(split_tsv, "\t".join), (split_csv, ",".join)])
def test_an_odd_first_row_does_not_decide_for_the_others(split, join):
    content = "\n".join(map(join, [["a"], ["b", "c"], ["d", "e"]]))
    with pytest.raises(ValueError, match=r"data, line 1: \['a'\] has 1 columns, expected 2 as in most lines"):
        split(PATH, content)


def test_the_limit_of_csv_fields_stays_as_it_was():
    limit = csv.field_size_limit()
    split_csv(PATH, "天" * (limit + 1) + ",b\n")
    assert csv.field_size_limit() == limit

"""Tables show spreads, rows that lack a way leave it empty, and files are whole at any time."""

import json
from pathlib import Path

import pytest

from hanziformers.training.benchmark_report import machine, markdown, table, write
from hanziformers.training.timing import row

ROWS = [
    row("all", {"ours": [0.001, 0.002, 0.003], "plain": [2.0, 1.5, 1.0]}, [("ours", "plain")]),
    row("one", {"plain": [0.5]}, [("ours", "plain")]),
]


def test_a_table_shows_quartiles_and_leaves_cells_empty():
    head, _, all_ways, one_way = table(ROWS)
    assert head == "|  | ours | plain | ours / plain |"
    assert all_ways == "| all | 2 ms (1.5-2.5) | 1.5 s (1.25-1.75) | 0.00133 (0.000917-0.00217) |"
    assert one_way == "| one |  | 500 ms (500-500) |  |"


def result(finished):
    return {"machine": "M", "command": "C", "text": "T", "finished": finished, "tables": {"title": ROWS}}


def test_an_unfinished_result_says_so():
    assert "**Not finished**" in markdown(result(False))
    assert "Not finished" not in markdown(result(True))
    assert "## title\n\n|  | ours |" in markdown(result(True))


def test_a_run_that_is_cut_while_it_writes_leaves_whole_files(tmp_path, monkeypatch):
    write(tmp_path / "new", result(False))
    real = Path.write_text

    def half(path, content, **options):
        real(path, content[: len(content) // 2], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "new", result(True))
    assert json.loads((tmp_path / "new" / "benchmark.json").read_text(encoding="utf-8")) == result(False)
    assert (tmp_path / "new" / "benchmark.md").read_text(encoding="utf-8") == markdown(result(False))


def test_the_machine_is_named():
    for name in ("threads; Python 3.", "torch ", "transformers ", "tokenizers "):
        assert name in machine("cpu")

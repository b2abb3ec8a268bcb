"""benchmark_crf.py measures both; where they find something else it is refused."""

import pytest
import torch
from script_tools import as_flags, main_of

pytest.importorskip("torchcrf")
main = main_of("benchmark_crf")
SMALLEST = {"num_tags": 3, "batch_size": 2, "length": 4, "rounds": 1}


def test_it_prints_a_table(tmp_path, capsys):
    main(as_flags({"output_dir": tmp_path / "new", **SMALLEST}))
    printed = capsys.readouterr().out
    assert (tmp_path / "new" / "crf.txt").read_text(encoding="utf-8") == printed.removesuffix("\n")
    assert f"torch {torch.__version__}, 1 threads, 1 rounds" in printed
    for case in ("loss + backward, 3 tags", "decode, 3 tags"):
        (row,) = [line for line in printed.splitlines() if line.strip().startswith(case) and "|" in line]
        assert len(row.split("|")) == 3
        assert f"{case}: " in printed


def test_other_results_are_refused(tmp_path, monkeypatch):
    crf = main.__globals__["LinearChainCRF"]
    monkeypatch.setattr(crf, "nll", lambda self, *args: crf.score(self, *args))
    with pytest.raises(RuntimeError, match="loss . backward of 3 tags: both find something else"):
        main(as_flags({"output_dir": tmp_path, **SMALLEST}))

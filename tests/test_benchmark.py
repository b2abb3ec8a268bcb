"""The benchmark runs, and its files say what was measured. How fast anything was is nothing to test."""

import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "run_scripts" / "benchmark.py"


OPTIONS = ["--size", "tiny", "--rounds", "2", "--batch", "2", "--length", "12", "--device", "cpu"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both parts, with the masked-LM heads, on drawn text and made-up tokens, as a person runs it."""
    folder = tmp_path_factory.mktemp("benchmark")
    options = [*OPTIONS, "--head", "masked_lm", "--text_lengths", "20", "50", "--text_batches", "1", "3"]
    command = [sys.executable, str(SCRIPT), "--output_dir", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert (folder / "benchmark.md").read_text(encoding="utf-8").strip() == done.stdout.strip()
    return json.loads((folder / "benchmark.json").read_text(encoding="utf-8")), done.stdout


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_numbers_are_medians_and_their_quotients(made):
    result, _ = made
    rows = [row for rows in result["tables"].values() for row in rows]
    assert len(rows) == 5 + 4
    for row in rows:
        assert row["medians"].keys() == row["rounds"].keys()
        for name, seconds in row["rounds"].items():
            assert len(seconds) == 2  # the warm-up is not among them
            assert min(seconds) > 0
            assert row["medians"][name] == statistics.median(seconds)
        for ratio, value in row["ratios"].items():
            above, below = ratio.split(" / ")
            assert value == pytest.approx(row["medians"][above] / row["medians"][below])


def test_tables_name_what_was_compared(made):
    result, _ = made
    models, texts = result["tables"].values()
    assert {"forward, table of characters warm", "AdamW step"} <= {row["case"] for row in models}
    assert all(row["ratios"].keys() == {"hanziformers / BertForMaskedLM"} for row in models)
    assert all(len(row["ratios"]) == 2 and len(row["medians"]) == 3 for row in texts)
    assert [row["case"] for row in texts] == [
        f"{length} characters, {calls}" for length in (20, 50) for calls in ("one text a call", "3 texts a call")
    ]


def test_whole_step_is_the_sum_of_its_parts(made):
    result, _ = made
    rows = {row["case"]: row["rounds"] for row in next(iter(result["tables"].values()))}
    for name, seconds in rows["training step: the two together"].items():
        parts = zip(rows["forward + backward"][name], rows["AdamW step"][name], strict=True)
        assert seconds == pytest.approx([sum(both) for both in parts])


def test_markdown_holds_every_row_and_the_machine(made):
    result, printed = made
    assert result["machine"] in printed
    assert "torch" in result["machine"]
    assert "transformers" in result["machine"]
    assert "pypinyin" in result["machine"]
    assert result["command"] in printed
    assert result["command"].startswith("python run_scripts/benchmark.py ")
    for title, rows in result["tables"].items():
        assert f"## {title}\n" in printed
        for row in rows:
            line = next(line for line in printed.splitlines() if line.startswith(f"| {row['case']} |"))
            numbers = [float(cell.split()[0]) for cell in line.split("|")[2:-1]]
            expected = [*(1000 * value for value in row["medians"].values()), *row["ratios"].values()]
            assert numbers == pytest.approx(expected, rel=0.01)


def test_own_text_vocabulary_and_one_part(main, tmp_path):
    sentence = "银行行长在一块石头上种重要的种子。"
    (tmp_path / "text.txt").write_text("\n".join([sentence] * 20), encoding="utf-8")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(sentence))]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    own = ["--text", str(tmp_path / "text.txt"), "--vocab", str(tmp_path / "vocab.txt"), "--part", "model"]
    main([*OPTIONS, *own, "--dtype", "bfloat16", "--output_dir", str(tmp_path / "made")])
    result = json.loads((tmp_path / "made" / "benchmark.json").read_text(encoding="utf-8"))
    ((title, rows),) = result["tables"].items()
    assert "tiny, 2 x 12 tokens" in title
    assert "bfloat16" in title
    assert all(row["ratios"].keys() == {"hanziformers / BertModel"} for row in rows)
    assert result["text"].startswith(f"{20 * len(sentence)} characters")


def test_short_text_is_refused(main, tmp_path):
    (tmp_path / "text.txt").write_text("短文", encoding="utf-8")
    options = ["--text", str(tmp_path / "text.txt"), "--part", "text", "--text_lengths", "20"]
    with pytest.raises(ValueError, match="the text has 2 characters, and pieces of 20"):
        main([*options, "--output_dir", str(tmp_path)])

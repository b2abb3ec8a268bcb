"""run_reading_experiments.py: which trainings are started with which options, and what the tables say of them."""

import json
import subprocess
from pathlib import Path

import pytest
from script_tools import main_of

main = main_of("run_reading_experiments")
ROWS = [
    {"answer": "北京", "gold": [{"text": "北京", "start": 0}]},
    {"answer": "YES", "gold": [{"text": "NO", "start": -1}]},
    {"answer": "上海", "gold": None},
]


@pytest.fixture
def started(monkeypatch):
    """The commands of the trainings, which do not run: each leaves its figures behind, by its seed."""
    commands = []

    def run(command, stdout, stderr):
        split = command.index("--do_train")
        options = {name[2:]: value for name, value in zip(command[2:split:2], command[3:split:2], strict=True)}
        commands.append(options | {"script": Path(command[1]).name, "rest": command[split:]})
        folder = Path(options["output_dir"])
        (folder / "all_results.json").write_text(json.dumps({"test_em": 0.25, "test_f1": 0.1 * int(options["seed"])}))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
        (folder / "predictions.jsonl").write_text(lines, encoding="utf-8")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def experiments(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).write_text("{}")

    def run(*options):
        filled = [option.replace("DIR", str(tmp_path)) for option in options]
        main(["--output_dir", f"{tmp_path}/runs", "--results", f"{tmp_path}/results", *filled])
        return (tmp_path / "results" / "reading.md").read_text(encoding="utf-8")

    return run


def test_every_model_on_all_data(started, experiments, tmp_path):
    options = ["--cmrc", "CMRC=DIR/train,,DIR/test", "--cjrc", "CJRC=DIR/train,,", "--vocab_file", "v.txt"]
    text = experiments(*options, "--seeds", "1", "3", "--max_seq_length", "64", "--config_overrides", "hidden_size=24")
    assert len(started) == 2 * 2 * 3
    for command in started:
        assert command["script"] == "run_reading.py"
        assert command["rest"] == ["--do_train", "--do_predict", "--max_seq_length", "64"]
        assert (command["config_overrides"], command["vocab_file"]) == ("hidden_size=24", "v.txt")
        held_out = command["scoring"] == "cjrc"
        assert held_out == ("test_file" not in command) == (command.get("test_fraction") == "0.1")
    assert [command["model_type"] for command in started[:3]] == ["bert", "chinese_bert", "glyph_crm"]
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## CMRC", "## CJRC"]
    assert "| system | em | f1 | em_text | f1_text | em_no | f1_no |" in text
    row = "| 0.2500 (0.2500 to 0.2500) | 0.2000 (0.1000 to 0.3000) | 1.0000 (1.0000 to 1.0000) |"
    assert text.count(f"| GlyphCRM {row}") == 2
    assert (tmp_path / "results" / "reading.png").stat().st_size > 1000
    lines = json.loads((tmp_path / "results" / "reading.json").read_text())
    assert lines[0]["f1_no"] == 0.0
    assert len(lines) == 12
    experiments(*options, "--seeds", "1", "3")
    assert len(started) == 12  # finished runs are not done again


def test_checkpoints(started, experiments):
    given = ["--bert", "b", "--glyph_crm", "g", "--systems", "BERT", "GlyphCRM", "--seeds", "1"]
    experiments("--cmrc", "CMRC=DIR/train,,DIR/test", *given, "--config_overrides", "hidden_size=24")
    assert [command["model_name_or_path"] for command in started] == ["b", "g"]
    assert not any({"model_type", "config_overrides", "vocab_file"} & {*command} for command in started)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there are no data: give --cmrc or --cjrc NAME=TRAIN,VALIDATION,TEST"),
        (["--cmrc", "X=DIR/train,,"], "BERT, ChineseBERT, GlyphCRM from scratch: give --vocab_file, or checkpoints"),
        (["--cmrc", "X=DIR/train,,", "--bert", "b"], r"ChineseBERT, GlyphCRM from scratch: .*--chinese_bert"),
        (
            ["--cmrc", "X=DIR/train,,", "--vocab_file", "v", "--scoring", "cjrc"],
            "--scoring: what the runs have of their",
        ),
        (["--cmrc", "X=DIR/train,,", "--vocab_file", "v", "--rate", "1"], "trainings of a ReadingTask have no option"),
    ],
)
def test_what_is_refused(started, experiments, options, message):
    with pytest.raises(ValueError, match=message):
        experiments(*options)
    assert not started

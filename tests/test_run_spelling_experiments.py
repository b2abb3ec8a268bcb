"""run_spelling_experiments.py: which trainings are started with which options, and what the tables say of them."""

import json
import subprocess
from pathlib import Path

import pytest
from script_tools import main_of

from hanziformers.training.spelling_scores import SCORES

main = main_of("run_spelling_experiments")
SYSTEMS = main.__globals__["SYSTEMS"]
CONTROLS = ("permute_glyphs", "permute_pinyin")
ROWS = [  # two errors of a kind, of which one is corrected, and one of another kind that is only detected
    {"text": "我门在", "gold": "我们在", "predicted": "我们在", "kinds": ["near_homophone"]},
    {"text": "我门再", "gold": "我们在", "predicted": "我门载", "kinds": ["near_homophone", "homophone"]},
]


@pytest.fixture
def started(monkeypatch):
    """The commands of the trainings, which do not run: each leaves its figures behind, by seed and controls."""
    commands = []

    def run(command, stdout, stderr):
        split = command.index("--do_train")
        options = {name[2:]: value for name, value in zip(command[2:split:2], command[3:split:2], strict=True)}
        commands.append(options | {"script": Path(command[1]).name, "rest": command[split:]})
        folder = Path(options["output_dir"])
        score = 0.5 + 0.1 * int(options["seed"]) - 0.2 * sum(name in options for name in CONTROLS)
        (folder / "all_results.json").write_text(json.dumps({f"test_{name}": score for name in SCORES}))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
        (folder / "predictions.jsonl").write_text(lines, encoding="utf-8")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def data(tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / name).write_text("我们在学校上课。\n" * 9, encoding="utf-8")
    return ["--data", f"X={tmp_path}/train,{tmp_path}/dev,{tmp_path}/test", "--vocab_file", "vocab.txt"]


@pytest.fixture
def experiments(tmp_path):
    def run(*options):
        main(["--output_dir", f"{tmp_path}/runs", "--results", f"{tmp_path}/results", *options])
        return (tmp_path / "results" / "spelling.md").read_text(encoding="utf-8")

    return run


def test_every_system_and_its_controls(started, experiments, data, tmp_path):
    options = [*data, "--seeds", "1", "2", "--config_overrides", "hidden_size=24", "--error_copies", "3"]
    text = experiments(*options, "--glyph_crm_overrides", "glyph_size=24")
    assert len(started) == 2 * 7 == len({command["output_dir"] for command in started})
    for command in started:
        assert command["script"] == "run_spelling.py"
        assert command["rest"] == ["--do_train", "--do_predict", "--error_copies", "3"]
        assert Path(command["validation_file"]).name == "dev"
        more = ",glyph_size=24" if command["model_type"] == "glyph_crm" else ""
        assert command["config_overrides"] == f"hidden_size=24{more}"
    found = [(command["model_type"], *map(command.get, CONTROLS)) for command in started if command["seed"] == "2"]
    assert found == [
        ("bert", None, None),
        ("chinese_bert", None, None),
        ("chinese_bert", "2", None),
        ("chinese_bert", None, "2"),
        ("chinese_bert", "2", "2"),
        ("glyph_crm", None, None),
        ("glyph_crm", "2", None),
    ]
    assert "| GlyphCRM | 0.6500 (0.6000 to 0.7000) |" in text
    # detection recall by kind; then correction recall
    assert "| BERT | - | 1.0000 (1.0000 to 1.0000) | 0.5000 (0.5000 to 0.5000) | - |" in text
    assert "| BERT | - | 0.0000 (0.0000 to 0.0000) | 0.5000 (0.5000 to 0.5000) | - |" in text
    assert "| ChineseBERT, permuted glyphs | 0.2000 (0.2000 to 0.2000) |" in text.split("## What the controls lose")[1]
    assert "| ChineseBERT, both permuted | 0.4000 (0.4000 to 0.4000) |" in text
    assert (tmp_path / "results" / "spelling.png").stat().st_size > 1000
    lines = json.loads((tmp_path / "results" / "spelling.json").read_text())
    assert len(lines) == 14
    assert lines[0]["near_homophone_correction_recall"] == 0.5
    experiments(*options)
    assert len(started) == 14  # finished runs are not done again


def test_chosen_systems(started, experiments, data):
    text = experiments(*data, "--seeds", "1", "--systems", "BERT", "GlyphCRM, permuted glyphs")
    assert [command["model_type"] for command in started] == ["bert", "glyph_crm"]
    assert "What the controls lose" not in text  # the model itself was not run


def test_sentences_are_cut_from_text(started, experiments, tmp_path):
    for name in "ab":
        lines = [f"{name}这是第{number}篇文章的第{one}句话。" for number in range(20) for one in "一二"]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    experiments("--text", f"{tmp_path}/*.txt", "--sentences", "20", "4", "6", "--systems", "BERT", "--seeds", "1", "2")
    files = {tuple(command[f"{split}_file"] for split in ("train", "validation", "test")) for command in started}
    folder = tmp_path / "runs" / "text"
    assert files == {tuple(str(folder / f"{split}.jsonl") for split in ("train", "validation", "test"))}
    assert {command["vocab_file"] for command in started} == {str(folder / "vocab.txt")}
    assert len((folder / "test.jsonl").read_text().splitlines()) == 6
    assert {"龙", "鬼"} <= set((folder / "vocab.txt").read_text(encoding="utf-8").split())  # what errors may write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there are no data: give --text, or --data NAME=TRAIN,VALIDATION,TEST"),
        (["--data", "X=a,b"], "--data 'X=a,b' is not allowed"),
        (["{data}"], "--data are for models of one vocabulary: give --vocab_file"),
        (["{data}", "--vocab_file", "v.txt", "--permute_glyphs", "3"], "--permute_glyphs: what the runs have of their"),
        (["{data}", "--vocab_file", "v.txt", "--seed=3"], "--seed: what the runs have of their own is decided here"),
        (["{data}", "--vocab_file", "v.txt", "--scoring", "cjrc"], "trainings of a SpellingTask have no option"),
        (["{data}", "--vocab_file", "v.txt", "--bert_overrides", "hidden=8"], "a bert has no field hidden"),
    ],
)
def test_what_is_refused(started, experiments, data, options, message):
    with pytest.raises(ValueError, match=message):
        experiments(*(part for option in options for part in (data[:2] if option == "{data}" else [option])))
    assert not started

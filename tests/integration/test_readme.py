"""The quickstart and the README's code run as they stand."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def code_blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder in which the quickstart has run for one epoch, and what it printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    command = [sys.executable, str(REPOSITORY / "run_scripts" / "quickstart.py"), "--num_train_epochs", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_quickstart_prints_scores_entities_and_the_reload(place):
    folder, done = place
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", done.stdout, re.MULTILINE)
    assert done.stdout.count("。\n") == 4  # the four sentences
    for start, end, characters in re.findall(r"(\d+) to +(\d+)  (\S+)  \(", done.stdout):
        assert len(characters) == int(end) - int(start)
    assert "in a second process: the same" in done.stdout
    assert "%|" in done.stderr  # progress bars
    results = json.loads((folder / "outputs" / "quickstart" / "all_results.json").read_text())
    assert f"f1 {results['test_f1']:.4f}" in done.stdout


def test_the_quickstart_of_glyph_crm(tmp_path):
    options = ["--model_type", "glyph_crm", "--num_train_epochs", "1", "--output_dir", "glyphs"]
    command = [sys.executable, str(REPOSITORY / "run_scripts" / "quickstart.py"), *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", done.stdout, re.MULTILINE)
    assert "in a second process: the same" in done.stdout
    assert json.loads((tmp_path / "glyphs" / "config.json").read_text())["model_type"] == "glyph_crm"
    assert (tmp_path / "glyphs" / "fonts" / "song.woff2").is_file()


def test_the_code_of_the_readme_runs(place, monkeypatch):
    folder, _ = place
    monkeypatch.chdir(folder)
    blocks = code_blocks("README.md", "python")
    assert len(blocks) == 3
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(block, {})
    assert "torch.Size([2, " in printed.getvalue()
    assert ", 8])" in printed.getvalue()


def test_both_languages_show_the_same_code():
    for language in ("python", "bash"):
        assert code_blocks("README.md", language) == code_blocks("README.zh.md", language)


def test_the_readme_names_files_that_exist():
    for name in ("README.md", "README.zh.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for path in re.findall(r"(?:run_scripts|tests|model_cards|results)/[\w./]+\w", text):
            assert (REPOSITORY / path).exists(), path
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            assert (REPOSITORY / target).exists(), target

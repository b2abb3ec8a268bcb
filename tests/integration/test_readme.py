"""The quickstart and the README's code run as they stand."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
import torch
from export_tools import needs_newer_torch
from process_tools import run_program
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertModel, BertTokenizer

from hanziformers import (
    BiaffineConfig,
    BiaffineForDependencyParsing,
    HanziGlyphImageProcessor,
    HanziProcessor,
    WordTokenizer,
    encoder_file,
)

REPOSITORY = Path(__file__).parents[2]
EXPORTS = re.compile("torch.onnx.export").search


def code_blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / name).read_text(encoding="utf-8"), re.DOTALL)


def save_bert(folder, kind=BertModel):
    """A tiny BERT with new weights, where the README names one of the Hub, or one that a script trained."""
    characters = dict.fromkeys("".join(path.read_text(encoding="utf-8") for path in SAMPLE.glob("*.jsonl")))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(c for c in characters if not c.isspace())]
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    kind(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder)
    BertTokenizer({token: row for row, token in enumerate(vocabulary)}).save_pretrained(folder)


def save_parser(folder):
    """A tiny parser with new weights, without glyphs."""
    words = WordTokenizer({word: row for row, word in enumerate(["[PAD]", "[UNK]", "我", "看", "书"])})
    sizes = {"embedding_dim": 6, "hidden_size": 8, "num_hidden_layers": 1, "arc_size": 5, "relation_size": 4}
    labels = {"id2label": {0: "nsubj", 1: "root", 2: "obj"}}
    config = BiaffineConfig(glyce=False, vocab_size=len(words), **sizes, **labels)
    BiaffineForDependencyParsing(config).save_pretrained(folder)
    HanziProcessor(HanziGlyphImageProcessor(config.glyph_styles, config.glyph_size), words).save_pretrained(folder)


SAMPLE = REPOSITORY / "tests" / "data" / "ner_sample"
QUICKSTART = REPOSITORY / "run_scripts" / "quickstart.py"
SHORT = ["--num_train_epochs", "0.15"]  # enough to find entities, most of them wrong ones


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder in which the quickstart has run for a short time, and what it printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    done = run_program(QUICKSTART, *SHORT, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_quickstart_prints_scores_entities_and_the_reload(place):
    folder, done = place
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", done.stdout, re.MULTILINE)
    assert done.stdout.count("。\n") == 4  # the four sentences
    for start, end, characters in re.findall(r"(\d+) to +(\d+)  (\S+)  \(", done.stdout):
        assert len(characters) == int(end) - int(start)
    assert re.search("in a second process: the same [1-9][0-9]* entities", done.stdout)
    assert "%|" in done.stderr  # progress bars
    results = json.loads((folder / "outputs" / "quickstart" / "all_results.json").read_text())
    assert f"f1 {results['test_f1']:.4f}" in done.stdout


@pytest.fixture
def few(tmp_path):
    """Options that leave 64 sentences to train on and 32 to test on."""
    lines = (SAMPLE / "test.jsonl").read_text(encoding="utf-8").splitlines()[:32]
    path = tmp_path / "few.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return ["--max_train_samples", "64", "--validation_file", str(path), "--test_file", str(path)]


def test_the_quickstart_of_glyph_crm(tmp_path, few):
    options = ["--model_type", "glyph_crm", "--num_train_epochs", "1", "--output_dir", "glyphs"]
    done = run_program(QUICKSTART, *options, *few, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", done.stdout, re.MULTILINE)
    assert "in a second process: the same" in done.stdout
    assert json.loads((tmp_path / "glyphs" / "config.json").read_text())["model_type"] == "glyph_crm"
    assert (tmp_path / "glyphs" / "fonts" / "song.woff2").is_file()


def test_the_quickstart_of_mpm_cner(tmp_path, few):
    """With the shipped encoders of glyphs and sounds, frozen; options that it does not have go to run_ner.py."""
    options = ["--model_type", "mpm_cner", "--num_train_epochs", "1", "--output_dir", "mpm"]
    options += ["--vocabulary_bank", "True", "--learning_rates", "swin=0,rest=1e-2"]
    done = run_program(QUICKSTART, *options, *few, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", done.stdout, re.MULTILINE)
    assert "in a second process: the same" in done.stdout
    weights, encoders = (
        load_file(tmp_path / "mpm" / "model.safetensors"),
        {"glyph": "glyph_bank", "phonetic": "sound_bank"},
    )
    for modality, bank in encoders.items():
        for name, weight in load_file(encoder_file(modality)).items():
            assert torch.equal(weights[f"mpm_cner.{bank}.encoder.{name}"], weight.float())
    card = (tmp_path / "mpm" / "README.md").read_text(encoding="utf-8")
    assert "put together from encoders (glyph: the shipped one, phonetic: the shipped one)" in card
    assert len(json.loads((tmp_path / "mpm" / "trainer_state.json").read_text())["log_history"]) > 1


def test_the_code_of_the_readme_runs(place, monkeypatch):
    folder, _ = place
    monkeypatch.chdir(folder)
    (folder / "tests").symlink_to(REPOSITORY / "tests")  # the README's paths begin at the repository
    save_bert(folder / "bert-base-chinese")
    save_bert(folder / "outputs" / "reading", BertForQuestionAnswering)
    save_bert(folder / "outputs" / "spelling", BertForMaskedLM)
    save_parser(folder / "outputs" / "parser")
    blocks = [block for block in code_blocks("README.md", "python") if not EXPORTS(block)]
    assert len(blocks) == 7
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(block, {})
    assert "'precision': 1.0, 'recall': 0.5" in printed.getvalue()
    assert "NerCoverage(entities=" in printed.getvalue()
    assert "['末', '朱', '米']" in printed.getvalue()
    assert re.search(r"^3\t书\t.*\t[0-3]\t(nsubj|root|obj)\t_\t_$", printed.getvalue(), re.MULTILINE)
    assert (folder / "outputs" / "tree.svg").read_text(encoding="utf-8").startswith("<svg")
    assert (folder / "outputs" / "sheet.png").is_file()
    assert (folder / "outputs" / "mine" / "modeling_chinese_bert.py").is_file()
    assert (folder / "outputs" / "mpm" / "modeling_mpm_cner.py").is_file()
    (mpm,) = (block for block in blocks if "from_encoders" in block)
    assert len(list(filter(None, mpm.splitlines()))) <= 30


@needs_newer_torch
def test_the_export_of_the_readme_runs(place, monkeypatch):
    folder, _ = place
    monkeypatch.chdir(folder)
    (block,) = filter(EXPORTS, code_blocks("README.md", "python"))
    exec(block, names := {})
    assert names["logits"].shape[:2] == names["batch"]["input_ids"].shape
    assert (folder / "outputs" / "model.onnx").is_file()


@pytest.mark.slow
def test_the_whole_quickstart_keeps_the_promise_of_the_readme(tmp_path):
    """Four in five of the entities with names that were never seen, and all of the first three sentences."""
    done = run_program(QUICKSTART, folder=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(re.search(r"^test .* f1 ([0-9.]+)$", done.stdout, re.MULTILINE)[1]) >= 0.8
    found = [re.findall(r"(PER|LOC|ORG) .* to +\d+  (\S+)  \(", part) for part in done.stdout.split("\n\n")[-5:-2]]
    assert found == [
        [("PER", "王磊"), ("LOC", "沈阳"), ("LOC", "苏州")],
        [("PER", "李静"), ("ORG", "临溪广播电台"), ("LOC", "杭州")],
        [("PER", "慕容雪"), ("LOC", "青岛"), ("LOC", "南京")],
    ]
    (shown,) = code_blocks("README.md", "text")
    assert shown.split()[0::4] == [label for label, _ in found[0]]
    assert shown.split()[3::4] == [name for _, name in found[0]]


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

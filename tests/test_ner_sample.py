"""The named-entity sample: it can be remade, its offsets are right, and training knows no name of dev and test."""

import ast
import importlib.util
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "data" / "ner_sample"
QUICKSTART = Path(__file__).parent.parent / "run_scripts" / "quickstart.py"
SIZES = {"train": 9600, "dev": 300, "test": 400}
LABELS = {"PER", "LOC", "ORG"}


@pytest.fixture(scope="module")
def sample():
    return {
        split: [json.loads(line) for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in SIZES
    }


@pytest.fixture(scope="module")
def training_text(sample):
    return "\n".join(row["text"] for row in sample["train"])


@pytest.fixture(scope="module")
def make_sample():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_sample", FOLDER / "make_sample.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "make_sample", module)  # dataclasses look their module up
        spec.loader.exec_module(module)
    return module


def shown_sentences():
    """SENTENCES of quickstart.py, read without an import."""
    for statement in ast.parse(QUICKSTART.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "SENTENCES":
            return ast.literal_eval(statement.value)
    raise LookupError("quickstart.py has no SENTENCES")


def surfaces(rows):
    return {row["text"][entity["start"] : entity["end"]] for row in rows for entity in row["entities"]}


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_generator_reproduces_the_shipped_files(tmp_path, monkeypatch, hash_seed):
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    command = [sys.executable, str(FOLDER / "make_sample.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{split}.jsonl" for split in SIZES)
    for split in SIZES:
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (FOLDER / f"{split}.jsonl").read_bytes(), split


def test_sizes(sample):
    assert {split: len(rows) for split, rows in sample.items()} == SIZES


def test_offsets_name_text_in_order_without_overlap(sample):
    for rows in sample.values():
        for row in rows:
            assert set(row) == {"text", "entities"}
            end = 0
            for entity in row["entities"]:
                assert set(entity) == {"start", "end", "label"}
                assert end <= entity["start"] < entity["end"] <= len(row["text"])
                surface = row["text"][entity["start"] : entity["end"]]
                assert surface
                assert surface == surface.strip()
                end = entity["end"]
            assert "{" not in row["text"], "a slot was left unfilled"


def test_one_surface_has_one_label(sample):
    labels = {}
    for rows in sample.values():
        for row in rows:
            for entity in row["entities"]:
                surface = row["text"][entity["start"] : entity["end"]]
                assert labels.setdefault(surface, entity["label"]) == entity["label"], surface


@pytest.mark.parametrize("split", SIZES)
def test_labels(sample, split):
    assert {entity["label"] for row in sample[split] for entity in row["entities"]} == LABELS


def test_no_text_occurs_twice(sample):
    texts = [row["text"] for rows in sample.values() for row in rows]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_name_of_dev_and_test_occurs_in_training(sample, training_text, split):
    assert [surface for surface in sorted(surfaces(sample[split])) if surface in training_text] == []


def test_no_name_of_dev_occurs_in_test(sample):
    text = "\n".join(row["text"] for row in sample["test"])
    assert [surface for surface in sorted(surfaces(sample["dev"])) if surface in text] == []


@pytest.mark.parametrize("split", ["dev", "test"])
def test_some_patterns_of_dev_and_test_are_not_in_training(sample, make_sample, split):
    """The divided patterns are asked for the sentences that none of the training's own patterns can have made."""
    known = [
        re.compile(make_sample.as_expression(pattern))
        for kind in make_sample.read_patterns(random.Random(make_sample.SEED)).values()
        for pattern in kind["train"]
    ]
    unseen = [row["text"] for row in sample[split] if not any(pattern.fullmatch(row["text"]) for pattern in known)]
    assert 0.1 <= len(unseen) / len(sample[split]) <= 0.2


def test_what_the_quickstart_shows_is_not_in_training(training_text, make_sample):
    sentences, names = shown_sentences(), make_sample.SHOWN
    assert [text for text in sentences if text in training_text] == []
    assert [name for name in names if name in training_text] == []
    assert all(any(name in text for text in sentences) for name in names)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_characters_of_places_are_known(make_sample, split):
    fillers = make_sample.read_fillers(random.Random(make_sample.SEED))
    known = [place for places in fillers["train"].places.values() for place in places]
    own = [place for places in fillers[split].places.values() for place in places if place not in make_sample.SHOWN]
    assert own
    for place in own:
        assert all(sum(character in other for other in known) >= 3 for character in place), place


def test_the_files_are_small():
    assert sum((FOLDER / f"{split}.jsonl").stat().st_size for split in SIZES) < 1_500_000

"""The named-entity sample: it can be remade, its offsets are right, and its dev and test sets are not in training."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "data" / "ner_sample"
SIZES = {"train": 1500, "dev": 120, "test": 120}
LABELS = {"PER", "LOC", "ORG"}


@pytest.fixture(scope="module")
def sample():
    return {
        split: [json.loads(line) for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in SIZES
    }


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
def test_many_entities_are_unseen_in_training(sample, split):
    training_text = "\n".join(row["text"] for row in sample["train"])
    found = surfaces(sample[split])
    unseen = {surface for surface in found if surface not in training_text}
    assert len(unseen) / len(found) >= 0.35

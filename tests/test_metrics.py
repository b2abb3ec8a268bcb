"""The paths of the metrics: each is a file of which evaluate finds the class."""

from pathlib import Path

import evaluate
import pytest

from hanziformers.training import metrics

ENTITY = {"start": 0, "end": 2, "label": "LOC"}


@pytest.mark.parametrize(
    ("name", "rows", "score"), [("EXACT_ENTITIES", [[ENTITY]], "f1"), ("CLASSIFICATION_SCORES", ["x"], "accuracy")]
)
def test_every_path_loads(name, rows, score, tmp_path):
    path = getattr(metrics, name)
    assert Path(path).parent == Path(metrics.__file__).parent
    metric = evaluate.load(path, cache_dir=str(tmp_path))
    assert metric.compute(predictions=rows, references=rows)[score] == 1.0


def test_all_paths_are_public():
    assert sorted(metrics.__all__) == ["CLASSIFICATION_SCORES", "EXACT_ENTITIES"]

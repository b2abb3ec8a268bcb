"""Rows of a metric: the format is that of all rows of the first batch, and every row is made plain."""

import evaluate
import pytest
from datasets import Features, Value

from hanziformers.training.metric_rows import CheckedRows

FORMS = ([Value("string")], [Value("int64")])


class Echo(CheckedRows, evaluate.Metric):
    """Gives back what it got."""

    def _info(self):
        forms = [Features({"predictions": form, "references": form}) for form in FORMS]
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=forms, format=None)

    def plain_row(self, row):
        return [item for item in row if item != "drop"]

    def _compute(self, predictions, references):
        return {"predictions": list(predictions), "references": list(references)}


@pytest.fixture
def metric():
    return Echo(keep_in_memory=True)


def test_the_first_row_that_holds_something_tells_the_format(metric):
    assert metric.compute(predictions=[[], [1]], references=[[], [2]]) == {
        "predictions": [[], [1]],
        "references": [[], [2]],
    }
    assert metric.compute(predictions=[[], ["a"]], references=[[], []])["predictions"] == [[], ["a"]]
    assert metric.compute(predictions=[[]], references=[[]])["references"] == [[]]


def test_rows_are_made_plain_one_by_one_and_in_batches(metric):
    metric.add(prediction=["a", "drop"], reference=["drop"])
    metric.add_batch(predictions=[["drop", "b"]], references=[["c"]])
    assert metric.compute() == {"predictions": [["a"], ["b"]], "references": [[], ["c"]]}


def test_no_rows(metric):
    with pytest.raises(ValueError, match="there are no rows of predictions and references; give one for each text"):
        metric.compute(predictions=[], references=[])
    with pytest.raises(ValueError, match="there are no rows of predictions; give"):
        metric.add_batch(predictions=[], references=[["a"]])

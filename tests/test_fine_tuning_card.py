"""What a card says of its run: only what the run did."""

from types import SimpleNamespace

import pytest

from hanziformers.training.fine_tuning_card import origin_fields, results_section
from hanziformers.training.model_loading import ModelArguments


def fields(args, do_train=True, load_best_model_at_end=True):
    options = {"do_train": do_train, "load_best_model_at_end": load_best_model_at_end}
    return origin_fields(args, SimpleNamespace(output_dir="a/tiny", metric_for_best_model="f1", **options))


def test_a_trained_model():
    found = fields(ModelArguments("base"))
    assert "start" not in found  # as write_card says it
    assert found["model"] == "tiny"
    assert "The folder holds the model's code" in found["usage"]
    assert found["checkpoint"] == "The checkpoint with the best f1 on the validation data."
    last = fields(ModelArguments("base"), load_best_model_at_end=False)
    assert last["checkpoint"] == "The model as it was at the end of training."


@pytest.mark.parametrize("best", [True, False])
def test_a_model_that_was_not_trained(best):
    found = fields(ModelArguments("base"), do_train=False, load_best_model_at_end=best)
    assert found["start"] == "loaded from `base`, not trained"
    assert found["model"] == "base"
    assert "no model" in found["usage"]
    assert "best" not in found["checkpoint"]
    assert fields(ModelArguments(model_type="bert"), do_train=False)["start"] == "with random weights"


def test_tables_of_what_there_is():
    by_label = {"x": {"f1": 0.25, "support": 3}}
    whole = results_section({"validation": {"f1": 1.0}, "test": {"f1": 0.5, "by_label": by_label}}, ["f1"])
    assert whole.split("\n\n") == [
        "| data | f1 |\n| --- | --- |\n| validation | 1.0000 |\n| test | 0.5000 |",
        "Results of the test data by label:",
        "| label | f1 | support |\n| --- | --- | --- |\n| x | 0.2500 | 3 |",
    ]
    assert "label" not in results_section({"validation": {"f1": 1.0}}, ["f1"])
    assert "label:" not in results_section({"test": {"f1": 1.0, "by_label": {}}}, ["f1"])
    assert results_section({}, ["f1"]) == "No data with labels were scored."

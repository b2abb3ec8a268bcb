"""Calls take turns, the warm-up is not counted, and rounds are there as soon as they are measured."""

import pytest
import torch
from torch import nn

from hanziformers.training import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that a call can set forward."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_calls_take_turns_and_rounds_come_one_by_one(clock):
    done = []

    def call(name, seconds):
        def run(value):
            done.append((name, value))
            clock[0] += seconds + value

        return run

    turns = timing.take_turns({"slow": call("slow", 10.0), "quick": call("quick", 1.0)}, [7, 0, 2], "cpu", 1)
    rounds = next(turns)
    assert done == [("slow", 7), ("quick", 7), ("slow", 0), ("quick", 0)]
    assert rounds == {"slow": [10], "quick": [1]}  # the 7 was the warm-up
    (rounds,) = turns
    assert rounds == {"slow": [10, 12], "quick": [1, 3]}


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_is_waited_for_before_and_after_each_call(monkeypatch, clock, device):
    """Its kernels go on after a call has returned: here each takes 5 seconds, until somebody waits."""
    pending, waited = [0.0], []

    def wait(which):
        waited.append(which)
        clock[0] += pending[0]
        pending[0] = 0.0

    def start(_):
        pending[0] += 5.0

    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    pending[0] = 100.0  # of an earlier program
    (rounds,) = timing.take_turns({"one": start, "other": start}, [None], device, 0)
    assert rounds == {"one": [5.0], "other": [5.0]}
    assert set(waited) == {device}


def test_a_row_has_medians_quartiles_and_ratios():
    row = timing.row("case", {"a": [4.0, 2.0, 30.0], "b": [2.0, 1.0, 10.0]}, [("a", "b"), ("a", "missing")])
    assert row["medians"] == {"a": 4, "b": 2}
    assert row["quartiles"] == {"a": [3, 17], "b": [1.5, 6]}
    assert row["ratios"] == {"a / b": 2}
    assert row["ratio_quartiles"] == {"a / b": [2, 2.5]}  # of 2, 2 and 3


def test_a_row_does_not_grow_with_the_rounds():
    rounds = {"a": [1.0]}
    row = timing.row("case", rounds, [])
    rounds["a"].append(2.0)
    assert row["rounds"] == {"a": [1.0]}
    assert row["quartiles"] == {"a": [1.0, 1.0]}


def test_time_of_an_item():
    assert timing.per_item({"a": [4.0, 2.0]}, 4) == {"a": [1.0, 0.5]}


def test_the_optimizer_is_that_of_a_trainer_without_options(tmp_path):
    from transformers import Trainer, TrainingArguments

    model = nn.Linear(2, 2)
    theirs = Trainer(model, TrainingArguments(str(tmp_path), report_to="none", use_cpu=True)).create_optimizer()
    ours = timing.trainer_optimizer(model, "cpu")
    assert type(ours) is type(theirs)
    keys = ("fused", "betas", "eps", "weight_decay")
    assert [ours.defaults[key] for key in keys] == [theirs.defaults[key] for key in keys]
    assert ours.defaults["fused"] == (timing.usual_optimizer() == "adamw_torch_fused")
    groups = [{"params": [model.bias], "lr": 0.5}, {"params": [model.weight]}]
    assert [group["lr"] for group in timing.trainer_optimizer(model, "cpu", groups).param_groups] == [0.5, 1e-5]

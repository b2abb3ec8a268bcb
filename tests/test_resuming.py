"""Where training resumes, and where it starts from scratch."""

import json
import shutil

import pytest
import torch
from glyph_crm_tools import NO_DROPOUT, build
from resume_tools import ROWS, arguments, losses, make_model, make_trainer
from safetensors.torch import load_file

from hanziformers import GlyphCrmForMaskedLM
from hanziformers.training.finite_trainer import FiniteTrainer
from hanziformers.training.resuming import restarts, starting_checkpoint, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, with checkpoints of steps 2, 4 and 6, and its losses."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    trainer = make_trainer(folder)
    train(trainer)
    return folder, losses(trainer)


@pytest.fixture
def folder(run, tmp_path):
    copy = shutil.copytree(run[0], tmp_path / "run")
    (copy / "checkpoint-best").mkdir()
    return copy


@pytest.fixture
def start(folder):
    """The checkpoint for a value of --resume_from_checkpoint."""
    return lambda value=None, **more: starting_checkpoint(arguments(folder, value, **more), make_model())


@pytest.mark.parametrize("value", [None, "True", "true"])
def test_resumes_from_the_newest_checkpoint(start, folder, warnings, value):
    (folder / "checkpoint-6").rename(folder / "checkpoint-100")
    assert start(value) == str(folder / "checkpoint-100")
    assert [str(folder / "checkpoint-100") in text and "another --output_dir" in text for text in warnings] == [True]


@pytest.mark.parametrize(
    "name",
    ["trainer_state.json", "model.safetensors", "config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth"],
)
@pytest.mark.parametrize("rest", [None, 0.0, 0.5])
def test_a_checkpoint_that_is_not_whole_is_skipped(start, folder, warnings, name, rest):
    path = folder / "checkpoint-6" / name
    data = path.read_bytes()
    path.unlink() if rest is None else path.write_bytes(data[: int(rest * len(data))])
    assert start() == str(folder / "checkpoint-4")
    assert "checkpoint-6 is skipped, as saving it was interrupted" in warnings[0]
    assert f"{name} is " in warnings[0]
    assert "training resumes from" in warnings[1]
    with pytest.raises(ValueError, match=f"cannot resume from .*checkpoint-6: {name} is .*give a checkpoint that is"):
        start(str(folder / "checkpoint-6"))


def test_a_run_resumes_from_the_newest_whole_one_to_the_same_losses(run, folder):
    for path in (folder / "checkpoint-6" / "optimizer.pt", folder / "checkpoint-4" / "rng_state.pth"):
        path.unlink()
    trainer = make_trainer(folder)
    train(trainer)
    assert losses(trainer) == run[1]
    assert (folder / "checkpoint-6" / "optimizer.pt").is_file()


@pytest.mark.parametrize("more", [{}, {"max_steps": -1, "num_train_epochs": 1.5}, {"max_steps": 4}])
def test_a_finished_run_is_not_trained_further(folder, warnings, more):
    """The Trainer would train a step more, and replace the metrics of the run."""
    figures = (folder / "train_results.json").read_text()
    trainer = make_trainer(folder, lr_scheduler_type="constant", **more)
    assert train(trainer) is False
    assert trainer.state.global_step == 6
    assert (
        f"the run has {more['max_steps'] if more.get('max_steps', 0) > 0 else 6} steps: it is complete" in warnings[1]
    )
    weights = load_file(folder / "checkpoint-6" / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in trainer.model.state_dict().items())
    assert (folder / "train_results.json").read_text() == figures
    assert load_file(folder / "model.safetensors").keys() == weights.keys()


def test_the_start_of_a_resumed_run_is_not_evaluated_again(tmp_path):
    """It would estimate statistics at a step at which the uninterrupted run did not."""
    rows = [{"input_ids": [2, 5 + row, 9, 3], "labels": [-100, 5 + row, -100, -100]} for row in range(16)]
    options = {"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 3, "learning_rate": 1e-3}
    trainers = []
    for name in ("whole", "resumed"):
        torch.manual_seed(0)
        model = build(GlyphCrmForMaskedLM, feature_norm="whiten", **NO_DROPOUT)
        if trainers:
            shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / name / "checkpoint-2")
        args = arguments(tmp_path / name, **options)
        trainers.append(FiniteTrainer(model, args, train_dataset=rows, eval_dataset=rows))
        train(trainers[-1])
    history = [[row for row in trainer.state.log_history if "eval_loss" in row] for trainer in trainers]
    whole, resumed = ([(row["step"], row["eval_loss"]) for row in each] for each in history)
    assert [step for step, _ in whole] == [0, 3, 6]
    assert whole == resumed
    assert losses(trainers[0]) == losses(trainers[1])
    first, second = (trainer.model.state_dict() for trainer in trainers)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_more_steps_are_trained(folder):
    assert train(trainer := make_trainer(folder, max_steps=7)) is True
    assert trainer.state.global_step == 7


def test_a_finished_run_loads_its_best_checkpoint(folder):
    state = json.loads((folder / "checkpoint-6" / "trainer_state.json").read_text())
    state["best_model_checkpoint"] = "elsewhere/checkpoint-2"
    (folder / "checkpoint-6" / "trainer_state.json").write_text(json.dumps(state))
    options = {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2}
    trainer = FiniteTrainer(make_model(), arguments(folder, **options), train_dataset=ROWS, eval_dataset=ROWS)
    assert train(trainer) is False
    weights = load_file(folder / "checkpoint-2" / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in trainer.model.state_dict().items())


def test_without_a_whole_checkpoint_training_starts_from_scratch(start, folder, warnings):
    for step in (2, 4, 6):
        (folder / f"checkpoint-{step}" / "model.safetensors").unlink()
    assert start() is None
    assert len(warnings) == 3
    with pytest.raises(ValueError, match="resume_from_checkpoint=True, but .* holds no complete checkpoint"):
        start("True")


@pytest.mark.parametrize("value", [False, "False", "false"])
def test_starts_from_scratch(start, folder, warnings, value):
    assert start(value) is None
    assert restarts(arguments(folder, value))
    assert [
        "training starts from scratch" in text and "the newest of them checkpoint-6" in text for text in warnings
    ] == [True]


def test_a_checkpoint_that_is_given(start, folder, warnings):
    assert start(str(folder / "checkpoint-4")) == str(folder / "checkpoint-4")
    assert not warnings
    with pytest.raises(ValueError, match=f"cannot resume from {folder}/none: there is no such folder"):
        start(str(folder / "none"))


def test_a_folder_without_checkpoints(tmp_path, warnings):
    for folder in (tmp_path, tmp_path / "none"):
        for value in (None, "False"):
            assert starting_checkpoint(arguments(folder, value), make_model()) is None
        with pytest.raises(ValueError, match="resume_from_checkpoint=True, but .* holds no complete checkpoint"):
            starting_checkpoint(arguments(folder, "True"), make_model())
    assert not warnings


@pytest.mark.parametrize("given", [True, False])
def test_a_checkpoint_of_another_model_is_refused(folder, given):
    args = arguments(folder, str(folder / "checkpoint-4") if given else None)
    with pytest.raises(ValueError, match=f"checkpoint-{4 if given else 6} is a checkpoint of another model: id2label"):
        starting_checkpoint(args, make_model(num_labels=5))
    assert starting_checkpoint(arguments(folder, "False"), make_model(num_labels=5)) is None


def test_another_number_of_processes_is_said(start, folder, warnings):
    checkpoint = folder / "checkpoint-6"
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    assert state["stateful_callbacks"]["ProcessCount"]["args"] == {"processes": 1}
    state["stateful_callbacks"]["ProcessCount"]["args"] = {"processes": 2}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    for rank in range(2):
        shutil.copy(checkpoint / "rng_state.pth", checkpoint / f"rng_state_{rank}.pth")
    assert start() == str(checkpoint)
    assert "was saved by 2 processes and is loaded by 1" in warnings[0]


def test_checkpoints_of_the_model_alone_are_said_to_be_that(start, folder, warnings):
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (folder / "checkpoint-6" / name).unlink()
    assert start(save_only_model=True) == str(folder / "checkpoint-6")
    assert "holds the model alone (--save_only_model)" in warnings[0]


def test_what_deepspeed_and_fsdp_saved_is_left_to_them(start, folder, warnings):
    (folder / "checkpoint-6" / "pytorch_model_fsdp_0").mkdir()
    (folder / "checkpoint-6" / "model.safetensors").unlink()
    assert start() == str(folder / "checkpoint-6")
    assert "whether it is complete is not checked" in warnings[0]


def test_the_best_checkpoint_must_be_whole_too(start, folder, warnings):
    """The Trainer loads it when training is done."""
    path = folder / "checkpoint-6" / "trainer_state.json"
    state = json.loads(path.read_text())
    best = {"load_best_model_at_end": True, "save_strategy": "steps", "eval_strategy": "steps", "eval_steps": 2}
    path.write_text(json.dumps({**state, "best_model_checkpoint": "elsewhere/checkpoint-2"}))  # the run was moved
    assert start(**best) == str(folder / "checkpoint-6")
    weights = folder / "checkpoint-2" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(
        ValueError, match="checkpoint-2, the best checkpoint so far, .*model.safetensors is cut; remove"
    ):
        start(**best)
    assert start() == str(folder / "checkpoint-6")  # which loads no best one
    shutil.rmtree(folder / "checkpoint-2")
    assert start(**best) == str(folder / "checkpoint-6")
    assert any("the best checkpoint so far, is missing" in text for text in warnings)

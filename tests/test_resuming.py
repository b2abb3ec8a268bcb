"""Where training resumes, and where it starts from scratch."""

import pytest
from transformers import TrainingArguments
from transformers.trainer_callback import TrainerState

from hanziformers.training.resuming import restarts, starting_checkpoint


@pytest.fixture
def start(tmp_path):
    """The checkpoint for a value of --resume_from_checkpoint; complete ones are of steps 6, 12 and 100."""
    for step in (6, 12, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
        TrainerState(global_step=step).save_to_json(str(tmp_path / f"checkpoint-{step}" / "trainer_state.json"))
    (tmp_path / "checkpoint-best").mkdir()

    def find(value=None):
        return starting_checkpoint(TrainingArguments(str(tmp_path), use_cpu=True, resume_from_checkpoint=value))

    return find


@pytest.mark.parametrize("value", [None, "True", "true"])
def test_resumes_from_the_newest_checkpoint(start, tmp_path, warnings, value):
    assert start(value) == str(tmp_path / "checkpoint-100")
    assert [str(tmp_path / "checkpoint-100") in text and "another --output_dir" in text for text in warnings] == [True]


@pytest.mark.parametrize("rest", [None, "", '{"epoch": 1.0,'])
def test_a_checkpoint_whose_saving_was_interrupted_is_skipped(start, tmp_path, warnings, rest):
    (tmp_path / "checkpoint-100" / "trainer_state.json").unlink()
    if rest is not None:
        (tmp_path / "checkpoint-100" / "trainer_state.json").write_text(rest)
    assert start() == str(tmp_path / "checkpoint-12")
    assert "checkpoint-100 is skipped: saving it was interrupted" in warnings[0]
    assert "training resumes from" in warnings[1]


@pytest.mark.parametrize("value", [False, "False", "false"])
def test_starts_from_scratch(start, tmp_path, warnings, value):
    assert start(value) is None
    assert restarts(TrainingArguments(str(tmp_path), use_cpu=True, resume_from_checkpoint=value))
    assert [
        "training starts from scratch" in text and "the newest of them checkpoint-100" in text for text in warnings
    ] == [True]


def test_a_checkpoint_that_is_given(start, tmp_path, warnings):
    assert start(str(tmp_path / "checkpoint-6")) == str(tmp_path / "checkpoint-6")
    assert not warnings


def test_a_folder_without_checkpoints(tmp_path, warnings):
    for folder in (tmp_path, tmp_path / "none"):
        for value in (None, "False"):
            args = TrainingArguments(str(folder), use_cpu=True, resume_from_checkpoint=value)
            assert starting_checkpoint(args) is None
        with pytest.raises(ValueError, match="resume_from_checkpoint=True, but .* holds no complete checkpoint"):
            starting_checkpoint(TrainingArguments(str(folder), use_cpu=True, resume_from_checkpoint="True"))
    assert not warnings

"""Training that resumes where an interrupted run stopped."""

import json
from pathlib import Path

from transformers import Trainer, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def train(trainer: Trainer) -> None:
    """Trains, from `starting_checkpoint` if there is one, and saves model, metrics and state."""
    # the heads' losses are means over a batch: the Trainer has to divide them by the accumulation steps itself
    trainer.model_accepts_loss_kwargs = False
    output = trainer.train(resume_from_checkpoint=starting_checkpoint(trainer.args))
    trainer.save_model()
    trainer.save_metrics("train", output.metrics)
    trainer.save_state()


def restarts(training_args: TrainingArguments) -> bool:
    """Whether `--resume_from_checkpoint False` was given; on the command line the option's value is a string."""
    return str(training_args.resume_from_checkpoint).lower() == "false"


def starting_checkpoint(training_args: TrainingArguments) -> str | None:
    """The checkpoint from which training resumes: the one given, else the newest complete one in the output folder.

    Returns:
        The folder of the checkpoint, None where training starts from scratch.

    Raises:
        ValueError: `--resume_from_checkpoint True` was given, but there is no complete checkpoint.
    """
    value = str(training_args.resume_from_checkpoint)
    if value.lower() not in ("none", "true", "false"):
        return value
    checkpoints = _checkpoints(Path(training_args.output_dir))
    if restarts(training_args):
        if checkpoints:
            logger.warning(
                f"{training_args.output_dir}: training starts from scratch. The old checkpoints stay, the newest of "
                f"them {checkpoints[0].name}, and a run without --resume_from_checkpoint False would resume from it: "
                "remove them, or give another --output_dir"
            )
        return None
    newest = _newest_complete(checkpoints)
    if newest is not None:
        logger.warning(
            f"training resumes from {newest}; a run of its own needs another --output_dir (or "
            "--resume_from_checkpoint False, to start from scratch)"
        )
    elif value.lower() == "true":
        raise ValueError(
            f"resume_from_checkpoint={value}, but {training_args.output_dir} holds no complete checkpoint; leave the "
            "option out, or give the folder of a checkpoint"
        )
    return newest and str(newest)


def _checkpoints(folder: Path) -> list[Path]:
    """The folders checkpoint-STEP, the newest first."""
    steps = {path: path.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-") for path in folder.glob("checkpoint-*")}
    found = [path for path, step in steps.items() if step.isdecimal() and path.is_dir()]
    return sorted(found, key=lambda path: int(steps[path]), reverse=True)


def _newest_complete(checkpoints: list[Path]) -> Path | None:
    """The first complete checkpoint; a warning names those before it, of which saving was interrupted."""
    for path in checkpoints:
        try:
            # the Trainer writes its state last
            json.loads((path / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
            return path
        except (OSError, ValueError):
            logger.warning(f"{path} is skipped: saving it was interrupted (no complete {TRAINER_STATE_NAME})")
    return None


__all__ = ["restarts", "starting_checkpoint", "train"]

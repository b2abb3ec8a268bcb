"""What fine-tuning scripts share: options, checks, and training that goes on where it was interrupted."""

import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

SPLITS = {"train": "train_file", "validation": "validation_file", "test": "test_file"}
logger = logging.get_logger(__name__)


@dataclass
class FineTuningArguments(TrainingArguments):
    """TrainingArguments with the defaults of fine-tuning: the best checkpoint is kept."""

    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    report_to: str = "none"
    learning_rate: float = 4e-5
    warmup_steps: float = 0.1
    per_device_train_batch_size: int = 16
    dataloader_pin_memory: bool = field(default_factory=torch.cuda.is_available)


def check_steps(training: TrainingArguments, splits: Collection[str], script: str) -> None:
    """Refuses a step without data, and tells where accelerate started fewer processes than were asked for.

    Raises:
        ValueError: training or prediction is asked for without its data.
    """
    for wanted, name in ((training.do_train, "train"), (training.do_predict, "test")):
        if wanted and name not in splits:
            raise ValueError(
                f"there are no {name} data, only {sorted(splits)}: give --{SPLITS[name]} or leave the step out"
            )
    if os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_ADDR" in os.environ and training.world_size == 1:
        logger.warning(
            "accelerate was asked for several CPU processes and started one; more need MPI (--mpirun_hostfile). "
            f"torchrun --nproc_per_node N run_scripts/{script} --use_cpu True ... does the same without MPI"
        )


def padding_multiple(length: int, longest: int) -> int | None:
    """What batches are padded to a multiple of: 8, or None (the longest text) where the model could not take that.

    Args:
        length: tokens that texts are cut to.
        longest: tokens that the model can take.
    """
    return 8 if -(-length // 8) * 8 <= longest else None


def restarts(training: TrainingArguments) -> bool:
    """Whether `--resume_from_checkpoint False` asks for a new start; an option is a string, "False" among them."""
    return str(training.resume_from_checkpoint).lower() == "false"


def starting_checkpoint(training: TrainingArguments) -> str | None:
    """The checkpoint that training goes on from: the one asked for, else the newest whole one in the output folder.

    Raises:
        ValueError: `--resume_from_checkpoint True` asks for a checkpoint where there is no whole one.
    """
    wanted = str(training.resume_from_checkpoint)
    if wanted.lower() not in ("none", "true", "false"):
        return wanted
    found = _checkpoints(Path(training.output_dir))
    if restarts(training):
        if found:
            logger.warning(
                f"{training.output_dir}: training starts anew. The old checkpoints stay, {found[0].name} the newest; a "
                "run without --resume_from_checkpoint False would go on from it: remove them, or give another "
                "--output_dir"
            )
        return None
    last = _last_whole(found)
    if last is not None:
        logger.warning(
            f"training goes on from {last}; another run needs another --output_dir (or --resume_from_checkpoint False, "
            "to start anew)"
        )
    elif wanted.lower() == "true":
        raise ValueError(
            f"resume_from_checkpoint={wanted}, but {training.output_dir} holds no whole checkpoint; leave the option "
            "out, or name the folder of a checkpoint"
        )
    return last and str(last)


def _checkpoints(folder: Path) -> list[Path]:
    """The folders checkpoint-STEP, the newest first."""
    steps = {path: path.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-") for path in folder.glob("checkpoint-*")}
    found = [path for path, step in steps.items() if step.isdecimal() and path.is_dir()]
    return sorted(found, key=lambda path: int(steps[path]), reverse=True)


def _last_whole(checkpoints: list[Path]) -> Path | None:
    """The first that was saved to its end, where the Trainer writes its state; those before it are warned of."""
    for path in checkpoints:
        try:
            json.loads((path / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
            return path
        except (OSError, ValueError):
            logger.warning(f"{path} was not saved to its end (no whole {TRAINER_STATE_NAME}): it is skipped")
    return None


def train(trainer: Trainer) -> None:
    """Trains, from `starting_checkpoint` if there is one, and saves model, metrics and state."""
    # the heads' losses are means over a batch: the Trainer has to divide them by the accumulation steps itself
    trainer.model_accepts_loss_kwargs = False
    outcome = trainer.train(resume_from_checkpoint=starting_checkpoint(trainer.args))
    trainer.save_model()
    trainer.save_metrics("train", outcome.metrics)
    trainer.save_state()


__all__ = [
    "SPLITS",
    "FineTuningArguments",
    "check_steps",
    "padding_multiple",
    "starting_checkpoint",
    "restarts",
    "train",
]

"""What fine-tuning programs share: options, checks, and training that goes on where it was broken off."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint
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


def train(trainer: Trainer) -> None:
    """Trains, from the last checkpoint in the output folder if there is one, and saves model, metrics and state."""
    # the heads' losses are means over a batch: the Trainer has to divide them by the accumulation steps itself
    trainer.model_accepts_loss_kwargs = False
    folder = Path(trainer.args.output_dir)
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    outcome = trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint or last)
    trainer.save_model()
    trainer.save_metrics("train", outcome.metrics)
    trainer.save_state()


__all__ = ["SPLITS", "FineTuningArguments", "check_steps", "train"]

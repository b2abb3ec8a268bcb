"""Training that resumes where an interrupted run stopped."""

import math
from pathlib import Path
from typing import Any

from torch import nn
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

from .checkpoint_files import ProcessCount, faults, is_sharded, processes, trainer_state, weight_faults
from .checkpoint_model import refuse_other_model

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def train(trainer: Trainer) -> bool:
    """Trains, from `starting_checkpoint` if there is one, and saves model, metrics and state.

    A run whose steps are all done is loaded as it was, and not trained further: its metrics stay as they are.

    Returns:
        Whether any step was trained.
    """
    # the heads' losses are means over a batch: the Trainer has to divide them by the accumulation steps itself
    trainer.model_accepts_loss_kwargs = False
    trainer.add_callback(ProcessCount())
    checkpoint = starting_checkpoint(trainer.args, trainer.model, trainer.processing_class)
    if checkpoint is not None and _is_finished(trainer, Path(checkpoint)):
        _load_finished(trainer, Path(checkpoint))
        trainer.save_model()
        return False
    if checkpoint is not None:
        # the start was evaluated; statistics that an evaluation estimates anew would change the training that goes on
        trainer.args.eval_on_start = False
    output = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_metrics("train", output.metrics)
    trainer.save_state()
    return True


def _is_finished(trainer: Trainer, checkpoint: Path) -> bool:
    """Whether a checkpoint is that of the last step, after which the Trainer would train one more."""
    state, args = trainer_state(checkpoint), trainer.args
    if state is None or is_sharded(checkpoint):
        return False
    steps = args.max_steps
    if steps <= 0:
        batches = len(trainer.get_train_dataloader())
        steps = math.ceil(args.num_train_epochs * max(1, math.ceil(batches / args.gradient_accumulation_steps)))
    if state.global_step < steps:
        return False
    logger.warning(
        f"{checkpoint} is of step {state.global_step}, and the run has {steps} steps: it is complete, and is not "
        "trained further; give more --max_steps or --num_train_epochs for that"
    )
    return True


def _load_finished(trainer: Trainer, checkpoint: Path) -> None:
    """Loads what the Trainer has after its last step: state, and the weights of this step or the best ones."""
    trainer.state = trainer_state(checkpoint)
    trainer._load_from_checkpoint(str(checkpoint))
    best = _best_checkpoint(checkpoint, trainer.args)
    if best is not None and best.is_dir():
        trainer.state.best_model_checkpoint = str(best)
        trainer._load_best_model()


def restarts(training_args: TrainingArguments) -> bool:
    """Whether `--resume_from_checkpoint False` was given; on the command line the option's value is a string."""
    return str(training_args.resume_from_checkpoint).lower() == "false"


def starting_checkpoint(training_args: TrainingArguments, model: nn.Module, processing_class: Any = None) -> str | None:
    """The checkpoint from which training resumes: the one given, else the newest whole one in the output folder.

    Args:
        training_args: of the run.
        model: that is to be trained.
        processing_class: its processor or tokenizer, if there is one.

    Returns:
        The folder of the checkpoint, None where training starts from scratch.

    Raises:
        ValueError: the checkpoint that is given is not whole; `--resume_from_checkpoint True` was given, but there is
            no whole checkpoint; the checkpoint is of another model.
    """
    value = str(training_args.resume_from_checkpoint)
    if value.lower() not in ("none", "true", "false"):
        found = faults(Path(value), training_args) if Path(value).is_dir() else ["there is no such folder"]
        if found:
            raise ValueError(
                f"training cannot resume from {value}: {', '.join(found)}; give a checkpoint that is complete, or "
                "leave --resume_from_checkpoint out to resume from the newest complete one of the output folder"
            )
        _check(Path(value), training_args, model, processing_class)
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
    newest = _newest_complete(checkpoints, training_args)
    if newest is not None:
        _check(newest, training_args, model, processing_class)
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


def _newest_complete(checkpoints: list[Path], training_args: TrainingArguments) -> Path | None:
    """The first complete checkpoint; a warning names those before it, and what they lack."""
    for path in checkpoints:
        found = faults(path, training_args)
        if not found:
            return path
        logger.warning(f"{path} is skipped, as saving it was interrupted or its files were damaged: {', '.join(found)}")
    return None


def _check(checkpoint: Path, training_args: TrainingArguments, model: nn.Module, processing_class: Any) -> None:
    """Refuses a checkpoint of another model, and warns where training would not go on as it would have.

    Raises:
        ValueError: see `refuse_other_model` and `_check_best`.
    """
    refuse_other_model(checkpoint, model, processing_class)
    _check_best(checkpoint, training_args)
    if is_sharded(checkpoint):
        logger.warning(
            f"{checkpoint} was saved by DeepSpeed or FSDP, which load it themselves: whether it is complete is not "
            "checked here"
        )
        return
    number, own = processes(checkpoint), training_args.world_size
    if number != own:
        logger.warning(
            f"{checkpoint} was saved by {number} processes and is loaded by {own}: the order of data, random states "
            f"and losses are not those that the run would have had; start {number} processes for that"
        )
    if not (checkpoint / "optimizer.pt").exists():
        logger.warning(
            f"{checkpoint} holds the model alone (--save_only_model): the optimizer, the schedule of the learning rate "
            "and random states start again, and losses are not those that the run would have had"
        )


def _best_checkpoint(checkpoint: Path, training_args: TrainingArguments) -> Path | None:
    """The folder of the best checkpoint so far, which may be missing; None if it is not needed."""
    state = trainer_state(checkpoint)
    best = state.best_model_checkpoint if state else None
    if not training_args.load_best_model_at_end or not best or is_sharded(checkpoint):
        return None
    moved = Path(training_args.output_dir) / Path(best).name  # the folder of the run may have been moved
    return moved if moved.is_dir() else Path(best)


def _check_best(checkpoint: Path, training_args: TrainingArguments) -> None:
    """Looks at the best checkpoint so far, which the Trainer loads when training is done.

    Raises:
        ValueError: it is not whole.
    """
    folder = _best_checkpoint(checkpoint, training_args)
    if folder is None:
        return
    if not folder.is_dir():
        logger.warning(f"{folder}, the best checkpoint so far, is missing: only those from now on can be chosen")
    elif found := list(weight_faults(folder)):
        raise ValueError(
            f"{folder}, the best checkpoint so far, cannot be loaded when training is done: {', '.join(found)}; remove "
            "it to choose among those from now on, or give --resume_from_checkpoint False to start from scratch"
        )


__all__ = ["restarts", "starting_checkpoint", "train"]

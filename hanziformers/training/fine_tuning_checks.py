"""What `fine_tune` refuses before it loads anything large, and how long texts and batches are."""

import os
from collections.abc import Collection

from transformers import TrainingArguments
from transformers.utils import logging

from .data_arguments import SPLITS

SHORTEST = 5  # tokens of a pair of texts: three special ones and one of each text
logger = logging.get_logger(__name__)


def check_steps(training_args: TrainingArguments, splits: Collection[str], script: str) -> None:
    """Refuses a step without data, and warns where accelerate started fewer processes than were requested.

    Raises:
        ValueError: training or prediction is requested without its data.
    """
    for requested, name in ((training_args.do_train, "train"), (training_args.do_predict, "test")):
        if requested and name not in splits:
            raise ValueError(
                f"there are no {name} data, only {sorted(splits)}: give --{SPLITS[name]} or leave the step out"
            )
    on_cpu = os.environ.get("ACCELERATE_USE_CPU") == "True"
    if on_cpu and "MASTER_ADDR" in os.environ and training_args.world_size == 1:
        logger.warning(
            "accelerate was to start several CPU processes and started one; more need MPI (--mpirun_hostfile). "
            f"torchrun --nproc_per_node N run_scripts/{script} --use_cpu True ... does the same without MPI"
        )


def sequence_length(requested: int | None, longest: int) -> int:
    """The length, in tokens, to which texts are cut.

    Args:
        requested: --max_seq_length; None for what the model can take.
        longest: what the model can take.

    Raises:
        ValueError: `requested` is too small for a pair of texts.
    """
    if requested is None:
        return longest
    if requested < SHORTEST:
        raise ValueError(
            f"max_seq_length={requested}: a pair needs 3 special tokens and two others; give {SHORTEST} or more"
        )
    if requested > longest:
        logger.warning(
            f"max_seq_length={requested} is more than the {longest} tokens that the model can take, which hold"
        )
    return min(requested, longest)


def padding_multiple(length: int, longest: int) -> int | None:
    """What batches are padded to a multiple of: 8, or None (the longest text) where the model could not take that.

    Args:
        length: tokens that texts are cut to.
        longest: tokens that the model can take.
    """
    return 8 if -(-length // 8) * 8 <= longest else None


__all__ = ["check_steps", "padding_multiple", "sequence_length"]

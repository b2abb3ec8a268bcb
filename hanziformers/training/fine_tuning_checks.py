"""What `fine_tune` refuses before it loads a model, and to which length it cuts texts and pads batches."""

import os
from collections.abc import Collection
from inspect import signature

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments
from transformers.utils import logging

from .data_arguments import SPLITS

MOST_TOKENS = 10**6  # of a text for a model that sets no limit, such as an LSTM: tokenizers want a number that fits
logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def check_steps(training_args: TrainingArguments, splits: Collection[str], script: str) -> None:
    """Refuses a step without data, and warns where accelerate started fewer processes than were requested.

    Raises:
        ValueError: training, prediction or nothing but evaluation is requested without its data, or rows would be left
            out of an evaluation or reordered in it.
    """
    for requested, name in ((training_args.do_train, "train"), (training_args.do_predict, "test")):
        if requested and name not in splits:
            raise ValueError(
                f"there are no {name} data, only {sorted(splits)}: give --{SPLITS[name]} or leave the step out"
            )
    trains_or_predicts = training_args.do_train or training_args.do_predict
    if training_args.do_eval and not trains_or_predicts and "validation" not in splits:
        raise ValueError(
            f"there are no validation data, only {sorted(splits)}, and without training none are held out: give "
            f"--{SPLITS['validation']}"
        )
    if training_args.dataloader_drop_last and (training_args.do_eval or training_args.do_predict):
        raise ValueError(
            "dataloader_drop_last=True leaves the last rows out of evaluation and prediction too, where every row is "
            "scored: leave it out, or train with --eval_strategy no --load_best_model_at_end False only"
        )
    grouped = training_args.train_sampling_strategy == "group_by_length"
    if grouped and (training_args.do_eval or training_args.do_predict):
        raise ValueError(
            "train_sampling_strategy='group_by_length' reorders the rows of evaluation and prediction too, which are "
            "scored in their own order: leave it out (batches are padded to their longest text only), or train with "
            "--eval_strategy no --load_best_model_at_end False only"
        )
    on_cpu = os.environ.get("ACCELERATE_USE_CPU") == "True"
    if on_cpu and "MASTER_ADDR" in os.environ and training_args.world_size == 1:
        logger.warning(
            "accelerate was to start several CPU processes and started one; more need MPI (--mpirun_hostfile). "
            f"torchrun --nproc_per_node N run_scripts/{script} --use_cpu True ... does the same without MPI"
        )


def check_label_smoothing(training_args: TrainingArguments, model: PreTrainedModel) -> None:
    """Refuses to smooth labels that the Trainer would leave as they are, or of words that the model does not read.

    Raises:
        ValueError: the model's labels are not named `labels`; it leaves words out, which the Trainer would score.
    """
    factor, names = training_args.label_smoothing_factor, signature(model.forward).parameters
    if factor and "labels" not in names:
        raise ValueError(
            f"label_smoothing_factor={factor} is not allowed: the Trainer smooths `labels`, which a "
            f"{type(model).__name__} does not take; leave it out"
        )
    order = getattr(model.config, "pruning_order", None)
    if factor and order is not None:
        raise ValueError(
            f"label_smoothing_factor={factor} is not allowed with pruning_order={order}: the Trainer would score the "
            "words that are not read, too; leave it out, or give --pruning_order none"
        )


def pad_on_the_right(tokenizer: PreTrainedTokenizerBase) -> None:
    """Lets a tokenizer pad behind the text: labels, and what is predicted, are counted from the first token."""
    if tokenizer.padding_side != "right":
        logger.warning(f"padding_side={tokenizer.padding_side!r}: the tokenizer pads on the right from now on")
        tokenizer.padding_side = "right"


def longest_input(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> int:
    """How many tokens a model can take: what its tokenizer says, or its configuration if that is less."""
    positions = getattr(config, "max_position_embeddings", None)  # some models set no limit
    return min(tokenizer.model_max_length, positions or MOST_TOKENS, MOST_TOKENS)


def sequence_length(requested: int | None, longest: int, shortest: int) -> int:
    """The length, in tokens, to which texts are cut.

    Args:
        requested: --max_seq_length; None for what the model can take.
        longest: what the model can take.
        shortest: the least that the task allows (`Task.shortest`).

    Raises:
        ValueError: `requested` is less than `shortest`.
    """
    longest = min(longest, MOST_TOKENS)
    if requested is None:
        return longest
    if requested < shortest:
        raise ValueError(
            f"max_seq_length={requested}: no token of a text is left beside the special ones; give {shortest} or more"
        )
    if requested > longest:
        logger.warning(
            f"max_seq_length={requested} is more than the {longest} tokens that the model can take: texts are cut to "
            f"{longest}"
        )
    return min(requested, longest)


def padding_multiple(length: int, longest: int) -> int | None:
    """What batches are padded to a multiple of: 8, or None (the longest text) where the model could not take that.

    Args:
        length: tokens that texts are cut to.
        longest: tokens that the model can take.
    """
    return 8 if -(-length // 8) * 8 <= longest else None


__all__ = [
    "MOST_TOKENS",
    "check_label_smoothing",
    "check_steps",
    "longest_input",
    "pad_on_the_right",
    "padding_multiple",
    "sequence_length",
]

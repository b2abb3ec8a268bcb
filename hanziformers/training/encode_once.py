"""Encodes every character once an optimisation step where gradients are accumulated over several batches.

    Trainer(model, args, train_dataset=data, callbacks=[EncodeOnce()])

The scripts add it with --encode_once. Losses and gradients are those of training without it, up to rounding (a
dropout in an adapter of the encoder would be the same for all batches of a step, as it is for all copies of a
character). The activations of all distinct characters of a step are in memory together. The statistics of a
`feature_norm` stay the same for a step, and feature_norm_interval counts steps, not batches.
"""

from typing import Any

from accelerate.state import GradientState, PartialState
from accelerate.utils import DistributedType
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..modeling.character_bank import CharacterBank
from ..modeling.step_vectors import StepVectors

# one process, or DistributedDataParallel: the others hold parts of the weights, or move them about during a step
ALLOWED = [kind for kind in DistributedType if kind is DistributedType.NO or kind.value.startswith("MULTI_")]


class EncodeOnce(TrainerCallback):
    """Gives every trained bank of characters the vectors of a step to share, and takes them back after it."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Refuses what this has no effect on, or does not work with.

        Raises:
            ValueError: names the option and the fix.
        """
        kind, batches = PartialState().distributed_type, args.gradient_accumulation_steps
        each = GradientState().plugin_kwargs.get("sync_each_batch")  # then gradients of the encoder are missing
        no_bank = f"has no effect on a {type(model).__name__}: no encoder of characters is trained"
        reasons = [
            (batches < 2, f"has no effect with --gradient_accumulation_steps {batches}: give more"),
            (not trained_banks(model), no_bank),
            (args.torch_compile, "does not work with --torch_compile, whose graphs must not depend on one batch"),
            (any(hasattr(weight, "to_local") for weight in model.parameters()), "does not work with sharded weights"),
            (kind not in ALLOWED, f"works with one process and with DistributedDataParallel, not with {kind.value}"),
            (each, "does not work with sync_each_batch of --accelerator_config"),
            (args.n_gpu > 1, f"does not work with DataParallel over {args.n_gpu} GPUs: start a process for each"),
        ]
        for holds, reason in reasons:
            if holds:
                raise ValueError(f"--encode_once {reason}, or leave it out")

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """A new step: its weights are others than those of the last one."""
        for bank in trained_banks(model):
            bank.step_vectors = StepVectors(_is_last_batch)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Frees what the step held.

        Raises:
            RuntimeError: see `StepVectors.check`.
        """
        for bank in trained_banks(model):
            bank.step_vectors.check()
            bank.step_vectors = None


def trained_banks(model: nn.Module) -> list[CharacterBank]:
    """The banks whose encoder is trained; the model may be wrapped, by DistributedDataParallel or PEFT."""
    banks = [part for part in model.modules() if isinstance(part, CharacterBank)]
    return [bank for bank in banks if any(weight.requires_grad for weight in bank.encoder.parameters())]


def _is_last_batch() -> bool:
    # the Trainer says so to accelerate before each batch; a step at the end of an epoch may have fewer of them
    return GradientState().sync_gradients


__all__ = ["EncodeOnce", "trained_banks"]

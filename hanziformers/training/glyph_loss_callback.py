"""The schedule of a Glyce's image-classification loss, lambda(t) = lambda0 * lambda1 ** t with t in epochs.

    Trainer(model, args, train_dataset=data, callbacks=[GlyphLossCallback()])

`fine_tune` adds it by itself to a model that has such a schedule.
"""

from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class GlyphLossCallback(TrainerCallback):
    """Tells the model before every step how many epochs are behind it, fractions included, so also after resuming."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Refuses a model without a schedule.

        Raises:
            ValueError: no module of the model has a method `set_epoch`.
        """
        if not scheduled_modules(model):
            raise ValueError(
                f"a {type(model).__name__} has no image-classification loss with a schedule (no method set_epoch): "
                "leave GlyphLossCallback out"
            )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Sets the epoch; all batches that are accumulated for one step have that of its beginning."""
        for module in scheduled_modules(model):
            module.set_epoch(state.epoch or 0.0)  # before the first step the Trainer has none


def scheduled_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that have a schedule; the model may be wrapped, by DistributedDataParallel, PEFT, torch.compile."""
    return [module for module in model.modules() if hasattr(module, "set_epoch")]


__all__ = ["GlyphLossCallback", "scheduled_modules"]

"""A Trainer that refuses losses and weights that are not finite, instead of training on, saving and scoring them."""

import os
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from .encode_once import EncodeOnce
from .learning_rates import choose_learning_rate, part_groups

NEVER = 2**62  # a step that no run reaches


class FiniteTrainer(Trainer):
    """A Trainer that stops at the first loss or weight that is nan or infinite.

    A Trainer logs an average in place of such a loss and goes on. Here the first such step is kept on the device of the
    loss, so that no step waits for a GPU: it is read where the Trainer waits anyway, for logging, evaluation and
    saving; on a CPU at once. Weights are read before training, and before each evaluation, prediction and saving: a
    checkpoint that holds such a weight is neither written nor chosen as the best. Gradients may overflow: under --fp16
    the loss scaler leaves such a step out.

    Raises:
        FloatingPointError: from training, evaluation, prediction or saving; names the step or the weight, and the fix.
        ValueError: several processes were started, and torch takes each for the only one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        started = int(os.environ.get("WORLD_SIZE", 1))
        if started > 1 and self.args.world_size == 1:
            raise ValueError(
                f"{started} processes were started, and each would train alone, on all data and into the same folder: "
                "give --use_cpu True where there is no GPU, or start one process"
            )
        self.args.learning_rate = choose_learning_rate(self.model, self.args)
        self._first_bad_step: Tensor | None = None  # [] int64, on the device of the loss
        self._bad_outputs: Tensor | None = None  # [] bool, of the evaluation that is going on
        self._has_trained = False
        if getattr(self.args, "encode_once", False):
            self.add_callback(EncodeOnce())

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """As in Trainer; a model whose parts have learning rates of their own is asked for them (see `part_groups`).

        Raises:
            ValueError: the options name a rate of a part that the model does not have.
        """
        if self.optimizer is None and self.optimizer_cls_and_kwargs is None:
            whole = self.model if model is None else model
            groups = part_groups(self.accelerator.unwrap_model(whole), self.args)
            if groups is not None:
                optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, whole)
                self.optimizer_cls_and_kwargs = optimizer_class, {"params": groups, **options}
        return super().create_optimizer(model)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
        """As in Trainer; notes the step if its loss is not finite."""
        if not self._has_trained:
            self._check()  # only now the checkpoint from which training resumes is loaded
            self._has_trained = True
        loss = super().training_step(model, inputs, *args, **kwargs)
        step = torch.where(is_bad_loss(loss, inputs), self.state.global_step + 1, NEVER)
        self._first_bad_step = step if self._first_bad_step is None else torch.minimum(self._first_bad_step, step)
        if loss.device.type == "cpu":
            self._check_losses()
        return loss

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """As in Trainer; notes a loss that is not finite, and logits that are nan or +inf."""
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        found = [] if loss is None else [is_bad_loss(loss, inputs)]
        parts = logits if isinstance(logits, (tuple, list)) else (logits,)
        # -inf is a fair logit of what cannot be; no softmax is made of +inf
        found += [(part.isnan() | part.isposinf()).any() for part in parts if isinstance(part, Tensor)]
        for bad in found:
            self._bad_outputs = bad if self._bad_outputs is None else self._bad_outputs | bad
        return loss, logits, labels

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """As in Trainer, if every loss was finite."""
        self._check_losses()
        super().log(logs, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As in Trainer, if losses, weights and outputs are finite."""
        self._check()
        metrics = super().evaluate(*args, **kwargs)
        self._check_outputs("evaluation")
        return metrics

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As in Trainer, if losses, weights and outputs are finite."""
        self._check()
        output = super().predict(*args, **kwargs)
        self._check_outputs("prediction")
        return output

    def save_model(self, *args: Any, **kwargs: Any) -> None:
        """As in Trainer, if losses and weights are finite; every checkpoint is saved by it."""
        self._check()
        super().save_model(*args, **kwargs)

    def _check(self) -> None:
        """Refuses what was noted in training, and weights that are not finite."""
        self._bad_outputs = None
        self._check_losses()
        bad = bad_weights(self.model)
        if not bad:
            return
        what = f"{bad[0]} ({len(bad)} such weights) holds nan or infinite values"
        if self._has_trained:
            raise FloatingPointError(f"{what} after step {self.state.global_step}: {self._advice()}")
        origin = getattr(getattr(self.model, "config", None), "name_or_path", "") or "a new one"
        raise FloatingPointError(
            f"{what} before any step: the model ({origin}), or the checkpoint from which training resumes, is damaged; "
            "give another one (--model_name_or_path, --resume_from_checkpoint)"
        )

    def _check_losses(self) -> None:
        step = NEVER if self._first_bad_step is None else int(self._first_bad_step)
        if step < NEVER:
            raise FloatingPointError(f"the loss of step {step} is nan or infinite: {self._advice()}")

    def _check_outputs(self, name: str) -> None:
        if self._bad_outputs is not None and bool(self._bad_outputs):
            raise FloatingPointError(
                f"{name}: losses or logits are nan or infinite though the weights are finite, so there are no scores: "
                "look at the data, or leave --fp16, --fp16_full_eval and --bf16_full_eval out"
            )

    def _advice(self) -> str:
        args = self.args
        used = [f"--{name}" for name in ("fp16", "bf16") if getattr(args, name)]
        precision = f" or train without {used[0]}{' (or with --bf16)' * args.fp16}," if used else ""
        return (
            "training stops, and nothing of it is saved or scored. Lower --learning_rate (it was "
            f"{args.learning_rate}),{precision} or look at the data of that step; checkpoints in {args.output_dir} are "
            "from before it"
        )


def is_bad_loss(loss: Tensor, inputs: dict[str, Any]) -> Tensor:
    """Whether a loss is nan or infinite, without waiting for its device: bool [].

    The mean over no token is nan and has no gradient: a batch in which nothing is labelled is not a bad one.
    """
    bad, labels = loss.detach().isfinite().all().logical_not(), inputs.get("labels")
    return bad & labels.ne(-100).any() if isinstance(labels, Tensor) else bad


def bad_weights(model: nn.Module) -> list[str]:
    """The names of the parameters that hold nan or infinite values; of sharded ones, in this process's part."""
    named = [(name, weight.detach()) for name, weight in model.named_parameters() if weight.is_floating_point()]
    # FSDP2 shards weights as DTensors
    finite = [getattr(weight, "to_local", lambda w=weight: w)().isfinite().all() for _, weight in named]
    # fetched from the device all at once
    flags = torch.stack([flag.to(finite[0].device) for flag in finite]).tolist() if finite else []
    return [name for (name, _), fine in zip(named, flags, strict=True) if not fine]


__all__ = ["FiniteTrainer", "bad_weights", "is_bad_loss"]

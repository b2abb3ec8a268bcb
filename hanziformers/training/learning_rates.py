"""Learning rates of a model's parts: what `--learning_rates swin=1e-4,rest=1e-3` means, and who is asked."""

import inspect
from typing import Any

from torch import nn
from transformers import PreTrainedModel, TrainingArguments

from ..modeling.character_model import rate_groups

USUAL = 4e-5  # of a model that was trained before


def choose_learning_rate(model: nn.Module, args: TrainingArguments) -> float:
    """`args.learning_rate`; where that is None the rate at which models of this kind are usually trained."""
    usual = getattr(model, "usual_learning_rate", USUAL)
    return usual if args.learning_rate is None else args.learning_rate


def part_groups(model: nn.Module, args: TrainingArguments) -> list[dict[str, Any]] | None:
    """The groups of parameters that a model wants its optimiser to have.

    A model says so by a method `parameter_groups(<encoder>_lr, <part>_lr=..., ..., weight_decay=...)`: the first rate
    is `--learning_rate`, the others have defaults, which `--learning_rates` replaces. A model of transformers has the
    parts "embeddings", its table of input embeddings (and a decoder that is tied to it), and "rest".

    Args:
        model: not wrapped.
        args: with `learning_rate` (see `choose_learning_rate`), `weight_decay`, and `learning_rates` where they are
            FineTuningArguments.

    Returns:
        Groups for an optimiser; None for a model with one rate, whose groups the Trainer makes.

    Raises:
        ValueError: a rate that is no number of 0 or more, or of a part that the model does not have.
    """
    rates = read_rates(getattr(args, "learning_rates", ""))
    ask = getattr(model, "parameter_groups", None)
    names = [] if ask is None else [name for name in inspect.signature(ask).parameters if name.endswith("_lr")]
    parts = [name.removesuffix("_lr") for name in names[1:]]
    if ask is None and isinstance(model, PreTrainedModel):
        parts = ["embeddings", "rest"]
    unknown = [part for part in rates if part not in parts]
    if unknown:
        known = ", ".join(parts) if parts else "none: it has one rate, --learning_rate"
        rest = "; all else has --learning_rate" if ask is not None and parts else ""
        raise ValueError(f"--learning_rates names {unknown[0]!r}; parts of a {type(model).__name__} are {known}{rest}")
    if ask is None and not rates:
        return None
    if ask is None:
        usual = dict.fromkeys(parts, choose_learning_rate(model, args))
        return rate_groups(model, {"embeddings": [model.get_input_embeddings()]}, usual | rates, args.weight_decay)
    more = {f"{part}_lr": rate for part, rate in rates.items()}
    return ask(**{names[0]: choose_learning_rate(model, args), **more, "weight_decay": args.weight_decay})


def read_rates(text: str) -> dict[str, float]:
    """Reads "swin=1e-4, rest=1e-3".

    Raises:
        ValueError: a piece is no name=rate, its rate no number of 0 or more, or a name stands twice.
    """
    rates = {}
    for piece in text.split(",") if text else []:
        name, _, value = (part.strip() for part in piece.partition("="))
        try:
            rate = float(value)
        except ValueError:
            rate = -1.0
        if not name or name in rates or not 0 <= rate < float("inf"):
            allowed = "name=rate, each name once, separated by commas, e.g. swin=1e-4,rest=1e-3; 0 freezes a part"
            raise ValueError(f"learning_rates={text!r}: {piece.strip()!r} is not allowed; allowed is {allowed}")
        rates[name] = rate
    return rates


__all__ = ["choose_learning_rate", "part_groups", "read_rates"]

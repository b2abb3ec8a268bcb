"""Times of calls that take turns, and what the scripts benchmark*.py say of them: medians, quartiles and quotients.

What is compared takes turns in every round (A, B, A, B ...), so that other load of the machine meets all of it. Rounds
are yielded as they are measured, so that a run that is cut leaves what it has.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median, quantiles
from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

Rounds = dict[str, list[float]]  # what is compared -> seconds of every round
Call = Callable[[Any], Any]


def take_turns(calls: dict[str, Call], inputs: Sequence[Any], device: str, warm_up: int) -> Iterator[Rounds]:
    """Times every call in turn on every input.

    Args:
        calls: what is compared.
        inputs: what the calls are given, one for each round.
        device: on which the calls run; a GPU works on after a call, so it is waited for before and after each.
        warm_up: the first inputs, which are not counted: first calls, memory, kernels that are chosen by trying.

    Yields:
        The rounds so far, after each that counts: a dict that grows.
    """
    finish = (lambda: torch.cuda.synchronize(device)) if device.startswith("cuda") else (lambda: None)
    rounds: Rounds = {name: [] for name in calls}
    for number, value in enumerate(inputs):
        for name, call in calls.items():
            finish()
            start = time.perf_counter()
            call(value)
            finish()
            seconds = time.perf_counter() - start
            if number >= warm_up:
                rounds[name].append(seconds)
        if number >= warm_up:
            yield rounds


def row(case: str, rounds: Rounds, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """One row of a table.

    Args:
        case: what was done.
        rounds: as many for each name.
        pairs: names (above, below); those that were not measured are left out.

    Returns:
        "medians" and "quartiles" by name, "ratios" and "ratio_quartiles" by pair, and all "rounds". A ratio is that of
        the medians; its quartiles are those of the rounds' own ratios.
    """
    medians = {name: median(seconds) for name, seconds in rounds.items()}
    ratios, ratio_quartiles = {}, {}
    for above, below in pairs:
        if above in rounds and below in rounds:
            ratios[f"{above} / {below}"] = medians[above] / medians[below]
            own = [one / other for one, other in zip(rounds[above], rounds[below], strict=True)]
            ratio_quartiles[f"{above} / {below}"] = quartiles(own)
    spread = {name: quartiles(seconds) for name, seconds in rounds.items()}
    copies = {name: list(seconds) for name, seconds in rounds.items()}
    figures = {"medians": medians, "quartiles": spread, "ratios": ratios, "ratio_quartiles": ratio_quartiles}
    return {"case": case, **figures, "rounds": copies}


def per_item(rounds: Rounds, count: int) -> Rounds:
    """The seconds of one item, where each call was on `count`."""
    return {name: [second / count for second in seconds] for name, seconds in rounds.items()}


def quartiles(values: Sequence[float]) -> list[float]:
    """The lower and the upper quartile; of one value, that value twice."""
    lower, _, upper = quantiles(values, method="inclusive") if len(values) > 1 else [*values] * 3
    return [lower, upper]


def usual_optimizer() -> str:
    """The Trainer's name of the optimizer that it takes where none is asked for: AdamW, fused from torch 2.8 on."""
    return str(TrainingArguments(output_dir=".", report_to="none", use_cpu=True).optim.value)


def trainer_optimizer(model: nn.Module, device: str, groups: Any = None) -> torch.optim.Optimizer:
    """The Trainer's usual optimizer.

    Args:
        model: whose parameters it gets.
        device: of the model.
        groups: of parameters; None for all in one.
    """
    use_cpu = not device.startswith("cuda")
    args = TrainingArguments(output_dir=".", report_to="none", use_cpu=use_cpu, learning_rate=1e-5)
    kind, options = Trainer.get_optimizer_cls_and_kwargs(args, model)
    return kind(model.parameters() if groups is None else groups, **options)


__all__ = ["Call", "Rounds", "per_item", "quartiles", "row", "take_turns", "trainer_optimizer", "usual_optimizer"]

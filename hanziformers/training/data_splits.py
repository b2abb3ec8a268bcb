"""Splits of a task's data: read, held out from the training data where one is missing, and sampled."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from datasets import Dataset
from transformers.utils import logging

from .data_arguments import SPLITS, DataArguments
from .hub_data import load_data_set
from .task import Splits, Task

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
TEST_SEED = 0  # of the rows that test_fraction holds out: every run, whatever its seed, has the same


def read_splits(task: Task, args: DataArguments) -> tuple[Splits, dict[str, Any]]:
    """Reads every split that was given, and holds out test data where `test_fraction` says so.

    Returns:
        The data and what the readers met, which is logged, both by split; test data that were held out have no report.

    Raises:
        ValueError: no data were given, or files beside a data set, the task refuses the data, or test data cannot be
            held out.
    """
    if args.dataset_name and args.files():
        options = ", ".join(f"--{SPLITS[name]}" for name in args.files())
        raise ValueError(f"dataset_name={args.dataset_name} and {options} are both given; leave one of them out")
    sources: Mapping[str, Any] = args.files()
    if args.dataset_name:
        sources = load_data_set(args.dataset_name, args.dataset_config_name, "--train_file")
    read = {name: task.read(sources[name]) for name in SPLITS if name in sources}
    if not read:
        raise ValueError("there are no data: give --train_file, --validation_file, --test_file, or --dataset_name")
    data, reports = ({name: both[part] for name, both in read.items()} for part in (0, 1))
    for name, report in reports.items():
        logger.warning(f"{name}: {report}")
    task.check(data, reports)
    if args.test_fraction is not None:
        _hold_out_test(task, data, args.test_fraction)
    return data, reports


def _hold_out_test(task: Task, data: Splits, fraction: float) -> None:
    """Moves labelled rows of the training data to test data, in `data` itself."""
    if "test" in data or "train" not in data:
        fix = "--test_file, whose rows may have no labels, out" if "test" in data else "it out, or give --train_file"
        raise ValueError(
            f"test_fraction={fraction} holds out training data as test data, and there are {sorted(data)} data: leave "
            f"{fix}"
        )
    labelled = _labelled(task, "train", data["train"])
    data["train"], data["test"] = _hold_out(task, labelled, fraction, TEST_SEED, "test")


def select_rows(task: Task, data: Splits, args: DataArguments, seed: int, training: bool = True) -> Splits:
    """Leaves out unlabelled rows of training and validation, holds out validation data, and samples training data.

    Args:
        task: says which rows are labelled.
        data: what was read, by split.
        args: how much is held out and sampled.
        seed: of both.
        training: whether the run trains; without training nothing is held out.

    Raises:
        ValueError: no row of a split is labelled, all or none of the training data would be held out,
            max_train_samples is not positive, or an option of training data is given without any.
    """
    if "train" not in data:
        _refuse_training_options(args)
    data = {name: _labelled(task, name, dataset) if name != "test" else dataset for name, dataset in data.items()}
    if training and "train" in data and "validation" not in data:
        held_out = _hold_out(task, data["train"], args.validation_fraction, seed, "validation")
        data["train"], data["validation"] = held_out
    if "train" in data and args.max_train_samples is not None:
        if args.max_train_samples < 1:
            raise ValueError(f"max_train_samples={args.max_train_samples}: give at least 1, or leave it out")
        strata = task.strata(data["train"])
        rows = stratified_sample(strata, min(args.max_train_samples, len(strata)), seed)
        taken = {name: count for name, count in Counter(strata[row] for row in rows).items() if name is not None}
        logger.warning(f"train: {len(rows)} rows were taken (seed {seed}) {taken or ''}")
        data["train"] = data["train"].select(rows)
    return {name: data[name] for name in SPLITS if name in data}


def _refuse_training_options(args: DataArguments) -> None:
    for option in fields(args):
        value = getattr(args, option.name)
        if option.name in ("max_train_samples", "validation_fraction") and value != option.default:
            raise ValueError(
                f"{option.name}={value}, but there are no training data: give --train_file, or leave it out"
            )


def _labelled(task: Task, name: str, dataset: Dataset) -> Dataset:
    rows = task.labelled_rows(dataset)
    if not rows:
        raise ValueError(f"no row of the {name} data has a label; give data with labels")
    if len(rows) == len(dataset):
        return dataset
    logger.warning(f"{name}: {len(dataset) - len(rows)} of {len(dataset)} rows have no label and are left out")
    return dataset.select(rows)


def _hold_out(task: Task, dataset: Dataset, fraction: float, seed: int, name: str) -> tuple[Dataset, Dataset]:
    """The rest of the training data, and the data of the split `name` that were held out."""
    count = round(fraction * len(dataset))
    if not 0 < count < len(dataset):
        raise ValueError(
            f"{name}_fraction={fraction} holds out {count} of {len(dataset)} training rows; at least one has to be "
            f"held out, and one has to stay: change it, or give --{SPLITS[name]}"
        )
    groups = task.groups(dataset)
    if groups is None:
        chosen = stratified_sample(task.strata(dataset), count, seed)
    else:
        chosen = _sample_groups(groups, count, seed)
    if len(chosen) == len(dataset):
        raise ValueError(
            f"{name}_fraction={fraction} would hold out all of the training data, whose {len(dataset)} rows belong to "
            f"{len(set(groups))} text that is kept whole: change it, or give --{SPLITS[name]}"
        )
    logger.warning(f"no {name} data: {len(chosen)} training rows were held out (seed {seed})")
    return dataset.select(np.setdiff1d(np.arange(len(dataset)), chosen)), dataset.select(chosen)


def _sample_groups(groups: Sequence[Hashable], count: int, seed: int) -> np.ndarray:
    """Rows of whole groups, at random, that are about `count`: int64, ascending."""
    sizes = Counter(groups)
    names = list(sizes)
    order = [names[number] for number in np.random.default_rng(seed).permutation(len(names))]
    ends = np.cumsum([sizes[name] for name in order])
    taken = set(order[: int(np.abs(ends - count).argmin()) + 1])
    return np.array([row for row, name in enumerate(groups) if name in taken], dtype=np.int64)


def stratified_sample(strata: Sequence[Hashable], count: int, seed: int) -> np.ndarray:
    """Rows chosen at random, of each stratum in proportion, rounded up or down: int64 [count], ascending.

    Args:
        strata: the group of each row, for example its label, or its set of labels.
        count: how many rows, up to all of them.
        seed: the same seed chooses the same rows.
    """
    rng = np.random.default_rng(seed)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(strata))}
    # rows in random order, then stratum after stratum: equal steps through this list meet every stratum in proportion
    order = rng.permutation(len(strata))
    order = order[np.argsort([numbers[strata[row]] for row in order], kind="stable")]
    steps = ((np.arange(count) + rng.random()) * len(strata) / max(count, 1)).astype(np.int64)
    return np.sort(order[np.minimum(steps, len(strata) - 1)])


__all__ = ["read_splits", "select_rows", "stratified_sample"]

"""Options of some trainings of many, and their check before the first one starts.

options = parse_options(["ner=--num_train_epochs 20 --config_overrides hidden_size=100"], keys=["ner", "pair"])
check_flags(NerTask, options[0].rest, own={"train_file", "classifier"})
check_overrides("bilstm", options[0].overrides)
"""

import shlex
from argparse import ArgumentError, ArgumentParser
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, HfArgumentParser

from .data_arguments import DataArguments
from .experiments import check_own
from .fine_tuning import FineTuningArguments
from .model_loading import ModelArguments
from .task import Task


@dataclass(frozen=True)
class Options:
    """What a text on the command line says.

    Attributes:
        key: which trainings are meant.
        overrides: the value of --config_overrides, or "".
        rest: all other options, as they are on a command line.
    """

    key: str
    overrides: str
    rest: list[str]


def parse_options(texts: Sequence[str], keys: Sequence[str]) -> list[Options]:
    """Reads KEY="--option value ...".

    Args:
        texts: of the command line.
        keys: that are allowed.

    Raises:
        ValueError: a part is missing, or a key is not allowed.
    """
    parser = ArgumentParser(allow_abbrev=False)
    parser.add_argument("--config_overrides", default="")
    found = []
    for text in texts:
        key, _, options = text.partition("=")
        if key not in keys or not options.strip():
            raise ValueError(
                f'--options {text!r} is not allowed; give KEY="--option value ...", where KEY is one of '
                f"{', '.join(keys)}"
            )
        own, rest = parser.parse_known_args(shlex.split(options))
        found.append(Options(key, own.config_overrides, rest))
    return found


@cache
def _parser(task: type[Task]) -> HfArgumentParser:
    """That of a task's script; it has no option that must be given."""
    arguments = (task, ModelArguments, DataArguments, FineTuningArguments)
    return HfArgumentParser(arguments, exit_on_error=False, allow_abbrev=False)


def check_flags(task: type[Task], options: Sequence[str], own: Collection[str] = ()) -> None:
    """Refuses options that the script of a task lacks, values of another type, and what the runs have of their own.

    Args:
        task: of the script.
        options: as they are on a command line, not abbreviated.
        own: see `check_own`.

    Raises:
        ValueError: names them.
    """
    check_own(options, own)
    try:
        _, unknown = _parser(task).parse_known_args(options)
    except ArgumentError as error:
        raise ValueError(f"{shlex.join(options)}: {error}") from error
    if unknown:
        raise ValueError(f"trainings of a {task.__name__} have no option {shlex.join(unknown)}: leave it out")


def check_overrides(model_type: str, overrides: str) -> None:
    """Refuses fields and values that the configuration of a new model does not take.

    Args:
        model_type: of the model.
        overrides: `hidden_size=128,num_hidden_layers=2`, or "".

    Raises:
        ValueError: names them.
    """
    config, text = AutoConfig.for_model(model_type), f"--config_overrides {overrides}"
    pairs = [[part.strip() for part in piece.partition("=")[::2]] for piece in overrides.split(",") if overrides]
    try:
        for name, value in pairs:
            if not name or not value:
                raise ValueError(f"{name or value!r} is not allowed; give name=value, separated by commas")
            if not hasattr(config, name):
                raise ValueError(f"a {model_type} has no field {name}")
            if getattr(config, name) is not None:  # what is None has no type yet, and may depend on the data
                config.update_from_string(f"{name}={value}")
        config.validate()
    except (ValueError, StrictDataclassError) as error:
        raise ValueError(f"{text}: {error}") from error


__all__ = ["Options", "check_flags", "check_overrides", "parse_options"]

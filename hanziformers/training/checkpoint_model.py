"""Whether a checkpoint of the Trainer is one of the model that is to be trained."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from .checkpoint_files import read_object
from .controls import CONTROL_FIELDS
from .new_model import get_tokenizer

WEIGHTS = "model.safetensors"


def refuse_other_model(folder: Path, model: Any, processing_class: Any = None) -> None:
    """Refuses a checkpoint of another model than the one that is to be trained.

    Weights and states of a checkpoint are loaded into a model whatever its configuration says: what does not fit would
    fail with a bare list of shapes, and what fits by chance (other labels, heads or tokens) would be trained on
    silently.

    Args:
        folder: of a checkpoint that is whole.
        model: that of the run; adapters (PEFT) and models that are not of transformers are not looked at.
        processing_class: its processor or tokenizer; None: vocabularies are not compared.

    Raises:
        ValueError: names what differs, with both values, and the fix.
    """
    saved = read_object(folder / "config.json")
    if not isinstance(model, PreTrainedModel) or not saved:
        return
    found = next(chain(_differences(saved, folder, model), _other_tokens(folder, processing_class)), None)
    if found is not None:
        what, saved, own = found
        raise ValueError(
            f"{folder} is a checkpoint of another model: {what} is {saved} there and {own} in this run. Give another "
            "--output_dir, or --resume_from_checkpoint False to start from scratch in this one; to train on from its "
            f"weights, give --model_name_or_path {folder} and another --output_dir"
        )


def _differences(saved: dict[str, Any], folder: Path, model: PreTrainedModel) -> Iterator[tuple[str, Any, Any]]:
    """What differs between a checkpoint and a model: the name, the checkpoint's value and the model's."""
    config = model.config
    kind, own_kind = saved.get("model_type"), config.model_type
    if kind != own_kind:
        yield "model_type", kind, own_kind
        return
    names = [name.removeprefix("FSDP") for name in (*(saved.get("architectures") or ["?"]), type(model).__name__)]
    if names[0] != names[-1]:
        yield "the class", names[0], names[-1]
    other = type(config).from_dict(saved)
    for name in ("id2label", *_own_fields(config), *CONTROL_FIELDS):
        values = [getattr(one, name, None) for one in (other, config)]
        if values[0] != values[1]:
            yield name, *values
    problems = [other.problem_type, config.problem_type]
    if None not in problems and problems[0] != problems[1]:  # None: a head decides by its first labels
        yield "problem_type", *problems
    if (folder / WEIGHTS).is_file():
        own = {name: list(weight.shape) for name, weight in model.state_dict().items()}
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        for name in sorted(shapes):
            if shapes[name] != own.get(name):
                yield f"the shape of {name}", shapes[name], own.get(name, "missing")


def _other_tokens(folder: Path, processing_class: Any) -> Iterator[tuple[str, Any, Any]]:
    """The first number that has another token, or word, in a checkpoint: as many in another order are other inputs."""
    tokenizer = get_tokenizer(processing_class)
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or not (folder / "tokenizer_config.json").is_file():
        return
    saved = type(tokenizer).from_pretrained(folder)
    pairs = zip(_numbered(saved), _numbered(tokenizer), strict=True)
    for (what, there), (_, here) in pairs:
        number = next((number for number in sorted({*there, *here}) if there.get(number) != here.get(number)), None)
        if number is not None:
            yield f"{what} {number}", repr(there.get(number)), repr(here.get(number))
    ways = [getattr(one, "cut", None) for one in (saved, tokenizer)]
    if ways[0] != ways[1]:
        yield "cut", *map(repr, ways)


def _numbered(tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, dict[int, str]]]:
    """What a tokenizer numbers, each with its name: tokens, rows of the glyph bank, words of the lexicon."""
    found = [("token", {number: token for token, number in tokenizer.get_vocab().items()})]
    if hasattr(tokenizer, "bank_tokens"):
        found.append(("token", dict(enumerate(tokenizer.bank_tokens()))))
    if hasattr(tokenizer, "lexicon"):
        found.append(("word of the lexicon", dict(enumerate(tokenizer.lexicon.words))))
    return found


def _own_fields(config: PreTrainedConfig) -> list[str]:
    """The fields of a configuration that make another model: sizes, kinds and switches of its own class.

    Rates, such as dropout, may be changed in the middle of a run; the Trainer itself sets the ids of special tokens and
    use_cache.
    """
    own = {field.name for field in fields(config)} - {field.name for field in fields(PreTrainedConfig)}
    return sorted(
        name
        for name in own
        if not name.endswith(("_token_id", "use_cache")) and isinstance(getattr(config, name), (bool, int, str, list))
    )


__all__ = ["refuse_other_model"]

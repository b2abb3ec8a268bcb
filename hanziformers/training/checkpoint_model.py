"""Whether a checkpoint of the Trainer is one of the model that is to be trained."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel

from .checkpoint_files import read_object

WEIGHTS = "model.safetensors"


def refuse_other_model(folder: Path, model: Any) -> None:
    """Refuses a checkpoint of another model than the one that is to be trained.

    Weights and states of a checkpoint are loaded into a model whatever its configuration says: what does not fit would
    fail with a bare list of shapes, and what fits by chance (other labels, other heads) would be trained on silently.

    Args:
        folder: of a checkpoint that is whole.
        model: that of the run; adapters (PEFT) and models that are not of transformers are not looked at.

    Raises:
        ValueError: names what differs, with both values, and the fix.
    """
    saved = read_object(folder / "config.json")
    if not isinstance(model, PreTrainedModel) or not saved:
        return
    found = next(_differences(saved, folder, model), None)
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
    for name in ("id2label", *_own_fields(config)):
        if getattr(other, name) != getattr(config, name):
            yield name, getattr(other, name), getattr(config, name)
    if (folder / WEIGHTS).is_file():
        own = {name: list(weight.shape) for name, weight in model.state_dict().items()}
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        for name in sorted(shapes):
            if shapes[name] != own.get(name):
                yield f"the shape of {name}", shapes[name], own.get(name, "missing")


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

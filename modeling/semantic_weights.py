"""Encoders of text that were trained before, for a model to be put around: their configuration and their weights."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from .semantic_encoder import model_options

_POOLER = "pooler"  # and pooler_activation: nobody reads it here


def semantic_config(semantic: str | Path | PreTrainedModel, trust_remote_code: bool) -> PreTrainedConfig:
    """The configuration of a semantic encoder, a copy; of a model around one, that of its encoder.

    Raises:
        TypeError: it is neither a name nor a model.
    """
    check_kind("semantic", semantic, PreTrainedModel)
    if isinstance(semantic, PreTrainedModel):
        config = deepcopy(semantic.base_model.config)
    else:
        config = AutoConfig.from_pretrained(semantic, trust_remote_code=trust_remote_code)
    return getattr(config, "semantic_config", config)


def load_semantic(own: PreTrainedModel, semantic: str | Path | PreTrainedModel, trust_remote_code: bool) -> None:
    """Copies the weights of a semantic encoder into a new one, in the dtype of that; a head and a pooler are left out.

    Args:
        own: the new one.
        semantic: a name of the Hub, a folder, or a loaded model, with a head or without. Of a model around a semantic
            encoder, such as the stage before, that encoder is taken.
        trust_remote_code: whether code of its checkpoint may be run.

    Raises:
        TypeError: it is neither a name nor a model.
        ValueError: the checkpoint lacks weights of its encoder, or has more of them than the encoder; the new encoder
            has other sizes. Names a weight.
    """
    check_kind("semantic", semantic, PreTrainedModel)
    loaded = semantic.base_model if isinstance(semantic, PreTrainedModel) else _load(semantic, trust_remote_code)
    if hasattr(loaded.config, "semantic_config"):
        loaded = loaded.semantic
    kind, found, wanted = type(loaded).__name__, loaded.state_dict(), own.state_dict()
    for name in sorted({*found, *wanted}):
        shapes = [tuple(side[name].shape) if name in side else None for side in (found, wanted)]
        if shapes[0] != shapes[1] and not name.startswith(_POOLER):
            raise ValueError(
                f"the {kind} does not fit the semantic encoder of the model: {name} has the shape {shapes[0]} there "
                f"and {shapes[1]} here (None: it has no such weight). Leave sizes of the text out of the fields: they "
                "are those of the checkpoint"
            )
    own.load_state_dict({name: weight for name, weight in found.items() if name in wanted}, strict=False)


def _load(semantic: str | Path, trust_remote_code: bool) -> PreTrainedModel:
    """The encoder of a checkpoint, if all of its weights are there and nothing but heads is left over.

    transformers would put random weights in the place of those that are missing, and leave out those of a model that
    calls itself a BERT and is more, each with a line in its log.
    """
    config = AutoConfig.from_pretrained(semantic, trust_remote_code=trust_remote_code)
    options = {"trust_remote_code": trust_remote_code, **model_options(config)}
    loaded, info = AutoModel.from_pretrained(
        semantic, ignore_mismatched_sizes=True, output_loading_info=True, **options
    )
    parts, buffers = dict(loaded.named_children()), dict(loaded.named_buffers())
    prefix = f"{loaded.base_model_prefix}."
    more = {name.removeprefix(prefix) for name in info["unexpected_keys"]}
    more = {name for name in more if name.split(".")[0] in parts and name not in buffers}
    problems = {name: "has another shape" for name, *_ in info["mismatched_keys"]}
    problems |= {name: "is missing" for name in info["missing_keys"]}
    problems |= {name: f"is no weight of a {type(loaded).__name__}" for name in more}
    problems = {name: what for name, what in sorted(problems.items()) if not name.startswith(_POOLER)}
    if problems:
        name, what = next(iter(problems.items()))
        raise ValueError(
            f"the weights in {semantic} are not those of the {type(loaded).__name__} that its config.json describes: "
            f"{name} {what} ({len(problems)} such weights). Give a checkpoint whose config.json belongs to its weights "
            "(that of a ChineseBERT which calls itself bert does not)"
        )
    return loaded


def check_kind(name: str, source: Any, kind: type[nn.Module]) -> None:
    """Refuses what is neither a name nor a module of the kind.

    Raises:
        TypeError: names the argument, and what is needed.
    """
    if not isinstance(source, str | Path | kind):
        raise TypeError(
            f"{name} is a {type(source).__name__}; needed is a folder, a name of the Hub, or a {kind.__name__} (of a "
            "model with adapters: what its merge_and_unload() gives)"
        )


__all__ = ["check_kind", "load_semantic", "semantic_config"]

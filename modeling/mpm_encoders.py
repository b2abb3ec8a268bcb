"""Swin encoders that were trained before, for an MPM-CNER: where their weights and sizes stand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.utils import SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file

from .semantic_weights import check_kind
from .swin import SwinEncoder

Source = str | Path | nn.Module
# fields of a configuration of pre-training, and those of MpmCnerConfig
_SIZES = {
    "image_size": "glyph_size",
    "patch_size": "swin_patch_size",
    "embed_dim": "swin_embed_dim",
    "depths": "swin_depths",
    "num_heads": "swin_num_heads",
    "window_size": "swin_window_size",
}


def swin_sizes(sources: Mapping[str, Source]) -> dict[str, Any]:
    """The sizes of Swin encoders, as fields of MpmCnerConfig, from their configurations as far as they have one.

    Args:
        sources: name of the argument -> folder, name of the Hub, file or module.

    Raises:
        ValueError: the encoders have different sizes: names the field and both values.
        TypeError: an encoder is neither a name nor a module.
        OSError: nothing is there.
    """
    found: dict[str, tuple[str, Any]] = {}
    for name, source in sources.items():
        check_kind(name, source, nn.Module)
        settings = _settings(source)
        for theirs, ours in _SIZES.items():
            if theirs in settings:
                other, value = found.setdefault(ours, (name, settings[theirs]))
                if value != settings[theirs]:
                    raise ValueError(
                        f"{theirs} is {value} in the {other} encoder and {settings[theirs]} in the {name} encoder "
                        f"({source}); both must be pre-trained with the same sizes"
                    )
    return {field: value for field, (_, value) in found.items()}


def load_swin(encoder: SwinEncoder, source: Source) -> None:
    """Copies weights into a Swin encoder, in its own dtype.

    Args:
        encoder: of the new model.
        source: a folder or a name of the Hub, with model.safetensors; a safetensors file; or a module. The encoder may
            be a part of what is there.

    Raises:
        OSError: nothing is there.
        ValueError: there is no Swin encoder, or more than one, or it has other sizes, or the file is damaged.
    """
    weights, own = _weights(source), encoder.state_dict()
    first = next(iter(own))
    prefixes = [name.removesuffix(first) for name in weights if name == first or name.endswith(f".{first}")]
    where = type(source).__name__ if isinstance(source, nn.Module) else str(source)
    if len(prefixes) != 1:
        parts = ", ".join(prefixes) or "none"
        raise ValueError(f"{where} must hold one Swin encoder (a weight {first}); found are: {parts}")
    found = {name.removeprefix(prefixes[0]): weight for name, weight in weights.items() if name.startswith(prefixes[0])}
    shapes = {name: [tuple(side[name].shape) if name in side else None for side in (found, own)] for name in own}
    wrong = next((name for name, (there, here) in shapes.items() if there != here), None)
    if wrong:
        there, here = shapes[wrong]
        raise ValueError(
            f"the Swin encoder in {where} has other sizes or channels than the model: {wrong} has the shape {there} "
            f"there and {here} here. Give {', '.join(_SIZES.values())} as it was pre-trained; the glyph encoder has "
            "one channel, the phonetic one three"
        )
    encoder.load_state_dict({name: found[name] for name in own})


def _weights(source: Source) -> dict[str, Tensor]:
    if isinstance(source, nn.Module):
        return source.state_dict()
    file = _file(source, SAFE_WEIGHTS_NAME)
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is no safetensors file, or is damaged ({error}); give another one") from error


def _file(source: str | Path, name: str, **options: Any) -> Any:
    """The file itself, or the one of this name in a folder or on the Hub."""
    if Path(source).is_file():
        return source
    try:
        return cached_file(str(source), name, **options)
    except OSError as error:
        raise OSError(
            f"there is no Swin encoder at {source}; give a folder with {SAFE_WEIGHTS_NAME}, a safetensors file, a name "
            f"of the Hub, or hanziformers.encoder_file(...) for one that is shipped. ({error})"
        ) from error


def _settings(source: Source) -> dict[str, Any]:
    """What a configuration says; empty where there is none."""
    if isinstance(source, nn.Module):
        config = getattr(source, "config", None)
        return config.to_dict() if isinstance(config, PreTrainedConfig) else {}
    if Path(source).is_file():
        return {}
    file = _file(source, "config.json", _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(file).read_text(encoding="utf-8")) if file else {}


__all__ = ["load_swin", "swin_sizes"]

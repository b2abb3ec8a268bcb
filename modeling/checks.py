"""Errors that say what was found, what is allowed and what to do: for configuration fields, ids and glyph images."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache
from transformers.utils import TransformersKwargs

from .tracing import is_traced

# letter of a CRF's own tag -> the letter of its label in IOB2, and whether the entity goes on after it (None: it may)
SCHEMES: dict[str, dict[str, tuple[str, bool | None]]] = {
    "BMESO": {"B": ("B", True), "M": ("I", True), "E": ("I", False), "S": ("B", False)},
    "IOB2": {"B": ("B", None), "I": ("I", None)},
}
CLASSIFIERS = ("linear", "mlp", "crf")
_INPUTS = (Tensor, np.ndarray, list, tuple, Cache)  # what could be an input, and no option

PLAIN_HINT = "Do it before adapters or quantization are added, or take them off (peft: merge_and_unload(), unload())"

BERT_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def require(config: PreTrainedConfig, fine: bool, field: str, value: Any, allowed: str) -> None:
    """Refuses a field of a configuration unless it is `fine`.

    Raises:
        ValueError: names the field, its value, the class and what is allowed.
    """
    if not fine:
        raise ValueError(f"{field}={value!r} is not allowed in {type(config).__name__}; allowed is {allowed}")


def check_sizes(config: PreTrainedConfig, names: Sequence[str]) -> None:
    """Refuses fields under `names` that are below 1.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    for name in names:
        require(config, getattr(config, name) >= 1, name, getattr(config, name), "an integer of 1 or more")


def check_rates(config: PreTrainedConfig, names: Sequence[str]) -> None:
    """Refuses fields under `names` that are no dropout rates; None is fine.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    for name in names:
        value = getattr(config, name)
        require(config, value is None or 0 <= value < 1, name, value, "a number in [0, 1)")


def check_bert_fields(config: PreTrainedConfig) -> None:
    """Refuses values of the fields that every model here shares with BERT, from which no encoder can be built.

    Args:
        config: has all fields of `BERT_SIZES`, dropout rates, `initializer_range` and so on, as a BertConfig.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    check_sizes(config, BERT_SIZES)
    check_rates(config, ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"))
    for name in ("initializer_range", "layer_norm_eps"):
        require(config, getattr(config, name) > 0, name, getattr(config, name), "a number above 0")
    heads, width, pad = config.num_attention_heads, config.hidden_size, config.pad_token_id
    require(config, width % heads == 0, "hidden_size", width, f"a multiple of {heads} heads")
    fine = pad is None or 0 <= pad < config.vocab_size
    require(config, fine, "pad_token_id", pad, f"None or 0 to {config.vocab_size - 1}")
    act = config.hidden_act
    require(config, act in ACT2FN, "hidden_act", act, f"one of {', '.join(sorted(ACT2FN))}")
    check_tagger_fields(config)
    # layers of BERT would take these fields and mask what comes later
    decoder = config.is_decoder or config.add_cross_attention
    require(config, not decoder, "is_decoder, add_cross_attention", True, "False: the model is an encoder")


def check_tagger_fields(config: PreTrainedConfig) -> None:
    """Refuses values of the fields by which tokens are labelled: classifier, crf_scheme and special_token_ids.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    kind, scheme, special = config.classifier, config.crf_scheme, config.special_token_ids
    require(config, kind in CLASSIFIERS, "classifier", kind, " or ".join(map(repr, CLASSIFIERS)))
    require(config, scheme in SCHEMES, "crf_scheme", scheme, " or ".join(map(repr, SCHEMES)))
    fine = special is None or all(0 <= index < config.vocab_size for index in special)
    allowed = f"None or a list of ids, 0 to {config.vocab_size - 1}"
    require(config, fine, "special_token_ids", special, allowed)


def check_bank_rows(config: PreTrainedConfig) -> None:
    """Refuses a bank of glyph images with fewer rows than the vocabulary, whose rows are the first ones.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    rows, allowed = config.num_glyphs, f"None or {config.vocab_size} (vocab_size) and more: the vocabulary comes first"
    require(config, rows >= config.vocab_size, "glyph_vocab_size", rows, allowed)


def check_glyph_styles(config: PreTrainedConfig, most: int | None = None) -> None:
    """Refuses `glyph_styles` that are no list of style names.

    Args:
        config: has the field `glyph_styles`.
        most: styles that the model can take; None is any number.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    styles = config.glyph_styles
    fine = 1 <= len(styles) <= (most or len(styles)) and all(styles)
    allowed = "a list of one name of a style" if most == 1 else "a list of one or more names of styles"
    require(config, fine, "glyph_styles", styles, f'{allowed}, e.g. ["song"]')


def check_inputs(model: PreTrainedModel, more: Mapping[str, Any]) -> None:
    """Refuses values under names that the model does not know, which transformers would drop silently.

    Args:
        model: its `forward` names its inputs.
        more: the further keywords of a call. Tensors, arrays, lists and caches count as inputs; other values are
            options of the attention and pass.

    Raises:
        TypeError: names the inputs that the model does not take and those that it does.
    """
    unknown = [name for name, value in more.items() if isinstance(value, _INPUTS)]
    # those that transformers itself hands to every model, e.g. the Trainer's num_items_in_batch; positions are an input
    unknown = [name for name in unknown if name not in TransformersKwargs.__annotations__ or name == "position_ids"]
    if unknown:
        known = [name for name in inspect.signature(model.forward).parameters if name != "kwargs"]
        raise TypeError(
            f"{type(model).__name__} takes no {', '.join(unknown)}; its inputs are {', '.join(known)}. Labels go to a "
            "model with a task head; other inputs come from the tokenizer or processor saved with the model"
        )


def check_ids(name: str, ids: Tensor | None, size: int, meaning: str, fix: str | Callable[[int], str] = "") -> None:
    """Refuses ids outside of 0..size-1.

    Only on the CPU: on other devices, reading the values would make the host wait at every step.

    Args:
        name: of the input.
        ids: int64 of any shape; None is fine.
        size: ids that are allowed.
        meaning: what the ids count.
        fix: what to do, or how to say it of the id found; the default is for ids of tokens.

    Raises:
        ValueError: names the input, the value found and what is allowed.
    """
    if ids is None or ids.device.type != "cpu" or is_traced(ids) or not ids.numel():
        return
    # both bounds in one pass; -100 of labels never comes here, so below 0 is as wrong as above
    low, high = (int(bound) for bound in torch.aminmax(ids))
    if low < 0 or high >= size:
        found = low if low < 0 else high
        fix = fix(found) if callable(fix) else fix
        fix = fix or (
            "Were text and model made by the same tokenizer? After adding tokens call "
            "model.resize_token_embeddings(len(tokenizer))"
        )
        raise ValueError(f"{name} holds {found}; allowed are 0 to {size - 1} ({meaning}). {fix}")


def check_tensors(given: Mapping[str, Any]) -> None:
    """Refuses inputs that are lists or arrays; None is fine.

    Args:
        given: name -> value.

    Raises:
        TypeError: names the input, what it is and the fix.
    """
    for name, value in given.items():
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f'{name} is of the type {type(value).__name__}; needed is a tensor: give return_tensors="pt" to the '
                f"tokenizer or processor, or torch.tensor({name})"
            )


def check_mask(attention_mask: Tensor | None, shape: Sequence[int]) -> None:
    """Refuses a mask that does not say of every position whether a token stands there: LSTMs read no other.

    Args:
        attention_mask: [B, L] of 0 and 1 in any dtype; None is fine.
        shape: (B, L), the shape of the text.

    Raises:
        ValueError: names the shape, or the value, that was found (values are seen on the CPU only).
    """
    if attention_mask is None:
        return
    if attention_mask.shape != shape:
        raise ValueError(
            f"attention_mask has the shape {tuple(attention_mask.shape)}; needed is {tuple(shape)}: 1 for each token, "
            "0 for padding. There is no attention, for which masks have other shapes"
        )
    if attention_mask.device.type != "cpu" or is_traced(attention_mask):
        return
    wrong = (attention_mask != 0) & (attention_mask != 1)
    if wrong.any():
        raise ValueError(
            f"attention_mask holds {attention_mask[wrong][0].item()}; allowed are 1 for a token and 0 for padding: "
            "give it as the tokenizer makes it"
        )


def check_length(length: int, positions: int) -> None:
    """Refuses a sequence of `length` tokens where the model has fewer positions.

    Raises:
        ValueError: names both numbers and says how to cut or split.
    """
    if length > positions:
        raise ValueError(
            f"the sequence has {length} tokens and the model {positions} positions; cut it "
            f"(truncation=True, max_length={positions}) or split it into windows "
            "(stride=..., return_overflowing_tokens=True; stride=... in a pipeline whose tokenizer has "
            f"model_max_length={positions})"
        )


def check_glyphs(
    images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None, shape: tuple[int, int, int], count: int
) -> tuple[Tensor, Tensor]:
    """Refuses glyph images that do not fit into a bank or table of glyphs.

    Args:
        images: uint8 [n, F, h, w], foreground 255 on background 0; other shapes of F * h * w values an image are
            taken in that order.
        rows: int64 [n], the rows to write, 0..count-1; None means all `count`.
        shape: (F, h, w).
        count: rows that there are.

    Returns:
        Glyph images uint8 [n, F, h, w] and rows int64 [n].

    Raises:
        ValueError: the dtype, the number of values or of rows does not fit, or a row does not exist.
    """
    images = torch.as_tensor(images)  # a NumPy array shares its memory: nothing is copied yet
    rows = torch.arange(count) if rows is None else torch.as_tensor(rows)
    if images.dtype != torch.uint8:
        raise ValueError(
            f"glyph images are {images.dtype}; needed is torch.uint8, foreground 255 on background 0: scaling happens "
            "inside"
        )
    # compared flattened, so that [n, F*h*w], as in extra_glyphs, passes like [n, F, h, w]
    if images.dim() < 2 or images.flatten(1).shape != (len(rows), shape[0] * shape[1] * shape[2]):
        raise ValueError(
            f"glyph images have the shape {tuple(images.shape)}; needed are {shape} values for each of {len(rows)} "
            "rows (pass rows to write only some)"
        )
    if rows.is_floating_point() or rows.dtype == torch.bool:
        raise ValueError(
            f"rows are {rows.dtype}; needed are the numbers of rows, int64 (a mask's: mask.nonzero()[:, 0])"
        )
    check_ids("rows", rows.cpu(), count, "rows for glyph images", "Configure a larger vocabulary or bank")
    return images.reshape(-1, *shape), rows.long()  # torch would take uint8 rows for a mask


def own_weight(table: nn.Module) -> nn.Parameter:
    """The weight of a table of vectors, to be written to. An adapter around it may add to its vectors (LoRA).

    Raises:
        TypeError: the weight is computed or quantized: what is written would be lost, or mean something else.
    """
    weight = getattr(table, "weight", None)
    # some adapters and parametrizations compute `weight` anew whenever it is read, and quantized tables hold codes
    own = isinstance(weight, nn.Parameter) and any(weight is parameter for parameter in table.parameters())
    if own and weight.is_floating_point():
        return weight
    raise TypeError(f"the weight of {_kind(table)} is computed or quantized and cannot be written to. {PLAIN_HINT}")


def check_plain(table: nn.Module, kind: type[nn.Module]) -> None:
    """Refuses to resize a table that is no `kind` any more: an adapter around it would lose what it has learnt.

    Raises:
        TypeError: the table is of another kind, or see `own_weight`.
    """
    if not isinstance(table, kind):
        raise TypeError(f"{_kind(table)} cannot be resized; needed is {kind.__module__}.{kind.__name__}. {PLAIN_HINT}")
    if kind is nn.Embedding:
        own_weight(table)


def _kind(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__name__}"


__all__ = [
    "BERT_SIZES",
    "CLASSIFIERS",
    "SCHEMES",
    "check_bank_rows",
    "check_bert_fields",
    "check_glyph_styles",
    "check_glyphs",
    "check_ids",
    "check_inputs",
    "check_length",
    "check_mask",
    "check_plain",
    "check_rates",
    "check_sizes",
    "check_tagger_fields",
    "check_tensors",
    "own_weight",
    "require",
]

"""Refusals that say what was found, what is allowed and what to do: of configuration fields and of ids."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

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


def check_bert_fields(config: PreTrainedConfig, sizes: Sequence[str] = (), rates: Sequence[str] = ()) -> None:
    """Refuses values of the fields that every model here shares with BERT, from which no encoder can be built.

    Args:
        config: has all fields of `BERT_SIZES`, dropout rates, `initializer_range` and so on, as a BertConfig.
        sizes: further fields that hold integers of 1 or more.
        rates: further fields that hold dropout rates.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    for name in (*BERT_SIZES, *sizes):
        require(config, getattr(config, name) >= 1, name, getattr(config, name), "an integer of 1 or more")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", *rates):
        value = getattr(config, name)
        require(config, value is None or 0 <= value < 1, name, value, "a number in [0, 1)")
    for name in ("initializer_range", "layer_norm_eps"):
        require(config, getattr(config, name) > 0, name, getattr(config, name), "a number above 0")
    heads, width, pad = config.num_attention_heads, config.hidden_size, config.pad_token_id
    require(config, width % heads == 0, "hidden_size", width, f"a multiple of {heads} heads")
    fine = pad is None or 0 <= pad < config.vocab_size
    require(config, fine, "pad_token_id", pad, f"None or 0 to {config.vocab_size - 1}")
    act = config.hidden_act
    require(config, act in ACT2FN, "hidden_act", act, f"one of {', '.join(sorted(ACT2FN))}")
    decoder = config.is_decoder or config.add_cross_attention
    require(config, not decoder, "is_decoder, add_cross_attention", True, "False: the model is an encoder")


def check_ids(name: str, ids: Tensor | None, size: int, meaning: str, fix: str = "") -> None:
    """Refuses ids outside of 0..size-1.

    Only on the CPU: elsewhere a look at the values would make the host wait for the device at every step.

    Args:
        name: of the input.
        ids: int64 of any shape; None is fine.
        size: ids that are allowed.
        meaning: what the ids count.
        fix: what to do; the default is for ids of tokens.

    Raises:
        ValueError: names the input, the value found and what is allowed.
    """
    if ids is None or ids.device.type != "cpu" or torch.compiler.is_compiling() or not ids.numel():
        return
    low, high = (int(bound) for bound in torch.aminmax(ids))
    if low < 0 or high >= size:
        found = low if low < 0 else high
        fix = fix or (
            "Were text and model made by the same tokenizer? After adding tokens call "
            "model.resize_token_embeddings(len(tokenizer))"
        )
        raise ValueError(f"{name} holds {found}; allowed are 0 to {size - 1} ({meaning}). {fix}")


def check_length(length: int, positions: int) -> None:
    """Refuses a sequence of `length` tokens where the model has fewer positions.

    Raises:
        ValueError: names both numbers and says how to cut or split.
    """
    if length > positions:
        raise ValueError(
            f"the sequence has {length} tokens and the model {positions} positions; cut it "
            f"(truncation=True, max_length={positions}) or split it into windows "
            "(stride=..., return_overflowing_tokens=True; stride=... in a pipeline)"
        )


__all__ = ["BERT_SIZES", "check_bert_fields", "check_ids", "check_length", "require"]

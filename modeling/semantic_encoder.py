"""The encoder of text in MPM-CNER and Glyce: which ones there can be, how many positions they have, how one is called.

Any encoder of text that `AutoModel` builds will do: BERT, RoBERTa, ELECTRA, ALBERT, ERNIE, DeBERTa, DistilBERT, ... It
gets what it takes of BERT's inputs and gives one vector a token; a pooler is left out.
"""

import inspect
import re
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES, MODEL_MAPPING

from .checks import check_ids, check_length, require

# the pooler, which nobody reads, and weights for inputs that BERT does not have: tokens of global attention, entities
_UNREAD = re.compile(r"^pooler|_global\.|^entity_embeddings\.|\.(w2e|e2w|e2e)_query\.")
_NEEDED = ("input_ids", "attention_mask")
_OFFSETS: dict[tuple[type, int | None], int] = {}  # class of a configuration, pad_token_id -> see `position_offset`
_TYPE_HINT = "0 is all that this semantic encoder knows of token types: give it one text at a time"


def check_encoder(config: PreTrainedConfig, semantic: PreTrainedConfig) -> None:
    """Refuses what cannot be the encoder of text in a model around it.

    Args:
        config: that of the whole, named in errors.
        semantic: that of the encoder.

    Raises:
        ValueError: names the type and the reason.
    """
    kind, reason = semantic.model_type, None
    own = type(semantic).__module__.startswith("transformers.")
    if hasattr(semantic, "glyph_styles"):
        reason = "it reads glyph images or pinyin of its own, which the tokenizer of the whole does not make"
    elif semantic.is_encoder_decoder or getattr(semantic, "is_decoder", False):
        reason = "it is a decoder, or has one"
    elif own and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        reason = "it is no encoder of text that predicts masked tokens (AutoModelForMaskedLM does not know it)"
    elif not all(isinstance(getattr(semantic, name, None), int) for name in ("vocab_size", "hidden_size")):
        reason = "it has no vocab_size or no hidden_size"
    allowed = f"an encoder of text, such as bert, roberta, electra, albert, ernie, deberta or distilbert; {reason}"
    require(config, reason is None, "semantic_config.model_type", kind, allowed)


def position_offset(semantic: PreTrainedConfig) -> int:
    """Positions that an encoder has beside those of its tokens: some, as RoBERTa, count from the id of padding on.

    No configuration tells; a model of the kind is asked, once, without weights.
    """
    key = (type(semantic), getattr(semantic, "pad_token_id", None))
    if type(semantic) not in MODEL_MAPPING:
        return 0
    if key not in _OFFSETS:
        with torch.device("meta"):
            parts = dict(AutoModel.from_config(deepcopy(semantic)).named_modules())
        tables = [part for name, part in parts.items() if name.split(".")[-1] == "position_embeddings"]
        padding = getattr(tables[0], "padding_idx", None) if tables else None
        _OFFSETS[key] = 0 if padding is None else padding + 1
    return _OFFSETS[key]


def build_encoder(semantic: PreTrainedConfig) -> PreTrainedModel:
    """An encoder with new weights and without a pooler.

    Raises:
        ValueError: no code is known for its type, or its model does not take BERT's inputs.
    """
    kind = semantic.model_type
    if type(semantic) not in MODEL_MAPPING:
        raise ValueError(
            f"no AutoModel is registered for the semantic encoder {kind!r}. If its checkpoint carries its own code, "
            "load it before by itself, AutoModel.from_pretrained(..., trust_remote_code=True): code is never run as "
            "soon as a configuration inside of another one names it"
        )
    model_class = MODEL_MAPPING[type(semantic)]
    inputs = inspect.signature(model_class.forward).parameters
    lacking = [name for name in _NEEDED if name not in inputs]
    if lacking or model_class.main_input_name != "input_ids":
        raise ValueError(
            f"{model_class.__name__} ({kind}) cannot be the semantic encoder: its inputs are {', '.join(inputs)}; "
            f"needed are {', '.join(_NEEDED)}, as BERT takes them"
        )
    # in the dtype in which the whole is built, whatever that of the checkpoint was
    encoder = AutoModel.from_config(semantic, dtype=torch.get_default_dtype(), **model_options(semantic))
    # with gradients wanted of what is not read, distributed training would wait for them
    for name, parameter in encoder.named_parameters():
        if _UNREAD.search(name):
            parameter.requires_grad_(False)
    return encoder


def model_options(semantic: PreTrainedConfig) -> dict[str, Any]:
    """What the class of an encoder is called with: no pooler, where it can be left out."""
    parameters = inspect.signature(MODEL_MAPPING[type(semantic)]).parameters if type(semantic) in MODEL_MAPPING else {}
    return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}


def call_encoder(
    encoder: PreTrainedModel, positions: int | None, inputs: dict[str, Tensor | None], **options: Any
) -> Any:
    """Calls an encoder with those of BERT's inputs that it takes.

    Args:
        encoder: see `build_encoder`.
        positions: tokens that a text may have; None: any number.
        inputs: by name, BERT's five.
        options: output_hidden_states, output_attentions, ...

    Returns:
        The encoder's output, with last_hidden_state [B, L, H].

    Raises:
        ValueError: not exactly one of input_ids and inputs_embeds; an id or a length that does not fit; an input other
            than 0 that the encoder does not take; vectors of another shape than the configuration says.
    """
    given = {name: value for name, value in inputs.items() if value is not None}
    texts = [given[name] for name in ("input_ids", "inputs_embeds") if name in given]
    if len(texts) != 1 or texts[0].dim() != (2 if "input_ids" in given else 3):
        found = {name: tuple(given[name].shape) for name in ("input_ids", "inputs_embeds") if name in given}
        raise ValueError(f"exactly one is needed of input_ids [B, L] and inputs_embeds [B, L, H]; given are {found}")
    config, takes = encoder.config, inspect.signature(encoder.forward).parameters
    check_ids("input_ids", given.get("input_ids"), config.vocab_size, "vocab_size of the semantic encoder")
    if positions is not None:
        check_length(texts[0].shape[1], positions)
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None:
        hint = "Cut or split the text"
        check_ids("position_ids", given.get("position_ids"), limit, "positions of the semantic encoder", hint)
    # some know no types, some would look them up in another table: 0 says nothing, and is left out
    types = getattr(config, "type_vocab_size", None) or 1 if "token_type_ids" in takes else 1
    hint = _TYPE_HINT if types == 1 else "0 is the first text, 1 the second"
    check_ids("token_type_ids", given.get("token_type_ids"), types, "type_vocab_size of the semantic encoder", hint)
    if types == 1:
        given.pop("token_type_ids", None)
    lacking = [name for name in given if name not in takes]
    if lacking:
        raise ValueError(f"{type(encoder).__name__}, the semantic encoder, takes no {', '.join(lacking)}; leave it out")
    out = encoder(**given, return_dict=True, **options)
    shape, needed = tuple(out.last_hidden_state.shape), (*texts[0].shape[:2], config.hidden_size)
    if shape != needed:
        raise ValueError(
            f"{type(encoder).__name__} ({config.model_type}) cannot be the semantic encoder: its last_hidden_state is "
            f"{shape}; needed is {needed}, a vector of hidden_size for each token"
        )
    return out


__all__ = ["build_encoder", "call_encoder", "check_encoder", "model_options", "position_offset"]

"""Tiny ChineseBERT models, their inputs and comparisons, for several test files."""

import os
from pathlib import Path

import pytest
import torch

from hanziformers import (
    ChineseBertConfig,
    ChineseBertForMaskedLM,
    ChineseBertForMultipleChoice,
    ChineseBertForQuestionAnswering,
    ChineseBertForSequenceClassification,
    ChineseBertForTokenClassification,
    ChineseBertModel,
)

FOLDER = os.environ.get("HANZIFORMERS_ORACLES")
ORACLES = Path(FOLDER or ".") / "chinesebert"
oracle = pytest.mark.skipif(not FOLDER, reason="HANZIFORMERS_ORACLES does not name the folder of reference vectors")

SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 40,
    "glyph_size": 3,
    "pinyin_embedding_size": 12,
    "initializer_range": 0.2,
}
HEADS = [
    ChineseBertForMaskedLM,
    ChineseBertForSequenceClassification,
    ChineseBertForTokenClassification,
    ChineseBertForQuestionAnswering,
    ChineseBertForMultipleChoice,
]
EVERY = [ChineseBertModel, *HEADS]
UNREAD_POOLER = [ChineseBertForMaskedLM, ChineseBertForTokenClassification, ChineseBertForQuestionAnswering]
CLASSES = {"base": ChineseBertModel, "mlm": ChineseBertForMaskedLM, "tokcls": ChineseBertForTokenClassification}
CASES = {"base": ("full", "no_tt", "no_mask", "pos"), "mlm": ("full", "no_tt", "no_mask", "pos")}
CASES["tokcls"] = CASES["base"]


def build(cls=ChineseBertModel, **fields):
    """A tiny model with random weights, biases and norms, in eval mode."""
    model = cls(ChineseBertConfig(**{**SIZES, **fields})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def make_inputs(batch=4, length=9, **more):
    lengths = torch.arange(length, length - batch, -1).clamp(min=2)
    inputs = {
        "input_ids": torch.randint(0, SIZES["vocab_size"], (batch, length)),
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "token_type_ids": torch.randint(0, 2, (batch, length)),
        "pinyin_ids": torch.randint(0, 32, (batch, length, 8)),
    }
    inputs["pinyin_ids"][0, 3:] = 0
    inputs["pinyin_ids"][1:, :, 5:] = 0
    return {**inputs, **more}


def inputs_for(cls, labels=True, batch=4, length=9):
    if cls is ChineseBertForMultipleChoice:
        flat = make_inputs(batch * 3, length)
        more = {"labels": torch.randint(0, 3, (batch,))} if labels else {}
        return {name: value.unflatten(0, (batch, 3)) for name, value in flat.items()} | more
    inputs = make_inputs(batch, length)
    if not labels or cls is ChineseBertModel:
        return inputs
    if cls is ChineseBertForQuestionAnswering:
        return inputs | {name: torch.randint(0, length, (batch,)) for name in ("start_positions", "end_positions")}
    if cls is ChineseBertForSequenceClassification:
        return inputs | {"labels": torch.randint(0, 2, (batch,))}
    top = SIZES["vocab_size"] if cls is ChineseBertForMaskedLM else 2
    return inputs | {"labels": torch.randint(0, top, (batch, length))}


def tensors(output):
    return [value for name, value in sorted(output.items()) if isinstance(value, torch.Tensor)]


def no_grad(model, inputs):
    with torch.no_grad():
        return tensors(model(**inputs))


def with_grad(model, inputs):
    with torch.enable_grad():
        return [value.detach() for value in tensors(model(**inputs))]


def assert_same(found, wanted, atol=1e-5, rtol=0.0):
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=atol, rtol=rtol)


def assert_table_is_fresh(model, inputs):
    assert_same(no_grad(model, inputs), with_grad(model, inputs))


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def write_in_place(model, inputs):
    with torch.no_grad():
        model.embeddings.glyph_map.bias.add_(torch.randn(24))

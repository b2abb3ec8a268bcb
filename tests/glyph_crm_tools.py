"""Tiny GlyphCRM models with random glyph images, and their inputs, for several test files."""

import torch
from chinese_bert_tools import assert_same, gradients, no_grad, tensors, with_grad

from hanziformers import (
    GlyphCrmConfig,
    GlyphCrmForMaskedLM,
    GlyphCrmForMultipleChoice,
    GlyphCrmForPreTraining,
    GlyphCrmForQuestionAnswering,
    GlyphCrmForSequenceClassification,
    GlyphCrmForTokenClassification,
    GlyphCrmModel,
)

SIZES = {
    "vocab_size": 50,
    "glyph_vocab_size": 60,
    "glyph_size": 24,
    "first_block_channels": 4,
    "second_block_channels": 6,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 40,
    "initializer_range": 0.2,
}
VALUES = 24 * 24
HEADS = [
    GlyphCrmForPreTraining,
    GlyphCrmForMaskedLM,
    GlyphCrmForSequenceClassification,
    GlyphCrmForTokenClassification,
    GlyphCrmForQuestionAnswering,
    GlyphCrmForMultipleChoice,
]
EVERY = [GlyphCrmModel, *HEADS]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "glyph_dropout_prob": 0.0}


def random_glyphs(count, size=24):
    """Binary glyph images uint8 [count, 1, size, size]; the first is blank, as that of [PAD]."""
    images = (torch.rand(count, 1, size, size) > 0.7).byte() * 255
    images[0] = 0
    return images


def build(cls=GlyphCrmModel, **fields):
    """A tiny model with random glyph images, weights, biases and norms, in eval mode."""
    model = cls(GlyphCrmConfig(**{**SIZES, **fields})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.base_model.set_glyphs(random_glyphs(model.config.num_glyphs, model.config.glyph_size))
    return model


def build_for(processor, cls=GlyphCrmModel, **fields):
    """A tiny model with the glyph images of a processor of 24 px, in eval mode; always the same weights."""
    torch.manual_seed(0)
    tokenizer = processor.tokenizer
    own = {"vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size}
    model = cls(GlyphCrmConfig(**{**SIZES, **own, **fields})).eval()
    model.base_model.set_glyphs(processor.render_bank())
    return model


def make_inputs(batch=4, length=9, extras=3, **more):
    """A batch in which the third token of every example is a further character, and two rows of the bank are."""
    lengths = torch.arange(length, length - batch, -1).clamp(min=3)
    ids = torch.randint(1, SIZES["vocab_size"], (batch, length))
    glyphs = ids.clone()
    glyphs[:, 1] = SIZES["glyph_vocab_size"] - 1
    glyphs[:, 2] = SIZES["glyph_vocab_size"] + torch.arange(batch) % extras
    extra = (torch.rand(batch, extras, VALUES) > 0.6).byte() * 255
    inputs = {
        "input_ids": ids,
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "token_type_ids": torch.randint(0, 2, (batch, length)),
        "glyph_ids": glyphs,
        "extra_glyphs": extra,
    }
    return {**inputs, **more}


def inputs_for(cls, labels=True, batch=4, length=9):
    if cls is GlyphCrmForMultipleChoice:
        flat = make_inputs(batch * 3, length)
        more = {"labels": torch.randint(0, 3, (batch,))} if labels else {}
        return {name: value.unflatten(0, (batch, 3)) for name, value in flat.items()} | more
    inputs = make_inputs(batch, length)
    if not labels or cls is GlyphCrmModel:
        return inputs
    if cls is GlyphCrmForQuestionAnswering:
        return inputs | {name: torch.randint(0, length, (batch,)) for name in ("start_positions", "end_positions")}
    if cls is GlyphCrmForSequenceClassification:
        return inputs | {"labels": torch.randint(0, 2, (batch,))}
    top = 2 if cls is GlyphCrmForTokenClassification else SIZES["vocab_size"]
    inputs["labels"] = torch.randint(0, top, (batch, length))
    if cls is GlyphCrmForPreTraining:
        inputs["next_sentence_label"] = torch.randint(0, 2, (batch,))
    return inputs


__all__ = [
    "EVERY",
    "HEADS",
    "NO_DROPOUT",
    "SIZES",
    "VALUES",
    "assert_same",
    "build",
    "gradients",
    "inputs_for",
    "make_inputs",
    "no_grad",
    "random_glyphs",
    "tensors",
    "with_grad",
]

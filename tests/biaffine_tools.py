"""Tiny parsers, batches and labels for them, for several test files."""

import torch
from torch.nn import functional as F

from hanziformers import BiaffineConfig, BiaffineForDependencyParsing

SIZES = {
    "vocab_size": 20,
    "glyph_vocab_size": 30,
    "embedding_dim": 6,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "arc_size": 7,
    "relation_size": 5,
    "glyph_styles": ["song"],
    "glyph_dim": 8,
    "glyph_groups": 2,
    "num_labels": 3,
}


def make(**more):
    """A model whose biaffine weights are not 0, with glyph images."""
    torch.manual_seed(1)
    model = BiaffineForDependencyParsing(BiaffineConfig(**{**SIZES, **more})).eval()
    for layer in (model.arcs, model.relations):
        torch.nn.init.normal_(layer.weight)
    if model.config.glyce:
        model.base_model.set_glyphs(torch.randint(0, 256, (30, 1, 12, 12), dtype=torch.uint8))
    return model


def batch(lengths=(5, 3, 1), more=0):
    width = max(lengths)
    torch.manual_seed(2)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    words = torch.randint(2, 20, (len(lengths), width)) * mask
    glyphs = torch.randint(0, 30, (len(lengths), width, 2)) * mask[..., None]
    padded = {"word_ids": (0, more), "attention_mask": (0, more), "glyph_ids": (0, 0, 0, more)}
    given = {"word_ids": words, "attention_mask": mask, "glyph_ids": glyphs}
    return {name: F.pad(value, padded[name]) for name, value in given.items()}


HEADS = torch.tensor([[2, 0, 2, 3, 2], [0, 1, 2, -100, -100], [0, -100, -100, -100, -100]])
RELATIONS = torch.tensor([[0, 1, 2, -100, 1], [0, 1, 2, -100, -100], [2, -100, -100, -100, -100]])


__all__ = ["HEADS", "RELATIONS", "SIZES", "batch", "make"]

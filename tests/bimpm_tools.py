"""Tiny BiMPM models with random images, and pairs for them, for several test files."""

import torch

from hanziformers import BiMpmConfig, BiMpmForSequenceClassification

SIZES = {
    "vocab_size": 50,
    "embedding_dim": 12,
    "hidden_size": 10,
    "num_perspectives": 3,
    "glyph_vocab_size": 40,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "num_labels": 3,
}
NO_DROPOUT = dict.fromkeys(("glyph_dropout", "embedding_dropout", "hidden_dropout", "classifier_dropout"), 0.0)
LENGTHS = [(5, 4), (1, 1), (1, 6), (3, 2)]


def random_images(count):
    images = torch.randint(0, 256, (count, 2, 8, 8), dtype=torch.uint8)
    images[:1] = 0
    return images


def build(cls=BiMpmForSequenceClassification, **fields):
    """A tiny model with random glyph images and biases, in eval mode."""
    model = cls(BiMpmConfig(**{**SIZES, **fields})).eval()
    if model.config.glyce:
        model.base_model.set_glyphs(random_images(40))
    return model


def make_inputs(lengths=LENGTHS, extras=2, **more):
    """Pairs of words of up to three characters, of which some are outside of the bank."""
    total = torch.tensor([sum(pair) for pair in lengths])[:, None]
    first = torch.tensor([pair[0] for pair in lengths])[:, None]
    steps, shape = torch.arange(int(total.max()))[None], (len(lengths), int(total.max()))
    mask = steps < total
    glyphs = torch.randint(-1, 40 + extras, (*shape, 3))
    glyphs[:, :, 0] = glyphs[:, :, 0].clamp(min=1)
    inputs = {
        "word_ids": torch.randint(1, 50, shape).masked_fill(~mask, 0),
        "attention_mask": mask.long(),
        "token_type_ids": ((steps >= first) & mask).long(),
        "glyph_ids": glyphs.masked_fill(~mask[..., None], 0),
        "extra_glyphs": torch.randint(1, 256, (shape[0], extras, 128), dtype=torch.uint8),
    }
    return {**inputs, **more}


def row_of(inputs, row, length):
    """One pair alone, without padding."""
    alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
    return {**alone, "extra_glyphs": inputs["extra_glyphs"][row : row + 1]}


__all__ = ["LENGTHS", "NO_DROPOUT", "SIZES", "build", "make_inputs", "random_images", "row_of"]

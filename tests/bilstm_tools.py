"""Tiny BiLstm models with random images, and their inputs, for several test files."""

import torch
from glyce_tools import make_inputs, make_labels, make_processor, random_images

from hanziformers import BiLstmConfig, BiLstmForTokenClassification

SIZES = {
    "vocab_size": 50,
    "embedding_dim": 10,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "glyph_vocab_size": 60,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "special_token_ids": [0, 1, 2],
    "id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"},
}
NO_DROPOUT = dict.fromkeys(("glyph_dropout", "embedding_dropout", "hidden_dropout", "classifier_dropout"), 0.0)
SWITCHES = {
    "both": {},
    "ids": {"glyce": False},
    "glyphs": {"embedding_dim": 0},
    "without image classification": {"use_image_loss": False},
    "batch norm": {"glyph_batch_norm": True},
}


def build(cls=BiLstmForTokenClassification, **fields):
    """A tiny model with random images and biases, in eval mode."""
    config = BiLstmConfig(**{**SIZES, **fields})
    model = cls(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    if config.glyce:
        model.base_model.set_glyphs(random_images(config.num_glyphs, len(config.glyph_styles), config.glyph_size))
    return model


__all__ = [
    "NO_DROPOUT",
    "SIZES",
    "SWITCHES",
    "build",
    "make_inputs",
    "make_labels",
    "make_processor",
    "random_images",
]

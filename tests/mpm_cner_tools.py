"""Tiny MPM-CNER models with random images and sounds, and their inputs, for several test files."""

import torch

from hanziformers import MpmCnerConfig, MpmCnerForTokenClassification, MpmCnerModel

SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 40,
    "glyph_vocab_size": 60,
    "num_syllables": 12,
    "glyph_size": 24,
    "swin_embed_dim": 6,
    "swin_depths": [2, 1],  # 4 x 4 patches, 2 x 2 windows, which the second block shifts
    "swin_num_heads": [1, 2],
    "swin_window_size": 2,
    "lstm_hidden_size": 7,
    "special_token_ids": [0, 1, 2],
    "id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"},
}
NO_DROPOUT = {"classifier_dropout": 0.0}
SWITCHES = {
    "all": {},
    "without glyphs": {"use_glyphs": False},
    "without sounds": {"use_sounds": False},
    "without both": {"use_glyphs": False, "use_sounds": False},
    "concatenated": {"cross_modality": False},
}


def random_images(count, channels, size=SIZES["glyph_size"]):
    """Images uint8 [count, channels, size, size]; the first is blank, as that of [PAD] and of no sound."""
    images = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    images[0] = 0
    return images


def build(cls=MpmCnerForTokenClassification, semantic=None, **fields):
    """A tiny model with random images, biases and norms, in eval mode; no dropout in its semantic encoder."""
    settings = {"model_type": "bert", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = MpmCnerConfig(semantic_config={**settings, **(semantic or {})}, **{**SIZES, **fields})
    model = cls(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    if config.use_glyphs:
        model.base_model.set_glyphs(random_images(config.num_glyphs, 1, config.glyph_size))
    if config.use_sounds:
        model.base_model.set_sounds(random_images(config.num_syllables, 3, config.glyph_size))
    return model


def make_inputs(batch=4, length=9, extras=3, **more):
    """A batch of [CLS] text [SEP] and padding, in which the third token of every text is a further character."""
    lengths = torch.arange(length, length - batch, -1).clamp(min=4)[:, None]
    steps = torch.arange(length)[None]
    ids = torch.randint(3, SIZES["vocab_size"], (batch, length)).masked_fill(steps == 0, 1)
    ids = ids.masked_fill(steps == lengths - 1, 2).masked_fill(steps >= lengths, 0)
    special = ids < 3
    glyphs = torch.randint(3, SIZES["glyph_vocab_size"], (batch, length))
    glyphs[:, 2] = SIZES["glyph_vocab_size"] + torch.arange(batch) % extras
    inputs = {
        "input_ids": ids,
        "attention_mask": (steps < lengths).long(),
        "token_type_ids": torch.zeros_like(ids),
        "glyph_ids": torch.where(special, ids, glyphs),
        "extra_glyphs": torch.randint(1, 256, (batch, extras, SIZES["glyph_size"] ** 2), dtype=torch.uint8),
        "syllable_ids": torch.randint(0, SIZES["num_syllables"], (batch, length)).masked_fill(special, 0),
    }
    return {**inputs, **more}


def make_labels(inputs):
    """IOB2 labels, -100 at special tokens: a person at every first character, else O."""
    labels = torch.zeros_like(inputs["input_ids"])
    labels[:, 1] = 1
    return labels.masked_fill(inputs["input_ids"] < 3, -100)


__all__ = [
    "NO_DROPOUT",
    "SIZES",
    "SWITCHES",
    "MpmCnerModel",
    "build",
    "make_inputs",
    "make_labels",
    "random_images",
]

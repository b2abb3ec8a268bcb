"""Tiny Glyce models with random images, and their inputs, for several test files."""

import torch

from hanziformers import (
    GlyceConfig,
    GlyceForTokenClassification,
    GlyceTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
)

SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 40,
    "glyph_vocab_size": 60,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "num_task_layers": 2,
    "task_num_attention_heads": 4,
    "task_intermediate_size": 31,
    "special_token_ids": [0, 1, 2],
    "id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"},
}
NO_DROPOUT = dict.fromkeys(("glyph_dropout", "embedding_dropout", "task_dropout", "classifier_dropout"), 0.0)
SWITCHES = {
    "all": {},
    "without glyphs": {"use_glyphs": False},
    "without image classification": {"use_image_loss": False},
    "bilstm": {"task_layer": "bilstm"},
    "cnn": {"task_layer": "cnn"},
    "without task layers": {"task_layer": "none"},
    "released": {"glyph_batch_norm": True, "glyph_normalize": False, "glyph_scale": 255},
    "encoder alone": {"use_glyphs": False, "task_layer": "none"},
}


def random_images(count, styles=2, size=SIZES["glyph_size"]):
    """Images uint8 [count, styles, size, size]; the first three are blank, as those of [PAD], [CLS] and [SEP]."""
    images = torch.randint(0, 256, (count, styles, size, size), dtype=torch.uint8)
    images[:3] = 0
    return images


def build(cls=GlyceForTokenClassification, semantic=None, **fields):
    """A tiny model with random images, biases and norms, in eval mode; no dropout in its semantic encoder."""
    settings = {"model_type": "bert", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = GlyceConfig(semantic_config={**settings, **(semantic or {})}, **{**SIZES, **fields})
    model = cls(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    if config.use_glyphs:
        model.base_model.set_glyphs(random_images(config.num_glyphs, len(config.glyph_styles), config.glyph_size))
    return model


def make_inputs(batch=4, length=9, extras=3, **more):
    """A batch of [CLS] text [SEP] and padding, in which the third token of every text is a further character."""
    lengths = torch.arange(length, length - batch, -1).clamp(min=4)[:, None]
    steps = torch.arange(length)[None]
    ids = torch.randint(3, SIZES["vocab_size"], (batch, length)).masked_fill(steps == 0, 1)
    ids = ids.masked_fill(steps == lengths - 1, 2).masked_fill(steps >= lengths, 0)
    glyphs = torch.randint(3, SIZES["glyph_vocab_size"], (batch, length))
    glyphs[:, 2] = SIZES["glyph_vocab_size"] + torch.arange(batch) % extras
    inputs = {
        "input_ids": ids,
        "attention_mask": (steps < lengths).long(),
        "token_type_ids": torch.zeros_like(ids),
        "glyph_ids": torch.where(ids < 3, ids, glyphs),
        "extra_glyphs": torch.randint(1, 256, (batch, extras, 2 * SIZES["glyph_size"] ** 2), dtype=torch.uint8),
    }
    return {**inputs, **more}


def make_processor(vocabulary, font=None):
    """A tokenizer and an image processor, joined, for models of SIZES; `font` is saved with them."""
    styles = SIZES["glyph_styles"]
    fonts = None if font is None else {style: [font] for style in styles}
    image_processor = HanziGlyphImageProcessor(
        styles, SIZES["glyph_size"], binary=False, render_words=False, fonts=fonts, save_fonts=font is not None
    )
    return HanziProcessor(image_processor, GlyceTokenizer(vocabulary, extra_characters="龘"))


def make_labels(inputs):
    """IOB2 labels, -100 at special tokens: a person at every first character, else O."""
    labels = torch.zeros_like(inputs["input_ids"])
    labels[:, 1] = 1
    return labels.masked_fill(inputs["input_ids"] < 3, -100)


__all__ = ["NO_DROPOUT", "SIZES", "SWITCHES", "build", "make_inputs", "make_labels", "make_processor", "random_images"]

"""Tiny Lattice-LSTM models with random images, their inputs and their processor, for several test files."""

import glyce_tools
import torch

from hanziformers import HanziProcessor, LatticeLstmConfig, LatticeLstmForTokenClassification, LatticeLstmTokenizer

SIZES = {
    "vocab_size": 50,
    "embedding_dim": 7,
    "hidden_size": 12,
    "num_words": 20,
    "word_size": 5,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "special_token_ids": [0, 1, 2],
    "id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"},
}
NO_DROPOUT = dict.fromkeys(("glyph_dropout", "embedding_dropout", "word_dropout", "classifier_dropout"), 0.0)


def build(cls=LatticeLstmForTokenClassification, **fields):
    """A tiny model with random images, in eval mode."""
    model = cls(LatticeLstmConfig(**{**SIZES, **fields})).eval()
    if model.config.glyce:
        rows = model.config.num_glyphs
        model.base_model.set_glyphs(torch.randint(1, 256, (rows, 2, 8, 8), dtype=torch.uint8))
    return model


def make_inputs(**more):
    """Three texts of 8, 6 and 4 tokens between [CLS] and [SEP]; the last one has no word."""
    lengths, steps = torch.tensor([[8], [6], [4]]), torch.arange(8)[None]
    ids = torch.randint(3, 50, (3, 8)).masked_fill(steps == 0, 1)
    ids = ids.masked_fill(steps == lengths - 1, 2).masked_fill(steps >= lengths, 0)
    return {
        "input_ids": ids,
        "attention_mask": (steps < lengths).long(),
        "lexicon_ids": torch.tensor([[4, 20, 1], [6, 7, 0], [0, 0, 0]]),
        "lexicon_spans": torch.tensor([[[1, 2], [1, 4], [5, 6]], [[1, 3], [2, 3], [0, 0]], [[0, 0]] * 3]),
        **more,
    }


def labels_of(inputs):
    """A person at the first characters, else O; -100 at special tokens."""
    labels = torch.zeros_like(inputs["input_ids"])
    labels[:, 1], labels[0, 2] = 1, 2
    return labels.masked_fill(inputs["input_ids"] < 3, -100)


def make_processor(vocabulary, font=None):
    """As that of Glyce, with a lexicon."""
    tokenizer = LatticeLstmTokenizer(
        vocabulary, extra_characters="龘", lexicon_file=["银行", "行长", "银行行长", "今天", "天气", "龘银"]
    )
    return HanziProcessor(glyce_tools.make_processor(vocabulary, font).image_processor, tokenizer)


__all__ = ["NO_DROPOUT", "SIZES", "build", "labels_of", "make_inputs", "make_processor"]

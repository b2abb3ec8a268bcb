"""A tiny labeller of semantic roles, and batches for it."""

import torch

from hanziformers import SrlConfig, SrlForTokenClassification

ROLES = ["O", "A0", "A1", "AM-TMP"]
SIZES = {
    "vocab_size": 30,
    "embedding_dim": 6,
    "hidden_size": 8,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 8,
    "glyph_groups": 2,
    "glyph_vocab_size": 20,
    "predicate_dim": 3,
    "tag_dim": 4,
    "relation_dim": 5,
    "pos_tags": ["NOUN", "VERB"],
    "relations": ["nsubj", "obj", "root"],
    "id2label": dict(enumerate(ROLES)),
    "label2id": {role: index for index, role in enumerate(ROLES)},
}
# 他 说 小 猫 爱 吃 鲜 鱼, and a sentence of three words; the steps to the paths are counted in test_srl.py
HEADS = [[2, 0, 4, 5, 2, 5, 8, 6], [2, 0, 2]]


def build(**fields):
    """A model with glyph images, in evaluation."""
    model = SrlForTokenClassification(SrlConfig(**{**SIZES, **fields}))
    config = model.config
    if config.glyce:
        images = torch.randint(0, 256, (config.num_glyphs, 2, 8, 8), dtype=torch.uint8)
        images[0] = 0
        model.base_model.set_glyphs(images)
    return model.eval()


def make_inputs():
    """A batch of both sentences, in which one word has a further character."""
    counts = torch.tensor([[8], [3]])
    mask = torch.arange(8) < counts
    glyphs = torch.randint(2, 20, (2, 8, 3)).masked_fill(torch.rand(2, 8, 3) < 0.4, 0)
    glyphs[0, 5, 0] = 20  # image 0 of the example's extra_glyphs
    return {
        "word_ids": torch.randint(1, 30, (2, 8)) * mask,
        "attention_mask": mask.long(),
        "predicate": torch.tensor([5, 1]),
        "heads": torch.tensor([HEADS[0], [*HEADS[1], *[-100] * 5]]),
        "tag_ids": torch.randint(0, 3, (2, 8)) * mask,
        "relation_ids": torch.randint(0, 4, (2, 8)) * mask,
        "glyph_ids": glyphs * mask[..., None],
        "extra_glyphs": torch.randint(1, 256, (2, 1, 2 * 64), dtype=torch.uint8),
    }


__all__ = ["HEADS", "ROLES", "SIZES", "build", "make_inputs"]

"""A vocabulary, tokenizers and tiny models for spelling correction."""

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from hanziformers import (
    ChineseBertConfig,
    ChineseBertForMaskedLM,
    ChineseBertTokenizer,
    GlyphCrmConfig,
    GlyphCrmForMaskedLM,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    render_glyphs,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = list("我们门在再载学校未末来的得地人入大土士己已日目")
VOCABULARY = {token: row for row, token in enumerate([*SPECIAL, *CHARACTERS, "，", "。", "apple", "##s", "1", "2018"])}
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
SIZES |= {"max_position_embeddings": 48, "vocab_size": len(VOCABULARY)}
FAMILIES = ("bert", "chinese_bert", "glyph_crm")
GLYPHS = {"glyph_size": 24, "first_block_channels": 2, "second_block_channels": 4}


def make(family):
    """A tiny model with new weights and glyph images, and its processor or tokenizer."""
    torch.manual_seed(0)
    if family == "bert":
        return BertForMaskedLM(BertConfig(**SIZES)).eval(), BertTokenizer(VOCABULARY, model_max_length=48)
    if family == "chinese_bert":
        tokenizer = ChineseBertTokenizer(VOCABULARY, model_max_length=48)
        config = ChineseBertConfig(**SIZES, glyph_size=12, glyph_styles=["song"], pinyin_embedding_size=8)
        model, processor = ChineseBertForMaskedLM(config), tokenizer
    else:
        tokenizer = GlyphCrmTokenizer(VOCABULARY, model_max_length=48)
        processor = HanziProcessor(HanziGlyphImageProcessor(size=24), tokenizer)
        config = GlyphCrmConfig(**SIZES, **GLYPHS, glyph_vocab_size=tokenizer.glyph_vocab_size)
        model = GlyphCrmForMaskedLM(config)
    render_glyphs(model, processor)
    return model.eval(), processor


class Scripted(torch.nn.Module):
    """In place of a model: predicts the characters that a table names, and elsewhere what stands there.

    Args:
        vocabulary: token -> id.
        table: (character, the one before it) -> logits of tokens by name.
    """

    def __init__(self, vocabulary, table, config):
        super().__init__()
        self.vocabulary, self.table, self.config, self.sizes = vocabulary, table, config, []
        self.names = {row: token for token, row in vocabulary.items()}
        self.device = torch.device("cpu")

    def forward(self, input_ids, **inputs):
        self.sizes.append(tuple(input_ids.shape))
        logits = torch.full((*input_ids.shape, len(self.vocabulary)), -20.0)
        logits.scatter_(2, input_ids[..., None], 0.0)
        for (row, column), id_ in np.ndenumerate(input_ids.numpy()):
            before = self.names[int(input_ids[row, column - 1])] if column else ""
            for token, logit in self.table.get((self.names[int(id_)], before), {}).items():
                logits[row, column, self.vocabulary[token]] = logit
        return type("Output", (), {"logits": logits})

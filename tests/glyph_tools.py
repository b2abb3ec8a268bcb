"""A small tokenizer of characters, and an image processor that renders their numbers instead of their shapes."""

from zlib import crc32

import numpy as np

from hanziformers import GlyphCrmTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, *"银行很忙，今天气好ab1"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
EXTRA = "龘が犇"
RARE = "𠀀𰻝長각"  # outside of the bank
NOT_RENDERED = "\ue000\ue001"


class NumberGlyphs:
    """Two fonts of 4 x 4: bits of the token's checksum. Renders all but the private-use area; [PAD] is blank."""

    def can_render(self, tokens):
        return np.array([not ("\ue000" <= token <= "\uf8ff" and len(token) == 1) for token in tokens], bool)

    def render(self, tokens):
        numbers = np.array([[crc32(token.encode())] for token in tokens]) * self.can_render(tokens)[:, None]
        numbers *= np.array([[token != "[PAD]"] for token in tokens])
        return ((numbers >> np.arange(32) & 1) * 255).astype(np.uint8).reshape(-1, 2, 4, 4)


def make_tokenizer(draws=True):
    tokenizer = GlyphCrmTokenizer(VOCABULARY, extra_characters=EXTRA)
    if draws:
        tokenizer.image_processor = NumberGlyphs()
    return tokenizer

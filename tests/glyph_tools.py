"""A small tokenizer of characters, an image processor that renders their numbers, and slow ways to the same results."""

from zlib import crc32

import numpy as np
from hypothesis import strategies as st

from hanziformers import GlyphCrmTokenizer
from hanziformers.tokenization.characters import NO_INK

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, *"银行很忙，今天气好ab1"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
EXTRA = "龘が犇"
RARE = "𠀀𰻝長각"  # outside of the bank
NOT_RENDERED = "\ue000\ue001"
V, N = len(TOKENS), len(TOKENS) + len(EXTRA)
TEXT = f"银行 很\n忙{EXTRA}Ab{RARE}{RARE[0]}[MASK]"

known = st.sampled_from([*TOKENS, *EXTRA, *RARE, *NOT_RENDERED, " ", "\r\n", "\u200b", "\ufe0f", "\u3000", "\x00", "A"])
texts = st.lists(known | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=12).map("".join)


class NumberGlyphs:
    """Two fonts of 4 x 4: bits of the token's checksum. Renders all but the private-use area; [PAD] is blank."""

    def can_render(self, tokens):
        return np.array([not ("\ue000" <= token <= "\uf8ff" and len(token) == 1) for token in tokens], bool)

    def render(self, tokens):
        numbers = np.array([[crc32(token.encode())] for token in tokens]) * self.can_render(tokens)[:, None]
        numbers *= np.array([[token != "[PAD]"] for token in tokens])
        return ((numbers >> np.arange(32) & 1) * 255).astype(np.uint8).reshape(-1, 2, 4, 4)

    def save_pretrained(self, folder):
        return []


def make_tokenizer(renders=True):
    tokenizer = GlyphCrmTokenizer(VOCABULARY, extra_characters=EXTRA)
    if renders:
        tokenizer.image_processor = NumberGlyphs()
    return tokenizer


def slow_tokens(text):
    """(token, start, end) of every token, one after the other."""
    tokens, start = [], 0
    while start < len(text):
        special = next((token for token in SPECIAL if text.startswith(token, start)), None)
        end = start + len(special or "x")
        code = ord(text[start])
        if special or not any(first <= code <= last for first, last in NO_INK):
            tokens.append((text[start:end], start, end))
        start = end
    return tokens


def slow_glyph_id(token):
    if token in VOCABULARY:
        return VOCABULARY[token]
    return V + EXTRA.index(token) if token in EXTRA else N + ord(token)


def slow_image(token):
    images = NumberGlyphs()
    return images.render([token if images.can_render([token])[0] else "[UNK]"]).ravel()


def images_of(tokenizer, batch, row):
    """The glyph image of every token of an example: of the bank, or of its extra_glyphs."""
    bank = NumberGlyphs().render(tokenizer.bank_tokens()).reshape(tokenizer.glyph_vocab_size, -1)
    everything = np.concatenate([bank, np.asarray(batch["extra_glyphs"][row])])
    return everything[np.asarray(batch["glyph_ids"][row])]


def expected_images(*tokens):
    return np.array([slow_image(token) for token in tokens])

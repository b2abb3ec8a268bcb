"""Renders tokens in one or more styles. Axes: n tokens, F styles.

How a token is rendered, in every style:

- One character: with one font size and one baseline for all characters of a font, as type is set, so that marks keep
  their position; Latin is centred by its advance width. `##` before a single character changes nothing.
- What has no ink of its own (white space, controls, joiners, variation selectors) and [PAD]: blank.
- Several characters (word pieces, numbers, [UNK], [CLS], [MASK], [unused1], ...): the word, without `##` or the
  brackets, on one line in the middle, at 2/3 of the size for up to three characters and 1/2 for more, squeezed in width
  until it is whole. `render_words=False` leaves them blank.
- What no font covers: blank, and its candidate is NOT_FOUND.
- Binary images so small that the usual threshold would leave none of the ink are rendered with a lower one.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, features

from .fonts import NOT_FOUND, FontChain
from .ink import centre_in_square, has_no_ink, to_binary

NO_INK, WORD = -2, -3  # candidates of a token, besides NOT_FOUND and the indices of `FontChain.candidates`

_RULES = 6  # part of the key: raise it whenever the same font would be rendered differently
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")


@dataclass(frozen=True)
class Found:
    """How tokens are rendered.

    Attributes:
        candidates: int16 [n, F], an index of the style's `FontChain.candidates`, or NOT_FOUND, NO_INK or WORD.
        letters: for each style: letter -> the index of its candidate, and the letter to render there (itself, its
            traditional form, or its variant). It holds every letter of the tokens.
    """

    candidates: np.ndarray
    letters: list[dict[str, tuple[int, str]]]


@dataclass(frozen=True)
class GlyphRenderer:
    """Renders tokens with one chain of fonts for each style.

    Attributes:
        chains: one for each of the F styles.
        size: height and width of an image.
        binary: 0 and 255 only; else grey.
        render_words: render tokens of several characters and special tokens; else they count as without ink.
    """

    chains: Sequence[FontChain]
    size: int
    binary: bool
    render_words: bool

    def letters_of(self, token: str) -> str:
        """The characters that are rendered of a token; none, if it has no ink."""
        special = _BRACKETS.fullmatch(token)  # [MASK] shows the word MASK
        word = special[1] if special else token[2:] if token.startswith("##") and len(token) > 2 else token
        if token == "[PAD]" or (len(word) > 1 or special) and not self.render_words:
            return ""
        return "".join(letter for letter in word if not has_no_ink(letter))

    def find(self, tokens: Sequence[str]) -> Found:
        """How each token is rendered in each style, without rendering it."""
        words = [self.letters_of(token) for token in tokens]
        # Every distinct letter is looked up once for each style, however many tokens hold it.
        letters = list(dict.fromkeys(letter for word in words for letter in word))
        candidates = np.full((len(tokens), len(self.chains)), NO_INK, dtype=np.int16)
        known = []
        for column, chain in enumerate(self.chains):
            indices, rendered = chain.find(letters)
            found = {letter: (int(n), one) for letter, n, one in zip(letters, indices, rendered, strict=True)}
            known.append(found)
            for row, word in enumerate(words):
                if len(word) == 1:
                    candidates[row, column] = found[word][0]
                elif word:  # a word is whole or not rendered at all
                    lacking = any(found[letter][0] == NOT_FOUND for letter in word)
                    candidates[row, column] = NOT_FOUND if lacking else WORD
        return Found(candidates, known)

    def uses_fallback(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens a style renders with a fallback style or as a variant, if only in part: bool [n, F]."""
        found = self.find(tokens)
        foreign = np.zeros(found.candidates.shape, dtype=bool)
        for column, chain in enumerate(self.chains):
            indices = {n for n, one in enumerate(chain.candidates()) if one.style != chain.name or one.variant}
            letters = {letter for letter, (index, _) in found.letters[column].items() if index in indices}
            foreign[:, column] = [not letters.isdisjoint(self.letters_of(token)) for token in tokens]
        return foreign & (found.candidates != NOT_FOUND)  # a word with a letter that no font covers is blank

    def render(self, tokens: Sequence[str], found: Found) -> np.ndarray:
        """Renders tokens that `find` has found: uint8 [n, F, size, size]."""
        images = np.zeros((*found.candidates.shape, self.size, self.size), dtype=np.uint8)
        for column, chain in enumerate(self.chains):
            sources = [candidate.source for candidate in chain.candidates()]
            indices = found.candidates[:, column]
            for row in np.flatnonzero((indices >= 0) | (indices == WORD)):
                letters = [found.letters[column][letter] for letter in self.letters_of(tokens[row])]
                if len(letters) == 1:  # also a word of which only one character has ink
                    index, letter = letters[0]
                    images[row, column] = sources[index].render(letter, self.size, self.binary)
                else:
                    height = self.size * (2 / 3 if len(letters) <= 3 else 1 / 2)
                    strips = [sources[index].strip(letter, height) for index, letter in letters]
                    images[row, column] = _set_line(strips, self.size, self.binary)
        return images

    def key(self, tokens: Sequence[str]) -> str:
        """The hash of everything that the images of these tokens depend on."""
        sources = [[(style, source.sha256) for style, source in chain.sources()] for chain in self.chains]
        freetype = features.version("freetype2")
        what = [_RULES, freetype, sources, self.size, self.binary, self.render_words, list(tokens)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _set_line(strips: list[tuple[np.ndarray, int]], size: int, binary: bool) -> np.ndarray:
    """Sets letters side by side on one baseline, squeezed until they fit: uint8 [size, size].

    Args:
        strips: for each letter its ink, grey uint8 [h, w], and the row of its baseline.
        size: height and width of the image.
        binary: 0 and 255 only.
    """
    up = max(base for _, base in strips)
    down = max(ink.shape[0] - base for ink, base in strips)
    gap = max(1, size // 48)
    line = np.zeros((up + down, sum(ink.shape[1] + gap for ink, _ in strips) - gap), dtype=np.uint8)
    x = 0
    for ink, base in strips:
        line[up - base : up - base + ink.shape[0], x : x + ink.shape[1]] = ink
        x += ink.shape[1] + gap
    # Each side is squeezed by itself: long words get narrow letters rather than low ones.
    rows, columns = min(line.shape[0], size), min(line.shape[1], size)
    if (rows, columns) != line.shape:
        line = np.asarray(Image.fromarray(line).resize((columns, rows), Image.Resampling.BOX))
    image = centre_in_square(line, size)
    return to_binary(image) if binary else image


__all__ = ["Found", "GlyphRenderer"]

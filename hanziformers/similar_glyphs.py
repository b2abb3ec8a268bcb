"""How alike two characters look: the correlation of their slightly blurred glyph images in three styles.

Axes: n characters, F styles, s image size, D = F*s*s.
"""

from collections.abc import Sequence

import numpy as np

from .processors.image_processing_glyph import HanziGlyphImageProcessor

STYLES = ("song", "hei", "kai")  # one style alone takes its own serifs and slants for strokes
SIZE = 24  # pixels: a stroke is one or two
LENGTH = 4000  # of a vector of integers: products of two stay below 2**24, up to which float32 holds integers exactly


def glyph_vectors(characters: Sequence[str]) -> np.ndarray:
    """Vectors whose products say how alike characters look; see `glyph_similarity`.

    Args:
        characters: n single characters.

    Returns:
        float32 [n, D], integers, of length `LENGTH` or a little less. What a style renders by the glyph image of
        another character (a simplified or traditional variant), or not at all, is 0.
    """
    processor = HanziGlyphImageProcessor(styles=STYLES, size=SIZE, binary=False)
    images = processor.render(list(characters)).astype(np.float64)  # [n, F, s, s]
    images[processor.uses_fallback(list(characters))] = 0
    # neighbours count in part: a stroke that is moved by one pixel is nearly the same stroke
    for axis in (2, 3):
        images = (2 * images + np.roll(images, 1, axis) + np.roll(images, -1, axis)) / 4
    vectors = images.reshape(len(characters), len(STYLES), -1)
    vectors -= vectors.mean(-1, keepdims=True)  # or all dark characters would be alike
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors *= LENGTH / np.sqrt(len(STYLES)) / np.where(norms > 0, norms, 1)
    return np.trunc(vectors).reshape(len(characters), -1).astype(np.float32)


def glyph_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How alike two lists of characters look, in 0..1; 1 is the same image.

    The sums are exact, so the same on every machine and with any number of threads.

    Args:
        first: vectors of n characters, [n, D].
        second: vectors of m characters, [m, D].

    Returns:
        float32 [n, m].
    """
    return np.maximum(first @ second.T, 0) / np.float32(LENGTH**2)


__all__ = ["glyph_similarity", "glyph_vectors"]

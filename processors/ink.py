"""Ink: the pixels of glyph images, and which characters have any.

A glyph image is an array uint8 [h, w]: foreground 255 on background 0. Binary images hold nothing else.
"""

import unicodedata

import numpy as np
from PIL import Image

_THRESHOLD = 96  # grey from which a pixel of a binary image is foreground

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
# Format characters (Cf) that Unicode does not want ignored: signs over numbers, interlinear marks, hieroglyph controls.
_VISIBLE_FORMAT = frozenset(
    [*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD]
    + [*range(0xFFF9, 0xFFFC), *range(0x13430, 0x13440)]
)


def has_no_ink(character: str) -> bool:
    """Whether a character has no ink of its own: spaces, controls and default-ignorable characters.

    Default-ignorable are joiners, variation selectors, fillers and the like. Among the characters that Unicode has
    assigned these are exactly those that GlyphCRM's tokenizer removes. The tokenizer also removes the 3,769 code points
    that Unicode reserves for such characters and has not assigned (U+2065, U+FFF0 to U+FFF8, and the unassigned ones of
    U+E0000 to U+E0FFF); here they have ink, as every code point that a font may cover. There are two rules because the
    tokenizer's file and this one cannot import each other; a test compares them for every code point.

    All others are the tokenizer's tokens and need a glyph image that differs from padding: format characters that
    Unicode wants shown (U+0600, U+06DD, U+FFF9, U+13430, ...) and the blank Braille pattern (U+2800) therefore count as
    rendered only where a font has ink for them.

    Args:
        character: one character.
    """
    if ord(character) in _VISIBLE_FORMAT:
        return False
    category = unicodedata.category(character)
    # Separators, controls and format characters; some fillers are letters or marks by their category.
    if category in ("Zs", "Zl", "Zp", "Cc", "Cf") or character in _INVISIBLE:
        return True
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def is_han(code: int) -> bool:
    """Whether a code point lies in a block of Han characters (unified, extensions, compatibility)."""
    return 0x3400 <= code < 0x4DC0 or 0x4E00 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x33480


def to_binary(image: np.ndarray) -> np.ndarray:
    """Makes an image of any shape binary: uint8, 0 and 255 only.

    Thin ink, of which the usual threshold would leave nothing, is taken at a lower one.
    """
    threshold = float(_THRESHOLD)
    while image.any() and image.max() < threshold:
        threshold /= 2
    return np.where(image >= threshold, 255, 0).astype(np.uint8)


def fit_into_square(image: np.ndarray, size: int) -> np.ndarray:
    """Scales an image [h, w] to the size of a square and centres it there: uint8 [size, size]."""
    rows, columns = image.shape
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    return centre_in_square(small, size)


def centre_in_square(image: np.ndarray, size: int) -> np.ndarray:
    """Puts an image [h, w], h and w at most `size`, into the middle of a blank square: uint8 [size, size]."""
    rows, columns = image.shape
    square = np.zeros((size, size), dtype=np.uint8)
    y, x = (size - rows) // 2, (size - columns) // 2
    square[y : y + rows, x : x + columns] = image
    return square


def trim(image: np.ndarray, corner: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Takes off the empty rows and columns around an image.

    Args:
        image: uint8 [h, w].
        corner: x and y of its upper left corner.

    Returns:
        The trimmed image (of size 0 where it was blank), and its own corner.
    """
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    if not len(rows):
        return image[:0, :0], (0, 0)
    top, left = int(rows[0]), int(columns[0])
    return image[top : rows[-1] + 1, left : columns[-1] + 1], (corner[0] + left, corner[1] + top)


def frame(image: np.ndarray, corner: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of an image whose upper left corner lies at `corner` (x, y)."""
    return corner[0], corner[1], corner[0] + image.shape[1], corner[1] + image.shape[0]


__all__ = ["centre_in_square", "fit_into_square", "frame", "has_no_ink", "is_han", "to_binary", "trim"]

"""Which characters have ink, and pixels."""

import unicodedata

import numpy as np
import pytest

from hanziformers.processors.ink import centre_in_square, fit_into_square, frame, has_no_ink, is_han, to_binary, trim
from hanziformers.tokenization.characters import may_have_ink

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_characters_without_ink():
    assert all(map(has_no_ink, " \u3000\t\n\u200b\u200d\ufe0f\u00ad\x7f"))
    assert not any(map(has_no_ink, "a中。\u0300\ue000\U00020000"))


def test_characters_without_ink_are_what_the_tokenizer_removes():
    """Else a token would have a blank glyph image, which is padding."""
    known = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs")]
    tokens = may_have_ink()
    assert [c for c in known if has_no_ink(c) is bool(tokens[ord(c)])] == []


def test_binary_is_a_threshold_that_leaves_ink():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (to_binary(grey) == np.where(grey >= 96, 255, 0)).all()
    faint = np.array([[0, 20], [40, 47]], np.uint8)  # under 96 and 48: taken at 24
    assert to_binary(faint).tolist() == [[0, 0], [255, 255]]
    assert not to_binary(np.zeros((2, 2), np.uint8)).any()


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (5, 5), (1, 9)])
def test_images_are_centred_whole(shape):
    image = np.full(shape, 255, np.uint8)
    square = centre_in_square(image, 9)
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    assert (len(rows), len(columns)) == shape
    assert rows[0] == (9 - shape[0]) // 2
    assert columns[0] == (9 - shape[1]) // 2
    large = fit_into_square(image, 18)
    assert large.shape == (18, 18)
    assert large.any(1 if shape[0] >= shape[1] else 0).all()  # the longer side is filled


def test_trimming_moves_the_corner_along():
    image = np.zeros((6, 8), np.uint8)
    image[2:4, 3:7] = 9
    trimmed, corner = trim(image, (-10, 5))
    assert (trimmed == 9).all()
    assert (trimmed.shape, corner) == ((2, 4), (-7, 7))
    assert frame(trimmed, corner) == (-7, 7, -3, 9)
    assert trim(image * 0, (4, 4))[0].size == 0


def test_han_blocks():
    assert all(map(is_han, map(ord, "㐀中鿿\uf900𠀀")))
    assert not any(map(is_han, map(ord, "あ가a\u3400"[:3] + "\ue000")))

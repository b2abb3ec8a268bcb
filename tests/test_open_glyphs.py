"""Open glyph ids and their resolution, against one character after the other."""

import numpy as np
import pytest
from glyph_tools import EXTRA, NOT_RENDERED, RARE, NumberGlyphs
from hypothesis import example, given
from hypothesis import strategies as st

from hanziformers.tokenization.characters import may_have_ink
from hanziformers.tokenization.open_glyphs import OpenGlyphs
from hanziformers.tokenization.rare_glyphs import RareGlyphs

LABELS, UNKNOWN, VALUES = 20, 1, 32
BANK = LABELS + len(EXTRA)


def make(values=VALUES, image_processor=None, extra=EXTRA):
    rare = RareGlyphs(NumberGlyphs() if image_processor is None else image_processor)
    return OpenGlyphs(LABELS + len(extra), extra, UNKNOWN, values, rare)


characters = st.sampled_from([*RARE, *NOT_RENDERED, *EXTRA]) | st.characters(exclude_categories=["Cs"])
of_bank = st.integers(0, BANK - 1)
open_ids = st.lists(
    of_bank | characters.filter(lambda c: may_have_ink()[ord(c)]).map(lambda c: BANK + ord(c)), max_size=9
)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def resolved_examples(draw):
    """Ids and glyph images of an example that comes from tensors; some rows may be padding, or in no id."""
    count = draw(st.integers(0, 3))
    ids = draw(st.lists(st.integers(0, BANK + count - 1), max_size=6))
    images = np.random.default_rng(draw(seeds)).integers(0, 256, (count, VALUES), dtype=np.uint8)
    return ids, images


batches = st.lists(open_ids.map(lambda ids: (ids, None)) | resolved_examples(), min_size=1, max_size=5)


def slow_resolve(batch):
    """What every example must hold: its ids, and its own glyph images in order."""
    found = []
    for ids, images in batch:
        if images is not None:
            found.append((ids, list(images)))
            continue
        rendered = {}
        for code in sorted({one - BANK for one in ids if one >= BANK}):
            if NumberGlyphs().can_render([chr(code)])[0]:
                rendered[code] = NumberGlyphs().render([chr(code)]).ravel()
        rows = {code: BANK + row for row, code in enumerate(rendered)}
        ids = [one if one < BANK else rows.get(one - BANK, UNKNOWN) for one in ids]
        found.append((ids, list(rendered.values())))
    return found


@given(batches)
@example([([2, BANK + ord(RARE[0]), BANK + ord(NOT_RENDERED[0]), BANK + ord(RARE[0])], None), ([], None)])
@example([([BANK + ord(c) for c in RARE], None), ([BANK + ord(RARE[1]), BANK + ord(NOT_RENDERED[1])], None)])
def test_resolving_a_batch_equals_resolving_one_by_one(batch):
    before = [(list(ids), None if images is None else images.copy()) for ids, images in batch]
    given_ids = [np.array(ids, np.int64) for ids, _ in batch]
    ids, extra = make().resolve(given_ids, [images for _, images in batch])
    expected = slow_resolve(batch)
    assert [row.tolist() for row in ids] == [row for row, _ in expected]
    assert all(row.dtype == np.int64 for row in ids)
    most = max(len(images) for _, images in expected)
    assert (extra.dtype, extra.shape) == (np.uint8, (len(batch), most, VALUES))
    for found, (_, images) in zip(extra, expected, strict=True):
        padded = np.zeros((most, VALUES), np.uint8)
        padded[: len(images)] = np.array(images).reshape(-1, VALUES)
        assert np.array_equal(found, padded)
    for array, (row, _) in zip(given_ids, before, strict=True):  # what was given is not written to
        assert array.tolist() == row
    for (_, images), (_, kept) in zip(batch, before, strict=True):
        assert images is None or np.array_equal(images, kept)


@given(batches)
def test_resolved_ids_stay_when_resolved_again(batch):
    ids, extra = make().resolve([np.array(ids, np.int64) for ids, _ in batch], [images for _, images in batch])
    again, same = make().resolve(ids, list(extra))
    assert [row.tolist() for row in again] == [row.tolist() for row in ids]
    assert np.array_equal(same, extra)


@given(st.text(max_size=8), st.sampled_from(["", EXTRA, RARE + EXTRA]))
def test_open_ids_of_characters(text, extra):
    codes = np.array([ord(character) for character in text], np.uint32)
    found = make(extra=extra).open_ids(codes)
    assert found.dtype == np.int64
    expected = [
        LABELS + extra.index(c) if c in extra else LABELS + len(extra) + ord(c) if may_have_ink()[ord(c)] else UNKNOWN
        for c in text
    ]
    assert found.tolist() == expected


def test_unrendered_characters_are_counted_by_occurrence():
    glyphs = make()
    rare = BANK + ord(NOT_RENDERED[0])
    glyphs.resolve([np.array([rare, 2, rare]), np.array([rare, BANK + ord(RARE[0])])], [None, None])
    assert glyphs.rare.unrendered == {NOT_RENDERED[0]: 3}


def test_each_character_is_rendered_once_for_a_batch():
    seen = []

    class Noting(NumberGlyphs):
        def render(self, tokens):
            seen.extend(tokens)
            return super().render(tokens)

    glyphs = make(image_processor=Noting())
    glyphs.resolve([np.array([BANK + ord(c) for c in RARE * 2])] * 3, [None] * 3)
    assert sorted(seen) == sorted(RARE)


def test_without_the_size_of_an_image():
    glyphs = OpenGlyphs(BANK, EXTRA, UNKNOWN, None, RareGlyphs())
    ids, extra = glyphs.resolve([np.array([2, BANK + ord(RARE[0])])], [None])
    assert (ids[0].tolist(), extra) == ([2, UNKNOWN], None)
    ids, extra = glyphs.resolve([np.array([2, BANK])], [np.ones((1, 6), np.uint8)])  # the images say it
    assert (ids[0].tolist(), extra.shape) == ([2, BANK], (1, 1, 6))


def test_ids_and_images_that_cannot_be_resolved():
    for wrong in (BANK, BANK + 0x200B, BANK + 0xD800, BANK + 0x110000, BANK + 2**40):
        with pytest.raises(ValueError, match=f"glyph id {wrong} stands for no character.*0..{BANK - 1} or {BANK} \\+"):
            make().resolve([np.array([wrong])], [None])
    for images, message in (
        (np.ones((1, 7), int), r"int64 \[1, 7\], but must be uint8 \[E, 32\]"),
        (np.ones((1, 32)), r"float64 \[1, 32\], but must be uint8"),
        (np.ones((1, 2, 32), np.uint8), r"uint8 \[1, 2, 32\], but must be"),
        (np.full((1, 32), -1), "holds -1, but is ink from 0 to 255"),
        (np.full((1, 32), 256), "holds 256, but is ink from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=message):
            make().resolve([np.array([2])], [images])

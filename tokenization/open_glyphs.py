"""Open glyph ids: a number for every character there is, and how a batch turns them into rows and glyph images.

Axes: B examples of a batch, L tokens of an example, N rows of the model's glyph bank, E glyph images that an example
brings along, F fonts, h and w of a glyph image.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .characters import CODE_POINTS, code_points, may_have_ink
from .rare_glyphs import RareGlyphs


@dataclass(frozen=True)
class OpenGlyphs:
    """Gives characters their open ids, and resolves open ids into rows of the bank and of extra_glyphs.

    - An OPEN id (in lists, in data sets) is the row of the model's bank if the character has one, else N + its code
      point. It needs no glyph image, and means the same in every example.
    - A RESOLVED id (in tensors) is 0..N-1 as before, or N + i for row i of the example's own extra_glyphs.

    Attributes:
        bank_size: N.
        extra_characters: the characters of the bank's last rows, in order.
        unknown_row: the row of [UNK], for characters that cannot be rendered.
        values: F * h * w of one glyph image; None: not known, and nothing is rendered.
        rare: renders the characters outside of the bank.
    """

    bank_size: int
    extra_characters: str
    unknown_row: int
    values: int | None
    rare: RareGlyphs

    def open_ids(self, codes: np.ndarray) -> np.ndarray:
        """Gives the open ids of characters that are no tokens of the vocabulary.

        Args:
            codes: code points, integers [n].

        Returns:
            int64 [n]; the unknown row for what can have no glyph image (white space, invisible characters).
        """
        labels = self.bank_size - len(self.extra_characters)
        ids = labels + _offsets(self.extra_characters)[codes].astype(np.int64)
        return np.where(may_have_ink()[codes], ids, self.unknown_row)

    def resolve(
        self, ids: list[np.ndarray], images: list[np.ndarray | None]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Resolves the ids of a batch.

        Args:
            ids: the glyph ids of each example, int64 [L].
            images: the glyph images [E, F*h*w] of an example whose ids are resolved already; None: its ids are open.

        Returns:
            The resolved ids, int64 [L] each, and the extra_glyphs, uint8 [B, E, F*h*w]: the distinct characters of
            each example in order of code point, then zero rows as padding. None if nobody knows the size of a glyph
            image.

        Raises:
            ValueError: an open id that stands for no character, or images of another kind.
        """
        # All examples in one array, so that the number of examples costs nothing; `owner` is the example of each token.
        lengths = [len(row) for row in ids]
        owner = np.repeat(np.arange(len(ids)), lengths)
        flat = np.concatenate(ids)
        # The bank knows ids below N. In an example that came with images, those above count the rows of these images.
        is_open = (flat >= self.bank_size) & np.array([given is None for given in images])[owner]
        codes = flat[is_open] - self.bank_size  # [tokens outside of the bank]
        self._check_codes(codes)
        if not len(codes):  # the bank has all characters, as for most texts
            return list(ids), self._extra_glyphs(images, codes, codes, np.zeros((0, self.values or 0), np.uint8))
        # A character gets one row in each example that has it: number the distinct pairs (example, character). They
        # are sorted, so the pairs of an example are neighbours, in order of code point.
        pairs, pair_of_token, counts = np.unique(
            owner[is_open] * CODE_POINTS + codes, return_inverse=True, return_counts=True
        )
        example, code = np.divmod(pairs, CODE_POINTS)  # [pairs] each
        # But it is rendered once for the whole batch.
        distinct, nth = np.unique(code, return_inverse=True)
        numbers = np.bincount(nth, counts, len(distinct)).astype(int).tolist()
        has_image, rendered = self._render([chr(one) for one in distinct.tolist()], numbers)
        image = (np.cumsum(has_image) - 1)[nth]  # of each pair: its index in `rendered`
        has_image = has_image[nth]
        # The row of a pair is its rank among the rendered pairs of its example: the rank among all, less the number of
        # rendered pairs that stand before the example's first.
        row = np.cumsum(has_image) - 1 - np.searchsorted(example[has_image], example)
        flat[is_open] = np.where(has_image, self.bank_size + row, self.unknown_row)[pair_of_token]
        resolved = np.split(flat, np.cumsum(lengths)[:-1])
        return resolved, self._extra_glyphs(images, example[has_image], row[has_image], rendered[image[has_image]])

    def _check_codes(self, codes: np.ndarray) -> None:
        wrong = codes[~may_have_ink()[codes.clip(max=CODE_POINTS - 1)] | (codes >= CODE_POINTS)]
        if len(wrong):
            raise ValueError(
                f"the glyph id {wrong[0] + self.bank_size} stands for no character: in lists, glyph_ids are "
                f"0..{self.bank_size - 1} or {self.bank_size} + code point; encode the text again with this tokenizer "
                "(its bank may have grown since)"
            )

    def _render(self, characters: list[str], numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """See `RareGlyphs.render`; looks for the image processor when the first character needs it."""
        if self.values is not None:
            self.rare.find()
        return self.rare.render(characters, numbers, self.values or 0)

    def _extra_glyphs(
        self, images: list[np.ndarray | None], example: np.ndarray, row: np.ndarray, rendered: np.ndarray
    ) -> np.ndarray | None:
        """Collects the glyph images of a batch.

        Args:
            images: those that examples came with.
            example: of each rendered image, int [n].
            row: its row in the extra_glyphs of that example, int [n].
            rendered: the images, uint8 [n, F*h*w].

        Returns:
            uint8 [B, E, F*h*w], or None if the size of an image is not known.
        """
        given = [_checked(one, self.values) for one in images]
        values = self.values or next((one.shape[1] for one in given if one is not None), None)
        if values is None:
            return None
        most = max([len(one) for one in given if one is not None] + [int(row.max(initial=-1)) + 1])
        filled = np.zeros((len(images), most, values), np.uint8)
        if len(row):
            filled[example, row] = rendered
        for target, one in zip(filled, given, strict=True):
            if one is not None:
                target[: len(one)] = one
        return filled


@lru_cache(maxsize=4)  # by value, so that no tokenizer carries its 4 MB into pickles
def _offsets(extra_characters: str) -> np.ndarray:
    """How far a character's open id lies above the first extra character's, by code point: int32 [0x110000], read-only.

    0, 1, ... for the extra characters themselves; their number + the code point for all others.
    """
    count = len(extra_characters)
    offsets = np.arange(count, count + CODE_POINTS, dtype=np.int32)
    offsets[code_points(extra_characters)] = np.arange(count)
    offsets.setflags(write=False)
    return offsets


def _checked(images: Any, values: int | None) -> np.ndarray | None:
    """The glyph images that an example came with, uint8 [E, F*h*w]."""
    if images is None:
        return None
    array = np.asarray(images)
    if array.size == 0:
        return np.zeros((0, values or array.shape[-1]), np.uint8)
    if array.ndim != 2 or array.dtype.kind not in "iu" or (values is not None and array.shape[1] != values):
        raise ValueError(
            f"extra_glyphs of an example is {array.dtype} {list(array.shape)}, but must be uint8 [E, "
            f"{values or 'F*h*w'}]; leave it out and give glyph_ids as they are in lists, or encode the text again"
        )
    if array.min() < 0 or array.max() > 255:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"extra_glyphs of an example holds {wrong}, but is ink from 0 to 255; encode the text again")
    return array.astype(np.uint8)


__all__ = ["OpenGlyphs"]

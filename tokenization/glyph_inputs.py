"""glyph_ids and extra_glyphs for any tokenizer: which glyph image every token has, also outside of the vocabulary.

Axes: B batch, L tokens, V tokens of the vocabulary, N >= V rows of the model's glyph bank, E glyph images outside of
the bank, F fonts, h and w of a glyph image.
"""

from typing import Any

import numpy as np
from transformers import BatchEncoding

from .alignment import TextAlignment
from .character_inputs import CharacterInputs
from .characters import code_points
from .extra_glyphs import ExtraGlyphs
from .ragged import PaddedExamples


class GlyphInputs(ExtraGlyphs, CharacterInputs):
    """Mixin before a tokenizer class of transformers: `glyph_ids` and, in tensors, `extra_glyphs`.

    `input_ids` are the closed vocabulary of labels, with [UNK] for what is outside of it. `glyph_ids` are open:

    - In lists (no `return_tensors`; data sets): the row of the model's glyph bank if the token has one, else N + the
      code point of the character. The bank holds the V tokens of the vocabulary in order of their ids, then
      `extra_characters`.
    - In tensors (`return_tensors`, also of `pad` and of the collators that call it): 0..N-1 as before, and N + i for
      row i of the example's own `extra_glyphs` [B, E, F*h*w] uint8, the glyph images of its characters outside of the
      bank. Shorter examples are filled up with zero rows; E may be 0 (with `padding_side` "left" it is 1 or more, as
      transformers' pipelines cannot pad an empty axis on that side). There are extra_glyphs as soon as `glyph_values`
      is known. Equal characters of an example share a row.

    `ExtraGlyphs` says what renders those glyph images. Open ids depend on N: encode a data set again after the bank has
    grown.
    """

    @property
    def extra_inputs(self) -> dict[str, Any]:
        """A padding token has the glyph image of [PAD]."""
        return {**super().extra_inputs, "glyph_ids": self.pad_token_id}

    @property
    def taken_inputs(self) -> tuple[str, ...]:
        """Glyph images have an axis of their own."""
        return (*super().taken_inputs, "extra_glyphs")

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """Open glyph ids: the ids of the tokens, but for the characters that are [UNK] there."""
        unknown, rows = self.unk_token_id, [encoding.ids for encoding in alignment.encodings]
        with_unknown = [index for index, row in enumerate(rows) if unknown in row]
        if with_unknown:  # most texts have no unknown character and cost nothing more
            codes, glyphs = code_points(alignment.text), self._open_glyphs()
        for index in with_unknown:
            start, width = alignment.spans(index)
            ids = np.array(rows[index], np.int64)
            here = (ids == unknown) & (width == 1)  # no special token, nor "[UNK]" itself, nor an unknown word
            ids[here] = glyphs.open_ids(codes[start[here]])
            rows[index] = ids.tolist()
        return {**super().extra_values(alignment), "glyph_ids": rows}

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Every token of the vocabulary has the glyph image of its own row of the bank."""
        return {**super().values_of_tokens(ids), "glyph_ids": np.asarray(ids, np.int64)}

    def tensor_values(self, values: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, np.ndarray]]:
        """Resolves open ids; adds extra_glyphs."""
        values, of_batch = super().tensor_values(values)
        if "glyph_ids" in values:
            rows = [np.array(row, np.int64) for row in values["glyph_ids"]]
            rows, extra = self._resolve(rows, [None] * len(rows))
            values = {**values, "glyph_ids": rows}
            of_batch = of_batch if extra is None else {**of_batch, "extra_glyphs": extra}
        return values, of_batch

    def put_back(self, output: BatchEncoding, taken: dict[str, Any], padded: PaddedExamples) -> None:
        """Resolves the open ids of padded examples, and gives the glyph images that they had a common E.

        Examples that have extra_glyphs (because they come from tensors) keep their ids. Both kinds may stand in one
        batch.

        Raises:
            ValueError: a glyph id that stands for no character, or glyph images of another size.
        """
        super().put_back(output, taken, padded)
        if len(output.get("glyph_ids", ())):
            rows = [np.array(row, np.int64) for row in padded.rows(output["glyph_ids"])]
            self._put_glyphs(output, rows, taken, padded)


__all__ = ["GlyphInputs"]

"""The bank of a Glyce's characters: their images in several scripts, and the CNN that encodes them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .character_bank import CharacterBank
from .configuration_glyph_cnn import GlyphCnnConfig
from .tianzige import build_glyph_cnn


class GlyceBank(CharacterBank):
    """A CharacterBank whose CNN knows the mean and deviation of its images.

    Args:
        config: sizes, and which CNN.
    """

    def __init__(self, config: GlyphCnnConfig) -> None:
        super().__init__(build_glyph_cnn(config), config.num_glyphs, config.glyph_shape, config.glyph_dim)

    @torch.no_grad()
    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images into the bank; with all rows, or the first ones, the CNN takes their statistics.

        Rows that are written later leave the statistics, and so the vectors of all other characters, as they are.

        Args:
            images: uint8 [n, F, h, w], see `CharacterBank.set_glyphs`.
            rows: int64 [n], the rows to write; None means all N.

        Raises:
            ValueError: see `CharacterBank.set_glyphs`.
        """
        super().set_glyphs(images, rows)
        if rows is None or not self.encoder.has_statistics:
            self.encoder.set_statistics(self.glyphs)

    def has_ink(self, ids: Tensor) -> Tensor:
        """Whether the glyph image of each id [...] has ink in any script, bool [...]; False for ids that are no row."""
        is_row = ids < len(self.glyphs)
        return is_row & (self.glyphs[ids.masked_fill(~is_row, 0)].flatten(-3).amax(-1) > 0)


def bank_rows(
    input_ids: Tensor | None, glyph_ids: Tensor | None, extra_glyphs: Tensor | None, shape: Sequence[int], switch: str
) -> Tensor:
    """The rows of the bank that a batch of characters shows: `glyph_ids`, or `input_ids` where there are none.

    Args:
        input_ids: [B, L] int64; None where vectors stand in their place.
        glyph_ids: [B, L] int64 or None.
        extra_glyphs: [B, E, F*h*w] or None.
        shape: (B, L), the shape of the text.
        switch: how a configuration says that a model has no glyphs, for the error.

    Returns:
        [B, L].

    Raises:
        ValueError: rows are missing, or have another shape than the text.
    """
    if glyph_ids is None and (input_ids is None or (extra_glyphs is not None and extra_glyphs.shape[1])):
        given = "inputs_embeds" if input_ids is None else "extra_glyphs"
        raise ValueError(
            f"glyph_ids are missing beside {given}: pass the text through the processor or tokenizer that was "
            f"saved with the model, whose batch has them; or build the model with {switch}"
        )
    rows = input_ids if glyph_ids is None else glyph_ids
    if rows.shape != shape:
        raise ValueError(f"glyph_ids has the shape {tuple(rows.shape)}; needed is {tuple(shape)}: one for each token")
    return rows


__all__ = ["GlyceBank", "bank_rows"]

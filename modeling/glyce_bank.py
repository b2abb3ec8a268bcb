"""The bank of a Glyce's characters: their images in several scripts, and the CNN that encodes them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .character_bank import CharacterBank
from .configuration_glyce import GlyceConfig
from .tianzige import build_glyph_cnn


class GlyceBank(CharacterBank):
    """A CharacterBank whose CNN knows the mean and deviation of its images.

    Args:
        config: sizes, and which CNN.
    """

    def __init__(self, config: GlyceConfig) -> None:
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


__all__ = ["GlyceBank"]

"""A bank of characters with an id table beside it: GlyphCRM's hybrid, `GlyphCrmConfig.id_embeddings`.

The paper has no such table; the authors' code calls it `cnn_and_embed_mat`, and their settings switch it on.

    glyph_ids -> CharacterBank -> R, G1, G2                                     [B, L, H] each
    R' = W [dropout(R), table(id)] + b     G1 and G2 stay as they are           [B, L, 2H] -> [B, L, H]

Axes: B batch, L length, H hidden, V vocabulary, N >= V rows of the bank, E further characters of an example, F*h*w
values of a glyph image.
"""

import torch
from torch import Tensor, nn

from .character_bank import CharacterBank
from .checks import check_ids
from .configuration_glyph_crm import GlyphCrmConfig

UNKNOWN_HINT = "A character outside of the vocabulary has [UNK]'s id in input_ids, and its row of the bank in glyph_ids"


class HybridBank(CharacterBank):
    """Looks up characters' glyph vectors, and fuses R with a row of an id table.

    What a character's glyph image gives is kept in evaluation as in every bank; the fusion is computed for each token.

    Args:
        encoder: see `CharacterBank`; its vectors are [R, G1, G2].
        config: sizes.
    """

    def __init__(self, encoder: nn.Module, config: GlyphCrmConfig) -> None:
        hidden = config.hidden_size
        sizes = (config.num_glyphs, config.glyph_shape, 3 * hidden)
        super().__init__(encoder, *sizes, adaptive=config.adaptive_gradients)
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, hidden, padding_idx=config.pad_token_id)
        self.fusion_linear = nn.Linear(2 * hidden, hidden)
        self.glyph_dropout = nn.Dropout(config.glyph_dropout_prob)

    def forward(self, ids: Tensor, extra_glyphs: Tensor | None = None, input_ids: Tensor | None = None) -> Tensor:
        """Vectors of characters.

        Args:
            ids: int64 [B, L], rows of the bank; see `CharacterBank.forward`.
            extra_glyphs: uint8 [B, E, F*h*w], each example's further characters.
            input_ids: int64 [B, L], rows of the id table, 0..V-1. None takes them from `ids`: the bank's first V rows
                are the vocabulary's, and all characters beyond have the row of [UNK], `config.unk_token_id`.

        Returns:
            [B, L, 3H] = [R', G1, G2].

        Raises:
            ValueError: an id of the table that does not exist (seen on the CPU only), or see `CharacterBank.forward`.
        """
        size = self.config.vocab_size
        check_ids("input_ids", input_ids, size, "vocab_size, the rows of the id table", UNKNOWN_HINT)
        vectors = super().forward(ids, extra_glyphs)
        if input_ids is None:
            input_ids = ids.masked_fill(ids >= size, self.config.unk_token_id)
        glyphs, skipped = vectors.split([self.config.hidden_size, 2 * self.config.hidden_size], dim=-1)
        # dropout comes after the gathering, so that every copy of a character has its own
        fused = self.fusion_linear(torch.cat([self.glyph_dropout(glyphs), self.word_embeddings(input_ids)], dim=-1))
        return torch.cat([fused, skipped], dim=-1)


__all__ = ["HybridBank"]

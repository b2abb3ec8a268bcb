"""Cross-modality attention of MPM-CNER (Eq. 11-13): what a character looks or sounds like asks, its sentence answers.

    q_i   = W m_i                                 m: glyph or sound vectors, W without bias         [B, n, D]
    a_ij  = softmax_j(s_j . q_i / sqrt(D))        s: semantic vectors, keys and values as they are  [B, n, n]
    out_i = sum_j a_ij s_j + s_i                                                                    [B, n, D]

So the glyph itself does not enter the sum, but decides what does. Eq. 13 is the same again, with sounds as m, what came
out for glyphs as s, and a W of its own.

Axes: B batch, n characters, D semantic width, G width of the modality.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class CrossModalityAttention(nn.Module):
    """One head, without projections of keys and values, LayerNorm or feed-forward part, as in the paper.

    Args:
        hidden_size: D.
        modality_size: G.
    """

    def __init__(self, hidden_size: int, modality_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(modality_size, hidden_size, bias=False)

    def forward(self, semantic: Tensor, modality: Tensor, mask: Tensor) -> Tensor:
        """Fuses one modality into the semantic vectors.

        Args:
            semantic: [B, n, D].
            modality: [B, n, G].
            mask: bool [B, n], True = character. What is no character neither asks nor answers, whatever it holds.

        Returns:
            [B, n, D]; rows of what is no character are 0.
        """
        others = ~mask[:, :, None]  # [B, n, 1]
        # filled, not only masked: a weight of 0 times inf or nan would still be nan
        keys = semantic.masked_fill(others, 0)
        queries = self.query(modality.masked_fill(others, 0)).to(keys.dtype)
        # a row without any character looks at all of its zeros, as the softmax of nothing would be nan
        seen = (mask | ~mask.any(-1, keepdim=True))[:, None, None]  # [B, 1, 1, n]
        # by torch's own attention, which sums in float32: half precision does not overflow
        attended = F.scaled_dot_product_attention(queries[:, None], keys[:, None], keys[:, None], attn_mask=seen)
        return (attended[:, 0] + keys).masked_fill(others, 0)


__all__ = ["CrossModalityAttention"]

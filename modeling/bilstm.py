"""A bidirectional LSTM over rows of characters (section 2.4 of MPM-CNER, Table 9 of Glyce).

Axes: R rows, W positions of the longest row, D width of the input, h width of each direction.
"""

import torch
from torch import Tensor, nn


class BiLSTM(nn.Module):
    """One layer in each direction; the backward one gets every row reversed, so that it begins with the last character.

    That equals packed sequences, without the wait for the lengths that they need on a GPU: what follows the end of a
    row is read after all of its characters, and is left out.

    Args:
        input_size: D.
        hidden_size: h.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.width = 2 * hidden_size
        self.forwards = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.backwards = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Reads each row both ways.

        Args:
            vectors: [R, W, D], W >= 1.
            mask: bool [R, W], left-aligned, True = character; a row may have none.

        Returns:
            [R, W, 2h]; what follows the end of a row is 0.
        """
        steps, count = torch.arange(mask.shape[1], device=mask.device), mask.sum(-1, keepdim=True)
        back = torch.where(steps < count, count - 1 - steps, steps)  # [R, W], the characters from the last to the first
        ahead, _ = self.forwards(vectors)
        behind, _ = self.backwards(take_positions(vectors, back))
        # filled, not multiplied: past the end of a row vectors may hold inf or nan
        return torch.cat([ahead, take_positions(behind, back)], dim=-1).masked_fill(~mask[:, :, None], 0)


def take_positions(vectors: Tensor, positions: Tensor) -> Tensor:
    """Vectors [R, W, D] at positions int64 [R, W] -> [R, W, D]."""
    return vectors.gather(1, positions[:, :, None].expand(-1, -1, vectors.shape[-1]))


__all__ = ["BiLSTM", "take_positions"]

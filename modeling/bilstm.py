"""Bidirectional LSTMs over rows of characters or words (section 2.4 of MPM-CNER, hosts and Table 9 of Glyce).

Axes: R rows, W positions of the longest row, D width of the input, h width of each direction, H = 2h.
"""

import torch
from torch import Tensor, nn

from .token_rows import is_token


class BiLSTM(nn.Module):
    """One layer in each direction; the backward one gets every row reversed, so that it begins with the last character.

    That equals packed sequences, without the wait for the lengths that they need on a GPU: what follows the end of a
    row is read after all of its characters, and is left out. Rows are read in the dtype of the weights, under autocast
    too.

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
            vectors: [R, W, D].
            mask: bool [R, W], left-aligned, True = character; a row may have none.

        Returns:
            [R, W, 2h]; what follows the end of a row is 0.
        """
        if not mask.shape[1]:
            return vectors.new_zeros(len(vectors), 0, self.width)  # an nn.LSTM takes no rows without positions
        steps, count = torch.arange(mask.shape[1], device=mask.device), mask.sum(-1, keepdim=True)
        back = torch.where(steps < count, count - 1 - steps, steps)  # [R, W], the characters from the last to the first
        ahead, behind = _read(self.forwards, vectors), _read(self.backwards, take_positions(vectors, back))
        # filled, not multiplied: past the end of a row vectors may hold inf or nan
        return torch.cat([ahead, take_positions(behind, back)], dim=-1).masked_fill(~mask[:, :, None], 0)


class BiLSTMLayers(nn.Module):
    """BiLSTMs on top of each other, with dropout behind each.

    Args:
        input_size: D.
        hidden_size: H, half of it in each direction.
        layers: how many, >= 1.
        dropout: behind each.
    """

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [input_size, *[hidden_size] * (layers - 1)]
        self.layer = nn.ModuleList(BiLSTM(width, hidden_size // 2) for width in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Reads a batch of texts: the last of `all_layers`."""
        return self.all_layers(vectors, attention_mask)[-1]

    def all_layers(self, vectors: Tensor, attention_mask: Tensor | None) -> list[Tensor]:
        """What every layer makes of a batch of texts.

        Args:
            vectors: [R, W, D].
            attention_mask: [R, W], 1 = token, 0 = padding, which may stand on either side; None takes all as tokens.

        Returns:
            [R, W, H] of each layer, from the first to the last; 0 at padding.
        """
        mask = is_token(vectors, attention_mask)
        # a BiLSTM reads rows that begin with their first token: tokens come first, then padding, in their order
        tokens = mask.long()
        rank = torch.where(mask, tokens.cumsum(1), tokens.sum(1, keepdim=True) + (1 - tokens).cumsum(1)) - 1  # [R, W]
        # the other way round, which position has a rank; a sort would not go into ONNX
        steps = torch.arange(mask.shape[1], device=mask.device).expand_as(rank)
        order = torch.zeros_like(rank).scatter(1, rank, steps)
        left, hidden, found = mask.gather(1, order), take_positions(vectors, order), []
        for layer in self.layer:
            hidden = self.dropout(layer(hidden, left))
            found.append(hidden)
        return [take_positions(hidden, rank) for hidden in found]


def _read(lstm: nn.LSTM, vectors: Tensor) -> Tensor:
    """Rows [R, W, D] -> states [R, W, h], without autocast.

    On a GPU autocast would run an LSTM in fp16 also where bf16 is asked for: its gradients, which nothing scales then,
    would vanish, and no later operation would take fp16 beside bf16. A recurrence adds up errors, too.
    """
    if vectors.is_meta or not torch.is_autocast_enabled(vectors.device.type):
        return lstm(vectors)[0]
    with torch.autocast(vectors.device.type, enabled=False):
        return lstm(vectors.to(lstm.weight_hh_l0.dtype))[0]


def take_positions(vectors: Tensor, positions: Tensor) -> Tensor:
    """Vectors [R, W, D] at positions int64 [R, W] -> [R, W, D]."""
    return vectors.gather(1, positions[:, :, None].expand(-1, -1, vectors.shape[-1]))


__all__ = ["BiLSTM", "BiLSTMLayers", "take_positions"]

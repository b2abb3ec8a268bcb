"""The layers of a task over glyphs and text (section 2.4 and Table 9 of Glyce): Transformer, BiLSTM or CNN.

The semantic encoder has seen the whole text, the glyphs have not: these layers give them their context.

Axes: B batch, L length, W width of what is read and given, h width of each direction of a BiLSTM.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.bert.modeling_bert import BertLayer, BertPreTrainedModel

from .bilstm import BiLSTM, take_positions
from .configuration_glyce import GlyceConfig

KERNEL_SIZE = 3  # of a convolution over the characters of a text


class TransformerLayers(BertPreTrainedModel):
    """Layers of BERT.

    A model of transformers, as a part of another one: so its attention implementation follows that of the whole.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def forward(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Reads a batch of texts.

        Args:
            hidden: [B, L, W].
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.

        Returns:
            [B, L, W]; at padding, any values.
        """
        mask = create_bidirectional_mask(self.config, hidden, attention_mask)
        for layer in self.layer:
            hidden = layer(hidden, mask)
        return hidden


class BiLSTMLayers(nn.Module):
    """BiLSTMs on top of each other, with dropout behind each."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BiLSTM(width, width // 2) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Reads a batch of texts: see `TransformerLayers.forward`; 0 at padding, which may stand on either side."""
        mask = _is_token(hidden, attention_mask)
        # a BiLSTM reads rows that begin with their first token
        order = torch.argsort(~mask, dim=1, stable=True)  # [B, L], positions of tokens, then those of padding
        left, hidden = mask.gather(1, order), take_positions(hidden, order)
        for layer in self.layer:
            hidden = self.dropout(layer(hidden, left))
        return take_positions(hidden, order.argsort(1))


class ConvolutionLayer(GradientCheckpointingLayer):
    """A convolution over three characters, with a residual as in BERT's layers."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Hidden [B, L, W], mask bool [B, L] -> [B, L, W]."""
        # filled before every layer: padding is to text what lies beyond its end, which a convolution takes for 0
        rows = hidden.masked_fill(~mask[:, :, None], 0).transpose(1, 2)  # [B, W, L]
        found = F.gelu(self.convolution(rows)).transpose(1, 2)
        return self.LayerNorm(hidden + self.dropout(found))


class ConvolutionLayers(nn.Module):
    """Convolutions on top of each other."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(ConvolutionLayer(width, dropout) for _ in range(layers))

    def forward(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Reads a batch of texts: see `TransformerLayers.forward`."""
        mask = _is_token(hidden, attention_mask)
        for layer in self.layer:
            hidden = layer(hidden, mask)
        return hidden


def build_task_layers(config: GlyceConfig) -> nn.Module | None:
    """The layers that `task_layer` names, of width `fused_size`; None for "none"."""
    width, layers, dropout = config.fused_size, config.num_task_layers, config.task_dropout
    if config.task_layer == "bilstm":
        return BiLSTMLayers(width, layers, dropout)
    if config.task_layer == "cnn":
        return ConvolutionLayers(width, layers, dropout)
    if config.task_layer == "none":
        return None
    sizes = BertConfig(
        vocab_size=1,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=config.num_task_heads,
        intermediate_size=config.task_intermediate_size or 4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        attn_implementation=config._attn_implementation,
    )
    return TransformerLayers(sizes)


def _is_token(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Which positions are tokens, bool [B, L]; all, where a mask of another shape says who sees whom."""
    if attention_mask is None or attention_mask.dim() != 2:
        return torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    return attention_mask == 1


__all__ = ["build_task_layers"]

"""The layers of a task over glyphs and text (section 2.4 and Table 9 of Glyce): Transformer, BiLSTM, CNN or BiMPM.

The semantic encoder has seen the whole text, the glyphs have not: these layers give them their context.

Axes: B batch, L length, W width of what is read and given.
"""

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.bert.modeling_bert import BertLayer, BertPreTrainedModel

from .bilstm import BiLSTMLayers
from .bimpm import BiMpmLayers, split_pair
from .checks import require
from .configuration_glyce import GlyceConfig
from .token_rows import is_token, takes_part

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
        mask = is_token(hidden, attention_mask)
        for layer in self.layer:
            hidden = layer(hidden, mask)
        return hidden


class BiMpmTaskLayers(BiMpmLayers):
    """BiMPM over the two texts of a pair: one vector of a pair, and none of a token.

    [CLS], [SEP] and padding take no part: words are matched with words, and the two [SEP] would find each other in
    every pair. A text of the pair may be empty.

    Raises:
        ValueError: the configuration does not say which tokens are special.
    """

    def __init__(self, config: GlyceConfig) -> None:
        allowed = (
            "a list of the ids of [CLS], [SEP] and [PAD] with task_layer='bimpm', which matches texts without them"
        )
        require(config, config.special_token_ids is not None, "special_token_ids", None, allowed)
        sizes = config.bimpm_hidden_size, config.bimpm_perspectives, config.fused_size
        super().__init__(config.fused_size, *sizes, config.num_task_layers, config.task_dropout)
        self.special_token_ids = config.special_token_ids

    def match(
        self, hidden: Tensor, ids: Tensor | None, attention_mask: Tensor | None, token_type_ids: Tensor | None
    ) -> Tensor:
        """Reads a batch of pairs.

        Args:
            hidden: [B, L, W].
            ids: [B, L] int64, by which special tokens are known.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, 0 = first text, 1 = second; with their special tokens.

        Returns:
            [B, W].

        Raises:
            ValueError: a text is no pair; ids are missing.
        """
        if ids is None:
            raise ValueError("task_layer='bimpm' needs input_ids or glyph_ids, by which it knows [CLS] and [SEP]")
        first, second = split_pair(token_type_ids, takes_part(ids, attention_mask, ()), some_empty=False)
        words = takes_part(ids, attention_mask, self.special_token_ids)
        return self(hidden, first & words, second & words)[1]


def build_task_layers(config: GlyceConfig) -> nn.Module | None:
    """The layers that `task_layer` names, of width `fused_size`; None for "none"."""
    width, layers, dropout = config.fused_size, config.num_task_layers, config.task_dropout
    if config.task_layer == "bilstm":
        return BiLSTMLayers(width, width, layers, dropout)
    if config.task_layer == "cnn":
        return ConvolutionLayers(width, layers, dropout)
    if config.task_layer == "bimpm":
        return BiMpmTaskLayers(config)
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


__all__ = ["build_task_layers"]

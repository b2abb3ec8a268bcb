"""What every family shares with BERT besides its layers: what transformers may do with it, positions, token types.

Axes: B batch, L length, H hidden.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from .auto_map import copy_code, model_auto_map, written_class
from .checks import check_ids, check_length
from .configuration_bert_like import BertLikeConfig
from .crf import LinearChainCRF


class BertLikePreTrainedModel(PreTrainedModel):
    """Base of the families: an encoder of transformers' BERT layers under embeddings of its own.

    Raises:
        ValueError: the configuration has a value from which no model can be built.
    """

    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # losses are means over a batch; the Trainer divides by the accumulation steps
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: BertLikeConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        # a field may have been set after the configuration was made, e.g. by a keyword of from_pretrained
        config.validate_architecture()

    @classmethod
    def is_remote_code(cls) -> bool:
        """Whether transformers saves the file of this class; that of FSDP2's subclass is no part of the model."""
        return cls is written_class(cls) and super().is_remote_code()

    def save_pretrained(
        self, save_directory: str | Path, is_main_process: bool = True, *args: Any, **kwargs: Any
    ) -> None:
        """As in transformers; config.json names every model class of the family, not only the one that is saved."""
        self.config.auto_map = {**(getattr(self.config, "auto_map", None) or {}), **model_auto_map(type(self))}
        if is_main_process and not self.is_remote_code() and self._auto_class is not None:
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            copy_code(written_class(type(self)), save_directory)
        super().save_pretrained(save_directory, is_main_process, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """N(0, initializer_range) as BERT; sets all that `__init__` sets, as loading starts on the meta device."""
        super()._init_weights(module)
        if isinstance(module, PositionedEmbeddings):
            init.copy_(module.position_ids, torch.arange(module.position_ids.shape[-1]).expand((1, -1)))
        elif isinstance(module, BertLMPredictionHead):
            init.zeros_(module.bias)
        elif isinstance(module, LinearChainCRF):
            module.reset_parameters()


class PositionedEmbeddings(nn.Module):
    """Base of embeddings that add position and token type to a token's vector, as BERT does.

    A family's `__init__` sets `config`, `position_embeddings` and `token_type_embeddings`, in the order of its
    checkpoints, and calls `count_positions`.
    """

    def count_positions(self) -> None:
        """Registers the buffer `position_ids` [1, max_position_embeddings]."""
        positions = torch.arange(self.config.max_position_embeddings).expand((1, -1))
        self.register_buffer("position_ids", positions, persistent=False)

    def add_positions(self, vectors: Tensor, token_type_ids: Tensor | None, position_ids: Tensor | None) -> Tensor:
        """Vectors [B, L, H] plus position and token type.

        Args:
            vectors: [B, L, H].
            token_type_ids: [B, L] int64; None is all 0.
            position_ids: [B, L] or [1, L] int64; None counts from 0.

        Raises:
            ValueError: more tokens than positions, or an id that does not exist.
        """
        types, positions = self.config.type_vocab_size, self.config.max_position_embeddings
        check_ids("token_type_ids", token_type_ids, types, "type_vocab_size", "0 is the first text, 1 the second")
        check_ids("position_ids", position_ids, positions, "max_position_embeddings", "Cut or split the text")
        if position_ids is None:
            check_length(vectors.shape[1], positions)
            position_ids = self.position_ids[:, : vectors.shape[1]]
        if token_type_ids is None:
            token_type_ids = torch.zeros((1, 1), dtype=torch.long, device=vectors.device)
        return vectors + self.position_embeddings(position_ids) + self.token_type_embeddings(token_type_ids)


__all__ = ["BertLikePreTrainedModel", "PositionedEmbeddings"]

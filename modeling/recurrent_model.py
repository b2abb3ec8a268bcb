"""What Glyce's hosts without BERT share: how models of LSTMs that are trained from scratch are initialised and resized.

A family's base model sets `embeddings`, a CharacterEmbedding or a WordEmbedding, and `image_loss_weight`:

    class XPreTrainedModel(RecurrentPreTrainedModel):
        config: XConfig
        base_model_prefix = "x"

    class XModel(ImageLossSchedule, XPreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.embeddings = CharacterEmbedding(config)
            ...
            self.image_loss_weight = config.image_loss_weight
            self.post_init()

Axes: D width of the input, h width of an LSTM's hidden state.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .character_model import CharacterPreTrainedModel, rate_groups
from .checks import check_inputs
from .configuration_recurrent import RecurrentConfig
from .glyce_bank import GlyceBank
from .glyph_cnn import init_glyph_cnn
from .image_classification import ImageClassification
from .token_rows import is_token

LEARNING_RATE = 1e-3  # Adam's own, at which LSTMs are usually trained from scratch


@dataclass
class RecurrentModelOutput(BaseModelOutputWithPooling):
    """What the base model of a host gives.

    Attributes:
        last_hidden_state: [B, L, H], 0 at padding.
        pooler_output: [B, H], the maximum over the tokens of each text; 0 for a text without tokens.
        hidden_states: the input vectors [B, L, I + D], and [B, L, H] behind every LSTM, where they are wanted.
        attentions: None: there is no attention.
        image_loss: a scalar, the image-classification loss L_cls over the characters of the batch; in training only,
            and None without glyphs, or where the CNN is frozen.
    """

    image_loss: Tensor | None = None


class RecurrentPreTrainedModel(CharacterPreTrainedModel):
    """Base of Glyce's hosts without BERT.

    torch.export writes an LSTM out over the positions: its graph serves any number of texts, but of one length.
    torch.jit.trace keeps the length open.
    """

    config: RecurrentConfig
    glyph_switch = "glyce"
    usual_learning_rate = LEARNING_RATE  # run_ner.py and the like take it where nothing else is said
    _no_split_modules = ["GlyceBank", "BiLSTM"]
    # there is no attention to choose, and LSTMs do not run again in the backward pass
    supports_gradient_checkpointing = False
    _supports_sdpa = False
    _supports_flash_attn = False
    _supports_flex_attn = False
    _supports_attention_backend = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Vectors of ids N(0, initializer_range), Linears by Glorot and Bengio (2010), LSTMs by `init_lstm`."""
        if init_glyph_cnn(module):
            return
        super()._init_weights(module)
        if isinstance(module, nn.LSTM):
            init_lstm(module)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)

    def get_input_embeddings(self) -> nn.Module:
        """The table of ids, an `nn.Embedding`."""
        return self.base_model.embeddings.ids

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the table of ids."""
        self.base_model.embeddings.ids = value

    def parameter_groups(
        self,
        rest_lr: float = LEARNING_RATE,
        glyph_lr: float | None = None,
        embedding_lr: float | None = None,
        weight_decay: float = 0.0,
    ) -> list[dict[str, Any]]:
        """The parameters with their learning rates, for any optimiser: see `rate_groups`.

        Args:
            rest_lr: of LSTMs and layers that label, and of the other parts where nothing else is said.
            glyph_lr: of the CNN and of the classifier of its images; None is `rest_lr`. 0 freezes both: the vectors of
                a frozen CNN are looked up, and there is no image-classification loss.
            embedding_lr: of the table of ids; None is `rest_lr`.
            weight_decay: of matrices; biases and other vectors have none.
        """
        embeddings = self.base_model.embeddings
        glyph = [part for part in (embeddings.glyph_bank, embeddings.image_classification) if part is not None]
        rates = {"rest": rest_lr, "glyph": glyph_lr, "embedding": embedding_lr}
        rates = {name: rest_lr if rate is None else rate for name, rate in rates.items()}
        return rate_groups(self, {"glyph": glyph, "embedding": [embeddings.ids]}, rates, weight_decay)

    # ---- of base models

    def read_options(self, options: dict[str, Any], position_ids: Tensor | None = None) -> bool:
        """What a `forward` does first: refuses what the model does not have; says whether hidden states are wanted.

        Args:
            options: the further arguments of `forward`.
            position_ids: of models of characters, which take BERT's inputs.

        Raises:
            ValueError: there are position_ids.
            TypeError: an input that the model does not have.
        """
        check_inputs(self, options)
        if position_ids is not None:
            raise ValueError("position_ids are not allowed: an LSTM reads tokens in their order; leave them out")
        wanted = options.get("output_hidden_states")
        return self.config.output_hidden_states if wanted is None else wanted

    @property
    def glyph_bank(self) -> GlyceBank | None:
        """The bank of glyph images; None without glyphs."""
        return self.base_model.embeddings.glyph_bank

    @property
    def image_classification(self) -> ImageClassification | None:
        """The classifier of images; None without."""
        return self.base_model.embeddings.image_classification


def max_over_tokens(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The maximum over the tokens of each text: hidden [B, L, H] -> [B, H], 0 for a text without tokens."""
    if not hidden.shape[1]:
        return hidden.new_zeros(len(hidden), hidden.shape[2])  # there is no maximum over nothing
    mask = is_token(hidden, attention_mask)[..., None]
    # not -inf: a text without tokens would have a gradient that is no number
    found = hidden.masked_fill(~mask, torch.finfo(hidden.dtype).min).amax(1)
    return found.masked_fill(~mask.any(1), 0)


def init_lstm(lstm: nn.LSTM) -> None:
    """Initialises each gate by itself: Glorot for the input, orthogonal for the state; the forget gate starts open.

    Args:
        lstm: of any number of layers and directions, without projection.
    """
    for name, weight in lstm.named_parameters():
        if getattr(weight, "_is_hf_initialized", False):
            continue  # it was loaded; a slice of it would not say so
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):
                nn.init.ones_(weight.chunk(4)[1])  # the gates are input, forget, cell, output
            continue
        for gate in weight.chunk(4):  # [h, D] or [h, h]
            (nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_)(gate)


__all__ = ["LEARNING_RATE", "RecurrentModelOutput", "RecurrentPreTrainedModel", "init_lstm", "max_over_tokens"]

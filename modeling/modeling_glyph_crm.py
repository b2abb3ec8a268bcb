"""GlyphCRM (Li et al., 2021): a BERT that knows its characters by their glyph images alone.

    glyph_ids -> CharacterBank of HanGlyph -> R, G1, G2                                         [B, L, H] each
    h_0 = dropout(LayerNorm(dropout(R) + position + token type))                                [B, L, H]
          (with `id_embeddings`, R' of hybrid_bank.py in place of dropout(R))
    h_l = LayerNorm(h_M + dropout(FFN(h_M)) + G_l)   G_1, G_2 in the two bottom layers alone    [B, L, H]

Axes: B batch, L length, H hidden, V labels of masked-character prediction, N rows of the bank, E further characters of
an example, F*h*w values of a glyph image.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.bert.modeling_bert import BertLayer, BertPooler, BertSelfAttention
from transformers.processing_utils import Unpack
from transformers.pytorch_utils import apply_chunking_to_forward
from transformers.utils import TransformersKwargs, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .adaptive_gradients import AdaptiveGradients
from .auto_map import register
from .bert_parts import BertLikePreTrainedModel, PositionedEmbeddings
from .character_bank import CharacterBank
from .character_model import rate_groups
from .checks import check_inputs
from .configuration_glyph_crm import GlyphCrmConfig
from .han_glyph import HanGlyph, glyph_parts
from .hybrid_bank import HybridBank
from .task_heads import (
    ForMaskedLM,
    ForMultipleChoice,
    ForPreTraining,
    ForQuestionAnswering,
    ForSequenceClassification,
)
from .token_heads import ForTokenClassification
from .tracing import is_traced

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


class GlyphCrmEmbeddings(PositionedEmbeddings):
    """Glyph vector, position and token type of every token, and what HanGlyph hands to the two bottom layers."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        if config.id_embeddings:
            self.characters = HybridBank(HanGlyph(config), config)
        else:
            sizes = (config.num_glyphs, config.glyph_shape, 3 * hidden)
            self.characters = CharacterBank(HanGlyph(config), *sizes, adaptive=config.adaptive_gradients)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, hidden)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        # a hybrid bank has its own, as R is dropped out before it is fused
        self.glyph_dropout = nn.Identity() if config.id_embeddings else nn.Dropout(config.glyph_dropout_prob)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.count_positions()

    def forward(
        self,
        glyph_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        input_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embeds a batch. Shapes and errors: see `GlyphCrmModel.forward`.

        Returns:
            The Transformer's input, G1 and G2, each [B, L, H].
        """
        width = 3 * self.config.hidden_size
        if inputs_embeds is None and glyph_ids.dim() != 2:
            shape = tuple(glyph_ids.shape)
            raise ValueError(f"input_ids or glyph_ids has the shape {shape}; needed is [B, L]: one text is ids[None]")
        if inputs_embeds is not None and (inputs_embeds.dim() != 3 or inputs_embeds.shape[2] != width):
            shape = tuple(inputs_embeds.shape)
            raise ValueError(f"inputs_embeds has the shape {shape}; needed is [B, L, 3H={width}] = [R, G1, G2]")
        vectors = inputs_embeds
        if vectors is None:
            ids = (glyph_ids, extra_glyphs, input_ids) if self.config.id_embeddings else (glyph_ids, extra_glyphs)
            vectors = self.characters(*ids)
        glyphs, first, second = vectors.chunk(3, dim=-1)  # [B, L, 3H] -> 3 x [B, L, H]
        # dropout comes after the gathering, so that every copy of a character has its own
        hidden = self.add_positions(self.glyph_dropout(glyphs), token_type_ids, position_ids)
        return self.dropout(self.LayerNorm(hidden)), first, second


class GlyphCrmLayer(BertLayer):
    """BERT's layer with one more term in the residual of its feed-forward part."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        glyphs: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Tensor:
        """Hidden [B, L, H], glyphs G_l [B, L, H] or None -> [B, L, H]."""
        attended = self.attention(hidden_states, attention_mask, **kwargs)[0]
        # G_l joins the residual only: the feed-forward part itself reads h_M without it
        residual = attended if glyphs is None else attended + glyphs
        return apply_chunking_to_forward(
            self._feed_forward, self.chunk_size_feed_forward, self.seq_len_dim, attended, residual
        )

    def _feed_forward(self, attended: Tensor, residual: Tensor) -> Tensor:
        return self.output(self.intermediate(attended), residual)


class GlyphCrmEncoder(nn.Module):
    """The layers; G1 and G2 enter the two bottom ones."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(GlyphCrmLayer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self,
        hidden: Tensor,
        attention_mask: Tensor | None,
        glyphs: tuple[Tensor, ...],
        **kwargs: Unpack[TransformersKwargs],
    ) -> Tensor:
        """Hidden [B, L, H] -> [B, L, H]."""
        for index, layer in enumerate(self.layer):
            # two glyph vectors for any number of layers: the others are plain BERT
            hidden = layer(hidden, attention_mask, glyphs[index] if index < len(glyphs) else None, **kwargs)
        return hidden


class GlyphCrmPreTrainedModel(BertLikePreTrainedModel):
    """What all GlyphCRM models share: how they are initialised, loaded and given glyph images."""

    config: GlyphCrmConfig
    base_model_prefix = "glyph_crm"
    _no_split_modules = ["GlyphCrmEmbeddings", "GlyphCrmLayer"]
    _can_record_outputs = {"hidden_states": GlyphCrmLayer, "attentions": BertSelfAttention}

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """No buffer need be sent by DDP (43 MB at base size) before every step, but that of `adaptive_gradients`.

        Glyph images do not change in training, and every process sets its own, equal ones, as it does by loading a
        checkpoint. The statistics of `feature_norm` follow from them and from the weights, which DDP keeps equal.
        """
        # a property, as the names differ with the prefix of each head; DDP reads it when it wraps the model
        return [name for name, _ in self.named_buffers() if not name.endswith(".mean_squares")]

    def post_init(self) -> None:
        """As every model; statistics of features, where there are some, stay in float32, as they are no weights."""
        wide = {"feature_norms": self.config.feature_norm is not None, "adaptive": self.config.adaptive_gradients}
        if any(wide.values()):
            self._keep_in_fp32_modules_strict = [name for name, is_there in wide.items() if is_there]
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As BERT; HanGlyph as `glyph_initializer` says; no glyph images."""
        # the convolutions of HanGlyph are Conv2d to transformers, which would give them BERT's N(0, 0.02)
        if HanGlyph.init_weights(module, self.config.glyph_initializer, self.config.initializer_range):
            return
        super()._init_weights(module)
        if isinstance(module, CharacterBank):
            init.zeros_(module.glyphs)
        elif isinstance(module, AdaptiveGradients):
            init.zeros_(module.mean_squares)

    def parameter_groups(
        self,
        rest_lr: float = 4e-5,
        glyph_lr: float | None = None,
        glyph_linear_lr: float | None = None,
        weight_decay: float = 0.0,
    ) -> list[dict[str, Any]]:
        """The parameters with their learning rates, for an optimiser.

        Args:
            rest_lr: of all but HanGlyph, and of what has no rate of its own.
            glyph_lr: of HanGlyph's convolutions; None is `rest_lr`, 0 freezes them.
            glyph_linear_lr: of the three linear layers that make R, G1 and G2; None is `rest_lr`, 0 freezes them.
            weight_decay: of matrices; biases, LayerNorm and other vectors have none.

        Returns:
            Groups named "glyph", "glyph_linear" and "rest", see `rate_groups`; without rates of their own the first two
            belong to "rest".

        Raises:
            ValueError: a rate for convolutions that the model does not have (`glyph_cnn="none"`).
        """
        given = {"glyph": glyph_lr, "glyph_linear": glyph_linear_lr}
        parts = {name: modules for name, modules in glyph_parts(self).items() if given[name] is not None}
        if glyph_lr is not None and not parts["glyph"]:
            raise ValueError(f"glyph_lr={glyph_lr} is of convolutions, and glyph_cnn='none' has none; leave it out")
        rates = {"rest": rest_lr} | {name: given[name] for name in parts}
        # matrices and vectors stay apart without decay too: then the groups without `parts` are those of the Trainer,
        # whose checkpoints hold one state a group
        groups = rate_groups(self, parts, rates, weight_decay=1.0)
        return [{**group, "weight_decay": weight_decay * group["weight_decay"]} for group in groups]

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """Refuses another size: characters are an open set here, and a new one needs no row.

        Raises:
            NotImplementedError: the size is not that of the vocabulary.
        """
        if new_num_tokens not in (None, self.config.vocab_size) or pad_to_multiple_of:
            table = "has no table of words to resize"
            if self.config.id_embeddings:  # new ids would take the rows of the bank's further characters
                table = "cannot resize its id table, whose ids are the first rows of the bank,"
            raise NotImplementedError(
                f"{type(self).__name__} {table} from {self.config.vocab_size} to "
                f"{new_num_tokens} rows, and needs none: a character outside of the vocabulary is read from its "
                "glyph image (glyph_ids and extra_glyphs, which tokenizer and processor make). For another closed "
                "vocabulary of labels start from GlyphCrmConfig(vocab_size=...)"
            )
        return self.get_input_embeddings()


class GlyphCrmModel(GlyphCrmPreTrainedModel):
    """The encoder: hidden states of every token, and the pooled first one (with `add_pooling_layer`)."""

    def __init__(self, config: GlyphCrmConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = GlyphCrmEmbeddings(config)
        self.encoder = GlyphCrmEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self._compared = False  # whether nothing is left to say about input_ids and glyph_ids
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The bank of characters: (glyph_ids, extra_glyphs) -> vectors [B, L, 3H], which are `inputs_embeds`.

        With `id_embeddings` it takes input_ids as a third argument, or takes the ids from glyph_ids.
        """
        return self.embeddings.characters

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the bank by a module that maps the same inputs to vectors [B, L, 3H]: see `get_input_embeddings`."""
        self.embeddings.characters = value

    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images into the bank. Shapes and errors: see `CharacterBank.set_glyphs`."""
        self.embeddings.characters.set_glyphs(images, rows)

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | BaseModelOutputWithPooling:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1; where `glyph_ids` is None they are the rows of the bank, else they are only
                compared: a warning is logged where the glyph image is that of another token of the vocabulary. With
                `id_embeddings` they also are the rows of the id table ([UNK]'s for characters outside of the
                vocabulary); without them glyph_ids below V are the ids, and all others have [UNK]'s.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, 0..type_vocab_size-1; None is all 0.
            position_ids: [B, L] or [1, L] int64; None counts from 0.
            inputs_embeds: [B, L, 3H] = [R, G1, G2] in place of glyph images: `get_input_embeddings()(glyph_ids)`; then
                no ids are read. With `id_embeddings` R is the fused vector R' of glyph image and id.
            glyph_ids: [B, L] int64, row of the bank, 0..N-1, or N + i for image i of the example's `extra_glyphs`.
            extra_glyphs: [B, E, F*h*w] uint8, foreground 255 on background 0: each example's characters that the bank
                does not hold; blank rows are padding.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, H], pooler_output [B, H] (None without pooler), and hidden_states or attentions
            where they are wanted.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape, an id or a length that does not fit.
            TypeError: an input that the model does not have.
        """
        check_inputs(self, kwargs)
        if (input_ids is None and glyph_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one is needed of ids (input_ids, glyph_ids) and inputs_embeds")
        if input_ids is not None and glyph_ids is not None and input_ids.shape != glyph_ids.shape:
            raise ValueError(
                f"glyph_ids has the shape {tuple(glyph_ids.shape)}; needed is that of input_ids, "
                f"{tuple(input_ids.shape)}: one for each token"
            )
        # the size is looked at last: in a graph that is exported it would fix E
        if glyph_ids is None and inputs_embeds is None and extra_glyphs is not None and extra_glyphs.shape[1]:
            raise ValueError(
                "extra_glyphs without glyph_ids would be read by no position: input_ids show characters outside of the "
                "vocabulary as [UNK]. Pass both, or neither, as tokenizer and processor make them"
            )
        if glyph_ids is not None and input_ids is not None:
            self._compare(input_ids, glyph_ids)
        # the first V rows of the bank are the vocabulary's, so ids of tokens are rows too
        rows = input_ids if glyph_ids is None else glyph_ids
        hidden, *glyphs = self.embeddings(rows, token_type_ids, position_ids, inputs_embeds, extra_glyphs, input_ids)
        mask = create_bidirectional_mask(self.config, hidden, attention_mask)
        hidden = self.encoder(hidden, mask, tuple(glyphs), **kwargs)  # [B, L, H]
        pooled = None if self.pooler is None else self.pooler(hidden)
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=pooled)

    def _compare(self, input_ids: Tensor, glyph_ids: Tensor) -> None:
        """Warns, once, where glyph images are those of other tokens than `input_ids`: what was masked can be seen.

        With `id_embeddings` a character outside of the vocabulary counts as [UNK], as the id table has it.

        Every batch on the CPU is compared; on other devices, where comparing makes the host wait, only the first one in
        training.
        """
        on_cpu = input_ids.device.type == "cpu"
        if is_traced(input_ids) or input_ids.is_meta or self._compared or not (on_cpu or self.training):
            return
        # glyph_ids from the vocabulary's size on are characters without an id of their own: [UNK] beside them is right
        outside, hybrid = glyph_ids >= self.config.vocab_size, self.config.id_embeddings
        shown = torch.where(outside, self.config.unk_token_id if hybrid else input_ids, glyph_ids)
        other = (shown != input_ids).nonzero()
        self._compared = len(other) > 0 or not on_cpu
        if len(other):
            example, position = other[0].tolist()
            hint = f". Or is config.unk_token_id={self.config.unk_token_id} not the tokenizer's [UNK]?"
            hint = hint if hybrid and outside[example, position] else ""
            logger.warning(
                f"input_ids[{example}, {position}] is {int(input_ids[example, position])}, but glyph_ids shows "
                f"{int(glyph_ids[example, position])}, another character ({len(other)} such positions); the model "
                f"reads {'both' if hybrid else 'glyph images only'}. To mask, mask both: "
                "DataCollatorForMaskedCharacters does, and transformers' DataCollatorForLanguageModeling with the "
                "tokenizer of the model; where you mask yourself, assign input_ids to the tokenizer's own "
                f"batch{hint}"
            )


class GlyphCrmTaskModel(GlyphCrmPreTrainedModel):
    """A GlyphCrmModel under the name `glyph_crm`, for a task's layers on it; it has a pooler where one is read."""

    extra_inputs = ("glyph_ids", "extra_glyphs")

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"extra_glyphs": math.prod(config.glyph_shape)}
        self.glyph_crm = GlyphCrmModel(config, add_pooling_layer=self.reads == "pooler")
        self.dropout = nn.Dropout(config.classifier_dropout)

    def sequence_vector(self, out: BaseModelOutputWithPooling) -> Tensor:
        """The first token's last hidden state, [B, H], without pooler, as in the published runs."""
        return out.last_hidden_state[:, 0]


class GlyphCrmForPreTraining(ForPreTraining, GlyphCrmTaskModel):
    """Predicts masked characters, and whether the second sentence follows the first (section 3.4)."""


class GlyphCrmForMaskedLM(ForMaskedLM, GlyphCrmTaskModel):
    """Predicts masked characters; a character outside of the vocabulary counts as [UNK], as in the paper."""


class GlyphCrmForSequenceClassification(ForSequenceClassification, GlyphCrmTaskModel):
    """Classifies texts or pairs of texts from the first token: one label, several labels, or regression."""


class GlyphCrmForTokenClassification(ForTokenClassification, GlyphCrmTaskModel):
    """Labels every token."""


class GlyphCrmForQuestionAnswering(ForQuestionAnswering, GlyphCrmTaskModel):
    """Scores every token as the start and as the end of an answer."""


class GlyphCrmForMultipleChoice(ForMultipleChoice, GlyphCrmTaskModel):
    """Scores each of C choices from its first token; inputs are [B, C, L], extra_glyphs [B, C, E, F*h*w]."""


AUTO_CLASSES = {
    "AutoModel": GlyphCrmModel,
    "AutoModelForPreTraining": GlyphCrmForPreTraining,
    "AutoModelForMaskedLM": GlyphCrmForMaskedLM,
    "AutoModelForSequenceClassification": GlyphCrmForSequenceClassification,
    "AutoModelForTokenClassification": GlyphCrmForTokenClassification,
    "AutoModelForQuestionAnswering": GlyphCrmForQuestionAnswering,
    "AutoModelForMultipleChoice": GlyphCrmForMultipleChoice,
}
register(AUTO_CLASSES)

__all__ = [
    "GlyphCrmForMaskedLM",
    "GlyphCrmForMultipleChoice",
    "GlyphCrmForPreTraining",
    "GlyphCrmForQuestionAnswering",
    "GlyphCrmForSequenceClassification",
    "GlyphCrmForTokenClassification",
    "GlyphCrmModel",
    "GlyphCrmPreTrainedModel",
]

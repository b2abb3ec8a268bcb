"""GlyphCRM (Li et al., 2021): a BERT that knows its characters by their glyph images alone.

    glyph_ids -> CharacterBank of HanGlyph -> R, G1, G2                                         [B, L, H] each
    h_0 = dropout(LayerNorm(dropout(R) + position + token type))                                [B, L, H]
    h_l = LayerNorm(h_M + dropout(FFN(h_M)) + G_l)   G_1, G_2 in the two bottom layers alone    [B, L, H]

Axes: B batch, L length, H hidden, V labels of masked-character prediction, N rows of the bank, E further characters of
an example, F*h*w values of a glyph image, K labels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.bert.modeling_bert import (
    BertForPreTrainingOutput,
    BertLayer,
    BertPooler,
    BertPredictionHeadTransform,
    BertSelfAttention,
)
from transformers.processing_utils import Unpack
from transformers.pytorch_utils import apply_chunking_to_forward
from transformers.utils import TransformersKwargs, logging
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .character_bank import CharacterBank
from .checks import check_ids, check_length
from .configuration_glyph_crm import GlyphCrmConfig
from .han_glyph import HanGlyph
from .task_heads import masked_lm_output, sequence_output, span_output, token_output

logger = logging.get_logger(__name__)


class GlyphCrmEmbeddings(nn.Module):
    """Glyph vector, position and token type of every token, and what HanGlyph hands to the two bottom layers."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.config = config
        hidden, size = config.hidden_size, config.glyph_size
        self.characters = CharacterBank(HanGlyph(config), config.bank_size, (1, size, size), 3 * hidden)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, hidden)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.glyph_dropout = nn.Dropout(config.glyph_dropout_prob)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        positions = torch.arange(config.max_position_embeddings).expand((1, -1))
        self.register_buffer("position_ids", positions, persistent=False)

    def forward(
        self,
        glyph_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embeds a batch. Shapes and errors: see `GlyphCrmModel.forward`.

        Returns:
            The Transformer's input, G1 and G2, each [B, L, H].
        """
        source, last = (glyph_ids, ()) if inputs_embeds is None else (inputs_embeds, (3 * self.config.hidden_size,))
        if source.dim() != 2 + len(last) or source.shape[2:] != last:
            name = "input_ids or glyph_ids" if inputs_embeds is None else "inputs_embeds"
            needed = "[B, L]: one text is ids[None]" if inputs_embeds is None else f"[B, L, 3H={last[0]}] = [R, G1, G2]"
            raise ValueError(f"{name} has the shape {tuple(source.shape)}; needed is {needed}")
        length = source.shape[1]
        if position_ids is None:
            check_length(length, self.config.max_position_embeddings)
            position_ids = self.position_ids[:, :length]
        if token_type_ids is None:
            token_type_ids = torch.zeros((1, 1), dtype=torch.long, device=source.device)
        check_ids("token_type_ids", token_type_ids, self.config.type_vocab_size, "type_vocab_size", "See the config")
        check_ids(
            "position_ids", position_ids, self.config.max_position_embeddings, "max_position_embeddings", "Cut it"
        )
        vectors = self.characters(glyph_ids, extra_glyphs) if inputs_embeds is None else inputs_embeds
        glyphs, first, second = vectors.chunk(3, dim=-1)  # [B, L, 3H] -> 3 x [B, L, H]
        hidden = self.glyph_dropout(glyphs)
        hidden = hidden + self.position_embeddings(position_ids) + self.token_type_embeddings(token_type_ids)
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
            hidden = layer(hidden, attention_mask, glyphs[index] if index < len(glyphs) else None, **kwargs)
        return hidden


class GlyphCrmPreTrainedModel(PreTrainedModel):
    """What all GlyphCRM models share: how they are initialised, loaded and given glyph images."""

    config: GlyphCrmConfig
    base_model_prefix = "glyph_crm"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # losses are means over a batch; the Trainer divides by the accumulation steps
    _no_split_modules = ["GlyphCrmEmbeddings", "GlyphCrmLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": GlyphCrmLayer, "attentions": BertSelfAttention}

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """ImageFolder do not change in training: DDP need not send them (43 MB at base size) before every step.

        So every process sets its own, equal ones, as it does by loading a checkpoint.
        """
        return [name for name, _ in self.named_buffers()]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """N(0, initializer_range) as BERT; HanGlyph as `glyph_initializer` says; no glyph images."""
        if HanGlyph.init_weights(module, self.config.glyph_initializer):
            return
        super()._init_weights(module)
        if isinstance(module, GlyphCrmEmbeddings):
            init.copy_(module.position_ids, torch.arange(module.position_ids.shape[-1]).expand((1, -1)))
        elif isinstance(module, CharacterBank):
            init.zeros_(module.glyphs)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """Refuses: characters are an open set here, and a new one needs no row.

        Raises:
            NotImplementedError: another size than the vocabulary's is asked for.
        """
        if new_num_tokens not in (None, self.config.vocab_size) or pad_to_multiple_of:
            raise NotImplementedError(
                f"{type(self).__name__} has no table of words to resize from {self.config.vocab_size} to "
                f"{new_num_tokens} rows, and needs none: a character outside of the vocabulary is read from its "
                "glyph image (glyph_ids and extra_glyphs, which tokenizer and processor make). For another closed "
                "vocabulary of labels start from GlyphCrmConfig(vocab_size=...)"
            )
        return self.get_input_embeddings()


class GlyphCrmModel(GlyphCrmPreTrainedModel):
    """The encoder: hidden states of every token, and the pooled first one if asked for."""

    def __init__(self, config: GlyphCrmConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = GlyphCrmEmbeddings(config)
        self.encoder = GlyphCrmEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self._compared = False  # whether there is nothing more to say about input_ids and glyph_ids
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The bank of characters: (glyph_ids, extra_glyphs) -> vectors [B, L, 3H], which are `inputs_embeds`."""
        return self.embeddings.characters

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the bank by a module that maps ids [B, L] to vectors [B, L, 3H]."""
        self.embeddings.characters = value

    def set_glyphs(self, images: Tensor, rows: Tensor | None = None) -> None:
        """Writes glyph images into the bank. Shapes and errors: see `CharacterBank.set_glyphs`."""
        self.embeddings.characters.set_glyphs(images, rows)

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | BaseModelOutputWithPooling:
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1; where `glyph_ids` is None they are the rows of the bank, else they are only
                compared: a warning is logged where the glyph image is that of another token of the vocabulary.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, 0..type_vocab_size-1; None is all 0.
            position_ids: [B, L] or [1, L] int64; None counts from 0.
            inputs_embeds: [B, L, 3H] = [R, G1, G2] in place of glyph images: `get_input_embeddings()(glyph_ids)`; then no
                ids are read.
            glyph_ids: [B, L] int64, row of the bank, 0..N-1, or N + i for glyph image i of the example's `extra_glyphs`.
            extra_glyphs: [B, E, F*h*w] uint8 ink (0 = paper, 255 = full), each example's characters that the bank does
                not hold; blank rows are padding.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, H], pooler_output [B, H] (None without pooler), and hidden_states or attentions
            where asked for.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape, an id or a length that does not fit.
        """
        if (input_ids is None and glyph_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one is needed of ids (input_ids, glyph_ids) and inputs_embeds")
        if input_ids is not None and glyph_ids is not None and input_ids.shape != glyph_ids.shape:
            raise ValueError(
                f"glyph_ids has the shape {tuple(glyph_ids.shape)}; needed is that of input_ids, "
                f"{tuple(input_ids.shape)}: one a token"
            )
        if glyph_ids is not None and input_ids is not None:
            self._compare(input_ids, glyph_ids)
        rows = input_ids if glyph_ids is None else glyph_ids
        hidden, *glyphs = self.embeddings(rows, token_type_ids, position_ids, inputs_embeds, extra_glyphs)
        mask = create_bidirectional_mask(self.config, hidden, attention_mask)
        hidden = self.encoder(hidden, mask, tuple(glyphs), **kwargs)  # [B, L, H]
        pooled = None if self.pooler is None else self.pooler(hidden)
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=pooled)

    def _compare(self, input_ids: Tensor, glyph_ids: Tensor) -> None:
        """Warns, once, of glyph images of other tokens of the vocabulary than `input_ids`: what was masked is seen.

        Looks at the batches of the CPU, elsewhere at the first one in training alone (a look makes the host wait).
        """
        on_cpu = input_ids.device.type == "cpu"
        if torch.compiler.is_compiling() or input_ids.is_meta or self._compared or not (on_cpu or self.training):
            return
        other = ((glyph_ids != input_ids) & (glyph_ids < self.config.vocab_size)).nonzero()
        self._compared = len(other) > 0 or not on_cpu
        if len(other):
            example, place = other[0].tolist()
            logger.warning(
                f"input_ids[{example}, {place}] is {int(input_ids[example, place])}, but glyph_ids shows "
                f"{int(glyph_ids[example, place])}, another token of the vocabulary ({len(other)} such places); the "
                "model reads glyph images only. To mask, mask both: DataCollatorForMaskedCharacters does (transformers' "
                "DataCollatorForLanguageModeling masks input_ids alone, and the model sees the answer)"
            )


class GlyphCrmHead(GlyphCrmPreTrainedModel):
    """A GlyphCrmModel under the name `glyph_crm`, with a task's layers on it."""

    def __init__(self, config: GlyphCrmConfig, add_pooling_layer: bool = False) -> None:
        super().__init__(config)
        self.glyph_crm = GlyphCrmModel(config, add_pooling_layer)
        self.dropout = nn.Dropout(config.classifier_dropout)


class GlyphCrmPredictions(nn.Module):
    """Linear -> activation -> LayerNorm -> Linear to the V labels; not tied, as there is no table of words."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__()
        self.transform = BertPredictionHeadTransform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [B, L, H] -> logits [B, L, V]."""
        return self.decoder(self.transform(hidden))


class GlyphCrmForPreTraining(GlyphCrmHead):
    """Predicts masked characters, and whether the second sentence follows the first (section 3.4)."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config, add_pooling_layer=True)
        self.predictions = GlyphCrmPredictions(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """The decoder."""
        return self.predictions.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replaces the decoder."""
        self.predictions.decoder = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | BertForPreTrainingOutput:
        """Inputs as in `GlyphCrmModel.forward`, and labels.

        Labels:
            labels: [B, L] int64, the true labels 0..V-1 at masked places, -100 elsewhere.
            next_sentence_label: [B] int64, 0 = the second sentence follows the first, 1 = it is another's.

        Returns:
            loss (the mean over masked places plus the mean over pairs, or the one whose labels are given),
            prediction_logits [B, L, V], seq_relationship_logits [B, 2].
        """
        out = self.glyph_crm(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, glyph_ids, extra_glyphs, **kwargs
        )
        characters = self.predictions(out.last_hidden_state)  # [B, L, V]
        pairs = self.seq_relationship(out.pooler_output)  # [B, 2]
        losses = [
            F.cross_entropy(logits.flatten(0, -2).float(), target.flatten().to(logits.device))
            for logits, target in ((characters, labels), (pairs, next_sentence_label))
            if target is not None
        ]
        return BertForPreTrainingOutput(
            loss=sum(losses) if losses else None,
            prediction_logits=characters,
            seq_relationship_logits=pairs,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )


class GlyphCrmForMaskedLM(GlyphCrmHead):
    """Predicts masked characters; a character outside of the vocabulary counts as [UNK], as in the paper."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config)
        self.predictions = GlyphCrmPredictions(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """The decoder."""
        return self.predictions.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replaces the decoder."""
        self.predictions.decoder = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | MaskedLMOutput:
        """Inputs as in `GlyphCrmModel.forward`, and labels.

        Labels:
            labels: [B, L] int64, the true labels 0..V-1 at masked places, -100 elsewhere.

        Returns:
            loss (mean cross-entropy over the masked places), logits [B, L, V].
        """
        out = self.glyph_crm(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, glyph_ids, extra_glyphs, **kwargs
        )
        return masked_lm_output(self, out, self.predictions(out.last_hidden_state), labels)


class GlyphCrmForSequenceClassification(GlyphCrmHead):
    """Classifies texts or pairs from the first token's last hidden state, without pooler, as in the published runs."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | SequenceClassifierOutput:
        """Inputs as in `GlyphCrmModel.forward`, and labels.

        Labels:
            labels: [B] int64 (one of K labels), [B, K] float (several of K), or [B] float (regression, K = 1);
                `config.problem_type` decides, or is taken from the labels as transformers does.

        Returns:
            loss, logits [B, K].
        """
        out = self.glyph_crm(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, glyph_ids, extra_glyphs, **kwargs
        )
        logits = self.classifier(self.dropout(out.last_hidden_state[:, 0]))
        return sequence_output(self, out, logits, labels)


class GlyphCrmForTokenClassification(GlyphCrmHead):
    """Labels every token with one Linear."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | TokenClassifierOutput:
        """Inputs as in `GlyphCrmModel.forward`, and labels.

        Labels:
            labels: [B, L] int64, 0..K-1, -100 = not scored; labels of padding are not scored either.

        Returns:
            loss (mean cross-entropy over the scored tokens), logits [B, L, K].
        """
        out = self.glyph_crm(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, glyph_ids, extra_glyphs, **kwargs
        )
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return token_output(self, out, logits, labels, attention_mask)


class GlyphCrmForQuestionAnswering(GlyphCrmHead):
    """Scores every token as the start and as the end of an answer."""

    def __init__(self, config: GlyphCrmConfig) -> None:
        super().__init__(config)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | QuestionAnsweringModelOutput:
        """Inputs as in `GlyphCrmModel.forward`, and labels.

        Labels:
            start_positions: [B] int64, token of the answer's start; what lies outside of 0..L-1 is not scored.
            end_positions: [B] int64, token of the answer's end, included.

        Returns:
            loss (mean of both cross-entropies), start_logits [B, L], end_logits [B, L].
        """
        out = self.glyph_crm(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, glyph_ids, extra_glyphs, **kwargs
        )
        logits = self.qa_outputs(self.dropout(out.last_hidden_state))
        return span_output(out, logits, start_positions, end_positions)


GlyphCrmModel.register_for_auto_class("AutoModel")
GlyphCrmForPreTraining.register_for_auto_class("AutoModelForPreTraining")
GlyphCrmForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
GlyphCrmForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
GlyphCrmForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")
GlyphCrmForQuestionAnswering.register_for_auto_class("AutoModelForQuestionAnswering")

__all__ = [
    "GlyphCrmForMaskedLM",
    "GlyphCrmForPreTraining",
    "GlyphCrmForQuestionAnswering",
    "GlyphCrmForSequenceClassification",
    "GlyphCrmForTokenClassification",
    "GlyphCrmModel",
    "GlyphCrmPreTrainedModel",
]

"""ChineseBERT (Sun et al., 2021): a BERT whose embeddings fuse character id, glyph and pinyin.

    input_ids, glyph_ids, pinyin_ids -> ChineseBertEmbeddings -> BertEncoder (transformers' own) -> pooler, task heads

Axes: B batch, L length, H hidden, V vocabulary, P pinyin slots, C choices, K labels.

Module names are those of the published classes, so that their checkpoints load as they are. The pooler is part of every
model, as there; heads that do not read it hold it frozen, so that no parameter waits for a gradient that never comes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.bert.modeling_bert import (
    BertEncoder,
    BertLayer,
    BertLMPredictionHead,
    BertOnlyMLMHead,
    BertPooler,
    BertSelfAttention,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .checks import check_ids
from .chinese_bert_embeddings import ChineseBertEmbeddings, PinyinConv
from .configuration_chinese_bert import ChineseBertConfig
from .task_heads import masked_lm_output, sequence_output, span_output, token_output


class ChineseBertPreTrainedModel(PreTrainedModel):
    """What all ChineseBERT models share: how they are initialised, loaded and resized."""

    config: ChineseBertConfig
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # losses are means over a batch; the Trainer divides by the accumulation steps
    _no_split_modules = ["ChineseBertEmbeddings", "BertLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": BertLayer, "attentions": BertSelfAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """N(0, initializer_range) as BERT; the pinyin convolution keeps torch's own, as the published code does."""
        if isinstance(module, PinyinConv):
            bound = (module.in_channels * module.kernel_size[0]) ** -0.5
            init.uniform_(module.weight, -bound, bound)
            init.uniform_(module.bias, -bound, bound)
            return
        super()._init_weights(module)
        if isinstance(module, ChineseBertEmbeddings):
            init.copy_(module.position_ids, torch.arange(module.position_ids.shape[-1]).expand((1, -1)))
        elif isinstance(module, BertLMPredictionHead):
            init.zeros_(module.bias)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Resizes the word table (and a tied decoder) as transformers does, and the glyph table with it.

        A new token's glyph image is empty (zeros) until `ChineseBertModel.set_glyphs` renders one.
        """
        words = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        glyphs = self.base_model.embeddings.glyph_embeddings
        old = glyphs.embedding.weight
        if words.num_embeddings != len(old):
            table = old.new_zeros(words.num_embeddings, old.shape[1])
            kept = min(len(old), len(table))
            table[:kept] = old.detach()[:kept]
            glyphs.embedding = nn.Embedding.from_pretrained(table, freeze=not old.requires_grad)
        return words


class ChineseBertModel(ChineseBertPreTrainedModel):
    """The encoder: hidden states of every token and the pooled first one."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        self.embeddings = ChineseBertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The word table; glyphs and pinyin have their own."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replaces the word table."""
        self.embeddings.word_embeddings = value

    @torch.no_grad()
    def set_glyphs(self, images: Tensor, ids: Tensor | None = None) -> None:
        """Writes glyph images into the glyph table; do it after initialisation, which fills the table with noise.

        Args:
            glyph images: [N, ...] any dtype, grey 0..255 as in the paper; each glyph image's values, fonts first, then rows,
                then columns (e.g. [V, 3, 24, 24]), must be `glyph_embedding_dim` in number.
            ids: int64 [N], the rows to write; None writes rows 0..N-1.

        Raises:
            ValueError: the number of values or of rows does not fit, or an id is outside of the table.
        """
        table = self.embeddings.glyph_embeddings.embedding.weight
        flat = images.flatten(1)
        rows = torch.arange(len(table)) if ids is None else ids
        if flat.shape != (len(rows), table.shape[1]):
            raise ValueError(
                f"glyph images have the shape {tuple(images.shape)}; needed are {table.shape[1]} values for each of "
                f"{len(rows)} rows (pass ids to write only some rows)"
            )
        check_ids("ids", rows.cpu(), len(table), "the glyph table")
        table[rows.to(table.device)] = flat.to(table)

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | BaseModelOutputWithPooling:
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, 0..type_vocab_size-1; None is all 0.
            position_ids: [B, L] or [1, L] int64; None counts from 0.
            inputs_embeds: [B, L, H] in place of the word vectors; needs `glyph_ids`.
            pinyin_ids: [B, L, P] int64, the symbols of every character's reading, 0 = none; None is all 0 (no token
                has a reading; a tokenizer that knows pinyin gives better input).
            glyph_ids: [B, L] int64, row of the glyph table; None takes `input_ids`.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, H], pooler_output [B, H], and hidden_states or attentions where asked for.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds; a shape, an id or a length that does not fit.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds is needed")
        hidden = self.embeddings(input_ids, pinyin_ids, token_type_ids, position_ids, inputs_embeds, glyph_ids)
        mask = create_bidirectional_mask(self.config, hidden, attention_mask)
        hidden = self.encoder(hidden, attention_mask=mask, **kwargs).last_hidden_state  # [B, L, H]
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=self.pooler(hidden))


class ChineseBertHead(ChineseBertPreTrainedModel):
    """A ChineseBertModel under the name `bert`, with a task's layers on it."""

    reads_pooler = True

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        self.bert = ChineseBertModel(config)
        self.bert.pooler.requires_grad_(self.reads_pooler)
        rate = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        self.dropout = nn.Dropout(rate)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; loading makes every parameter trainable, so the unread pooler is frozen again."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.bert.pooler.requires_grad_(cls.reads_pooler)
        return loaded


class ChineseBertForMaskedLM(ChineseBertHead):
    """Predicts masked characters; the decoder is tied to the word table alone, not to glyphs or pinyin."""

    _tied_weights_keys = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    reads_pooler = False

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        self.cls = BertOnlyMLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """The decoder."""
        return self.cls.predictions.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replaces the decoder and its bias."""
        self.cls.predictions.decoder = value
        self.cls.predictions.bias = value.bias

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | MaskedLMOutput:
        """Inputs as in `ChineseBertModel.forward`, and labels.

        Labels:
            labels: [B, L] int64, the true ids at masked places, -100 elsewhere.

        Returns:
            loss (mean cross-entropy over the masked places), logits [B, L, V].
        """
        out = self.bert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, pinyin_ids, glyph_ids, **kwargs
        )
        return masked_lm_output(self, out, self.cls(out.last_hidden_state), labels)


class ChineseBertForSequenceClassification(ChineseBertHead):
    """Classifies texts or pairs of texts from the pooled vector: one label, several labels, or regression."""

    def __init__(self, config: ChineseBertConfig) -> None:
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
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | SequenceClassifierOutput:
        """Inputs as in `ChineseBertModel.forward`, and labels.

        Labels:
            labels: [B] int64 (one of K labels), [B, K] float (several of K), or [B] float (regression, K = 1);
                `config.problem_type` decides, or is taken from the labels as transformers does.

        Returns:
            loss, logits [B, K].
        """
        out = self.bert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, pinyin_ids, glyph_ids, **kwargs
        )
        logits = self.classifier(self.dropout(out.pooler_output))
        return sequence_output(self, out, logits, labels)


class ChineseBertClassificationHead(nn.Module):
    """Linear -> tanh -> Linear, without dropout between: the tagging head of the published runs."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        self.dense_layer = nn.Linear(config.hidden_size, config.hidden_size)
        self.dense_to_labels_layer = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [B, L, H] -> logits [B, L, K]."""
        return self.dense_to_labels_layer(torch.tanh(self.dense_layer(hidden)))


class ChineseBertForTokenClassification(ChineseBertHead):
    """Labels every token; `config.classifier_mlp` chooses between one Linear and the MLP of the published runs."""

    reads_pooler = False

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        if config.classifier_mlp:
            self.classifier = ChineseBertClassificationHead(config)
        else:
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
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | TokenClassifierOutput:
        """Inputs as in `ChineseBertModel.forward`, and labels.

        Labels:
            labels: [B, L] int64, 0..K-1, -100 = not scored; labels of padding are not scored either.

        Returns:
            loss (mean cross-entropy over the scored tokens), logits [B, L, K].
        """
        out = self.bert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, pinyin_ids, glyph_ids, **kwargs
        )
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return token_output(self, out, logits, labels, attention_mask)


class ChineseBertForQuestionAnswering(ChineseBertHead):
    """Scores every token as the start and as the end of an answer."""

    reads_pooler = False

    def __init__(self, config: ChineseBertConfig) -> None:
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
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | QuestionAnsweringModelOutput:
        """Inputs as in `ChineseBertModel.forward`, and labels.

        Labels:
            start_positions: [B] int64, token of the answer's start; what lies outside of 0..L-1 is not scored.
            end_positions: [B] int64, token of the answer's end, included.

        Returns:
            loss (mean of both cross-entropies), start_logits [B, L], end_logits [B, L].
        """
        out = self.bert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, pinyin_ids, glyph_ids, **kwargs
        )
        return span_output(out, self.qa_outputs(out.last_hidden_state), start_positions, end_positions)


class ChineseBertForMultipleChoice(ChineseBertHead):
    """Scores each of C choices, e.g. the endings of a story."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pinyin_ids: Tensor | None = None,
        glyph_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor] | MultipleChoiceModelOutput:
        """Inputs as in `ChineseBertModel.forward`, with one more axis: [B, C, L], pinyin_ids [B, C, L, P].

        Labels:
            labels: [B] int64, the right choice, 0..C-1.

        Returns:
            loss, logits [B, C].
        """
        choices = (inputs_embeds if input_ids is None else input_ids).shape[1]
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, pinyin_ids, glyph_ids)
        out = self.bert(*(None if part is None else part.flatten(0, 1) for part in inputs), **kwargs)
        logits = self.classifier(self.dropout(out.pooler_output)).view(-1, choices)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return MultipleChoiceModelOutput(
            loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions
        )


ChineseBertModel.register_for_auto_class("AutoModel")
ChineseBertForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
ChineseBertForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
ChineseBertForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")
ChineseBertForQuestionAnswering.register_for_auto_class("AutoModelForQuestionAnswering")
ChineseBertForMultipleChoice.register_for_auto_class("AutoModelForMultipleChoice")

__all__ = [
    "ChineseBertForMaskedLM",
    "ChineseBertForMultipleChoice",
    "ChineseBertForQuestionAnswering",
    "ChineseBertForSequenceClassification",
    "ChineseBertForTokenClassification",
    "ChineseBertModel",
    "ChineseBertPreTrainedModel",
]

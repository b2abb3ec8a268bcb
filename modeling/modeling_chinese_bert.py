"""ChineseBERT (Sun et al., 2021): a BERT whose embeddings fuse character id, glyph and pinyin.

    input_ids, glyph_ids, pinyin_ids -> ChineseBertEmbeddings -> BertEncoder (transformers' own) -> pooler, task heads

Axes: B batch, L length, H hidden, V vocabulary, P pinyin slots.

Module names are those of the published classes, so that their checkpoints load as they are. The pooler is part of every
model, as there; heads that do not read it hold it frozen, so that no parameter waits for a gradient that never comes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.bert.modeling_bert import BertEncoder, BertLayer, BertPooler, BertSelfAttention
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .auto_map import register
from .bert_parts import BertLikePreTrainedModel
from .checks import check_glyphs, check_inputs, check_plain, own_weight
from .chinese_bert_embeddings import ChineseBertEmbeddings, GlyphEmbedding, PinyinConv
from .configuration_chinese_bert import ChineseBertConfig
from .feature_norm import FeatureNorm
from .task_heads import (
    ForMaskedLM,
    ForMultipleChoice,
    ForQuestionAnswering,
    ForSequenceClassification,
)
from .token_heads import ForTokenClassification
from .tracing import is_traced

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


class ChineseBertPreTrainedModel(BertLikePreTrainedModel):
    """What all ChineseBERT models share: how they are initialised, loaded and resized."""

    config: ChineseBertConfig
    base_model_prefix = "bert"
    _no_split_modules = ["ChineseBertEmbeddings", "BertLayer"]
    _can_record_outputs = {"hidden_states": BertLayer, "attentions": BertSelfAttention}

    def post_init(self) -> None:
        """As every model; statistics of features, where there are some, stay in float32, as they are no weights."""
        if self.config.feature_norm is not None:
            self._keep_in_fp32_modules_strict = ["glyph_norm"]
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As BERT; the pinyin convolution keeps torch's own initialisation, as the published code does."""
        if isinstance(module, PinyinConv):
            # torch's own rule, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), written out, as loading starts on the meta device
            bound = (module.in_channels * module.kernel_size[0]) ** -0.5
            init.uniform_(module.weight, -bound, bound)
            init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, FeatureNorm):
            module.reset()
        else:
            super()._init_weights(module)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Resizes the word table (and a tied decoder) as transformers does, and the glyph table with it.

        A new token's glyph image is empty (zeros) until `set_glyphs` writes one.

        Raises:
            TypeError: the size changes, and a table is within an adapter, or quantized.
        """
        if new_num_tokens in (None, self.config.vocab_size) and pad_to_multiple_of is None:
            return self.get_input_embeddings()
        embeddings = self.base_model.embeddings
        glyphs = embeddings.glyph_embeddings
        # before anything is changed: a new table in the place of an adapter would lose what the adapter has learnt
        check_plain(embeddings.word_embeddings, nn.Embedding)
        check_plain(glyphs, GlyphEmbedding)
        check_plain(glyphs.embedding, nn.Embedding)
        words = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        old = glyphs.embedding.weight
        if words.num_embeddings != len(old):
            # padded rows of the word table need a glyph row as well: any id below num_embeddings may be looked up
            table = old.new_zeros(words.num_embeddings, old.shape[1])
            kept = min(len(old), len(table))
            table[:kept] = old.detach()[:kept]
            glyphs.embedding = nn.Embedding.from_pretrained(table, freeze=not old.requires_grad)
            embeddings.forget_statistics()
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
        """The word table; glyphs and pinyin have their own.

        With a hook on it, it is asked with ids [B, L] as in BERT; without, with the distinct ids of the batch, [1, U].
        """
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replaces the word table."""
        self.embeddings.word_embeddings = value

    @torch.no_grad()
    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images into the glyph table; do it after initialisation, which fills the table with noise.

        Args:
            images: uint8 [n, F, h, w], foreground 255 on background 0; the table holds them divided by 255.
            rows: int64 [n], the rows to write; None means all V.

        Raises:
            ValueError: the dtype, the number of values or of rows does not fit, or a row does not exist.
            TypeError: the table is quantized, or within an adapter that computes it.
        """
        images, rows = check_glyphs(images, rows, self.config.glyph_shape, self.config.num_glyphs)
        # a counted write in place, after which no vector made from the old images is served
        table = own_weight(self.embeddings.glyph_embeddings.embedding)
        table[rows.to(table.device)] = (images.flatten(1) / 255).to(table)
        self.embeddings.forget_statistics()

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, pinyin_ids: Tensor | None = None,
                glyph_ids: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | BaseModelOutputWithPooling:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, 0..type_vocab_size-1; None is all 0.
            position_ids: [B, L] or [1, L] int64; None counts from 0.
            inputs_embeds: [B, L, H] in place of the word vectors; needs `glyph_ids`.
            pinyin_ids: [B, L, P] int64, the symbols of every character's reading, 0 = none. None is all 0, of which a
                warning is logged, once, where there are input_ids; pass zeros to leave pinyin out without one.
            glyph_ids: [B, L] int64, row of the glyph table; None takes `input_ids`.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, H], pooler_output [B, H], and hidden_states or attentions where they are wanted.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds; a shape, an id or a length that does not fit.
            TypeError: an input that the model does not have.
        """
        check_inputs(self, kwargs)
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds is needed")
        hidden = self.embeddings(input_ids, pinyin_ids, token_type_ids, position_ids, inputs_embeds, glyph_ids)
        mask = create_bidirectional_mask(self.config, hidden, attention_mask)
        hidden = self.encoder(hidden, attention_mask=mask, **kwargs).last_hidden_state  # [B, L, H]
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=self.pooler(hidden))


class ChineseBertTaskModel(ChineseBertPreTrainedModel):
    """A ChineseBertModel under the name `bert`, for a task's layers on it."""

    extra_inputs = ("pinyin_ids", "glyph_ids")

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"pinyin_ids": config.pinyin_length}
        self.bert = ChineseBertModel(config)
        # not left out, as published checkpoints hold it; frozen where no head reads it, or DDP would wait for it
        self.bert.pooler.requires_grad_(self.reads != "tokens")
        rate = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        self.dropout = nn.Dropout(rate)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; loading makes every parameter trainable, so the unread pooler is frozen again."""
        loaded = super().from_pretrained(*args, **kwargs)
        # with output_loading_info=True it is (model, info)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.bert.pooler.requires_grad_(cls.reads != "tokens")
        return loaded

    def sequence_vector(self, out: BaseModelOutputWithPooling) -> Tensor:
        """The pooled first token, [B, H]."""
        return out.pooler_output


class ChineseBertForMaskedLM(ForMaskedLM, ChineseBertTaskModel):
    """Predicts masked characters; the decoder is tied to the word table alone, not to glyphs or pinyin."""

    _tied_weights_keys = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    _masking_checked = False  # whether nothing is left to say about masked positions

    def check_masking(self, inputs: dict[str, Tensor | None], labels: Tensor) -> None:
        """Warns, once, where masked positions still have the pinyin, or the glyph image, of the hidden character.

        Every batch on the CPU is looked at; on other devices, where looking makes the host wait, only the first one in
        training. A single masked position cannot be told from a wrong character with its own reading and is not warned
        of, nor are batches in which most labels are the characters that stand there: these are corrected, not masked.
        """
        ids, on_cpu = inputs["input_ids"], labels.device.type == "cpu"
        if self._masking_checked or ids is None or ids.shape != labels.shape or is_traced(labels) or labels.is_meta:
            return
        if on_cpu or self.training:
            told = _shown_answers(ids, labels, inputs["pinyin_ids"], inputs["glyph_ids"])
            self._masking_checked = told is not None or not on_cpu
            if told is not None:
                logger.warning(
                    f"{told}: the model sees the answer. To mask, mask ids and pinyin: DataCollatorForMaskedCharacters "
                    "does; by hand, pinyin_ids are 0 wherever [MASK] stands, and glyph_ids those of [MASK]"
                )


def _shown_answers(ids: Tensor, labels: Tensor, pinyin_ids: Tensor | None, glyph_ids: Tensor | None) -> str | None:
    """What masked positions still show of the hidden characters, in words; None if nothing is seen to be wrong.

    Args:
        ids: [B, L] int64.
        labels: [B, L] int64, the true ids, -100 where nothing is predicted.
        pinyin_ids: [B, L, P] int64.
        glyph_ids: [B, L] int64.
    """
    replaced = (labels != -100) & (labels != ids)  # [B, L]
    if glyph_ids is not None and (shown := int((replaced & (glyph_ids == labels)).sum())):
        return f"glyph_ids shows the hidden character at {shown} masked positions"
    # masks hide most of what is labelled; where most of it stands there unchanged, as in spelling correction, the rest
    # are wrong characters, whose readings are their own
    if pinyin_ids is None or not replaced.any() or 2 * replaced.sum() < (labels != -100).sum():
        return None
    # [MASK] is what most of them hold. One id with several readings has those of the characters that it hides; a wrong
    # or random character, which has its own reading, hardly fills half of the positions
    most = ids[replaced].mode().values
    here = replaced & (ids == most)
    readings = pinyin_ids[here]  # [M, P]
    readings = readings[readings.any(-1)]
    if 2 * here.sum() < replaced.sum() or len(readings.unique(dim=0)) < 2:
        return None
    return f"{len(readings)} masked positions (input id {int(most)}) still have the pinyin of the hidden character"


class ChineseBertForSequenceClassification(ForSequenceClassification, ChineseBertTaskModel):
    """Classifies texts or pairs of texts from the pooled vector: one label, several labels, or regression."""


class ChineseBertForTokenClassification(ForTokenClassification, ChineseBertTaskModel):
    """Labels every token; `config.classifier="mlp"` is the head of the published runs."""


class ChineseBertForQuestionAnswering(ForQuestionAnswering, ChineseBertTaskModel):
    """Scores every token as the start and as the end of an answer."""


class ChineseBertForMultipleChoice(ForMultipleChoice, ChineseBertTaskModel):
    """Scores each of C choices from its pooled vector; inputs are [B, C, L], pinyin_ids [B, C, L, P]."""


AUTO_CLASSES = {
    "AutoModel": ChineseBertModel,
    "AutoModelForPreTraining": ChineseBertForMaskedLM,
    "AutoModelForMaskedLM": ChineseBertForMaskedLM,
    "AutoModelForSequenceClassification": ChineseBertForSequenceClassification,
    "AutoModelForTokenClassification": ChineseBertForTokenClassification,
    "AutoModelForQuestionAnswering": ChineseBertForQuestionAnswering,
    "AutoModelForMultipleChoice": ChineseBertForMultipleChoice,
}
register(AUTO_CLASSES)

__all__ = [
    "ChineseBertForMaskedLM",
    "ChineseBertForMultipleChoice",
    "ChineseBertForQuestionAnswering",
    "ChineseBertForSequenceClassification",
    "ChineseBertForTokenClassification",
    "ChineseBertModel",
    "ChineseBertPreTrainedModel",
]

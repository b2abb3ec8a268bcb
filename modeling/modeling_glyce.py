"""Glyce (Meng et al., 2019): a semantic encoder, beside which every character is seen in several scripts.

    g = bank of CNN(glyph images of F scripts)                       sections 2.1, 2.2        [B, L, D]
    e = dropout(LayerNorm(positions + dropout(g)))                                            [B, L, D]
    h = layers of the task over [e ; BERT(input_ids)]                section 2.4              [B, L, D + H]
    L = (1 - lambda(t)) L_task + lambda(t) L_cls                     section 2.3, Eq. 2
        lambda(t) = lambda_0 * lambda_1 ** t                         t in epochs

Axes: B batch, L length, H hidden, D width of a glyph's vector, N rows of the glyph bank, E further characters of an
example, F*h*w values of a character's glyph images, P positions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .bimpm import MultiPerspectiveMatching
from .character_model import rate_groups
from .checks import check_ids, require
from .configuration_glyce import GlyceConfig
from .glyce_bank import GlyceBank, bank_rows
from .glyph_cnn import init_glyph_cnn
from .image_classification import ImageClassification
from .image_loss_schedule import ImageLossSchedule
from .semantic_encoder import position_offset
from .semantic_model import SemanticPreTrainedModel
from .semantic_weights import load_semantic
from .task_heads import ForMultipleChoice, ForQuestionAnswering, ForSequenceClassification
from .task_layers import build_task_layers
from .token_heads import ForTokenClassification
from .token_rows import takes_part


@dataclass
class GlyceModelOutput(BaseModelOutput):
    """What a GlyceModel gives.

    Attributes:
        last_hidden_state: [B, L, D + H].
        pooler_output: [B, D + H], the vector of a pair; with task_layer="bimpm" only.
        hidden_states: those of the semantic encoder, [B, L, H] each.
        attentions: those of the semantic encoder.
        image_loss: a scalar, the image-classification loss L_cls over the characters of the vocabulary; in training
            only, and None where the CNN is frozen.
    """

    pooler_output: Tensor | None = None
    image_loss: Tensor | None = None


class GlyphPositions(nn.Module):
    """Where a glyph stands: e = dropout(LayerNorm(positions + dropout(g)))."""

    def __init__(self, config: GlyceConfig) -> None:
        super().__init__()
        width = config.glyph_dim
        self.offset = position_offset(config.semantic_config)
        self.batch_norm = nn.BatchNorm1d(width) if config.glyph_batch_norm else None
        self.position_embeddings = nn.Embedding(config.num_positions, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.glyph_dropout = nn.Dropout(config.glyph_dropout)
        self.dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, glyphs: Tensor, position_ids: Tensor | None) -> Tensor:
        """Adds positions.

        Args:
            glyphs: [B, L, D].
            position_ids: [B, L] or [1, L] int64, as the semantic encoder counts; None counts from 0.

        Returns:
            [B, L, D].
        """
        glyphs = self.glyph_dropout(glyphs)  # after the gathering: every copy of a character has its own
        if self.batch_norm is not None:
            glyphs = self.batch_norm(glyphs.transpose(1, 2)).transpose(1, 2)
        if position_ids is None:
            positions = self.position_embeddings.weight[: glyphs.shape[1]]  # [L, D]
        else:
            # some encoders count from the id of padding on, and give padding that number
            counted = (position_ids - self.offset).clamp(min=0)
            check_ids("position_ids", counted, self.position_embeddings.num_embeddings, "positions of the glyphs")
            positions = self.position_embeddings(counted)
        return self.dropout(self.LayerNorm(glyphs + positions))


class GlycePreTrainedModel(SemanticPreTrainedModel):
    """What all Glyce models share: how they are initialised, put together and optimised."""

    config: GlyceConfig
    base_model_prefix = "glyce"
    _no_split_modules = ["GlyceBank", "GlyphPositions", "BertLayer", "BiLSTM", "ConvolutionLayer"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As BERT; the CNN as `glyph_initializer` says; no images."""
        if isinstance(module, MultiPerspectiveMatching):
            module.reset_parameters()
        elif not init_glyph_cnn(module):
            super()._init_weights(module)

    @classmethod
    def from_encoders(
        cls, semantic: str | Path | PreTrainedModel, trust_remote_code: bool = False, **fields: Any
    ) -> Self:
        """Puts a model around an encoder of text that was trained before; all other weights are new.

        Args:
            semantic: the encoder: a name of the Hub, a folder, or a model that is loaded. A head and a pooler are left
                out; of a Glyce model its semantic encoder is taken.
            trust_remote_code: whether code that its checkpoint carries may be run.
            fields: of GlyceConfig, e.g. id2label, special_token_ids, glyph_vocab_size, dtype.

        Returns:
            A model without glyph images: give it those with `hanziformers.render_glyphs`.

        Raises:
            ValueError: an encoder that does not fit, or a field that GlyceConfig lacks: names it.
            TypeError: `semantic` is neither a name nor a model.
            OSError: nothing is found under a name.

        Example:
            >>> model = GlyceForSequenceClassification.from_encoders("bert-base-chinese", num_labels=2)
        """
        model = cls._around(semantic, trust_remote_code, fields)
        model.load_encoders(semantic, trust_remote_code=trust_remote_code)
        return model.eval()

    def load_encoders(
        self, semantic: str | Path | PreTrainedModel | None = None, trust_remote_code: bool = False
    ) -> None:
        """Copies the weights of an encoder of text that was trained before into this model: see `from_encoders`."""
        if semantic is not None:
            load_semantic(self.base_model.semantic, semantic, trust_remote_code)

    def parameter_groups(
        self, semantic_lr: float = 2e-5, glyph_lr: float = 1e-4, rest_lr: float = 1e-4, weight_decay: float = 0.0
    ) -> list[dict[str, Any]]:
        """The parameters with their learning rates, for any optimiser: see `rate_groups`.

        Rates of 0 are how the stages of Table 8 freeze a part; a model that is loaded again is not frozen.

        Args:
            semantic_lr: of the semantic encoder.
            glyph_lr: of the CNN and of the classifier of its images. A frozen CNN costs nothing in training: its
                vectors are looked up, and there is no image-classification loss. (Who freezes by hand, freezes both:
                `glyph_bank` and `image_classification`.)
            rest_lr: of positions, layers of the task and layers that label.
            weight_decay: of matrices; biases, LayerNorm and other vectors have none.
        """
        base = self.base_model
        glyph = [part for part in (base.glyph_bank, base.image_classification) if part is not None]
        rates = {"semantic": semantic_lr, "glyph": glyph_lr, "rest": rest_lr}
        return rate_groups(self, {"semantic": [base.semantic], "glyph": glyph}, rates, weight_decay)


class GlyceModel(ImageLossSchedule, GlycePreTrainedModel):
    """The semantic encoder, the glyphs, and the layers of a task over both: one vector for every token."""

    def __init__(self, config: GlyceConfig) -> None:
        super().__init__(config)
        self.build_semantic()
        self.glyph_bank, self.glyph_positions, self.image_classification = None, None, None
        if config.use_glyphs:
            self.positions = config.num_positions
            self.glyph_bank = GlyceBank(config)
            self.glyph_positions = GlyphPositions(config)
        if config.use_glyphs and config.use_image_loss:
            self.image_classification = ImageClassification(config)
        self.task_layers = build_task_layers(config)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | GlyceModelOutput:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64; all 0 where the semantic encoder knows no types. None is all 0. Glyphs have
                none.
            position_ids: [B, L] or [1, L] int64, as the semantic encoder counts; None leaves it to it, and the glyphs
                count from 0.
            inputs_embeds: [B, L, H] in place of input_ids; glyph_ids are then needed.
            glyph_ids: [B, L] int64, row of the glyph bank, 0..N-1, or N + i for image i of the example's
                `extra_glyphs`. None is input_ids, as the first rows are those of the vocabulary. [CLS], [SEP] and
                tokens of several characters have rows like all others, with a blank image. Not read where `use_glyphs`
                is False.
            extra_glyphs: [B, E, F*h*w] uint8, foreground 255 on background 0: each example's characters that the bank
                does not hold; blank rows are padding. Not read where `use_glyphs` is False.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, D + H] behind the layers of the task, at padding any values; with
            task_layer="bimpm", which gives pooler_output [B, D + H] for a pair, that in front of them. image_loss in
            training. hidden_states and attentions are those of the semantic encoder, where they are wanted.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape, an id or a length that does not fit.
            TypeError: an input that the model does not have.
        """
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids,
                 "position_ids": position_ids, "inputs_embeds": inputs_embeds}  # fmt: skip
        out = self.encode_text(texts, kwargs)
        hidden, pair, image_loss = out.last_hidden_state, None, None  # [B, L, H]
        if self.glyph_bank is not None:
            rows = bank_rows(input_ids, glyph_ids, extra_glyphs, hidden.shape[:2], "use_glyphs=False")
            vectors = self.glyph_bank(rows, extra_glyphs)  # [B, L, D]
            image_loss = self._image_loss(rows, vectors, attention_mask)
            glyphs = self.glyph_positions(vectors, position_ids)
            hidden = torch.cat([glyphs.to(hidden.dtype), hidden], dim=-1)  # [B, L, D + H], glyphs first as published
        if self.config.task_layer == "bimpm":
            ids = glyph_ids if input_ids is None else input_ids
            pair = self.task_layers.match(hidden, ids, attention_mask, token_type_ids)
        elif self.task_layers is not None:
            hidden = self.task_layers(hidden, attention_mask)
        return GlyceModelOutput(
            last_hidden_state=hidden,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            pooler_output=pair,
            image_loss=image_loss,
        )

    def _image_loss(self, rows: Tensor, vectors: Tensor, attention_mask: Tensor | None) -> Tensor | None:
        """L_cls of the characters of a batch whose images have ink; None where there is nothing to learn from it."""
        learns = self.training and any(weight.requires_grad for weight in self.glyph_bank.parameters())
        if self.image_classification is None or not learns:
            return None
        scored = self.glyph_bank.has_ink(rows) & takes_part(rows, attention_mask, ())  # [B, L]
        return self.image_classification(rows, vectors, scored)


class GlyceTaskModel(GlycePreTrainedModel):
    """A GlyceModel under the name `glyce`, for a task's layers on it."""

    extra_inputs = ("glyph_ids", "extra_glyphs")

    def __init__(self, config: GlyceConfig) -> None:
        super().__init__(config)
        allowed = f"any other in {type(self).__name__}: bimpm gives a vector of a pair of texts, and none of a token"
        require(config, config.task_layer != "bimpm" or self.reads != "tokens", "task_layer", "bimpm", allowed)
        self.vector_inputs = {"extra_glyphs": len(config.glyph_styles) * config.glyph_size**2}
        self.glyce = GlyceModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)

    def sequence_vector(self, out: GlyceModelOutput) -> Tensor:
        """The vector of the first token, [CLS], or of a pair where the layers of the task give one: [B, D + H]."""
        return out.last_hidden_state[:, 0] if out.pooler_output is None else out.pooler_output


class GlyceForTokenClassification(ForTokenClassification, GlyceTaskModel):
    """Labels every token; the paper's labels come from a CRF (`classifier="crf"`)."""


class GlyceForSequenceClassification(ForSequenceClassification, GlyceTaskModel):
    """Classifies texts or pairs of texts."""


class GlyceForQuestionAnswering(ForQuestionAnswering, GlyceTaskModel):
    """Scores every token as the start and as the end of an answer."""


class GlyceForMultipleChoice(ForMultipleChoice, GlyceTaskModel):
    """Scores each of C choices."""


AUTO_CLASSES = {
    "AutoModel": GlyceModel,
    "AutoModelForTokenClassification": GlyceForTokenClassification,
    "AutoModelForSequenceClassification": GlyceForSequenceClassification,
    "AutoModelForQuestionAnswering": GlyceForQuestionAnswering,
    "AutoModelForMultipleChoice": GlyceForMultipleChoice,
}
register(AUTO_CLASSES)

__all__ = [
    "GlyceForMultipleChoice",
    "GlyceForQuestionAnswering",
    "GlyceForSequenceClassification",
    "GlyceForTokenClassification",
    "GlyceModel",
    "GlycePreTrainedModel",
]

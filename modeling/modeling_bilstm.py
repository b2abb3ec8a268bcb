"""BiLSTMs over characters, with glyphs beside their ids: hosts of the "vanilla version" of Glyce (section 3).

    e = dropout([embedding(id) ; glyph])            input_embeddings.py                         [B, L, I + D]
    h = dropout(BiLSTM(e)), `num_hidden_layers` times                                           [B, L, H]
    taggers: labels from a CRF (`classifier="crf"`: CRF-LSTM of Table 2)
    classifiers: one vector of a text, the maximum over its tokens (LSTM of Table 6)            [B, H]
    L = (1 - lambda(t)) L_task + lambda(t) L_cls    image_loss_schedule.py

Axes: B batch, L length, I embedding_dim, D glyph_dim, H hidden_size, N rows of the glyph bank, E further characters of
an example, F*h*w values of a character's glyph images.
"""

from torch import Tensor, nn
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .bilstm import BiLSTMLayers
from .configuration_bilstm import BiLstmConfig
from .image_loss_schedule import ImageLossSchedule
from .input_embeddings import CharacterEmbedding
from .recurrent_model import RecurrentModelOutput, RecurrentPreTrainedModel, max_over_tokens
from .task_heads import ForMultipleChoice, ForQuestionAnswering, ForSequenceClassification
from .token_heads import ForTokenClassification


class BiLstmPreTrainedModel(RecurrentPreTrainedModel):
    """What all BiLstm models share."""

    config: BiLstmConfig
    base_model_prefix = "bilstm"


class BiLstmModel(ImageLossSchedule, BiLstmPreTrainedModel):
    """The input vectors and the BiLSTMs: one vector for every token."""

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.embeddings = CharacterEmbedding(config)
        self.lstm = BiLSTMLayers(config.input_size, config.hidden_size, config.num_hidden_layers, config.hidden_dropout)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | RecurrentModelOutput:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64, as tokenizers make them; not read: [SEP] stands between the texts of a pair.
            position_ids: refused: an LSTM reads tokens in their order.
            inputs_embeds: [B, L, I] in place of input_ids; glyph_ids are then needed.
            glyph_ids: [B, L] int64, row of the glyph bank, 0..N-1, or N + i for image i of the example's
                `extra_glyphs`. None is input_ids, as the first rows are those of the vocabulary. Not read where
                `glyce` is False.
            extra_glyphs: [B, E, F*h*w] uint8, foreground 255 on background 0: each example's characters that the bank
                does not hold; blank rows are padding. Not read where `glyce` is False.
            kwargs: output_hidden_states, return_dict.

        Returns:
            last_hidden_state [B, L, H], 0 at padding; pooler_output [B, H], the maximum over the tokens; image_loss in
            training. hidden_states, where they are wanted: the input vectors [B, L, I + D] and those behind each
            BiLSTM.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape or an id that does not fit; position_ids.
            TypeError: an input that the model does not have, or that is no tensor.
        """
        wanted = self.read_options(kwargs, position_ids)
        vectors, image_loss = self.embeddings(input_ids, glyph_ids, extra_glyphs, inputs_embeds, attention_mask)
        layers = self.lstm.all_layers(vectors, attention_mask)  # [B, L, H] each
        return RecurrentModelOutput(
            last_hidden_state=layers[-1],
            pooler_output=max_over_tokens(layers[-1], attention_mask),
            hidden_states=(vectors, *layers) if wanted else None,
            image_loss=image_loss,
        )


class BiLstmTaskModel(BiLstmPreTrainedModel):
    """A BiLstmModel under the name `bilstm`, for a task's layers on it."""

    extra_inputs = ("glyph_ids", "extra_glyphs")

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"extra_glyphs": len(config.glyph_styles) * config.glyph_size**2}
        self.bilstm = BiLstmModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)

    def sequence_vector(self, out: RecurrentModelOutput) -> Tensor:
        """The maximum over the tokens of a text: [B, H]."""
        return out.pooler_output


class BiLstmForTokenClassification(ForTokenClassification, BiLstmTaskModel):
    """Labels every token; with `classifier="crf"` a BiLSTM-CRF."""


class BiLstmForSequenceClassification(ForSequenceClassification, BiLstmTaskModel):
    """Classifies texts or pairs of texts."""


class BiLstmForQuestionAnswering(ForQuestionAnswering, BiLstmTaskModel):
    """Scores every token as the start and as the end of an answer."""


class BiLstmForMultipleChoice(ForMultipleChoice, BiLstmTaskModel):
    """Scores each of C choices."""


AUTO_CLASSES = {
    "AutoModel": BiLstmModel,
    "AutoModelForTokenClassification": BiLstmForTokenClassification,
    "AutoModelForSequenceClassification": BiLstmForSequenceClassification,
    "AutoModelForQuestionAnswering": BiLstmForQuestionAnswering,
    "AutoModelForMultipleChoice": BiLstmForMultipleChoice,
}
register(AUTO_CLASSES)

__all__ = [
    "BiLstmForMultipleChoice",
    "BiLstmForQuestionAnswering",
    "BiLstmForSequenceClassification",
    "BiLstmForTokenClassification",
    "BiLstmModel",
    "BiLstmPreTrainedModel",
]

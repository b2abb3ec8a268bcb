"""BiMPM (Wang et al., 2017) over words or characters, with glyphs beside their ids: a host of Glyce (section 3).

    e = dropout([embedding(id) ; glyphs of the word])   input_embeddings.py                     [B, T, I + D]
    v = BiMPM of the two sentences                      bimpm.py                                [B, H]
    logits = Linear(dropout(v))                                                                 [B, K]
    L = (1 - lambda(t)) L_task + lambda(t) L_cls        image_loss_schedule.py

Axes: B pairs, T words of a pair, W characters of the longest word, I embedding_dim, D glyph_dim, H hidden_size, K
labels, N rows of the glyph bank, E further characters of an example, F*h*w values of a character's glyph images.
"""

import torch
from torch import Tensor, nn
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .bimpm import BiMpmLayers, MultiPerspectiveMatching, split_pair
from .checks import check_ids, check_tensors
from .configuration_bimpm import BiMpmConfig
from .image_loss_schedule import ImageLossSchedule
from .input_embeddings import WordEmbedding
from .recurrent_model import RecurrentModelOutput, RecurrentPreTrainedModel
from .task_heads import ForSequenceClassification
from .token_rows import is_token


class BiMpmPreTrainedModel(RecurrentPreTrainedModel):
    """What all BiMpm models share."""

    config: BiMpmConfig
    base_model_prefix = "bimpm"
    main_input_name = "word_ids"
    ids_are_rows = False
    reads_pairs = True  # run_classification.py refuses single texts

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As all hosts; the perspectives by He et al."""
        if isinstance(module, MultiPerspectiveMatching):
            module.reset_parameters()
        else:
            super()._init_weights(module)


class BiMpmModel(ImageLossSchedule, BiMpmPreTrainedModel):
    """The input vectors and the matching of two sentences: one vector of every pair."""

    def __init__(self, config: BiMpmConfig) -> None:
        super().__init__(config)
        self.embeddings = WordEmbedding(config)
        sizes = config.hidden_size, config.num_perspectives, config.hidden_size
        self.layers = BiMpmLayers(config.input_size, *sizes, config.num_hidden_layers, config.hidden_dropout)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, word_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                glyph_ids: Tensor | None = None, extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | RecurrentModelOutput:  # fmt: skip
        """Matches the two sentences of every pair. The inputs are the same for every head.

        Args:
            word_ids: [B, T] int64, 0..V-1: the words (or characters) of both sentences, after each other.
            attention_mask: [B, T], 1 = word, 0 = padding; None takes all as words.
            token_type_ids: [B, T] int64, 0 = word of the first sentence, 1 = of the second. A sentence of a pair may be
                empty, which is matched with nothing; where every second one of a batch is, that is warned of once.
            inputs_embeds: [B, T, I] in place of word_ids.
            glyph_ids: [B, T, W] int64, the rows of a word's characters in the glyph bank, 1..N-1, or N + i for image i
                of the example's `extra_glyphs`; 0 and all below are no characters. Not read where `glyce` is False.
            extra_glyphs: [B, E, F*h*w] uint8, foreground 255 on background 0: each example's characters that the bank
                does not hold; blank rows are padding. Not read where `glyce` is False.
            kwargs: output_hidden_states, return_dict.

        Returns:
            last_hidden_state [B, T, H], the words behind the matching, 0 at padding; pooler_output [B, H], the vector
            of the pair; image_loss in training. hidden_states, where they are wanted: the input vectors [B, T, I + D]
            and last_hidden_state.

        Raises:
            ValueError: token_type_ids are missing; word_ids and inputs_embeds both or neither; a shape or an id that
                does not fit.
            TypeError: an input that the model does not have, or that is no tensor.
        """
        wanted = self.read_options(kwargs)
        vectors, image_loss = self.embeddings(word_ids, glyph_ids, extra_glyphs, inputs_embeds, attention_mask)
        check_tensors({"token_type_ids": token_type_ids})
        check_ids("token_type_ids", token_type_ids, 2, "two sentences", "0 is the first sentence, 1 the second")
        words = is_token(vectors, attention_mask)
        if token_type_ids is not None and token_type_ids.shape != words.shape:
            raise ValueError(
                f"token_type_ids have the shape {tuple(token_type_ids.shape)}; needed is {tuple(words.shape)}: one for "
                "each word"
            )
        hidden, pair = self.layers(vectors, *split_pair(token_type_ids, words, some_empty=True))
        return RecurrentModelOutput(
            last_hidden_state=hidden,
            pooler_output=pair,
            hidden_states=(vectors, hidden) if wanted else None,
            image_loss=image_loss,
        )


class BiMpmTaskModel(BiMpmPreTrainedModel):
    """A BiMpmModel under the name `bimpm`, for a task's layers on it."""

    extra_inputs = ("word_ids", "glyph_ids", "extra_glyphs")

    def __init__(self, config: BiMpmConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"extra_glyphs": len(config.glyph_styles) * config.glyph_size**2}
        self.bimpm = BiMpmModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)

    def sequence_vector(self, out: RecurrentModelOutput) -> Tensor:
        """The vector of a pair: [B, H]."""
        return out.pooler_output


class BiMpmForSequenceClassification(ForSequenceClassification, BiMpmTaskModel):
    """Classifies pairs of sentences."""


AUTO_CLASSES = {
    "AutoModel": BiMpmModel,
    "AutoModelForSequenceClassification": BiMpmForSequenceClassification,
}
register(AUTO_CLASSES)

__all__ = ["BiMpmForSequenceClassification", "BiMpmModel", "BiMpmPreTrainedModel"]

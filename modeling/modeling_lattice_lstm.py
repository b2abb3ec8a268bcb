"""Lattice-LSTM (Zhang and Yang, 2018): a tagger of characters that reads the words of a lexicon beside them.

    e = dropout([embedding(id) ; glyph])            input_embeddings.py                         [B, L, I + D]
    h = [forward LatticeLSTM(e) ; backward one]     lattice_lstm.py                             [B, L, H]
    labels from a CRF over h (`classifier="crf"`: Lattice-LSTM of Glyce's Table 2)
    L = (1 - lambda(t)) L_task + lambda(t) L_cls    image_loss_schedule.py

Axes: B batch, L length, M words of the text that has most, I embedding_dim, D glyph_dim, H hidden_size, N rows of the
glyph bank, E further characters of an example, F*h*w values of a character's glyph images.
"""

import torch
from torch import Tensor, nn
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .checks import check_ids, check_plain, check_tensors
from .configuration_lattice_lstm import LatticeLstmConfig
from .image_loss_schedule import ImageLossSchedule
from .input_embeddings import CharacterEmbedding
from .lattice_lstm import CharacterCell, LatticeLSTM, WordCell
from .recurrent_model import RecurrentModelOutput, RecurrentPreTrainedModel, max_over_tokens
from .token_heads import ForTokenClassification
from .token_rows import is_token

LEXICON = "Were lexicon and model saved together?"


class LatticeLstmPreTrainedModel(RecurrentPreTrainedModel):
    """What all Lattice-LSTM models share."""

    config: LatticeLstmConfig
    base_model_prefix = "lattice_lstm"
    _no_split_modules = ["GlyceBank", "LatticeLSTM"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As the other hosts, the vectors of words too; the cells of Lattice-LSTMs as published."""
        super()._init_weights(module)
        if isinstance(module, CharacterCell | WordCell):
            module.reset_parameters()

    def resize_words(self, num_words: int) -> None:
        """Cuts the tables of words to so many rows, or adds new ones, for a lexicon with words added at its end.

        Args:
            num_words: words of the lexicon, >= 1.

        Raises:
            ValueError: there would be no word.
            TypeError: a table is adapted or quantized.
        """
        if num_words < 1:
            raise ValueError(f"num_words={num_words} is not allowed; allowed is an integer of 1 or more")
        base = self.base_model
        for lstm in (base.forwards, base.backwards):
            check_plain(lstm.word_emb, nn.Embedding)
            lstm.word_emb = self._get_resized_embeddings(lstm.word_emb, num_words, mean_resizing=False)
        self.config.num_words = num_words


class LatticeLstmModel(ImageLossSchedule, LatticeLstmPreTrainedModel):
    """The input vectors and a Lattice-LSTM in each direction: one vector for every token."""

    def __init__(self, config: LatticeLstmConfig) -> None:
        super().__init__(config)
        self.embeddings = CharacterEmbedding(config)
        self.forwards, self.backwards = (
            LatticeLSTM(
                config.input_size,
                config.hidden_size // 2,
                config.word_size,
                config.num_words,
                reverse=reverse,
                word_dropout=config.word_dropout,
            )
            for reverse in (False, True)
        )
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None, lexicon_ids: Tensor | None = None,
                lexicon_spans: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | RecurrentModelOutput:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding on either side; None takes all as tokens.
            token_type_ids: [B, L] int64, as tokenizers make them; not read.
            position_ids: refused: an LSTM reads tokens in their order.
            inputs_embeds: [B, L, I] in place of input_ids; glyph_ids are then needed.
            glyph_ids: [B, L] int64, row of the glyph bank, 0..N-1, or N + i for image i of the example's
                `extra_glyphs`; None is input_ids. Not read where `glyce` is False.
            extra_glyphs: [B, E, F*h*w] uint8, images of characters that the bank does not hold, see `BiLstmModel`.
            lexicon_ids: [B, M] int64, words of the lexicon in each text, 1..num_words; 0 is padding. M may be 0.
            lexicon_spans: [B, M, 2] int64, the first and the last token of each word, ends inclusive, counted from the
                text's first token, [CLS]; padding on the left is not counted, so that a span is the same in any batch.
            kwargs: output_hidden_states, return_dict.

        Returns:
            last_hidden_state [B, L, H], 0 at padding; pooler_output [B, H], the maximum over the tokens; image_loss in
            training. hidden_states, where they are wanted: the input vectors [B, L, I + D] and last_hidden_state.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape or an id that does not fit; position_ids; words
                that are missing, do not exist, or stand outside of their text.
            TypeError: an input that the model does not have, or that is no tensor.
        """
        wanted = self.read_options(kwargs, position_ids)
        check_tensors({"lexicon_ids": lexicon_ids, "lexicon_spans": lexicon_spans})
        vectors, image_loss = self.embeddings(input_ids, glyph_ids, extra_glyphs, inputs_embeds, attention_mask)
        mask = is_token(vectors, attention_mask)
        words = self._words(mask, lexicon_ids, lexicon_spans)
        both = [lstm(vectors, mask, *words)[0] for lstm in (self.forwards, self.backwards)]
        hidden = self.dropout(torch.cat(both, dim=-1))  # [B, L, H]
        return RecurrentModelOutput(
            last_hidden_state=hidden,
            pooler_output=max_over_tokens(hidden, attention_mask),
            hidden_states=(vectors, hidden) if wanted else None,
            image_loss=image_loss,
        )

    def _words(self, mask: Tensor, ids: Tensor | None, spans: Tensor | None) -> tuple[Tensor, Tensor]:
        """What a LatticeLSTM reads: numbers of words [B, M], -1 for padding, and their positions [B, M, 2].

        The batch has names and numbers of its own, as transformers' pipelines take `word_ids` for those of a tokenizer,
        and pad what they do not know with 0.
        """
        if ids is None or spans is None:
            raise ValueError(
                f"{'lexicon_ids' if ids is None else 'lexicon_spans'} are missing: pass the text through the tokenizer "
                "that was saved with the model, whose batch has them; a batch without words has lexicon_ids [B, 0] and "
                "lexicon_spans [B, 0, 2]"
            )
        if spans.shape != (*ids.shape, 2) or ids.dim() != 2 or len(ids) != len(mask):
            raise ValueError(
                f"lexicon_ids and lexicon_spans have the shapes {tuple(ids.shape)} and {tuple(spans.shape)}; needed "
                f"are [B, M] and [B, M, 2] with B = {len(mask)}"
            )
        check_ids("lexicon_ids", ids, self.config.num_words + 1, "0 = padding, 1 = the lexicon's first word", LEXICON)
        before = (~mask).long().cumprod(1).sum(1)  # [B], padding on the left
        return ids - 1, spans + before[:, None, None]


class LatticeLstmTaskModel(LatticeLstmPreTrainedModel):
    """A LatticeLstmModel under the name `lattice_lstm`, for a task's layers on it."""

    extra_inputs = ("glyph_ids", "extra_glyphs", "lexicon_ids", "lexicon_spans")

    def __init__(self, config: LatticeLstmConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"extra_glyphs": len(config.glyph_styles) * config.glyph_size**2}
        self.lattice_lstm = LatticeLstmModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)


class LatticeLstmForTokenClassification(ForTokenClassification, LatticeLstmTaskModel):
    """Labels every token; the paper's labels come from a CRF (`classifier="crf"`)."""


AUTO_CLASSES = {
    "AutoModel": LatticeLstmModel,
    "AutoModelForTokenClassification": LatticeLstmForTokenClassification,
}
register(AUTO_CLASSES)

__all__ = ["LatticeLstmForTokenClassification", "LatticeLstmModel", "LatticeLstmPreTrainedModel"]

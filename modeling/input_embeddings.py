"""The input vectors of Glyce's hosts: ids, glyphs, or both side by side, of characters or of words.

    g = CNN(glyph images), of a word the maximum over its characters ("Glyce-word")            [B, L, D]
    e = dropout([embedding(id) ; dropout(g)])                                                  [B, L, I + D]

`config.glyce` is the switch; with `embedding_dim=0` there are glyphs alone. Every distinct character of a batch is
encoded once, and at inference once for all batches: see character_bank.py.

Axes: B batch, L length in characters or words, W characters of the longest word, I embedding_dim, D glyph_dim, V ids, N
rows of the glyph bank, X further characters of an example, F*h*w values of a character's glyph images.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .checks import check_ids, check_mask, check_tensors
from .configuration_recurrent import RecurrentConfig
from .glyce_bank import GlyceBank, bank_rows
from .glyce_embeddings import GlyceEmbedding
from .glyce_words import GlyceWordEmbedding
from .image_classification import ImageClassification
from .token_rows import is_token

NO_CHARACTER = 0  # row of the bank that stands for no character of a word, as do all below 0


class HostGlyphs(GlyceEmbedding):
    """Glyph vectors for a model whose tokenizer numbers the rows, and renders further characters on the fly.

    Args:
        config: the fields of the CNN.
        padding: the row that trains nothing; None: there is none.
        classes: characters that the image classification tells apart.
    """

    bank_class = GlyceBank
    keeps_weights = False  # hosts know how a CNN is initialised

    def __init__(self, config: RecurrentConfig, padding: int | None, classes: int) -> None:
        super().__init__(config, features="glyph", classes=classes)
        self.padding_idx = padding

    def _checked(self, ids: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Ids as they are: the bank checks them, and knows what a tokenizer's open ids are."""
        return ids


class InputEmbedding(nn.Module):
    """Base of the input vectors of characters and of words.

    Args:
        config: sizes, the switch and dropouts.
        glyphs: the vectors of glyphs; None without.

    Attributes:
        ids: the table of ids, an `nn.Embedding`.
        glyphs: the vectors of glyphs, or None.
        glyph_bank: the bank of glyph images, or None.
        image_classification: the classifier of images, or None.
    """

    name = "input_ids"

    def __init__(self, config: RecurrentConfig, glyphs: nn.Module | None) -> None:
        super().__init__()
        self.config = config
        self.ids = nn.Embedding(config.vocab_size, config.embedding_dim, padding_idx=config.pad_token_id)
        self.glyphs = glyphs
        self.dropout = nn.Dropout(config.embedding_dropout)

    @property
    def characters(self) -> HostGlyphs | None:
        """The vectors of characters' glyphs."""
        return getattr(self.glyphs, "characters", self.glyphs)

    @property
    def glyph_bank(self) -> GlyceBank | None:
        """The bank of glyph images."""
        return None if self.characters is None else self.characters.bank

    @property
    def image_classification(self) -> ImageClassification | None:
        """The classifier of images."""
        return None if self.characters is None else self.characters.classification

    def forward(
        self,
        ids: Tensor | None,
        glyph_ids: Tensor | None = None,
        extra_glyphs: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Embeds a batch.

        Args:
            ids: int64 [B, L], 0..V-1. That of padding has the vector 0 and trains nothing.
            glyph_ids: int64 [B, L] (words: [B, L, W]), rows of the bank; N + i is image i of the example's
                `extra_glyphs`. Not read without glyphs.
            extra_glyphs: uint8 [B, X, F*h*w], each example's characters outside of the bank; blank rows are padding.
                Not read without glyphs.
            inputs_embeds: [B, L, I] in place of `ids`; glyph_ids are then needed.
            attention_mask: [B, L], 1 = token: which tokens count in the image-classification loss.

        Returns:
            Vectors [B, L, I + D], behind the dropout; the image-classification loss, a scalar, in training only, and
            None where the CNN is frozen.

        Raises:
            ValueError: ids and inputs_embeds both or neither; a shape or an id that does not fit; rows are missing; a
                mask of another shape, or of other values than 0 and 1.
            TypeError: an input is no tensor.
        """
        rest = {"glyph_ids": glyph_ids, "extra_glyphs": extra_glyphs, "attention_mask": attention_mask}
        check_tensors({self.name: ids, "inputs_embeds": inputs_embeds, **rest})
        vectors, loss = self._embed(ids, inputs_embeds), None  # [B, L, I]
        check_mask(attention_mask, vectors.shape[:2])
        if self.glyphs is not None:
            rows = self.rows(ids, glyph_ids, extra_glyphs, vectors.shape[:2])
            glyphs, loss = self._look(rows, is_token(vectors, attention_mask), extra_glyphs)
            vectors = torch.cat([vectors, glyphs.to(vectors.dtype)], dim=-1)
        return self.dropout(vectors), loss

    def rows(
        self, ids: Tensor | None, glyph_ids: Tensor | None, extra_glyphs: Tensor | None, shape: Sequence[int]
    ) -> Tensor:
        """The rows of the bank that a batch of the shape (B, L) shows: [B, L], of words [B, L, W].

        Raises:
            ValueError: they are missing, or have another shape than the text.
        """
        raise NotImplementedError

    def _embed(self, ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        """Ids [B, L] or vectors [B, L, I] -> [B, L, I]."""
        given = {self.name: ids, "inputs_embeds": inputs_embeds}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1 or next(iter(given.values())).dim() != (2 if ids is not None else 3):
            found = {name: tuple(value.shape) for name, value in given.items()}
            raise ValueError(
                f"exactly one is needed of {self.name} [B, L] and inputs_embeds [B, L, I]; given are {found}"
            )
        if inputs_embeds is None:
            check_ids(self.name, ids, self.config.vocab_size, "vocab_size")
            return self.ids(ids)
        width = self.config.embedding_dim
        if inputs_embeds.shape[-1] != width:
            raise ValueError(
                f"inputs_embeds has the shape {tuple(inputs_embeds.shape)}; needed is [B, L, {width}], vectors as "
                f"get_input_embeddings()({self.name}) gives them"
            )
        return inputs_embeds

    def _look(self, rows: Tensor, mask: Tensor, extra_glyphs: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Rows [B, L] or [B, L, W] -> vectors [B, L, D], 0 at padding; the loss, where there is something to learn."""
        learns = self.training and any(weight.requires_grad for weight in self.glyph_bank.parameters())
        if learns and self.image_classification is not None:
            return self.glyphs.forward_with_loss(rows, mask, extra_glyphs)
        return self.glyphs(rows, extra_glyphs), None


class CharacterEmbedding(InputEmbedding):
    """The input vectors of characters, whose ids are the first rows of the glyph bank."""

    def __init__(self, config: RecurrentConfig) -> None:
        glyphs = HostGlyphs(config, config.pad_token_id, config.vocab_size) if config.use_glyphs else None
        super().__init__(config, glyphs)
        self.padding = config.pad_token_id

    def rows(
        self, ids: Tensor | None, glyph_ids: Tensor | None, extra_glyphs: Tensor | None, shape: Sequence[int]
    ) -> Tensor:
        """See `bank_rows`."""
        return bank_rows(ids, glyph_ids, extra_glyphs, shape, "glyce=False")

    def _look(self, rows: Tensor, mask: Tensor, extra_glyphs: Tensor | None) -> tuple[Tensor, Tensor | None]:
        vectors, loss = super()._look(rows, mask, extra_glyphs)
        if self.padding is not None:
            # a blank image has a vector too
            vectors = vectors.masked_fill((rows == self.padding)[..., None], 0)
        return vectors, loss


class WordEmbedding(InputEmbedding):
    """The input vectors of words: beside that of the id the maximum over the glyph vectors of its characters."""

    name = "word_ids"

    def __init__(self, config: RecurrentConfig) -> None:
        glyphs = None
        if config.use_glyphs:
            glyphs = GlyceWordEmbedding(HostGlyphs(config, NO_CHARACTER, config.num_glyphs))
        super().__init__(config, glyphs)

    def rows(
        self, ids: Tensor | None, glyph_ids: Tensor | None, extra_glyphs: Tensor | None, shape: Sequence[int]
    ) -> Tensor:
        """`glyph_ids`: the rows of a word's characters do not follow from its id."""
        if glyph_ids is None or glyph_ids.dim() != 3 or glyph_ids.shape[:2] != shape:
            found = "missing" if glyph_ids is None else tuple(glyph_ids.shape)
            raise ValueError(
                f"glyph_ids are {found}; needed is [B, T, W] with (B, T) = {tuple(shape)}, the rows of each word's "
                "characters: pass the text through the tokenizer that was saved with the model, whose batch has them; "
                "or build the model with glyce=False"
            )
        return glyph_ids


__all__ = ["CharacterEmbedding", "InputEmbedding", "WordEmbedding"]

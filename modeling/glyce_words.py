"""Word embeddings out of the glyphs of a word's characters ("Glyce-word").

Axes: B batch, L words, W characters of the longest word, X further characters of an example, E width of a character's
vector, K width of a word's.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .glyce_embeddings import GlyceEmbedding


class GlyceWordEmbedding(nn.Module):
    """Embeds words: the maximum over the vectors of their characters, or over those of their n-grams.

    Put it beside the embeddings of the words' ids: `torch.cat([word_ids_embedded, embedding(words)], -1)`.

    Args:
        characters: embeds the characters; may be shared with other parts of a model.
        pooling: "max"; or "cnn": a convolution over n-grams of characters, a ReLU, and then the maximum.
        ngram: characters of an n-gram, with "cnn". The last ones of a word go on with zeros, so that a word that is
            shorter has one too.
        word_dim: K with "cnn"; None is E. With "max" it is always E.

    Attributes:
        embedding_dim: K, the width of the vectors.

    Raises:
        ValueError: an argument that is not allowed.

    Example:
        >>> embedding = GlyceWordEmbedding(GlyceEmbedding(config, images), pooling="cnn", word_dim=300)
        >>> vectors = embedding(torch.tensor([[[1, 2], [3, -1]]]))  # two words, of two characters and of one
        >>> vectors.shape
        torch.Size([1, 2, 300])
    """

    def __init__(
        self,
        characters: GlyceEmbedding,
        pooling: Literal["max", "cnn"] = "max",
        *,
        ngram: int = 2,
        word_dim: int | None = None,
    ) -> None:
        super().__init__()
        _check(pooling, ngram, word_dim, characters.embedding_dim)
        self.characters, self.ngram = characters, ngram
        self.embedding_dim = word_dim or characters.embedding_dim
        size = characters.embedding_dim
        self.convolution = nn.Conv1d(size, self.embedding_dim, ngram) if pooling == "cnn" else None

    def forward(self, words: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Embeds words.

        Args:
            words: int64 [B, L, W], or any shape before W: ids of each word's characters. The id of padding
                (`characters.padding_idx`) and all below 0 are no characters, wherever they stand.
            extra_glyphs: uint8 [B, X, F*h*w], each example's characters outside of the bank: see `GlyceEmbedding`.

        Returns:
            [B, L, K]; a word without characters is 0.

        Raises:
            ValueError: an id that does not exist (seen on the CPU only); extra_glyphs that do not fit.
        """
        ids, present = self._characters(words)
        return self._pool(self.characters(ids, extra_glyphs), present)

    def image_loss(self, words: Tensor, mask: Tensor | None = None, extra_glyphs: Tensor | None = None) -> Tensor:
        """The image-classification loss over the characters of words [B, L, W]: see `GlyceEmbedding.image_loss`.

        Args:
            words: int64 [B, L, W], see `forward`.
            mask: bool or 0 and 1, [B, L]: whether a word's characters count; None counts all.
            extra_glyphs: see `forward`.
        """
        ids, present = self._characters(words)
        return self.characters.image_loss(ids, _of_words(present, mask), extra_glyphs)

    def forward_with_loss(
        self, words: Tensor, mask: Tensor | None = None, extra_glyphs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`forward` and `image_loss` of one batch, whose characters are encoded once: for training."""
        ids, present = self._characters(words)
        vectors, loss = self.characters.forward_with_loss(ids, _of_words(present, mask), extra_glyphs)
        return self._pool(vectors, present), loss

    def _characters(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Words [..., W] -> ids that exist, and which of them are characters, bool [..., W]."""
        if not words.shape[-1]:
            words = F.pad(words, (0, 1), value=-1)  # a maximum needs one place
        present = words >= 0
        if self.characters.padding_idx is not None:
            present &= words != self.characters.padding_idx
        return words.masked_fill(~present, self.characters.padding_idx or 0), present

    def _pool(self, vectors: Tensor, present: Tensor) -> Tensor:
        """Vectors [..., W, E], bool [..., W] -> [..., K]."""
        absent = ~present[..., None]
        if self.convolution is not None:
            # an n-gram starts at every character; zeros follow the last one, however long other words are
            padded = F.pad(vectors.masked_fill(absent, 0), (0, 0, 0, self.ngram - 1)).flatten(0, -3)
            grams = self.convolution(padded.transpose(1, 2)).relu()  # [M, K, W]
            vectors = grams.transpose(1, 2).reshape(*present.shape, self.embedding_dim)
        lowest = torch.finfo(vectors.dtype).min
        found = vectors.masked_fill(absent, lowest).amax(-2)
        return found.masked_fill(~present.any(-1, keepdim=True), 0)


def _of_words(present: Tensor, mask: Tensor | None) -> Tensor:
    """Which characters count, bool [B, L, W]: those of the words of a mask [B, L]."""
    if mask is None:
        return present
    if mask.shape != present.shape[:-1]:
        shape = tuple(present.shape[:-1])
        raise ValueError(f"mask has the shape {tuple(mask.shape)}; needed is that of words, {shape}: one for each word")
    return present & mask.bool()[..., None]


def _check(pooling: str, ngram: int, word_dim: int | None, size: int) -> None:
    if pooling not in ("max", "cnn"):
        raise ValueError(f"pooling={pooling!r} is not allowed; allowed is 'max' or 'cnn'")
    for name, value in (("ngram", ngram), ("word_dim", size if word_dim is None else word_dim)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value} is not allowed; allowed is an integer of 1 or more")
    if pooling == "max" and word_dim not in (None, size):
        raise ValueError(
            f"word_dim={word_dim} is not allowed with pooling='max', whose vectors are as wide as those of the "
            f"characters ({size}); leave it out, take pooling='cnn', or give the characters another output_dim"
        )


__all__ = ["GlyceWordEmbedding"]

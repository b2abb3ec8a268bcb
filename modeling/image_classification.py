"""Image classification: which character is it? The auxiliary objective of Glyce (section 2.3, Eq. 1).

    L_cls = -log softmax(W g + b)[id]      over the distinct characters of a batch, each weighted by its count

Copies of a character have one vector, so that this is the mean over tokens, for a tenth of the work. As in the paper, a
class is an id of the vocabulary: characters that only the bank of glyph images has, some 32,000 by default, are not
scored. With classes for them a training step takes about 15 % longer.

Axes: B batch, L length, D glyph_dim, V characters of the vocabulary, T tokens that count, U distinct characters among
them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration_glyph_cnn import GlyphCnnConfig
from .tracing import is_traced


class ImageClassification(nn.Module):
    """A classifier of glyph vectors, and its loss.

    Args:
        config: sizes: `glyph_dim` D.
        classes: V; None is `vocab_size`. Where ids are words, the classes are the rows of the bank: characters.
    """

    def __init__(self, config: GlyphCnnConfig, classes: int | None = None) -> None:
        super().__init__()
        # not `classifier`: PEFT trains, and saves with an adapter, whatever has that name
        self.dense = nn.Linear(config.glyph_dim, config.vocab_size if classes is None else classes)

    def forward(self, ids: Tensor, vectors: Tensor, scored: Tensor) -> Tensor:
        """The mean loss of the tokens that count.

        Args:
            ids: int64 [B, L], or any shape. From V on they are no class, and never scored.
            vectors: [B, L, D], equal where the ids are: before dropout.
            scored: bool [B, L], which tokens count: those whose glyph image has ink.

        Returns:
            A scalar in float32, in float64 if the classifier is; 0 where nothing counts, with a gradient of 0.
        """
        classes = self.dense.out_features
        ids, vectors = ids.flatten(), vectors.reshape(-1, vectors.shape[-1])  # [B * L], [B * L, D]
        scored = scored.flatten() & (ids < classes)
        if is_traced(ids):  # how many are distinct must not be fixed in a graph
            losses = self._losses(ids.clamp(max=classes - 1), vectors)
            return (losses * scored).sum() / scored.sum().clamp(min=1)
        places = scored.nonzero()[:, 0]  # [T]
        distinct, inverse, counts = ids[places].unique(return_inverse=True, return_counts=True)
        # of each distinct character the first token: whichever, but always the same
        first = places.new_full(distinct.shape, len(ids)).scatter_reduce(0, inverse, places, "amin")  # [U]
        return (self._losses(distinct, vectors[first]) * counts).sum() / max(len(places), 1)

    def _losses(self, ids: Tensor, vectors: Tensor) -> Tensor:
        """Ids [U], vectors [U, D] -> losses [U]."""
        logits = self.dense(vectors)
        if logits.dtype != torch.float64:
            logits = logits.float()  # a sum of half precision would be none
        return F.cross_entropy(logits, ids, reduction="none")


__all__ = ["ImageClassification"]

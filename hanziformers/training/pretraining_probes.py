"""Probes of a model in pre-training: how far apart the vectors are by which it knows its characters.

A Transformer can tell characters apart only as far as their vectors differ. A table of ids starts with rows in all
directions; what a network makes of glyph images shares most of its direction from the start, and training may draw it
together until all characters look the same. The loss shows that late, these figures at once.

Axes: n characters, at most 500, H hidden.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..modeling.character_bank import CharacterBank
from ..modeling.chinese_bert_embeddings import ChineseBertEmbeddings
from .controls import chinese_characters

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

CHARACTERS = 500  # as many as there are directions in common sizes, and few beside those of an evaluation
SATURATED = 0.99  # there the slope of tanh is below .02, and hardly any gradient passes
# A collapse: at the start HanGlyph's effective rank is 6 % (24 px, H 128) to 30 % (48 px, H 768) of min(n, H), and the
# cosine to the nearest other character at most .997, so these are reached by training alone; .999 is an angle of 2.6°.
LEAST_RANK, GREATEST_COSINE = 0.05, 0.999


class CharacterProbes:
    """Measures the vectors of a model's characters, and warns, once, of a collapse.

    There is no effect on the model, but that the statistics of a `feature_norm` are estimated where they are due, as by
    every evaluation.

    The characters are Chinese ones of the vocabulary, evenly spaced by id, the same every time. Those whose glyph image
    in the bank is blank, or [UNK]'s in place of one that no font has, all look the same and are left out.

    Args:
        tokenizer: of the model.
        number: of characters, at most.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, number: int = CHARACTERS) -> None:
        size = max(tokenizer.get_vocab().values()) + 1  # a vocabulary may have gaps
        tokens = [token or "" for token in tokenizer.convert_ids_to_tokens(list(range(size)))]
        self._ids = torch.from_numpy(chinese_characters(tokens))
        self._unknown, self._number = tokenizer.unk_token_id, number
        self._warned = False

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        """Measures once.

        Args:
            model: in evaluation mode, not wrapped, and with whole weights, not sharded ones.

        Returns:
            The figures of `spread`, and vectors_saturation of vectors that pass a tanh, the ratio of their values
            beyond .99; {} where there are fewer than two characters.
        """
        bank = model.get_input_embeddings()
        has_bank = isinstance(bank, CharacterBank)
        ids = self._ids[_has_own_image(bank.glyphs, self._unknown)[self._ids]] if has_bank else self._ids
        if len(ids) < 2:
            return {}
        steps = np.linspace(0, len(ids) - 1, min(len(ids), self._number)).round().astype(np.int64)
        vectors = character_vectors(model, ids[steps])
        figures = spread(vectors)
        if has_bank:
            figures["vectors_saturation"] = float((vectors.abs() > SATURATED).float().mean())
        if not self._warned:
            self._warned = warn_of_collapse(figures, min(vectors.shape), getattr(model.config, "feature_norm", None))
        return figures


@torch.no_grad()
def character_vectors(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """The vectors by which a model knows characters: float32 [n, H], on the CPU.

    - Around a bank of glyph images (GlyphCRM): R, the glyph vector that is the Transformer's input. With an id table
      beside it R too, before both are fused. The encoder is asked itself, so that the bank's table learns nothing.
    - ChineseBERT: the glyph vectors, W_G image + b_G. The fused ones hold a row of an id table each, and stay apart
      even where the glyph images say nothing.
    - Others (BERT): the rows of the word table.

    Args:
        model: in evaluation mode.
        ids: int64 [n], of tokens.

    Raises:
        ValueError: the model is in training mode, in which its parts may count or change what they are asked.
    """
    if model.training:
        raise ValueError("the model is in training mode; call model.eval() before its characters are measured")
    table, embeddings = model.get_input_embeddings(), getattr(model.base_model, "embeddings", None)
    ids = ids.to(next(table.parameters()).device)
    if isinstance(table, CharacterBank):
        table.keep_statistics(ids)  # a model that was not run yet has none of its features
        dtype = next(table.encoder.parameters()).dtype
        chunks = table.glyphs[ids].split(table.chunk_size)
        vectors = torch.cat([table.encoder(images.to(dtype) / 255)[:, : model.config.hidden_size] for images in chunks])
    elif isinstance(embeddings, ChineseBertEmbeddings):
        embeddings.keep_statistics(ids)
        vectors = embeddings.glyph_vectors(ids)
    else:
        vectors = table(ids)
    return vectors.float().cpu()


def spread(vectors: Tensor) -> dict[str, float]:
    """How far apart vectors are, none of them centred or scaled before.

    - vectors_mean_cosine: mean over all pairs of two.
    - vectors_nearest_cosine: to the nearest other one, the mean over all vectors.
    - vectors_effective_rank: exp of the entropy of the singular values of the matrix [n, H], divided by their sum (Roy
      and Vetterli, 2007); 1 where all are multiples of one vector, min(n, H) where all directions are equally long.

    Args:
        vectors: float [n, H], n at least 2.
    """
    vectors = vectors.double()
    values = torch.linalg.svdvals(vectors)
    entropy = torch.special.entr(values / values.sum().clamp(min=1e-300)).sum()
    units = F.normalize(vectors, dim=1)
    cosines = units @ units.T  # [n, n]
    others = ~torch.eye(len(cosines), dtype=torch.bool)
    return {
        "vectors_mean_cosine": float(cosines[others].mean()),
        "vectors_nearest_cosine": float(cosines.masked_fill(~others, -2).amax(1).mean()),
        "vectors_effective_rank": float(entropy.exp()),
    }


def warn_of_collapse(figures: dict[str, float], directions: int, feature_norm: str | None) -> bool:
    """Warns of vectors that have collapsed, and says what to try.

    Args:
        figures: of `spread`.
        directions: min(n, H), the greatest rank that there can be.
        feature_norm: of the model's configuration; None where it has no such field, too.

    Returns:
        Whether they have.
    """
    rank, cosine = figures["vectors_effective_rank"], figures["vectors_nearest_cosine"]
    found = [f"their effective rank is {rank:.1f} of {directions}"] * (rank < LEAST_RANK * directions)
    found += [f"the cosine to the nearest other one is {cosine:.4f} on average"] * (cosine > GREATEST_COSINE)
    if found:
        mend = "a lower --learning_rate"
        if feature_norm != "whiten":
            mend = f'feature_norm="whiten" for GlyphCRM (--config_overrides feature_norm=whiten), or {mend}'
        logger.warning(
            f"the vectors of characters have collapsed: {' and '.join(found)}, so that the model can hardly tell "
            f"characters apart, whatever its loss; try {mend}"
        )
    return bool(found)


def _has_own_image(glyphs: Tensor, unknown: int) -> Tensor:
    """Which rows of a bank uint8 [N, F, h, w] are neither blank nor as that of [UNK]: bool [N], on the CPU."""
    flat = glyphs.flatten(1)
    return ((flat > 0).any(1) & (flat != flat[unknown]).any(1)).cpu()


__all__ = ["CharacterProbes", "character_vectors", "spread", "warn_of_collapse"]

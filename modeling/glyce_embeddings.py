"""Embeddings with glyphs for any model of PyTorch, in the place of an `nn.Embedding` (the "vanilla version" of Glyce).

    g = dropout(CNN(glyph images of the character))                               [B, L, D]
    e = merge([embedding(id), g])          concatenated, or through a highway or a projection      [B, L, E]

Every distinct character of a batch is encoded once, and at inference once for all batches: see character_bank.py.

Axes: B batch, L length, D glyph_dim, I id_dim, E embedding_dim, N characters, X further characters of an example, F*h*w
values of a character's images.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers.utils import logging

from .checks import check_ids
from .configuration_glyph_cnn import GlyphCnnConfig
from .glyce_bank import GlyceBank
from .highway import Highway
from .image_classification import ImageClassification

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

IDS_HINT = "Make the GlyceConfig with a vocab_size that counts all characters"
FEATURES = ("both", "glyph", "ids")
MERGES = ("concat", "highway", "projection")


class GlyceEmbeddingBank(GlyceBank):
    """The bank of a GlyceEmbedding."""

    blank_hint = (
        "the embedding holds no glyph images: all characters look the same. Call set_glyphs(images) with those of "
        "HanziGlyphImageProcessor.render(characters), or load a state_dict, which holds them"
    )


class GlyceEmbedding(nn.Module):
    """Embeds characters by what they look like, beside or in place of their ids.

    In a `PreTrainedModel` make it without glyph images; for a new model call `set_glyphs` once. If `from_pretrained`
    takes a checkpoint that lacks it, `_init_weights` of the model should leave the CNN to `init_glyph_cnn(module)`.

    Args:
        config: a GlyceConfig: `num_glyphs` N, the glyph_* fields, `pad_token_id` and `use_image_loss`.
        glyphs: uint8 [N, F, h, w], foreground 255 on background 0; None: by `set_glyphs`, or from a state_dict.
        features: "both", "glyph" or "ids", that is an `nn.Embedding`.
        merge: what happens to the features: "concat": they stay side by side, ids first; "highway" and "projection"
            (Linear, ReLU) bring them to `output_dim`.
        id_dim: I, the width of the embeddings of ids.
        output_dim: E behind "highway" and "projection"; None is the width before.
        classes: characters that the image classification tells apart, the first ones; None is `config.vocab_size`.

    Attributes:
        embedding_dim: E, the width of the vectors.
        num_embeddings: N.
        padding_idx: `config.pad_token_id`, 0 unless the config says otherwise; None: no id is padding. The id trains
            nothing, as in an `nn.Embedding`; its vector is that of its glyph image beside zeros.

    Raises:
        ValueError: an argument that is not allowed, or glyph images that do not fit.

    Example:
        >>> characters = ["[PAD]", *"今天气很好"]
        >>> config = GlyceConfig(vocab_size=len(characters), glyph_styles=["song", "seal"], glyph_dim=256)
        >>> images = HanziGlyphImageProcessor(config.glyph_styles, config.glyph_size, config.glyph_binary)
        >>> embedding = GlyceEmbedding(config, images.render(characters))
        >>> lstm = nn.LSTM(embedding.embedding_dim, 128, batch_first=True)
        >>> hidden, _ = lstm(embedding(torch.tensor([[1, 2, 2, 3]])))
        >>> loss = task_loss(hidden) + 0.1 * embedding.image_loss(torch.tensor([[1, 2, 2, 3]]))
    """

    bank_class: type[GlyceBank] = GlyceEmbeddingBank
    keeps_weights = True  # whether a PreTrainedModel around it must leave the CNN alone

    def __init__(
        self,
        config: GlyphCnnConfig,
        glyphs: Tensor | np.ndarray | None = None,
        *,
        features: Literal["both", "glyph", "ids"] = "both",
        merge: Literal["concat", "highway", "projection"] = "concat",
        id_dim: int = 128,
        output_dim: int | None = None,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        _check(config, features, merge, id_dim, output_dim)
        self.padding_idx = config.pad_token_id
        self.ids = self.bank = self.classification = None
        if features != "glyph":
            self.ids = nn.Embedding(config.num_glyphs, id_dim, padding_idx=self.padding_idx)
        if features != "ids":
            self.bank = self.bank_class(config)
            for part in self.bank.encoder.modules():
                # or else a PreTrainedModel around it initialises the CNN again, with weights that are far too small
                part._is_hf_initialized = self.keeps_weights and not self.bank.glyphs.is_meta
            self.dropout = nn.Dropout(config.glyph_dropout)
            self.classification = ImageClassification(config, classes) if config.use_image_loss else None
        width = (0 if self.ids is None else id_dim) + (0 if self.bank is None else config.glyph_dim)
        self.batch_norm = nn.BatchNorm1d(width) if config.glyph_batch_norm else nn.Identity()
        self.embedding_dim = width if output_dim is None else output_dim
        self.merge: nn.Module = nn.Identity()
        if merge == "highway":
            self.merge = Highway(width, self.embedding_dim)
        elif merge == "projection":
            self.merge = nn.Sequential(nn.Linear(width, self.embedding_dim), nn.ReLU())
        if glyphs is not None:
            self.set_glyphs(glyphs)

    @property
    def num_embeddings(self) -> int:
        """Characters N."""
        return self.ids.num_embeddings if self.bank is None else len(self.bank.glyphs)

    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | list[int] | None = None) -> None:
        """Writes glyph images, see `GlyceBank.set_glyphs`.

        Raises:
            ValueError: they do not fit, or the embedding is one of ids alone or on the meta device.
        """
        bank, padding = self._with_glyphs("glyph images"), self.padding_idx
        if bank.glyphs.is_meta:
            raise ValueError(
                "glyph images cannot be written on the meta device, where from_pretrained builds models; make the "
                "embedding without them there, and call set_glyphs(images) later, or load weights, which hold them"
            )
        bank.set_glyphs(images, rows)
        if padding is not None and bank.glyphs[padding].any():
            logger.warning_once(
                f"the glyph image of padding, id {padding}, is not blank. If {padding} is a character, it is not "
                "trained: make the GlyceConfig with pad_token_id=None, or with the id of padding"
            )

    def forward(self, ids: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Embeds characters.

        Args:
            ids: int64 [B, L], or any shape, 0..N-1; N + i for image i of the example's `extra_glyphs`.
            extra_glyphs: uint8 [B, X, F*h*w], each example's characters outside of the bank, see `CharacterBank`; only
                with features="glyph", as they have no ids.

        Returns:
            [B, L, E].

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: an id that does not exist (seen on the CPU only); extra_glyphs that do not fit.
        """
        ids = self._checked(ids, extra_glyphs)
        return self._merged(ids, self._encode(ids, extra_glyphs))

    def image_loss(self, ids: Tensor, mask: Tensor | None = None, extra_glyphs: Tensor | None = None) -> Tensor:
        """The image-classification loss of a batch (Eq. 1), to add to that of the task.

        It encodes the distinct characters of the batch; `forward_with_loss` does with those of `forward`.

        Args:
            ids: int64 [B, L], or any shape, see `forward`.
            mask: bool or 0 and 1, [B, L], such as an attention mask: whether a token counts; None counts all. Those
                whose images have no ink never count, nor do those of `extra_glyphs`.
            extra_glyphs: uint8 [B, X, F*h*w], see `forward`.

        Returns:
            A scalar: the mean over the tokens that count; 0 where none does.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: an id that does not exist (seen on the CPU only); a mask of another shape; the embedding has no
                such loss.
        """
        self._check_loss()
        ids = self._checked(ids, extra_glyphs)
        return self._loss(ids, self._encode(ids, extra_glyphs), mask)

    def forward_with_loss(
        self, ids: Tensor, mask: Tensor | None = None, extra_glyphs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`forward` and `image_loss` of one batch, whose characters are encoded once: for training."""
        self._check_loss()
        ids = self._checked(ids, extra_glyphs)
        vectors = self._encode(ids, extra_glyphs)
        return self._merged(ids, vectors), self._loss(ids, vectors, mask)

    def extra_repr(self) -> str:
        """Sizes, as of an `nn.Embedding`."""
        return f"{self.num_embeddings}, {self.embedding_dim}"

    def _checked(self, ids: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Ids as int64."""
        if not isinstance(ids, Tensor) or ids.is_floating_point() or ids.dtype == torch.bool:
            kind = ids.dtype if isinstance(ids, Tensor) else type(ids).__name__
            raise TypeError(f"ids are {kind}; needed is a tensor of integers: torch.tensor(ids, dtype=torch.long)")
        ids = ids.long()  # torch would take uint8 for a mask
        if extra_glyphs is None:
            check_ids("ids", ids, self.num_embeddings, "characters of the embedding", IDS_HINT)
        elif self.ids is not None:
            raise ValueError(
                "extra_glyphs are not allowed beside embeddings of ids, as characters outside of the bank have none; "
                'leave them out, or make the embedding with features="glyph"'
            )
        return ids  # the bank checks those of extra_glyphs

    def _encode(self, ids: Tensor, extra_glyphs: Tensor | None) -> Tensor | None:
        """Ids [B, L] -> vectors of their glyphs [B, L, D], before dropout; None without glyphs."""
        if self.bank is None:
            return None
        if extra_glyphs is None:
            vectors = self.bank(ids)
        else:  # every example has its own: a bank takes [B, L] then, not the characters of words [B, L, W]
            vectors = self.bank(ids.flatten(1), extra_glyphs).view(*ids.shape, self.bank.width)
        if self.padding_idx is None or not vectors.requires_grad:
            return vectors
        # or else the CNN would be trained by the padding of every batch, most of all
        return torch.where((ids == self.padding_idx)[..., None], vectors.detach(), vectors)

    def _merged(self, ids: Tensor, glyphs: Tensor | None) -> Tensor:
        """Ids [B, L] and vectors [B, L, D] -> [B, L, E]."""
        parts = [] if self.ids is None else [self.ids(ids)]
        if glyphs is not None:
            parts.append(self.dropout(glyphs))  # behind the gathering: every copy of a character has its own
        vectors = torch.cat(parts, dim=-1)
        # as rows: a batch norm takes no other shape
        return self.merge(self.batch_norm(vectors.reshape(-1, vectors.shape[-1])).view(vectors.shape))

    def _loss(self, ids: Tensor, glyphs: Tensor, mask: Tensor | None) -> Tensor:
        scored = self.bank.has_ink(ids)
        if mask is not None:
            if mask.shape != ids.shape:
                raise ValueError(f"mask has the shape {tuple(mask.shape)}; needed is that of ids, {tuple(ids.shape)}")
            scored = scored & mask.bool()
        return self.classification(ids, glyphs, scored)

    def _check_loss(self) -> None:
        self._with_glyphs("image-classification loss")
        if self.classification is None:
            raise ValueError("this embedding has no image-classification loss: its config says use_image_loss=False")

    def _with_glyphs(self, what: str) -> GlyceBank:
        if self.bank is None:
            raise ValueError(f'an embedding with features="ids" has no {what}; make it with features="both" or "glyph"')
        return self.bank


def _check(config: GlyphCnnConfig, features: str, merge: str, id_dim: int, output_dim: int | None) -> None:
    for name, value, allowed in (("features", features, FEATURES), ("merge", merge, MERGES)):
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is not allowed; allowed is {' or '.join(map(repr, allowed))}")
    if features != "ids" and not config.use_glyphs:
        raise ValueError(f'features={features!r} is not allowed with use_glyphs=False in the config; allowed is "ids"')
    for name, value in (("id_dim", id_dim), ("output_dim", 1 if output_dim is None else output_dim)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value} is not allowed; allowed is an integer of 1 or more")
    if merge == "concat" and output_dim is not None:
        raise ValueError(
            f'output_dim={output_dim} is not allowed with merge="concat", which keeps the width of the features; '
            'leave it out, or take merge="projection" or "highway"'
        )


__all__ = ["GlyceEmbedding"]

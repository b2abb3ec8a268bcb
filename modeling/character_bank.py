"""A bank of characters' glyph images and the network that encodes them: pay once a character, not once a token.

Axes: N rows of the bank, B batch, L length, E further characters of an example, U distinct characters, F fonts, h and w
the glyph image's height and width, D the vector's length.

    ids [B, L]:  0..N-1 are rows of the bank; N + i is image i of the example's own `extra_glyphs` [B, E, F*h*w]
    training:    unique(ids) -> glyph images [U, F, h, w] -> encoder -> vectors [U, D] -> gather -> [B, L, D]
    inference:   the same, but a row that was encoded once is kept in a table [N, D] and only looked up from then on

Spectrograms may take the place of glyph images: any uint8 image of a character will do.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.utils import logging

from .checks import check_glyphs, check_ids
from .unique import encode_unique
from .vector_table import VectorTable

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

PROCESSOR_HINT = "Pass the text through the processor or tokenizer that was saved with the model"


class CharacterBank(nn.Module):
    """Looks up characters' vectors by encoding their glyph images.

    Where the ranks of a job see different numbers of distinct characters, they call the encoder different numbers of
    times: under FSDP keep the whole bank in one unit, under ZeRO-3 make it a leaf (`set_z3_leaf_modules`).

    Args:
        encoder: glyph images [U, F, h, w] float in 0..1 -> vectors [U, D]; must depend on nothing but the image and its
            weights, and have no dropout of its own.
        rows: N.
        shape: (F, h, w).
        width: D.
        chunk_size: glyph images that are encoded at a time.
    """

    def __init__(
        self, encoder: nn.Module, rows: int, shape: tuple[int, int, int], width: int, chunk_size: int = 128
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = width
        self.chunk_size = chunk_size
        self.gradient_checkpointing = False
        self.register_buffer("glyphs", torch.zeros((rows, *shape), dtype=torch.uint8))
        self._checked_for_images = False
        self._table = VectorTable(encoder.modules())

    def train(self, mode: bool = True) -> "CharacterBank":
        """Drops the table: weights are about to change."""
        self._table.drop()
        return super().train(mode)

    @torch.no_grad()
    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images into the bank.

        Args:
            images: uint8 [n, F, h, w], foreground 255 on background 0; other shapes of F * h * w values an image are
                taken in that order.
            rows: int64 [n], the rows to write; None means all N.

        Raises:
            ValueError: the dtype, the number of values or of rows does not fit, or a row is outside of the bank.
        """
        images, rows = check_glyphs(images, rows, tuple(self.glyphs.shape[1:]), len(self.glyphs))
        self.glyphs[rows.to(self.glyphs.device)] = images.to(self.glyphs.device)

    def forward(self, ids: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Vectors of characters.

        Args:
            ids: int64 [B, L], or any shape without `extra_glyphs`: 0..N-1, and N + i for image i of `extra_glyphs`.
            extra_glyphs: uint8 [B, E, F*h*w], each example's further characters; blank rows are padding.

        Returns:
            [*ids.shape, D].

        Raises:
            ValueError: an id outside of the bank and of the example's own glyph images, or of a blank one (seen on the
                CPU only: elsewhere reading the values would make the host wait); a shape or dtype that does not fit.
        """
        self._check(ids, extra_glyphs)
        if extra_glyphs is None or not extra_glyphs.shape[1]:
            vectors = self._look_up(ids)
            return self._encode_distinct(ids) if vectors is None else vectors
        is_extra = ids >= len(self.glyphs)  # [B, L]
        # image i of example b gets the key N + b * E + i, so that equal ids of two examples stay apart
        keys = torch.arange(len(ids), device=ids.device)[:, None] * extra_glyphs.shape[1] + ids
        vectors = self._look_up(ids.masked_fill(is_extra, 0))
        if vectors is None:  # training: bank rows and further images in one pass, each distinct one once
            return self._encode_distinct(torch.where(is_extra, keys, ids), extra_glyphs)
        # row 0 was looked up in their place; nothing of an example's own characters is kept
        vectors[is_extra] = self._encode_distinct(keys[is_extra], extra_glyphs).to(vectors.dtype)
        return vectors

    @torch.no_grad()
    def fill(self) -> None:
        """Encodes the whole bank at once, so that from then on inference never waits for the encoder.

        A base-size GlyphCRM takes minutes on a CPU.

        Raises:
            ValueError: the vectors could not be kept.
        """
        if self._look_up(torch.arange(len(self.glyphs), device=self.glyphs.device)) is None:
            raise ValueError(
                "fill() cannot keep the vectors: the bank is in training mode (call model.eval() first) or on the meta "
                "device, or its encoder has hooks or adapters"
            )

    def extra_repr(self) -> str:
        """The bank's shape."""
        return f"glyphs={tuple(self.glyphs.shape)}, width={self.width}"

    def _look_up(self, ids: Tensor) -> Tensor | None:
        """Ids of rows [...] -> [..., D] from the table; None where it may not be used."""
        parts = list(self.encoder.modules())
        return self._table.look_up(ids, self._encode_keys, parts, [self.glyphs], self.training)

    def _encode_distinct(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [...] -> [..., D]; keys N + i are image i among all examples' further characters."""
        return encode_unique(keys, lambda distinct: self._encode_keys(distinct, extra_glyphs))

    def _encode_keys(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [U] -> [U, D]."""
        dtype = next((weight.dtype for weight in self.encoder.parameters()), torch.get_default_dtype())
        # as floats a glyph image is large: all distinct ones of a long batch at a time could fill the memory
        chunks = keys.split(self.chunk_size)
        return torch.cat([self._encode(self._images(some, extra_glyphs).to(dtype) / 255) for some in chunks])

    def _images(self, keys: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Keys [U] -> uint8 [U, F, h, w]."""
        if extra_glyphs is None:
            return self.glyphs[keys]
        rows = len(self.glyphs)
        # both are gathered at clamped indices and one is chosen: a choice by position would break a compiled graph
        extra = extra_glyphs.view(-1, *self.glyphs.shape[1:])[(keys - rows).clamp(min=0)]
        return torch.where((keys < rows)[:, None, None, None], self.glyphs[keys.clamp(max=rows - 1)], extra)

    def _encode(self, images: Tensor) -> Tensor:
        if self.gradient_checkpointing and self.training:
            return checkpoint(self.encoder, images, use_reentrant=False)
        return self.encoder(images)

    def _check(self, ids: Tensor, extra_glyphs: Tensor | None) -> None:
        rows, values = len(self.glyphs), self.glyphs[0].numel()
        if extra_glyphs is None:
            check_ids("glyph_ids", ids, rows, "rows of the bank; further characters need extra_glyphs", PROCESSOR_HINT)
        else:
            batch, extras = (*extra_glyphs.shape, 0, 0)[:2]  # zeros, so that too few axes fail below, with words
            if ids.dim() != 2 or extra_glyphs.dtype != torch.uint8 or extra_glyphs.shape != (len(ids), extras, values):
                raise ValueError(
                    f"extra_glyphs are {extra_glyphs.dtype} {tuple(extra_glyphs.shape)} for ids {tuple(ids.shape)}; "
                    f"needed are torch.uint8 [B, E, {values}] for ids [B, L]: every example's own glyph images "
                    f"{tuple(self.glyphs.shape[1:])} flattened. {PROCESSOR_HINT}"
                )
            meaning = f"{rows} rows of the bank and {extras} extra_glyphs"
            check_ids("glyph_ids", ids, rows + extras, meaning, PROCESSOR_HINT)
            if extras and ids.device.type == "cpu" and not torch.compiler.is_compiling():
                self._check_padding(ids, extra_glyphs)
        if not self._checked_for_images and not torch.compiler.is_compiling() and not self.glyphs.is_meta:
            self._checked_for_images = True
            if not self.glyphs.any():
                logger.warning(
                    "the bank holds no glyph images: all characters look the same. Render the vocabulary and call "
                    "model.base_model.set_glyphs(images), or load a checkpoint, which holds them"
                )

    def _check_padding(self, ids: Tensor, extra_glyphs: Tensor) -> None:
        example, position = (ids >= len(self.glyphs)).nonzero(as_tuple=True)
        further = ids[example, position]
        blank = (extra_glyphs[example, further - len(self.glyphs)] == 0).all(-1)
        if blank.any():
            first = int(blank.nonzero()[0])
            raise ValueError(
                f"glyph_ids holds {int(further[first])} in example {int(example[first])}, whose glyph image in "
                f"extra_glyphs is blank, that is padding; allowed are 0 to {len(self.glyphs) - 1} and the example's "
                f"own characters. {PROCESSOR_HINT}"
            )


__all__ = ["CharacterBank"]

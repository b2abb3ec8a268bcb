"""A bank of characters' glyph images and the network that turns a glyph image into a vector: pay once a character, not a token.

Axes: N rows of the bank, B batch, L length, E further characters of an example, U distinct characters, F fonts, h and w
the glyph image's height and width, D the vector's length.

    ids [B, L]:  0..N-1 are rows of the bank; N + i is glyph image i of the example's own `extra_glyphs` [B, E, F*h*w]
    training:    unique(ids) -> glyph images [U, F, h, w] -> encoder -> vectors [U, D] -> gather -> [B, L, D]
    inference:   the same, but a row that was encoded once is kept in a table [N, D] and only looked up from then on

The table is dropped as soon as a weight or a glyph image changes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers.utils import logging

from .checks import check_ids
from .unique import WeightCache, encode_unique, has_hooks, to_keep

logger = logging.get_logger(__name__)

FIX = "Pass the text through the processor or tokenizer that was saved with the model"


class CharacterBank(nn.Module):
    """Looks characters' vectors up by encoding their glyph images.

    Where the ranks of a job see different numbers of distinct characters, they call the encoder different numbers of
    times: under FSDP keep the whole bank in one unit, under ZeRO-3 make it a leaf (`set_z3_leaf_modules`).

    Args:
        encoder: glyph images [U, F, h, w] float in 0..1 -> vectors [U, D]; must depend on nothing but the glyph image and its
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
        self._kinds = self._kinds_of_parts()
        self._looked = False
        self._cache = WeightCache()

    def train(self, mode: bool = True) -> "CharacterBank":
        """Drops the table: weights are about to change."""
        self._cache.drop()
        return super().train(mode)

    @torch.no_grad()
    def set_glyphs(self, images: Tensor, rows: Tensor | None = None) -> None:
        """Writes glyph images into the bank.

        Args:
            glyph images: [n, F, h, w] uint8 ink, 0 = paper, 255 = full ink; other shapes of n * F * h * w values are taken
                in that order.
            rows: int64 [n], the rows to write; None writes all N.

        Raises:
            ValueError: the dtype, the number of values or of rows does not fit, or a row is outside of the bank.
        """
        images = torch.as_tensor(images)
        places = torch.arange(len(self.glyphs)) if rows is None else torch.as_tensor(rows)
        values = self.glyphs[0].numel()
        if images.dtype != torch.uint8:
            raise ValueError(f"glyph images are {images.dtype}; needed is torch.uint8 ink: 0 = paper, 255 = full ink")
        if images.flatten(1).shape != (len(places), values):
            raise ValueError(
                f"glyph images have the shape {tuple(images.shape)}; needed are {tuple(self.glyphs.shape[1:])} values "
                f"for each of {len(places)} rows (pass rows to write only some)"
            )
        check_ids("rows", places.cpu(), len(self.glyphs), "rows of the bank", "Configure a larger bank")
        place = places.to(self.glyphs.device)
        self.glyphs[place] = images.view(-1, *self.glyphs.shape[1:]).to(self.glyphs.device)

    def forward(self, ids: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Vectors of characters.

        Args:
            ids: int64 [B, L], or any shape without `extra_glyphs`: 0..N-1, and N + i for glyph image i of `extra_glyphs`.
            extra_glyphs: uint8 [B, E, F*h*w], each example's further characters; blank rows are padding.

        Returns:
            [*ids.shape, D].

        Raises:
            ValueError: an id outside of the bank and of the example's own glyph images, or of a blank one (seen on the CPU
                only, as elsewhere a look at the values would make the host wait); a shape or dtype that does not fit.
        """
        self._check(ids, extra_glyphs)
        if extra_glyphs is None or not extra_glyphs.shape[1]:
            return self._rows(ids)
        is_extra = ids >= len(self.glyphs)
        extra = torch.arange(len(ids), device=ids.device)[:, None] * extra_glyphs.shape[1] + ids
        if not self._may_keep(ids):
            return self._encode_distinct(torch.where(is_extra, extra, ids), extra_glyphs)
        vectors = self._rows(ids.masked_fill(is_extra, 0))
        vectors[is_extra] = self._encode_distinct(extra[is_extra], extra_glyphs).to(vectors.dtype)
        return vectors

    def fill(self) -> None:
        """Encodes the whole bank at once, so that from then on inference never waits for an encoder or a device.

        Needs eval mode; a base-size GlyphCRM takes minutes on a CPU.
        """
        if self.training:
            raise ValueError("fill() keeps vectors that training changes; call model.eval() first")
        with torch.no_grad():
            self._rows(torch.arange(len(self.glyphs), device=self.glyphs.device))

    def extra_repr(self) -> str:
        """The bank's shape."""
        return f"glyph images={tuple(self.glyphs.shape)}, width={self.width}"

    def _rows(self, ids: Tensor) -> Tensor:
        """Ids of rows [...] -> [..., D], from the table where it may be used."""
        if not self._may_keep(ids):
            return self._encode_distinct(ids)
        table: _Table = self._cache.get(self._weights(), lambda: _Table(len(self.glyphs), ids.device), ids.device.type)
        if not table.complete:
            with to_keep(ids.device.type):
                table.learn(ids, self._encode_keys)
        return F.embedding(ids, table.vectors)

    def _may_keep(self, ids: Tensor) -> bool:
        """Not while weights may change or go unwatched, nor where a part was wrapped (by an adapter, say) or hooked."""
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling() or ids.is_meta or not ids.numel():
            return False
        unwatched = any(weight.is_inference() for weight in self._weights())
        return not unwatched and self._kinds_of_parts() == self._kinds and not has_hooks(self.encoder.modules())

    def _kinds_of_parts(self) -> list[type]:
        return [type(part) for part in self.encoder.modules()]

    def _weights(self) -> list[Tensor]:
        return [self.glyphs, *self.encoder.parameters(), *self.encoder.buffers()]

    def _encode_distinct(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [...] -> [..., D]; keys N + i are glyph image i of all examples' further characters."""
        return encode_unique(keys, lambda distinct: self._encode_keys(distinct, extra_glyphs))

    def _encode_keys(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [U] -> [U, D]."""
        dtype = next((weight.dtype for weight in self.encoder.parameters()), torch.get_default_dtype())
        vectors = [
            self._encode(self._images(some, extra_glyphs).to(dtype) / 255) for some in keys.split(self.chunk_size)
        ]
        return torch.cat(vectors)

    def _images(self, keys: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Keys [U] -> uint8 [U, F, h, w]."""
        if extra_glyphs is None:
            return self.glyphs[keys]
        rows = len(self.glyphs)
        extra = extra_glyphs.view(-1, *self.glyphs.shape[1:])[(keys - rows).clamp(min=0)]
        return torch.where((keys < rows)[:, None, None, None], self.glyphs[keys.clamp(max=rows - 1)], extra)

    def _encode(self, images: Tensor) -> Tensor:
        if self.gradient_checkpointing and self.training:
            return checkpoint(self.encoder, images, use_reentrant=False)
        return self.encoder(images)

    def _check(self, ids: Tensor, extra_glyphs: Tensor | None) -> None:
        rows, values = len(self.glyphs), self.glyphs[0].numel()
        if extra_glyphs is None:
            check_ids("glyph_ids", ids, rows, "rows of the bank; further characters need extra_glyphs", FIX)
        else:
            batch, extras = (*extra_glyphs.shape, 0, 0)[:2]
            if ids.dim() != 2 or extra_glyphs.dtype != torch.uint8 or extra_glyphs.shape != (len(ids), extras, values):
                raise ValueError(
                    f"extra_glyphs are {extra_glyphs.dtype} {tuple(extra_glyphs.shape)} for ids {tuple(ids.shape)}; "
                    f"needed are torch.uint8 [B, E, {values}] for ids [B, L]: every example's own glyph images "
                    f"{tuple(self.glyphs.shape[1:])} flattened. {FIX}"
                )
            meaning = f"{rows} rows of the bank and {extras} extra_glyphs"
            check_ids("glyph_ids", ids, rows + extras, meaning, FIX)
            if extras and ids.device.type == "cpu" and not torch.compiler.is_compiling():
                self._check_padding(ids, extra_glyphs)
        if not self._looked and not torch.compiler.is_compiling() and not self.glyphs.is_meta:
            self._looked = True
            if not self.glyphs.any():
                logger.warning(
                    "the bank holds no glyph images: all characters look the same. Render the vocabulary and call "
                    "model.base_model.set_glyphs(glyph images), or load a checkpoint, which holds them"
                )

    def _check_padding(self, ids: Tensor, extra_glyphs: Tensor) -> None:
        example, place = (ids >= len(self.glyphs)).nonzero(as_tuple=True)
        wanted = ids[example, place]
        blank = (extra_glyphs[example, wanted - len(self.glyphs)] == 0).all(-1)
        if blank.any():
            first = int(blank.nonzero()[0])
            raise ValueError(
                f"glyph_ids holds {int(wanted[first])} in example {int(example[first])}, whose glyph image in extra_glyphs "
                f"is blank, that is padding; allowed are 0 to {len(self.glyphs) - 1} and the example's own "
                f"characters. {FIX}"
            )


class _Table:
    """The vectors of the rows that were encoded so far."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.known = torch.zeros(rows, dtype=torch.bool, device=device)
        self.complete = False
        self.vectors: Tensor | None = None  # [N, D]; rows that are not known hold anything

    def learn(self, ids: Tensor, encode: Callable[[Tensor], Tensor]) -> None:
        """Encodes the rows of `ids` that are not known yet."""
        new = ids[~self.known[ids]].unique()
        if not len(new):
            return
        vectors = encode(new)
        if self.vectors is None:
            self.vectors = vectors.new_empty(len(self.known), vectors.shape[1])
        self.vectors[new] = vectors
        self.known[new] = True  # last, as other threads may read
        self.complete = bool(self.known.all())


__all__ = ["CharacterBank"]

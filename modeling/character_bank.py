"""A bank of characters' glyph images and the network that encodes them: pay once a character, not once a token.

Axes: N rows of the bank, B batch, L length, E further characters of an example, U distinct characters, F fonts, h and w
the glyph image's height and width, D the vector's length.

    ids [B, L]:  0..N-1 are rows of the bank; N + i is image i of the example's own `extra_glyphs` [B, E, F*h*w]
    training:    unique(ids) -> glyph images [U, F, h, w] -> encoder -> vectors [U, D] -> gather -> [B, L, D]
    inference:   the same, but a row that was encoded once is kept in a table [N, D] and only looked up from then on;
                 so in training where the encoder is frozen, and where its CNN is, for the CNN's features
    compiled:    in a graph, which must not depend on one batch, the glyph image of every position is encoded

Spectrograms may take the place of glyph images: any uint8 image of a character will do.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers.utils import logging

from .adaptive_gradients import AdaptiveGradients
from .checks import check_glyphs, check_ids
from .feature_norm import FeatureNorm, KeepsStatistics, spread
from .step_vectors import StepVectors
from .tracing import has_open_sizes, is_traced
from .unique import encode_unique
from .vector_table import VectorTable, keepable, tensors_of

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

PROCESSOR_HINT = "Pass the text through the processor or tokenizer that was saved with the model"
MOST_KEPT = 2**28  # features of all rows together that are kept in training, a gigabyte of float32
FIRST_OPEN, CODE_POINTS = 0x21, 0x110000  # code points of characters with ink
OPEN_IDS_HINT = (
    "It is an open id, {rows} + the code point U+{code:04X} ({character!r}), as in lists and data sets. A batch needs "
    "rows and extra_glyphs, which tokenizer.pad makes of open ids: collate with DataCollatorWithPadding(tokenizer), or "
    "another collator that takes the tokenizer, in place of default_data_collator (in transformers' example scripts: "
    "--pad_to_max_length False), or encode with return_tensors='pt'"
)


class CharacterBank(KeepsStatistics):
    """Looks up characters' vectors by encoding their glyph images.

    Where the ranks of a job see different numbers of distinct characters, they call the encoder different numbers of
    times: under FSDP keep the whole bank in one unit, under ZeRO-3 make it a leaf (`set_z3_leaf_modules`).

    Args:
        encoder: glyph images [U, F, h, w] float in 0..1 -> vectors [U, D]; must depend on nothing but the image and its
            weights, and have no dropout of its own. It may have `prepare(images, again)`, for what all chunks of images
            share, `feature_norms`, and `fixed_features` for those that training does not change, as `HanGlyph` does.
        rows: N.
        shape: (F, h, w).
        width: D.
        chunk_size: glyph images that are encoded at a time.
        adaptive: whether the gradients of vectors are adapted, see `adaptive_gradients.py`.
    """

    blank_hint = (
        "the bank holds no glyph images: all characters look the same. Render the vocabulary and call "
        "model.base_model.set_glyphs(images), or load a checkpoint, which holds them"
    )

    def __init__(
        self,
        encoder: nn.Module,
        rows: int,
        shape: tuple[int, int, int],
        width: int,
        chunk_size: int = 128,
        adaptive: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = width
        self.chunk_size = chunk_size
        self.gradient_checkpointing = False
        self.register_buffer("glyphs", torch.zeros((rows, *shape), dtype=torch.uint8))
        self.adaptive = AdaptiveGradients(rows, width) if adaptive else None
        self._checked_for_images = False
        self._table = VectorTable(encoder.modules())
        self._feature_table = VectorTable(self._fixed_parts())
        self.step_vectors: StepVectors | None = None  # set for the time of a step whose gradients are accumulated

    def train(self, mode: bool = True) -> "CharacterBank":
        """Drops the table where weights are about to change; the Trainer calls this at every step."""
        if not self._is_frozen():
            self._table.drop()
        if mode != self.training:
            self._feature_table.drop()
        return super().train(mode)

    @property
    def weight(self) -> Tensor:
        """The glyph images, flattened: uint8 [N, F*h*w], a view of the buffer `glyphs` and no parameter.

        For code that asks an embedding for its size, its device or its rows, such as transformers' example scripts
        (`model.get_input_embeddings().weight.shape[0]`). Its width and its dtype are not those of the vectors.
        """
        return self.glyphs.flatten(1)

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
        self.forget_statistics()

    @torch.no_grad()
    def resize(self, rows: int) -> None:
        """Cuts the bank to so many rows, or adds blank ones."""
        kept = self.glyphs[:rows]
        self.glyphs = torch.cat([kept, kept.new_zeros((rows - len(kept), *kept.shape[1:]))])
        if self.adaptive is not None:
            self.adaptive.resize(rows)
        self.forget_statistics()

    def forward(self, ids: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Vectors of characters.

        Args:
            ids: int64 [B, L], or any shape without `extra_glyphs`: 0..N-1, and N + i for image i of `extra_glyphs`.
            extra_glyphs: uint8 [B, E, F*h*w], each example's further characters; blank rows are padding. Those before
                its first image, where a pipeline that pads on the left puts them, do not count: i starts behind them.

        Returns:
            [*ids.shape, D].

        Raises:
            ValueError: an id outside of the bank and of the example's own glyph images, or of a blank one (seen on the
                CPU only: elsewhere reading the values would make the host wait); a shape or dtype that does not fit.
        """
        self._check(ids, extra_glyphs)
        # the outputs that a step of training holds need the statistics that they were made with
        if self.step_vectors is None or self.step_vectors.is_empty() or not self.training:
            self.keep_statistics(ids)
        if extra_glyphs is not None:
            ids = self._behind_padding(ids, extra_glyphs)
        if is_traced(ids):
            return self._encode_positions(ids, extra_glyphs)
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
        ids = torch.arange(len(self.glyphs), device=self.glyphs.device)
        self.keep_statistics(ids)
        if self._look_up(ids) is None:
            raise ValueError(
                "fill() cannot keep the vectors: the bank is in training mode (call model.eval() first) or on the meta "
                "device, or its encoder has hooks or adapters"
            )

    def extra_repr(self) -> str:
        """The bank's shape."""
        return f"glyphs={tuple(self.glyphs.shape)}, width={self.width}"

    # ---- an encoder's statistics over the bank's glyph images, see feature_norm.py

    def list_norms(self) -> Sequence[FeatureNorm]:
        """Those of the encoder, if it has any."""
        return getattr(self.encoder, "feature_norms", ())

    def describe_features(self) -> tuple[bool, torch.dtype, int]:
        """See `KeepsStatistics`."""
        return self.encoder.trains_features(), self._dtype(), self.encoder.config.feature_norm_interval

    def list_sources(self) -> Sequence[Tensor]:
        """See `KeepsStatistics`."""
        return [self.glyphs, *self.encoder.feature_weights()]

    def estimate_statistics(self) -> bool:
        """Over at most `feature_norm_images` distinct glyph images with ink, evenly spaced."""
        images = self.glyphs.flatten(1).unique(dim=0)  # sorted, so that every process looks at the same ones
        images = images[images.amax(1) > 0]
        images = spread(images, self.encoder.config.feature_norm_images)
        if len(images):
            self.encoder.estimate_statistics(self._chunks(images.unflatten(1, self.glyphs.shape[1:])))
        return len(images) > 0

    def _is_frozen(self) -> bool:
        return not any(weight.requires_grad for weight in tensors_of(self.encoder.modules()))

    def _look_up(self, ids: Tensor) -> Tensor | None:
        """Ids of rows [...] -> [..., D] from the table; None where it may not be used.

        A frozen encoder gives the same vectors in training, too, and no gradient is asked of it.
        """
        parts, frozen = list(self.encoder.modules()), self._is_frozen()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return self._table.look_up(ids, self._encode_keys, parts, [self.glyphs], self.training and not frozen)

    def _fixed_parts(self) -> list[nn.Module]:
        return self.encoder.fixed_parts() if hasattr(self.encoder, "fixed_parts") else []

    def _look_up_features(self, keys: Tensor, extra_glyphs: Tensor | None) -> Tensor | None:
        """Keys [U] -> the encoder's `fixed_features`; in training those of rows are kept. None where they change.

        So it is for replicas of DataParallel, too, which have other weights in every step.
        """
        parts = self._fixed_parts()
        if not (parts and self.training and torch.is_grad_enabled()) or keys.is_meta:
            return None
        if self.encoder.trains_features() or getattr(self, "_is_replica", False):
            self._feature_table.drop()
            return None
        if len(self.glyphs) * sum(self.encoder.fixed_sizes) > MOST_KEPT:
            return None

        def encode(some: Tensor) -> Tensor:
            images = self._chunks(self._images_of_keys(some, extra_glyphs))
            return torch.cat([self.encoder.fixed_features(some) for some in images])

        is_row = keys < len(self.glyphs)
        with keepable(keys.device.type):
            known = self._feature_table.look_up(keys[is_row], encode, parts, [self.glyphs], training=False)
            if known is None or len(known) == len(keys):
                return known
            features = known.new_empty(len(keys), known.shape[-1])
            features[is_row], features[~is_row] = known, encode(keys[~is_row])
        return features

    def _encode_distinct(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [...] -> [..., D]; keys N + i are image i among all examples' further characters."""

        def encode(distinct: Tensor) -> Tensor:
            return self._encode_keys(distinct, extra_glyphs)

        step = self.step_vectors
        if not (self.training and torch.is_grad_enabled()):
            return encode_unique(keys, encode)

        def encode_for_training(distinct: Tensor) -> Tensor:
            vectors = encode(distinct) if step is None else step.encode(distinct, len(self.glyphs), encode)
            return vectors if self.adaptive is None else self.adaptive(vectors, distinct)

        return encode_unique(keys, encode_for_training)

    def _encode_keys(self, keys: Tensor, extra_glyphs: Tensor | None = None) -> Tensor:
        """Keys [U] -> [U, D]."""
        features = self._look_up_features(keys, extra_glyphs)
        if features is not None:
            return self.encoder.read_fixed(features)
        return self._encode(self._images_of_keys(keys, extra_glyphs))

    def _images_of_keys(self, keys: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Keys [U] -> their glyph images, uint8 [U, F, h, w]."""
        if extra_glyphs is None:
            return self.glyphs[keys]
        rows, extras = len(self.glyphs), extra_glyphs.shape[1]
        further = (keys - rows).clamp(min=0)
        ids = torch.where(keys < rows, keys, rows + further % extras)
        return self._images(ids, further // extras, extra_glyphs)

    def _encode_positions(self, ids: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """As `forward`, by steps that are the same for all values, and for all B, L and E, 0 included."""
        vectors = self._encode(self._images_of_positions(ids, extra_glyphs))  # [B * L, D]
        # without gradients too: a graph may be recorded so, and trained later
        if self.training and self.adaptive is not None:
            keys = ids.flatten()
            if extra_glyphs is not None:  # an id beyond the bank means another character in every example
                extras = extra_glyphs.shape[1]
                example = torch.arange(ids.shape[0], device=ids.device)[:, None].expand_as(ids).flatten()
                keys = torch.where(keys < len(self.glyphs), keys, keys + example * extras)
            vectors = self.adaptive(vectors, keys)
        return vectors.view(*ids.shape, self.width)  # not unflatten: ONNX export would fix the sizes

    def _images_of_positions(self, ids: Tensor, extra_glyphs: Tensor | None) -> Tensor:
        """Ids [B, L] -> the glyph image of every position, uint8 [B * L, F, h, w]."""
        if extra_glyphs is None:
            return self.glyphs[ids.flatten()]
        # not len(ids): to torch.jit.trace that is a constant
        example = torch.arange(ids.shape[0], device=ids.device)[:, None].expand_as(ids)
        return self._images(ids.flatten(), example.flatten(), extra_glyphs)

    def _images(self, ids: Tensor, example: Tensor, extra_glyphs: Tensor) -> Tensor:
        """Ids [U], and the example of each, [U] -> uint8 [U, F, h, w]."""
        rows, shape = len(self.glyphs), self.glyphs.shape[1:]
        # one blank image goes before the others, for the rows of the bank to point to, as E may be 0
        extra = F.pad(extra_glyphs, (0, 0, 1, 0)).unflatten(-1, shape)  # [B, 1 + E, F, h, w]
        further = extra[example, (ids - rows + 1).clamp(min=0)]
        # both are gathered and one is chosen: a choice by position would break a compiled graph
        return torch.where((ids < rows)[:, None, None, None], self.glyphs[ids.clamp(max=rows - 1)], further)

    def _encode(self, images: Tensor) -> Tensor:
        """Glyph images uint8 [U, F, h, w] -> [U, D]."""
        # what depends on weights alone is computed once for all chunks, by encoders that have such
        prepare = getattr(self.encoder, "prepare", None)
        prepared = () if prepare is None else (prepare(images, self._is_checkpointed()),)
        chunks = self._chunks(images, prepared[0].chunk if prepared else None)
        return torch.cat([self._encode_chunk(some, *prepared) for some in chunks])

    def _chunks(self, images: Tensor, size: int | None = None) -> Iterator[Tensor]:
        """Glyph images uint8 [U, F, h, w] -> floats in 0..1, `chunk_size` at a time, or `size`, if that is less."""
        dtype = self._dtype()
        # as floats a glyph image is large: all distinct ones of a long batch at a time could fill the memory
        size = self.chunk_size if size is None else min(size, self.chunk_size)
        for some in [images] if has_open_sizes() else images.split(size):
            yield some.to(dtype) / 255

    def _dtype(self) -> torch.dtype:
        """That of the encoder's weights."""
        dtypes = [weight.dtype for weight in self.encoder.parameters()]  # a list, as torch.compile of torch 2.6 needs
        if not dtypes:  # replicas of DataParallel, and what FSDP flattens, have plain tensors
            dtypes = [some.dtype for some in tensors_of(self.encoder.modules()) if some.is_floating_point()]
        return dtypes[0] if dtypes else torch.get_default_dtype()

    def _is_checkpointed(self) -> bool:
        return self.gradient_checkpointing and self.training

    def _encode_chunk(self, images: Tensor, *prepared: Any) -> Tensor:
        if self._is_checkpointed():
            return checkpoint(self.encoder, images, *prepared, use_reentrant=False)
        return self.encoder(images, *prepared)

    def _check(self, ids: Tensor, extra_glyphs: Tensor | None) -> None:
        rows, values = len(self.glyphs), self.glyphs[0].numel()
        if extra_glyphs is None:
            meaning = "rows of the bank; further characters need extra_glyphs"
            check_ids("glyph_ids", ids, rows, meaning, self._advice)
        else:
            batch, extras = (*extra_glyphs.shape, 0, 0)[:2]  # zeros, so that too few axes fail below, with words
            needed = (*ids.shape[:1], extras, values)  # len(ids) would fix B in a graph
            if ids.dim() != 2 or extra_glyphs.dtype != torch.uint8 or extra_glyphs.shape != needed:
                raise ValueError(
                    f"extra_glyphs are {extra_glyphs.dtype} {tuple(extra_glyphs.shape)} for ids {tuple(ids.shape)}; "
                    f"needed are torch.uint8 [B, E, {values}] for ids [B, L]: every example's own glyph images "
                    f"{tuple(self.glyphs.shape[1:])} flattened. {PROCESSOR_HINT}"
                )
            if is_traced(ids):  # the text below would fix E in the graph
                return
            meaning = f"{rows} rows of the bank and {extras} extra_glyphs"
            check_ids("glyph_ids", ids, rows + extras, meaning, self._advice)
            if extras and ids.device.type == "cpu":
                self._check_padding(ids, extra_glyphs)
        if not self._checked_for_images and not is_traced(ids) and not self.glyphs.is_meta:
            self._checked_for_images = True
            if not self.glyphs.any():
                logger.warning(self.blank_hint)

    def _behind_padding(self, ids: Tensor, extra_glyphs: Tensor) -> Tensor:
        """Ids [B, L] that count the blank rows before an example's first image too."""
        has_ink = extra_glyphs.amax(-1) > 0  # [B, E]
        blank = (has_ink.long().cumsum(1) == 0).long().sum(1)  # [B]; E where there is no image at all
        return torch.where(ids >= len(self.glyphs), ids + (blank * has_ink.any(1).long())[:, None], ids)

    def _advice(self, wrong: int) -> str:
        """What to do about a glyph id that is no row of the bank and of no extra_glyphs."""
        code = wrong - len(self.glyphs)
        # lower ones are the rows of extra_glyphs that were lost on the way
        if not FIRST_OPEN <= code < CODE_POINTS:
            return PROCESSOR_HINT
        return OPEN_IDS_HINT.format(rows=len(self.glyphs), code=code, character=chr(code))

    def _check_padding(self, ids: Tensor, extra_glyphs: Tensor) -> None:
        example, position = (ids >= len(self.glyphs)).nonzero(as_tuple=True)
        further, extras = ids[example, position], extra_glyphs.shape[1]
        index = self._behind_padding(ids, extra_glyphs)[example, position] - len(self.glyphs)
        blank = (index >= extras) | (extra_glyphs[example, index.clamp(max=extras - 1)] == 0).all(-1)
        if blank.any():
            first = int(blank.nonzero()[0])
            raise ValueError(
                f"glyph_ids holds {int(further[first])} in example {int(example[first])}, whose glyph image in "
                f"extra_glyphs is blank, that is padding; allowed are 0 to {len(self.glyphs) - 1} and the example's "
                f"own characters. {PROCESSOR_HINT}"
            )


__all__ = ["CharacterBank"]

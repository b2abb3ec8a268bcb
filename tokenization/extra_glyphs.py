"""extra_glyphs for any tokenizer: what renders characters outside of the glyph bank, found, kept and saved.

Axes: B batch, L tokens, T words, W characters of a word, N rows of the model's glyph bank, E glyph images outside of
the bank, F fonts, h and w of a glyph image.
"""

import os
from collections import Counter
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.utils import logging

from .bank_rows import BankRows
from .character_batch import to_tensor
from .open_glyphs import OpenGlyphs
from .ragged import PaddedExamples
from .rare_glyphs import RareGlyphs, flat_glyphs

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# Arguments of from_pretrained that say where files are found; the image processor is looked for there too.
HUB_KWARGS = ("cache_dir", "local_files_only", "proxies", "revision", "subfolder", "token")


class ExtraGlyphs(BankRows):
    """Mixin before a tokenizer class of transformers: the glyph images of characters outside of the bank.

    They are rendered by `image_processor`: HanziProcessor sets it, or it is loaded when first needed from where the
    tokenizer was loaded from; it is saved beside the tokenizer. Pickles and copies carry one that was set, and look
    again for one that was loaded (without the `token` that the tokenizer was loaded with). A character that cannot be
    rendered gets the glyph image of [UNK], is counted in `unrendered` and warned about.
    """

    _glyph_values: int | None = None

    def __init__(self, *args: Any, glyph_values: int | None = None, **kwargs: Any) -> None:
        """Initialises the tokenizer class behind this one, with nothing that renders.

        Args:
            args: of the tokenizer class behind.
            glyph_values: F*h*w of one glyph image; setting `image_processor` sets it.
            kwargs: of `BankRows` and the tokenizer class behind.

        Raises:
            ValueError: `glyph_values` is no positive number, or see `BankRows`.
        """
        self._rare = RareGlyphs()
        super().__init__(*args, glyph_values=glyph_values, **kwargs)
        self.glyph_values = glyph_values

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> "ExtraGlyphs":
        """As in transformers; notes where the image processor is to be found, also after a change of directory."""
        tokenizer = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        name = str(pretrained_model_name_or_path)
        source = {key: kwargs[key] for key in HUB_KWARGS if kwargs.get(key) is not None}
        source["pretrained_model_name_or_path"] = os.path.abspath(name) if os.path.isdir(name) else name
        tokenizer._rare = RareGlyphs(source=source)
        return tokenizer

    @property
    def image_processor(self) -> Any:
        """Renders the characters outside of the bank; None if there is none (yet)."""
        return self._rare.image_processor

    @image_processor.setter
    def image_processor(self, image_processor: Any) -> None:
        rare = RareGlyphs(image_processor, self._rare.source)
        if image_processor is not None:
            self.glyph_values = flat_glyphs(image_processor, [self.unk_token]).shape[1]
        self._rare = rare

    @property
    def unrendered(self) -> Counter[str]:
        """By character: how often it got the glyph image of [UNK]. Each worker of a data loader counts for itself."""
        return self._rare.unrendered

    @property
    def glyph_values(self) -> int | None:
        """F*h*w of one glyph image; None: not known (yet)."""
        return self._glyph_values

    @glyph_values.setter
    def glyph_values(self, values: int | None) -> None:
        if values is not None and (not isinstance(values, int) or isinstance(values, bool) or values < 1):
            raise ValueError(
                f"glyph_values={values!r} must be None or the number of values of one glyph image, fonts * h * w"
            )
        self._glyph_values = values
        names = [name for name in self.model_input_names if name != "extra_glyphs"]
        if values is not None and "glyph_ids" in names:  # pipelines that pick their inputs by name have to take both
            names.append("extra_glyphs")
        self.model_input_names = names

    def _open_glyphs(self) -> OpenGlyphs:
        """Open ids as the bank stands now."""
        return OpenGlyphs(
            self.glyph_vocab_size, self.extra_characters, self.unk_token_id, self.glyph_values, self._rare
        )

    def _resolve(
        self, ids: list[np.ndarray], images: list[np.ndarray | None]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Resolves the open ids of a batch, int64 [L] or [T, W] for each example: see `OpenGlyphs.resolve`.

        E is 1 or more where a pipeline may have to pad that axis on the left.
        """
        flat, extra = self._open_glyphs().resolve([row.ravel() for row in ids], images)
        ids = [new.reshape(row.shape) for new, row in zip(flat, ids, strict=True)]
        if extra is not None and not extra.shape[1] and self.padding_side == "left":
            extra = np.zeros((len(extra), 1, extra.shape[2]), np.uint8)
        return ids, extra

    def _put_glyphs(
        self, output: BatchEncoding, rows: list[np.ndarray], taken: dict[str, Any], padded: PaddedExamples
    ) -> None:
        """Writes glyph ids into padded examples, resolved where they are tensors or come with glyph images.

        Args:
            output: the padded examples.
            rows: the glyph ids of each, int64 [L] or [T, W], padding included.
            taken: with "extra_glyphs", the glyph images that they had (None: none).
            padded: how they are padded.
        """
        images, extra = padded.rows(taken["extra_glyphs"]), None
        if padded.kind is not None or any(one is not None for one in images):  # in lists open ids stay open
            rows, extra = self._resolve(rows, images)
        padded.put(output, "glyph_ids", rows)
        if extra is not None:
            output["extra_glyphs"] = to_tensor(extra if padded.batched else extra[0], padded.kind)

    def _save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        """Saves the image processor too: what a Trainer saves with a tokenizer alone still renders every character."""
        files = super()._save_pretrained(save_directory, *args, **kwargs)
        if self.glyph_values is not None:
            self._rare.find()  # one that was not needed yet must not be lost
        if self._rare.reason:
            logger.warning(
                f"{type(self).__name__} is saved without its image processor, which cannot be found"
                f"{self._rare.reason}: in the new folder nothing renders the characters outside of the bank. Set "
                "tokenizer.image_processor and save it again"
            )
        if self.image_processor is not None:
            files += tuple(self.image_processor.save_pretrained(save_directory))
        return files


__all__ = ["HUB_KWARGS", "ExtraGlyphs"]

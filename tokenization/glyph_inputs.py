"""glyph_ids and extra_glyphs for any tokenizer: which glyph image every token has, also outside of the vocabulary.

Axes: B batch, L tokens, V tokens of the vocabulary, N >= V rows of the model's glyph bank, E glyph images outside of
the bank, F fonts, h and w of a glyph image.
"""

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.utils import PaddingStrategy, TensorType, logging

from .alignment import TextAlignment
from .bank_rows import BankRows
from .character_batch import to_tensor
from .character_inputs import CharacterInputs
from .characters import code_points
from .open_glyphs import OpenGlyphs
from .rare_glyphs import RareGlyphs, flat_glyphs

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# Arguments of from_pretrained that say where files are found; the image processor is looked for there too.
HUB_KWARGS = ("cache_dir", "local_files_only", "proxies", "revision", "subfolder", "token")


class GlyphInputs(BankRows, CharacterInputs):
    """Mixin before a tokenizer class of transformers: `glyph_ids` and, in tensors, `extra_glyphs`.

    `input_ids` are the closed vocabulary of labels, with [UNK] for what is outside of it. `glyph_ids` are open:

    - In lists (no `return_tensors`; data sets): the row of the model's glyph bank if the token has one, else N + the
      code point of the character. The bank holds the V tokens of the vocabulary in order of their ids, then
      `extra_characters`.
    - In tensors (`return_tensors`, also of `pad` and of the collators that call it): 0..N-1 as before, and N + i for
      row i of the example's own `extra_glyphs` [B, E, F*h*w] uint8, the glyph images of its characters outside of the
      bank. Shorter examples are filled up with zero rows; E may be 0 (with `padding_side` "left" it is 1 or more, as
      transformers' pipelines cannot pad an empty axis on that side). There are extra_glyphs as soon as `glyph_values`
      is known. Equal characters of an example share a row.

    Those glyph images are rendered by `image_processor`: HanziProcessor sets it, or it is loaded when first needed from
    where the tokenizer was loaded from; it is saved beside the tokenizer. Pickles and copies carry one that was set,
    and look again for one that was loaded (without the `token` that the tokenizer was loaded with). A character that
    cannot be rendered gets the glyph image of [UNK], is counted in `unrendered` and warned about. Open ids depend on N:
    encode a data set again after the bank has grown.
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
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> "GlyphInputs":
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

    @property
    def extra_inputs(self) -> dict[str, Any]:
        """A padding token has the glyph image of [PAD]."""
        return {**super().extra_inputs, "glyph_ids": self.pad_token_id}

    def _open_glyphs(self) -> OpenGlyphs:
        """Open ids as the bank stands now."""
        return OpenGlyphs(
            self.glyph_vocab_size, self.extra_characters, self.unk_token_id, self.glyph_values, self._rare
        )

    def _resolve(
        self, ids: list[np.ndarray], images: list[np.ndarray | None]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """See `OpenGlyphs.resolve`; E is 1 or more where a pipeline may have to pad that axis on the left."""
        ids, extra = self._open_glyphs().resolve(ids, images)
        if extra is not None and not extra.shape[1] and self.padding_side == "left":
            extra = np.zeros((len(extra), 1, extra.shape[2]), np.uint8)
        return ids, extra

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """Open glyph ids: the ids of the tokens, but for the characters that are [UNK] there."""
        unknown, rows = self.unk_token_id, [encoding.ids for encoding in alignment.encodings]
        with_unknown = [index for index, row in enumerate(rows) if unknown in row]
        if with_unknown:  # most texts have no unknown character and cost nothing more
            codes, glyphs = code_points(alignment.text), self._open_glyphs()
        for index in with_unknown:
            start, width = alignment.spans(index)
            ids = np.array(rows[index], np.int64)
            here = (ids == unknown) & (width == 1)  # no special token, nor "[UNK]" itself, nor an unknown word
            ids[here] = glyphs.open_ids(codes[start[here]])
            rows[index] = ids.tolist()
        return {**super().extra_values(alignment), "glyph_ids": rows}

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Every token of the vocabulary has the glyph image of its own row of the bank."""
        return {**super().values_of_tokens(ids), "glyph_ids": np.asarray(ids, np.int64)}

    def tensor_values(self, values: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, np.ndarray]]:
        """Resolves open ids; adds extra_glyphs."""
        values, of_batch = super().tensor_values(values)
        if "glyph_ids" in values:
            rows = [np.array(row, np.int64) for row in values["glyph_ids"]]
            rows, extra = self._resolve(rows, [None] * len(rows))
            values = {**values, "glyph_ids": rows}
            of_batch = of_batch if extra is None else {**of_batch, "extra_glyphs": extra}
        return values, of_batch

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str | PaddingStrategy = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | TensorType | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads as transformers does; in tensors, open glyph ids become rows of extra_glyphs.

        Examples that have extra_glyphs (because they come from tensors) keep their ids; their glyph images are padded
        along E. Both kinds may stand in one batch.

        Args:
            encoded_inputs: one encoded example or a batch, as for transformers.
            padding: as in transformers, like all that follow.
            max_length: see `padding`.
            pad_to_multiple_of: see `padding`.
            padding_side: see `padding`.
            return_attention_mask: see `padding`.
            return_tensors: see `padding`.
            verbose: see `padding`.

        Raises:
            ValueError: a glyph id that stands for no character, or glyph images of another size.
        """
        encoded_inputs, images = _without_images(encoded_inputs)
        lengths = (padding, max_length, pad_to_multiple_of, padding_side)
        output = super().pad(encoded_inputs, *lengths, return_attention_mask, return_tensors, verbose)
        return self._with_images(output, images, return_tensors)

    def _with_images(
        self, output: BatchEncoding, images: Any, return_tensors: str | TensorType | None
    ) -> BatchEncoding:
        """Resolves the open ids of padded examples, and gives the glyph images that they had a common E."""
        glyph_ids = output.get("glyph_ids")
        if glyph_ids is None or len(glyph_ids) == 0:
            return output
        batched = np.ndim(glyph_ids[0]) > 0
        if not batched:
            glyph_ids, images = [glyph_ids], [images]
        images = [None] * len(glyph_ids) if images is None else images
        in_lists = isinstance(output["glyph_ids"], list)
        if in_lists and all(one is None for one in images):  # open ids stay open
            return output
        rows, extra = self._resolve([np.array(row, np.int64) for row in glyph_ids], list(images))
        if not batched:
            rows, extra = rows[0], None if extra is None else extra[0]
        if in_lists:  # they were resolved before, and only padded now
            output["glyph_ids"] = [row.tolist() for row in rows] if batched else rows.tolist()
        else:  # arrays and tensors stay what they were
            return_tensors = return_tensors or ("np" if isinstance(output["glyph_ids"], np.ndarray) else "pt")
            output["glyph_ids"] = to_tensor(np.array(rows), return_tensors)
        if extra is not None:
            output["extra_glyphs"] = to_tensor(extra, return_tensors)
        return output

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


def _without_images(encoded_inputs: Any) -> tuple[Any, Any]:
    """Takes extra_glyphs out of examples, which transformers could not pad: (the rest, the images or None)."""
    if isinstance(encoded_inputs, (list, tuple)) and encoded_inputs and isinstance(encoded_inputs[0], Mapping):
        images = [example.get("extra_glyphs") for example in encoded_inputs]
        names = [name for name in encoded_inputs[0] if name != "extra_glyphs"]
        return {name: [example[name] for example in encoded_inputs] for name in names}, images
    if isinstance(encoded_inputs, Mapping):
        rest = {name: value for name, value in encoded_inputs.items() if name != "extra_glyphs"}
        return rest, encoded_inputs.get("extra_glyphs")
    return encoded_inputs, None


__all__ = ["HUB_KWARGS", "GlyphInputs"]

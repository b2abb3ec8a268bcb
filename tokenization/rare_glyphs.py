"""Glyph images of characters that a model's bank lacks: each is rendered once, and counted where nothing renders it."""

from typing import Any

import numpy as np
from transformers.utils import logging

from .tally import Tally

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_MEMO_ENTRIES = 2**14
_NAMED = 20  # characters that a warning names
_SECRET = ("token", "proxies")  # arguments of loading that no copy carries along


class RareGlyphs:
    """Renders characters through an image processor and remembers them.

    Copies and pickles hold what it was made of and nothing that came of use (glyph images, counts, an image processor
    that it found itself): they render the same, and data sets find their caches again.

    Attributes:
        image_processor: has `render(tokens)` (uint8 [n, F, h, w], blank where it cannot) and `can_render(tokens)` (bool
            [n]); None: nothing can be rendered.
        source: the arguments of `AutoImageProcessor.from_pretrained` that load one where none was given.
        reason: why the source gave none, in brackets after a space; empty while it was not tried.
        unrendered: how often a character without a glyph image was needed, by character.
    """

    def __init__(self, image_processor: Any = None, source: dict[str, Any] | None = None) -> None:
        """Starts with no rendered character.

        Raises:
            TypeError: `image_processor` cannot render characters.
        """
        _check_renders(image_processor)
        self.image_processor, self.source = image_processor, source
        self.unrendered = Tally()
        self._given = image_processor
        self.reason = ""
        self._sought = False  # whether the source was tried
        self._memo: dict[str, np.ndarray | None] = {}  # None: it cannot be rendered

    def __reduce__(self) -> tuple[type, tuple]:
        source = self.source and {name: value for name, value in self.source.items() if name not in _SECRET}
        return type(self), (self._given, source)

    def find(self) -> None:
        """Loads the image processor from the source if there is none, once, or notes why it cannot."""
        if self.image_processor is not None or self._sought or not self.source:
            return
        from transformers.models.auto.image_processing_auto import AutoImageProcessor

        self._sought = True
        remote = __name__.startswith("transformers_modules")  # the code was trusted when this file was loaded
        try:
            found = AutoImageProcessor.from_pretrained(**self.source, trust_remote_code=remote)
            _check_renders(found)
            _check_fits(found, self.source, remote)
            self.image_processor = found
        except Exception as error:  # the folder may hold anything; the reason is told when a character needs it
            self.reason = f" ({error})"

    def render(self, characters: list[str], numbers: list[int], values: int) -> tuple[np.ndarray, np.ndarray]:
        """Gives the glyph images of characters.

        Args:
            characters: distinct characters.
            numbers: how often each is needed, for the count of those that cannot be rendered.
            values: F * h * w of one glyph image.

        Returns:
            Which of them have a glyph image, bool [n]; those glyph images, flattened, uint8 [number of True, values].

        Raises:
            ValueError: the image processor renders glyph images of another size.
        """
        new = [character for character in characters if character not in self._memo]
        if new and self.image_processor is not None:
            images = flat_glyphs(self.image_processor, new, values)
            # a blank image would be taken for padding
            can = np.asarray(self.image_processor.can_render(new)) & images.any(1)
            if len(self._memo) + len(new) > _MEMO_ENTRIES:  # forget all but what this call needs
                self._memo = {character: self._memo[character] for character in characters if character in self._memo}
            pairs = zip(new, images, can.tolist(), strict=True)
            self._memo.update({character: image if rendered else None for character, image, rendered in pairs})
        found = [self._memo.get(character) for character in characters]
        rendered = np.array([image is not None for image in found], bool)
        if not rendered.all():
            self._count({characters[i]: numbers[i] for i in np.flatnonzero(~rendered)})
        return rendered, np.array([image for image in found if image is not None] or np.zeros((0, values)), np.uint8)

    def _count(self, unrendered: dict[str, int]) -> None:
        """Counts, and warns each time the number of different characters has doubled."""
        if not self.unrendered.add(unrendered):
            return
        names = ", ".join(f"{c!r} U+{ord(c):04X}" for c in list(unrendered)[:_NAMED])
        cause = "No font of its image processor has them: name one that has (HanziGlyphImageProcessor(fonts=...))."
        if self.image_processor is None:
            cause = (
                f"The tokenizer has no image processor to render them{self.reason}: use the processor, set "
                "tokenizer.image_processor, or load the tokenizer from a folder that the processor was saved to."
            )
        logger.warning(
            f"Characters that have no glyph image get that of [UNK]: {len(self.unrendered)} different ones so far, "
            f"{self.unrendered.total()} in all, among them {names}. {cause} (tokenizer.unrendered has the counts.)"
        )


def flat_glyphs(image_processor: Any, tokens: list[str], values: int | None = None) -> np.ndarray:
    """Renders tokens and flattens each glyph image.

    Args:
        image_processor: see `RareGlyphs`.
        tokens: what to render.
        values: F * h * w of one glyph image, if it is known.

    Returns:
        uint8 [n, F*h*w].

    Raises:
        ValueError: the result is not one uint8 glyph image for every token, or its images do not have `values` values.
    """
    images = np.asarray(image_processor.render(tokens))
    if images.ndim != 4 or len(images) != len(tokens) or images.dtype != np.uint8:
        raise ValueError(
            f"the image processor rendered {len(tokens)} tokens as {images.dtype} {list(images.shape)}, but must give "
            f"uint8 [{len(tokens)}, fonts, height, width]"
        )
    if values is not None and images[0].size != values:
        raise ValueError(
            f"the image processor renders glyph images {list(images.shape[1:])} of {images[0].size} values, but the "
            f"tokenizer (glyph_values) and its model know glyph images of {values}; load it from the model's folder, "
            "or make it with the same styles and size"
        )
    return images.reshape(len(images), -1)


def _check_renders(image_processor: Any) -> None:
    missing = [name for name in ("render", "can_render") if not callable(getattr(image_processor, name, None))]
    if image_processor is not None and missing:
        raise TypeError(
            f"a {type(image_processor).__name__} is no image processor of characters: it has no {missing}; give a "
            "HanziGlyphImageProcessor, or None"
        )


def _check_fits(image_processor: Any, source: dict[str, Any], remote: bool) -> None:
    """Compares an image processor with the configuration of the model that lies beside it, if one does.

    Raises:
        ValueError: it renders another number of styles, or another size.
    """
    from transformers.models.auto.configuration_auto import AutoConfig

    try:
        config = AutoConfig.from_pretrained(**source, trust_remote_code=remote)
    except Exception:  # there is no model beside it, or none that can be read
        return
    names = {"glyph_styles": "styles", "glyph_size": "size", "glyph_binary": "binary"}
    known = {name: own for name, own in names.items() if hasattr(config, name) and hasattr(image_processor, own)}
    bank = {own: getattr(config, name) for name, own in known.items()}
    here = {own: getattr(image_processor, own) for own in bank}
    if bank == here:
        return
    text = f"the model's configuration says {bank} of its glyph images, but the image processor beside it {here}"
    if [len(bank.get("styles", ())), bank.get("size")] != [len(here.get("styles", ())), here.get("size")]:
        raise ValueError(f"{text}; save the processor that rendered the model's glyph images there")
    logger.warning(
        f"{text}: characters outside of the bank may look different from those in it. Save the processor that rendered "
        "the bank there, or correct the configuration"
    )


__all__ = ["RareGlyphs", "flat_glyphs"]

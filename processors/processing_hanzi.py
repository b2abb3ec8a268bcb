"""The processor of GlyphCRM: its tokenizer, and the image processor that renders the characters."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack
from transformers.tokenization_utils_base import PreTokenizedInput, TextInput
from transformers.utils import logging

logger = logging.get_logger(__name__)

# First and last characters of the blocks that a bank holds by default, where the fonts render them.
_USUAL = (
    (0x0021, 0x007E),  # Latin, without control characters and the soft hyphen
    (0x00A1, 0x00AC),
    (0x00AE, 0x024F),
    (0x2010, 0x2027),  # general punctuation, without spaces and marks of direction
    (0x2030, 0x205E),
    (0x3001, 0x30FF),  # CJK punctuation, kana
    (0x3105, 0x312F),  # bopomofo
    (0x31A0, 0x31BF),  # bopomofo, extended
    (0x31F0, 0x31FF),  # kana, phonetic extensions
    (0x3400, 0x4DBF),  # Extension A
    (0x4E00, 0x9FFF),  # the unified characters (URO)
    (0xAC00, 0xD7A3),  # hangul
    (0xFE30, 0xFE4F),  # CJK compatibility forms: vertical punctuation
    (0xFF01, 0xFF9F),  # full-width and half-width forms, without the Hangul filler
    (0xFFA1, 0xFFEE),
)


class HanziProcessorKwargs(ProcessingKwargs, total=False):
    """What a call may be given: the tokenizer's arguments."""

    _defaults = {}  # transformers 5.17 reads it


class HanziProcessor(ProcessorMixin):
    """Turns texts into GlyphCRM's inputs, with a glyph image for every character that a font has.

    Joins the two: the tokenizer then renders the characters outside of the model's bank through the image processor.
    A call gives what the tokenizer gives; so do `pad`, `decode` and `batch_decode`. `save_pretrained` writes the image
    processor, with the font manifest of its fonts, into processor_config.json beside the tokenizer's files.

    Args:
        image_processor: a HanziGlyphImageProcessor.
        tokenizer: a GlyphCrmTokenizer.

    Either may be replaced later (`processor.image_processor = other`); the tokenizer then renders with the new one.

    Raises:
        TypeError: one of them is of another kind.

    Example:
        >>> processor = HanziProcessor(HanziGlyphImageProcessor(styles=["song"]), GlyphCrmTokenizer("vocab.txt"))
        >>> processor.extend_bank()
        >>> config = GlyphCrmConfig.base(
        ...     vocab_size=len(processor.tokenizer), glyph_vocab_size=processor.tokenizer.glyph_vocab_size
        ... )
        >>> model = GlyphCrmForPreTraining(config)
        >>> model.base_model.set_glyphs(processor.render_bank())
    """

    valid_processor_kwargs = HanziProcessorKwargs

    def __init__(self, image_processor: Any, tokenizer: Any, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keeps the two parts joined: the tokenizer renders with the image processor, also when one is replaced."""
        parts = {**self.__dict__, name: value}
        if name in ("image_processor", "tokenizer") and "image_processor" in parts and "tokenizer" in parts:
            tokenizer = parts["tokenizer"]
            if not all(hasattr(tokenizer, needed) for needed in ("bank_tokens", "set_extra_characters")):
                raise TypeError(f"a {type(tokenizer).__name__} makes no glyph_ids; give a GlyphCrmTokenizer")
            tokenizer.image_processor = parts["image_processor"]
        super().__setattr__(name, value)

    def __call__(
        self,
        text: TextInput | PreTokenizedInput | list[TextInput] | list[PreTokenizedInput] | None = None,
        *pair: TextInput | PreTokenizedInput | list[TextInput] | list[PreTokenizedInput] | None,
        **kwargs: Unpack[HanziProcessorKwargs],
    ) -> BatchEncoding:
        """Encodes texts; see GlyphCrmTokenizer for the keys, shapes and ranges.

        Args:
            text: a text, or a list of them (or of words, with `is_split_into_words`).
            pair: the text pair of each (`text_pair`), as for a tokenizer; nothing else goes by its place.
            kwargs: arguments of the tokenizer (text_pair, padding, truncation, return_tensors, ...).

        Raises:
            TypeError: more than two arguments without a name, or two text pairs.
            ValueError: there is no text, or it cannot be encoded.
        """
        if len(pair) > 1 or (pair and "text_pair" in kwargs):
            raise TypeError("HanziProcessor takes text and text_pair, each once; name all other arguments")
        if text is None:
            raise ValueError("HanziProcessor needs `text`: a string, or a list of strings")
        if pair:
            kwargs["text_pair"] = pair[0]
        merged = self._merge_kwargs(
            self.valid_processor_kwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs
        )
        return self.tokenizer(text, **merged["text_kwargs"])

    @property
    def model_input_names(self) -> list[str]:
        """The tokenizer's: glyph images come with them."""
        return self.tokenizer.model_input_names

    def pad(self, *args: Any, **kwargs: Any) -> BatchEncoding:
        """Pads encoded examples: `GlyphCrmTokenizer.pad`. Lets a processor stand where a collator wants a tokenizer."""
        return self.tokenizer.pad(*args, **kwargs)

    def render_bank(self) -> np.ndarray:
        """Renders the model's bank: uint8 [N, F, h, w], for `set_glyphs`.

        Tokens that no font has, or that leave no ink at this size, get the glyph image of [UNK] (a blank one would be that
        of [PAD]); their number is logged as a warning. What is without ink (default-ignorable) stays so.
        """
        tokens, image_processor = self.tokenizer.bank_tokens(), self.image_processor
        images = np.array(image_processor.render(tokens))
        blank = ~images.any(axis=(1, 2, 3)) & ~image_processor.has_no_ink(tokens)
        lacking = np.flatnonzero(blank | ~np.asarray(image_processor.can_render(tokens)))
        if len(lacking):
            images[lacking] = images[self.tokenizer.unk_token_id]
            names = " ".join(tokens[index] for index in lacking[:20])
            logger.warning(
                f"{len(lacking)} of {len(tokens)} tokens of the bank have no glyph image in these fonts at "
                f"{image_processor.size} px and get that of [UNK], among them: {names}. Name a font that has them "
                "(HanziGlyphImageProcessor(fonts=...)), or a larger size"
            )
        return images

    def extend_bank(self, characters: str | Iterable[str] | None = None) -> int:
        """Gives more characters a row of the bank, so that they need no extra_glyphs. Do it before the model is made.

        Args:
            characters: the new ones, a string or list, in the order of their rows; None: all that the fonts render of the
                usual blocks (Latin, punctuation, kana, bopomofo, Extension A, the unified characters, hangul,
                full-width forms), in order of code point. Those that have a row already are left out.

        Returns:
            How many rows were added.

        Raises:
            ValueError: a character can have no glyph image (white space, invisible ones); an entry of a list is not one
                character.
        """
        characters = characters if characters is None else list(characters)
        wrong = next((one for one in characters or () if not isinstance(one, str) or len(one) != 1), None)
        if wrong is not None:
            raise ValueError(
                f"characters holds {wrong!r}; every entry must be one character; give one string, such as 'あか'"
            )
        have = set(self.tokenizer.bank_tokens())
        usual = [chr(code) for first, last in _USUAL for code in range(first, last + 1)]
        new = [
            character
            for character in dict.fromkeys(usual if characters is None else characters)
            if character not in have
        ]
        if characters is None and new:
            rendered = np.asarray(self.image_processor.can_render(new))
            new = [new[index] for index in np.flatnonzero(rendered)]
        self.tokenizer.set_extra_characters(self.tokenizer.extra_characters + "".join(new))
        return len(new)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Saves both parts; the image processor once, in processor_config.json, and its fonts in fonts/."""
        self.tokenizer.saves_image_processor = False
        try:
            fonts = self.image_processor.copy_fonts(save_directory)
            return [*super().save_pretrained(save_directory, *args, **kwargs), *fonts]
        finally:
            self.tokenizer.saves_image_processor = True
            self.__dict__.pop("auto_map", None)  # it belongs to the folder


HanziProcessor.register_for_auto_class("AutoProcessor")

__all__ = ["HanziProcessor", "HanziProcessorKwargs"]

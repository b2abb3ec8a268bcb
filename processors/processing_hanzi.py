"""The processor of every family: a tokenizer, and what renders the images and the sounds of its characters."""

from collections.abc import Iterable
from pathlib import Path
from types import DynamicClassAttribute
from typing import Any

import numpy as np
from transformers import AutoFeatureExtractor, BatchEncoding
from transformers.dynamic_module_utils import custom_object_save
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack
from transformers.tokenization_utils_base import PreTokenizedInput, TextInput
from transformers.utils import logging

from .glyph_settings import SETTINGS
from .processor_parts import (
    check_renders,
    check_sees_characters,
    check_sounds,
    check_syllables_agree,
    has_open_glyphs,
    join,
)

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# Settings of a HanziSyllableFeatureExtractor. Its file is not imported: a checkpoint without sound has no need of it.
_OF_SOUND = ("recordings", "syllables")
Text = TextInput | PreTokenizedInput | list[TextInput] | list[PreTokenizedInput] | None


class HanziProcessorKwargs(ProcessingKwargs, total=False):
    """What a call may be given: the tokenizer's arguments."""

    _defaults = {}  # transformers 5.17 reads it


class HanziProcessor(ProcessorMixin):
    """Turns texts into the inputs of a model that sees its characters, and renders the model's glyph images.

    A call gives what the tokenizer gives; so do `pad`, `decode` and `batch_decode`. `render_bank` renders the glyph
    image of every row of the model's bank or table.

    The parts are joined: a tokenizer with open glyph ids (GlyphCRM's) renders the characters outside of the bank
    through the image processor. Either part may be replaced (`processor.image_processor = other`), which joins them
    again. Where somebody else gave the tokenizer another image processor, every use of the processor is refused.

    Models that also hear their characters (MPM-CNER) have a third part, a feature extractor that renders spectrograms:
    `feature_extractor.render_bank()` gives the rows of the model's sound bank. The tokenizer numbers its syllables; one
    that has a list of its own must have the same.

    `save_pretrained` writes the image processor, with the font manifest, into processor_config.json and its fonts into
    fonts/, beside the tokenizer's files, and the feature extractor beside both. A tokenizer with open glyph ids writes
    the same two when it is saved alone, as a Trainer may do. `from_pretrained` takes the settings of the other parts
    too; fonts of your own that are not saved with the checkpoint have to be given there again:
    `from_pretrained(folder, fonts={"song": ["my.ttf"]})`.

    Args:
        image_processor: a HanziGlyphImageProcessor.
        tokenizer: a tokenizer of hanziformers.
        feature_extractor: a HanziSyllableFeatureExtractor, or None.

    Raises:
        TypeError: one of them is of another kind.
        ValueError: the tokenizer numbers the syllables differently from the feature extractor.

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

    def __init__(self, image_processor: Any, tokenizer: Any, feature_extractor: Any = None, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)  # sets both through the properties below
        self.feature_extractor = feature_extractor

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts that every processor has: to transformers none is optional, so the third is handled here."""
        return ["image_processor", "tokenizer"]

    # The parts are properties of the instance alone (transformers wants no class attribute of the name of a part), and
    # are kept in its __dict__ under their own names, where ProcessorMixin reads them.
    @DynamicClassAttribute
    def image_processor(self) -> Any:
        """Renders the characters."""
        return self.__dict__["image_processor"]

    @image_processor.setter
    def image_processor(self, image_processor: Any) -> None:
        check_renders(image_processor)
        join(self.__dict__.get("tokenizer"), image_processor=image_processor)
        self.__dict__["image_processor"] = image_processor

    @DynamicClassAttribute
    def tokenizer(self) -> Any:
        """Turns texts into ids."""
        return self.__dict__["tokenizer"]

    @tokenizer.setter
    def tokenizer(self, tokenizer: Any) -> None:
        check_sees_characters(tokenizer)
        join(tokenizer, self.__dict__.get("image_processor"), self.feature_extractor)
        self.__dict__["tokenizer"] = tokenizer

    @DynamicClassAttribute
    def feature_extractor(self) -> Any:
        """Renders the spectrograms of syllables; None where the model hears nothing."""
        return self.__dict__.get("feature_extractor")

    @feature_extractor.setter
    def feature_extractor(self, feature_extractor: Any) -> None:
        if feature_extractor is None:  # not kept as None, which would be saved
            self.__dict__.pop("feature_extractor", None)
            return
        check_sounds(feature_extractor)
        join(self.tokenizer, feature_extractor=feature_extractor)
        self.__dict__["feature_extractor"] = feature_extractor

    def _check_joined(self) -> None:
        """Refuses to go on where the tokenizer was given another image processor behind the processor's back."""
        if has_open_glyphs(self.tokenizer) and self.tokenizer.image_processor is not self.image_processor:
            raise ValueError(
                "processor.tokenizer.image_processor is not processor.image_processor: the tokenizer would render rare "
                "characters with one, and the processor the bank with the other; set processor.image_processor to the "
                "one that you want, which joins both, and give every processor a tokenizer of its own"
            )
        if self.feature_extractor is not None:
            check_syllables_agree(self.tokenizer.syllables, self.feature_extractor.syllables)

    def __call__(self, text: Text = None, *pair: Text, **kwargs: Unpack[HanziProcessorKwargs]) -> BatchEncoding:
        """Encodes texts; see the tokenizer for the keys, shapes and ranges.

        Args:
            text: a text, or a list of them (or of words, with `is_split_into_words`).
            pair: the text pair of each (`text_pair`), as for a tokenizer; no other argument is positional.
            kwargs: arguments of the tokenizer (text_pair, padding, truncation, return_tensors, ...).

        Raises:
            TypeError: more than two positional arguments, or two text pairs.
            ValueError: there is no text, or it cannot be encoded; the parts are no longer joined.
        """
        if len(pair) > 1 or (pair and "text_pair" in kwargs):
            raise TypeError("HanziProcessor takes text and text_pair, each once; name all other arguments")
        if text is None:
            raise ValueError("HanziProcessor needs `text`: a string, or a list of strings")
        self._check_joined()
        if pair:
            kwargs["text_pair"] = pair[0]
        merged = self._merge_kwargs(
            self.valid_processor_kwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs
        )
        return self.tokenizer(text, **merged["text_kwargs"])

    @classmethod
    def _load_tokenizer_from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, without the settings of the other parts: a tokenizer would save them, even paths."""
        of_tokenizer = {name: value for name, value in kwargs.items() if name not in (*SETTINGS, *_OF_SOUND)}
        return super()._load_tokenizer_from_pretrained(*args, **of_tokenizer)

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: Any, processor_dict: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Any]:
        """As in transformers, with the feature extractor where the folder has one."""
        of_others = {name: value for name, value in kwargs.items() if name not in _OF_SOUND}
        parts = super()._get_arguments_from_pretrained(pretrained_model_name_or_path, processor_dict, **of_others)
        if "feature_extractor" in (processor_dict or {}):
            of_sound = {name: value for name, value in kwargs.items() if name not in SETTINGS}
            parts.append(AutoFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **of_sound))
        elif kwargs.keys() & _OF_SOUND:
            given = ", ".join(sorted(kwargs.keys() & _OF_SOUND))
            raise TypeError(f"{pretrained_model_name_or_path} has no feature extractor: {given} has no effect there")
        return parts

    @classmethod
    def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in transformers, without settings of the feature extractor, which was loaded by them already."""
        left = {name: value for name, value in processor_dict.items() if name != "feature_extractor"}
        return super().from_args_and_dict(args, left, **{k: v for k, v in kwargs.items() if k not in _OF_SOUND})

    @property
    def model_input_names(self) -> list[str]:
        """The tokenizer's: glyph images come with them."""
        return self.tokenizer.model_input_names

    def pad(self, *args: Any, **kwargs: Any) -> BatchEncoding:
        """Pads encoded examples as the tokenizer does, so that collators take a processor for a tokenizer."""
        self._check_joined()
        return self.tokenizer.pad(*args, **kwargs)

    def render_bank(self) -> np.ndarray:
        """Renders what the model's bank or table of glyph images holds: uint8 [N, F, h, w], for `set_glyphs`.

        The rows are the tokenizer's `bank_tokens()` where it has open glyph ids, else the tokens of its vocabulary in
        order of their ids. Tokens that no font covers, or that leave no ink at this size, get the glyph image of [UNK]
        (a blank one would be that of [PAD]); their number is logged as a warning. What has no ink stays blank.
        """
        self._check_joined()
        tokenizer, image_processor = self.tokenizer, self.image_processor
        in_vocabulary = range(len(tokenizer))
        tokens = (
            tokenizer.bank_tokens() if has_open_glyphs(tokenizer) else tokenizer.convert_ids_to_tokens(in_vocabulary)
        )
        images = np.array(image_processor.render(tokens))  # a copy: those in the cache are not written to
        blank = ~images.any(axis=(1, 2, 3)) & ~image_processor.has_no_ink(tokens)
        lacking = np.flatnonzero(blank | ~np.asarray(image_processor.can_render(tokens)))
        if len(lacking):
            images[lacking] = images[tokenizer.unk_token_id]
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
            characters: the new ones, a string or list, in the order of their rows; None: of the tokenizer's
                `common_characters()` (Latin, punctuation, kana, bopomofo, Extension A, the unified characters, hangul,
                full-width forms) all that the fonts cover. Those that have a row already are left out.

        Returns:
            How many rows were added.

        Raises:
            TypeError: the tokenizer has no open glyph ids; its model has a glyph image for each token, and no more.
            ValueError: a character can have no glyph image (white space, invisible ones); an entry of a list is not one
                character.
        """
        if not has_open_glyphs(self.tokenizer):
            raise TypeError(
                f"a {type(self.tokenizer).__name__} has no open glyph ids: its model has one glyph image for each "
                "token of the vocabulary, and no more; add tokens instead (processor.tokenizer.add_tokens)"
            )
        self._check_joined()
        if characters is None:
            common = self.tokenizer.common_characters()
            covered = np.asarray(self.image_processor.can_render(common))
            new = [common[index] for index in np.flatnonzero(covered)]
        else:
            characters = list(characters)
            wrong = next((one for one in characters if not isinstance(one, str) or len(one) != 1), None)
            if wrong is not None:
                raise ValueError(
                    f"characters holds {wrong!r}; every entry must be one character; give one string, such as 'あか'"
                )
            have = set(self.tokenizer.bank_tokens())
            new = [character for character in dict.fromkeys(characters) if character not in have]
        self.tokenizer.set_extra_characters(self.tokenizer.extra_characters + "".join(new))
        return len(new)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Saves all parts, and the fonts (see `HanziGlyphImageProcessor.save_pretrained`)."""
        self._check_joined()
        files, tokenizer, sounds = [], self.tokenizer, self.feature_extractor
        processor_class = tokenizer._processor_class
        try:
            if not has_open_glyphs(tokenizer):  # those that have them save their image processor with themselves
                files = self.image_processor.save_pretrained(save_directory)
            if sounds is not None:  # first its files; processor_config.json is written as a whole after it
                files += sounds.save_pretrained(save_directory)
                custom_object_save(sounds, save_directory, config=sounds)
            files = [*super().save_pretrained(save_directory), *files]
        finally:  # what belongs to the folder must not stay, or data sets would not find their caches any more
            tokenizer._processor_class = processor_class
            for attributes in (self.__dict__, *map(vars, filter(None, (self.image_processor, sounds)))):
                attributes.pop("auto_map", None)
            tokenizer.init_kwargs.pop("auto_map", None)
        if push_to_hub:  # not by super(), which would not upload what was written before it started
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return files


HanziProcessor.register_for_auto_class("AutoProcessor")

__all__ = ["HanziProcessor", "HanziProcessorKwargs"]

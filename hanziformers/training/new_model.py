"""Models from scratch: the tokenizer or processor of a vocabulary, and the images and sounds of what the model knows.

    config = AutoConfig.for_model("glyph_crm")
    processor = new_processing_class(config, "vocab.txt")
    model = AutoModelForPreTraining.from_config(config)
    render_glyphs(model, processor)

Nothing here knows a family by its name: what a family needs is read from its configuration and from the auto classes.
"""

import math
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING
from transformers.processing_utils import ProcessorMixin

from ..processors.image_processing_glyph import HanziGlyphImageProcessor
from ..processors.processing_hanzi import HanziProcessor
from ..processors.processor_parts import has_open_glyphs
from ..processors.shipped_fonts import shipped_paths

# A field that a configuration may have, and the setting of the image processor that has to be the same.
GLYPH_SETTINGS = {
    "glyph_styles": "styles",
    "glyph_size": "size",
    "glyph_binary": "binary",
    "glyph_words": "render_words",
}


def get_tokenizer(processing_class: ProcessorMixin | PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer of a processor; a tokenizer itself is returned as it is."""
    return getattr(processing_class, "tokenizer", processing_class)


def sees_glyphs(config: PreTrainedConfig) -> bool:
    """Whether models of this configuration see glyph images of their characters (a BERT does not)."""
    return hasattr(config, "glyph_styles") and getattr(config, "use_glyphs", True)


def hears_sounds(config: PreTrainedConfig) -> bool:
    """Whether models of this configuration hear the sounds of their characters."""
    return getattr(config, "use_sounds", False)


def has_bank(config: PreTrainedConfig) -> bool:
    """Whether models of this configuration keep a bank of glyph images, beside which others are rendered on the fly.

    ChineseBERT has glyph images but no bank: its table is closed, so nothing is rendered once it is filled.
    """
    return sees_glyphs(config) and type(config) in PROCESSOR_MAPPING


def tokenizer_class_of(config: PreTrainedConfig, tokenizer_type: str | None = None) -> type | None:
    """The tokenizer class of a new model, or of another model type; None where models of its type have none."""
    family = AutoConfig.for_model(tokenizer_type) if tokenizer_type else config
    return TOKENIZER_MAPPING.get(type(family), None)


def new_processing_class(
    config: PreTrainedConfig,
    vocabulary: str | dict[str, int],
    tokenizer_type: str | None = None,
    vocabulary_bank: bool = False,
    **settings: Any,
) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Makes what turns text into the inputs of a new model, and writes the sizes that follow from it into `config`.

    Args:
        config: of the new model; `vocab_size`, `pad_token_id`, `special_token_ids` and, for a model with a lexicon,
            `num_words`, for one with banks of glyph images and sounds, `glyph_vocab_size` and `num_syllables` are set.
        vocabulary: a file with one token per line; a folder or name of the Hub whose tokenizer has it; or token -> id.
        tokenizer_type: model type whose tokenizer is taken in place of the model's own.
        vocabulary_bank: whether the glyph bank holds the vocabulary alone, not all common characters that the fonts
            render.
        settings: further arguments of the tokenizer class.

    Returns:
        The family's processor, or its tokenizer where the family has no processor.

    Raises:
        ValueError: a model with a glyph bank, and a tokenizer that has no glyph ids for it; a model with a lexicon, and
            a tokenizer without words for it.
    """
    tokenizer = _new_tokenizer(tokenizer_class_of(config, tokenizer_type), vocabulary, settings)
    config.vocab_size = len(tokenizer)
    config.pad_token_id = tokenizer.pad_token_id  # its vector is 0 and trains nothing: no other token's may be that
    set_special_tokens(config, tokenizer)
    _set_num_words(config, tokenizer)
    if type(config) not in PROCESSOR_MAPPING:
        return tokenizer
    if not has_open_glyphs(tokenizer):
        raise ValueError(
            f"--tokenizer_type {tokenizer_type} does not fit --model_type {config.model_type}: a "
            f"{type(tokenizer).__name__} has no glyph ids for the model's bank; leave --tokenizer_type out, or give "
            f"--tokenizer_type {config.model_type}"
        )
    sounds = FEATURE_EXTRACTOR_MAPPING[type(config)]() if hears_sounds(config) else None
    processor = PROCESSOR_MAPPING[type(config)](new_image_processor(config), tokenizer, sounds)
    if sees_glyphs(config) and not vocabulary_bank:
        processor.extend_bank()
    config.glyph_vocab_size = tokenizer.glyph_vocab_size
    if sounds is not None:
        config.num_syllables = 1 + len(sounds.syllables)  # row 0 is no sound
    return processor


def _new_tokenizer(
    tokenizer_class: type, source: str | dict[str, int], settings: dict[str, Any]
) -> PreTrainedTokenizerBase:
    """A tokenizer from a vocabulary or its file, or from the folder or Hub name of a checkpoint with its vocabulary."""
    is_vocabulary = isinstance(source, dict) or Path(source).is_file()
    if is_vocabulary or Path(source).suffix == ".txt":  # a missing one is named by the tokenizer
        return tokenizer_class(source, **settings)
    return tokenizer_class.from_pretrained(source, **settings)


def _set_num_words(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes the size of the tokenizer's lexicon into the configuration of a model that reads one."""
    if not hasattr(config, "num_words"):
        return
    if not len(getattr(tokenizer, "lexicon", ())):
        raise ValueError(
            f"a {config.model_type} reads the words of a lexicon, and its {type(tokenizer).__name__} has none: give "
            "--lexicon_file with words of two or more characters, or more training text, and no --tokenizer_type"
        )
    config.num_words = len(tokenizer.lexicon)


def set_special_tokens(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes the ids of [PAD], [CLS] and [SEP], which take no part in a CRF, into a configuration that has none yet."""
    if getattr(config, "special_token_ids", ()) is None:
        ids = (tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
        config.special_token_ids = sorted({index for index in ids if index is not None})


def new_image_processor(config: PreTrainedConfig) -> HanziGlyphImageProcessor:
    """The image processor that renders the glyph images which a configuration describes.

    For a model that sees none it has one style alone: of those whose fonts are shipped, and thus saved with it, the one
    with the smallest.
    """
    settings = {own: getattr(config, field) for field, own in GLYPH_SETTINGS.items() if hasattr(config, field)}
    if not sees_glyphs(config) and len(settings.get("styles", ())) > 1:
        settings["styles"] = [min(settings["styles"], key=_size_of_fonts)]
    return HanziGlyphImageProcessor(**settings)


def _size_of_fonts(style: str) -> float:
    """Bytes of the shipped fonts of a style, inf without one; of a part of a zip, of all of it, as it is saved."""
    return sum(Path(path.partition("#")[0]).stat().st_size for path in shipped_paths(style)) or math.inf


def render_glyphs(model: PreTrainedModel, processing_class: ProcessorMixin | PreTrainedTokenizerBase) -> dict[str, Any]:
    """Renders the glyph images of every row of a model, and gives them to it; to one that hears, its sounds too.

    They are rendered by the image processor of `processing_class` where it has one, else by one made from the
    configuration (`glyph_styles`, `glyph_size`, `glyph_binary`). Do it after the weights of a new model were
    initialised; a model that was loaded from a checkpoint already has its glyph images.

    A token that no font covers gets the glyph image of [UNK], with a warning (`HanziProcessor.render_bank`).

    Args:
        model: any model that sees glyphs, with a head or without.
        processing_class: its processor or tokenizer.

    Returns:
        The font manifest (which fonts rendered the characters), which is also set as `model.config.font_manifest`.

    Raises:
        ValueError: the model sees no glyphs; the image processor renders other glyph images than the configuration
            describes; the tokenizer has another number of tokens than the model has rows.

    Example:
        >>> tokenizer = ChineseBertTokenizer("vocab.txt")
        >>> model = ChineseBertForMaskedLM(ChineseBertConfig(vocab_size=len(tokenizer)))
        >>> manifest = render_glyphs(model, tokenizer)
    """
    config, tokenizer = model.config, get_tokenizer(processing_class)
    if not sees_glyphs(config):
        raise ValueError(
            f"a {type(model).__name__} sees no glyph images: its {type(config).__name__} has no glyph_styles, or "
            "use_glyphs=False. Leave this step out"
        )
    image_processor = getattr(processing_class, "image_processor", None) or new_image_processor(config)
    check_image_processor(config, image_processor)
    # rows of a bank are the vocabulary's and those of further characters
    in_vocabulary = list(range(len(tokenizer)))
    tokens = tokenizer.bank_tokens() if has_open_glyphs(tokenizer) else tokenizer.convert_ids_to_tokens(in_vocabulary)
    if len(tokens) != config.num_glyphs:
        raise ValueError(
            f"the model has {config.num_glyphs} rows of glyph images, its tokenizer {len(tokens)} tokens; make the "
            "configuration with the sizes of the tokenizer"
        )
    processor = processing_class
    if not hasattr(processor, "render_bank"):
        processor = HanziProcessor(image_processor, tokenizer)
    model.base_model.set_glyphs(processor.render_bank())  # uint8 [N, F, h, w]
    config.font_manifest = image_processor.make_font_manifest(tokens)
    if hasattr(config, "unk_token_id"):  # an id table has one row for all characters outside of the vocabulary
        config.unk_token_id = tokenizer.unk_token_id
    if hears_sounds(config):
        render_sounds(model, processing_class)
    return config.font_manifest


def render_sounds(model: PreTrainedModel, processing_class: ProcessorMixin) -> dict[str, Any]:
    """Renders the spectrograms of every row of a model's sound bank, and gives them to it.

    Args:
        model: any model that hears sounds, with a head or without.
        processing_class: its processor, with a feature extractor.

    Returns:
        The sound manifest (who spoke the syllables), which is also set as `model.config.sound_manifest`.

    Raises:
        ValueError: the model hears no sounds; the processor has no feature extractor; the model has another number of
            rows than there are syllables, or spectrograms of another size.
    """
    config, sounds = model.config, getattr(processing_class, "feature_extractor", None)
    if not hears_sounds(config):
        raise ValueError(
            f"a {type(model).__name__} hears no sounds (use_sounds is False or missing): leave this step out"
        )
    if sounds is None:
        raise ValueError(
            f"a {type(processing_class).__name__} without a feature extractor renders no sounds; give HanziProcessor a "
            "feature_extractor: HanziSyllableFeatureExtractor()"
        )
    if 1 + len(sounds.syllables) != config.num_syllables:
        raise ValueError(
            f"num_syllables={config.num_syllables} is not allowed: the feature extractor has {len(sounds.syllables)} "
            f"syllables, and row 0 is no sound; make the configuration with num_syllables={1 + len(sounds.syllables)}"
        )
    images = sounds.render_bank()  # uint8 [S, 3, h, w]
    if images.shape[1:] != config.sound_shape:
        raise ValueError(
            f"glyph_size={config.glyph_size} is not allowed with sounds: the feature extractor renders spectrograms "
            f"{images.shape[1:]}, the model has {config.sound_shape}; make the configuration with "
            f"glyph_size={images.shape[-1]}, or use_sounds=False"
        )
    model.base_model.set_sounds(images)
    config.sound_manifest = sounds.make_sound_manifest()
    return config.sound_manifest


def check_image_processor(config: PreTrainedConfig, image_processor: Any) -> None:
    """Refuses an image processor that renders other glyph images than a configuration describes.

    Raises:
        ValueError: names the field and both values.
    """
    for field, own in GLYPH_SETTINGS.items():
        rendered = getattr(image_processor, own)
        wanted = getattr(config, field, rendered)
        if wanted != rendered:
            raise ValueError(
                f"{field}={wanted} is not allowed: the image processor renders with {own}={rendered}, and both must "
                f"agree; leave {field} out (a checkpoint's image processor decides it), take model and processor from "
                f"one folder, as they were saved, or make a new image processor with {own}={wanted}"
            )


__all__ = [
    "check_image_processor",
    "get_tokenizer",
    "has_bank",
    "hears_sounds",
    "new_image_processor",
    "new_processing_class",
    "render_glyphs",
    "render_sounds",
    "sees_glyphs",
    "set_special_tokens",
    "tokenizer_class_of",
]

"""Controls: models that see, or hear, as much as others, but of the wrong characters.

Glyph images and pinyin are permuted between the Chinese characters of the vocabulary, or glyph images are random. A
model still gets an image and a reading for every character, always the same, but they no longer say which characters
look or sound alike. What it loses against the same model with its own ones is what it learns from them. A seed in the
configuration (`permuted_glyphs`, `random_glyphs`, `permuted_pinyin`) says that a model is such a control, so that it is
used, and fine-tuned, as it was trained. Characters outside of the bank, whose glyph images come with the text, keep
their own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..processors.processing_hanzi import HanziProcessor
from ..processors.processor_parts import has_open_glyphs
from ..tokenization.characters import code_points, is_han
from .new_model import get_tokenizer, new_image_processor, sees_glyphs

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def apply_controls(
    model: PreTrainedModel,
    processing_class: Any,
    glyphs: int | None = None,
    pinyin: int | None = None,
    random_glyphs: int | None = None,
) -> None:
    """Makes a model a control, and writes the seeds into its configuration; one that it was already stays as it is.

    Args:
        model: with its glyph images.
        processing_class: its processor or tokenizer.
        glyphs: seed by which glyph images are permuted, in the model itself; None: no more than they are.
        pinyin: seed by which `PermutedPinyin` permutes pinyin; None: as the configuration says.
        random_glyphs: seed by which glyph images are made of random pixels, in the model itself, in place of `glyphs`.

    Raises:
        ValueError: the model was made a control by another seed, or in the other way.
    """
    config, tokenizer = model.config, get_tokenizer(processing_class)
    wanted = {"permuted_glyphs": glyphs, "random_glyphs": random_glyphs, "permuted_pinyin": pinyin}
    for name, seed in wanted.items():
        known = getattr(config, name, None)
        if None not in (seed, known) and seed != known:
            raise ValueError(f"the model has {name}={known}, and {seed} is requested: leave it out, or give {known}")
    of_glyphs = {name: wanted[name] for name in _GLYPHS if wanted[name] is not None}
    both = of_glyphs | {name: seed for name in _GLYPHS if (seed := getattr(config, name, None)) is not None}
    if of_glyphs and len(both) > 1:
        raise ValueError(f"{both} are two controls of the same glyph images: give one of them")
    for name, seed in of_glyphs.items():
        if not sees_glyphs(config):
            option = {"permuted_glyphs": "permute_glyphs"}.get(name, name)
            logger.warning(f"{option}={seed} has no effect: a {config.model_type} sees no glyph images")
        elif getattr(config, name, None) is None:
            _change_glyphs(model, processing_class, _GLYPHS[name], seed)
            setattr(config, name, seed)
    if pinyin is not None and "pinyin_ids" not in tokenizer.model_input_names:
        logger.warning(f"permute_pinyin={pinyin} has no effect: a {config.model_type} takes no pinyin")
    elif pinyin is not None:
        config.permuted_pinyin = pinyin


def _permuted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same glyph images uint8 [n, F, h, w] in another order."""
    return images[rng.permutation(len(images))]


def _random(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many images uint8 [n, F, h, w] of independent pixels, 255 as often as those have ink, else 0."""
    return np.where(rng.random(images.shape, np.float32) < images.mean() / 255, 255, 0).astype(np.uint8)


# field of the configuration -> (the glyph images of all Chinese characters, generator) -> what they become
_GLYPHS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "permuted_glyphs": _permuted,
    "random_glyphs": _random,
}


def _change_glyphs(
    model: PreTrainedModel,
    processing_class: Any,
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    seed: int,
) -> None:
    """Gives the Chinese characters of a model's bank the glyph images that `change` makes of theirs."""
    tokenizer = get_tokenizer(processing_class)
    processor = processing_class
    if not hasattr(processor, "render_bank"):
        processor = HanziProcessor(new_image_processor(model.config), tokenizer)
    in_vocabulary = list(range(len(tokenizer)))
    tokens = tokenizer.bank_tokens() if has_open_glyphs(tokenizer) else tokenizer.convert_ids_to_tokens(in_vocabulary)
    images, rows = processor.render_bank(), chinese_characters(tokens)
    model.base_model.set_glyphs(change(images[rows], np.random.default_rng(seed)), rows)


class PermutedPinyin:
    """Gives every Chinese character of a vocabulary the pinyin, outside of any text, of another one.

    Args:
        tokenizer: one that makes pinyin_ids.
        seed: of the permutation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        size = max(tokenizer.get_vocab().values()) + 1  # a vocabulary may have gaps
        rows = chinese_characters([token or "" for token in tokenizer.convert_ids_to_tokens(list(range(size)))])
        own = tokenizer.values_of_tokens(np.arange(size))["pinyin_ids"]
        self._table = np.full_like(own, -1)  # -1: no Chinese character of the vocabulary
        self._table[rows] = own[rows[np.random.default_rng(seed).permutation(len(rows))]]

    def __call__(self, input_ids: Sequence[int], pinyin_ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The pinyin of tokens [L] in place of their own [L, 8]: int64 [L, 8]; that of other tokens as it is."""
        permuted = self._table[np.asarray(input_ids, np.int64)]
        return np.where(permuted >= 0, permuted, np.asarray(pinyin_ids, np.int64))


def permuted_pinyin(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> PermutedPinyin | None:
    """What a model that is a control needs in place of its tokenizer's pinyin; None for another model."""
    seed = getattr(config, "permuted_pinyin", None)
    return None if seed is None else PermutedPinyin(tokenizer, seed)


def chinese_characters(tokens: Sequence[str]) -> np.ndarray:
    """The indices of tokens that are one Chinese character: int64 [n]."""
    single = [index for index, token in enumerate(tokens) if len(token) == 1]
    codes = code_points("".join(tokens[index] for index in single))
    return np.array(single, np.int64)[is_han(codes)]


def control_section(config: PreTrainedConfig) -> str:
    """What a model card says of a control; "" for a model that is none."""
    found = {
        "glyph images of Chinese characters are permuted": "permuted_glyphs",
        "glyph images of Chinese characters are random": "random_glyphs",
        "pinyin of Chinese characters are permuted": "permuted_pinyin",
    }
    return "".join(
        f" This model is a control: the {what} (seed {getattr(config, name)})."
        for what, name in found.items()
        if getattr(config, name, None) is not None
    )


__all__ = ["PermutedPinyin", "apply_controls", "chinese_characters", "control_section", "permuted_pinyin"]

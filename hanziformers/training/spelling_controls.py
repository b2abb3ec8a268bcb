"""Controls of spelling correction: models that see, or hear, as much as others, but of the wrong characters.

Glyph images and pinyin are permuted between the Chinese characters of the vocabulary. A model still gets an image and
a reading for every character, always the same, but they no longer say which characters look or sound alike. What it
loses against the same model with its own ones is what it learns from them. A seed in the configuration
(`permuted_glyphs`, `permuted_pinyin`) says that a model is such a control, so that it is used as it was trained.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..processors.processing_hanzi import HanziProcessor
from ..processors.processor_parts import has_open_glyphs
from ..tokenization.characters import code_points, is_han
from .new_model import get_tokenizer, new_image_processor, sees_glyphs

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def apply_controls(model: PreTrainedModel, processing_class: Any, glyphs: int | None, pinyin: int | None) -> None:
    """Makes a model a control, and writes the seeds into its configuration; one that it was already stays as it is.

    Args:
        model: with its glyph images.
        processing_class: its processor or tokenizer.
        glyphs: seed by which glyph images are permuted, in the model itself; None: no more than they are.
        pinyin: seed by which `PermutedPinyin` permutes pinyin; None: as the configuration says.

    Raises:
        ValueError: the model was permuted by another seed.
    """
    config, tokenizer = model.config, get_tokenizer(processing_class)
    for name, seed in (("permuted_glyphs", glyphs), ("permuted_pinyin", pinyin)):
        known = getattr(config, name, None)
        if None not in (seed, known) and seed != known:
            raise ValueError(f"the model has {name}={known}, and {seed} is requested: leave it out, or give {known}")
    if glyphs is not None and not sees_glyphs(config):
        logger.warning(f"permute_glyphs={glyphs} has no effect: a {config.model_type} sees no glyph images")
    elif glyphs is not None and getattr(config, "permuted_glyphs", None) is None:
        _permute_glyphs(model, processing_class, glyphs)
        config.permuted_glyphs = glyphs
    if pinyin is not None and "pinyin_ids" not in tokenizer.model_input_names:
        logger.warning(f"permute_pinyin={pinyin} has no effect: a {config.model_type} takes no pinyin")
    elif pinyin is not None:
        config.permuted_pinyin = pinyin


def _permute_glyphs(model: PreTrainedModel, processing_class: Any, seed: int) -> None:
    tokenizer = get_tokenizer(processing_class)
    processor = processing_class
    if not hasattr(processor, "render_bank"):
        processor = HanziProcessor(new_image_processor(model.config), tokenizer)
    in_vocabulary = list(range(len(tokenizer)))
    tokens = tokenizer.bank_tokens() if has_open_glyphs(tokenizer) else tokenizer.convert_ids_to_tokens(in_vocabulary)
    images, rows = processor.render_bank(), _chinese(tokens)
    model.base_model.set_glyphs(images[rows[np.random.default_rng(seed).permutation(len(rows))]], rows)


class PermutedPinyin:
    """Gives every Chinese character of a vocabulary the pinyin, outside of any text, of another one.

    Args:
        tokenizer: one that makes pinyin_ids.
        seed: of the permutation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        size = max(tokenizer.get_vocab().values()) + 1  # a vocabulary may have gaps
        rows = _chinese([token or "" for token in tokenizer.convert_ids_to_tokens(list(range(size)))])
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


def _chinese(tokens: list[str]) -> np.ndarray:
    """The indices of tokens that are one Chinese character: int64 [n]."""
    single = [index for index, token in enumerate(tokens) if len(token) == 1]
    codes = code_points("".join(tokens[index] for index in single))
    return np.array(single, np.int64)[is_han(codes)]


def control_section(config: PreTrainedConfig) -> str:
    """What a model card says of a control; "" for a model that is none."""
    found = {"glyph images": "permuted_glyphs", "pinyin": "permuted_pinyin"}
    return "".join(
        f" This model is a control: the {what} of Chinese characters are permuted (seed {getattr(config, name)})."
        for what, name in found.items()
        if getattr(config, name, None) is not None
    )


__all__ = ["PermutedPinyin", "apply_controls", "control_section", "permuted_pinyin"]

"""Controls: models that see, or hear, as much as others, but of the wrong characters.

Glyph images and pinyin are permuted between the Chinese characters of the vocabulary, or glyph images are random. A
model still gets an image and a reading for every character, always the same, but they no longer say which characters
look or sound alike. What it loses against the same model with its own ones is what it learns from them. A permutation
is any of all that there are: about one character, of however many, keeps its own. A seed in the configuration
(`permuted_glyphs`, `random_glyphs`, `permuted_pinyin`) says that a model is such a control, so that it is used, and
fine-tuned, as it was trained (with permuted pinyin: in spelling correction alone). Characters outside of the bank,
whose glyph images come with the text, keep their own.

A character is the same in all tokens that show it: those of BERT's vocabulary that continue a word (天 and ##天), and
radicals that Unicode encodes twice (金 and U+2FA6).
"""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..processors.processing_hanzi import HanziProcessor
from ..processors.processor_parts import has_open_glyphs
from ..tokenization.characters import code_points, is_han
from .new_model import get_tokenizer, new_image_processor, sees_glyphs

# Fields of a configuration that are set only where they say something: how a model was changed, or trained.
_OPTIONS = {"permuted_glyphs": "permute_glyphs", "permuted_pinyin": "permute_pinyin"}  # field -> option of scripts
CONTROL_FIELDS = ("permuted_glyphs", "random_glyphs", "permuted_pinyin", "withheld_characters")


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
        ValueError: the model was made a control by another seed, or in the other way; it sees no glyph images, or takes
            no pinyin, or no glyph image changes, so that the control would have no effect; a seed is below 0.
    """
    config, tokenizer = model.config, get_tokenizer(processing_class)
    wanted = {"permuted_glyphs": glyphs, "random_glyphs": random_glyphs, "permuted_pinyin": pinyin}
    for name, seed in wanted.items():
        if seed is not None and seed < 0:
            option = _OPTIONS.get(name, name)
            raise ValueError(f"{option}={seed} is not allowed; give a seed of 0 or more, or leave it out")
        known = getattr(config, name, None)
        if None not in (seed, known) and seed != known:
            raise ValueError(f"the model has {name}={known}, and {seed} is requested: leave it out, or give {known}")
    of_glyphs = {name: wanted[name] for name in _GLYPHS if wanted[name] is not None}
    both = of_glyphs | {name: seed for name in _GLYPHS if (seed := getattr(config, name, None)) is not None}
    if of_glyphs and len(both) > 1:
        raise ValueError(f"{both} are two controls of the same glyph images: give one of them")
    for name, seed in of_glyphs.items():
        if not sees_glyphs(config):
            option = _OPTIONS.get(name, name)
            raise ValueError(f"{option}={seed} has no effect: a {config.model_type} sees no glyph images; leave it out")
        if getattr(config, name, None) is None:
            _change_glyphs(model, processing_class, _GLYPHS[name], seed)
            setattr(config, name, seed)
    if pinyin is not None and "pinyin_ids" not in tokenizer.model_input_names:
        raise ValueError(f"permute_pinyin={pinyin} has no effect: a {config.model_type} takes no pinyin; leave it out")
    if pinyin is not None:
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
    images, (rows, character) = processor.render_bank(), rows_by_character(tokens)
    changed, shown = change(images[rows], np.random.default_rng(seed)), np.flatnonzero(character >= 0)
    if np.array_equal(changed, images[rows]):
        raise ValueError(
            f"seed {seed} changes no glyph image of the {len(rows)} Chinese characters that the model's bank shows: "
            "give another seed, or a vocabulary with more of them"
        )
    model.base_model.set_glyphs(changed[character[shown]], shown)


class PermutedPinyin:
    """Gives every Chinese character of a vocabulary the pinyin, outside of any text, of another one.

    Args:
        tokenizer: one that makes pinyin_ids.
        seed: of the permutation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        size = max(tokenizer.get_vocab().values()) + 1  # a vocabulary may have gaps
        rows, character = rows_by_character(tokenizer.convert_ids_to_tokens(list(range(size))))
        own = tokenizer.values_of_tokens(np.arange(size))["pinyin_ids"]
        permuted = own[rows[np.random.default_rng(seed).permutation(len(rows))]]  # [c, 8]
        self._table = np.full_like(own, -1)  # -1: no Chinese character of the vocabulary
        self._table[character >= 0] = permuted[character[character >= 0]]

    def __call__(self, input_ids: Sequence[int], pinyin_ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The pinyin of tokens [L] in place of their own [L, 8]: int64 [L, 8]; that of other tokens as it is."""
        permuted = self._table[np.asarray(input_ids, np.int64)]
        return np.where(permuted >= 0, permuted, np.asarray(pinyin_ids, np.int64))


def permuted_pinyin(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> PermutedPinyin | None:
    """What a model that is a control needs in place of its tokenizer's pinyin; None for another model."""
    seed = getattr(config, "permuted_pinyin", None)
    return None if seed is None else PermutedPinyin(tokenizer, seed)


def refuse_permuted_pinyin(config: PreTrainedConfig) -> None:
    """Refuses a control where its text would have its own pinyin, not the permuted one that it was trained on.

    Raises:
        ValueError: the configuration has `permuted_pinyin`.
    """
    seed = getattr(config, "permuted_pinyin", None)
    if seed is not None:
        raise ValueError(
            f"the model has permuted_pinyin={seed}: only run_spelling.py and `correct_spelling` permute the pinyin of "
            "its texts, as in its training; take another checkpoint"
        )


def chinese_characters(tokens: Sequence[str]) -> np.ndarray:
    """The indices of tokens that are one Chinese character: int64 [n]."""
    single = [index for index, token in enumerate(tokens) if len(token) == 1]
    codes = code_points("".join(tokens[index] for index in single))
    return np.array(single, np.int64)[is_han(codes)]


def shown_character(token: str | None) -> str:
    """The Chinese character whose glyph image a token has, "" for other tokens; None is an id that no token has."""
    bare = (token or "").removeprefix("##")
    kind = unicodedata.decomposition(bare).partition(">")[0] if len(bare) == 1 else ""
    if kind[:1] != "<" or kind == "<compat":  # a character in a circle, or a small one, is another glyph image
        bare = unicodedata.normalize("NFKC", bare)
    return bare if len(bare) == 1 and is_han(code_points(bare)).all() else ""


def rows_by_character(tokens: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """Groups the tokens that show the same Chinese character.

    Args:
        tokens: [V].

    Returns:
        The row of every character, that of the token which is nothing else, if there is one: int64 [c], ascending; and
        for every token the number of its character among them, or -1: int64 [V].
    """
    shown = [shown_character(token) for token in tokens]
    first: dict[str, int] = {}
    for row, (token, character) in enumerate(zip(tokens, shown, strict=True)):
        if character and (character not in first or token == character):
            first[character] = row
    number = {character: index for index, character in enumerate(sorted(first, key=first.__getitem__))}
    rows = np.array(sorted(first.values()), np.int64)
    return rows, np.array([number.get(character, -1) for character in shown], np.int64)


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


__all__ = [
    "CONTROL_FIELDS",
    "PermutedPinyin",
    "apply_controls",
    "chinese_characters",
    "control_section",
    "permuted_pinyin",
    "refuse_permuted_pinyin",
    "rows_by_character",
    "shown_character",
]

"""The parts of a processor: what each has to be, and how they are joined."""

from itertools import zip_longest
from typing import Any

_RENDERS = ("render", "can_render", "has_no_ink", "save_pretrained")  # what an image processor has to have
_SOUNDS = ("render_bank", "syllables", "save_pretrained")  # what a feature extractor has to have


def join(tokenizer: Any, image_processor: Any = None, feature_extractor: Any = None) -> None:
    """Joins the parts of a processor: the only place that does. A part that is None is not there (yet).

    Raises:
        TypeError: a feature extractor, and a tokenizer that has no syllables.
        ValueError: see `check_syllables_agree`.
    """
    if tokenizer is None:
        return
    if feature_extractor is not None:  # first, as it may be refused
        if not hasattr(tokenizer, "syllables"):
            raise TypeError(
                f"a {type(tokenizer).__name__} has no syllable_ids, as its model hears nothing: leave "
                "feature_extractor out, or give the tokenizer of a model that does, such as MpmCnerTokenizer"
            )
        if tokenizer.syllables is None:
            tokenizer.syllables = feature_extractor.syllables
        check_syllables_agree(tokenizer.syllables, feature_extractor.syllables)
    if image_processor is not None and has_open_glyphs(tokenizer):
        tokenizer.image_processor = image_processor


def check_syllables_agree(numbered: list[str] | None, rendered: list[str]) -> None:
    """Refuses a tokenizer whose syllables have other rows than the spectrograms of the feature extractor.

    Args:
        numbered: the tokenizer's syllables.
        rendered: the feature extractor's.

    Raises:
        ValueError: names the first row that differs.
    """
    if numbered == list(rendered):
        return
    pairs = enumerate(zip_longest(numbered or [], rendered), start=1)
    row, (own, other) = next((row, pair) for row, pair in pairs if pair[0] != pair[1])
    raise ValueError(
        f"processor.tokenizer and processor.feature_extractor number the syllables differently: row {row} of the sound "
        f"bank is {own!r} to the tokenizer and {other!r} to the feature extractor; load both from one folder, as they "
        "were saved. For other syllables set tokenizer.syllables = None before the two are joined, and give the model "
        "its new bank: model.base_model.set_sounds(feature_extractor.render_bank())"
    )


def check_renders(image_processor: Any) -> None:
    """Refuses what cannot be the image processor of a processor.

    Raises:
        TypeError: it renders no characters.
    """
    missing = [name for name in _RENDERS if not callable(getattr(image_processor, name, None))]
    if missing:
        raise TypeError(
            f"{_named('image_processor', image_processor)} is no image processor of characters: it has no "
            f"{', '.join(missing)}; give a HanziGlyphImageProcessor"
        )


def check_sounds(feature_extractor: Any) -> None:
    """Refuses what cannot be the feature extractor of a processor.

    Raises:
        TypeError: it renders no spectrograms of syllables.
    """
    missing = [name for name in _SOUNDS if not hasattr(feature_extractor, name)]
    if missing:
        raise TypeError(
            f"{_named('feature_extractor', feature_extractor)} is no feature extractor of syllables: it has no "
            f"{', '.join(missing)}; give a HanziSyllableFeatureExtractor, or None"
        )


def check_sees_characters(tokenizer: Any) -> None:
    """Refuses what cannot be the tokenizer of a processor.

    Raises:
        TypeError: it is not one of hanziformers.
    """
    if not hasattr(tokenizer, "extra_inputs"):
        raise TypeError(
            f"{_named('tokenizer', tokenizer)} is of no model that sees its characters: it has no extra_inputs; give a "
            "tokenizer of hanziformers, such as GlyphCrmTokenizer or ChineseBertTokenizer"
        )


def _named(name: str, part: Any) -> str:
    return f"{name}=None" if part is None else f"a {type(part).__name__}"


def has_open_glyphs(tokenizer: Any) -> bool:
    """Whether a tokenizer has ids for characters outside of its vocabulary, which are rendered on the fly."""
    return hasattr(tokenizer, "set_extra_characters")


__all__ = [
    "check_renders",
    "check_sees_characters",
    "check_sounds",
    "check_syllables_agree",
    "has_open_glyphs",
    "join",
]

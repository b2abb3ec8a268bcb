"""The settings of HanziGlyphImageProcessor: into what a value is turned, or why it is refused."""

import copy
import os
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from transformers.processing_utils import ImagesKwargs

from .fallback_styles import fallbacks_of

SETTINGS = ("styles", "size", "binary", "fonts", "render_words", "fallback", "cache", "save_fonts")
SAVED = tuple(name for name in SETTINGS if name not in ("fonts", "save_fonts"))  # see saved_fonts.py
_KNOWN = {  # to transformers
    *SETTINGS,
    *ImagesKwargs.__annotations__,
    "auto_map",
    "processor_class",
    "image_processor_type",
    "feature_extractor_type",
}


def setting(name: str, value: Any) -> Any:
    """The value of a setting, in the form in which it is kept and saved.

    Raises:
        ValueError, TypeError: it is out of range or of another kind; says what to give.
    """
    return _CHECKS[name](value)


def _styles(styles: Any) -> list[str]:
    names = [styles] if isinstance(styles, str) else list(styles)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"styles is {styles!r}; give one name or more, such as ['song', 'hei', 'kai']")
    return names


def _size(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, Integral) or not 8 <= size <= 512:
        raise ValueError(
            f"size is {size!r}; glyph images are square, give a whole number from 8 to 512, such as 24 or 48"
        )
    return int(size)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; give True or False")
    return bool(value)


def _paths(fonts: Any) -> dict[str, list[str]] | None:
    if fonts is None:
        return None
    if not isinstance(fonts, dict):
        raise TypeError(f"fonts is {fonts!r}; give style -> paths, such as {{'kai': ['/usr/share/fonts/kai.ttf']}}")
    paths = {}
    for style, given in fonts.items():
        given = [given] if isinstance(given, (str, Path)) else given
        if not isinstance(given, (list, tuple)) or not all(isinstance(path, (str, Path)) for path in given):
            raise TypeError(f"fonts[{style!r}] is {given!r}; give a list of paths of fonts, zips or folders")
        # Absolute, so that they are found after a change of the working directory too.
        paths[style] = [os.path.abspath(path) for path in given]
    return paths


def used_styles(styles: list[str], fallback: bool) -> set[str]:
    """The styles, with their fallback styles if those are allowed."""
    others = fallbacks_of(styles) if fallback else {}
    return {*styles, *(other for tried in others.values() for other in tried)}


def check_fonts_used(fonts: dict[str, list[str]] | None, styles: list[str], fallback: bool) -> None:
    """Refuses fonts for a style that is never used.

    Raises:
        ValueError: names the style, and those that are used.
    """
    used = used_styles(styles, fallback)
    unused = [style for style in fonts or () if style not in used]
    if unused:
        raise ValueError(
            f"fonts has {unused[0]!r}, but styles={styles} renders with {', '.join(sorted(used))} only; give the fonts "
            "to one of these, or name the style in `styles`"
        )


def refuse_unknown(names: Iterable[str], by_auto: bool = False) -> None:
    """Refuses a name that is neither a setting nor one that transformers uses.

    Args:
        names: of arguments.
        by_auto: they come through an Auto class, which hands on those of tokenizer and model too; then only what looks
            like a misspelt setting is refused.

    Raises:
        TypeError: names the argument, the setting that may be meant, and all settings.
    """
    for name in names:
        # A misspelt setting would otherwise be dropped without a word, and the default used.
        near = get_close_matches(name, SETTINGS, n=1, cutoff=0.8)
        if name in _KNOWN or name.startswith("_") or (by_auto and not near):
            continue
        raise TypeError(
            f"{name!r} is no setting of HanziGlyphImageProcessor"
            + (f"; is {near[0]!r} meant? Settings are " if near else "; settings are ")
            + ", ".join(SETTINGS)
        )


class FixedSetting:
    """A setting that rendering depends on: an attribute that cannot be set once the image processor is made."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, image_processor: Any, owner: type | None = None) -> Any:
        if image_processor is None:
            return self
        if self._name not in image_processor.__dict__:
            raise AttributeError(f"{self._name} is not set yet")
        # A copy of a list or dict: a change inside of it would be saved, but not rendered.
        return copy.deepcopy(image_processor.__dict__[self._name])

    def __set__(self, image_processor: Any, value: Any) -> None:
        if "_renderer" in image_processor.__dict__:  # the last thing that is made of the settings
            raise AttributeError(
                f"{self._name} cannot be changed, as the fonts were opened with {self._name}="
                f"{getattr(image_processor, self._name)!r}; make a new image processor: "
                f"HanziGlyphImageProcessor({self._name}=...) or from_pretrained(..., {self._name}=...)"
            )
        image_processor.__dict__[self._name] = value


_CHECKS = {"styles": _styles, "size": _size, "fonts": _paths}
_CHECKS |= {name: partial(_flag, name) for name in SETTINGS if name not in _CHECKS}

__all__ = ["SAVED", "SETTINGS", "FixedSetting", "check_fonts_used", "refuse_unknown", "setting", "used_styles"]

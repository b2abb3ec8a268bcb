"""The simplified and traditional forms of a character."""

from functools import lru_cache
from typing import Any

import opencc


@lru_cache(maxsize=65536)
def variants(character: str) -> tuple[str, ...]:
    """The simplified and traditional forms of a character, other than itself."""
    if "\ud800" <= character <= "\udfff":  # a lone surrogate is no character
        return ()
    simplified, traditional = _converters()
    forms = (simplified.convert(character), traditional.convert(character))
    return tuple(dict.fromkeys(form for form in forms if len(form) == 1 and form != character))


@lru_cache(maxsize=65536)
def traditional_form(character: str) -> str:
    """The traditional form of a character by itself; the character, where it has none or one of several characters."""
    if "\ud800" <= character <= "\udfff":  # a lone surrogate is no character
        return character
    form = _converters()[1].convert(character)
    return form if len(form) == 1 else character


@lru_cache(maxsize=1)
def _converters() -> tuple[Any, Any]:
    """OpenCC to simplified and to traditional; made once, as they read their dictionaries."""
    return opencc.OpenCC("t2s"), opencc.OpenCC("s2t")


__all__ = ["traditional_form", "variants"]

"""The forms in which a vocabulary without capitals or accents may have a character: A as a, é as e, が as か."""

import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Any


def simpler_forms(character: str) -> list[str]:
    """Gives the forms of a character that BERT's normalization knows, as far as each is one character too.

    Args:
        character: one code point.

    Returns:
        In lower case, without accents, and both, without `character` itself: none for most characters. Accents are the
        marks of its canonical decomposition; a compatibility ideograph decomposes into the unified one.
    """
    lower = character.lower()
    forms = (lower, _without_marks(character), _without_marks(lower))
    return [form for form in dict.fromkeys(forms) if len(form) == 1 and form != character]


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


def in_known_forms(text: Any, is_known: Callable[[str], bool], keep: Collection[str]) -> Any:
    """Replaces characters that a vocabulary lacks by the first simpler form that it has.

    Args:
        text: a string, or strings nested in lists; what is neither is left alone.
        is_known: whether the vocabulary has a character.
        keep: tokens of several characters, such as [MASK], that are left alone in the text.

    Returns:
        The same, each string with as many characters as before.
    """
    strings = _strings(text)
    table = {}
    for character in set("".join(strings)):
        if not is_known(character):
            known = next(filter(is_known, simpler_forms(character)), None)
            table |= {} if known is None else {ord(character): known}
    if not table:  # as for most texts
        return text
    pieces = re.compile(f"({'|'.join(map(re.escape, sorted(keep, key=len, reverse=True)))})" if keep else "(?!)")

    def replaced(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(map(replaced, value))
        if not isinstance(value, str):
            return value
        # every other piece is a token to keep
        parts = pieces.split(value)
        return "".join(part if odd % 2 else part.translate(table) for odd, part in enumerate(parts))

    return replaced(text)


def _strings(value: Any) -> list[str]:
    """All strings nested in lists."""
    if isinstance(value, list | tuple):
        return [string for part in value for string in _strings(part)]
    return [value] if isinstance(value, str) else []


__all__ = ["in_known_forms", "simpler_forms"]

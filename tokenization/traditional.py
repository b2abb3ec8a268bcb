"""Simplified characters as traditional ones, by sentence: 头发 is 頭髮 and 发展 is 發展.

OpenCC's s2t converts, with its dictionary of phrases. Every character of the result stands where the character that it
comes from stood, so that a tokenizer can ask for the traditional form of each of its tokens.
"""

from functools import cache
from typing import Any, NamedTuple

import opencc

from .text_checks import check_text


class Conversion(NamedTuple):
    """A text in traditional characters.

    Attributes:
        text: as many characters as the text that was converted.
        fallbacks: those of its lines that OpenCC would have made longer or shorter, and which were therefore converted
            one character after the other, without their context.
    """

    text: str
    fallbacks: list[str]


def to_traditional(text: str) -> str:
    r"""Gives a text in traditional characters, as many as it has.

    Join many short texts by "\n" and call this once: the result is the same, and it is faster.

    Args:
        text: any text without lone surrogates.

    Returns:
        The traditional form of every character in its sentence. What is no simplified character stays as it is, and so
        does a character that would become several.

    Raises:
        TypeError: `text` is not a string.
        ValueError: it holds a lone surrogate.

    Example:
        >>> to_traditional("皇后头发后面")
        '皇后頭髮後面'
    """
    return convert_lines(text).text


def convert_lines(text: str) -> Conversion:
    """As `to_traditional`, with the lines that were converted without their context. Errors: see there."""
    check_text(text, "join a list of texts by '\\n'")
    converted = _converter().convert(text)
    before, after = text.split("\n"), converted.split("\n")
    if list(map(len, before)) == list(map(len, after)):
        return Conversion(converted, [])
    # No entry of s2t's dictionaries changes the length today, but another version's might. Then only the lines that it
    # stands in lose their context. Each is converted by itself, as a changed line break would mix the lines up.
    lines, fallbacks = [], []
    for line in before:
        found = _converter().convert(line)
        if len(found) != len(line):
            fallbacks.append(line)
            found = "".join(map(_alone, line))
        lines.append(found)
    return Conversion("\n".join(lines), fallbacks)


def _alone(character: str) -> str:
    """The traditional form of one character without its context; the character itself where that is not one."""
    found = _converter().convert(character)
    return found if len(found) == 1 else character


@cache
def _converter() -> Any:
    """OpenCC from simplified to traditional; made once, as it reads its dictionaries."""
    return opencc.OpenCC("s2t")


__all__ = ["Conversion", "convert_lines", "to_traditional"]

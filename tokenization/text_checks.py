"""What is wrong with a text that a tokenizer was given, said by the name of the piece that is wrong."""

from collections.abc import Iterator
from typing import Any


def lone_surrogate(text: str) -> int | None:
    """Gives the position of the first lone surrogate of a text, None if there is none."""
    try:
        text.encode()  # UTF-8 has every code point but the surrogates
    except UnicodeEncodeError as error:
        return error.start
    return None


def check_text(text: Any, advice: str) -> None:
    """Refuses what is no text, or one that holds half a character.

    Args:
        text: should be a string.
        advice: what to do with a list of texts.

    Raises:
        TypeError: `text` is not a string.
        ValueError: it holds a lone surrogate.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be one str, got {type(text).__name__}: {advice}")
    wrong = lone_surrogate(text)
    if wrong is not None:
        raise ValueError(
            f"text holds the lone surrogate {text[wrong]!r} at {wrong}, which is no character; read the file with the "
            "right encoding"
        )


def check_batch(text: Any, is_split_into_words: bool) -> None:
    """Refuses a batch without a text.

    Raises:
        ValueError: `text` is an empty list.
    """
    if isinstance(text, (list, tuple)) and not text and not is_split_into_words:
        raise ValueError("text is an empty list; a batch needs one text or more ('' is a text)")


def check_words(text: Any, text_pair: Any) -> None:
    """Refuses words of which one is none.

    Args:
        text: words nested in lists.
        text_pair: the same for the second sequences, or None.

    Raises:
        ValueError: a word is empty, no string, or holds a lone surrogate.
    """
    explain(text, text_pair, None)
    for path, value in _all_pieces(text, text_pair):
        if not value:
            raise ValueError(f"{path} is an empty word, which no token stands for; leave it out")


def explain(text: Any, text_pair: Any, error: Exception | None) -> None:
    """Raises an error that names the piece of text which cannot be encoded, if there is one.

    Args:
        text: what the tokenizer was given: a string, or strings nested in lists.
        text_pair: the same for the second sequences, or None.
        error: what the tokenizer said of them, if anything; becomes the cause of the new error.

    Raises:
        ValueError: a piece is no string, or holds a lone surrogate.
    """
    for path, value in _all_pieces(text, text_pair):
        if not isinstance(value, str):
            raise ValueError(
                f"{path} is {value!r}; a text must be a string (replace missing values by '', arrays and columns by "
                "list(...))"
            ) from error
        index = lone_surrogate(value)
        if index is not None:
            raise ValueError(
                f"{path} holds the lone surrogate {value[index]!r} at {index}, which is no character; "
                "read the file with the right encoding, or text.encode('utf-16', 'surrogatepass').decode('utf-16')"
            ) from error


def _all_pieces(text: Any, text_pair: Any) -> Iterator[tuple[str, Any]]:
    yield from _pieces(text, "text")
    if text_pair is not None:
        yield from _pieces(text_pair, "text_pair")


def _pieces(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Everything that stands where a string should, with the expression that reaches it."""
    if isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _pieces(part, f"{path}[{index}]")
    else:
        yield path, value


__all__ = ["check_batch", "check_text", "check_words", "explain", "lone_surrogate"]

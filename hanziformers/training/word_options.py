"""Where the words of a new model come from: a vocabulary and a lexicon, from files or from the training text.

Nothing here knows a family by its name: what a tokenizer needs is asked of its class.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from transformers.utils import logging

from ..tokenization.lexicon import Lexicon

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

Text = str | Sequence[str]  # a text, or its words
NAMES = ("lexicon_file", "cut", "min_word_count")
MIN_COUNT = 2  # a word that occurs once is [UNK], whose vector nothing else would train


class WordOptions(Protocol):
    """Those of ModelArguments that are read here."""

    model_type: str | None
    vocab_file: str | None
    semantic_encoder: str | None
    lexicon_file: str | None
    cut: str | None
    min_word_count: int | None


def is_given(value: Any) -> bool:
    """Whether an option was given: 0 is a value too."""
    return value is not None and value is not False and value != ""


def counts_words(tokenizer_class: type | None) -> bool:
    """Whether a tokenizer class can count its vocabulary in texts."""
    return hasattr(tokenizer_class, "count_vocabulary")


def reads_lexicon(tokenizer_class: type | None) -> bool:
    """Whether tokenizers of a class find the words of a lexicon in texts."""
    return "lexicon_file" in getattr(tokenizer_class, "vocab_files_names", ())


def new_words(
    options: WordOptions, tokenizer_class: type, texts: Iterable[Text]
) -> tuple[str | dict[str, int], dict[str, Any]]:
    """The vocabulary of a new model's tokenizer, and further arguments for its class.

    Args:
        options: the options.
        tokenizer_class: of the new model.
        texts: the training text, which is read only where words are taken from it.

    Returns:
        A file, folder or name of the Hub that has the vocabulary, or word -> id; arguments by name.

    Raises:
        ValueError: words are to be taken from the training text, and there are none.
    """
    settings: dict[str, Any] = {"cut": options.cut} if options.cut and counts_words(tokenizer_class) else {}
    if reads_lexicon(tokenizer_class):
        settings["lexicon_file"] = options.lexicon_file or _lexicon(texts)
    vocabulary = options.vocab_file or options.semantic_encoder
    return vocabulary or _vocabulary(options, tokenizer_class, texts), settings


def warn_of_words(options: WordOptions, tokenizer_class: type | None) -> None:
    """Warns of options about words that a new model has no use for; models compared may share their options."""
    why = {}
    if not reads_lexicon(tokenizer_class):
        why["lexicon_file"] = f"a {options.model_type} has no lexicon"
    if not counts_words(tokenizer_class):
        why |= dict.fromkeys(("cut", "min_word_count"), f"a {options.model_type} does not read words")
    elif options.vocab_file:
        why["min_word_count"] = f"--vocab_file {options.vocab_file} has the words"
    for name, reason in why.items():
        if is_given(getattr(options, name)):
            logger.warning(f"--{name} {getattr(options, name)} has no effect: {reason}")


def _vocabulary(options: WordOptions, tokenizer_class: type, texts: Iterable[Text]) -> dict[str, int]:
    least = MIN_COUNT if options.min_word_count is None else options.min_word_count
    cut = {"cut": options.cut} if options.cut else {}
    texts = _some(texts, "vocabulary", "--vocab_file")
    vocabulary = tokenizer_class.count_vocabulary(texts, min_count=least, **cut)
    logger.warning(
        f"vocabulary: the {len(vocabulary) - 2} words that occur {least} times or more in the training text; rarer "
        "ones are [UNK] (--min_word_count)"
    )
    return vocabulary


def _lexicon(texts: Iterable[Text]) -> list[str]:
    words = Lexicon.from_texts(_some(texts, "lexicon", "--lexicon_file")).words
    logger.warning(f"lexicon: the {len(words)} words that rjieba finds in the training text")
    return words


def _some(texts: Iterable[Text], what: str, option: str) -> Iterator[Text]:
    """The texts; refuses none."""
    found = False
    for text in texts:
        found = True
        yield text
    if not found:
        raise ValueError(
            f"the {what} of a new model is made from its training text, and there is none: give {option}, or train "
            "(--train_file)"
        )


__all__ = ["NAMES", "Text", "WordOptions", "counts_words", "is_given", "new_words", "reads_lexicon", "warn_of_words"]

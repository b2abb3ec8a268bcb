"""lexicon_ids and lexicon_spans for any tokenizer: which words of a lexicon stand in a text, and on which tokens.

Axes: B batch, L tokens, M words that were found in a text.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.utils import to_py_obj

from .alignment import TextAlignment
from .lexicon import Lexicon
from .ragged import PaddedExamples, fill

LEXICON_FILE = "lexicon.txt"
_PADDING = {"lexicon_ids": 0, "lexicon_spans": [0, 0]}  # of a word: 0, with which stock collators and pipelines pad


class LexiconInputs:
    """Mixin before a tokenizer class with `CharacterInputs`: the words of `lexicon` that stand in a text.

    - `lexicon_ids` [M]: the number of each word in the lexicon, from 1 on; 0 is padding.
    - `lexicon_spans` [M, 2]: its first and its last token, both inclusive, counted from the first token of the sequence
      ([CLS] is 0); padding on the left is not counted, so that it moves nothing.

    Words are looked for in the text as it was given, and found wherever they stand, overlapping or not. Only those
    count that begin where a token begins, end where one ends, and have two tokens or more: not a part of a token, and
    nothing that truncation has cut. A text without words has one of padding: pipelines cannot pad an empty axis on the
    left, and data sets would not know the type of empty lists.

    Attributes:
        lexicon: the words. It is saved beside the tokenizer as lexicon.txt.
    """

    def __init__(self, *args: Any, lexicon_file: str | Sequence[str] | None = None, **kwargs: Any) -> None:
        """Initialises the tokenizer class behind this one, then the lexicon.

        Args:
            args: of that class.
            lexicon_file: path of lexicon.txt, or its words; None: there are none.
            kwargs: of that class.

        Raises:
            FileNotFoundError, ValueError: see `Lexicon`.
            TypeError: words are given under another name.
        """
        if "lexicon" in kwargs:  # the tokenizer would keep it as a setting, beside the attribute of this name
            raise TypeError(
                f"lexicon={kwargs['lexicon']!r} is not allowed; give lexicon_file, a path or a list of words"
            )
        super().__init__(*args, lexicon_file=None, **kwargs)  # by name alone: a file of its own holds the words
        is_path = isinstance(lexicon_file, (str, os.PathLike))
        self.lexicon = Lexicon.from_file(lexicon_file) if is_path else Lexicon(lexicon_file or ())

    @classmethod
    def _from_pretrained(cls, resolved_vocab_files: dict[str, Any], name: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, which takes no file for no lexicon.

        Raises:
            FileNotFoundError: the folder has no lexicon, and none is given. An empty one is saved as an empty file.
        """
        if resolved_vocab_files.get("lexicon_file") is None and kwargs.get("lexicon_file") is None:
            raise FileNotFoundError(
                f"{name} has no {LEXICON_FILE}, whose words a model numbers: copy it from where the checkpoint was "
                "saved, or give lexicon_file, a path or a list of words ([] for none)"
            )
        return super()._from_pretrained(resolved_vocab_files, name, *args, **kwargs)

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """The words of each encoding, in the order of their first characters."""
        found = self.lexicon.find(alignment.text)
        words, spans = [], []
        for index, encoding in enumerate(alignment.encodings):
            numbers, tokens = _words_of_tokens(*alignment.spans(index), *found)
            mask = encoding.attention_mask
            tokens = tokens - (mask.index(1) if 1 in mask else 0)  # padding on the left is not counted
            words.append((numbers + 1).tolist() or [_PADDING["lexicon_ids"]])
            spans.append(tokens.tolist() or [_PADDING["lexicon_spans"]])
        return {**super().extra_values(alignment), "lexicon_ids": words, "lexicon_spans": spans}

    def padded_values(self, values: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Fills the words up."""
        values = super().padded_values(values)
        return {name: fill(rows, _PADDING[name]) if name in _PADDING else rows for name, rows in values.items()}

    @property
    def taken_inputs(self) -> tuple[str, ...]:
        """Words have an axis of their own."""
        return (*super().taken_inputs, *_PADDING)

    def put_back(self, output: BatchEncoding, taken: dict[str, Any], padded: PaddedExamples) -> None:
        """Fills the words up."""
        super().put_back(output, taken, padded)
        for name, padding in _PADDING.items():
            rows = padded.rows(to_py_obj(taken[name]))
            if None not in rows:
                padded.put(output, name, fill(rows, padding))

    def _save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        """Saves the lexicon too."""
        files = super()._save_pretrained(save_directory, *args, **kwargs)
        path = os.path.join(save_directory, LEXICON_FILE)
        self.lexicon.save(path)
        return (*files, path)


def _words_of_tokens(
    token_starts: np.ndarray, widths: np.ndarray, starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The words of which both ends are those of tokens.

    Args:
        token_starts: of each token in the text, int64 [L].
        widths: of each token in characters, int64 [L]; 0: it has no text.
        starts: of each word in the text, ascending, int64 [words].
        ends: exclusive, int64 [words].
        numbers: int64 [words].

    Returns:
        The numbers, int64 [M], and the first and last token of each, int64 [M, 2].
    """
    tokens = np.flatnonzero(widths)
    if not len(tokens):
        return numbers[:0], np.zeros((0, 2), np.int64)
    first, last = token_starts[tokens], (token_starts + widths)[tokens]
    low, high = first.min(), last.max()
    here = slice(*np.searchsorted(starts, (low, high)))
    starts, ends, numbers = starts[here], ends[here], numbers[here]
    inside = ends <= high
    starts, ends, numbers = starts[inside], ends[inside], numbers[inside]
    # which token begins at each character, and which one ends before it; of several at one character (a letter and
    # its accent) the first one begins and the last one ends
    begins, finishes = np.full((2, high - low + 1), -1, np.int64)
    begins[first[::-1] - low] = tokens[::-1]
    finishes[last - low] = tokens
    spans = np.stack([begins[starts - low], finishes[ends - low]], axis=1)
    kept = (spans[:, 0] >= 0) & (spans[:, 1] > spans[:, 0])
    return numbers[kept], spans[kept]


__all__ = ["LEXICON_FILE", "LexiconInputs"]

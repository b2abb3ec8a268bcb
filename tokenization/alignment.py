"""Where the tokens of a call stand in its texts. Knows the Rust tokenizer's encodings, and no tokenizer."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from tokenizers import Encoding

Sample = list[str | Sequence[str]]  # one or two sequences: strings, or lists of words


class TextAlignment:
    r"""Finds every token of the encodings of one call in the texts that the call was given.

    The texts are joined by "\n" (words by nothing), so that one call can answer a question about all their characters.

    Attributes:
        encodings: what the Rust tokenizer made: one for each sample, or several windows of it.
        text: all texts of the call, joined.

    Example:
        >>> alignment = TextAlignment(tokenizer.encode_batch(["银行", "行长"]), [["银行"], ["行长"]])
        >>> alignment.text
        '银行\n行长'
        >>> alignment.spans(1)  # [CLS] 行 长 [SEP]; those that the tokenizer added have no text
        (array([3, 3, 4, 3]), array([0, 1, 1, 0]))
    """

    def __init__(
        self, encodings: Sequence[Encoding], samples: Sequence[Sample], owners: Sequence[int] | None = None
    ) -> None:
        """Joins the texts.

        Args:
            encodings: all encodings of the call, with any truncation and padding.
            samples: the sequences of each sample, as the tokenizer was given them.
            owners: the index of the sample that each encoding belongs to (transformers' overflow_to_sample_mapping);
                None: encoding i belongs to sample i.
        """
        texts = [seq if isinstance(seq, str) else "".join(seq) for sample in samples for seq in sample]
        self.encodings = encodings
        self.text = "\n".join(texts)
        self._samples, self._owners = samples, owners
        self._starts = list(accumulate((len(text) + 1 for text in texts), initial=0))  # of each sequence in `text`
        self._firsts = list(accumulate(map(len, samples), initial=0))  # the number of each sample's first sequence
        self._words: dict[int, list[list[int]]] = {}  # see `_word_starts`
        self._spans: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # see `spans`: several inputs ask for them

    @classmethod
    def of_call(
        cls,
        encodings: Sequence[Encoding],
        text: Any,
        text_pair: Any = None,
        is_split_into_words: bool = False,
        owners: Sequence[int] | None = None,
    ) -> "TextAlignment":
        """Makes the alignment from the arguments of a call of a tokenizer.

        Args:
            encodings: see `TextAlignment`.
            text: a text, a list of them, or of pairs; with words, lists of words instead.
            text_pair: the same for the second sequences, or None.
            is_split_into_words: whether the sequences are lists of words.
            owners: see `TextAlignment`.
        """
        return cls(encodings, samples_of_call(text, text_pair, is_split_into_words), owners)

    def spans(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the tokens of one encoding in `text`.

        Args:
            index: of the encoding.

        Returns:
            Start in `text` and width in characters, int64 [L] each. What the tokenizer added (special tokens and
            padding) has the width 0; its start means nothing. A token's stretch includes characters within it that
            the tokenizer's normalization removed.
        """
        if index not in self._spans:
            self._spans[index] = self._find_spans(index)
        return self._spans[index]

    def _find_spans(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        encoding = self.encodings[index]
        owner = index if self._owners is None else self._owners[index]
        sample, first = self._samples[owner], self._firsts[owner]
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        start = offsets[:, 0] + self._starts[first]
        if len(sample) > 1:  # offsets count from the start of the token's own sequence
            shift = self._starts[first + 1] - self._starts[first]
            start += np.array([shift if sequence else 0 for sequence in encoding.sequence_ids], np.int64)
        if not isinstance(sample[0], str):  # and here from the start of the token's own word
            words = self._word_starts(owner)
            pairs = zip(encoding.sequence_ids, encoding.word_ids, strict=True)
            start += np.array([0 if s is None else words[s][w] for s, w in pairs], np.int64)
        return start, offsets[:, 1] - offsets[:, 0]

    def _word_starts(self, owner: int) -> list[list[int]]:
        """Where the words of a sample start in its sequences: found once, not again for each window of the sample."""
        if owner not in self._words:
            self._words[owner] = [list(accumulate(map(len, words), initial=0)) for words in self._samples[owner]]
        return self._words[owner]

    def gather(self, values: np.ndarray) -> list[np.ndarray]:
        """Gives every token that is exactly one character the value of that character.

        Args:
            values: one value for every character of `text`, [len(text)] of any dtype.

        Returns:
            An array [L] of that dtype for each encoding; 0 for tokens of no character or of several.
        """
        gathered = []
        for index in range(len(self.encodings)):
            start, width = self.spans(index)
            found = np.zeros(len(start), values.dtype)
            single = width == 1
            found[single] = values[start[single]]
            gathered.append(found)
        return gathered


def is_batch(text: Any, is_split_into_words: bool) -> bool:
    """Whether a tokenizer was given several texts (or lists of words), as transformers decides it."""
    if is_split_into_words:
        return isinstance(text, (list, tuple)) and bool(text) and isinstance(text[0], (list, tuple))
    return isinstance(text, (list, tuple))


def samples_of_call(text: Any, text_pair: Any, is_split_into_words: bool) -> list[Sample]:
    """The sequences of each sample of a call, one or two; arguments as for `TextAlignment.of_call`."""
    if not is_batch(text, is_split_into_words):
        samples = [text if text_pair is None and not is_split_into_words else (text, text_pair)]
    else:
        samples = list(zip(text, text_pair, strict=True)) if text_pair is not None else text
    return [_sequences(sample, is_split_into_words) for sample in samples]


def _sequences(sample: Any, is_split_into_words: bool) -> Sample:
    """The one or two sequences of a sample, however transformers lets a user write it."""
    if isinstance(sample, str):
        return [sample]
    if is_split_into_words and all(isinstance(word, str) for word in sample):
        return [sample]
    return [sequence for sequence in sample if sequence is not None]


__all__ = ["Sample", "TextAlignment", "is_batch", "samples_of_call"]

"""What tokenizers ask about the texts they were given: code points, where a token stands, what is wrong with a text."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from tokenizers import Encoding

CODE_POINTS = 0x110000  # how many there are

Sample = list[str | Sequence[str]]  # one or two sequences: strings, or lists of words


def code_points(text: str) -> np.ndarray:
    """Gives the code points of a text, lone surrogates included: uint32 [len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def is_batch(text: Any, is_split_into_words: bool) -> bool:
    """Whether a tokenizer was given several texts (or lists of words), as transformers decides it."""
    if is_split_into_words:
        return isinstance(text, (list, tuple)) and bool(text) and isinstance(text[0], (list, tuple))
    return isinstance(text, (list, tuple))


def samples_of(text: Any, text_pair: Any, is_split_into_words: bool) -> list[Sample]:
    """Gives the sequences of each sample of a call.

    Args:
        text: what the tokenizer was given: a text, a list of them, or of pairs; with words, lists of words instead.
        text_pair: the same for the second sequences, or None.
        is_split_into_words: whether the sequences are lists of words.
    """
    if not is_batch(text, is_split_into_words):
        samples = [(text, text_pair)]
    else:
        samples = list(zip(text, text_pair, strict=True)) if text_pair is not None else text
    return [_sequences(sample, is_split_into_words) for sample in samples]


def _sequences(sample: Any, is_split_into_words: bool) -> Sample:
    if isinstance(sample, str):
        return [sample]
    if is_split_into_words and all(isinstance(word, str) for word in sample):
        return [sample]
    return [sequence for sequence in sample if sequence is not None]


class JoinedTexts:
    r"""All texts of a call joined by "\n", so that something can be asked of them in one go.

    Attributes:
        text: the joined text.
    """

    def __init__(self, samples: list[Sample]) -> None:
        """Joins the sequences of the samples; lists of words are joined without anything between the words."""
        texts = [seq if isinstance(seq, str) else "".join(seq) for sample in samples for seq in sample]
        self.text = "\n".join(texts)
        self._samples = samples
        self._starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        self._firsts = list(accumulate((len(sample) for sample in samples), initial=0))  # each sample's first text

    def places(self, encoding: Encoding, owner: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds every token of an encoding in the joined text.

        Args:
            encoding: what the Rust tokenizer made of a sample, or of one window of it.
            owner: the index of the sample.

        Returns:
            Start in the joined text and width in characters, int64 [L] each; special tokens have the width 0.
        """
        sample, starts = self._samples[owner], self._starts[self._firsts[owner] :]
        spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        place = spans[:, 0] + starts[0]
        if len(sample) > 1:
            place += np.array([starts[s or 0] - starts[0] for s in encoding.sequence_ids])
        if not isinstance(sample[0], str):  # offsets count from the start of the word
            words = [list(accumulate(map(len, sequence), initial=0)) for sequence in sample]
            pairs = zip(encoding.sequence_ids, encoding.word_ids, strict=True)
            place += np.array([0 if s is None else words[s][w] for s, w in pairs])
        return place, spans[:, 1] - spans[:, 0]


def check_batch(text: Any, is_split_into_words: bool) -> None:
    """Refuses a batch without a text.

    Raises:
        ValueError: it is an empty list.
    """
    if isinstance(text, (list, tuple)) and not text and not is_split_into_words:
        raise ValueError("text is an empty list; a batch needs one text or more ('' is a text)")


def explain(text: Any, text_pair: Any, error: Exception) -> None:
    """Raises an error that names the piece of text which cannot be encoded, if one is found.

    Raises:
        ValueError: a piece is no string, or holds a lone surrogate.
    """

    def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                yield from leaves(part, f"{path}[{index}]")
        else:
            yield path, value

    both = [*leaves(text, "text"), *(leaves(text_pair, "text_pair") if text_pair is not None else ())]
    for path, value in both:
        if not isinstance(value, str):
            raise ValueError(f"{path} is {value!r}; a text must be a string (replace missing values by '')") from error
        surrogate = next((c for c in value if "\ud800" <= c <= "\udfff"), None)
        if surrogate is not None:
            raise ValueError(
                f"{path} holds the lone surrogate {surrogate!r} at {value.index(surrogate)}, which is no character; "
                "read the file with the right encoding, or text.encode('utf-16', 'surrogatepass').decode('utf-16')"
            ) from error


__all__ = ["CODE_POINTS", "JoinedTexts", "Sample", "check_batch", "code_points", "explain", "is_batch", "samples_of"]

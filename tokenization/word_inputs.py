"""Words as inputs of a model: texts cut into words, and the glyph images of each word's characters.

Axes: B batch, T words, W characters of the longest word, N rows of the model's glyph bank, E glyph images outside of
the bank, F fonts, h and w of a glyph image.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from tokenizers import Encoding
from transformers import BatchEncoding
from transformers.utils import TensorType, logging, to_py_obj

from .alignment import TextAlignment, is_batch, samples_of_call
from .character_batch import to_tensor
from .character_inputs import CharacterInputs
from .characters import code_points, may_have_ink
from .extra_glyphs import ExtraGlyphs
from .ragged import PaddedExamples
from .tally import Tally
from .text_checks import check_batch, check_words, explain
from .word_counting import check_cut, cut_text

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
MOST = 32  # characters of a word that are shown; in tensors of one example W is this
Glyphs = list[list[int]]  # the glyph ids of each word of an example
Words = list[list[str]]  # of the one or two sequences of a sample
Starts = list[list[int]]  # where each of them starts in its string


class WordInputs(ExtraGlyphs, CharacterInputs):
    """Mixin before a tokenizer class of words: cuts texts, and gives `glyph_ids` and, in tensors, `extra_glyphs`.

    A string is cut into words by rjieba, or into characters; white space and what else has no ink is left out. With
    `is_split_into_words` the words are those that are given: each is one token, also with white space in it.

    - In lists a word has the open glyph ids of its own characters: rows of the bank, or N + code point (see
      `OpenGlyphs`). Characters without ink have none. A word of more than 32 characters, such as a web address, has
      those of its first 32 different ones, so that it does not make W, and with it all other words, large.
    - In tensors, and where padding is requested, there are [B, T, W] of them, W of 1 or more: 0 is no character. In
      tensors of one example W is 32, so that transformers' pipelines, which pad T alone, can batch them.

    Offsets are positions in the string that was given, or within the given word. Those of `output.encodings` are always
    within the word.

    Attributes:
        cut: into what a string is cut, "words" or "characters".
        shortened: by word (its first 60 characters): how often characters of it were left out, as more than 32 of them
            differ. Each worker of a data loader counts for itself.
    """

    def __init__(self, *args: Any, cut: str = "words", **kwargs: Any) -> None:
        """Initialises the tokenizer class behind this one.

        Args:
            args: of that class.
            cut: into what a string is cut, "words" or "characters".
            kwargs: of `ExtraGlyphs` and that class.

        Raises:
            ValueError: another `cut`, or see `ExtraGlyphs`.
        """
        check_cut(cut)
        super().__init__(*args, cut=cut, **kwargs)
        self.cut = cut
        self.shortened = Tally()

    def _encode_plus(
        self,
        text: Any,
        text_pair: Any = None,
        *args: Any,
        is_split_into_words: bool = False,
        return_offsets_mapping: bool = False,
        return_tensors: str | TensorType | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Every way of encoding text ends here: cuts strings into words, and encodes these.

        Raises:
            ValueError: a text or word is no string, or holds a lone surrogate; a word is empty; there are not as many
                text pairs.
        """
        check_batch(text, is_split_into_words)
        several = is_batch(text, is_split_into_words)
        samples, starts = self._cut(text, text_pair, is_split_into_words)
        first, pair = samples[0] if len(samples[0]) > 1 else (samples[0][0], None)
        if several:
            first, pair = [tuple(sample) if len(sample) > 1 else sample[0] for sample in samples], None
        kwargs["return_tensors"] = return_tensors
        output = super()._encode_plus(first, pair, *args, is_split_into_words=True, **kwargs)
        nested = several or kwargs.get("return_overflowing_tokens", False)
        if return_offsets_mapping:
            owners = output.get("overflow_to_sample_mapping", range(len(output.encodings)))
            pairs = zip(output.encodings, owners, strict=True)
            offsets = [_offsets(encoding, starts and starts[int(owner)]) for encoding, owner in pairs]
            if return_tensors is not None:
                offsets = to_tensor(np.array(offsets, np.int64).reshape(len(offsets), -1, 2), return_tensors)
            output["offset_mapping"] = offsets if nested or return_tensors is not None else offsets[0]
        return _with_integers(output)

    def _cut(self, text: Any, text_pair: Any, is_split_into_words: bool) -> tuple[list[Words], list[Starts] | None]:
        """The words of the sequences of each sample and, where strings were cut, where they start."""
        count = None if text_pair is None or isinstance(text_pair, str) else len(text_pair)
        if is_batch(text, is_split_into_words) and text_pair is not None and count != len(text):
            what = "one string" if count is None else f"{count} texts"
            raise ValueError(f"text is a batch of {len(text)} texts, text_pair {what}; give a text pair for each text")
        if is_split_into_words:
            check_words(text, text_pair)
            samples = samples_of_call(text, text_pair, True)
            if string := next((part for sample in samples for part in sample if isinstance(part, str)), None):
                raise ValueError(
                    f"with is_split_into_words=True a text is a list of words, not the string {string!r:.60}; cut "
                    "it, or leave that out"
                )
            return samples, None
        explain(text, text_pair, None)  # before: an array, or a column of a data set, would pass for a pair of texts
        samples = samples_of_call(text, text_pair, False)
        for sample in samples:
            if len(sample) not in (1, 2) or not all(isinstance(sequence, str) for sequence in sample):
                raise ValueError(
                    f"{sample!r:.60} is neither a text nor a pair of texts, which are one or two strings; for lists of "
                    "words give is_split_into_words=True"
                )
        cut = [[cut_text(sequence, self.cut) for sequence in sample] for sample in samples]
        words = [[[word for word, _ in sequence] for sequence in sample] for sample in cut]
        return words, [[[start for _, start in sequence] for sequence in sample] for sample in cut]

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """The open glyph ids of each word's characters."""
        codes = code_points(alignment.text)
        ids = np.where(may_have_ink()[codes], self._open_glyphs().open_ids(codes), 0).tolist()
        rows, shortened = [], Counter()
        for index in range(len(alignment.encodings)):
            start, width = alignment.spans(index)
            bounds = zip(start.tolist(), (start + width).tolist(), strict=True)
            rows.append([self._shown(ids[first:end], alignment.text[first:end], shortened) for first, end in bounds])
        if shortened and self.shortened.add(shortened):
            logger.warning(
                f"{len(self.shortened)} words have more than {MOST} different characters, such as "
                f"{next(iter(shortened))!r}: the first {MOST} of them are shown. (tokenizer.shortened has the counts.)"
            )
        return {**super().extra_values(alignment), "glyph_ids": rows}

    @staticmethod
    def _shown(ids: list[int], word: str, shortened: Counter[str]) -> list[int]:
        """The open glyph ids of a word that are shown, of those of all its characters (0 is none); counts the word."""
        shown = [row for row in ids if row]
        if len(shown) <= MOST:
            return shown
        shown = list(dict.fromkeys(shown))  # a word's glyphs are the maximum over its characters: each counts once
        if len(shown) > MOST:
            shortened[word[:60]] += 1
        return shown[:MOST]

    def padded_values(self, values: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Fills the words up."""
        values = super().padded_values(values)
        return {name: _filled(rows) if name == "glyph_ids" else rows for name, rows in values.items()}

    def tensor_values(self, values: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, np.ndarray]]:
        """Resolves open ids; adds extra_glyphs."""
        values, of_batch = super().tensor_values(values)
        if "glyph_ids" in values:
            rows = values["glyph_ids"]
            if len(rows) == 1:  # pipelines batch such tensors, and can pad T alone: W has to be the same
                width = rows[0].shape[1]
                rows = [np.pad(rows[0], ((0, 0), (0, MOST - width)))]
            rows, extra = self._resolve(rows, [None] * len(rows))
            values = {**values, "glyph_ids": rows}
            of_batch = of_batch if extra is None else {**of_batch, "extra_glyphs": extra}
        return values, of_batch

    @property
    def taken_inputs(self) -> tuple[str, ...]:
        """The characters of words, and glyph images, have axes of their own."""
        return (*super().taken_inputs, "glyph_ids", "extra_glyphs")

    def put_back(self, output: BatchEncoding, taken: dict[str, Any], padded: PaddedExamples) -> None:
        """Pads glyph_ids along T and W; in tensors, open ids become rows of extra_glyphs.

        Examples that have extra_glyphs (because they come from tensors) keep their ids. Both kinds may stand in one
        batch.

        Raises:
            ValueError: a glyph id that stands for no character, or glyph images of another size.
        """
        super().put_back(output, taken, padded)
        rows = padded.rows(taken["glyph_ids"])
        if None not in rows:
            self._put_glyphs(output, _filled(to_py_obj(rows), padded.lengths, padded.left), taken, padded)
        _with_integers(output)


def _offsets(encoding: Encoding, starts: Starts | None) -> list[tuple[int, int]]:
    """Where the words of an encoding stand: in their string, or within themselves where nobody cut one."""
    if starts is None:
        return encoding.offsets
    words = zip(encoding.sequence_ids, encoding.word_ids, encoding.offsets, strict=True)
    shifts = ((0 if word is None else starts[sequence][word], span) for sequence, word, span in words)
    return [(shift + start, shift + end) for shift, (start, end) in shifts]


def _filled(rows: Sequence[Glyphs], lengths: Sequence[int] | None = None, left: bool = False) -> list[np.ndarray]:
    """Fills words up with 0.

    Args:
        rows: of each example, the glyph ids of each word.
        lengths: T of each example, words of padding included; None: those of `rows`.
        left: whether words of padding stand before the others.

    Returns:
        int64 [T, W] for each example; W is that of the longest word of all, and 1 or more.
    """
    width = max((len(word) for row in rows for word in row), default=0) or 1
    filled = []
    for row, length in zip(rows, lengths or map(len, rows), strict=True):
        counts = np.array([len(word) for word in row], np.int64)  # [words]
        flat = np.fromiter(chain.from_iterable(row), np.int64, counts.sum())
        ids = np.zeros((length, width), np.int64)
        first = length - len(row) if left else 0
        ids[first : first + len(row)][np.arange(width) < counts[:, None]] = flat
        filled.append(ids)
    return filled


def _with_integers(output: BatchEncoding) -> BatchEncoding:
    """Tensors without a word as integers: transformers makes floats of empty lists."""
    for name, values in output.items():
        if hasattr(values, "shape") and 0 in values.shape and "int" not in str(values.dtype):
            output[name] = to_tensor(np.zeros(values.shape, np.int64), "np" if isinstance(values, np.ndarray) else "pt")
    return output


__all__ = ["WordInputs"]

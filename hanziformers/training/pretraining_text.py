"""Text to pre-training examples: documents -> sentences -> pairs (GlyphCRM, BERT) or packs (ChineseBERT).

    texts -> SentenceEncoder -> documents of encoded sentences -> make_pairs / make_packs -> examples

An example is a dict of lists with one value per token: input_ids, token_type_ids, what else the tokenizer makes
(glyph_ids, pinyin_ids), word_ids where the encoder segments words; and next_sentence_label, a number, for pairs.
Every choice is made by the generator that is passed in.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .model_loading import get_tokenizer

Example = dict[str, Any]
Document = list[dict[str, np.ndarray]]  # its sentences: key -> int64 [n] or [n, ...], one value per token
MakeExamples = Callable[[list[Document], np.random.Generator], Iterator[Example]]

MAX_SENTENCE = 100_000  # characters
_BATCH = 1_000_000  # characters that are tokenised together, at most with one more sentence
_SENTENCE = re.compile(r"[^。！？!?；;…\n]*(?:[。！？!?；;…\n]+[\"'”’』」）)】》]*|$)")


def split_sentences(text: str) -> list[str]:
    """Cuts a text after 。！？； and the like (with the closing quotes behind them) and at line breaks.

    Nothing but white space between sentences is lost. What goes on for more than `MAX_SENTENCE` characters without such
    a mark is cut there, so that the memory of a tokenizer does not grow with it.
    """
    sentences = [sentence for sentence in _SENTENCE.findall(text) if sentence.strip()]
    if max(map(len, sentences), default=0) <= MAX_SENTENCE:
        return sentences
    starts = [(sentence, start) for sentence in sentences for start in range(0, len(sentence), MAX_SENTENCE)]
    return [sentence[start : start + MAX_SENTENCE] for sentence, start in starts]


class SentenceEncoder:
    """Turns texts into documents of encoded sentences, with few calls of the tokenizer.

    Args:
        processing_class: tokenizer or processor of the model.
        longest: a sentence of more tokens is cut into several; nothing is dropped.
        words: for whole-word masking: (text, offsets [n, 2]) -> number of the word of every token, int64 [n].
    """

    def __init__(
        self,
        processing_class: PreTrainedTokenizerBase | ProcessorMixin,
        longest: int,
        words: Callable[[str, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.tokenizer = get_tokenizer(processing_class)
        self.longest, self.words = longest, words
        # the first two are made with the example; extra_glyphs are rendered with the batch, from open glyph_ids
        later = ("attention_mask", "token_type_ids", "extra_glyphs")
        self.keys = [key for key in self.tokenizer.model_input_names if key not in later]

    def __call__(self, texts: list[str]) -> list[Document]:
        """Encodes texts: one list of sentences for each; a text without any token gives an empty list."""
        cut = [split_sentences(text) for text in texts]
        sentences = [sentence for text in cut for sentence in text]
        # the sentences of all texts, in order: every text takes as many as it has
        encoded = self._encode(sentences)
        return [[piece for pieces in islice(encoded, len(text)) for piece in pieces] for text in cut]

    def _encode(self, sentences: list[str]) -> Iterator[Document]:
        """The pieces of each sentence; a call of the tokenizer takes so many that they fit into memory."""
        for batch in _batches(sentences):
            encoded = self.tokenizer(
                batch,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                return_offsets_mapping=self.words is not None,
                verbose=False,
            )
            for index, sentence in enumerate(batch):
                yield self._pieces(encoded, index, sentence)

    def _pieces(self, encoded: Any, index: int, sentence: str) -> Document:
        """One encoded sentence, in pieces of at most `longest` tokens."""
        columns = {key: np.array(encoded[key][index], np.int64) for key in self.keys}
        length = len(columns["input_ids"])
        if self.words is not None and length:
            columns["word_ids"] = self.words(sentence, np.array(encoded["offset_mapping"][index]))
        starts = range(0, length, self.longest)
        return [{key: value[start : start + self.longest] for key, value in columns.items()} for start in starts]


def _batches(sentences: list[str]) -> Iterator[list[str]]:
    """The sentences in groups of about `_BATCH` characters."""
    batch, length = [], 0
    for sentence in sentences:
        batch.append(sentence)
        length += len(sentence)
        if length >= _BATCH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


class Assembler:
    """Puts [CLS] and [SEP] around encoded sentences, with the values of these tokens in every key."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id

    def __call__(self, *segments: Document) -> Example:
        """Makes [CLS] A [SEP] or [CLS] A [SEP] B [SEP], with token types 0 and 1.

        Words are numbered consecutively over both segments; special tokens have the word -1.
        """
        joined = [_join(segment) for segment in segments]
        example: Example = {}
        for key in joined[0]:
            shape, words = joined[0][key].shape[1:], 0
            parts = [self._special(key, self.cls, shape)]
            for columns in joined:
                parts += [columns[key] + words, self._special(key, self.sep, shape)]
                # the words of B begin after those of A; for every other key `words` stays 0
                words += (int(columns[key].max(initial=-1)) + 1) * (key == "word_ids")
            example[key] = np.concatenate(parts).tolist()
        types = [np.full(len(columns["input_ids"]) + 1, number) for number, columns in enumerate(joined)]
        example["token_type_ids"] = [0, *np.concatenate(types).tolist()]
        return example

    @staticmethod
    def _special(key: str, token: int, shape: tuple[int, ...]) -> np.ndarray:
        """The value of a special token: its id and glyph image, no reading, no word."""
        value = {"input_ids": token, "glyph_ids": token, "word_ids": -1}.get(key, 0)
        return np.full((1, *shape), value, np.int64)


def make_pairs(
    documents: list[Document],
    rng: np.random.Generator,
    *,
    assemble: Assembler,
    length: int,
    short_seq_prob: float = 0.1,
) -> Iterator[Example]:
    """Pairs for next-sentence prediction, as BERT makes them (GlyphCRM 3.4.1: "identical to BERT").

    A is a run of sentences of a document. With probability 1/2 B is what follows it (next_sentence_label 0), else a run
    from another document of the group (label 1), and the text after A begins the next pair. With probability
    `short_seq_prob` a pair aims at a random shorter length. A group of one document gives label 0 only, and its last
    sentence alone no pair.

    A sentence should take less than half of `length` (SentenceEncoder's `longest`): where only one fits, B is always
    false.

    Args:
        documents: encoded; those without tokens are skipped.
        rng: makes all choices.
        assemble: adds the special tokens.
        length: the most tokens of an example, special ones included.
        short_seq_prob: in [0, 1]; BERT's option of that name.
    """
    documents = [document for document in documents if document]
    budget = length - 3  # [CLS] A [SEP] B [SEP]
    for number, document in enumerate(documents):
        start = 0
        while start < len(document):
            target = int(rng.integers(2, budget + 1)) if rng.random() < short_seq_prob else budget
            chunk = _run(document, start, target)
            # A is the chunk's first sentences, B the rest, or a run from elsewhere: then the rest is used once more
            ends = int(rng.integers(1, len(chunk))) if len(chunk) > 1 else 1
            first = chunk[:ends]
            other = len(documents) > 1 and (len(chunk) == 1 or rng.random() < 0.5)
            if other:
                pick = int(rng.integers(len(documents) - 1))
                source = documents[pick + (pick >= number)]  # any document but this one
                second = _run(source, int(rng.integers(len(source))), target - _tokens(first))
                start += ends
            else:
                second = chunk[ends:]
                start += len(chunk)
            if second:
                example = assemble(*_fit(first, second, budget, rng))
                yield {**example, "next_sentence_label": int(other)}


def make_packs(
    documents: list[Document],
    rng: np.random.Generator,
    *,
    assemble: Assembler,
    length: int,
    packed_prob: float = 0.9,
) -> Iterator[Example]:
    """Packed and single inputs, as ChineseBERT is trained (section 4.3).

    With probability `packed_prob` an example holds as many successive sentences of one document as fit, else a single
    sentence. The other arguments are those of `make_pairs`.
    """
    for document in documents:
        start = 0
        while start < len(document):
            sentences = _run(document, start, length - 2) if rng.random() < packed_prob else [document[start]]
            start += len(sentences)
            yield assemble(sentences)


def _join(sentences: Document) -> dict[str, np.ndarray]:
    """One sentence made of several; words are numbered consecutively."""
    joined = {key: np.concatenate([sentence[key] for sentence in sentences]) for key in sentences[0]}
    if "word_ids" in joined:
        words = np.cumsum([0] + [int(sentence["word_ids"].max(initial=-1)) + 1 for sentence in sentences])
        joined["word_ids"] += np.repeat(words[:-1], [len(sentence["word_ids"]) for sentence in sentences])
    return joined


def _tokens(sentences: Document) -> int:
    """How many tokens several sentences have."""
    return sum(len(sentence["input_ids"]) for sentence in sentences)


def _run(document: Document, start: int, budget: int) -> Document:
    """The sentences from `start` on that fit into `budget` tokens; at least one."""
    # no sentence is empty, so `budget` of them are more than enough; a slice, as islice would walk through all before
    candidates = document[start : start + max(1, budget)]
    ends = np.cumsum([len(sentence["input_ids"]) for sentence in candidates])
    return candidates[: max(1, int(np.searchsorted(ends, budget, side="right")))]


def _fit(first: Document, second: Document, budget: int, rng: np.random.Generator) -> tuple[Document, Document]:
    """Cuts a pair to `budget` tokens: the longer segment first, tokens at its front or end by chance, as BERT does."""
    a, b = _tokens(first), _tokens(second)
    excess = a + b - budget
    if excess <= 0:
        return first, second
    # BERT takes one token after the other from the longer segment: first the difference, then both in turn, A first
    cut_a = min(max(a - b, 0), excess)
    cut_b = min(max(b - a, 0), excess - cut_a)
    rest = excess - cut_a - cut_b
    return _cut(first, cut_a + (rest + 1) // 2, rng), _cut(second, cut_b + rest // 2, rng)


def _cut(sentences: Document, number: int, rng: np.random.Generator) -> Document:
    """Removes `number` tokens, each at the front or the end with probability 1/2."""
    if not number:
        return sentences
    front = int(rng.binomial(number, 0.5))
    return [{key: value[front : len(value) - (number - front)] for key, value in _join(sentences).items()}]


def pairs(tokenizer: PreTrainedTokenizerBase, length: int, short_seq_prob: float = 0.1) -> MakeExamples:
    """`make_pairs` with everything but documents and generator filled in; can be sent to workers."""
    return partial(make_pairs, assemble=Assembler(tokenizer), length=length, short_seq_prob=short_seq_prob)


def packs(tokenizer: PreTrainedTokenizerBase, length: int, packed_prob: float = 0.9) -> MakeExamples:
    """`make_packs` with everything but documents and generator filled in; can be sent to workers."""
    return partial(make_packs, assemble=Assembler(tokenizer), length=length, packed_prob=packed_prob)


__all__ = [
    "Assembler",
    "Document",
    "Example",
    "MakeExamples",
    "SentenceEncoder",
    "make_packs",
    "make_pairs",
    "packs",
    "pairs",
    "split_sentences",
]

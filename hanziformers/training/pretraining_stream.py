"""Text to pre-training examples, streamed: documents -> sentences -> pairs (GlyphCRM, BERT) or packs (ChineseBERT).

    documents (datasets, streaming)  ->  SentenceEncoder  ->  make_pairs / make_packs  ->  PretrainingStream
    -> DataCollatorForMaskedCharacters

Every render is seeded by the seed, the epoch and the text itself, so that a run gives the same examples again whenever it
is started anew with as many processes and workers: these share the documents, and pairs are made of what each one gets.
An example is a dict of lists, one value a token: input_ids, token_type_ids, what else the tokenizer
gives (glyph_ids, pinyin_ids), word_ids where words were asked for, next_sentence_label for pairs.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any
from zlib import crc32

import datasets
import numpy as np
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

Example = dict[str, Any]
Document = list[dict[str, np.ndarray]]  # its sentences: by key one value a token
MakeExamples = Callable[[list[Document], np.random.Generator], Iterator[Example]]

_SENTENCE = re.compile(r"[^。！？!?；;…\n]*(?:[。！？!?；;…\n]+[\"'”’』」）)】》]*|$)")


def split_sentences(text: str) -> list[str]:
    """Cuts after 。！？； and the like (with the closing quotes behind them) and at line breaks; nothing is lost."""
    return [sentence for sentence in _SENTENCE.findall(text) if sentence.strip()]


class SentenceEncoder:
    """Documents to encoded sentences, all in one call of the tokenizer.

    Args:
        processing: tokenizer or processor of the model.
        longest: a sentence of more tokens is cut into several; nothing is dropped.
        words: for whole-word masking: (text, offsets [n, 2]) -> number of the word of every token, int [n].
    """

    def __init__(
        self,
        processing_class: PreTrainedTokenizerBase | ProcessorMixin,
        longest: int,
        words: Callable[[str, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.tokenizer = getattr(processing_class, "tokenizer", processing_class)
        self.longest, self.words = longest, words
        self.keys = [k for k in self.tokenizer.model_input_names if k not in ("attention_mask", "token_type_ids")]
        self.keys = [key for key in self.keys if key != "extra_glyphs"]

    def __call__(self, texts: list[str]) -> list[Document]:
        """One list of sentences a text; a text without any token gives an empty list."""
        cut = [split_sentences(text) for text in texts]
        sentences = [sentence for text in cut for sentence in text]
        if not sentences:
            return [[] for _ in texts]
        encoded = self.tokenizer(
            sentences,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=self.words is not None,
            verbose=False,
        )
        rows = iter(range(len(sentences)))
        return [
            [piece for index in islice(rows, len(text)) for piece in self._pieces(encoded, index, sentences[index])]
            for text in cut
        ]

    def _pieces(self, encoded: Any, index: int, sentence: str) -> list[dict[str, np.ndarray]]:
        columns = {key: np.array(encoded[key][index], np.int64) for key in self.keys}
        length = len(columns["input_ids"])
        if self.words is not None and length:
            columns["word_ids"] = self.words(sentence, np.array(encoded["offset_mapping"][index]))
        starts = range(0, length, self.longest)
        return [{key: value[start : start + self.longest] for key, value in columns.items()} for start in starts]


class Assembler:
    """Puts [CLS] and [SEP] around encoded sentences; knows what the tokenizer's special tokens have in every key."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id

    def __call__(self, *segments: Document) -> Example:
        """[CLS] A [SEP] or [CLS] A [SEP] B [SEP]; token types 0 and 1; words are numbered through, -1 for specials."""
        joined = [_join(segment) for segment in segments]
        example: Example = {}
        for key in joined[0]:
            shape, words = joined[0][key].shape[1:], 0
            parts = [self._special(key, self.cls, shape)]
            for columns in joined:
                parts += [columns[key] + words, self._special(key, self.sep, shape)]
                words += (int(columns[key].max(initial=-1)) + 1) * (key == "word_ids")
            example[key] = np.concatenate(parts).tolist()
        types = [np.full(len(columns["input_ids"]) + 1, number) for number, columns in enumerate(joined)]
        example["token_type_ids"] = [0, *np.concatenate(types).tolist()]
        return example

    @staticmethod
    def _special(key: str, token: int, shape: tuple[int, ...]) -> np.ndarray:
        """What a special token has: its id and glyph image, no reading, no word."""
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
    from another document of the group (label 1), and the text after A begins the next pair. `short_seq_prob` of the pairs
    aim at a random shorter length. A group of one document gives label 0 only, and its last sentence alone no pair.

    A sentence should take less than half of `length` (SentenceEncoder's `longest`): a lone one gets a false B.

    Args:
        documents: encoded; those without tokens are skipped.
        rng: makes all choices.
        assemble: puts the special tokens.
        length: of the example in tokens, special ones included.
        short_seq_prob: as BERT's short_seq_prob.
    """
    documents = [document for document in documents if document]
    room = length - 3
    for number, document in enumerate(documents):
        start = 0
        while start < len(document):
            target = int(rng.integers(2, room + 1)) if rng.random() < short_seq_prob else room
            chunk = _run(document, start, target)
            ends = int(rng.integers(1, len(chunk))) if len(chunk) > 1 else 1
            first = chunk[:ends]
            other = len(documents) > 1 and (len(chunk) == 1 or rng.random() < 0.5)
            if other:
                pick = int(rng.integers(len(documents) - 1))
                source = documents[pick + (pick >= number)]
                second = _run(source, int(rng.integers(len(source))), target - _tokens(first))
                start += ends
            else:
                second = chunk[ends:]
                start += len(chunk)
            if second:
                example = assemble(*_fit(first, second, room, rng))
                yield {**example, "next_sentence_label": int(other)}


def make_packs(
    documents: list[Document],
    rng: np.random.Generator,
    *,
    assemble: Assembler,
    length: int,
    packed_prob: float = 0.9,
) -> Iterator[Example]:
    """Packed and single inputs, as ChineseBERT is trained (section 4.3); args as in `make_pairs`.

    `packed_prob` of the examples hold as many sentences in a row of one document as fit, the others a single sentence.
    """
    for document in documents:
        start = 0
        while start < len(document):
            sentences = _run(document, start, length - 2) if rng.random() < packed_prob else [document[start]]
            start += len(sentences)
            yield assemble(sentences)


def _join(sentences: Document) -> dict[str, np.ndarray]:
    """One sentence of several; words are numbered through."""
    joined = {key: np.concatenate([sentence[key] for sentence in sentences]) for key in sentences[0]}
    if "word_ids" in joined:
        words = np.cumsum([0] + [int(sentence["word_ids"].max(initial=-1)) + 1 for sentence in sentences])
        joined["word_ids"] += np.repeat(words[:-1], [len(sentence["word_ids"]) for sentence in sentences])
    return joined


def _tokens(sentences: Document) -> int:
    return sum(len(sentence["input_ids"]) for sentence in sentences)


def _run(document: Document, start: int, room: int) -> Document:
    """The sentences from `start` on that fit into `room` tokens; at least one."""
    ends = np.cumsum([len(sentence["input_ids"]) for sentence in islice(document, start, start + max(1, room))])
    return document[start : start + max(1, int(np.searchsorted(ends, room, side="right")))]


def _fit(first: Document, second: Document, room: int, rng: np.random.Generator) -> tuple[Document, Document]:
    """Cuts a pair to `room` tokens: the longer one first, tokens at its front or end by chance, as BERT does."""
    a, b = _tokens(first), _tokens(second)
    excess = a + b - room
    if excess <= 0:
        return first, second
    cut_a = min(max(a - b, 0), excess)
    cut_b = min(max(b - a, 0), excess - cut_a)
    rest = excess - cut_a - cut_b
    return _cut(first, cut_a + (rest + 1) // 2, rng), _cut(second, cut_b + rest // 2, rng)


def _cut(sentences: Document, number: int, rng: np.random.Generator) -> Document:
    if not number:
        return sentences
    front = int(rng.binomial(number, 0.5))
    return [{key: value[front : len(value) - (number - front)] for key, value in _join(sentences).items()}]


class PretrainingStream(IterableDataset):
    """Examples, each with its `epoch`: epoch after epoch of the documents, without end unless told otherwise.

    Documents are read in shuffled order (a buffer of `buffer` documents, reshuffled every epoch), in groups of `group`;
    the examples of a group are shuffled. The documents are shared out between processes (`rank` of `world_size`) and
    between the workers of a DataLoader, by files where there are enough of them.

    Args:
        documents: a streaming dataset with the column `text`.
        encode: texts to documents.
        make: documents to examples.
        seed: of order, pairs and packs.
        rank, world_size: of this process.
        buffer: documents held for shuffling.
        group: documents that are encoded together; B of a false pair comes from the same group.
        repeat: False ends after one epoch.
        shuffle: False keeps the order of the documents.

    Raises:
        ValueError: on iteration: the documents give no example at all, or hold something else than a string as `text`.
    """

    def __init__(
        self,
        documents: datasets.IterableDataset,
        encode: Callable[[list[str]], list[Document]],
        make: MakeExamples,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        buffer: int = 4096,
        group: int = 128,
        repeat: bool = True,
        shuffle: bool = True,
    ) -> None:
        self.documents, self.encode, self.make = documents, encode, make
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.buffer, self.group, self.repeat, self.shuffle = buffer, group, repeat, shuffle

    def __iter__(self) -> Iterator[Example]:
        epoch = 0
        while True:
            number = 0
            for example in self._epoch(epoch):
                number += 1
                yield example
            worker = get_worker_info()
            if not number and worker is not None and worker.id:
                return  # more workers than files: this one has none
            if not number:
                raise ValueError("the documents give no example: are the files and the column `text` empty?")
            if not self.repeat:
                return
            epoch += 1

    def _epoch(self, epoch: int) -> Iterator[Example]:
        texts_of_epoch = self._texts(epoch)
        while texts := list(islice(texts_of_epoch, self.group)):
            rng = np.random.default_rng((self.seed, epoch, crc32("\n".join(texts).encode("utf-8", "surrogatepass"))))
            examples = list(self.make(self.encode(texts), rng))
            for index in rng.permutation(len(examples)) if self.shuffle else range(len(examples)):
                yield {**examples[index], "epoch": epoch}

    def _texts(self, epoch: int) -> Iterator[str]:
        """The documents of this process and worker.

        Every epoch has a shuffled dataset of its own, not `set_epoch`: workers share its number and overwrite it.
        """
        documents = self.documents
        if self.shuffle:
            documents = documents.shuffle(seed=self.seed + (epoch << 32), buffer_size=self.buffer)
        if self.world_size > 1:
            documents = split_dataset_by_node(documents, self.rank, self.world_size)
        before = "the first one read"
        for row in documents:
            text = row.get("text")
            if not isinstance(text, str):
                raise ValueError(
                    f"a document has text={text!r}, needed is a string (which may be empty): fill or remove such "
                    f"records; it is {before}"
                )
            before = f"the one read after {text[:40]!r}"
            yield text


def pairs(tokenizer: PreTrainedTokenizerBase, length: int, short_seq_prob: float = 0.1) -> MakeExamples:
    """`make_pairs` with everything but documents and generator filled in."""
    return partial(make_pairs, assemble=Assembler(tokenizer), length=length, short_seq_prob=short_seq_prob)


def packs(tokenizer: PreTrainedTokenizerBase, length: int, packed_prob: float = 0.9) -> MakeExamples:
    """`make_packs` with everything but documents and generator filled in."""
    return partial(make_packs, assemble=Assembler(tokenizer), length=length, packed_prob=packed_prob)


__all__ = ["Assembler", "PretrainingStream", "SentenceEncoder", "make_packs", "make_pairs", "packs", "pairs"]

"""Streams of pre-training examples, shared out between processes and workers.

    documents (datasets, streaming) -> PretrainingStream (pretraining_text.py) -> DataCollatorForMaskedCharacters

Every choice is seeded by the seed, the epoch and the text itself. A run therefore gets the same examples again whenever
it is restarted with as many processes and workers: these divide the documents, and pairs are made of what each gets.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from zlib import crc32

import datasets
import numpy as np
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset, get_worker_info

from .pretraining_files import read_texts
from .pretraining_text import Document, Example, MakeExamples


class PretrainingStream(IterableDataset):
    """Examples, each with its `epoch`: epoch after epoch of the documents, without end unless `repeat` is False.

    Documents are read in shuffled order (a buffer of `buffer` documents, reshuffled every epoch), in groups of `group`;
    the examples of a group are shuffled. The documents are shared out between processes (`rank` of `world_size`) and
    between the workers of a DataLoader, by files where there are enough of them.

    Args:
        documents: a streaming dataset with the column `text`.
        encode: turns texts into documents of encoded sentences (`SentenceEncoder`).
        make: turns documents into examples (`pairs` or `packs`).
        seed: of order, pairs and packs.
        rank, world_size: of this process.
        buffer: number of documents held for shuffling.
        group: number of documents that are encoded together; B of a false pair comes from the same group.
        repeat: False ends the stream after one epoch.
        shuffle: False keeps the order of the documents.

    Raises:
        ValueError: on iteration, if the documents make no example at all, or one has no string as `text`.
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
                return  # there are more workers than files, and this one has none; worker 0 always has one
            if not number:
                raise ValueError("the documents make no example: are the files and the column `text` empty?")
            if not self.repeat:
                return
            epoch += 1

    def _epoch(self, epoch: int) -> Iterator[Example]:
        """One epoch: each group of documents is encoded, made into examples and shuffled."""
        texts_of_epoch = self._texts(epoch)
        while texts := list(islice(texts_of_epoch, self.group)):
            # seeded by the texts, not by a running number: the same group gives the same examples in every worker
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
            # seeds of different epochs do not meet: a seed has fewer than 32 bits
            documents = documents.shuffle(seed=self.seed + (epoch << 32), buffer_size=self.buffer)
        if self.world_size > 1:
            documents = split_dataset_by_node(documents, self.rank, self.world_size)
        return read_texts(documents)


__all__ = ["PretrainingStream"]

"""Streams of pre-training examples: every choice can be made again, whatever the processes and workers."""

import re
from itertools import islice

import pytest
from datasets import IterableDataset
from pretraining_tools import TOKENIZER, characters, document, stream, take
from torch.utils.data import DataLoader

from hanziformers.training.pretraining_stream import PretrainingStream
from hanziformers.training.pretraining_text import SentenceEncoder, packs, pairs


def test_the_same_seed_gives_the_same_stream():
    first, again, other = take(200), take(200), take(200, seed=1)
    assert first == again
    assert first != other


def test_every_epoch_is_shuffled_and_paired_again_and_says_its_number():
    examples = take(2000)
    epochs = [example["epoch"] for example in examples]
    assert epochs == sorted(epochs)
    assert epochs[-1] >= 2
    by_epoch = [[e["input_ids"] for e in examples if e["epoch"] == epoch] for epoch in range(2)]
    assert by_epoch[0] != by_epoch[1]
    assert sorted(map(tuple, by_epoch[0])) != sorted(map(tuple, by_epoch[1]))


@pytest.mark.parametrize("shards", [1, 4])
def test_processes_share_the_documents(shards):
    alone = list(stream(make=packs, repeat=False, shuffle=False, shards=shards))
    parts = [
        list(stream(make=packs, repeat=False, shuffle=False, shards=shards, rank=rank, world_size=2))
        for rank in range(2)
    ]

    assert all(parts)
    assert characters(parts[0] + parts[1]) == characters(alone)


def test_workers_share_the_documents():
    examples = stream(make=packs, repeat=False, shuffle=False, shards=4)
    alone = list(examples)
    loaded = list(DataLoader(examples, batch_size=None, num_workers=2, collate_fn=lambda example: example))

    assert characters(loaded) == characters(alone)


def test_documents_without_text():
    with pytest.raises(ValueError, match="no example"):
        next(iter(stream(texts=["", " "])))


@pytest.mark.parametrize("value", [None, 3, ["天地"]])
def test_documents_that_are_no_strings(value):
    rows = [{"text": "天地玄黄。"}, {"text": ""}, {"text": value}]
    documents = IterableDataset.from_generator(lambda: iter(rows))
    broken = PretrainingStream(documents, SentenceEncoder(TOKENIZER, 14), pairs(TOKENIZER, 32), shuffle=False)
    with pytest.raises(ValueError, match=f"(?s)text={re.escape(repr(value))}.*fill or remove.*read after ''"):
        next(iter(broken))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")
def test_workers_that_end_an_epoch_at_different_times():
    """Three workers with unequal files, many short epochs: what one does must not reach the others."""

    def examples():
        unequal = stream(texts=[document(number) for number in range(19)], shards=3)
        loader = DataLoader(unequal, batch_size=4, num_workers=3, collate_fn=lambda batch: batch)
        return list(islice(loader, 300))

    first = examples()
    assert len({example["epoch"] for batch in first for example in batch}) > 5
    assert all(examples() == first for _ in range(4))


def test_more_workers_than_files():
    loader = DataLoader(
        stream(make=packs, shards=1), batch_size=None, num_workers=2, collate_fn=lambda example: example
    )
    examples = list(islice(loader, 200))
    assert len(examples) == 200
    assert {example["epoch"] for example in examples} > {0}

"""Documents of a few characters, and streams of their examples, for the tests of pre-training."""

from itertools import islice

import numpy as np
from datasets import Dataset

from hanziformers import ChineseBertTokenizer
from hanziformers.training.pretraining_stream import PretrainingStream
from hanziformers.training.pretraining_text import SentenceEncoder, pairs

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳"
TOKENIZER = ChineseBertTokenizer({token: i for i, token in enumerate([*SPECIAL, *CHARACTERS, *"。！，"])})
CLS, SEP = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id


def document(number: int, sentences: int = 6) -> str:
    rng = np.random.default_rng(number)
    return "".join("".join(rng.choice(list(CHARACTERS), rng.integers(2, 12))) + "。" for _ in range(sentences))


TEXTS = [document(number, 1 + number % 9) for number in range(60)]


def stream(texts=TEXTS, length=32, make=pairs, words=None, shards=1, **options):
    documents = Dataset.from_dict({"text": texts}).to_iterable_dataset(num_shards=shards)
    encode = SentenceEncoder(TOKENIZER, longest=(length - 3) // 2, words=words)
    return PretrainingStream(documents, encode, make(TOKENIZER, length), buffer=16, group=8, **options)


def take(number, **options):
    return list(islice(stream(**options), number))


def segments(example):
    ids = example["input_ids"]
    ends = [position for position, token in enumerate(ids) if token == SEP]
    starts = [1, *(end + 1 for end in ends[:-1])]
    return [ids[start:end] for start, end in zip(starts, ends, strict=True)]


def characters(examples):
    return sorted(token for example in examples for token in example["input_ids"] if token not in (CLS, SEP))

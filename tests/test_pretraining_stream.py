"""From documents to pre-training examples: nothing is lost, every render can be made again."""

import re
from itertools import islice

import numpy as np
import pytest
from datasets import Dataset, IterableDataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from hanziformers import ChineseBertTokenizer
from hanziformers.training.pretraining_stream import (
    Assembler,
    PretrainingStream,
    SentenceEncoder,
    packs,
    pairs,
    split_sentences,
)

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
    ends = [place for place, token in enumerate(ids) if token == SEP]
    starts = [1, *(end + 1 for end in ends[:-1])]
    return [ids[start:end] for start, end in zip(starts, ends, strict=True)]


def characters(examples):
    return sorted(token for example in examples for token in example["input_ids"] if token not in (CLS, SEP))


@given(st.text(alphabet="天地。！？；\n ”’a…", max_size=60))
def test_sentences_are_the_text(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence.strip() for sentence in sentences)


def test_sentences_end_where_they_should():
    assert split_sentences("他说：“好！”我走了。\n第二行？！没有") == [
        "他说：“好！”",
        "我走了。\n",
        "第二行？！",
        "没有",
    ]


def test_documents_are_encoded_whole_and_long_sentences_cut():
    encode = SentenceEncoder(TOKENIZER, longest=5)
    texts = [TEXTS[3], "", " \n", "天地玄黄宇宙洪荒日月盈昃"]
    documents = encode(texts)
    assert [len(found) for found in documents[1:]] == [0, 0, 3]
    for text, sentences in zip(texts, documents, strict=True):
        ids = [token for sentence in sentences for token in sentence["input_ids"]]
        assert ids == TOKENIZER(text, add_special_tokens=False)["input_ids"]
        assert all(1 <= len(sentence["input_ids"]) <= 5 for sentence in sentences)
        assert all(sentence["pinyin_ids"].shape == (len(sentence["input_ids"]), 8) for sentence in sentences)


def test_assembled_pairs_are_what_the_tokenizer_makes():
    encode = SentenceEncoder(TOKENIZER, longest=50)
    first, second = encode(["天地玄黄。宇宙洪荒。", "日月盈昃！"])
    found, wanted = Assembler(TOKENIZER)(first, second), TOKENIZER("天地玄黄。宇宙洪荒。", "日月盈昃！")
    for key in ("input_ids", "token_type_ids", "pinyin_ids"):
        assert found[key] == wanted[key]
    assert Assembler(TOKENIZER)(first)["input_ids"] == TOKENIZER("天地玄黄。宇宙洪荒。")["input_ids"]


def test_words_are_numbered_through():
    encode = SentenceEncoder(TOKENIZER, longest=4, words=lambda text, offsets: offsets[:, 0] // 2)
    (sentences,) = encode(["天地玄黄宇。日月盈。"])
    assert [sentence["word_ids"].tolist() for sentence in sentences] == [[0, 0, 1, 1], [2, 2], [0, 0, 1, 1]]
    example = Assembler(TOKENIZER)(sentences[:1], sentences[1:])
    words = example["word_ids"]
    assert [words[i] for i in (0, 5, -1)] == [-1, -1, -1]
    inner = [word for word in words if word >= 0]
    cut = ["天地", "玄黄", "宇。", "日月", "盈。"]
    assert [inner.count(word) for word in dict.fromkeys(inner)] == [2] * len(cut)
    assert inner == sorted(inner)


def test_pairs():
    examples = take(3000, length=32)
    assert all(len(example["input_ids"]) <= 32 for example in examples)
    assert all(len(segments(example)) == 2 and all(segments(example)) for example in examples)
    lengths = [len(set(map(len, (e["input_ids"], e["token_type_ids"], e["pinyin_ids"])))) for e in examples]
    assert set(lengths) == {1}
    follows = np.array([example["next_sentence_label"] for example in examples])
    assert 0.45 < follows.mean() < 0.7  # documents of one sentence have no next one
    plain = {text: TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in TEXTS}

    def inside(part, text):
        ids = plain[text]
        return any(ids[start : start + len(part)] == part for start in range(len(ids) - len(part) + 1))

    for example in examples[:200]:
        first, second = segments(example)
        joined = [text for text in TEXTS if inside(first, text) and inside(second, text)]
        if example["next_sentence_label"] == 0:
            assert joined
        assert any(inside(second, text) for text in TEXTS)


def test_false_pairs_come_from_another_document():
    texts = ["天" * 5 + "。" + "天" * 7 + "。", "地" * 6 + "。" + "地" * 4 + "。", "玄" * 9 + "。"]
    for example in take(300, texts=texts, length=24):
        first, second = (set(part) - {TOKENIZER.convert_tokens_to_ids("。")} for part in segments(example))
        assert (first == second) == (example["next_sentence_label"] == 0)


def test_a_lone_document_gives_true_pairs_only():
    examples = take(20, texts=[document(1, 9)], length=24)
    assert {example["next_sentence_label"] for example in examples} == {0}


def test_packs_hold_the_whole_text_once():
    examples = list(stream(make=packs, repeat=False, shuffle=False))
    found = "".join(TOKENIZER.decode(segments(example)[0]) for example in examples)
    assert found == "".join(TEXTS)
    assert all(len(example["input_ids"]) <= 32 for example in examples)
    ends = TOKENIZER.convert_tokens_to_ids("。")
    single = np.mean([example["input_ids"].count(ends) == 1 for example in take(2000, make=packs)])
    assert 0.1 < single < 0.6


def test_the_same_seed_gives_the_same_stream():
    first, again, other = take(200), take(200), take(200, seed=1)
    assert first == again
    assert first != other


def test_every_epoch_is_shuffled_and_paired_anew_and_says_its_number():
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


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 40), st.integers(0, 100))
def test_no_length_is_too_long(length, seed):
    assert all(len(example["input_ids"]) <= length for example in take(60, length=length, seed=seed))


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

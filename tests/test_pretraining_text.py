"""From texts to pre-training examples: sentences, pairs and packs; nothing is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pretraining_tools import CLS, SEP, TEXTS, TOKENIZER, document, segments, stream, take

from hanziformers.training import pretraining_text
from hanziformers.training.pretraining_text import (
    Assembler,
    SentenceEncoder,
    _fit,
    make_packs,
    make_pairs,
    packs,
    pairs,
    split_sentences,
)


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


@settings(max_examples=30)
@given(st.integers(8, 40), st.integers(0, 100))
def test_no_length_is_too_long(length, seed):
    assert all(len(example["input_ids"]) <= length for example in take(60, length=length, seed=seed))


def numbered(lengths, start=0):
    """A document of sentences of the lengths, whose tokens are numbered."""
    ends = np.cumsum([start, *lengths])
    return [{"input_ids": np.arange(a, b)} for a, b in zip(ends, ends[1:], strict=False)]


def flat(sentences):
    return [int(token) for sentence in sentences for token in sentence["input_ids"]]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data()
)
def test_pairs_are_cut_as_bert_does(first, second, data):
    """BERT's truncate_seq_pair: one token after the other from the longer segment, B if they are equally long."""
    room = data.draw(st.integers(2, sum(first) + sum(second) + 2))
    cut = _fit(numbered(first), numbered(second, 1000), room, np.random.default_rng(data.draw(st.integers(0, 99))))
    a, b = sum(first), sum(second)
    while a + b > room:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    found = [flat(part) for part in cut]
    assert abs(len(found[0]) - a) <= 1
    assert len(found[0]) + len(found[1]) == a + b
    for part in found:  # a run without gaps
        assert part == list(range(part[0], part[0] + len(part)))


def slow_packs(documents, rng, length):
    """The obvious way: sentence after sentence, as long as the next one fits."""
    for sentences in documents:
        rest = list(sentences)
        while rest:
            taken = [rest.pop(0)]
            if rng.random() < 0.9:
                while rest and sum(map(len, map(flat, map(lambda one: [one], [*taken, rest[0]])))) <= length - 2:
                    taken.append(rest.pop(0))
            yield [CLS, *flat(taken), SEP]


@given(st.lists(st.lists(st.integers(1, 12), max_size=9), max_size=5), st.integers(14, 40), st.integers(0, 99))
def test_packs_are_those_of_the_obvious_way(lengths, length, seed):
    documents = [numbered(some) for some in lengths]
    found = make_packs(documents, np.random.default_rng(seed), assemble=Assembler(TOKENIZER), length=length)
    wanted = slow_packs(documents, np.random.default_rng(seed), length)
    assert [example["input_ids"] for example in found] == list(wanted)


@pytest.mark.parametrize("make", [make_pairs, make_packs])
def test_no_document_gives_no_example(make):
    assert not list(make([[], []], np.random.default_rng(0), assemble=Assembler(TOKENIZER), length=20))


def test_short_pairs():
    """With probability short_seq_prob a pair aims at a shorter length: with 1 hardly one is full."""
    lengths = [
        np.mean([len(example["input_ids"]) for example in take(500, make=lambda t, n, p=p: pairs(t, n, p))])
        for p in (0.0, 1.0)
    ]
    assert lengths[1] < 0.8 * lengths[0]


def test_long_texts_are_tokenised_in_parts(monkeypatch):
    """With the outcome of one call; and a sentence that does not end is cut."""
    encode = SentenceEncoder(TOKENIZER, longest=14, words=lambda text, offsets: offsets[:, 0])
    whole = encode(TEXTS)
    monkeypatch.setattr(pretraining_text, "_BATCH", 20)
    for sentences, other in zip(whole, encode(TEXTS), strict=True):
        assert len(sentences) == len(other)
        for one, two in zip(sentences, other, strict=True):
            assert all(np.array_equal(one[key], two[key]) for key in one.keys() | two.keys())
    monkeypatch.setattr(pretraining_text, "MAX_SENTENCE", 7)
    assert split_sentences("天地玄黄。" + "天" * 15 + "。地") == ["天地玄黄。", "天" * 7, "天" * 7, "天。", "地"]


class Unwalked(list):
    """A document through which nobody may walk to get to a sentence: that takes quadratic time."""

    def __iter__(self):
        raise AssertionError("a document of many sentences is walked through")


@pytest.mark.parametrize("make", [make_pairs, make_packs])
def test_long_documents_take_no_quadratic_time(make):
    documents = [Unwalked(numbered([3] * size)) for size in (500, 4)]
    examples = make(documents, np.random.default_rng(0), assemble=Assembler(TOKENIZER), length=16)
    assert sum(1 for _ in examples) > 100

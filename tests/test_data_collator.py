"""Masking for pre-training: what stands at a place and its pinyin always belong together."""

import numpy as np
import pytest
import torch
from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding, set_seed

from hanziformers import ChineseBertTokenizer, DataCollatorForMaskedCharacters

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = "银行行长很忙，的地得了北京上海重庆我在是不中国人一块石头。"
TOKENS = [
    *SPECIAL,
    *dict.fromkeys(TEXT),
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *(f"##{c}" for c in "abc行长"),
    "hello",
]
NONE = torch.zeros(8, dtype=torch.long)
KEYS = {"input_ids", "token_type_ids", "attention_mask", "pinyin_ids", "labels"}


@pytest.fixture(params=["right", "left"])
def tokenizer(request) -> ChineseBertTokenizer:
    vocabulary = {token: index for index, token in enumerate(TOKENS)}
    return ChineseBertTokenizer(vocabulary, padding_side=request.param)


@pytest.fixture
def examples(tokenizer) -> list[dict]:
    return [tokenizer(text) for text in [TEXT, "银行行长 hello a 龘", "", "的" * 40, TEXT[::-1], "行abc长[MASK]"]]


def originals(tokenizer, examples: list[dict]) -> dict[str, torch.Tensor]:
    return tokenizer.pad(examples, return_tensors="pt")


def check(tokenizer, examples: list[dict], batch: dict[str, torch.Tensor]) -> None:
    """Every rule that holds whatever was drawn."""
    before = originals(tokenizer, examples)
    own = torch.from_numpy(tokenizer.token_pinyin_ids()).long()
    assert set(batch) == KEYS
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["pinyin_ids"].shape == (*batch["input_ids"].shape, 8)
    for key in ("attention_mask", "token_type_ids"):
        assert torch.equal(batch[key], before[key])
    asked = batch["labels"] != -100
    assert torch.equal(batch["labels"][asked], before["input_ids"][asked])
    assert torch.equal(batch["input_ids"][~asked], before["input_ids"][~asked])
    assert not (asked & (before["attention_mask"] == 0)).any()
    assert not (asked & (before["input_ids"] < len(SPECIAL))).any()
    changed = batch["input_ids"] != before["input_ids"]
    assert torch.equal(batch["pinyin_ids"][~changed], before["pinyin_ids"][~changed])
    assert torch.equal(batch["pinyin_ids"][changed], own[batch["input_ids"][changed]])
    assert not batch["pinyin_ids"][changed & (batch["input_ids"] == tokenizer.mask_token_id)].any()


def test_ten_thousand_tokens(tokenizer, examples):
    set_seed(0)
    collator = DataCollatorForMaskedCharacters(tokenizer)
    counts = np.zeros(4)
    kept_context = 0
    hang2 = tokenizer("银行")["pinyin_ids"][2]
    row = tokenizer.convert_tokens_to_ids("行")
    for _ in range(150):
        batch = collator([dict(one) for one in examples])
        check(tokenizer, examples, batch)
        asked = batch["labels"] != -100
        masked = asked & (batch["input_ids"] == tokenizer.mask_token_id)
        kept = asked & (batch["input_ids"] == batch["labels"])
        maskable = (originals(tokenizer, examples)["input_ids"] >= len(SPECIAL)).sum()
        counts += [int(maskable), int(asked.sum()), int(masked.sum()), int(kept.sum())]
        kept_context += int((batch["pinyin_ids"][kept & (batch["labels"] == row)] == torch.tensor(hang2)).all(-1).sum())
    assert counts[0] > 10_000
    assert counts[1] / counts[0] == pytest.approx(0.15, abs=0.01)
    assert counts[2] / counts[1] == pytest.approx(0.8, abs=0.03)
    assert counts[3] / counts[1] == pytest.approx(0.1, abs=0.03)
    assert kept_context  # 行 by itself is xing2


def test_every_token_is_asked_and_nothing_leaks(tokenizer, examples):
    set_seed(0)
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, mask_replace_prob=1, random_replace_prob=0)(
        examples
    )
    check(tokenizer, examples, batch)
    before = originals(tokenizer, examples)["input_ids"]
    asked = before >= len(SPECIAL)
    assert torch.equal(batch["labels"] != -100, asked)
    assert (batch["input_ids"][asked] == tokenizer.mask_token_id).all()
    assert not batch["pinyin_ids"][asked].any()
    # an unknown character is no token to ask for, and keeps its reading
    unknown = before == tokenizer.unk_token_id
    assert batch["pinyin_ids"][unknown].tolist() == [[9, 6, 2, 0, 0, 0, 0, 0]]


def test_every_token_is_asked_with_random_and_kept_ones(tokenizer, examples):
    set_seed(1)
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1)(examples)
    check(tokenizer, examples, batch)
    asked = batch["labels"] != -100
    masked = asked & (batch["input_ids"] == tokenizer.mask_token_id)
    assert masked.sum() > 50
    assert not batch["pinyin_ids"][masked].any()


def test_random_tokens_bring_their_own_reading(tokenizer, examples):
    set_seed(2)
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, mask_replace_prob=0, random_replace_prob=1)(
        examples
    )
    check(tokenizer, examples, batch)
    changed = (batch["labels"] != -100) & (batch["input_ids"] != batch["labels"])
    assert batch["pinyin_ids"][changed].any(-1).sum() > 20
    assert (~batch["pinyin_ids"][changed].any(-1)).sum() > 20


def test_seed(tokenizer, examples):
    def run(seed):
        collator = DataCollatorForMaskedCharacters(tokenizer, seed=seed)
        return [collator([dict(one) for one in examples]) for _ in range(2)]

    first, again, other = run(7), run(7), run(8)
    for one, two in zip(first, again, strict=True):
        assert all(torch.equal(one[key], two[key]) for key in KEYS)
    assert not torch.equal(first[0]["input_ids"], first[1]["input_ids"])
    assert not torch.equal(first[0]["input_ids"], other[0]["input_ids"])


def test_the_examples_stay_as_they_are(tokenizer, examples):
    before = [{key: list(value) for key, value in one.items()} for one in examples]
    DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1)(examples)
    assert [dict(one) for one in examples] == before


def test_multiples_and_special_tokens_mask(tokenizer):
    set_seed(3)
    texts = [TEXT, "银行"]
    examples = [tokenizer(text, return_special_tokens_mask=True) for text in texts]
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, pad_to_multiple_of=16)(examples)
    assert set(batch) == KEYS
    assert batch["pinyin_ids"].shape == (2, 32, 8)
    assert (batch["labels"] != -100).sum().item() == len(TEXT) + 2
    padding = batch["attention_mask"] == 0
    assert not batch["pinyin_ids"][padding].any()
    assert (batch["labels"][padding] == -100).all()


def test_no_masking_asked_for(tokenizer, examples):
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm=False)(examples)
    before = originals(tokenizer, examples)
    assert torch.equal(batch["input_ids"], before["input_ids"])
    assert torch.equal(batch["pinyin_ids"], before["pinyin_ids"])


def test_numpy_batches_leak_nothing_either(tokenizer, examples):
    collator = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, return_tensors="np", seed=0)
    batch = collator(examples)
    check(tokenizer, examples, {key: torch.from_numpy(value) for key, value in batch.items()})


def test_token_classification_keeps_pinyin_beside_its_token(tokenizer, examples):
    features = [{**one, "labels": list(range(len(one["input_ids"])))} for one in examples]
    batch = DataCollatorForTokenClassification(tokenizer)(features)
    for index, one in enumerate(examples):
        for place, (label, token) in enumerate(zip(batch["labels"][index], batch["input_ids"][index], strict=True)):
            if label == -100:
                assert token == tokenizer.pad_token_id
                assert torch.equal(batch["pinyin_ids"][index, place], NONE)
            else:
                assert token == one["input_ids"][label]
                assert batch["pinyin_ids"][index, place].tolist() == one["pinyin_ids"][label]
    assert batch["pinyin_ids"].dtype == torch.int64


@pytest.mark.parametrize("multiple", [None, 16])
def test_padding_keeps_pinyin_beside_its_token(tokenizer, examples, multiple):
    batch = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)(examples)
    length = batch["input_ids"].shape[1]
    assert length >= 42
    assert multiple is None or length % multiple == 0
    for index, one in enumerate(examples):
        empty = [[0] * 8] * (length - len(one["input_ids"]))
        right = tokenizer.padding_side == "right"
        expected = one["pinyin_ids"] + empty if right else empty + one["pinyin_ids"]
        assert batch["pinyin_ids"][index].tolist() == expected

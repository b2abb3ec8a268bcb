"""Masking for pre-training: a token and its pinyin always belong together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding, set_seed

from hanziformers import ChineseBertTokenizer, DataCollatorForMaskedCharacters
from hanziformers.training.masking_collator import _words_that_fit

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
    """Every rule that holds whatever was selected."""
    before = originals(tokenizer, examples)
    own = torch.from_numpy(tokenizer.values_of_tokens(np.arange(len(tokenizer)))["pinyin_ids"])
    assert set(batch) == KEYS
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["pinyin_ids"].shape == (*batch["input_ids"].shape, 8)
    for key in ("attention_mask", "token_type_ids"):
        assert torch.equal(batch[key], before[key])
    selected = batch["labels"] != -100
    assert torch.equal(batch["labels"][selected], before["input_ids"][selected])
    assert torch.equal(batch["input_ids"][~selected], before["input_ids"][~selected])
    assert not (selected & (before["attention_mask"] == 0)).any()
    assert not (selected & (before["input_ids"] < len(SPECIAL))).any()
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
        selected = batch["labels"] != -100
        masked = selected & (batch["input_ids"] == tokenizer.mask_token_id)
        kept = selected & (batch["input_ids"] == batch["labels"])
        maskable = (originals(tokenizer, examples)["input_ids"] >= len(SPECIAL)).sum()
        counts += [int(maskable), int(selected.sum()), int(masked.sum()), int(kept.sum())]
        kept_context += int((batch["pinyin_ids"][kept & (batch["labels"] == row)] == torch.tensor(hang2)).all(-1).sum())
    assert counts[0] > 10_000
    assert counts[1] / counts[0] == pytest.approx(0.15, abs=0.01)
    assert counts[2] / counts[1] == pytest.approx(0.8, abs=0.03)
    assert counts[3] / counts[1] == pytest.approx(0.1, abs=0.03)
    assert kept_context  # 行 by itself is xing2


def test_every_token_is_selected_and_nothing_leaks(tokenizer, examples):
    set_seed(0)
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, mask_replace_prob=1, random_replace_prob=0)(
        examples
    )
    check(tokenizer, examples, batch)
    before = originals(tokenizer, examples)["input_ids"]
    selected = before >= len(SPECIAL)
    assert torch.equal(batch["labels"] != -100, selected)
    assert (batch["input_ids"][selected] == tokenizer.mask_token_id).all()
    assert not batch["pinyin_ids"][selected].any()
    # an unknown character is not selected, and keeps its reading
    unknown = before == tokenizer.unk_token_id
    assert batch["pinyin_ids"][unknown].tolist() == [[9, 6, 2, 0, 0, 0, 0, 0]]


def test_every_token_is_selected_with_random_and_kept_ones(tokenizer, examples):
    set_seed(1)
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1)(examples)
    check(tokenizer, examples, batch)
    selected = batch["labels"] != -100
    masked = selected & (batch["input_ids"] == tokenizer.mask_token_id)
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


def test_no_masking(tokenizer, examples):
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
        for position, (label, token) in enumerate(zip(batch["labels"][index], batch["input_ids"][index], strict=True)):
            if label == -100:
                assert token == tokenizer.pad_token_id
                assert torch.equal(batch["pinyin_ids"][index, position], NONE)
            else:
                assert token == one["input_ids"][label]
                assert batch["pinyin_ids"][index, position].tolist() == one["pinyin_ids"][label]
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


def with_words(tokenizer, text: str, words: list[int]) -> dict:
    example = dict(tokenizer(text))
    assert len(example["input_ids"]) == len(words) + 2
    return {**example, "word_ids": [-1, *words, -1]}


def test_whole_words_are_selected_together(tokenizer):
    words = [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 6, 7, 8, 9, 9, 9, 9, 10]
    example = with_words(tokenizer, TEXT[: len(words)], words)
    collator = DataCollatorForMaskedCharacters(tokenizer, whole_word_ratio=1, seed=0)
    seen = set()
    for _ in range(200):
        selected = (collator([example])["labels"][0, 1:-1] != -100).numpy()
        assert 1 <= selected.sum() <= 3  # 15 % of 20
        chosen = set(np.array(words)[selected])
        assert all(selected[np.array(words) == word].all() for word in chosen)
        seen |= chosen
    assert seen == set(words) - {9}  # a word of four never fits into three
    collator = DataCollatorForMaskedCharacters(tokenizer, whole_word_ratio=1, seed=0)
    assert (collator([with_words(tokenizer, "银行行长", [0] * 4)])["labels"] != -100).sum() == 4


@pytest.mark.parametrize("length", [8, 20, 62])
def test_words_that_no_longer_fit_are_skipped(tokenizer, length):
    """As many tokens are selected as without words, as far as the words allow: there are enough words of one."""
    words = [0, 0, 1, 1, 1, 2, *range(3, length - 3)]
    example = with_words(tokenizer, (TEXT * 9)[:length], words)
    collator = DataCollatorForMaskedCharacters(tokenizer, whole_word_ratio=1, seed=0)
    for _ in range(50):
        assert (collator([example])["labels"] != -100).sum() == max(1, round(0.15 * length))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.integers(1, 12), st.randoms())
def test_words_chosen_one_by_one(sizes, room, random):
    order = random.sample(range(len(sizes)), len(sizes))
    found = _words_that_fit(np.array(order), np.array(sizes), room)
    wanted, left = [], room
    for word in order:
        if sizes[word] <= left:
            wanted.append(word)
            left -= sizes[word]
    assert found.tolist() == (wanted or [min(order, key=lambda word: sizes[word])])


def test_words_are_needed_for_whole_words(tokenizer):
    collator = DataCollatorForMaskedCharacters(tokenizer, whole_word_ratio=0.9)
    with pytest.raises(ValueError, match="no word_ids.*whole_word_ratio=0.9.*remove_unused_columns=False"):
        collator([tokenizer("银行行长")])


def test_the_ratio_of_whole_words(tokenizer):
    example = with_words(tokenizer, "的" * 20, [0] * 20)
    collator = DataCollatorForMaskedCharacters(tokenizer, whole_word_ratio=0.9, seed=0)
    whole = [int((collator([example])["labels"] != -100).sum()) == 20 for _ in range(400)]
    assert np.mean(whole) == pytest.approx(0.9, abs=0.05)


def test_an_epoch_makes_masks_that_depend_on_the_example_alone(tokenizer, examples):
    def masks(epoch, seed, chosen):
        collator = DataCollatorForMaskedCharacters(tokenizer, seed=seed)
        return [
            collator.mask({**example, "epoch": epoch}, collator._own_rng({**example, "epoch": epoch}))
            for example in chosen
        ]

    def ids(masked):
        return [example["input_ids"] for example in masked]

    assert ids(masks(0, 1, examples)) == ids(masks(0, 1, examples[::-1]))[::-1]
    assert ids(masks(0, 1, examples)) != ids(masks(1, 1, examples))
    assert ids(masks(0, 1, examples)) != ids(masks(0, 2, examples))
    collator = DataCollatorForMaskedCharacters(tokenizer, seed=1)
    batch = collator([{**example, "epoch": 0} for example in examples])
    assert "epoch" not in batch
    for row, example, mask in zip(batch["input_ids"], examples, masks(0, 1, examples), strict=True):
        real = batch["attention_mask"][examples.index(example)].bool()
        assert row[real].tolist() == mask["input_ids"]


def test_unknown_characters_are_predicted_on_demand(tokenizer):
    batch = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, predict_unknown=True)([tokenizer("龘龘龘")])
    assert (batch["labels"] == tokenizer.unk_token_id).sum() == 3


def test_two_texts_that_differ_in_a_masked_character_look_the_same(tokenizer):
    """The probe: nothing that a model sees tells what a [MASK] hides."""
    texts = ["我在银行北京", "我在长行上海"]
    seen = []
    for text in texts:
        example = {**tokenizer(text), "epoch": 0}
        collator = DataCollatorForMaskedCharacters(
            tokenizer, mlm_probability=1, mask_replace_prob=1, random_replace_prob=0
        )
        seen.append({key: value.tolist() for key, value in collator([example]).items() if key != "labels"})
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", ["mlm_probability", "mask_replace_prob", "random_replace_prob", "whole_word_ratio"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_ratio_is_from_0_to_1(tokenizer, name, value):
    with pytest.raises(ValueError, match=f"{name}.*give a number {'above' if name[:3] == 'mlm' else 'from'} 0 to 1"):
        DataCollatorForMaskedCharacters(tokenizer, **{name: value})


def test_ratios_that_are_more_than_all(tokenizer):
    with pytest.raises(ValueError, match="mask_replace_prob \\+ random_replace_prob=1.2"):
        DataCollatorForMaskedCharacters(tokenizer, mask_replace_prob=0.8, random_replace_prob=0.4)


def test_an_empty_batch(tokenizer):
    with pytest.raises(ValueError, match="no example"):
        DataCollatorForMaskedCharacters(tokenizer)([])


def test_tokens_that_are_not_to_be_known(tokenizer, examples):
    """They are shown as others with their readings, and are neither selected nor random tokens."""
    unknown = tokenizer.unk_token_id
    hidden = {tokenizer.convert_tokens_to_ids(token): unknown for token in "行的a"}
    other = tokenizer.convert_tokens_to_ids("京")
    hidden[tokenizer.convert_tokens_to_ids("忙")] = other
    before = originals(tokenizer, examples)
    gone = torch.isin(before["input_ids"], torch.tensor([*hidden]))
    shown = torch.tensor([hidden.get(row, row) for row in range(len(tokenizer))])
    own = torch.from_numpy(tokenizer.values_of_tokens(np.arange(len(tokenizer)))["pinyin_ids"])
    for seed in range(30):
        options = {"mlm_probability": 0.9, "mask_replace_prob": 0.3, "random_replace_prob": 0.6, "seed": seed}
        batch = DataCollatorForMaskedCharacters(tokenizer, shown_as=hidden, **options)([dict(one) for one in examples])
        assert torch.equal(batch["input_ids"][gone], shown[before["input_ids"]][gone])
        assert torch.equal(batch["pinyin_ids"][gone], own[batch["input_ids"]][gone])
        assert (batch["labels"][gone] == -100).all()
        assert not torch.isin(batch["input_ids"], torch.tensor([*hidden])).any()
        assert (batch["labels"] != -100).any()
    padded = DataCollatorForMaskedCharacters(tokenizer, mlm=False, shown_as=hidden)(examples)
    assert torch.equal(padded["input_ids"], shown[before["input_ids"]])
    real = before["attention_mask"] == 1
    assert torch.equal(padded["labels"][real], before["input_ids"].masked_fill(gone, -100)[real])
    # what is shown as itself is only left alone
    same = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=1, shown_as={row: row for row in hidden})(
        examples
    )
    assert torch.equal(same["input_ids"][gone], before["input_ids"][gone])
    assert (same["labels"][gone] == -100).all()

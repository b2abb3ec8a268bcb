"""What belongs to a token follows its id when a collator masks it; transformers' own collators are the callers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from glyph_tools import NOT_RENDERED, RARE, make_tokenizer
from test_character_inputs import PINYIN, SOUND, WidthTokenizer
from test_character_inputs import VOCABULARY as WIDTHS
from test_masking_collator import TEXT, TOKENS
from torch.utils.data import DataLoader
from transformers import (
    BatchEncoding,
    BertTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

from hanziformers import ChineseBertTokenizer
from hanziformers.tokenization.character_batch import CharacterBatch, to_tensor

CHINESE = ChineseBertTokenizer({token: index for index, token in enumerate(TOKENS)})
TOKENIZERS = {"chinese_bert": CHINESE, "glyph_crm": make_tokenizer(), "sound": SOUND, "pinyin and glyphs": PINYIN}
TEXTS = [
    TEXT,
    f"今天气好银行很忙龘犇{RARE}",
    f"a{RARE}b{NOT_RENDERED[0]}银行",
    "银行行长" * 9,
    "忙",
    f"很{RARE[0]}[MASK]好",
]
KINDS = ["pt", "np"]

every_family = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)


def encode(tokenizer, texts=TEXTS, **options):
    return [dict(tokenizer(text, **options)) for text in texts]


def arrays(batch):
    return {name: np.asarray(value) for name, value in batch.items()}


def check(tokenizer, before, batch):
    """No changed position keeps anything of the token that was there; all others keep all. Returns how many changed."""
    before, batch = arrays(before), arrays(batch)
    assert batch.keys() - {"labels"} == before.keys()
    ids, selected = batch["input_ids"], batch["labels"] != -100
    assert np.array_equal(np.where(selected, batch["labels"], ids), before["input_ids"])
    changed = ids != before["input_ids"]
    names = tokenizer.extra_inputs.keys() & batch.keys()
    assert names
    own = tokenizer.values_of_tokens(ids[changed])
    for name in names:
        assert batch[name].dtype == before[name].dtype
        assert np.array_equal(batch[name][~changed], before[name][~changed]), name
        assert np.array_equal(batch[name][changed], own[name]), name
    masked = changed & (ids == tokenizer.mask_token_id)
    for name, value in tokenizer.extra_inputs.items():
        expected = tokenizer.mask_token_id if name == "glyph_ids" else value
        assert (batch[name][masked] == expected).all()
    for name in batch.keys() - names - {"labels", "input_ids"}:
        assert np.array_equal(batch[name], before[name])
    return int(changed.sum())


SETTINGS = [
    {},
    {"mlm_probability": 0.5, "mask_replace_prob": 0.5, "random_replace_prob": 0.5},
    {"mlm_probability": 1.0, "mask_replace_prob": 0.0, "random_replace_prob": 1.0, "seed": 3},
    {"mlm_probability": 0.3, "mask_replace_prob": 1.0, "random_replace_prob": 0.0, "pad_to_multiple_of": 8},
]


@every_family
@pytest.mark.parametrize("kind", KINDS)
def test_the_stock_collator_hides_the_character(tokenizer, kind, monkeypatch):
    np.random.seed(0)
    examples = encode(tokenizer)
    total = 0
    for side in ("right", "left"):
        monkeypatch.setattr(tokenizer, "padding_side", side)
        for settings in SETTINGS:
            collator = DataCollatorForLanguageModeling(tokenizer, return_tensors=kind, **settings)
            multiple = settings.get("pad_to_multiple_of")
            before = tokenizer.pad(examples, return_tensors=kind, pad_to_multiple_of=multiple)
            number = 0
            while number < 250:
                number += check(tokenizer, before, collator(examples))
            total += number
    assert total >= 2_000


@every_family
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Random token replacement")
def test_whole_words_of_the_stock_collator(tokenizer, kind):
    texts = ["银行很忙 ab 今天", "今天 hello 忙很行"]
    # it pads no offsets, so the examples are of one length, as those of group_texts
    options = {"padding": "max_length", "max_length": 16, "return_special_tokens_mask": True}
    examples = encode(tokenizer, texts, return_offsets_mapping=True, **options)
    before = tokenizer.pad(encode(tokenizer, texts, **options), return_tensors=kind)
    before.pop("special_tokens_mask")
    collator = DataCollatorForLanguageModeling(
        tokenizer, whole_word_mask=True, mlm_probability=0.5, return_tensors=kind, seed=0
    )
    assert sum(check(tokenizer, before, collator(examples)) for _ in range(20)) > 100


@every_family
def test_without_masking_nothing_changes(tokenizer):
    examples = encode(tokenizer)
    before = tokenizer.pad(examples, return_tensors="pt")
    batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)(examples)
    assert check(tokenizer, before, batch) == 0


def label_collators(tokenizer):
    """Collators whose labels are no ids of the vocabulary, though their numbers look like some."""
    return [
        DataCollatorForTokenClassification(tokenizer),
        DataCollatorForTokenClassification(tokenizer, return_tensors="np"),
        DataCollatorForSeq2Seq(tokenizer),
        DataCollatorWithPadding(tokenizer),
    ]


@every_family
@pytest.mark.parametrize("index", range(4))
def test_other_labels_change_nothing(tokenizer, index):
    collator = label_collators(tokenizer)[index]
    examples = encode(tokenizer, ["银行很忙", "今天气好"])
    before = arrays(tokenizer.pad(examples, return_tensors="np"))
    batch = collator([{**one, "labels": [4, 5, 6, 5, 4, 1]} for one in examples])
    again = copy.copy(batch)
    again.update({name: value for name, value in batch.items()})  # as torch pins memory
    for found in (batch, again, type(batch)(dict(batch))):  # as the Trainer moves it to its device
        assert all(np.array_equal(np.asarray(found[name]), value) for name, value in before.items())
        assert found["labels"].tolist() == [[4, 5, 6, 5, 4, 1]] * 2


@every_family
def test_a_masked_batch_on_its_way_to_the_model(tokenizer):
    examples = encode(tokenizer)
    before = tokenizer.pad(examples, return_tensors="pt")
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5)(examples)
    pinned = copy.copy(batch)
    pinned.update({name: value.clone() for name, value in batch.items()})
    ways = [batch.to("cpu"), pinned, type(batch)(dict(batch)), copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))]
    for moved in (*ways, dict(batch), {**batch}):
        assert list(moved) == list(batch)
        assert check(tokenizer, before, moved) > 10
    assert type(pickle.loads(pickle.dumps(batch))) is BatchEncoding
    assert len(pickle.dumps(batch)) < 2 * sum(value.nbytes for value in batch.values()) + 5_000  # no tokenizer in it


@pytest.mark.parametrize("workers", [0, 2])
@every_family
def test_workers_of_a_data_loader(tokenizer, workers):
    examples = encode(tokenizer)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5, seed=0)
    loader = DataLoader(examples, batch_size=3, collate_fn=collator, num_workers=workers)
    befores = [tokenizer.pad(examples[start : start + 3], return_tensors="pt") for start in (0, 3)]
    found = list(loader)
    assert len(found) == 2
    for before, batch in zip(befores, found, strict=True):
        assert check(tokenizer, before, batch) > 3


@every_family
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made_by", ["pad", "call"])
@pytest.mark.parametrize("written", ["in place, input_ids", "in place, labels", "anew", "update", "|=", "after to()"])
def test_however_the_mask_is_written(tokenizer, kind, made_by, written):
    texts = ["银行很忙", f"今天{RARE[0]}"]
    if made_by == "pad":
        batch = tokenizer.pad(encode(tokenizer, texts), return_tensors=kind)
    else:
        batch = tokenizer(texts, padding=True, return_tensors=kind)
    before = copy.deepcopy(batch)
    if written == "after to()" and kind == "pt":
        batch = batch.to("cpu")
    labels = np.full((2, 6), -100)
    labels[[0, 1, 1], [2, 1, 3]] = before["input_ids"][[0, 1, 1], [2, 1, 3]]
    labels = to_tensor(labels, kind)
    ids = batch["input_ids"] if "place" in written else to_tensor(np.array(batch["input_ids"]), kind)
    ids[0, 2] = ids[1, 3] = tokenizer.mask_token_id
    ids[1, 1] = tokenizer.convert_tokens_to_ids("银")
    if written == "update":
        batch.update({"labels": labels, "input_ids": ids})
    elif written == "|=":
        batch |= {"input_ids": ids, "labels": labels}
    else:
        if written != "in place, labels":
            batch["input_ids"] = ids
        batch["labels"] = labels
    assert check(tokenizer, before, batch) == 3


def test_a_second_mask_follows_too_and_what_the_caller_sets_stays():
    batch = CHINESE(["银行行长"], return_tensors="pt")
    before = copy.deepcopy(batch)
    first = batch["input_ids"].clone()
    first[0, 1] = CHINESE.mask_token_id
    batch["input_ids"] = first
    batch["pinyin_ids"][0, 1] = 7  # the caller's own
    second = first.clone()
    second[0, 2] = CHINESE.mask_token_id
    batch["input_ids"] = second
    assert (batch["pinyin_ids"][0, 1] == 7).all()
    assert not batch["pinyin_ids"][0, 2].any()
    assert torch.equal(batch["pinyin_ids"][0, 3:], before["pinyin_ids"][0, 3:])


@every_family
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made_by", ["pad", "call"])
def test_a_token_that_comes_back_brings_what_it_had(tokenizer, kind, made_by):
    """As a mask that moves from position to position does."""
    text = f"银行{RARE[0]}行行长"
    batch = tokenizer([text], return_tensors=kind)
    if made_by == "pad":
        batch = tokenizer.pad(encode(tokenizer, [text]), return_tensors=kind)
    before = copy.deepcopy(batch)
    for position in range(1, 6):
        ids = copy.deepcopy(before["input_ids"])
        ids[0, position] = tokenizer.mask_token_id
        batch["input_ids"] = ids
        batch["labels"] = to_tensor(np.where(ids == before["input_ids"], -100, before["input_ids"]), kind)
        assert check(tokenizer, before, batch) == 1
    batch["input_ids"] = before["input_ids"]
    assert check(tokenizer, before, batch | {"labels": np.full(ids.shape, -100)}) == 0


@every_family
@pytest.mark.parametrize("kind", KINDS)
def test_examples_in_another_order_keep_what_they_have(tokenizer, kind):
    batch = tokenizer(["银行行长", f"忙行{RARE[0]}很", "行"], padding=True, return_tensors=kind)
    before = copy.deepcopy(batch)
    for name in batch:
        batch[name] = batch[name][[2, 0, 1]]
    assert all(np.array_equal(batch[name], before[name][[2, 0, 1]]) for name in before)


def test_tensors_that_were_given_out_are_not_written_to():
    batch = CHINESE(["银行行长"], return_tensors="pt")
    pinyin = batch["pinyin_ids"]
    kept = pinyin.clone()
    batch["input_ids"] = torch.full_like(batch["input_ids"], CHINESE.mask_token_id)
    assert torch.equal(pinyin, kept)
    assert not batch["pinyin_ids"].any()


def test_ids_of_another_shape_are_another_batch():
    batch = CHINESE(["银行行长"], return_tensors="pt")
    batch["input_ids"] = batch["input_ids"][:, :3]
    batch["pinyin_ids"] = batch["pinyin_ids"][:, :3]
    kept = batch["pinyin_ids"].clone()
    batch["input_ids"] = torch.full((1, 3), CHINESE.mask_token_id)
    assert torch.equal(batch["pinyin_ids"], kept)
    batch = CHINESE(["银行行长"], return_tensors="pt")
    batch.pop("input_ids")
    batch["labels"] = torch.zeros(1, 6)  # there is nothing to compare
    assert batch["pinyin_ids"].any()


def test_which_batches_follow():
    assert type(CHINESE("银行", return_tensors="pt")) is CharacterBatch
    assert type(CHINESE.pad([CHINESE("银行")], return_tensors="np")) is CharacterBatch
    assert type(CHINESE("银行")) is type(CHINESE.pad([CHINESE("银行")])) is BatchEncoding  # lists
    only_ids = {"input_ids": [2, 3], "attention_mask": [1, 1]}
    assert type(CHINESE.pad([only_ids], return_tensors="pt")) is BatchEncoding  # nothing that could follow
    encoded = CHINESE(["银行行长", "hello"], padding=True, return_tensors="pt")
    assert encoded.tokens(0) == ["[CLS]", "银", "行", "行", "长", "[SEP]"]
    assert encoded[1].tokens == encoded.tokens(1)
    assert (encoded.word_ids(0), encoded.n_sequences, encoded.is_fast) == ([None, 0, 1, 2, 3, None], 1, True)
    again = pickle.loads(pickle.dumps(encoded))
    assert (again.tokens(1), again.n_sequences) == (encoded.tokens(1), 1)


def test_a_family_that_says_nothing_of_single_tokens_gives_them_the_padding_value():
    tokenizer = WidthTokenizer(WIDTHS)
    examples = [tokenizer("银行hello"), tokenizer("忙")]
    before = tokenizer.pad(examples, return_tensors="pt")
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=1.0)(examples)
    changed = batch["input_ids"] != before["input_ids"]
    assert changed.sum() > 2
    assert (batch["widths"][changed] == -1).all()


def test_bert_is_as_it_was():
    tokenizer = BertTokenizer({token: index for index, token in enumerate(TOKENS)})
    batch = DataCollatorForLanguageModeling(tokenizer)([tokenizer("银行")])
    assert type(batch) is BatchEncoding


def test_to_tensor():
    empty = [np.zeros(0, np.int64), *(np.zeros(shape, np.uint8) for shape in ((2, 0, 3), (0, 3), (0, 2, 3)))]
    for array in (np.arange(3), np.arange(6, dtype=np.uint8).reshape(1, 2, 3), *empty):
        assert to_tensor(array, None) is to_tensor(array, "np") is array
        tensor = to_tensor(array, "pt")
        assert torch.equal(tensor, torch.from_numpy(array))
        assert tensor.shape == array.shape
        assert tensor.dtype == torch.from_numpy(array).dtype

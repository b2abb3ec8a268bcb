"""Predicting the next character: labels, and a mask that hides what comes later."""

import numpy as np
import pytest
import torch
from spelling_tools import VOCABULARY, make

from hanziformers import ChineseBertTokenizer
from hanziformers.training.causal_collator import DataCollatorForNextCharacters

TEXTS = ["我们在学校，未来", "大土", "apple我们1的再"]


def batch_of(family, **options):
    model, processor = make(family)
    tokenizer = getattr(processor, "tokenizer", processor)
    keys = [key for key in tokenizer.model_input_names if key != "extra_glyphs"]
    examples = [{key: tokenizer(text)[key] for key in keys} for text in TEXTS]
    return model, tokenizer, examples, DataCollatorForNextCharacters(tokenizer, **options)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ["bert", "glyph_crm", "chinese_bert"])
def test_no_position_sees_what_comes_after_it(family, side):
    model, tokenizer, examples, collator = batch_of(family)
    tokenizer.padding_side = side
    batch = collator(examples)
    batch.pop("labels")
    length = batch["input_ids"].shape[1]
    before = model(**batch).logits
    assert before.isfinite().all()
    is_token = batch["attention_mask"].diagonal(dim1=2, dim2=3)[:, 0] & (batch["input_ids"] != tokenizer.pad_token_id)
    for position in range(length):
        changed = {name: value.clone() for name, value in batch.items()}
        for name, values in changed.items():
            if name in ("input_ids", "glyph_ids"):
                values[:, position] = VOCABULARY["日"]
            if name == "pinyin_ids":
                values[:, position] = 3
        differs = (model(**changed).logits != before).any(-1)  # [B, L]
        assert not differs[:, :position].any()
        later = is_token & is_token[:, [position]] & (torch.arange(length) >= position)
        assert (differs == later)[is_token].all()


def test_readings_do_not_tell_what_comes_next():
    """In its sentence 长 is read cháng before 短 and zhǎng before 大; 的 is outside of the vocabulary here."""
    tokens = [*(token for token in VOCABULARY if token != "的"), "长", "短"]
    tokenizer = ChineseBertTokenizer({token: row for row, token in enumerate(tokens)})
    examples = [{key: tokenizer(text)[key] for key in ("input_ids", "pinyin_ids")} for text in ("长短", "长大", "目的")]
    assert list(examples[0]["pinyin_ids"][1]) != list(examples[1]["pinyin_ids"][1])
    batch = DataCollatorForNextCharacters(tokenizer)(examples)
    own = torch.from_numpy(tokenizer.values_of_tokens(np.arange(len(tokens)))["pinyin_ids"])
    assert torch.equal(batch["pinyin_ids"], own[batch["input_ids"]])


@pytest.mark.parametrize("side", ["right", "left"])
def test_labels_are_the_next_tokens(side):
    _, tokenizer, examples, _ = batch_of("glyph_crm")
    tokenizer.padding_side = side
    hidden = VOCABULARY["学"]
    batch = DataCollatorForNextCharacters(tokenizer, shown_as={hidden: tokenizer.unk_token_id})(examples)
    special = {*tokenizer.all_special_ids}
    for row, example in enumerate(examples):
        ids = example["input_ids"]
        start = batch["input_ids"].shape[1] - len(ids) if side == "left" else 0
        for position, following in enumerate([*ids[1:], tokenizer.pad_token_id]):
            wanted = -100 if following in special or following == hidden else following
            assert batch["labels"][row, start + position] == wanted
        shown = [tokenizer.unk_token_id if token == hidden else token for token in ids]
        assert batch["input_ids"][row, start : start + len(ids)].tolist() == shown
        glyphs = zip(ids, example["glyph_ids"], strict=True)
        own = [tokenizer.unk_token_id if token == hidden else glyph for token, glyph in glyphs]
        known = np.array(ids) != tokenizer.unk_token_id  # others have glyph images that come with the text
        assert (batch["glyph_ids"][row, start : start + len(ids)].numpy() == own)[known].all()
    assert (batch["labels"] != -100).sum() < sum(map(len, (example["input_ids"] for example in examples)))
    arrays = DataCollatorForNextCharacters(tokenizer, return_tensors="np")(examples)
    assert all(isinstance(value, np.ndarray) for value in arrays.values())

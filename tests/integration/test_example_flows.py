"""The flows of transformers' example scripts, which its wheel lacks: run_mlm's pre-training, run_glue's collators."""

from itertools import chain

import chinese_bert_tools
import glyph_crm_tools
import numpy as np
import pytest
import torch
from datasets import Dataset
from font_tools import RARE, rare_font
from glyph_tools import SPECIAL
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from hanziformers import (
    ChineseBertForMaskedLM,
    ChineseBertTokenizer,
    GlyphCrmForMaskedLM,
    GlyphCrmForSequenceClassification,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
)

KNOWN = "银行长很忙今天气好不是一块石头了"
VOCABULARY = {token: index for index, token in enumerate([*SPECIAL, *KNOWN, "ab", "##c"])}
BLOCK = 16


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    font = str(rare_font(tmp_path_factory.mktemp("font") / "rare.ttf"))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]})
    return HanziProcessor(image_processor, GlyphCrmTokenizer(VOCABULARY))


@pytest.fixture(params=["chinese_bert", "glyph_crm"])
def model_and_tokenizer(request, processor):
    if request.param == "chinese_bert":
        model = chinese_bert_tools.build(ChineseBertForMaskedLM, vocab_size=len(VOCABULARY))
        return model, ChineseBertTokenizer(VOCABULARY)
    return glyph_crm_tools.build_for(processor, GlyphCrmForMaskedLM), processor.tokenizer


def texts_of(number, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice([*KNOWN * 2, *RARE, "ab ", "ac"], rng.integers(3, 30))) for _ in range(number)]


def tokenized(tokenizer, texts):
    """As run_mlm.py: every text of the file, one after the other, in blocks of equal length."""

    def encode(examples):
        return tokenizer(examples["text"], return_special_tokens_mask=True)

    def group_texts(examples):
        joined = {name: list(chain(*examples[name])) for name in examples}
        total = len(joined["input_ids"]) // BLOCK * BLOCK
        return {name: [row[i : i + BLOCK] for i in range(0, total, BLOCK)] for name, row in joined.items()}

    data = Dataset.from_dict({"text": texts}).map(encode, batched=True, remove_columns=["text"])
    return data.map(group_texts, batched=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_run_mlm_trains_on_masks_that_hide_the_character(model_and_tokenizer, tmp_path, workers, warnings):
    model, tokenizer = model_and_tokenizer
    data = {"train": tokenized(tokenizer, texts_of(60)), "eval": tokenized(tokenizer, texts_of(20, seed=1))}
    seen = []
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        max_steps=5,
        use_cpu=True,
        report_to=[],
        dataloader_num_workers=workers,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=data["train"],
        eval_dataset=data["eval"],
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3),
        compute_metrics=lambda predictions: {"accuracy": float((predictions[0] == predictions[1]).mean())},
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )
    assert np.isfinite(trainer.train().training_loss)
    assert 0 <= trainer.evaluate()["eval_accuracy"] <= 1
    changed = masked = kept = 0
    for batch in seen:
        ids, labels = batch["input_ids"], batch["labels"]
        hidden = (labels != -100) & (labels != ids)
        changed, masked = changed + int(hidden.sum()), masked + int((ids[hidden] == tokenizer.mask_token_id).sum())
        for name, values in tokenizer.values_of_tokens(ids[hidden].numpy()).items():
            assert torch.equal(batch[name][hidden], torch.from_numpy(values))
            kept += int((batch[name][~hidden] != 0).reshape(int((~hidden).sum()), -1).any(-1).sum())
    assert changed > masked > 100
    assert kept > 300
    assert not [text for text in warnings if "masks input_ids alone" in text]


def test_what_is_masked_is_read_by_no_position(processor):
    """The image of a masked character may stay in extra_glyphs: the model's output does not depend on it."""
    tokenizer, model = processor.tokenizer, glyph_crm_tools.build_for(processor, GlyphCrmForMaskedLM)
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=1.0, mask_replace_prob=1.0, random_replace_prob=0.0
    )
    batches = [collator([tokenizer(text, return_special_tokens_mask=True)]) for text in (RARE[:3], RARE[3:6])]
    first, second = (model(**{k: v for k, v in batch.items() if k != "labels"}).logits for batch in batches)
    assert torch.equal(first, second)


def run_glue(tokenizer, pad_to_max_length):
    """As run_glue.py: data in lists, and the collator that it gives the Trainer; None is the Trainer's own choice."""
    padding = "max_length" if pad_to_max_length else False
    texts = Dataset.from_dict({"text": texts_of(12), "label": [0, 1] * 6})

    def encode(examples):
        return tokenizer(examples["text"], padding=padding, max_length=20, truncation=True)

    return texts.map(encode, batched=True), default_data_collator if pad_to_max_length else None


@pytest.mark.parametrize("pad_to_max_length", [True, False])
@pytest.mark.parametrize("with_padding", [True, False])
def test_the_collators_of_run_glue(processor, tmp_path, pad_to_max_length, with_padding):
    """Ids stay open in default_data_collator: the error says which collator to take, and that one works."""
    tokenizer = processor.tokenizer
    data, collator = run_glue(tokenizer, pad_to_max_length)
    if with_padding:
        collator = DataCollatorWithPadding(tokenizer)
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no"
    )
    model = glyph_crm_tools.build_for(processor, GlyphCrmForSequenceClassification)
    trainer = Trainer(model, arguments, data_collator=collator, train_dataset=data, processing_class=tokenizer)
    if collator is default_data_collator:
        with pytest.raises(ValueError, match="collate with DataCollatorWithPadding.*--pad_to_max_length False"):
            trainer.train()
        return
    assert np.isfinite(trainer.train().training_loss)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["extra_glyphs"].any(-1).sum() > 8
    assert batch["glyph_ids"].max() >= tokenizer.glyph_vocab_size

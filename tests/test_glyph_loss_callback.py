"""The schedule of the image-classification loss, in a real training that stops and resumes."""

import pytest
from resume_tools import SIZES, make_model, make_trainer
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from hanziformers.training.glyph_loss_callback import GlyphLossCallback, scheduled_modules


class Scheduled(BertForSequenceClassification):
    """Notes the epoch of every batch."""

    def __init__(self, config):
        super().__init__(config)
        self.epochs, self.epoch = [], None
        self.register_forward_pre_hook(lambda module, args: module.epochs.append(module.epoch))

    def set_epoch(self, epoch):
        self.epoch = epoch


def train(folder, value=None, **more):
    model = Scheduled(BertConfig(**SIZES))
    trainer = make_trainer(folder, value, model, **more)  # four batches an epoch
    trainer.add_callback(GlyphLossCallback())
    trainer.train(resume_from_checkpoint=value)
    return model.epochs


def test_every_step_has_its_epoch(tmp_path):
    assert train(tmp_path) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_the_first_step_after_resuming_has_it_too(tmp_path):
    whole = train(tmp_path)
    assert train(tmp_path, str(tmp_path / "checkpoint-2")) == whole[2:]
    assert train(tmp_path, str(tmp_path / "checkpoint-4")) == whole[4:]


def test_batches_of_one_step_have_one_epoch(tmp_path):
    epochs = train(tmp_path, gradient_accumulation_steps=2, max_steps=3)
    assert epochs == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]


def test_a_wrapped_model_is_found():
    model = Scheduled(BertConfig(**SIZES))
    assert scheduled_modules(nn.ModuleDict({"module": model})) == [model]
    assert scheduled_modules(nn.DataParallel(model)) == [model]
    assert scheduled_modules(make_model()) == []


def test_a_model_without_a_schedule_is_refused(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.add_callback(GlyphLossCallback())
    with pytest.raises(ValueError, match=r"a BertForSequenceClassification has no image-classification loss.* leave"):
        trainer.train()

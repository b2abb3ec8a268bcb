"""The weight of the image-classification loss, and how it joins that of the task."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hanziformers.modeling.image_loss_schedule import ImageLossSchedule


class Model(ImageLossSchedule, nn.Module):
    """A model of nothing but the schedule."""

    def __init__(self, weight=0.2, decay=0.5):
        super().__init__()
        self.config = SimpleNamespace(image_loss_weight=weight, image_loss_decay=decay)
        self.image_loss_weight = weight


def out(loss):
    return SimpleNamespace(image_loss=loss)


def test_the_weight_decays_with_the_epochs():
    model = Model()
    for epoch, weight in ((0, 0.2), (1, 0.1), (2.5, 0.2 * 0.5**2.5), (0.0, 0.2)):
        model.set_epoch(epoch)
        assert model.image_loss_weight == weight
    assert not model.state_dict()
    for wrong in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="epoch=.*0 or more"):
            model.set_epoch(wrong)
        with pytest.raises(ValueError, match="image_loss_weight=.*from 0 to 1"):
            model.image_loss_weight = wrong


def test_both_losses_are_weighted():
    model, task, images = Model(), torch.tensor(3.0, requires_grad=True), torch.tensor(5.0)
    assert model.total_loss(task, out(images)).item() == pytest.approx(0.8 * 3 + 0.2 * 5)
    assert model.total_loss(task, out(None)) is task
    assert model.total_loss(None, out(None)) is None
    assert model.total_loss(task.bfloat16(), out(images)).dtype == torch.float32


def test_a_loss_that_is_computed_elsewhere_is_warned_of_once(warnings):
    model, other = Model(), Model()
    with torch.no_grad():
        assert model.total_loss(None, out(torch.ones(()))) is None
    assert not warnings
    for one in (model, model, other):
        assert one.total_loss(None, out(torch.ones(()))) is None
    assert ["trained without labels" in text for text in warnings] == [True, True]  # once for each model


def test_on_the_meta_device():
    with torch.device("meta"):
        model = Model()
    assert model.image_loss_weight == 0.2

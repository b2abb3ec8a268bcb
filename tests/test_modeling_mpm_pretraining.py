"""The model that pre-trains MPM-CNER's encoders."""

import json
from math import log

import pytest
import torch
from transformers import AutoConfig, AutoModelForPreTraining

from hanziformers.modeling.configuration_mpm_pretraining import MpmPretrainingConfig
from hanziformers.modeling.modeling_mpm_pretraining import MpmForPreTraining
from hanziformers.modeling.swin import SwinEncoder

SMALL = {"image_size": 12, "patch_size": 3, "embed_dim": 6, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2}


def make(**fields):
    return MpmForPreTraining(MpmPretrainingConfig(**{**SMALL, "num_labels": 7, **fields}))


def batch(channels=1, number=5, size=12):
    images = torch.randint(0, 256, (number, 2, channels, size, size), dtype=torch.uint8)
    return {
        "images": images,
        "labels": torch.randint(0, 7, (number, 2)),
        "pair_labels": torch.arange(number) % 2,
    }


@pytest.mark.parametrize(
    ("modality", "classes", "encoder", "heads"),
    [("glyph", 18_467, 978_564, 2_677_715 + 577), ("phonetic", 1_310, 979_860, 189_950 + 577)],
)
def test_parameters_and_first_loss_of_the_paper(modality, classes, encoder, heads):
    model = MpmForPreTraining(MpmPretrainingConfig(modality=modality, num_labels=classes))
    assert sum(weight.numel() for weight in model.encoder.parameters()) == encoder
    assert model.num_parameters() == encoder + heads
    inputs = batch(model.config.channels, 2, 48) | {"labels": torch.tensor([[0, 1], [2, classes - 1]])}
    output = model(**inputs)
    assert output.loss.item() == pytest.approx({"glyph": 5.258, "phonetic": 3.936}[modality], abs=1e-3)
    assert output.loss.item() == pytest.approx(0.5 * log(2) + 0.5 * log(classes), abs=1e-5)
    assert output.class_logits.shape == (2, 2, classes)


@pytest.mark.parametrize("pair_head", ["interaction", "linear"])
def test_losses_by_hand(pair_head):
    model = make(pair_head=pair_head, pair_loss_weight=0.3, modality="phonetic").eval()
    with torch.no_grad():
        for head in (model.pair_head, model.class_head):
            head.weight.normal_()
            head.bias.normal_()
    inputs = batch(3)
    inputs["labels"][1, 0] = -100
    output = model(**inputs)
    vectors = torch.stack([model.encoder(images / 255) for images in inputs["images"]])
    torch.testing.assert_close(output.vectors, vectors)
    pairs, classes = [], []
    for (first, second), same, labels in zip(vectors, inputs["pair_labels"], inputs["labels"], strict=True):
        parts = [first, second] + [(first - second).abs(), first * second] * (pair_head == "interaction")
        score = model.pair_head.weight[0] @ torch.cat(parts) + model.pair_head.bias[0]
        pairs.append(-torch.log(torch.sigmoid(score if same else -score)))
        for vector, label in zip((first, second), labels, strict=True):
            if label >= 0:
                classes.append(-torch.log_softmax(model.class_head(vector), 0)[label])
    assert len(classes) == 9
    torch.testing.assert_close(output.pair_loss, torch.stack(pairs).mean())
    torch.testing.assert_close(output.class_loss, torch.stack(classes).mean())
    torch.testing.assert_close(output.loss, 0.3 * output.pair_loss + 0.7 * output.class_loss)
    assert output.pair_logits.shape == (5,)


def test_a_batch_without_classes_has_the_pair_loss_alone():
    model, inputs = make(), batch()
    output = model(**inputs | {"labels": torch.full((5, 2), -100)})
    assert output.class_loss == 0
    output.loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)


def test_floats_are_in_0_to_1_and_tuples_come_when_asked_for():
    model, inputs = make(), batch()
    floats = model(inputs["images"].float() / 255)
    assert floats.loss is None
    torch.testing.assert_close(floats.vectors, model(inputs["images"]).vectors)
    assert len(model(**inputs, return_dict=False)) == 6
    assert len(model(inputs["images"], return_dict=False)) == 3
    model.config.return_dict = False
    assert len(model(**inputs)) == 6
    assert model(**inputs, return_dict=True).loss is not None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": lambda x: x.long()}, "images are torch.int64; allowed are uint8 in 0..255, and floats in 0..1"),
        ({"images": lambda x: x.float()}, "images are floats from 0 to 25[0-9]; allowed are uint8"),
        ({"images": lambda x: x / 255 - 0.5}, "images are floats from -0.5 to 0.5"),
        ({"images": lambda x: x * float("nan")}, "images are floats from nan to nan"),
        ({"labels": lambda x: x + 7}, "labels holds [0-9]+; allowed are 0 to 6"),
        ({"labels": lambda x: x - 50}, "labels holds -[0-9]+; allowed are 0 to 6 .*-100 leaves an image out"),
        ({"labels": lambda x: x[:, 0]}, r"labels has the shape \(5,\); needed is \(5, 2\) for 5 pairs"),
        ({"pair_labels": lambda x: x + 1}, "pair_labels holds 2; allowed are 0 to 1"),
        ({"pair_labels": lambda x: x - 100}, "pair_labels holds -100; allowed are 0 to 1"),
        ({"pair_labels": lambda x: x[:, None]}, r"pair_labels has the shape \(5, 1\); needed is \(5,\)"),
        ({"pair_labels": lambda x: x[:3]}, r"pair_labels has the shape \(3,\)"),
    ],
)
def test_wrong_values_are_explained(wrong, message):
    ((name, change),) = wrong.items()
    inputs = batch(size=12)
    inputs["images"].view(-1)[:2] = torch.tensor([0, 255], dtype=torch.uint8)
    with pytest.raises(ValueError, match=message):
        make()(**{**inputs, name: change(inputs[name])})
    if name == "pair_labels":  # and what is right in other forms
        assert make()(**{**inputs, name: inputs[name].bool()}).loss == make()(**inputs).loss


def test_standardised_images_give_what_the_encoder_gives_for_0_to_1():
    torch.manual_seed(5)
    plain = make(modality="phonetic")
    torch.manual_seed(5)
    model = make(modality="phonetic", image_mean=[0.2, 0.5, 0.6], image_std=[0.3, 0.1, 0.2])
    images = torch.rand(4, 3, 12, 12)
    mean, std = (torch.tensor(values)[:, None, None] for values in (model.config.image_mean, model.config.image_std))
    torch.testing.assert_close(model.encoder(images), plain.encoder((images - mean) / std), rtol=1e-4, atol=1e-5)


def test_save_and_load(tmp_path):
    model = make(image_mean=[0.2], image_std=[0.3], id2label=dict(enumerate("甲乙丙丁戊己庚"))).eval()
    model.save_pretrained(tmp_path)
    found = AutoModelForPreTraining.from_pretrained(tmp_path)  # as any model that the package registers
    assert type(found) is MpmForPreTraining
    assert type(AutoConfig.from_pretrained(tmp_path)) is MpmPretrainingConfig
    assert all(torch.equal(weight, found.state_dict()[name]) for name, weight in model.state_dict().items())
    assert found.config.id2label[2] == "丙"
    named = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert named["AutoModelForPreTraining"] == "modeling_mpm_pretraining.MpmForPreTraining"
    assert {"swin.py", "checks.py", "configuration_mpm_pretraining.py"} <= {path.name for path in tmp_path.iterdir()}


def test_it_learns_equality_and_the_linear_head_does_not():
    """Six shapes in noise, the class of a shape its group: what the interaction tells, the sum does not."""
    generator = torch.Generator().manual_seed(0)
    shapes = 0.9 * torch.rand(6, 1, 12, 12, generator=generator)

    def pairs(number):
        first = torch.randint(0, 6, (number,), generator=generator)
        same = torch.rand(number, generator=generator) < 0.5
        step = torch.randint(1, 6, (number,), generator=generator)
        second = torch.where(same, first, (first + step) % 6)
        images = shapes[torch.stack([first, second], 1)] + 0.1 * torch.rand(number, 2, 1, 12, 12, generator=generator)
        return {"images": images, "labels": torch.stack([first, second], 1), "pair_labels": same.long()}

    accuracy = {}
    for head in ("interaction", "linear"):
        torch.manual_seed(0)
        model = make(pair_head=head)
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(60):
            model(**pairs(32)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        test = pairs(1000)
        with torch.no_grad():
            output = model(**test)
        accuracy[head] = ((output.pair_logits > 0) == (test["pair_labels"] > 0)).float().mean().item()
        assert (output.class_logits.argmax(-1) == test["labels"]).float().mean() > 0.9
    assert accuracy["interaction"] > 0.95
    assert accuracy["linear"] < 0.8  # 0.75 is what ranks of the groups reach


def test_half_precision_and_gradients_reach_every_weight():
    model, inputs = make(), batch()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(**inputs).loss.backward()
    optimizer.step()  # the heads begin at 0, so that nothing reaches the encoder in the first step
    model(**inputs).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert model.encoder.embeddings.patch_embeddings.projection.weight.grad.abs().max() > 0
    output = make().bfloat16()(**inputs)
    assert output.class_logits.dtype == torch.bfloat16
    assert output.loss.dtype == torch.float32


def test_the_encoder_is_a_swin_encoder():
    assert isinstance(make().encoder, SwinEncoder)
    assert make(drop_path=0.5).encoder.encoder.layers[1].blocks[0].drop_path.rate == 0.5


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"images": torch.zeros(2, 2, 3, 12, 12)},
            ValueError,
            r"images has the shape .2, 2, 3, 12, 12.; needed is .B, 2",
        ),
        ({"images": torch.zeros(2, 1, 12, 12)}, ValueError, "needed is"),
        ({"pair_labels": None}, ValueError, "only labels is given; give both"),
        ({"labels": None}, ValueError, "only pair_labels is given"),
        ({"input_ids": torch.zeros(2)}, TypeError, "takes no input_ids"),
    ],
)
def test_refusals(change, error, message):
    with pytest.raises(error, match=message):
        make()(**{**batch(), **change})

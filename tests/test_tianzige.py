"""The Tianzige-CNN against the published one's numbers, the paper's sizes, and 3,000 characters."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_glyph_cnn import make_config
from torch.nn import functional as F

from hanziformers import GlyceConfig, HanziGlyphImageProcessor
from hanziformers.modeling.glyce_bank import GlyceBank
from hanziformers.modeling.image_classification import ImageClassification
from hanziformers.modeling.plain_cnns import ResNetCNN, VanillaCNN
from hanziformers.modeling.tianzige import TianzigeCNN, build_glyph_cnn

ORACLES = Path(os.environ.get("HANZIFORMERS_ORACLES", "/nonexistent")) / "glyce"
needs_oracles = pytest.mark.skipif(not ORACLES.is_dir(), reason="set HANZIFORMERS_ORACLES to the folder of oracles")
STYLES = ("song", "hei", "kai", "xingkai", "cao", "brush", "seal", "bronze")


def published(name):
    return load_file(ORACLES / f"{name}.safetensors"), np.load(ORACLES / f"{name}.npz")


def released(width, styles, groups, side, **fields):
    sizes = {"glyph_dim": width, "glyph_groups": groups, "glyph_size": side, "glyph_styles": list(STYLES[:styles])}
    return GlyceConfig.released(**sizes, **fields)


def close(found, wanted, tolerance=1e-5):
    wanted = torch.as_tensor(wanted)
    torch.testing.assert_close(found, wanted, atol=tolerance * wanted.abs().max().item(), rtol=0)


@needs_oracles
@pytest.mark.parametrize("name", ["cnn_default", "cnn_mainblock1024", "cnn_glyce_bert", "cnn_pkucws"])
def test_published_vectors(name):
    weights, numbers = published(name)
    width, styles, groups, side, *_ = numbers["meta"].tolist()
    cnn = TianzigeCNN(released(width, styles, groups, side))
    cnn.load_state_dict(weights)  # strict, and under their own names
    images, steps = torch.from_numpy(numbers["x"]), {}
    cnn.conv1.register_forward_hook(lambda _, __, output: steps.update(conv1_relu=output.relu()))
    cnn.downsample.register_forward_hook(lambda _, inputs, output: steps.update(pooled=inputs[0], downsampled=output))
    close(cnn(images / 255), numbers["y"])
    wanted = numbers["conv1_relu"]
    close(steps["conv1_relu"][: wanted.shape[0], : wanted.shape[1]], wanted)
    close(steps["pooled"], numbers["pooled"])
    close(steps["downsampled"], numbers["downsampled"])
    for scale, given, result in ((1, images, "y"), (1, images / 255, "y_scaled255"), (255, images / 255, "y")):
        scaled = TianzigeCNN(released(width, styles, groups, side, glyph_scale=scale))
        scaled.load_state_dict(weights)
        close(scaled(given), numbers[result])


@needs_oracles
def test_published_weights_load_into_the_default():
    """Before it has statistics, images of 0..1 are what they are."""
    weights, numbers = published("cnn_grad")
    weights = {name.removeprefix("cnn."): weights[name] for name in weights if name.startswith("cnn.")}
    sizes = {"glyph_styles": ["song", "seal"], "glyph_size": 13, "glyph_dim": 64, "glyph_groups": 8}
    cnn, scaled = TianzigeCNN(GlyceConfig(**sizes)), TianzigeCNN(GlyceConfig.released(**sizes, glyph_scale=1))
    cnn.load_state_dict(weights)
    scaled.load_state_dict(weights)
    images = torch.from_numpy(numbers["x"])
    assert torch.equal(cnn(images), scaled(images))


@needs_oracles
def test_published_gradients():
    weights, numbers = published("cnn_grad")
    config = released(64, 2, 8, 13, vocab_size=30, glyph_scale=1)
    cnn, loss = TianzigeCNN(config), ImageClassification(config)
    cnn.load_state_dict({name.removeprefix("cnn."): weights[name] for name in weights if name.startswith("cnn.")})
    loss.dense.load_state_dict({"weight": weights["cls.weight"], "bias": weights["cls.bias"]})
    targets = torch.from_numpy(numbers["t"])
    vectors = cnn(torch.from_numpy(numbers["x"]))
    # one by one: equal targets have different images there
    losses = [loss(targets[i], vectors[i], targets[i] > 1) for i in torch.arange(12)[:, None] if targets[i] > 1]
    found = torch.stack(losses).mean()
    found.backward()
    assert found.item() == pytest.approx(float(numbers["loss"]), rel=1e-6)
    for name, parameter in {
        "g_conv1": cnn.conv1.weight,
        "gb_conv1": cnn.conv1.bias,
        "g_down": cnn.downsample.weight,
        "g_rew": cnn.reweight_conv.weight,
        "g_cls": loss.dense.weight,
    }.items():
        close(parameter.grad, numbers[name])


def test_the_papers_preset():
    cnn = TianzigeCNN(GlyceConfig())
    assert [tuple(layer.weight.shape) for layer in (cnn.conv1, cnn.downsample, cnn.reweight_conv)] == [
        (1024, 8, 5, 5),
        (256, 128, 1, 1),
        (1024, 16, 2, 2),
    ]
    assert cnn.downsample.groups == 8
    assert cnn.reweight_conv.groups == 16
    assert sum(parameter.numel() for parameter in cnn.parameters()) == 305_408
    assert {name.split(".")[0] for name in cnn.state_dict()} == {"conv1", "downsample", "reweight_conv", "mean", "std"}


@pytest.mark.parametrize("size", [9, 10, 12])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_equal_to_the_equations(size, groups):
    cnn = TianzigeCNN(make_config(glyph_size=size, glyph_groups=groups, glyph_normalize=False))
    images = torch.rand(5, 2, size, size)
    hidden = F.adaptive_max_pool2d(F.conv2d(images, cnn.conv1.weight, cnn.conv1.bias).relu(), 2)
    hidden = F.conv2d(hidden, cnn.downsample.weight, cnn.downsample.bias, groups=max(groups // 2, 1))
    wanted = F.conv2d(hidden, cnn.reweight_conv.weight, cnn.reweight_conv.bias, groups=groups).relu().flatten(1)
    torch.testing.assert_close(cnn(images), wanted)


@pytest.mark.parametrize(("kind", "cnn"), [("tianzige", TianzigeCNN), ("vanilla", VanillaCNN), ("resnet", ResNetCNN)])
def test_the_configuration_names_the_cnn(kind, cnn):
    assert type(build_glyph_cnn(make_config(glyph_cnn=kind))) is cnn


def learn(config, images, limit, batch=64):
    """Trains the CNN to tell the images apart; returns the ratio that it can, and the CPU seconds."""
    count = len(images)
    bank, loss = GlyceBank(config), ImageClassification(config)
    bank.set_glyphs(images)
    optimizer = torch.optim.Adam([*bank.parameters(), *loss.parameters()], 1e-3)
    start, right = time.process_time(), 0.0
    while right < 0.99 and time.process_time() - start < limit:
        bank.train()
        for ids in torch.randperm(count).split(batch):
            optimizer.zero_grad()
            loss(ids, bank(ids), torch.ones_like(ids, dtype=torch.bool)).backward()
            optimizer.step()
        bank.eval()
        with torch.no_grad():
            right = (loss.dense(bank(torch.arange(count))).argmax(-1) == torch.arange(count)).float().mean().item()
    return right, time.process_time() - start


@pytest.mark.parametrize("kind", ["tianzige", "vanilla", "resnet"])
def test_a_small_one_learns(kind):
    config = make_config(glyph_cnn=kind, glyph_dim=128, vocab_size=30)
    right, _ = learn(config, torch.randint(0, 256, (30, 2, 9, 9), dtype=torch.uint8), limit=20, batch=8)
    assert right >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tianzige", "vanilla", "resnet"])
def test_three_thousand_characters_in_a_minute(kind, capsys):
    config = GlyceConfig(vocab_size=3000, glyph_cnn=kind)
    images = HanziGlyphImageProcessor(styles=config.glyph_styles, size=config.glyph_size, binary=config.glyph_binary)
    right, seconds = learn(config, images.render([chr(0x4E00 + 5 * index) for index in range(3000)]), limit=60)
    with capsys.disabled():
        sys.stdout.write(f"\n{kind}: {right:.2%} of 3,000 characters after {seconds:.1f} CPU seconds\n")
    assert right >= 0.99
    assert seconds <= 60

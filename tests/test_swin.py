"""The Swin encoder against transformers' SwinModel: reference vectors, and live where that runs unmodified."""

import json
from pathlib import Path

import pytest
import torch
from chinese_bert_tools import FOLDER, oracle
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import SwinConfig, SwinModel

from hanziformers.modeling.swin import RelativePositionBias, SwinEncoder, SwinLinear, check_swin, init_swin

TINY = {"embed_dim": 6, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 3, 4)}


def reference(name):
    """An encoder with the weights of a reference file, and what it must give."""
    file = Path(FOLDER) / "mpm_cner" / f"swin_{name}.safetensors"
    with safe_open(file, "pt") as opened:
        config, scales = (json.loads(opened.metadata()[key]) for key in ("config", "scales"))
    values = load_file(file)
    model = SwinEncoder(values["pictures"].shape[1], **config)
    weights = {key[2:]: value for key, value in values.items() if key.startswith("w.")}
    model.load_state_dict({key: (value * 2.0 ** -scales[key][0] + scales[key][1]) for key, value in weights.items()})
    return model, values


@oracle
@pytest.mark.parametrize(("name", "count"), [("glyph", 978_564), ("phonetic", 979_860), ("small", 83_308)])
def test_equal_to_the_reference(name, count):
    model, values = reference(name)
    assert sum(weight.numel() for weight in model.parameters()) == count
    assert not list(model.buffers())
    images = values["pictures"].float() / 255
    with torch.no_grad():
        torch.testing.assert_close(model(images), values["pooled"], atol=1e-5, rtol=0)
        for index, patches in enumerate(model.stages(images)):
            torch.testing.assert_close(patches.flatten(1, 2), values[f"stage.{index}"], atol=2e-5, rtol=0)
        exact = model.double()(images.double())
    torch.testing.assert_close(exact, values["pooled64"], atol=5e-6, rtol=0)


@oracle
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_equal_the_reference(dtype):
    model, values = reference("small")
    model.to(dtype)
    (model(values["pictures"].to(dtype) / 255) * values["grad_of_pooled"]).sum().backward()
    for name, parameter in model.named_parameters():
        wanted = values[f"grad.{name}"].to(dtype)
        torch.testing.assert_close(parameter.grad, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (48, {"embed_dim": 72, "depths": (2, 2), "num_heads": (3, 6), "window_size": 4}),
        (48, {"embed_dim": 12, "depths": (2,), "num_heads": (3,), "window_size": 7}),  # windows do not divide the grid
        (48, {"embed_dim": 12, "depths": (3,), "num_heads": (2,), "window_size": 5}),
        (96, {"embed_dim": 8, "depths": (2, 1), "num_heads": (2, 4), "window_size": 3}),  # the last stage has 8 x 8
    ],
)
def test_equal_to_transformers_where_it_runs_unmodified(size, sizes):
    config = SwinConfig(image_size=size, patch_size=6, num_channels=2, drop_path_rate=0.0, **sizes)
    wanted = SwinModel(config).eval()
    with torch.no_grad():
        for parameter in wanted.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model = SwinEncoder(2, image_size=size, **sizes).eval()
    model.load_state_dict(wanted.state_dict())  # unmapped
    images = torch.rand(3, 2, size, size)
    with torch.no_grad():
        torch.testing.assert_close(model(images), wanted(images).pooler_output, atol=1e-5, rtol=1e-4)


def test_an_image_does_not_depend_on_its_neighbours():
    model, images = SwinEncoder(1, **TINY).eval(), torch.rand(5, 1, 48, 48)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, atol=1e-6, rtol=1e-5)
    assert model.width == alone.shape[1] == 48


def test_initialisation_goes_by_the_fan_in():
    """The last layers of residual branches are scaled down, so that twelve blocks add as much as there was."""
    torch.manual_seed(0)
    ends = 0
    for name, part in SwinEncoder(3).named_modules():
        if isinstance(part, SwinLinear) and part.weight.numel() > 5000:
            is_end = name.endswith(("o_proj", "fc2"))
            gain, ends = 24**-0.5 if is_end else 1.0, ends + is_end
            wanted = 0.88 * gain * part.in_features**-0.5  # cut at two deviations
            assert part.weight.std().item() == pytest.approx(wanted, rel=0.05), name
            assert part.bias is None or not part.bias.any()
    assert ends == 18
    assert init_swin(RelativePositionBias(2, 4))
    assert not init_swin(torch.nn.Linear(2, 2))


def test_blocks_add_as_much_as_there_was():
    """Else the vectors of all images are nearly the same, and nothing is learnt from sounds."""
    torch.manual_seed(0)
    model, images = SwinEncoder(1, depths=(6,), num_heads=(3,), window_size=4), torch.rand(8, 1, 48, 48)
    before, after = model.stages(images)
    assert (after - before).std() < before.std()


def test_standardised_images_without_a_change_of_the_input():
    model, images = SwinEncoder(3, **TINY), torch.rand(4, 3, 48, 48)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.1]
    wanted = model((images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])
    model.standardise(mean, std)
    torch.testing.assert_close(model(images), wanted, atol=1e-4, rtol=1e-4)


def test_stochastic_depth_leaves_branches_out_in_training_only():
    torch.manual_seed(1)
    model, image = SwinEncoder(1, **TINY, drop_path=0.5), torch.rand(1, 1, 48, 48).expand(64, -1, -1, -1)
    assert [block.drop_path.rate for stage in model.encoder.layers for block in stage.blocks] == [
        0,
        0.125,
        0.25,
        0.375,
        0.5,
    ]
    assert len(model(image).detach().unique(dim=0)) > 1  # equal images, different branches
    plain = SwinEncoder(1, **TINY)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.eval()(image), plain(image))
    branch = torch.ones(4000, 3)
    model.train()
    kept = model.encoder.layers[-1].blocks[-1].drop_path(branch)
    assert set(kept.unique().tolist()) == {0.0, 2.0}  # what is kept makes up for what is left out
    assert kept.mean().item() == pytest.approx(1, abs=0.1)


def test_every_parameter_gets_a_gradient_and_half_precision_is_near():
    model, images = SwinEncoder(1, **TINY), torch.rand(6, 1, 48, 48)
    wanted = model(images)
    (wanted * torch.randn_like(wanted)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())  # of queries of one patch: zeros
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(images).float(), wanted, atol=0.1, rtol=0.1)
    torch.testing.assert_close(model.to(torch.bfloat16)(images.bfloat16()).float(), wanted, atol=0.1, rtol=0.1)


def test_on_the_meta_device_and_in_a_graph():
    with torch.device("meta"):
        model = SwinEncoder(1, **TINY)
        assert model(torch.rand(3, 1, 48, 48)).shape == (3, 48)
    torch._dynamo.reset()
    small = {"embed_dim": 6, "depths": (2,), "num_heads": (2,), "window_size": 4}
    model, images = SwinEncoder(1, **small).eval(), torch.rand(3, 1, 48, 48)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), model(images))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image_size": 50}, "image_size=50 is not allowed; allowed is a multiple of 48"),
        ({"image_size": 24}, "image_size=24.*a multiple of 48.*halved between 4 stages"),
        ({"patch_size": 0}, "patch_size=0, embed_dim=18, window_size=4 are not allowed.*1 or more"),
        ({"window_size": 0}, "window_size=0 are not allowed"),
        ({"depths": ()}, r"depths=\(\), num_heads=.*two lists of one length"),
        ({"depths": (2, 2)}, "two lists of one length"),
        ({"depths": (2, 2, 0, 2)}, "integers of 1 or more"),
        (
            {"num_heads": (4, 6, 12, 24)},
            r"num_heads=\(4, 6, 12, 24\).*divisors of the stages' widths \[18, 36, 72, 144\]",
        ),
        ({"drop_path": 1.0}, r"drop_path=1.0 is not allowed; allowed is a number in \[0, 1\)"),
    ],
)
def test_wrong_sizes_are_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        SwinEncoder(1, **wrong)
    check_swin(48, 6, 18, [2, 2, 6, 2], [3, 6, 12, 24], 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_blank_image_has_gradients_that_a_step_survives(channels):
    torch.manual_seed(0)
    encoder = SwinEncoder(channels)
    images = torch.rand(4, channels, 48, 48)
    images[2] = 0
    encoder(images).square().sum().backward()
    norms = torch.stack([parameter.grad.norm() for parameter in encoder.parameters()])
    assert norms.isfinite().all()
    assert norms.max() < 1e4

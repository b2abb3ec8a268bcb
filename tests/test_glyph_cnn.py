"""What the CNNs of glyph images share: statistics, initialisation, shapes, and the grid."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hanziformers import GlyceConfig
from hanziformers.modeling.glyph_cnn import CnnConv, CnnLinear, GlyphCnn, init_glyph_cnn, pool_to_grid
from hanziformers.modeling.tianzige import GLYPH_CNNS, TianzigeCNN, build_glyph_cnn


def make_config(**fields):
    sizes = {"vocab_size": 20, "glyph_styles": ["song", "seal"], "glyph_size": 9, "glyph_dim": 32, "glyph_groups": 4}
    return GlyceConfig(**{**sizes, **fields})


def make_images(count=7, styles=2, size=9):
    return torch.randint(0, 256, (count, styles, size, size), dtype=torch.uint8)


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_statistics_are_those_of_the_images_with_ink(kind):
    cnn, images = build_glyph_cnn(make_config(glyph_cnn=kind)).double(), make_images()
    images[:2], images[2, 1] = 0, 0  # blank in both scripts, and in the second
    assert not cnn.has_statistics
    cnn.set_statistics(images)
    assert cnn.has_statistics
    first, second = images[2:, 0].double() / 255, images[3:, 1].double() / 255
    torch.testing.assert_close(cnn.mean, torch.stack([first.mean(), second.mean()]))
    torch.testing.assert_close(cnn.std, torch.stack([first.std(correction=0), second.std(correction=0)]))
    standardised = (images.double() / 255 - cnn.mean[:, None, None]) / cnn.std[:, None, None]
    bare = build_glyph_cnn(make_config(glyph_cnn=kind, glyph_normalize=False)).double()
    bare.load_state_dict({name: value for name, value in cnn.state_dict().items() if name not in ("mean", "std")})
    torch.testing.assert_close(cnn(images.double() / 255), bare(standardised), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [0, 255, 9])
def test_images_without_contrast_have_finite_vectors(value):
    cnn = TianzigeCNN(make_config())
    cnn.set_statistics(torch.full((3, 2, 9, 9), value, dtype=torch.uint8))
    assert torch.equal(cnn.std, torch.ones(2))
    assert cnn(torch.full((3, 2, 9, 9), value / 255)).isfinite().all()


@pytest.mark.parametrize(
    "images", [make_images(styles=1), make_images(styles=3), make_images(size=10), make_images() / 255]
)
def test_statistics_of_other_images_are_refused(images):
    cnn = TianzigeCNN(make_config())
    with pytest.raises(ValueError, match=r"needed is torch\.uint8 \[N, F, h, w\].* \(2, 9, 9\)"):
        cnn.set_statistics(images)
    assert not cnn.has_statistics


def test_statistics_are_saved_with_the_weights():
    cnn, other = (TianzigeCNN(make_config()) for _ in range(2))
    cnn.set_statistics(make_images())
    other.load_state_dict(cnn.state_dict())
    images = make_images() / 255
    assert torch.equal(other(images), cnn(images))
    assert torch.equal(copy.deepcopy(cnn)(images), cnn(images))


def test_without_normalisation_there_are_no_statistics():
    cnn = TianzigeCNN(make_config(glyph_normalize=False))
    cnn.set_statistics(make_images())
    assert not cnn.has_statistics
    assert {name.split(".")[0] for name in cnn.state_dict()} == {"conv1", "downsample", "reweight_conv"}


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_scale_multiplies_the_images(kind):
    config = make_config(glyph_cnn=kind, glyph_normalize=False)
    cnn, scaled = build_glyph_cnn(config), build_glyph_cnn(make_config(**{**config.to_dict(), "glyph_scale": 255}))
    scaled.load_state_dict(cnn.state_dict())
    images = make_images()
    torch.testing.assert_close(scaled(images / 255), cnn(images.float()))


@pytest.mark.parametrize("kind", GLYPH_CNNS)
@pytest.mark.parametrize("size", [6, 7, 12, 13, 19])
def test_one_vector_an_image(kind, size):
    config = make_config(glyph_cnn=kind, glyph_size=size)
    cnn, images = build_glyph_cnn(config), make_images(size=size) / 255
    found = cnn(images)
    assert found.shape == (7, config.glyph_dim)
    assert (found >= 0).all()
    torch.testing.assert_close(torch.cat([cnn(image[None]) for image in images]), found)  # no batch in it
    assert cnn(images[:0]).shape == (0, config.glyph_dim)


@pytest.mark.parametrize("shape", [(3, 2, 10, 10), (3, 1, 9, 9), (3, 2, 9, 10), (2, 9, 9)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[U, F, h, w\] with \(F, h, w\) = \(2, 9, 9\)"):
        TianzigeCNN(make_config())(torch.rand(shape))


@pytest.mark.parametrize("side", range(2, 17))
def test_the_grid_is_adaptive_pooling(side):
    hidden = torch.randn(3, 5, side, side)
    assert torch.equal(pool_to_grid(hidden, side), F.adaptive_max_pool2d(hidden, 2))
    torch.testing.assert_close(pool_to_grid(hidden, side, F.avg_pool2d), F.adaptive_avg_pool2d(hidden, 2))


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_initialisation(kind):
    cnn = build_glyph_cnn(make_config(glyph_cnn=kind, glyph_dim=256))
    for part in cnn.modules():
        if isinstance(part, CnnConv | CnnLinear):
            assert not part.bias.any()
            wanted = (2 / part.weight[0].numel()) ** 0.5
            assert part.weight.std().item() == pytest.approx(wanted, rel=0.15)
    uniform = build_glyph_cnn(make_config(glyph_cnn=kind, glyph_dim=256, glyph_initializer="uniform"))
    layers = [part for part in uniform.modules() if isinstance(part, CnnConv | CnnLinear)]
    assert all(0.09 < layer.weight.abs().max() <= 0.1 for layer in layers)
    assert not any(layer.bias.any() for layer in layers)


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_all_that_the_constructor_sets_is_set_again(kind):
    """As after the meta device, where `_init_weights` meets every part."""
    cnn = build_glyph_cnn(make_config(glyph_cnn=kind))
    with torch.no_grad():
        for tensor in cnn.state_dict().values():
            tensor.fill_(torch.nan)
    norms = [part for part in cnn.modules() if isinstance(part, nn.GroupNorm)]  # transformers initialises those
    for part in cnn.modules():
        assert init_glyph_cnn(part) == isinstance(part, CnnConv | CnnLinear | GlyphCnn)
    for norm in norms:
        norm.reset_parameters()
    assert all(tensor.isfinite().all() for tensor in cnn.state_dict().values())
    assert not cnn.has_statistics
    assert not init_glyph_cnn(nn.Linear(2, 2))


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_blank_images_have_finite_gradients(kind):
    for fields in ({}, {"glyph_normalize": False}):
        cnn = build_glyph_cnn(make_config(glyph_cnn=kind, **fields))
        cnn(torch.zeros(4, 2, 9, 9)).pow(2).sum().backward()
        assert all(weight.grad.isfinite().all() for weight in cnn.parameters())


@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_images_that_are_no_floats_are_refused(kind):
    for images in (make_images(), make_images().long()):
        with pytest.raises(
            ValueError, match=r"are torch\.(uint8|int64); needed are floats in 0\.\.1: uint8 images / 255"
        ):
            build_glyph_cnn(make_config(glyph_cnn=kind))(images)


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("kind", GLYPH_CNNS)
def test_weights_without_statistics_load_where_there_are_none(kind, assign):
    bare, cnn = (build_glyph_cnn(make_config(glyph_cnn=kind, glyph_normalize=flag)) for flag in (False, True))
    weights, images = bare.state_dict(), make_images() / 255
    nn.ModuleDict({"cnn": cnn}).load_state_dict({f"cnn.{name}": weights[name] for name in weights}, assign=assign)
    assert torch.equal(cnn(images), bare(images))
    cnn.set_statistics(make_images())
    with pytest.raises(RuntimeError, match='Missing key.*"mean", "std"'):  # it would standardise for other weights
        cnn.load_state_dict(weights)
    with pytest.raises(RuntimeError, match="Missing key"):
        cnn.load_state_dict({})
    with torch.device("meta"), pytest.raises(RuntimeError, match='Missing key.*"mean", "std"'):
        build_glyph_cnn(make_config(glyph_cnn=kind)).load_state_dict(weights, assign=True)

"""HanGlyph against a slow version written from the paper's equations."""

import pytest
import torch
from glyph_crm_tools import SIZES, random_glyphs
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.nn.utils import prune

from hanziformers import GlyphCrmConfig, GlyphCrmModel
from hanziformers.modeling import han_glyph
from hanziformers.modeling.character_bank import CharacterBank
from hanziformers.modeling.han_glyph import (
    FFT_CHUNK,
    FFT_IMAGES,
    GlyphConv,
    HanGlyph,
    correlate,
    kernel_spectra,
    max_pool,
    position_maps,
)


def build(**fields):
    model = HanGlyph(GlyphCrmConfig(**{**SIZES, **fields}))
    assert {type(part) for part in model.modules() if isinstance(part, torch.nn.Conv2d)} == {GlyphConv}
    return model


def block(z, lift, residual):
    """Eq. 1 with every window written out by unfold: no convolution of torch's."""

    def conv(x, weight, bias, padding=0):
        columns = F.unfold(x, weight.shape[-1], padding=padding)  # [U, c_in * k * k, places]
        side = x.shape[-1] + 2 * padding - weight.shape[-1] + 1
        return (weight.flatten(1) @ columns + bias[:, None]).unflatten(2, (side, side))

    def pool(x):
        side = x.shape[-1] // 2 * 2
        x = x[..., :side, :side]
        return torch.stack([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)

    z_c = conv(z, *lift, padding=1).clamp(min=0)
    f = conv(conv(conv(z_c, *residual[0]).clamp(min=0), *residual[1]).clamp(min=0), *residual[2])
    return pool((pool(z_c) + f).clamp(min=0))


def slow(model, image, kind="paper"):
    """[R, G1, G2] of one glyph image [n, n] in 0..1."""
    size = len(image)
    maps = torch.empty(2, size, size)
    for row in range(size):
        for column in range(size):
            if kind == "paper":
                maps[0, row, column] = -0.2 + 0.4 * column / (size - 1)
                maps[1, row, column] = 0.2 - 0.4 * row / (size - 1)
            else:
                maps[0, row, column] = (column - 24) * 0.02
                maps[1, row, column] = -(row - 24) * 0.02
    weights = dict(model.named_parameters())

    def pair(name):
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    z = torch.cat([image[None], maps])[None]
    z1 = block(z, pair("block1.lift"), [pair(f"block1.residual.{i}") for i in range(3)])
    z2 = block(z1, pair("block2.lift"), [pair(f"block2.residual.{i}") for i in range(3)])
    heads = [("to_input", z2), ("to_glyph1", z1), ("to_glyph2", z2)]
    return torch.cat([torch.tanh(F.linear(x.flatten(), *pair(name))) for name, x in heads])


@pytest.mark.parametrize(("size", "kind"), [(24, "paper"), (48, "paper"), (48, "released"), (72, "paper")])
def test_equal_to_the_equations(size, kind):
    model = build(glyph_size=size, position_maps=kind)
    images = random_glyphs(FFT_IMAGES + 1, size).float() / 255
    found = model(images)
    assert found.shape == (FFT_IMAGES + 1, 3 * SIZES["hidden_size"])
    few = model(images[:3])  # another way to the same numbers
    torch.testing.assert_close(few, found[:3], atol=1e-6, rtol=0)
    for image, vector in zip(images[:5], found, strict=False):
        torch.testing.assert_close(vector, slow(model, image[0], kind), atol=2e-6, rtol=0)


@pytest.mark.parametrize("size", [24, 48, 72, 96])
def test_shapes_of_every_step(size):
    sides = []
    model = build(glyph_size=size)
    for part in model.modules():
        if isinstance(part, GlyphConv):
            part.register_forward_hook(lambda _, inputs, output: sides.append((inputs[0].shape[-1], output.shape[-1])))
    assert model(torch.rand(2, 1, size, size)).shape == (2, 72)
    for start, steps in ((size, sides[:4]), (size // 4, sides[4:])):
        shrink = start // 6
        wanted = [(start, start), *((start - i * shrink, start - (i + 1) * shrink) for i in range(3))]
        assert steps == wanted
        assert steps[-1][1] == start // 2


def test_size_of_the_paper():
    with torch.device("meta"):
        model = HanGlyph(GlyphCrmConfig.base())
    assert sum(p.numel() for p in model.parameters()) == 10_363_584
    assert [tuple(conv.weight.shape) for conv in model.modules() if isinstance(conv, GlyphConv)] == [
        (64, 3, 3, 3),
        *[(64, 64, 9, 9)] * 3,
        (128, 64, 3, 3),
        *[(128, 128, 3, 3)] * 3,
    ]
    assert (model.to_glyph1.in_features, model.to_glyph2.in_features, model.to_input.in_features) == (9216, 1152, 1152)


@pytest.mark.parametrize(("size", "kernel"), [(48, 9), (40, 9), (24, 5), (13, 13), (15, 4)])
def test_the_way_through_frequencies_is_exact(size, kernel):
    images, weights = torch.randn(5, 3, size, size), torch.randn(4, 3, kernel, kernel)
    results = []
    for way in (F.conv2d, correlate):
        x, w = images.clone().requires_grad_(), weights.clone().requires_grad_()
        y = way(x, w)
        torch.manual_seed(3)
        (y * torch.randn(y.shape)).sum().backward()
        results.append((y.detach(), x.grad, w.grad))
    for found, wanted in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5 * wanted.abs().max().item(), rtol=0)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # torch's own, of vmap
@pytest.mark.parametrize(("sides", "kernel"), [((1, 1), (1, 1)), ((2, 3), (2, 2)), ((5, 4), (2, 3)), ((6, 6), (3, 3))])
def test_derivatives_through_frequencies_are_those_of_a_convolution(sides, kernel):
    """First and second, of either and of both; by autograd and torch.func, of batches and of an ensemble, forward."""
    both = (
        torch.randn(2, 2, *sides, dtype=torch.float64, requires_grad=True),
        torch.randn(3, 2, *kernel, dtype=torch.float64, requires_grad=True),
    )
    images, weights = both
    tangents = torch.randn_like(images), torch.randn_like(weights)
    gradients = torch.randn(4, *F.conv2d(*both).shape, dtype=torch.float64)
    found = []
    for way in (correlate, F.conv2d):

        def loss(*inputs, way=way):
            return (way(*inputs) ** 3).sum()

        some = [torch.func.jvp(way, both, tangents)[1]]
        for inputs in (both, (images.detach(), weights), (images, weights.detach())):
            asked = [one for one in inputs if one.requires_grad]
            first = torch.autograd.grad(loss(*inputs), asked, create_graph=True)
            some += [*first, *torch.autograd.grad(sum((one**2).sum() for one in first), asked)]
        for second in torch.func.hessian(loss, argnums=(0, 1))(*both):
            some += second
        some += torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)), (0, None))(images[:, None], weights)
        some += torch.autograd.grad((torch.func.vmap(way, (None, 0))(images, weights[:, None]) ** 3).sum(), both)
        with forward_ad.dual_level():
            dual = way(*(forward_ad.make_dual(*pair) for pair in zip(both, tangents, strict=True)))
            some.append(forward_ad.unpack_dual(dual).tangent)
        some += torch.autograd.grad(way(*both), both, gradients, is_grads_batched=True)
        found.append(some)
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_a_gradient_through_frequencies_is_left_as_it_was():
    images, weights = torch.randn(2, 2, 6, 6, requires_grad=True), torch.randn(3, 2, 3, 3, requires_grad=True)
    output = correlate(images, weights)
    for gradient in (torch.randn_like(output), torch.ones(()).expand_as(output)):
        before = gradient.clone()
        output.backward(gradient, retain_graph=True)
        assert torch.equal(gradient, before)


def test_spectra_have_gradients_of_their_own():
    images = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    spectra = kernel_spectra(weights, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda *inputs: correlate(inputs[0], weights, inputs[1]), (images, spectra))
    assert torch.autograd.gradgradcheck(lambda *inputs: correlate(inputs[0], weights, inputs[1]), (images, spectra))


def test_gradients_are_the_same_both_ways(monkeypatch):
    model = build(glyph_size=48)
    images = random_glyphs(FFT_IMAGES, 48).float() / 255
    found = []
    for limit in (FFT_IMAGES, 10**9):
        monkeypatch.setattr("hanziformers.modeling.han_glyph.FFT_IMAGES", limit)
        model.zero_grad()
        model(images).square().sum().backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for name, wanted in found[1].items():
        assert wanted.any()
        torch.testing.assert_close(found[0][name], wanted, atol=1e-5 * wanted.abs().max().item(), rtol=0)


@pytest.mark.parametrize("use_dora", [False, True])
def test_adapters_on_a_large_convolution_are_the_same_both_ways(use_dora, monkeypatch):
    """Peft makes them as convolutions of the same class, without biases."""
    peft = pytest.importorskip("peft")
    targets = ["block1.residual.0", "block1.residual.1"]
    model = build(glyph_size=48)
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, target_modules=targets, use_dora=use_dora), model)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    images = random_glyphs(FFT_IMAGES, 48).float() / 255
    found = []
    for limit in (FFT_IMAGES, 10**9):
        monkeypatch.setattr(han_glyph, "FFT_IMAGES", limit)
        model.zero_grad()
        vectors = model(images)
        vectors.square().sum().backward()
        found.append([vectors.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert len(found[0]) > 4
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted, atol=5e-5 * wanted.abs().max().item(), rtol=0)


@pytest.mark.parametrize("changed", [{"stride": 2}, {"padding": 4}, {"dilation": 2}, {"groups": 2}])
def test_other_convolutions_go_the_direct_way(changed):
    conv = GlyphConv(2, 4, 9, **changed)
    images = torch.rand(FFT_IMAGES, 2, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(conv(images)[:2], conv(images[:2]))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_spectra_of_kernels_are_made_once_for_all_chunks(checkpointing, monkeypatch):
    """The same vectors and gradients as by direct convolutions, from chunks that are small enough."""
    count = 2 * FFT_CHUNK + 3
    bank = CharacterBank(build(glyph_size=48), count, (1, 48, 48), 72).train()
    bank.set_glyphs(random_glyphs(count, 48))
    bank.gradient_checkpointing = checkpointing
    made, chunks, found = [], [], []
    spectra = han_glyph.kernel_spectra
    monkeypatch.setattr(han_glyph, "kernel_spectra", lambda *given: made.append(1) or spectra(*given))
    bank.encoder.block2.register_forward_pre_hook(lambda _, inputs: chunks.append(len(inputs[0])))
    for limit in (FFT_IMAGES, 10**9):
        monkeypatch.setattr(han_glyph, "FFT_IMAGES", limit)
        bank.zero_grad()
        vectors = bank(torch.arange(count))
        vectors.square().sum().backward()
        found.append([vectors.detach(), *(p.grad.clone() for p in bank.parameters())])
    assert len(made) == 3
    assert chunks[:3] == [FFT_CHUNK, FFT_CHUNK, 3]
    assert max(chunks[6 if checkpointing else 3 :]) == count
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-6, rtol=0)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=5e-5 * other.abs().max().item(), rtol=0)
    monkeypatch.setattr(han_glyph, "FFT_IMAGES", FFT_IMAGES)
    bank.chunk_size = 5  # less memory, where that is wanted
    chunks.clear()
    bank(torch.arange(count))
    assert max(chunks) == 5


def test_kernels_that_a_hook_changes_are_not_those_before_it():
    model = build(glyph_size=48)
    images = random_glyphs(FFT_IMAGES, 48).float() / 255
    prune.l1_unstructured(model.block1.residual[1], "weight", amount=0.5)
    with torch.no_grad():
        model.block1.residual[1].weight_orig.mul_(3)  # the hook makes `weight` of it, at every call
        found, few = model(images), model(images[:2])
    torch.testing.assert_close(found[:2], few, atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [2, FFT_IMAGES])
def test_bfloat16_is_near_float32(count):
    model, images = build(glyph_size=48), random_glyphs(count, 48).float() / 255
    wanted = model(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(images).float(), wanted, atol=0.02, rtol=0)
    half = model.to(torch.bfloat16)(images.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("kind", "size", "corner"),
    [("paper", 48, (-0.2, 0.2)), ("paper", 24, (-0.2, 0.2)), ("released", 48, (-0.48, 0.48))],
)
def test_position_maps(kind, size, corner):
    x, y = position_maps(size, kind)
    assert (x[0, 0].item(), y[0, 0].item()) == pytest.approx(corner)
    last = 0.2 if kind == "paper" else 0.46
    assert (x[-1, -1].item(), y[-1, -1].item()) == pytest.approx((last, -last))
    assert (x == x[:1]).all()  # every column has one value
    assert (y == y[:, :1]).all()


def test_initialised_as_torch_does():
    torch.manual_seed(0)
    model = build(first_block_channels=16, second_block_channels=16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
        for part in model.modules():
            known = HanGlyph.init_weights(part)
            assert known == (type(part).__name__ in ("GlyphConv", "GlyphLinear", "HanGlyph"))
    for part in model.modules():
        if hasattr(part, "weight"):
            bound = part.weight[0].numel() ** -0.5
            assert 0.97 * bound < part.weight.abs().max().item() <= bound
            assert part.bias.abs().max().item() <= bound
            assert part.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize("size", [2, 3, 12, 15])
def test_pooling_without_gradients_is_torchs(size):
    images = torch.randn(4, 3, size, size).relu()  # with equal values
    images[1, 1, 1, 1], images[2, 0, 0, 0] = float("nan"), float("inf")
    with torch.no_grad():
        torch.testing.assert_close(max_pool(images), F.max_pool2d(images, 2), atol=0, rtol=0, equal_nan=True)
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(max_pool(images).nansum(), images)
    assert gradient.equal(torch.autograd.grad(F.max_pool2d(images, 2).nansum(), images)[0])


TINY_START = {
    "vocab_size": 9,
    "glyph_size": 24,
    "first_block_channels": 8,
    "second_block_channels": 16,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}


def test_kaiming_keeps_the_ink_in_the_vectors():
    images = (torch.rand(40, 1, 24, 24) < 0.3).float()
    spread = {}
    for kind in ("torch", "kaiming"):
        torch.manual_seed(0)
        model = GlyphCrmModel(GlyphCrmConfig(**TINY_START, glyph_initializer=kind))
        encoder = model.get_input_embeddings().encoder
        convs = [part for part in encoder.modules() if isinstance(part, GlyphConv)]
        assert all((part.bias == 0).all() == (kind == "kaiming") for part in convs)
        with torch.no_grad():
            spread[kind] = encoder(images).std(0).mean()
    assert spread["kaiming"] > 3 * spread["torch"]
    with pytest.raises(Exception, match="glyph_initializer='he'.*'torch' or 'kaiming' or 'bert'"):
        GlyphCrmConfig(glyph_initializer="he")


@pytest.mark.parametrize("glyph_cnn", ["han_glyph", "none"])
@pytest.mark.parametrize("initializer_range", [0.02, 0.1])
def test_vectors_start_with_the_spread_of_berts_table(glyph_cnn, initializer_range):
    torch.manual_seed(0)
    own = {"glyph_cnn": glyph_cnn, "feature_norm": "whiten", "glyph_initializer": "bert"}
    sizes = TINY_START | {"vocab_size": 1000, "hidden_size": 64, "initializer_range": initializer_range}
    bank = GlyphCrmModel(GlyphCrmConfig(**sizes, **own)).get_input_embeddings()
    bank.set_glyphs((torch.rand(1000, 24 * 24) < 0.3).to(torch.uint8) * 255)
    with torch.no_grad():
        for vectors in bank.eval()(torch.arange(1000)).chunk(3, dim=-1):  # R, G1, G2
            assert vectors.std().item() == pytest.approx(initializer_range, rel=0.15)
            assert vectors.std(0).mean() > 0.8 * initializer_range  # between characters, not between components
    convs = [part for part in bank.encoder.modules() if isinstance(part, GlyphConv)]
    assert all((part.bias == 0).all() for part in convs)

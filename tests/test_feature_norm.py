"""Statistics of features against numpy, and how a model of glyph images keeps them."""

import copy
import threading
import time
import warnings as python_warnings
from concurrent.futures import ThreadPoolExecutor

import chinese_bert_tools
import numpy as np
import pytest
import torch
from export_tools import needs_newer_torch
from glyph_crm_ranks import descend, statistics
from glyph_crm_tools import NO_DROPOUT, SIZES, assert_same, build, make_inputs, no_grad, random_glyphs, with_grad
from torch.optim.swa_utils import AveragedModel

from hanziformers import ChineseBertConfig, ChineseBertModel, GlyphCrmForMaskedLM, GlyphCrmModel
from hanziformers.modeling.feature_norm import NEVER, FeatureNorm
from hanziformers.modeling.han_glyph import HanGlyph, glyph_parts

KINDS = ["standard", "whiten"]
CNNS = ["han_glyph", "none"]


def slow(features, kind, epsilon, others=None):
    """The norm by numpy: float64, the whole eigendecomposition."""
    features = features.double().numpy()
    others = features if others is None else others.double().numpy()
    centred = features - features.mean(0)
    covariance = centred.T @ centred / len(centred)
    if kind == "standard":
        variances = covariance.diagonal()
        gains = np.where(variances > 0, (variances + epsilon * variances.max()) ** -0.5, 0)
        return (others - features.mean(0)) * gains
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(0)
    gains = np.where(values > 1e-10 * values.max(), (values + epsilon * values.max()) ** -0.5, 0)
    return (others - features.mean(0)) @ (vectors * gains) @ vectors.T


def characters(model):
    return model.base_model.embeddings.characters


def ages(model):
    return [int(norm.age) for norm in characters(model).encoder.feature_norms]


def is_equal(found, wanted):
    return all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def step(model, inputs):
    """A forward of training and a step of plain descent."""
    sum(value.float().square().mean() for value in with_grad_tensors(model, inputs)).backward()
    descend(model)
    for parameter in model.parameters():
        parameter.grad = None


def with_grad_tensors(model, inputs):
    return [value for value in model(**inputs).to_tuple() if value.requires_grad]


# ---------------------------------------------------------------------------------------------- the norm itself


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [5, 60], ids=["fewer images than features", "more"])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_equal_to_numpy(kind, count, epsilon):
    features = torch.rand(count, 20) @ torch.randn(20, 20) + 3
    features[:, 4] = 2.5  # a feature that never fires
    others = torch.rand(7, 20) * 4
    norm = FeatureNorm(20, kind, epsilon, 2048)
    norm.estimate(features)
    for some in (features, others):
        wanted = torch.from_numpy(slow(features, kind, epsilon, some)).float()
        torch.testing.assert_close(norm(some), wanted, atol=2e-3, rtol=1e-3)
        linear = torch.randn(3, 20)
        folded = norm.centred(some) @ norm.transformed(linear).T
        torch.testing.assert_close(folded, norm(some) @ linear.T, atol=2e-3, rtol=1e-3)
    assert norm(features.bfloat16()).dtype == torch.bfloat16
    assert int(norm.age) == 0


def test_what_whitening_is():
    features = torch.rand(400, 12) @ torch.randn(12, 12) + 5
    norm = FeatureNorm(12, "whiten", 1e-9, 2048)
    norm.estimate(features)
    found = norm(features)
    torch.testing.assert_close(found.T @ found / 400, torch.eye(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.mean(0), torch.zeros(12), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_before_an_estimate_features_stay_as_they_are(kind):
    norm, features = FeatureNorm(6, kind, 1e-5, 2048), torch.randn(3, 6)
    assert torch.equal(norm(features), features)
    assert int(norm.age) == NEVER


def test_many_features_have_no_square_matrix():
    norm, features = FeatureNorm(30, "whiten", 1e-3, 8), torch.randn(8, 30)
    assert norm.transform.shape == (30, 8)
    norm.estimate(features)
    torch.testing.assert_close(
        norm(features).double(), torch.from_numpy(slow(features, "whiten", 1e-3)), atol=1e-4, rtol=0
    )


def test_features_that_are_not_finite_change_nothing(warnings):
    norm = FeatureNorm(4, "whiten", 1e-5, 2048)
    norm.estimate(torch.randn(9, 4))
    before = norm.transform.clone()
    norm.estimate(torch.full((9, 4), float("nan")))
    assert torch.equal(norm.transform, before)
    assert "not finite" in warnings[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [torch.rand(1, 4), torch.zeros(9, 4), torch.full((3, 4), 0.3)])
def test_features_that_are_all_the_same_change_nothing(features, kind, warnings):
    norm = FeatureNorm(4, kind, 1e-5, 2048)
    norm.estimate(features)
    assert int(norm.age) == NEVER
    assert torch.equal(norm(features), features)
    assert "have the same features" in warnings[0]


@pytest.mark.parametrize("model_type", ["glyph_crm", "chinese_bert"])
def test_a_bank_of_one_image_still_tells_further_characters_apart(model_type):
    if model_type == "glyph_crm":
        bank = characters(build(feature_norm="whiten"))
        bank.set_glyphs(torch.zeros_like(bank.glyphs))
        bank.set_glyphs(random_glyphs(2)[1:], [3])
        extra = random_glyphs(4)[1:].flatten(1)[None]
        vectors = bank(torch.tensor([[60, 61, 62]]), extra)[0]
    else:
        model = ChineseBertModel(ChineseBertConfig(**chinese_bert_tools.SIZES, feature_norm="whiten")).eval()
        with torch.no_grad():
            model.embeddings.glyph_embeddings.embedding.weight[:] = 0.5
        model(torch.ones(1, 3, dtype=torch.long), pinyin_ids=torch.zeros(1, 3, 8, dtype=torch.long))
        with torch.no_grad():
            model.embeddings.glyph_embeddings.embedding.weight.normal_()
        vectors = model.embeddings.glyph_vectors(torch.arange(3))
    assert len(vectors.unique(dim=0)) == 3


@pytest.mark.parametrize("change", [torch.nn.Module.half, torch.nn.Module.bfloat16])
def test_statistics_are_not_rounded(change):
    norm = FeatureNorm(4, "whiten", 1e-5, 2048)
    norm.estimate(torch.randn(9, 4))
    before = norm.transform.clone()
    assert torch.equal(change(norm).transform, before)
    assert norm.double().mean.dtype == torch.float64
    assert norm.to("meta").mean.is_meta


def test_the_next_estimate_may_come_before_the_backward_pass():
    norm, weight = FeatureNorm(4, "whiten", 1e-5, 2048), torch.randn(2, 4, requires_grad=True)
    norm.estimate(torch.randn(9, 4))
    wanted = torch.autograd.grad(norm.transformed(weight).sum(), weight)[0]
    folded = norm.transformed(weight)
    norm.estimate(torch.randn(9, 4))
    assert torch.equal(torch.autograd.grad(folded.sum(), weight)[0], wanted)


# ---------------------------------------------------------------------------------------------- in HanGlyph


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cnn", CNNS)
def test_vectors_equal_the_slow_version(kind, cnn):
    """Folded and not; of the bank's characters and of further ones, whose images the statistics do not know."""
    model = build(feature_norm=kind, glyph_cnn=cnn, feature_norm_epsilon=1e-3)
    bank, (inputs, further) = characters(model), (make_inputs(), random_glyphs(30))
    encoder = bank.encoder
    known = bank.glyphs[1:].float() / 255  # the first is blank
    with torch.no_grad():
        model(**inputs)
        for images in (further[1:4].float() / 255, further.float() / 255):  # fewer and more than H
            parts = []
            for index, name in ((1, "to_input"), (0, "to_glyph1"), (1, "to_glyph2")):
                normed = slow(encoder.features(known)[index], kind, 1e-3, encoder.features(images)[index])
                parts.append(getattr(encoder, name)(torch.from_numpy(normed).float()))
            wanted = torch.tanh(torch.cat(parts, -1))
            torch.testing.assert_close(encoder(images), wanted, atol=1e-3, rtol=1e-3)
            assert (encoder.prepare(images).folded[0] is None) == (len(images) < SIZES["hidden_size"])
        ids = torch.arange(1, 50)
        assert_same([bank(ids)], [encoder(bank.glyphs[ids].float() / 255)])
    assert_same(no_grad(model, inputs), with_grad(model, inputs))


@pytest.mark.parametrize("cnn", CNNS)
def test_hooks_and_adapters_on_a_linear_layer_are_heard(cnn):
    peft = pytest.importorskip("peft")
    model = build(GlyphCrmForMaskedLM, feature_norm="whiten", glyph_cnn=cnn)
    ids = torch.arange(1, 40)
    wanted = characters(model)(ids)
    calls = []
    handle = characters(model).encoder.to_input.register_forward_hook(lambda *_: calls.append(1))
    assert_same([characters(model)(ids)], [wanted])
    assert calls
    handle.remove()
    config = peft.LoraConfig(target_modules=["to_input", "to_glyph2"], init_lora_weights=False)
    adapted = peft.get_peft_model(model, config)
    changed = characters(adapted.base_model.model)(ids)
    assert (changed - wanted).abs().max() > 0.01
    assert_same([characters(adapted.merge_and_unload())(ids)], [changed])


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_off_by_default_and_new_weights_stay_the_same(kind):
    torch.manual_seed(0)
    plain = build()
    torch.manual_seed(0)
    model = build(feature_norm=kind)
    names = {name for name in model.state_dict() if "feature_norms" not in name}
    assert names == set(plain.state_dict())
    for name in names:
        assert torch.equal(model.state_dict()[name], plain.state_dict()[name])
    if kind is None:
        assert "feature_norms" not in " ".join(model.state_dict())
        inputs = make_inputs()
        assert_same(no_grad(model, inputs), no_grad(plain, inputs), atol=0, rtol=0)


def test_pixels_of_any_size_and_no_convolution():
    model = build(glyph_cnn="none", glyph_size=10)
    encoder = characters(model).encoder
    assert {name for name, _ in encoder.named_children()} == {"to_glyph1", "to_glyph2", "to_input", "feature_norms"}
    image = torch.rand(1, 1, 10, 10)
    wanted = [linear(image.flatten(1)) for linear in (encoder.to_input, encoder.to_glyph1, encoder.to_glyph2)]
    torch.testing.assert_close(encoder(image), torch.tanh(torch.cat(wanted, -1)))


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_characters_fill_more_dimensions(kind):
    """What the option is for: the vectors of a new model differ in more than a few directions."""
    ranks = {}
    for name in (None, kind):
        torch.manual_seed(0)
        model = build(feature_norm=name, first_block_channels=8, second_block_channels=16)
        with torch.no_grad():
            vectors = characters(model)(torch.arange(1, 60))[:, : SIZES["hidden_size"]]
        values = torch.linalg.svdvals(vectors).square()  # not centred: what all share counts as one direction
        shares = values / values.sum()
        ranks[name] = float(torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum()))
    assert ranks[None] < 2
    assert ranks[kind] > (8 if kind == "whiten" else 4)


# ---------------------------------------------------------------------------------------------- when they are estimated


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_schedule_of_training(kind, checkpointing):
    model, inputs = build(feature_norm=kind, feature_norm_interval=3, **NO_DROPOUT), make_inputs()
    if checkpointing:
        model.gradient_checkpointing_enable()
    assert ages(model) == [NEVER, NEVER]
    model.train()
    seen, changes = statistics(model), []
    for _ in range(7):
        step(model, inputs)
        changes.append(not is_equal(statistics(model)[1:3], seen[1:3]))
        seen = statistics(model)
    assert changes == [True, False, False, True, False, False, True]
    assert ages(model) == [1, 1]
    model.eval()
    vectors = characters(model)
    with torch.no_grad():
        found = vectors(torch.arange(60))
    assert ages(model) == [0, 0]
    features = vectors.encoder.features(vectors.glyphs[1:].float() / 255)[0].detach()
    torch.testing.assert_close(vectors.encoder.feature_norms[0].mean, features.mean(0), atol=1e-6, rtol=1e-5)
    fresh = statistics(model)
    assert_same([found], [vectors(torch.arange(60)).detach()])
    assert is_equal(statistics(model), fresh)  # evaluation estimates once


@pytest.mark.parametrize("count", [4, 36], ids=["few characters", "many, folded"])
def test_checkpointed_features_are_those_of_the_forward(count):
    """An estimate between forward and backward, as of a loss over two forwards, changes no gradient."""
    ids, gradients = torch.arange(1, 1 + count), []
    first = characters(build(feature_norm="whiten"))
    for checkpointing in (False, True):
        bank = copy.deepcopy(first).train()
        bank.gradient_checkpointing = checkpointing
        loss = bank(ids).square().mean()
        for norm in bank.encoder.feature_norms:
            norm.estimate(torch.rand(9, len(norm.mean), generator=torch.Generator().manual_seed(0)))
        loss.backward()
        gradients.append([weight.grad for weight in bank.encoder.parameters()])
    assert_same(*gradients)


@pytest.mark.parametrize("trained", [False, True])
def test_threads_wait_for_the_estimate(trained):
    model, ids = build(feature_norm="whiten", feature_norm_interval=9, **NO_DROPOUT), torch.arange(1, 9)
    if trained:
        step(model.train(), make_inputs())
    wanted = no_grad_vectors(copy.deepcopy(model), ids)
    encoder, begun = characters(model.eval()).encoder, threading.Event()
    estimate = encoder.estimate_statistics

    def slow_estimate(chunks):
        begun.set()
        time.sleep(0.2)
        estimate(chunks)

    encoder.estimate_statistics = slow_estimate
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(no_grad_vectors, model, ids)
        assert begun.wait(30)
        other = pool.submit(no_grad_vectors, model, ids)
        assert_same([one.result(), other.result()], [wanted, wanted])


def no_grad_vectors(model, ids):
    with torch.no_grad():
        return characters(model.eval())(ids)


def test_no_kept_vector_is_older_than_the_statistics():
    """Evaluate, train, evaluate: by hand, by a fused optimiser, and through no more than other statistics."""
    model, inputs = build(feature_norm="whiten", feature_norm_interval=2, **NO_DROPOUT), make_inputs()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    for _ in range(3):
        assert_same(no_grad(model.eval(), inputs), with_grad(model, inputs))
        model.train()
        with_grad_tensors(model, inputs)[0].square().mean().backward()
        optimizer.step()
    model.eval()
    no_grad(model, inputs)
    for norm in characters(model).encoder.feature_norms:
        norm.estimate(torch.rand(9, len(norm.mean)))
    assert_same(no_grad(model, inputs), with_grad(model, inputs))


def test_a_filled_table_is_of_the_present_statistics():
    model, inputs = build(feature_norm="whiten", **NO_DROPOUT), make_inputs()
    step(model.train(), inputs)
    bank = characters(model.eval())
    bank.fill()
    assert ages(model) == [0, 0]
    before = statistics(model)
    with torch.no_grad():
        found = bank(torch.arange(60))
    assert is_equal(statistics(model), before)
    assert_same([found], [bank(torch.arange(60)).detach()])


@pytest.mark.parametrize("fields", [{"glyph_cnn": "none"}, {"frozen": True}], ids=["pixels", "frozen"])
def test_features_that_stay_are_looked_at_once(fields):
    fields = dict(fields)
    frozen = fields.pop("frozen", False)
    model, inputs = build(feature_norm="whiten", feature_norm_interval=1, **fields), make_inputs()
    if frozen:
        for block in (characters(model).encoder.block1, characters(model).encoder.block2):
            block.requires_grad_(False)
    estimated = []
    encoder = characters(model).encoder
    estimate = encoder.estimate_statistics
    encoder.estimate_statistics = lambda chunks: estimated.append(1) or estimate(chunks)
    for _ in range(3):
        step(model.train(), inputs)
        no_grad(model.eval(), inputs)
    assert len(estimated) == 1
    assert set(ages(model)) == {0}
    before = statistics(model)
    model.set_glyphs(random_glyphs(3)[1:], [4, 5])
    assert_same(no_grad(model, inputs), with_grad(model, inputs))
    assert len(estimated) == 2
    assert not is_equal(statistics(model), before)


def test_which_images_are_looked_at():
    """Distinct ones with ink, evenly spaced where there are too many."""
    model = build(glyph_cnn="none", feature_norm="standard", feature_norm_images=10)
    images = random_glyphs(60)
    images[30:] = images[1]
    seen = []
    encoder = characters(model).encoder
    encoder.estimate_statistics = lambda chunks: seen.append(torch.cat(list(chunks)))
    model.set_glyphs(images)
    no_grad(model, make_inputs())
    assert seen[0].shape == (10, 1, 24, 24)
    assert len(seen[0].flatten(1).unique(dim=0)) == 10
    assert seen[0].flatten(1).any(1).all()
    model.set_glyphs(torch.zeros_like(images))  # a blank bank has none, and will be given some
    no_grad(model, make_inputs())
    assert len(seen) == 1
    model.set_glyphs(images[:12], range(12))
    no_grad(model, make_inputs())
    assert len(seen) == 2


# ---------------------------------------------------------------------------------------------- saved and loaded


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cnn", CNNS)
@pytest.mark.parametrize("hybrid", [False, True])
def test_saved_and_loaded(kind, cnn, hybrid, tmp_path):
    """Between two estimates, too: a loaded model evaluates as the one that was saved."""
    fields = {"feature_norm": kind, "glyph_cnn": cnn, "id_embeddings": hybrid, "feature_norm_interval": 4}
    model, inputs = build(GlyphCrmForMaskedLM, **fields), make_inputs()
    for _ in range(2):
        step(model.train(), inputs)
    model.save_pretrained(tmp_path)
    wanted = no_grad(model.eval(), inputs)
    loaded = GlyphCrmForMaskedLM.from_pretrained(tmp_path)
    assert_same(no_grad(loaded, inputs), wanted, atol=1e-6, rtol=1e-5)
    assert is_equal(statistics(loaded), statistics(model)) or cnn == "han_glyph"
    other = build(GlyphCrmForMaskedLM, **fields)
    no_grad(other, inputs)
    other.load_state_dict(torch.load(save(model, tmp_path)))
    assert_same(no_grad(other, inputs), wanted, atol=0, rtol=0)
    assert ages(copy.deepcopy(other)) == ages(other)


def save(model, folder):
    torch.save(model.state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


@pytest.mark.parametrize("adapted", [False, True], ids=["weights", "an adapter"])
def test_weights_loaded_without_statistics_get_their_own(adapted):
    model, inputs = build(GlyphCrmForMaskedLM, feature_norm="whiten"), make_inputs()
    wanted = copy.deepcopy(model)
    no_grad(model, inputs)
    state = {name: value for name, value in build(GlyphCrmForMaskedLM).state_dict().items() if "glyphs" not in name}
    if adapted:  # an adapter's file holds nothing else
        state = {name: value for name, value in state.items() if "block1" in name}
    model.load_state_dict(state, strict=False)
    wanted.load_state_dict(state, strict=False)
    assert_same(no_grad(model, inputs), no_grad(wanted, inputs), atol=0, rtol=0)
    before = statistics(model)
    model.load_state_dict({"cls.predictions.decoder.bias": torch.zeros(SIZES["vocab_size"])}, strict=False)
    assert is_equal(statistics(model), before)


def test_an_average_of_weights_has_statistics_of_its_own():
    """It is evaluated after each update, and never trains itself."""
    model, inputs = build(GlyphCrmForMaskedLM, feature_norm="whiten", **NO_DROPOUT), make_inputs()
    no_grad(model, inputs)
    average = AveragedModel(model)
    for _ in range(2):
        step(model.train(), inputs)
        average.update_parameters(model)
        found = no_grad(average.module.eval(), inputs)
        assert ages(average.module) == [0, 0]
        average.module.base_model.embeddings.characters.forget_statistics()
        assert_same(no_grad(average.module, inputs), found)


@pytest.mark.parametrize("family", ["glyph_crm", "chinese_bert"])
@pytest.mark.parametrize("through_data", [False, True], ids=["counted writes", "through .data"])
def test_weights_written_by_hand_have_statistics_of_their_own(family, through_data):
    """An average that somebody keeps, evaluated after each of its updates."""
    if family == "glyph_crm":
        model, inputs = build(GlyphCrmForMaskedLM, feature_norm="whiten", **NO_DROPOUT), make_inputs()
        norms = characters(model)
    else:
        model = ChineseBertModel(ChineseBertConfig(**chinese_bert_tools.SIZES, feature_norm="whiten")).eval()
        inputs = {"input_ids": torch.arange(1, 4)[None], "pinyin_ids": torch.zeros(1, 3, 8, dtype=torch.long)}
        norms = model.embeddings
    for _ in range(2):
        no_grad(model, inputs)
        copied = copy.deepcopy(model)
        before = [norm.mean.clone() for norm in norms.list_norms()]
        for each in (model, copied):
            for weight in each.parameters():
                with torch.no_grad():
                    (weight.data if through_data else weight).add_(0.1 * torch.randn(weight.shape))
            found = no_grad(each, inputs)
            mine = characters(each) if family == "glyph_crm" else each.embeddings
            assert not is_equal([norm.mean for norm in mine.list_norms()], before)
            mine.forget_statistics()
            assert_same(no_grad(each, inputs), found, atol=0, rtol=0)


def test_images_written_by_hand_have_statistics_of_their_own():
    model, inputs = build(feature_norm="whiten", glyph_cnn="none"), make_inputs()
    no_grad(model, inputs)
    characters(model).glyphs.copy_(random_glyphs(60))
    found = no_grad(model, inputs)
    characters(model).forget_statistics()
    assert_same(no_grad(model, inputs), found, atol=0, rtol=0)


@pytest.mark.parametrize("estimated", [False, True])
def test_a_refused_estimate_is_tried_again_when_the_next_is_due(estimated, warnings):
    model, inputs = build(feature_norm="whiten", feature_norm_interval=3, **NO_DROPOUT), make_inputs()
    if estimated:
        no_grad(model, inputs)
    encoder = characters(model).encoder
    with torch.no_grad():
        for convolution in (part for part in encoder.modules() if isinstance(part, torch.nn.Conv2d)):
            convolution.weight.zero_()
            convolution.bias.fill_(-1)
    tried, estimate = [], encoder.estimate_statistics
    encoder.estimate_statistics = lambda chunks: tried.append(len(steps)) or estimate(chunks)
    steps = []
    for _ in range(7):
        step(model.train(), inputs)
        steps.append(1)
    assert tried == ([3, 6] if estimated else [0, 3, 6])
    assert len(warnings) == 2 * len(tried)  # of two norms


def test_switched_on_for_a_checkpoint_without(tmp_path):
    model, inputs = build(), make_inputs()
    model.save_pretrained(tmp_path)
    loaded = GlyphCrmModel.from_pretrained(tmp_path, feature_norm="whiten")
    assert ages(loaded) == [NEVER, NEVER]
    torch.manual_seed(1)
    wanted = build(feature_norm="whiten")
    wanted.load_state_dict(model.state_dict(), strict=False)
    assert_same(no_grad(loaded, inputs), no_grad(wanted, inputs))
    assert ages(loaded) == [0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(dtype, kind, tmp_path):
    """Rounded weights have features, and so statistics, of their own; those stay in float32."""
    torch.manual_seed(0)
    sizes = {"first_block_channels": 16, "second_block_channels": 64, "glyph_initializer": "kaiming"}
    model = build(feature_norm=kind, **sizes)
    ids = torch.arange(1, 60)
    with torch.no_grad():
        wanted = characters(model)(ids)
        model.save_pretrained(tmp_path)
        loaded = GlyphCrmModel.from_pretrained(tmp_path, dtype=dtype)
        for half in (loaded, copy.deepcopy(model).to(dtype)):
            found = characters(half)(ids)
            assert found.dtype == dtype
            assert {value.dtype for value in statistics(half)} == {torch.float32}
            assert (found.float() - wanted).abs().mean() < (0.04 if dtype == torch.bfloat16 else 0.006) * wanted.std()
        loaded.save_pretrained(tmp_path / "half")
        again = GlyphCrmModel.from_pretrained(tmp_path / "half", dtype=dtype)
        assert_same([characters(again)(ids)], [characters(loaded)(ids)], atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("evaluated", [False, True])
def test_resumed_training_is_the_uninterrupted_one(dtype, evaluated):
    """Of rounded weights too, whose statistics are as old as they were."""
    fields = {"feature_norm": "whiten", "feature_norm_interval": 4, **NO_DROPOUT}
    model, other, inputs = build(GlyphCrmForMaskedLM, **fields), build(GlyphCrmForMaskedLM, **fields), make_inputs()
    model, other = model.to(dtype), other.to(dtype)
    for _ in range(2):
        step(model.train(), inputs)
    if evaluated:
        no_grad(model.eval(), inputs)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    for _ in range(2):
        step(model.train(), inputs)
        step(other.train(), inputs)
    assert is_equal(model.state_dict().values(), other.state_dict().values())


def test_rounded_weights_saved_before_their_first_use():
    model, inputs = build(feature_norm="whiten"), make_inputs()
    no_grad(model, inputs)
    other = build(feature_norm="whiten").bfloat16()
    other.load_state_dict(model.bfloat16().state_dict())
    found = no_grad(other, inputs)
    assert_same(found, no_grad(model, inputs), atol=0, rtol=0)
    characters(other).forget_statistics()
    assert_same(no_grad(other, inputs), found, atol=0, rtol=0)


@pytest.mark.parametrize("run_in_it", [False, True])
def test_a_model_that_is_made_in_inference_mode(run_in_it):
    with torch.inference_mode():
        model, inputs = build(feature_norm="whiten"), make_inputs()
    with torch.inference_mode(run_in_it), torch.no_grad():
        model(**inputs)
    assert ages(model) == [0, 0]


def test_double_precision():
    model = build(feature_norm="whiten", **NO_DROPOUT).double()
    inputs = make_inputs()
    assert_same(no_grad(model, inputs), with_grad(model, inputs), atol=1e-10, rtol=1e-10)
    assert characters(model).encoder.feature_norms[0].mean.dtype == torch.float64


# ---------------------------------------------------------------------------------------------- graphs and ranks


@needs_newer_torch
@pytest.mark.parametrize("cnn", CNNS)
def test_exported_traced_and_compiled(cnn):
    torch._dynamo.reset()
    bank, ids = characters(build(feature_norm="whiten", glyph_cnn=cnn)), torch.arange(1, 9).view(2, 4)
    for run in (export, trace):
        with torch.no_grad(), pytest.raises(ValueError, match=r"run the model once"):
            run(bank, ids)
    with torch.no_grad():
        wanted = bank(ids)
        for run in (export, trace, lambda bank, _: torch.compile(bank, fullgraph=True, backend="aot_eager")):
            assert_same([run(bank, ids)(ids)], [wanted])


def export(bank, ids):
    return torch.export.export(bank, (ids,), strict=False).module()


def trace(bank, ids):
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.trace(bank, (ids,), check_trace=False)


@needs_newer_torch
def test_compiled_training_keeps_the_schedule():
    torch._dynamo.reset()
    bank, ids = characters(build(feature_norm="whiten", feature_norm_interval=2)).train(), torch.arange(1, 9)
    other = copy.deepcopy(bank)
    compiled = torch.compile(bank, backend="aot_eager")
    for _ in range(3):
        for run, owner in ((compiled, bank), (other, other)):
            run(ids).square().mean().backward()
            descend(owner)
            owner.zero_grad()
        assert [int(n.age) for n in bank.encoder.feature_norms] == [int(n.age) for n in other.encoder.feature_norms]
    for name, value in other.encoder.state_dict().items():
        torch.testing.assert_close(bank.encoder.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_the_meta_device_has_shapes_only():
    model, inputs = build(feature_norm="whiten").to("meta"), make_inputs()
    inputs.pop("attention_mask")
    out = model(**{name: value.to("meta") for name, value in inputs.items()})
    assert out.last_hidden_state.shape == (4, 9, SIZES["hidden_size"])


def test_with_as_many_features_as_images_whitened_images_are_orthogonal():
    """But for their mean, 0: that is why a linear layer on them learns as a table does."""
    images = torch.rand(12, 30)
    norm = FeatureNorm(30, "whiten", 1e-8, 12)
    norm.estimate(images)
    wanted = 12 * torch.eye(12) - 1
    torch.testing.assert_close(norm(images) @ norm(images).T, wanted, atol=1e-2, rtol=0)


# ---------------------------------------------------------------------------- features that training does not change


def frozen(**fields):
    """A model in training whose features do not change: its CNN is frozen, or it has none."""
    model = build(**fields | NO_DROPOUT).train()
    for block in glyph_parts(model)["glyph"]:
        block.requires_grad_(False)
    return model


def spy_on_features(model):
    """How many images the encoder is asked for features of, call by call."""
    encoder, counts = characters(model).encoder, []
    true = encoder.features
    encoder.features = lambda images, *args: (counts.append(len(images)), true(images, *args))[1]
    return counts


@pytest.mark.parametrize("cnn", CNNS)
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_fixed_features_are_computed_once_and_change_nothing(cnn, kind):
    model, inputs = frozen(glyph_cnn=cnn, feature_norm=kind), make_inputs()
    plain = copy.deepcopy(model)
    characters(plain)._look_up_features = lambda *_: None
    no_grad(model.eval(), inputs), no_grad(plain.eval(), inputs)  # the statistics
    model.train(), plain.train()
    counts = spy_on_features(model)
    for _ in range(3):
        for each in (model, plain):
            step(each, inputs)
        assert_same(with_grad(model, inputs), with_grad(plain, inputs), atol=1e-4)
    if (cnn, kind) != ("none", None):  # pixels as they are have nothing to keep
        keys = inputs["glyph_ids"][inputs["glyph_ids"] < len(characters(model).glyphs)].unique()
        further = len(inputs["glyph_ids"])  # one of every example's own, which stand for others in the next batch
        assert sum(counts) == len(keys) + 6 * further
    for (name, own), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("change", ["images", "statistics", "CNN"])
def test_fixed_features_follow_what_makes_them(change):
    model, inputs = frozen(feature_norm="whiten"), make_inputs()
    before = with_grad(model, inputs)
    bank = characters(model)
    with torch.no_grad():
        if change == "images":
            bank.glyphs[inputs["glyph_ids"][0, 1]] = 255 - bank.glyphs[inputs["glyph_ids"][0, 1]]
        elif change == "statistics":
            bank.encoder.feature_norms[1].mean.add_(1)
        else:
            bank.encoder.block1.lift.weight.mul_(2)
    after = with_grad(model, inputs)
    bank._look_up_features = lambda *_: None
    assert_same(after, with_grad(model, inputs), atol=1e-4)
    assert not torch.allclose(after[0], before[0], atol=1e-3)


def test_fixed_features_are_forgotten_when_the_mode_changes():
    """A write that nobody counts, into few entries, may go unseen until then."""
    model, inputs = frozen(feature_norm="whiten"), make_inputs()
    before = with_grad(model, inputs)
    characters(model).encoder.block1.lift.weight.data[0, 0, 1, 1] += 5
    model.eval()
    after = with_grad(model.train(), inputs)
    characters(model)._look_up_features = lambda *_: None
    assert_same(after, with_grad(model, inputs), atol=1e-4)
    assert not torch.allclose(after[0], before[0], atol=1e-3)


def test_an_encoder_with_a_forward_of_its_own_is_asked(monkeypatch):
    class Doubled(HanGlyph):
        def forward(self, *args):
            return 2 * super().forward(*args)

    monkeypatch.setattr("hanziformers.modeling.modeling_glyph_crm.HanGlyph", Doubled)
    ids = torch.arange(1, 9)[None]
    bank = characters(frozen(feature_norm="whiten"))
    torch.testing.assert_close(bank(ids), bank.eval()(ids), atol=1e-4, rtol=0)


def test_statistics_of_another_number_of_images_are_not_taken_for_known(tmp_path):
    model, inputs = build(glyph_cnn="none", feature_norm="whiten", feature_norm_images=30), make_inputs()
    no_grad(model, inputs)
    model.save_pretrained(tmp_path)
    again = GlyphCrmModel.from_pretrained(tmp_path, feature_norm_images=20, ignore_mismatched_sizes=True)
    assert ages(again) == [NEVER]
    other = build(glyph_cnn="none", feature_norm="whiten", feature_norm_images=20)
    other.load_state_dict({k: v for k, v in model.state_dict().items() if "feature_norm" not in k}, strict=False)
    assert_same(no_grad(again, inputs), no_grad(other, inputs), atol=1e-5)


@pytest.mark.parametrize("case", ["CNN is trained", "hook", "too many", "evaluation"])
def test_fixed_features_are_not_kept(case, monkeypatch):
    model, inputs = frozen(feature_norm="whiten"), make_inputs()
    bank = characters(model)
    if case == "CNN is trained":
        bank.encoder.block2.requires_grad_(True)
    elif case == "hook":  # it has to see the encoder's images
        bank.encoder.register_forward_hook(lambda *_: None)
    elif case == "too many":
        monkeypatch.setattr("hanziformers.modeling.character_bank.MOST_KEPT", 100)
    else:
        model.eval()
    monkeypatch.setattr(bank.encoder, "read_fixed", None)
    model(**inputs)

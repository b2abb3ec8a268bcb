"""Gradients that are adapted as Adam adapts those of a table, against Adam and against a slow way."""

import copy

import pytest
import torch
from glyph_crm_tools import NO_DROPOUT, SIZES, build, make_inputs, no_grad

from hanziformers import GlyphCrmForMaskedLM
from hanziformers.modeling.adaptive_gradients import BETA, AdaptiveGradients

ROWS, WIDTH = 6, 12


def adapted(module, vectors, keys, gradients):
    """The gradients that come back for those that are given."""
    vectors = vectors.clone().requires_grad_()
    (found,) = torch.autograd.grad(module(vectors, keys), vectors, gradients)
    return found


@pytest.mark.parametrize("repeated", [False, True])
def test_equal_to_the_slow_way(repeated):
    module = AdaptiveGradients(ROWS, WIDTH)
    mean_squares = torch.zeros(ROWS + 1, WIDTH)
    for step in range(5):
        keys = torch.tensor([0, 3, 3, 0, 5, 8, 8, 11] if repeated else [0, 3, 5, 8, 11])
        keys[1 if step % 2 else 2] = 0 if repeated else 4
        gradients = torch.randn(len(keys), WIDTH)
        found = adapted(module, torch.randn(len(keys), WIDTH), keys, gradients)
        squares = torch.zeros(ROWS + 1, WIDTH)
        for key in set(keys.tolist()):
            squares[min(key, ROWS)] += gradients[keys == key].sum(0).square()
        mean_squares = BETA * mean_squares + (1 - BETA) * squares / squares.sum() * WIDTH
        for place, key in enumerate(keys.tolist()):
            factors = (mean_squares.mean() / mean_squares[min(key, ROWS)]).sqrt()
            torch.testing.assert_close(found[place], gradients[place] * factors)
    torch.testing.assert_close(module.mean_squares, mean_squares)


def test_characters_without_a_row_are_as_one():
    """Else those of every batch's own would be as long as that of a row which was never seen before."""
    module, lengths = AdaptiveGradients(ROWS, WIDTH), torch.zeros(2)
    sizes = torch.tensor([1.0] * ROWS + [30.0] * 4)[:, None]
    for step in range(3000):
        keys = torch.cat([torch.arange(ROWS), ROWS + 7 * step + torch.arange(4)])
        squares = adapted(module, torch.zeros(len(keys), WIDTH), keys, torch.randn(len(keys), WIDTH) * sizes).square()
        lengths += torch.stack([squares[:ROWS].mean(), squares[ROWS:].sum() / WIDTH]) * (step >= 1000)
    torch.testing.assert_close(lengths[1], lengths[0], rtol=0.1, atol=0)


def test_the_scale_of_the_loss_changes_nothing():
    modules = [AdaptiveGradients(ROWS, WIDTH) for _ in range(2)]
    for scale in (1.0, 2.0**16, 2.0**5):
        keys, gradients = torch.randperm(ROWS)[:4], torch.randn(4, WIDTH)
        found = [
            adapted(module, torch.zeros_like(gradients), keys, gradients * times) / times
            for module, times in zip(modules, (1.0, scale), strict=True)
        ]
        torch.testing.assert_close(found[0], found[1])


def test_values_of_frequent_and_rare_rows_move_as_under_adam():
    """Adapted gradients have the proportions in which Adam moves a table's rows, and their values."""
    rows, width = 60, 8
    sizes = torch.logspace(0, -2, width)
    chances = torch.logspace(0, -1.5, rows)
    module = AdaptiveGradients(rows, width)
    table = torch.nn.Parameter(torch.zeros(rows, width))
    adam = torch.optim.Adam([table], lr=1.0, betas=(0.0, BETA), eps=1e-12)
    moved = {name: torch.zeros(rows, width) for name in ("adam", "adapted", "plain")}
    for step in range(3000):
        keys = (torch.rand(rows) < chances).nonzero().flatten()
        gradients = torch.randn(len(keys), width) * 10 * sizes
        before = table.detach().clone()
        table.grad = torch.zeros(rows, width).index_add(0, keys, gradients)
        adam.step()
        ours = adapted(module, torch.zeros(len(keys), width), keys, gradients)
        if step >= 1000:
            moved["adam"] += (table.detach() - before).square()
            moved["adapted"].index_add_(0, keys, ours.square())
            moved["plain"].index_add_(0, keys, gradients.square())
    shares = {name: value / value.mean() for name, value in moved.items()}
    assert (shares["adapted"] - shares["adam"]).abs().mean() < 0.1
    assert (shares["plain"] - shares["adam"]).abs().mean() > 0.5
    torch.testing.assert_close(moved["adapted"].sum(), moved["plain"].sum(), rtol=0.1, atol=0)  # the length as a whole


def test_gradients_that_overflowed_leave_no_trace():
    module, keys = AdaptiveGradients(ROWS, WIDTH), torch.arange(3)
    adapted(module, torch.randn(3, WIDTH), keys, torch.randn(3, WIDTH))
    before = module.mean_squares.clone()
    gradients = torch.randn(3, WIDTH)
    gradients[1, 2] = float("inf")
    assert not adapted(module, torch.randn(3, WIDTH), keys, gradients).isfinite().all()
    torch.testing.assert_close(module.mean_squares, before * BETA)
    assert module.mean_squares.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_small_squares(dtype):
    module, keys = AdaptiveGradients(ROWS, WIDTH).to(dtype), torch.arange(3)
    gradients = torch.full((3, WIDTH), 1e-4, dtype=dtype)
    found = adapted(module, torch.randn(3, WIDTH).to(dtype), keys, gradients)
    assert found.dtype == dtype
    torch.testing.assert_close(found, gradients * (3 / (ROWS + 1)) ** 0.5, rtol=1e-2, atol=0)  # of so many of all rows
    assert module.mean_squares.dtype == torch.float32


@pytest.mark.parametrize("size", [1e-14, 1e-19, 1e-30])
def test_gradients_that_are_rounding_stay_small(size):
    module, keys = AdaptiveGradients(ROWS, WIDTH), torch.arange(ROWS)
    sizes = torch.tensor([1.0] * (ROWS - 1) + [size])[:, None]
    for _ in range(20):
        found = adapted(module, torch.zeros(ROWS, WIDTH), keys, torch.randn(ROWS, WIDTH) * sizes)
    assert found[:-1].abs().mean() > 0.1
    assert found[-1].abs().max() < 1e-5


def test_a_row_that_was_not_seen_for_long_may_have_no_gradient():
    """In float32 a v decays to a number that decays no more."""
    module, keys = AdaptiveGradients(ROWS, WIDTH), torch.arange(ROWS)
    module.mean_squares.fill_(1.0)[1].fill_(7e-43)
    gradients = torch.randn(ROWS, WIDTH)
    gradients[1] = 0
    found = adapted(module, torch.zeros(ROWS, WIDTH), keys, gradients)
    assert found.isfinite().all()
    assert not found[1].any()


def test_gradients_of_gradients_take_the_factors_as_constants():
    module, keys = AdaptiveGradients(ROWS, WIDTH), torch.arange(ROWS)
    vectors = torch.randn(ROWS, WIDTH, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(ROWS, WIDTH, dtype=torch.float64)
    (first,) = torch.autograd.grad((module(vectors, keys) ** 3 * weights).sum(), vectors, create_graph=True)
    factors = (first / (3 * vectors**2 * weights)).detach()
    (second,) = torch.autograd.grad(first.sum(), vectors)
    own = (module.mean_squares.mean() / module.mean_squares[:-1]).sqrt()  # of the second way back, through the hook
    torch.testing.assert_close(second, 6 * vectors * weights * factors * own, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_no_gradient_gives_no_gradient():
    module, keys = AdaptiveGradients(ROWS, WIDTH), torch.arange(3)
    zeros = torch.zeros(3, WIDTH)
    assert torch.equal(adapted(module, zeros, keys, zeros), zeros)


# ---------------------------------------------------------------------------------------------------- in a GlyphCRM


@pytest.fixture
def model():
    return build(GlyphCrmForMaskedLM, **NO_DROPOUT, adaptive_gradients=True).train()


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_linear_layers_get_adapted_gradients_and_nothing_else_does(hybrid):
    inputs, grads = make_inputs(), []
    inputs["labels"] = inputs["input_ids"]
    for adaptive in (False, True):
        torch.manual_seed(0)
        model = build(GlyphCrmForMaskedLM, **NO_DROPOUT, adaptive_gradients=adaptive, id_embeddings=hybrid).train()
        model(**inputs).loss.backward()
        grads.append({name: one.grad for name, one in model.named_parameters() if one.grad is not None})
    for name, gradient in grads[0].items():
        same = torch.allclose(gradient, grads[1][name], atol=1e-7, rtol=1e-4)
        assert same != (".characters.encoder." in name), name


def test_mean_squares_are_saved_and_training_goes_on_from_them(model, tmp_path):
    inputs = make_inputs()
    inputs["labels"] = inputs["input_ids"]
    model(**inputs).loss.backward()
    model.zero_grad()
    model.save_pretrained(tmp_path)
    again = GlyphCrmForMaskedLM.from_pretrained(tmp_path).train()
    for each in (model, again):
        each(**inputs).loss.backward()
    for own, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    assert model.base_model.embeddings.characters.adaptive.mean_squares.any()


def test_without_the_option_there_is_no_buffer(tmp_path):
    plain = build(GlyphCrmForMaskedLM)
    assert not [name for name in plain.state_dict() if "mean_squares" in name]
    plain.save_pretrained(tmp_path)
    switched = GlyphCrmForMaskedLM.from_pretrained(tmp_path, adaptive_gradients=True)
    assert not switched.base_model.embeddings.characters.adaptive.mean_squares.any()


def test_evaluation_and_training_without_gradients_change_nothing(model):
    inputs = make_inputs()
    no_grad(model, inputs), no_grad(model.eval(), inputs), model(**inputs)
    assert not model.base_model.embeddings.characters.adaptive.mean_squares.any()


def test_rows_that_are_added_start_anew(model):
    inputs = make_inputs()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    bank = model.base_model.embeddings.characters
    before = bank.adaptive.mean_squares.clone()
    bank.resize(SIZES["glyph_vocab_size"] + 2)
    assert torch.equal(bank.adaptive.mean_squares[:-3], before[:-1])
    assert not bank.adaptive.mean_squares[-3:-1].any()
    assert torch.equal(bank.adaptive.mean_squares[-1], before[-1])
    bank.resize(4)
    assert torch.equal(bank.adaptive.mean_squares, torch.cat([before[:4], before[-1:]]))


def test_a_compiled_model_has_the_same_gradients(model):
    inputs = make_inputs()
    inputs["labels"] = inputs["input_ids"]
    other = copy.deepcopy(model)
    model(**inputs).loss.backward()
    torch.compile(other, backend="aot_eager")(**inputs).loss.backward()
    for (name, own), found in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found.grad, own.grad, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_graph_of_a_model_in_training_is_refused(model):
    ids = torch.arange(1, 5)[None]
    bank = model.base_model.embeddings.characters
    with pytest.raises(ValueError, match=r"adaptive_gradients.*model\.eval\(\)"):
        torch.jit.trace(bank, ids)
    with pytest.raises(Exception, match=r"adaptive_gradients.*model\.eval\(\)|torch\.compiler\.disable"):
        torch.export.export(bank, (ids,))
    torch.jit.trace(bank.eval(), ids)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mean_squares_are_loaded_in_float32(model, tmp_path, dtype):
    inputs = make_inputs()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    model.save_pretrained(tmp_path)
    again = GlyphCrmForMaskedLM.from_pretrained(tmp_path, dtype=dtype)
    for each in (again, again.to(dtype)):
        found = each.base_model.embeddings.characters.adaptive.mean_squares
        torch.testing.assert_close(found, model.base_model.embeddings.characters.adaptive.mean_squares)


def test_processes_share_them(model):
    names = [name for name, _ in model.named_buffers() if name not in model._ddp_params_and_buffers_to_ignore]
    assert names == ["glyph_crm.embeddings.characters.adaptive.mean_squares"]


def test_activation_checkpointing_counts_once(model):
    inputs = make_inputs()
    inputs["labels"] = inputs["input_ids"]
    other = copy.deepcopy(model)
    other.gradient_checkpointing_enable()
    for each in (model, other):
        each(**inputs).loss.backward()
    found, wanted = (each.base_model.embeddings.characters.adaptive.mean_squares for each in (other, model))
    torch.testing.assert_close(found, wanted)

"""Gradients that are adapted as Adam adapts those of a table, against Adam and against a slow way."""

import copy

import pytest
import torch
from glyph_crm_tools import NO_DROPOUT, SIZES, build, make_inputs, no_grad

from hanziformers import GlyphCrmForMaskedLM
from hanziformers.modeling.adaptive_gradients import BETA, AdaptiveGradients

ROWS, PARTS, HIDDEN = 6, 3, 4


def adapted(module, vectors, keys, gradients):
    """The gradients that come back for those that are given."""
    vectors = vectors.clone().requires_grad_()
    (found,) = torch.autograd.grad(module(vectors, keys), vectors, gradients)
    return found


@pytest.mark.parametrize("repeated", [False, True])
def test_equal_to_the_slow_way(repeated):
    module = AdaptiveGradients(ROWS, PARTS)
    mean_squares = torch.zeros(ROWS, PARTS)
    for step in range(5):
        keys = torch.tensor([0, 3, 3, 0, 5, 8] if repeated else [0, 3, 5, 8])
        keys[1 if step % 2 else -2] = 4 if not repeated else 0
        gradients = torch.randn(len(keys), PARTS * HIDDEN)
        found = adapted(module, torch.randn(len(keys), PARTS * HIDDEN), keys, gradients)
        squares = torch.zeros(ROWS, PARTS)
        for row in range(ROWS):
            squares[row] = gradients[keys == row].sum(0).view(PARTS, HIDDEN).square().mean(1)
        mean_squares = BETA * mean_squares + (1 - BETA) * squares / squares.sum(0)
        for place, key in enumerate(keys.tolist()):
            wanted = gradients[place].view(PARTS, HIDDEN)
            if key < ROWS:
                seen = mean_squares[mean_squares[:, 0] > 0]
                wanted = wanted * (seen.mean(0) / mean_squares[key]).sqrt()[:, None]
            torch.testing.assert_close(found[place], wanted.flatten())
    torch.testing.assert_close(module.mean_squares, mean_squares)


def test_characters_without_a_row_keep_their_gradients():
    """Else those of every batch's own would be as long as that of a row which was never seen before."""
    module, gradients = AdaptiveGradients(ROWS, PARTS), torch.randn(4, PARTS * HIDDEN)
    vectors, keys = torch.randn(4, PARTS * HIDDEN), torch.tensor([ROWS, ROWS + 3, 2, ROWS + 9])
    for _ in range(3):
        found = adapted(module, vectors, keys, gradients)
        torch.testing.assert_close(found[keys >= ROWS], gradients[keys >= ROWS])
    alone = AdaptiveGradients(ROWS, PARTS)
    torch.testing.assert_close(adapted(alone, vectors, keys + ROWS, gradients), gradients)
    assert not alone.mean_squares.any()


def test_the_scale_of_the_loss_changes_nothing():
    modules = [AdaptiveGradients(ROWS, PARTS) for _ in range(2)]
    for scale in (1.0, 2.0**16, 2.0**5):
        keys, gradients = torch.randperm(ROWS)[:4], torch.randn(4, PARTS * HIDDEN)
        found = [
            adapted(module, torch.zeros_like(gradients), keys, gradients * times) / times
            for module, times in zip(modules, (1.0, scale), strict=True)
        ]
        torch.testing.assert_close(found[0], found[1])


def test_frequent_and_rare_rows_move_as_under_adam():
    """Adapted gradients have the proportions in which Adam moves a table's rows."""
    rows, width = 60, 8
    chances = torch.logspace(0, -1.5, rows)
    module = AdaptiveGradients(rows, 1)
    table = torch.nn.Parameter(torch.zeros(rows, width))
    adam = torch.optim.Adam([table], lr=1.0, betas=(0.0, BETA), eps=1e-12)
    moved = {"adam": torch.zeros(rows), "adapted": torch.zeros(rows), "plain": torch.zeros(rows)}
    for step in range(3000):
        keys = (torch.rand(rows) < chances).nonzero().flatten()
        gradients = torch.randn(len(keys), width) * 10
        before = table.detach().clone()
        table.grad = torch.zeros(rows, width).index_add(0, keys, gradients)
        adam.step()
        ours = adapted(module, torch.zeros(len(keys), width), keys, gradients)
        if step >= 1000:
            moved["adam"] += (table.detach() - before).square().mean(1)
            moved["adapted"].index_add_(0, keys, ours.square().mean(1))
            moved["plain"].index_add_(0, keys, gradients.square().mean(1))
    shares = {name: rows * value / value.sum() for name, value in moved.items()}
    assert (shares["adapted"] - shares["adam"]).abs().mean() < 0.1
    assert (shares["plain"] - shares["adam"]).abs().mean() > 0.5
    torch.testing.assert_close(moved["adapted"].sum(), moved["plain"].sum(), rtol=0.1, atol=0)  # the length as a whole


def test_gradients_that_overflowed_leave_no_trace():
    module, keys = AdaptiveGradients(ROWS, PARTS), torch.arange(3)
    adapted(module, torch.randn(3, PARTS * HIDDEN), keys, torch.randn(3, PARTS * HIDDEN))
    before = module.mean_squares.clone()
    gradients = torch.randn(3, PARTS * HIDDEN)
    gradients[1, 2] = float("inf")  # in the first part
    assert not adapted(module, torch.randn(3, PARTS * HIDDEN), keys, gradients).isfinite().all()
    torch.testing.assert_close(module.mean_squares[:, 0], before[:, 0] * BETA)
    assert module.mean_squares.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_small_squares(dtype):
    module, keys = AdaptiveGradients(ROWS, PARTS).to(dtype), torch.arange(3)
    gradients = torch.full((3, PARTS * HIDDEN), 1e-4, dtype=dtype)
    found = adapted(module, torch.randn(3, PARTS * HIDDEN).to(dtype), keys, gradients)
    assert found.dtype == dtype
    torch.testing.assert_close(found, gradients)
    assert module.mean_squares.dtype == torch.float32


def test_no_gradient_gives_no_gradient():
    module, keys = AdaptiveGradients(ROWS, PARTS), torch.arange(3)
    zeros = torch.zeros(3, PARTS * HIDDEN)
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
    assert torch.equal(bank.adaptive.mean_squares[:-2], before)
    assert not bank.adaptive.mean_squares[-2:].any()


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

"""Training that encodes characters once a step gives the gradients of training that does so in every batch."""

from pathlib import Path

import pytest
import torch
from accelerate.state import GradientState, PartialState
from accelerate.utils import DistributedType
from encode_once_ranks import keeper
from glyph_crm_tools import NO_DROPOUT, build
from process_tools import run_ranks
from transformers import BertConfig, BertForMaskedLM, TrainingArguments

from hanziformers import GlyphCrmForMaskedLM
from hanziformers.modeling.step_vectors import StepVectors
from hanziformers.training.encode_once import EncodeOnce, trained_banks
from hanziformers.training.fine_tuning import FineTuningArguments
from hanziformers.training.finite_trainer import FiniteTrainer

HALF = {"atol": 1e-2, "rtol": 0.1}  # gradients of bfloat16


def assert_same(found, wanted, **tolerance):
    assert len(found) == len(wanted) > 0
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for name, gradient in theirs.items():
            torch.testing.assert_close(ours[name], gradient, **tolerance or {"atol": 1e-5, "rtol": 1e-3}, msg=name)


# the older name is deprecated, and the only one of older versions
CHECKPOINTING = next(
    name for name in ("activation_checkpointing", "gradient_checkpointing") if hasattr(TrainingArguments, name)
)


@pytest.mark.parametrize(
    ("options", "fields", "tolerance"),
    [
        pytest.param({}, {}, {}, id="plain"),
        pytest.param({"bf16": True}, {}, HALF, id="bf16"),
        pytest.param({"max_grad_norm": 0.01}, {}, {}, id="clipped"),
        pytest.param({CHECKPOINTING: True}, {}, {}, id="activation checkpointing"),
        pytest.param({}, {"feature_norm": "whiten", "feature_norm_interval": 1}, {}, id="feature_norm"),
        pytest.param({}, {"adaptive_gradients": True}, {}, id="adaptive_gradients"),
        pytest.param({}, {"id_embeddings": True}, {}, id="hybrid"),
    ],
)
def test_gradients_are_those_of_every_batch(tmp_path, options, fields, tolerance):
    """With rates so low that all steps start from the same weights."""
    found, encoded = {}, {}
    for once in (False, True):
        torch.manual_seed(0)
        model = build(GlyphCrmForMaskedLM, **NO_DROPOUT, **fields)
        trainer = keeper(tmp_path, once, model=model, learning_rate=1e-9, **options)
        (bank,) = trained_banks(model)
        numbers = encoded.setdefault(once, [])
        bank.encoder.block1.lift.register_forward_hook(
            lambda _, given, __, numbers=numbers: numbers.append(len(given[0]))
        )
        trainer.train()
        found[once] = trainer.steps
        assert bank.step_vectors is None
    if not fields.get("feature_norm"):  # its statistics age by steps, not by batches, and are estimated from images too
        assert sum(encoded[True]) < 0.8 * sum(encoded[False])
    assert len(found[True]) == 2  # of 4 and of 3 batches
    assert_same(found[True], found[False], **tolerance)


def test_processes_get_the_same_gradients(tmp_path):
    run_ranks(Path(__file__).with_name("encode_once_ranks.py"), tmp_path / "gradients.pt")
    found = torch.load(tmp_path / "gradients.pt")
    assert len(found[True]) == 1  # of 7 examples for each, in 4 batches
    assert_same(found[True], found[False])


def test_evaluation_between_steps_and_training_again(tmp_path):
    losses = {}
    for once in (False, True):
        trainer = keeper(tmp_path, once, eval_strategy="steps", eval_steps=1, learning_rate=1e-4)
        trainer.train()
        trainer.train()
        losses[once] = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)


def test_what_an_interrupted_step_held_is_forgotten(tmp_path):
    trainer = keeper(tmp_path, True)
    compute_loss, calls = trainer.compute_loss, []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute_loss(*args, **kwargs)

    trainer.compute_loss = fail
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    trainer.train()
    wanted = keeper(tmp_path, False)
    wanted.train()
    assert_same(trainer.steps[:1], wanted.steps[:1])


def test_an_evaluation_after_an_interrupted_step_has_fresh_statistics(tmp_path):
    model = build(GlyphCrmForMaskedLM, feature_norm="whiten", **NO_DROPOUT)
    (bank,) = trained_banks(model)
    ids = torch.arange(1, 9)
    bank.step_vectors = StepVectors(lambda: False)
    bank.train()(ids)
    with torch.no_grad():  # the step's weights are others by now, and nobody ended it
        bank.encoder.block1.lift.weight.mul_(3)
        found = bank.eval()(ids)
        bank.step_vectors = None
        bank.forget_statistics()
        torch.testing.assert_close(found, bank(ids))


def test_the_option_of_the_scripts(tmp_path):
    options = {"gradient_accumulation_steps": 2, "use_cpu": True, "eval_strategy": "no", "save_strategy": "no"}
    options |= {"load_best_model_at_end": False}
    for given in (False, True):
        args = FineTuningArguments(str(tmp_path), encode_once=given, **options)
        trainer = FiniteTrainer(build(GlyphCrmForMaskedLM), args, train_dataset=[{}])
        assert any(isinstance(one, EncodeOnce) for one in trainer.callback_handler.callbacks) == given
    plain = {"use_cpu": True, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    args = FineTuningArguments(str(tmp_path), encode_once=True, **plain)
    with pytest.raises(ValueError, match="--encode_once has no effect with --gradient_accumulation_steps 1: give more"):
        FiniteTrainer(build(GlyphCrmForMaskedLM), args, train_dataset=[{}]).train()


def frozen():
    model = build(GlyphCrmForMaskedLM)
    trained_banks(model)[0].encoder.requires_grad_(False)
    return model


def bert():
    sizes = {"vocab_size": 60, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    return BertForMaskedLM(BertConfig(**sizes, num_hidden_layers=1))


@pytest.mark.parametrize("make", [frozen, bert])
def test_models_on_which_it_has_no_effect_are_refused(tmp_path, make):
    model = make()
    with pytest.raises(ValueError, match=f"no effect on a {type(model).__name__}: no encoder of characters is trained"):
        keeper(tmp_path, True, model=model).train()


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM])
def test_sharded_weights_are_refused(tmp_path, monkeypatch, kind):
    trainer = keeper(tmp_path, True)
    monkeypatch.setitem(PartialState._shared_state, "distributed_type", kind)
    with pytest.raises(ValueError, match=f"with DistributedDataParallel, not with {kind.value}, or leave it out"):
        EncodeOnce().on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("torch_compile", True, "does not work with --torch_compile"),
        ("_n_gpu", 2, "does not work with DataParallel over 2 GPUs"),
    ],
)
def test_other_ways_of_training_are_refused(tmp_path, name, value, message):
    trainer = keeper(tmp_path, True)
    EncodeOnce().on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)
    setattr(trainer.args, name, value)
    with pytest.raises(ValueError, match=message):
        EncodeOnce().on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)


def test_weights_that_are_sharded_when_they_are_loaded_are_refused(tmp_path):
    """As DTensors, which accelerate knows nothing of."""
    trainer = keeper(tmp_path, True)
    next(trainer.model.parameters()).to_local = None
    with pytest.raises(ValueError, match="does not work with sharded weights"):
        EncodeOnce().on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)


def test_gradients_that_are_sent_after_every_batch_are_refused(tmp_path, monkeypatch):
    trainer = keeper(tmp_path, True)
    monkeypatch.setitem(GradientState().plugin_kwargs, "sync_each_batch", True)
    with pytest.raises(ValueError, match="does not work with sync_each_batch"):
        EncodeOnce().on_train_begin(trainer.args, trainer.state, trainer.control, model=trainer.model)

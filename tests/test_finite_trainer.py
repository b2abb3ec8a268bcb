"""Losses and weights that are not finite stop a run: with the step, before anything of it is saved or scored."""

import json

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from hanziformers.training.finite_trainer import FiniteTrainer, bad_weights, is_bad_loss

SIZES = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
ROWS = [{"input_ids": [2, 5 + row % 7, 3], "labels": row % 2} for row in range(16)]


class Model(BertForSequenceClassification):
    """A classifier whose loss, weights or logits are broken at given steps; a step is a forward pass in training."""

    loss_at = weights_at = gradients_at = 0
    break_logits = break_single = False
    value = float("nan")

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        output = super().forward(input_ids, attention_mask, labels=labels)
        self.passes = getattr(self, "passes", 0) + self.training
        if self.break_logits and not self.training:
            output.logits = torch.full_like(output.logits, self.value)
            output.loss = None
        if self.break_single and len(input_ids) == 1:
            output.loss = output.loss * self.value
        if self.training and self.passes == self.loss_at:
            output.loss = output.loss + self.value
        if self.training and self.passes == self.weights_at:
            with torch.no_grad():
                self.bert.embeddings.word_embeddings.weight[19] = self.value  # a row that no text reads
        if self.training and self.passes == self.gradients_at:
            self.classifier.bias.register_hook(lambda gradient: gradient * self.value)
        return output


def trainer(folder, cls=FiniteTrainer, model=None, rows=ROWS, more=None, **broken):
    model = model or Model(BertConfig(**SIZES))
    for name, value in broken.items():
        setattr(model, name, value)
    options = {"max_steps": 8, "eval_strategy": "steps", "eval_steps": 2, "save_steps": 2, "logging_steps": 100}
    options |= {"per_device_train_batch_size": 4, "use_cpu": True, "report_to": "none", "disable_tqdm": True}
    options |= {"load_best_model_at_end": True, "learning_rate": 1e-3, **(more or {})}
    return cls(model, TrainingArguments(str(folder), **options), train_dataset=rows, eval_dataset=ROWS)


def saved(folder):
    return sorted(path.name for path in folder.glob("checkpoint-*"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_first_loss_that_is_not_finite_is_refused(tmp_path, value, accumulated):
    more = {"gradient_accumulation_steps": accumulated}
    broken = trainer(tmp_path, loss_at=5 * accumulated, value=value, more=more)
    with pytest.raises(
        FloatingPointError, match="the loss of step 5 is .*--learning_rate .it was 0.001.*data"
    ) as found:
        broken.train()
    assert str(tmp_path) in str(found.value)
    assert saved(tmp_path) == ["checkpoint-2", "checkpoint-4"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_scored_nor_saved(tmp_path, value):
    """The loss stays finite: nothing reads the row."""
    broken = trainer(tmp_path, weights_at=5, value=value)
    with pytest.raises(FloatingPointError, match=r"word_embeddings.weight \(1 such weights\) .* after step 6"):
        broken.train()
    assert saved(tmp_path) == ["checkpoint-2", "checkpoint-4"]
    assert [row["step"] for row in broken.state.log_history if "eval_loss" in row] == [2, 4]


def test_gradients_that_overflow_in_single_precision_are_found_in_the_next_step(tmp_path):
    with pytest.raises(FloatingPointError, match="the loss of step 4|after step 4"):
        trainer(tmp_path, gradients_at=3, more={"max_grad_norm": 0.0}).train()
    assert saved(tmp_path) == ["checkpoint-2"]


def test_without_evaluation_the_end_of_training_is_checked(tmp_path):
    more = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    broken = trainer(tmp_path, weights_at=8, more=more)
    broken.train()
    for step in (broken.save_model, broken.evaluate, lambda: broken.predict(ROWS)):
        with pytest.raises(FloatingPointError, match="after step 8"):
            step()
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("step", ["train", "evaluate", "predict", "resume"])
def test_a_start_from_weights_that_are_not_finite_is_refused(tmp_path, step):
    if step == "resume":
        stock = trainer(tmp_path, Trainer, weights_at=1, more={"load_best_model_at_end": False, "max_steps": 2})
        stock.train()
        again = trainer(tmp_path)
        with pytest.raises(FloatingPointError, match="before any step: .* from which training resumes, is damaged"):
            again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        return
    broken = trainer(tmp_path)
    broken.model.config._name_or_path = "some/checkpoint"
    broken.model.classifier.bias.data[1] = float("nan")
    run = {"train": broken.train, "evaluate": broken.evaluate, "predict": lambda: broken.predict(ROWS)}[step]
    with pytest.raises(FloatingPointError, match="classifier.bias .* before any step: the model .some/checkpoint."):
        run()
    assert not saved(tmp_path)


def test_outputs_that_are_not_numbers_are_not_scored(tmp_path):
    """As half precision gives them, of weights that are finite."""
    broken = trainer(tmp_path, break_logits=True)
    broken.compute_metrics = lambda prediction: {"score": 1.0}
    with pytest.raises(FloatingPointError, match="evaluation: losses or logits are nan"):
        broken.evaluate()
    with pytest.raises(FloatingPointError, match="prediction: losses or logits are nan"):
        broken.predict([{"input_ids": row["input_ids"]} for row in ROWS])
    broken.model.value = float("inf")
    with pytest.raises(FloatingPointError, match="prediction: losses or logits are nan or infinite"):
        broken.predict([{"input_ids": row["input_ids"]} for row in ROWS])
    broken.model.value = -float("inf")  # the logits of what cannot be
    broken.predict([{"input_ids": row["input_ids"]} for row in ROWS])


def test_a_loss_of_the_validation_data_that_is_not_finite_is_refused(tmp_path):
    broken = trainer(tmp_path, break_single=True)
    broken.eval_dataset = [*ROWS, ROWS[0]]  # the last batch has one row; the Trainer leaves its loss out of the mean
    with pytest.raises(FloatingPointError, match="evaluation: losses"):
        broken.train()
    assert not saved(tmp_path)


def test_a_batch_without_labels_is_no_fault():
    logits = torch.zeros(2, 3, requires_grad=True)
    none, some = torch.full((2,), -100), torch.tensor([-100, 1])
    loss = nn.functional.cross_entropy(logits, none)
    loss.backward()
    assert loss.isnan()
    assert not logits.grad.any()
    assert not is_bad_loss(loss, {"labels": none})
    assert is_bad_loss(loss, {"labels": some})
    assert is_bad_loss(loss, {"labels": torch.zeros(2)})
    assert is_bad_loss(loss, {})
    assert not is_bad_loss(torch.tensor(1.0), {"labels": some})


def test_a_run_that_is_fine_gives_what_the_stock_trainer_gives(tmp_path):
    weights = []
    for cls in (Trainer, FiniteTrainer):
        torch.manual_seed(0)
        run = trainer(tmp_path / cls.__name__, cls, more={"logging_steps": 1})
        run.train()
        history = [{k: v for k, v in row.items() if "loss" in k} for row in run.state.log_history]
        weights.append((history, run.predict(ROWS).predictions.tolist()))
    assert json.dumps(weights[0]) == json.dumps(weights[1])


def test_bad_weights_are_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Embedding(3, 2))
    assert bad_weights(model) == []
    model[0].bias.data[0], model[2].weight.data[1, 1] = float("inf"), float("nan")
    assert bad_weights(model) == ["0.bias", "2.weight"]
    assert bad_weights(nn.Identity()) == []


def test_processes_of_which_each_would_train_alone_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    trainer(tmp_path)
    made = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")  # of one process, as without --use_cpu
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 processes were started, and each would train alone, .* --use_cpu True"):
        FiniteTrainer(Model(BertConfig(**SIZES)), made)

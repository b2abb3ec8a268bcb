"""A short run of the Trainer that leaves checkpoints of steps 2, 4 and 6."""

from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification, TrainingArguments

from hanziformers.training.finite_trainer import FiniteTrainer

SIZES = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
ROWS = [{"input_ids": [2, 5 + row % 7, 3], "labels": row % 2} for row in range(16)]


def make_model(**sizes):
    return BertForSequenceClassification(BertConfig(**{**SIZES, **sizes}))


def arguments(folder: Path, value=None, **more) -> TrainingArguments:
    options = {"use_cpu": True, "report_to": "none", "disable_tqdm": True, "save_steps": 2, "max_steps": 6}
    options |= {"per_device_train_batch_size": 4, "logging_steps": 1, "learning_rate": 1e-2}
    return TrainingArguments(str(folder), resume_from_checkpoint=value, **{**options, **more})


def make_trainer(folder: Path, value=None, model=None, **more) -> FiniteTrainer:
    return FiniteTrainer(model or make_model(), arguments(folder, value, **more), train_dataset=ROWS)


def losses(trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]

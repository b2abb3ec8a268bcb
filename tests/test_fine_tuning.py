"""The frame with a task of another kind: no labels, several windows a text, two logits a token."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoModelForQuestionAnswering, default_data_collator

from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.fine_tuning import FineTuningArguments, Task, fine_tune
from hanziformers.training.model_loading import ModelArguments

SIZES = "hidden_size=16,num_hidden_layers=1,num_attention_heads=2,intermediate_size=16,max_position_embeddings=16"
TEXTS = ["天好地", "好天地天", "天地天地好", "地好天", "好地", "天天好"] * 4
CARD = "# $name\n$model_class $start $labels $length $best $data $results $by_label $fonts $command $seed"
CARD += " $parameters $version $transformers $torch $pypinyin"


@dataclass
class Report:
    rows: int


@dataclass
class Find(Task):
    """Finds a character in a text, as extractive reading does; each text is encoded twice, as two windows."""

    wanted: str = "好"

    pipeline_tag = "question-answering"
    title = "finding"
    tags = ()
    scores = ("exact",)
    counts = ("rows",)
    auto_class = AutoModelForQuestionAnswering
    best_score = "exact"

    def read(self, source):
        texts = Path(source).read_text(encoding="utf-8").split()
        return Dataset.from_dict({"text": texts}), Report(len(texts))

    def labelled_rows(self, dataset):
        return [row for row, text in enumerate(dataset["text"]) if self.wanted in text]

    def encode(self, dataset, processing_class, labels, max_length):
        texts = [text for text in dataset["text"] for _ in range(2)]
        output = processing_class(texts, padding="max_length", max_length=max_length, truncation=True)
        positions = [text.find(self.wanted) + 1 for text in texts]
        made = {**output, "start_positions": positions, "end_positions": positions}
        return Dataset.from_dict(made), Report(len(texts))

    def collator(self, tokenizer, pad_to_multiple_of):
        return default_data_collator

    def preprocess_logits(self, logits, labels):
        return tuple(part.argmax(-1) for part in logits)

    def scorer(self, dataset, encoded, labels):
        return FindScorer(dataset["text"][:], self.wanted)

    def card_fields(self, labels, reports):
        return {"labels": f"{labels} labels"}


class FindScorer:
    def __init__(self, texts, wanted):
        self.texts, self.wanted = texts, wanted

    def __call__(self, prediction):
        return self.scores(prediction.predictions)

    def scores(self, predictions):
        pairs = zip(self.texts, self.found(predictions), strict=True)
        hits = [text.find(self.wanted) == start for text, (start, _) in pairs if self.wanted in text]
        return {"exact": sum(hits) / len(hits)} if hits else {}

    def by_label(self, predictions):
        return {}

    def rows(self, predictions):
        found = self.found(predictions)
        return [{"text": text, "answer": span} for text, span in zip(self.texts, found, strict=True)]

    def found(self, predictions):
        starts, ends = (np.asarray(part)[::2] - 1 for part in predictions)  # the first window of each text
        return list(zip(starts.tolist(), ends.tolist(), strict=True))


@pytest.fixture
def arguments(tmp_path):
    """Model, data and training arguments; a function that takes further options of the three."""
    (tmp_path / "train.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    (tmp_path / "test.txt").write_text("\n".join([*TEXTS[:6], "天地"]), encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天地好"]) + "\n")
    vocabulary = str(tmp_path / "vocab.txt")
    model = ModelArguments(model_type="bert", vocab_file=vocabulary, config_overrides=SIZES)

    def make(do_train=True, **data):
        files = {name: str(tmp_path / f"{name}.txt") for name in ("train", "test")}
        steps = {"do_train": do_train, "do_eval": True, "do_predict": True, "num_train_epochs": 12, "seed": 3}
        options = {"learning_rate": 1e-2, "use_cpu": True, "disable_tqdm": True, "warmup_steps": 0}
        training = FineTuningArguments(str(tmp_path / "out"), per_device_train_batch_size=8, **steps, **options)
        return model, DataArguments(train_file=files["train"], test_file=files["test"], **data), training

    return make


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_task_of_another_kind(arguments, tmp_path, capsys):
    (tmp_path / "card.md").write_text(CARD, encoding="utf-8")
    model, data, training = arguments(validation_fraction=0.25, max_seq_length=10)
    results = fine_tune(Find(), model, data, training, card=tmp_path / "card.md", command=["run_find.py", "--x", "a b"])
    assert results == {"validation": {"exact": 1.0}, "test": {"exact": 1.0, "by_label": {}}}
    assert training.metric_for_best_model == "exact"
    assert "test exact 1.0000" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [*TEXTS[:6], "天地"]
    coverage = read_json(tmp_path / "out" / "coverage.json")
    assert list(coverage) == ["train", "validation", "test"]
    assert [split["rows"] for split in coverage.values()] == [
        36,
        12,
        14,
    ]  # two windows a text; counts go before reports
    metrics = read_json(tmp_path / "out" / "all_results.json")
    assert metrics["test_exact"] == metrics["eval_exact"] == 1.0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for piece in ("run_find.py --x 'a b'", "| test | 1.0000 |", "25% of the training data", " 10 exact ", "[] labels"):
        assert piece in card, piece


def test_no_card_without_a_template(arguments, tmp_path):
    fine_tune(Find(), *arguments())
    assert (tmp_path / "out" / "coverage.json").exists()
    assert not (tmp_path / "out" / "README.md").exists()


def test_a_figure_of_ones_own_chooses_the_checkpoint(arguments, tmp_path):
    model, data, training = arguments()
    training.metric_for_best_model, training.greater_is_better = "loss", False
    fine_tune(Find(), model, data, training)
    state = read_json(tmp_path / "out" / "trainer_state.json")
    assert state["best_metric"] == min(entry["eval_loss"] for entry in state["log_history"] if "eval_loss" in entry)


def test_one_length_check_for_all_tasks(arguments, warnings):
    with pytest.raises(ValueError, match="max_seq_length=4: .*give 5 or more"):
        fine_tune(Find(), *arguments(max_seq_length=4))
    fine_tune(Find(), *arguments(do_train=False, max_seq_length=17))
    assert any("max_seq_length=17 is more than the 16 tokens" in text for text in warnings)


def test_a_task_without_its_parts_cannot_be_made():
    class Half(Task):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Half()

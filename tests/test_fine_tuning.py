"""The frame with a task of another kind: no labels, several windows a text, two logits a token."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoModelForQuestionAnswering, TrainerCallback, default_data_collator

from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.fine_tuning import FineTuningArguments, Task, fine_tune, run_script
from hanziformers.training.model_loading import ModelArguments

SIZES = "hidden_size=16,num_hidden_layers=1,num_attention_heads=2,intermediate_size=16,max_position_embeddings=16"
TEXTS = ["天好地", "好天地天", "天地天地好", "地好天", "好地", "天天好"] * 4
CARD = "# $name\n$model_class $start $usage $model $labels $length $checkpoint $data $results $fonts $command $seed"
CARD += " $parameters $version $transformers $torch $pypinyin"


@dataclass
class Report:
    rows: int


@dataclass
class Find(Task):
    """Finds a character in a text, as extractive reading does; each text is encoded twice, as two windows."""

    wanted: str = "好"

    def __post_init__(self):
        self.met = []  # what the frame told the task

    pipeline_tag = "question-answering"
    title = "finding"
    tags = ()
    scores = ("exact",)
    counts = ("read.rows", "used.rows")
    auto_class = AutoModelForQuestionAnswering
    best_score = "exact"

    def read(self, source):
        texts = Path(source).read_text(encoding="utf-8").split()
        return Dataset.from_dict({"text": texts}), Report(len(texts))

    def labelled_rows(self, dataset):
        return [row for row, text in enumerate(dataset["text"]) if self.wanted in text]

    def encode(self, dataset, processing_class, labels, max_length, split):
        self.met.append((split, len(dataset)))
        texts = [text for text in dataset["text"] for _ in range(2)]
        output = processing_class(texts, padding="max_length", max_length=max_length, truncation=True)
        positions = [text.find(self.wanted) + 1 for text in texts]
        made = {**output, "start_positions": positions, "end_positions": positions}
        return Dataset.from_dict(made), Report(len(texts))

    def collator(self, tokenizer, pad_to_multiple_of):
        return default_data_collator

    def preprocess_logits(self, logits, labels):
        return tuple(part.argmax(-1) for part in logits)

    def callbacks(self):
        met = self.met

        class Begin(TrainerCallback):
            def on_train_begin(self, args, state, control, **others):
                met.append(("train begins", args.seed))

        return [Begin()]

    def scorer(self, dataset, encoded, labels, processing_class):
        self.met.append(("scorer", processing_class.unk_token))
        return FindScorer(dataset["text"][:], self.wanted)

    def card_fields(self, labels, reports, processing_class):
        return {"labels": f"{labels} labels, mask {processing_class.mask_token}"}


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
    task, before = Find(), asdict(training)
    results = fine_tune(task, model, data, training, card=tmp_path / "card.md", command=["run_find.py", "--x", "a b"])
    assert results == {"validation": {"exact": 1.0}, "test": {"exact": 1.0, "by_label": {}}}
    assert asdict(training) == before
    assert "exact 1.0000" not in capsys.readouterr().out
    splits = [("train", 18), ("validation", 6), ("test", 7)]
    assert task.met == [*splits, ("scorer", "[UNK]"), ("train begins", 3), ("scorer", "[UNK]")]
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [*TEXTS[:6], "天地"]
    coverage = read_json(tmp_path / "out" / "coverage.json")
    assert list(coverage) == ["train", "validation", "test"]
    assert [split["read"] for split in coverage.values()] == [{"rows": 24}, None, {"rows": 7}]
    assert [split["used"]["rows"] for split in coverage.values()] == [36, 12, 14]  # two windows a text
    metrics = read_json(tmp_path / "out" / "all_results.json")
    assert metrics["test_exact"] == metrics["eval_exact"] == 1.0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    pieces = (
        "run_find.py --x 'a b'",
        "| test | 1.0000 |",
        "[] labels, mask [MASK]",
        " 10 The checkpoint with the best",
    )
    rows = ("read.rows | used.rows |", "train.txt | 24 | 36 |", "25% of the training data |  | 12 |")
    for piece in (
        *pieces,
        *rows,
        "best exact on the validation data. ",
        "trained from scratch",
        "code, so it also loads",
    ):
        assert piece in card, piece
    assert "by label" not in card


def test_no_card_without_a_template(arguments, tmp_path):
    fine_tune(Find(), *arguments())
    assert (tmp_path / "out" / "coverage.json").exists()
    assert not (tmp_path / "out" / "README.md").exists()


def test_a_figure_of_ones_own_chooses_the_checkpoint(arguments, tmp_path):
    model, data, training = arguments()
    training.metric_for_best_model = "loss"
    fine_tune(Find(), model, data, training)
    assert best_and_all(tmp_path, "eval_loss")[0] == min(best_and_all(tmp_path, "eval_loss")[1])


@dataclass
class Miss(Find):
    """Of which a low score is good; the second epoch has the best."""

    scores = ("misses",)
    best_score = "misses"
    greater_is_better = False

    def scorer(self, dataset, encoded, labels, processing_class):
        made, figures = FindScorer(dataset["text"][:], self.wanted), iter([3.0, 1.0, 2.0] * 9)
        made.scores = lambda predictions: {"misses": next(figures)}
        return made


@pytest.mark.parametrize("metric", ["auto", "misses", "eval_misses"])
def test_the_lowest_score_chooses_where_low_is_good(arguments, tmp_path, metric):
    model, data, training = arguments()
    training.metric_for_best_model = metric
    fine_tune(Miss(), model, data, training)
    best, met = best_and_all(tmp_path, "eval_misses")
    assert best == min(met) == 1
    assert max(met) == 3


def test_whether_greater_is_better_can_be_given(tmp_path):
    named = FineTuningArguments(str(tmp_path), metric_for_best_model="exact", greater_is_better=False, use_cpu=True)
    named.choose_metric(Find())
    assert (named.metric_for_best_model, named.greater_is_better) == ("exact", False)
    for metric, expected in (("auto", True), ("exact", True), ("loss", False), ("other", True)):
        usual = FineTuningArguments(str(tmp_path), metric_for_best_model=metric, use_cpu=True)
        usual.choose_metric(Find())
        assert usual.greater_is_better == expected


def best_and_all(tmp_path, name):
    """The figure of the checkpoint that was kept, and that of every epoch."""
    state = read_json(tmp_path / "out" / "trainer_state.json")
    return state["best_metric"], [entry[name] for entry in state["log_history"] if name in entry]


def test_a_run_without_training_holds_nothing_out_and_claims_nothing(arguments, tmp_path):
    (tmp_path / "card.md").write_text(CARD, encoding="utf-8")
    fine_tune(Find(), *arguments())
    _, data, training = arguments(do_train=False)
    model = ModelArguments(str(tmp_path / "out"))
    training.output_dir = str(tmp_path / "again")
    assert set(fine_tune(Find(), model, data, training, card=tmp_path / "card.md")) == {"test"}
    assert list(read_json(tmp_path / "again" / "coverage.json")) == ["train", "test"]
    card = (tmp_path / "again" / "README.md").read_text(encoding="utf-8")
    for piece in (f"loaded from `{tmp_path / 'out'}`, not trained", "but no model: ", "without training. "):
        assert piece in card, piece
    for claim in ("fine-tuned", "best", "code, so it also loads", "% of the training data"):
        assert claim not in card, claim


def test_a_script_shows_the_figures(tmp_path, arguments):
    model, data, _ = arguments()
    named = {**asdict(model), **asdict(data), "output_dir": str(tmp_path / "out"), "use_cpu": True, "do_train": True}
    named |= {"do_predict": True, "num_train_epochs": 12, "learning_rate": 1e-2, "seed": 3, "warmup_steps": 0}
    argv = [str(part) for name, value in named.items() if value not in (None, False) for part in (f"--{name}", value)]
    shown = []
    (tmp_path / "card.md").write_text(CARD, encoding="utf-8")
    results = run_script(Find, "run_find.py", tmp_path / "card.md", argv, show=shown.append)
    assert shown == [f"{name} exact {results[name]['exact']:.4f}" for name in ("validation", "test")]


def test_one_length_check_for_all_tasks(arguments, warnings):
    with pytest.raises(ValueError, match="max_seq_length=2: .*give 3 or more"):
        fine_tune(Find(), *arguments(max_seq_length=2))
    fine_tune(Find(), *arguments(do_train=False, max_seq_length=17))
    assert any("max_seq_length=17 is more than the 16 tokens" in text for text in warnings)

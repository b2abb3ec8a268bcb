"""Fine-tunes, evaluates and predicts: the one frame of every task.

    results = fine_tune(
        NerTask(),
        ModelArguments(model_name_or_path="checkpoint"),
        DataArguments(train_file="train.bmes", test_file="test.bmes"),
        FineTuningArguments("outputs/ner", do_train=True, do_predict=True),
    )

A task (see `task`) brings a reader, an encoder and a scorer. Everything else is here, and the same for all tasks: which
rows are used, how long texts may be, how training resumes, and what is written.
"""

import json
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import HfArgumentParser, PreTrainedModel, Trainer, TrainingArguments, set_seed
from transformers.utils import logging

from .controls import refuse_permuted_pinyin
from .data_arguments import DataArguments
from .data_splits import read_splits, select_rows
from .fine_tuning_card import origin_fields, results_section
from .fine_tuning_checks import (
    check_label_smoothing,
    check_steps,
    pad_on_the_right,
    padding_multiple,
    sequence_length,
)
from .finite_trainer import FiniteTrainer
from .glyph_loss_callback import GlyphLossCallback, scheduled_modules
from .model_card import eval_results, table, write_card, write_json_lines
from .model_loading import ModelArguments, get_tokenizer
from .resuming import train
from .task import ProcessingClass, Scorer, Splits, Task

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


@dataclass
class FineTuningArguments(TrainingArguments):
    """TrainingArguments with the defaults of fine-tuning: the best checkpoint is kept."""

    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = field(
        default="auto", metadata={"help": "auto: the figure that is usual for the task"}
    )
    report_to: str = "none"
    learning_rate: float | None = field(
        default=None,
        metadata={"help": "default: 1e-3 for models of LSTMs, 4e-5 for all others"},
    )
    learning_rates: str = field(
        default="",
        metadata={
            "help": "MPM-CNER, Glyce: rates of parts, e.g. swin=1e-4,rest=1e-3 (0 freezes a part); --learning_rate is "
            "that of the text encoder"
        },
    )
    warmup_steps: float = 0.1
    per_device_train_batch_size: int = 16
    encode_once: bool = field(
        default=False,
        metadata={"help": "encode characters once a step, not once in each of --gradient_accumulation_steps batches"},
    )
    dataloader_pin_memory: bool = field(default_factory=torch.cuda.is_available)

    def __post_init__(self) -> None:
        given = self.greater_is_better
        super().__post_init__()
        # transformers decides by the metric's name, which may still be "auto": `choose_metric` decides
        self.greater_is_better = given

    def choose_metric(self, task: Task) -> None:
        """Fills in the figure that chooses the best checkpoint, and whether a greater one is better."""
        if self.metric_for_best_model == "auto":
            self.metric_for_best_model = task.best_score
        metric = self.metric_for_best_model
        if self.greater_is_better is None and metric is not None:
            is_usual = metric.removeprefix("eval_") == task.best_score
            self.greater_is_better = task.greater_is_better if is_usual else not metric.endswith("loss")


@dataclass
class _Run:
    """One run: its task and options, and its data as they are used, by split."""

    task: Task
    model_args: ModelArguments
    data_args: DataArguments
    data: Splits
    reports: dict[str, Any]
    labels: list[str]
    length: int
    processing_class: ProcessingClass
    encoded: Splits = field(default_factory=dict)
    coverage: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def scores(self) -> Sequence[str]:
        """The names of the figures."""
        return self.task.score_names(self.labels)

    def scorer(self, split: str) -> Scorer:
        """The task's scorer of a split."""
        return self.task.scorer(self.data[split], self.encoded[split], self.labels, self.processing_class)


def fine_tune(
    task: Task,
    model_args: ModelArguments,
    data_args: DataArguments,
    training_args: FineTuningArguments,
    *,
    card: Path | None = None,
    command: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Trains, evaluates and predicts as `training_args` say, and writes the outcome into their `output_dir`.

    Beside the model it writes all_results.json, coverage.json, predictions.jsonl for the test data and, from the
    template `card`, README.md. coverage.json has for each split "read", which says what the reader met in the whole
    file (null for data that were held out), and "used", which says what the model cannot see or predict of
    the rows that this run uses.

    Args:
        task: what is learned.
        model_args: the checkpoint, or the model from scratch.
        data_args: the data; where the run trains without validation data, a part of the training data is held out.
        training_args: options of the Trainer, which stay as they are.
        card: template of the model card, one of model_cards/; None for no card.
        command: the script and its options as they were given, for the card.

    Returns:
        The figures by split; those of the test data with "by_label".

    Raises:
        ValueError: a step has no data, or the data do not fit the task, the model or the options; a checkpoint to
            resume from is damaged, or another model's.
        FloatingPointError: a loss or a weight is nan or infinite.
    """
    training_args = copy(training_args)
    training_args.choose_metric(task)
    set_seed(training_args.seed)
    read, reports = read_splits(task, data_args)
    check_steps(training_args, read, command[0] if command else "SCRIPT")
    data = select_rows(task, read, data_args, training_args.seed, training_args.do_train)
    labels = task.labels(read, reports)
    texts = task.training_texts(data["train"]) if "train" in data else ()
    model, processing_class, labels = task.load_model(model_args, labels, training_args.do_train, texts)
    if not task.permutes_pinyin:
        refuse_permuted_pinyin(model.config)
    check_label_smoothing(training_args, model)
    pad_on_the_right(get_tokenizer(processing_class))
    longest = get_tokenizer(processing_class).model_max_length
    length = sequence_length(data_args.max_seq_length, longest, task.shortest)
    run = _Run(task, model_args, data_args, data, reports, labels, length, processing_class)
    _encode(run, training_args)
    trainer = _trainer(run, model, training_args, padding_multiple(length, longest))
    results = _run_steps(run, trainer)
    if trainer.is_world_process_zero():
        _write_coverage(run, Path(training_args.output_dir))
        if card is not None:
            _write_card(run, trainer, results, card, command)
    return results


def run_script(
    task_class: type[Task], script: str, card: Path, argv: list[str] | None, *, show: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """`fine_tune` from a command line: the body of the scripts run_scripts/run_*.py.

    Args:
        task_class: a dataclass; its fields become options beside those of model, data and training.
        script: the name of the script, for the model card.
        card: template of the model card.
        argv: the options; None for those of the process.
        show: called with a line of figures for each split, and with the task's example, in one process only: `print`.
    """
    parser = HfArgumentParser((task_class, ModelArguments, DataArguments, FineTuningArguments))
    task, *arguments = parser.parse_args_into_dataclasses(argv)
    command = [script, *(sys.argv[1:] if argv is None else argv)]
    results = fine_tune(task, *arguments, card=card, command=command)
    if arguments[-1].process_index == 0:
        for name, scores in results.items():
            show(" ".join([name, *(f"{key} {value:.4f}" for key, value in scores.items() if key != "by_label")]))
        if example := task.example():
            show(example)
    return results


def _encode(run: _Run, training_args: TrainingArguments) -> None:
    """Fills in `encoded` and `coverage`."""
    for name, dataset in run.data.items():
        # the other processes of a node wait, then read what the first one has cached
        with training_args.main_process_first(desc=f"tokenising {name}"):
            encoded, counts = run.task.encode(dataset, run.processing_class, run.labels, run.length, name)
        logger.warning(f"{name}: {counts}")
        # data that were held out have no report of their own
        report = asdict(run.reports[name]) if name in run.reports else None
        run.encoded[name], run.coverage[name] = encoded, {"read": report, "used": asdict(counts)}


def _trainer(
    run: _Run, model: PreTrainedModel, training_args: TrainingArguments, pad_to_multiple_of: int | None
) -> Trainer:
    if not training_args.do_train:
        training_args.eval_strategy = "no"  # the Trainer refuses another one where there are no validation data
    return FiniteTrainer(
        model=model,
        args=training_args,
        train_dataset=run.encoded.get("train"),
        eval_dataset=run.encoded.get("validation"),
        processing_class=run.processing_class,
        data_collator=run.task.collator(get_tokenizer(run.processing_class), pad_to_multiple_of),
        callbacks=[*run.task.callbacks(), *([GlyphLossCallback()] if scheduled_modules(model) else [])],
        compute_metrics=run.scorer("validation") if "validation" in run.encoded else None,
        preprocess_logits_for_metrics=run.task.preprocess_logits,
    )


def _run_steps(run: _Run, trainer: Trainer) -> dict[str, dict[str, Any]]:
    """Trains, evaluates and predicts; returns the figures by split."""
    results: dict[str, dict[str, Any]] = {}
    if trainer.args.do_train:
        train(trainer)
    if trainer.args.do_eval and "validation" in run.encoded:
        metrics = trainer.evaluate()
        trainer.save_metrics("eval", metrics)
        results["validation"] = {key: metrics[f"eval_{key}"] for key in run.scores}
    if trainer.args.do_predict:
        scores = _predict(run.task, trainer, run.encoded["test"], run.scorer("test"))
        results |= {"test": scores} if scores else {}
    return results


def _predict(task: Task, trainer: Trainer, encoded: Dataset, scorer: Scorer) -> dict[str, Any]:
    """Predicts the test data and writes predictions.jsonl and the task's own form; returns figures of labelled rows."""
    trainer.compute_metrics = None  # rows may be unlabelled: the scorer leaves those out, the Trainer would not
    output = trainer.predict(encoded, metric_key_prefix="test")
    scores: dict[str, Any] = scorer.scores(output.predictions)
    if not scores:
        output.metrics.pop("test_loss", None)  # of no label at all, which is 0 and no figure of the model
    trainer.save_metrics("test", {**output.metrics, **{f"test_{key}": value for key, value in scores.items()}})
    if trainer.is_world_process_zero():
        folder = Path(trainer.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json_lines(folder / "predictions.jsonl", scorer.rows(output.predictions))
        task.write_predictions(folder, scorer, output.predictions)
    return {**scores, "by_label": scorer.by_label(output.predictions)} if scores else {}


def _write_coverage(run: _Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    coverage = json.dumps(run.coverage, indent=2, ensure_ascii=False)
    (folder / "coverage.json").write_text(coverage + "\n", encoding="utf-8")


def _write_card(
    run: _Run, trainer: Trainer, results: dict[str, dict[str, Any]], card: Path, command: Sequence[str]
) -> None:
    """README.md: the data, the figures and the settings of the run."""
    task, sources = run.task, run.data_args.sources()
    for name in run.data.keys() - run.reports.keys():
        sources[name] = f"{getattr(run.data_args, f'{name}_fraction'):.0%} of the training data"
    counts = [[name, sources[name], *(_count(row, key) for key in task.counts)] for name, row in run.coverage.items()]
    write_card(
        card,
        run.model_args,
        trainer,
        command,
        pipeline_tag=task.pipeline_tag,
        tags=task.tags,
        figures=eval_results(task.pipeline_tag, task.title, sources, results, run.scores),
        length=str(run.length),
        data=table(f"split source {' '.join(task.counts)}", counts),
        results=results_section(results, run.scores),
        **origin_fields(run.model_args, trainer.args),
        **task.card_fields(run.labels, run.reports, run.processing_class),
    )


def _count(coverage: dict[str, Any], key: str) -> Any:
    """The count "read.NAME" or "used.NAME"; nothing for a split that has no report."""
    side, name = key.split(".", 1)
    return (coverage[side] or {}).get(name, "")


__all__ = ["FineTuningArguments", "Scorer", "Task", "fine_tune", "run_script"]

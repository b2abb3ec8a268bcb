"""Fine-tunes a model to classify texts or pairs of texts, into one class or with several labels, and scores it.

    python run_scripts/run_classification.py --model_name_or_path checkpoint --train_file train.tsv \
        --validation_file dev.tsv --test_file test.tsv --output_dir outputs/reviews --do_train --do_eval --do_predict

Any checkpoint works, GlyphCRM's, ChineseBERT's and BERT's alike; with --model_type, --vocab_file and --config_overrides
a model is made from scratch instead. Data: TSV, CSV or JSON lines, or --dataset_name for a data set of the Hub; columns
of unknown names are named by --text_column, --pair_column and --label_column. With --multi_label True every label
applies by itself. Every option of TrainingArguments is taken too; the checkpoint with the best accuracy (multi-label:
macro F1) on the validation data is kept, and a run that was interrupted goes on from its last checkpoint
(--resume_from_checkpoint False starts anew).

Writes beside the model: all_results.json, coverage.json (what was read, and what was cut), predictions.jsonl for the
test data, README.md (the model card).
"""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from datasets import Dataset, Value, load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    HfArgumentParser,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    set_seed,
)
from transformers.processing_utils import ProcessorMixin
from transformers.utils import logging

from hanziformers.training.classification_data import ReadReport, from_dataset, read_classification, sort_labels
from hanziformers.training.classification_task import (
    ClassificationScorer,
    encode_classification,
    encode_labels,
    stratified_sample,
)
from hanziformers.training.fine_tuning import SPLITS, FineTuningArguments, check_steps, padding_multiple, train
from hanziformers.training.model_card import eval_results, table, write_card, write_json_lines
from hanziformers.training.model_loading import ModelArguments, get_tokenizer, load_model

logger = logging.get_logger("run_classification")
CARD = Path(__file__).parent.parent / "model_cards" / "text_classification.md"
SCORES = ("accuracy", "macro_f1", "micro_f1")
PROBLEMS = {False: "single_label_classification", True: "multi_label_classification"}
DECISIONS = {
    False: "The most probable class; accuracy, and F1 as mean over the classes (macro) and over all texts (micro).",
    True: "Every label of at least 0.5 probability; accuracy counts texts of which all labels are right, F1 is the "
    "mean over the labels (macro) and over all decisions (micro).",
}


@dataclass
class ClassificationArguments(ModelArguments):
    """What to train, on which data."""

    train_file: str | None = field(default=None, metadata={"help": "TSV, CSV or JSON lines, also .gz"})
    validation_file: str | None = field(default=None, metadata={"help": "as train_file"})
    test_file: str | None = field(default=None, metadata={"help": "as train_file; labels may be missing"})
    dataset_name: str | None = field(
        default=None, metadata={"help": "in place of files: data set of the Hub, or a folder"}
    )
    dataset_config_name: str | None = None
    text_column: str | None = field(default=None, metadata={"help": "default: the one of a known name; or a position"})
    pair_column: str | None = field(default=None, metadata={"help": "column of the text pairs of pairs"})
    label_column: str | None = None
    multi_label: bool = field(default=False, metadata={"help": "a text has any number of labels, not just one"})
    label_separator: str = field(default=",", metadata={"help": "multi-label: between the labels of a text"})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "share of the training data that is held out where there is no validation data"}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "train on so many rows only, of each label its share (few-shot)"}
    )
    max_seq_length: int | None = field(default=None, metadata={"help": "in tokens; default: what the model can take"})


@dataclass
class ClassificationTrainingArguments(FineTuningArguments):
    """TrainingArguments with the defaults of this task."""

    metric_for_best_model: str | None = field(
        default="auto", metadata={"help": "auto: accuracy, for multi-label data macro_f1"}
    )


def read_data(args: ClassificationArguments) -> tuple[dict[str, Dataset], dict[str, ReadReport]]:
    """Every split as `text`, `text_pair` and `label`, and what the readers met, which is logged."""
    columns = {"text": args.text_column, "pair": args.pair_column, "label": args.label_column}
    columns["label_separator"] = args.label_separator if args.multi_label else None
    if args.dataset_name:
        splits = load_dataset(args.dataset_name, args.dataset_config_name)
        read = {name: from_dataset(splits[name], **columns) for name in SPLITS if name in splits}
    else:
        files = {name: getattr(args, option) for name, option in SPLITS.items()}
        read = {name: read_classification(path, **columns) for name, path in files.items() if path}
    if not read:
        raise ValueError("there are no data: give --train_file, --validation_file, --test_file, or --dataset_name")
    for name, (_, report) in read.items():
        logger.warning(f"{name}: {report}")
    data = {name: dataset for name, (dataset, _) in read.items()}
    pairs = {name: report.columns[1] for name, (_, report) in read.items()}
    if any(pairs.values()) and not all(pairs.values()):
        raise ValueError(f"some data are pairs, others are not (columns of text pairs: {pairs}): give --pair_column")
    for name, dataset in data.items():
        if not args.multi_label and not isinstance(dataset.features["label"], Value):
            raise ValueError(f"the {name} data have lists of labels: give --multi_label True")
    return data, {name: report for name, (_, report) in read.items()}


def label_names(reports: dict[str, ReadReport]) -> list[str]:
    """The labels of all splits: in the order of the data set where all have one order, else sorted."""
    orders = {tuple(report.labels) for report in reports.values() if report.labels}
    return list(orders.pop()) if len(orders) == 1 else sort_labels({*chain(*orders)})


def choose_rows(data: dict[str, Dataset], args: ClassificationArguments, seed: int) -> dict[str, Dataset]:
    """Leaves out unlabelled rows for training and validation, sets validation data apart, takes few for few-shot."""

    def sample(dataset: Dataset, count: int) -> np.ndarray:
        strata = [tuple(sorted(row)) if args.multi_label else row for row in dataset["label"]]
        return stratified_sample(strata, count, seed)

    data = dict(data)
    for name in {"train", "validation"} & set(data):
        labelled = [row for row, label in enumerate(data[name]["label"]) if label is not None]
        if len(labelled) < len(data[name]):
            left_out = len(data[name]) - len(labelled)
            logger.warning(f"{name}: {left_out} of {len(data[name])} rows have no label and are left out")
        if not labelled:
            raise ValueError(f"no row of the {name} data has a label: give --label_column")
        data[name] = data[name].select(labelled)
    if "train" in data and "validation" not in data:
        rows = data["train"]
        count = round(args.validation_fraction * len(rows))
        if not 0 < count < len(rows):
            raise ValueError(
                f"validation_fraction={args.validation_fraction} sets {count} of {len(rows)} training rows apart; "
                "at least one, and not all, have to be: change it, or give --validation_file"
            )
        chosen = sample(rows, count)
        data["train"] = rows.select(np.setdiff1d(np.arange(len(rows)), chosen))
        data["validation"] = rows.select(chosen)
        logger.warning(f"no validation data: {count} training rows were held out (seed {seed})")
    if "train" in data and args.max_train_samples is not None:
        if args.max_train_samples < 1:
            raise ValueError(f"max_train_samples={args.max_train_samples}: give at least 1, or leave it out")
        data["train"] = data["train"].select(sample(data["train"], min(args.max_train_samples, len(data["train"]))))
        taken = Counter(chain(*data["train"]["label"]) if args.multi_label else data["train"]["label"])
        logger.warning(f"train: {len(data['train'])} rows were taken (seed {seed}): {dict(taken)}")
    return data


def build_model(
    args: ClassificationArguments, labels: list[str], training: bool
) -> tuple[PreTrainedModel, ProcessorMixin | PreTrainedTokenizerBase, list[str]]:
    """As `load_model`; refuses labels that nothing is learned from, and a checkpoint of another kind of problem."""
    problem = PROBLEMS[args.multi_label]
    if training and len(labels) < 2 and not args.multi_label:
        raise ValueError(f"the data have the labels {labels}; at least two are needed: correct --label_column")
    model, processing_class, labels = load_model(
        args, AutoModelForSequenceClassification, labels, training, problem if training else None
    )
    if model.config.problem_type not in (None, problem):
        raise ValueError(
            f"{args.model_name_or_path} was trained for {model.config.problem_type}: give --multi_label "
            f"{not args.multi_label}, or train it anew"
        )
    return model, processing_class, labels


def sequence_length(args: ClassificationArguments, longest: int) -> int:
    """The longest sequence in tokens; `longest` is what the model can take."""
    wanted = args.max_seq_length
    if wanted is not None and wanted < 5:
        raise ValueError(f"max_seq_length={wanted}: a pair needs 3 special tokens and two others; give 5 or more")
    if wanted is not None and wanted > longest:
        logger.warning(f"max_seq_length={wanted} is more than the {longest} tokens that the model can take, which hold")
    return min(wanted or longest, longest)


def predicted_rows(data: Dataset, scorer: ClassificationScorer, logits: np.ndarray) -> list[dict]:
    """For every row its texts, the predicted label (or labels), the probability of every label, and the gold one."""
    named, scores = scorer.named(logits), scorer.probabilities(logits).round(6).tolist()
    texts = [name for name in ("text", "text_pair") if name in data.column_names]
    return [
        {
            **{name: row[name] for name in texts},
            "label": label,
            "scores": dict(zip(scorer.labels, values, strict=True)),
            "gold": row["label"],
        }
        for row, label, values in zip(data, named, scores, strict=True)
    ]


def predict(trainer: Trainer, encoded: Dataset, data: Dataset, scorer: ClassificationScorer) -> dict | None:
    """Predicts the test data and writes predictions.jsonl; the scores of its labelled rows, None if there are none."""
    trainer.compute_metrics = None
    output = trainer.predict(encoded, metric_key_prefix="test")
    logits, metrics, found = output.predictions, output.metrics, None
    labelled = [row for row, label in enumerate(data["label"]) if label is not None]
    if labelled:
        gold = encode_labels(data.select(labelled)["label"][:], scorer.labels, scorer.multi_label)
        found = scorer.scores(logits[labelled], gold)
        metrics.update({f"test_{key}": value for key, value in found.items()})
        found["by_label"] = scorer.report(logits[labelled], gold)
    trainer.save_metrics("test", metrics)
    if trainer.is_world_process_zero():
        folder = Path(trainer.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json_lines(folder / "predictions.jsonl", predicted_rows(data, scorer, logits))
    return found


def write_report(
    args: ClassificationArguments,
    trainer: Trainer,
    coverage: dict[str, dict],
    results: dict[str, dict],
    length: int,
    command: list[str],
) -> None:
    """coverage.json, and README.md from model_cards/text_classification.md."""
    folder = Path(trainer.args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "coverage.json").write_text(json.dumps(coverage, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    files = {name: args.dataset_name or Path(getattr(args, option) or "").name for name, option in SPLITS.items()}
    if "rows" not in coverage.get("validation", {"rows": 0}):
        files["validation"] = f"{args.validation_fraction:.0%} of the training data"
    counts = ("texts", "unlabelled", "empty_texts", "characters", "truncated_texts", "cut_characters", "unknown_tokens")
    by_label = results.get("test", {}).get("by_label", {})
    is_pair = any(found.get("columns", (None, None))[1] for found in coverage.values())
    write_card(
        CARD,
        args,
        trainer,
        ["run_classification.py", *command],
        pipeline_tag="text-classification",
        tags=["text-classification"],
        figures=eval_results("text-classification", "classification", files, results, SCORES),
        kind="pairs of texts" if is_pair else "texts",
        labels=", ".join(trainer.model.config.label2id),
        example='{"text": "...", "text_pair": "..."}' if is_pair else '"..."',
        length=str(length),
        data=table(
            f"split source {' '.join(counts)}",
            [[name, files[name], *(found.get(key, "") for key in counts)] for name, found in coverage.items()],
        ),
        decision=DECISIONS[args.multi_label],
        best=trainer.args.metric_for_best_model,
        results=table(
            "data accuracy macro_F1 micro_F1",
            [[name, *(found[key] for key in SCORES)] for name, found in results.items()],
        ),
        by_label=table("label precision recall F1 texts", [[name, *row.values()] for name, row in by_label.items()]),
    )


def main(argv: list[str] | None = None) -> dict[str, dict]:
    """Runs the script; returns accuracy, macro F1 and micro F1 by split, for the test data by label too."""
    args, training = HfArgumentParser(
        (ClassificationArguments, ClassificationTrainingArguments)
    ).parse_args_into_dataclasses(argv)
    if training.metric_for_best_model == "auto":
        training.metric_for_best_model = "macro_f1" if args.multi_label else "accuracy"
    set_seed(training.seed)
    read, reports = read_data(args)
    check_steps(training, read, "run_classification.py")
    data = choose_rows(read, args, training.seed)
    labels = label_names(reports)
    model, processing_class, labels = build_model(args, labels, training.do_train)
    tokenizer = get_tokenizer(processing_class)
    length = sequence_length(args, tokenizer.model_max_length)
    multiple = padding_multiple(length, tokenizer.model_max_length)
    encoded, coverage = {}, {}
    for name in sorted(data, key=list(SPLITS).index):
        with training.main_process_first(desc=f"tokenising {name}"):
            encoded[name], counts = encode_classification(
                data[name], processing_class, labels, length, args.multi_label
            )
        logger.warning(f"{name}: {counts}")
        coverage[name] = {**(asdict(reports[name]) if name in reports else {}), **asdict(counts)}
    if not training.do_train:
        training.eval_strategy = "no"
    scorer = ClassificationScorer(labels, args.multi_label)
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=encoded.get("train"),
        eval_dataset=encoded.get("validation"),
        processing_class=processing_class,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple),
        compute_metrics=scorer,
        preprocess_logits_for_metrics=lambda logits, _: logits[0] if isinstance(logits, tuple) else logits,
    )
    results: dict[str, dict] = {}
    if training.do_train:
        train(trainer)
    if training.do_eval and "validation" in encoded:
        metrics = trainer.evaluate()
        trainer.save_metrics("eval", metrics)
        results["validation"] = {key: metrics[f"eval_{key}"] for key in SCORES}
    if training.do_predict:
        found = predict(trainer, encoded["test"], data["test"], scorer)
        results |= {"test": found} if found else {}
    if trainer.is_world_process_zero():
        write_report(args, trainer, coverage, results, length, sys.argv[1:] if argv is None else argv)
        for name, scores in results.items():
            print(name, *(f"{key} {scores[key]:.4f}" for key in SCORES))
    return results


if __name__ == "__main__":
    main()

"""Fine-tunes a model for named entities and scores it by exact entities.

    python run_scripts/run_ner.py --model_name_or_path checkpoint --train_file train.bmes --validation_file dev.bmes \
        --test_file test.bmes --output_dir outputs/ner --do_train --do_eval --do_predict

Any checkpoint with a token-classification head works, GlyphCRM's, ChineseBERT's and BERT's alike; with --model_type,
--vocab_file and --config_overrides a model is made from scratch instead. Data: files in CoNLL columns (BIO, BMES, ...)
or JSON lines, or --dataset_name for a data set of the Hub. Every option of TrainingArguments is taken too; the
checkpoint with the best F1 on the development data is kept, and a run that was interrupted goes on from its last one
(--resume_from_checkpoint False starts anew).

Writes beside the model: all_results.json, coverage.json (which entities cannot be found, and why), predictions.jsonl
for the test data, README.md (the model card).
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from datasets import Dataset, load_dataset
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    HfArgumentParser,
    Trainer,
    set_seed,
)
from transformers.utils import logging

from hanziformers.training.fine_tuning import SPLITS, FineTuningArguments, check_steps, padding_multiple, train
from hanziformers.training.model_card import eval_results, table, write_card, write_json_lines
from hanziformers.training.model_loading import ModelArguments, get_tokenizer, load_model
from hanziformers.training.ner_data import from_columns, read_ner
from hanziformers.training.ner_task import NerCoverage, SpanScorer, encode_ner, entity_labels

logger = logging.get_logger("run_ner")
CARD = Path(__file__).parent.parent / "model_cards" / "token_classification.md"
SCORES = ("precision", "recall", "f1")


@dataclass
class NerArguments(ModelArguments):
    """What to train, on which data."""

    train_file: str | None = field(default=None, metadata={"help": "CoNLL columns or JSON lines, also .gz"})
    validation_file: str | None = field(default=None, metadata={"help": "as train_file"})
    test_file: str | None = field(default=None, metadata={"help": "as train_file"})
    dataset_name: str | None = field(
        default=None, metadata={"help": "in place of files: data set of the Hub, or a folder"}
    )
    dataset_config_name: str | None = None
    joiner: str = field(default="", metadata={"help": "between two tokens of the data: nothing, or ' ' for words"})
    validation_fraction: float = field(
        default=0.1,
        metadata={"help": "share of the training sentences that is held out where there is no validation data"},
    )
    max_seq_length: int | None = field(default=None, metadata={"help": "in tokens; default: what the model can take"})


@dataclass
class NerTrainingArguments(FineTuningArguments):
    """TrainingArguments with the defaults of this task."""

    metric_for_best_model: str | None = "f1"


def load_data(args: NerArguments, seed: int) -> dict[str, Dataset]:
    """Every split as `text` and `entities`; logs what the readers met."""
    if args.dataset_name:
        splits = load_dataset(args.dataset_name, args.dataset_config_name)
        read = {name: from_columns(splits[name], joiner=args.joiner) for name in SPLITS if name in splits}
    else:
        files = {name: getattr(args, option) for name, option in SPLITS.items()}
        read = {name: read_ner(path, joiner=args.joiner) for name, path in files.items() if path}
    if not read:
        raise ValueError("there are no data: give --train_file, --validation_file, --test_file, or --dataset_name")
    for name, (_, report) in read.items():
        logger.warning(f"{name}: {report}")
    data = {name: dataset for name, (dataset, _) in read.items()}
    if "validation" not in data and "train" in data:
        parts = data["train"].train_test_split(test_size=args.validation_fraction, seed=seed)
        data["train"], data["validation"] = parts["train"], parts["test"]
        logger.warning(f"no validation data: {len(parts['test'])} training sentences were held out (seed {seed})")
    return data


def predicted_rows(data: Dataset, scorer: SpanScorer, predictions: np.ndarray) -> list[dict]:
    """For every text the entities found and the gold ones."""
    rows = []
    for row, found in zip(data, scorer.entities(predictions), strict=True):
        entities = [{**entity._asdict(), "text": row["text"][entity.start : entity.end]} for entity in found]
        rows.append({"text": row["text"], "entities": entities, "gold": row["entities"]})
    return rows


def write_report(
    args: NerArguments, trainer: Trainer, coverage: dict[str, NerCoverage], results: dict[str, dict], command: list[str]
) -> None:
    """coverage.json, and README.md from model_cards/token_classification.md.

    Args:
        args: the options.
        trainer: holds model, tokenizer and folder.
        coverage: by split.
        results: by split: precision, recall, f1, and by_label (seqeval's report) for the test data.
        command: the options of the run as they were given.
    """
    folder = Path(trainer.args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {name: asdict(count) for name, count in coverage.items()}
    (folder / "coverage.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    sources = {name: args.dataset_name or Path(getattr(args, option) or "").name for name, option in SPLITS.items()}
    sources["validation"] = sources["validation"] or f"{args.validation_fraction:.0%} of the training data"
    by_label = results.get("test", {}).get("by_label", {})
    write_card(
        CARD,
        args,
        trainer,
        ["run_ner.py", *command],
        pipeline_tag="token-classification",
        tags=["named-entity-recognition"],
        figures=eval_results("token-classification", "named entities", sources, results, SCORES),
        labels=", ".join(sorted({tag[2:] for tag in trainer.model.config.label2id if tag != "O"})),
        data=table(
            "split source entities cut_off between_tokens overlapping truncated_texts",
            [[name, sources[name], *count.values()] for name, count in counts.items()],
        ),
        results=table(
            "data precision recall F1", [[name, *(scores[key] for key in SCORES)] for name, scores in results.items()]
        ),
        by_label=table("label precision recall F1 entities", [[name, *row.values()] for name, row in by_label.items()]),
    )


def main(argv: list[str] | None = None) -> dict[str, dict]:
    """Runs the script; returns precision, recall and F1 by split, for the test data by label too."""
    args, training = HfArgumentParser((NerArguments, NerTrainingArguments)).parse_args_into_dataclasses(argv)
    set_seed(training.seed)
    data = load_data(args, training.seed)
    check_steps(training, data, "run_ner.py")
    tags = entity_labels(*data.values())
    model, processing_class, tags = load_model(args, AutoModelForTokenClassification, tags, training.do_train)
    tokenizer = get_tokenizer(processing_class)
    length = min(args.max_seq_length or tokenizer.model_max_length, tokenizer.model_max_length)
    multiple = padding_multiple(length, tokenizer.model_max_length)
    encoded, coverage = {}, {}
    for name, split in data.items():
        with training.main_process_first(desc=f"tokenising {name}"):
            encoded[name], coverage[name] = encode_ner(split, tokenizer, tags, length)
        logger.warning(f"{name}: {coverage[name]}")
    if not training.do_train:
        training.eval_strategy = "no"
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=encoded.get("train"),
        eval_dataset=encoded.get("validation"),
        processing_class=processing_class,
        data_collator=DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=multiple),
        compute_metrics=SpanScorer(encoded["validation"], tags) if "validation" in encoded else None,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )
    results: dict[str, dict] = {}
    if training.do_train:
        train(trainer)
    if training.do_eval and "validation" in encoded:
        metrics = trainer.evaluate()
        trainer.save_metrics("eval", metrics)
        results["validation"] = {key: metrics[f"eval_{key}"] for key in SCORES}
    if training.do_predict:
        scorer = trainer.compute_metrics = SpanScorer(encoded["test"], tags)
        output = trainer.predict(encoded["test"], metric_key_prefix="test")
        trainer.save_metrics("test", output.metrics)
        results["test"] = {key: output.metrics[f"test_{key}"] for key in SCORES}
        results["test"]["by_label"] = scorer.report(output.predictions)
        if trainer.is_world_process_zero():
            rows = predicted_rows(data["test"], scorer, output.predictions)
            write_json_lines(Path(training.output_dir) / "predictions.jsonl", rows)
    if trainer.is_world_process_zero():
        write_report(args, trainer, coverage, results, sys.argv[1:] if argv is None else argv)
        for name, scores in results.items():
            print(name, *(f"{key} {scores[key]:.4f}" for key in SCORES))
    return results


if __name__ == "__main__":
    main()

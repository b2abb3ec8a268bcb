"""Fine-tunes a model for named entities and scores it by exact entities.

    python run_scripts/run_ner.py --model_name_or_path checkpoint --train_file train.bmes --validation_file dev.bmes \
        --test_file test.bmes --output_dir outputs/ner --do_train --do_eval --do_predict

Any checkpoint with a token-classification head works, ChineseBERT's and BERT's alike; with --model_type, --vocab_file
and --config_overrides a model is made from scratch instead. Data: files in CoNLL columns (BIO, BMES, ...) or JSON
lines, or --dataset_name for a data set of the Hub. Every option of TrainingArguments is taken too; the checkpoint with
the best F1 on the development data is kept, and a run that was broken off goes on from its last checkpoint.

Writes beside the model: all_results.json, coverage.json (which entities cannot be found, and why), predictions.jsonl
for the test data, README.md (the model card).
"""

import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template

import numpy as np
import torch
import transformers
from datasets import Dataset, load_dataset
from huggingface_hub import EvalResult, ModelCardData
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    HfArgumentParser,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging

import hanziformers
from hanziformers.processors.ner_data import from_columns, read_ner
from hanziformers.processors.ner_features import NerCoverage, SpanScorer, encode_ner, entity_labels

logger = logging.get_logger("run_ner")
CARD = Path(__file__).parent.parent / "model_cards" / "token_classification.md"
SCORES = ("precision", "recall", "f1")
SPLITS = {"train": "train_file", "validation": "validation_file", "test": "test_file"}


@dataclass
class NerArguments:
    """What to train, on which data."""

    model_name_or_path: str | None = field(default=None, metadata={"help": "checkpoint: a folder or a name of the Hub"})
    model_type: str | None = field(default=None, metadata={"help": "from scratch: chinese_bert, bert, ..."})
    vocab_file: str | None = field(default=None, metadata={"help": "from scratch: vocabulary, one token a line"})
    config_overrides: str = field(default="", metadata={"help": "e.g. hidden_size=128,num_hidden_layers=2"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run the code that a checkpoint carries"})
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
        metadata={"help": "share of the training sentences that is set apart where there is no validation data"},
    )
    max_seq_length: int | None = field(default=None, metadata={"help": "in tokens; default: what the model can take"})


@dataclass
class NerTrainingArguments(TrainingArguments):
    """TrainingArguments with the defaults of this task."""

    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = "f1"
    greater_is_better: bool | None = True
    report_to: str = "none"
    learning_rate: float = 4e-5
    warmup_steps: float = 0.1
    per_device_train_batch_size: int = 16
    dataloader_pin_memory: bool = torch.cuda.is_available()


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
        logger.warning(f"no validation data: {len(parts['test'])} training sentences were set apart (seed {seed})")
    return data


def load_model(
    args: NerArguments, tags: list[str], training: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[str]]:
    """A checkpoint or a model from scratch, its tokenizer, and the tags in the order of its logits.

    A checkpoint that knows all the tags keeps its head; another gets a new one, or is refused where nothing is trained.
    """
    remote = {"trust_remote_code": args.trust_remote_code}
    if args.model_name_or_path:
        config = AutoConfig.from_pretrained(args.model_name_or_path, **remote)
        own = [config.id2label[index] for index in range(config.num_labels)]
        if not set(tags) <= set(own) and not training:
            raise ValueError(
                f"{args.model_name_or_path} has the tags {own}, the data {tags}: train it on such data first"
            )
        tags = own if set(tags) <= set(own) else tags
        tokenizer = AutoTokenizer.from_pretrained(args.model_name_or_path, **remote)
    elif args.model_type and args.vocab_file:
        config = AutoConfig.for_model(args.model_type)
        tokenizer = TOKENIZER_MAPPING[type(config)](args.vocab_file)
        config.vocab_size = len(tokenizer)
    else:
        raise ValueError("which model? give --model_name_or_path, or both --model_type and --vocab_file")
    config.id2label, config.label2id = dict(enumerate(tags)), {tag: index for index, tag in enumerate(tags)}
    if args.config_overrides:
        config.update_from_string(args.config_overrides)
        config.validate()
    if args.model_name_or_path:
        model = AutoModelForTokenClassification.from_pretrained(
            args.model_name_or_path, config=config, ignore_mismatched_sizes=True, **remote
        )
    else:
        model = AutoModelForTokenClassification.from_config(config)
    positions = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return model, tokenizer, tags


def write_predictions(path: Path, data: Dataset, scorer: SpanScorer, predictions: np.ndarray) -> None:
    """One JSON line a text: the entities found and the gold ones."""
    with path.open("w", encoding="utf-8") as file:
        for row, found in zip(data, scorer.entities(predictions), strict=True):
            entities = [{**entity._asdict(), "text": row["text"][entity.start : entity.end]} for entity in found]
            line = {"text": row["text"], "entities": entities, "gold": row["entities"]}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def table(head: str, rows: list[list]) -> str:
    """A Markdown table; `head` names the columns, separated by spaces; fractions get four digits."""
    cells = [head.split(), ["---"] * len(head.split()), *rows]
    return "\n".join(f"| {' | '.join(f'{c:.4f}' if isinstance(c, float) else str(c) for c in row)} |" for row in cells)


def write_card(
    args: NerArguments, trainer: Trainer, coverage: dict[str, NerCoverage], results: dict[str, dict], command: list[str]
) -> None:
    """README.md from model_cards/token_classification.md.

    Args:
        args: the options.
        trainer: holds model, tokenizer and folder.
        coverage: by split.
        results: by split: precision, recall, f1, and by_label (seqeval's report) for the test data.
        command: the options of the run as they were given.
    """
    model, folder = trainer.model, Path(trainer.args.output_dir)
    files = {name: Path(getattr(args, option) or "").name for name, option in SPLITS.items()}
    files["validation"] = files["validation"] or f"{args.validation_fraction:.0%} of the training data"
    figures = [
        EvalResult(
            "token-classification",
            args.dataset_name or files[name],
            name,
            key,
            scores[key],
            task_name="named entities",
            dataset_split=name,
        )
        for name, scores in results.items()
        for key in SCORES
    ]
    data = ModelCardData(
        language="zh",
        library_name="transformers",
        pipeline_tag="token-classification",
        tags=["hanziformers", "named-entity-recognition"],
        model_name=folder.name,
        eval_results=figures,
    )
    by_label = results.get("test", {}).get("by_label", {})
    text = Template(CARD.read_text(encoding="utf-8")).substitute(
        name=folder.name,
        model_class=type(model).__name__,
        start=f"fine-tuned from `{args.model_name_or_path}`" if args.model_name_or_path else "trained from scratch",
        labels=", ".join(sorted({tag[2:] for tag in model.config.label2id if tag != "O"})),
        data=table(
            "split source entities cut_off between_tokens overlapping truncated_texts",
            [[name, args.dataset_name or files[name], *asdict(counts).values()] for name, counts in coverage.items()],
        ),
        results=table(
            "data precision recall F1", [[name, *(scores[key] for key in SCORES)] for name, scores in results.items()]
        ),
        by_label=table("label precision recall F1 entities", [[name, *row.values()] for name, row in by_label.items()]),
        seed=trainer.args.seed,
        parameters=f"{model.num_parameters():,}",
        version=hanziformers.__version__,
        transformers=transformers.__version__,
        torch=torch.__version__,
        pypinyin=trainer.processing_class.init_kwargs.get("pypinyin_version", "not used"),
        command=f"python run_scripts/run_ner.py {shlex.join(command)}",
    )
    (folder / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n\n{text}", encoding="utf-8")


def check(training: NerTrainingArguments, data: dict[str, Dataset]) -> None:
    """Refuses a step without data, and tells where accelerate started fewer processes than were asked for."""
    for wanted, name in ((training.do_train, "train"), (training.do_predict, "test")):
        if wanted and name not in data:
            raise ValueError(
                f"there are no {name} data, only {sorted(data)}: give --{SPLITS[name]} or leave the step out"
            )
    if os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_ADDR" in os.environ and training.world_size == 1:
        logger.warning(
            "accelerate was asked for several CPU processes and started one; more need MPI (--mpirun_hostfile). "
            "torchrun --nproc_per_node N run_scripts/run_ner.py --use_cpu True ... does the same without MPI"
        )


def main(argv: list[str] | None = None) -> dict[str, dict]:
    """Runs the program; returns precision, recall and F1 by split, for the test data by label too."""
    args, training = HfArgumentParser((NerArguments, NerTrainingArguments)).parse_args_into_dataclasses(argv)
    set_seed(training.seed)
    data = load_data(args, training.seed)
    check(training, data)
    model, tokenizer, tags = load_model(args, entity_labels(*data.values()), training.do_train)
    length = min(args.max_seq_length or tokenizer.model_max_length, tokenizer.model_max_length)
    encoded, coverage, folder = {}, {}, Path(training.output_dir)
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
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=8),
        compute_metrics=SpanScorer(encoded["validation"], tags) if "validation" in encoded else None,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )
    results: dict[str, dict] = {}
    if training.do_train:
        last = get_last_checkpoint(training.output_dir) if folder.is_dir() else None
        outcome = trainer.train(resume_from_checkpoint=training.resume_from_checkpoint or last)
        trainer.save_model()
        trainer.save_metrics("train", outcome.metrics)
        trainer.save_state()
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
            write_predictions(folder / "predictions.jsonl", data["test"], scorer, output.predictions)
    if trainer.is_world_process_zero():
        folder.mkdir(parents=True, exist_ok=True)
        counts = {name: asdict(count) for name, count in coverage.items()}
        (folder / "coverage.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
        write_card(args, trainer, coverage, results, sys.argv[1:] if argv is None else argv)
        for name, scores in results.items():
            print(name, *(f"{key} {scores[key]:.4f}" for key in SCORES))
    return results


if __name__ == "__main__":
    main()

"""Pre-trains GlyphCRM, ChineseBERT, or a BERT on the same examples, from plain text.

    python run_scripts/run_pretraining.py --recipe glyph_crm --train_files 'corpus/*.jsonl.gz' \
        --validation_files 'corpus/*.valid.jsonl.gz' --output_dir outputs/glyphcrm --max_steps 100000

Recipes: `glyph_crm` is masked characters on glyph images and next sentence, the loss the sum of both means (section 3.4.1);
`chinese_bert` is whole words (90 % of the examples) and characters (10 %), packed (90 %) and single sentences (10 %),
without next sentence. `--model_type bert` with either trains the baseline: same tokenizer, order, pairs and masks.
`--preset paper` (or `released`, `large`) fills in optimizer and schedule as published, as far as no option says else.

Text is streamed: files of one document a line, or JSON lines with the column --text_column, also .gz; or
--dataset_name for a data set of the Hub. What is among --validation_files is not trained on. Without --vocab_file the
vocabulary is counted from the training text. Masks depend on seed, epoch and the example's own tokens alone; which
examples there are depends also on the number of processes and workers. With the same number of both, a run that was
interrupted, in whatever way, goes on from its last checkpoint with the examples, masks and losses that it would have had
(--resume_from_checkpoint False starts anew). The validation examples, not their masks, are the same for every --seed.

Writes beside the model: all_results.json, loss.json, loss.png, README.md.
"""

import json
import sys
from dataclasses import dataclass, field
from functools import partial
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import IterableDataset, load_dataset
from matplotlib.figure import Figure
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    EvalPrediction,
    HfArgumentParser,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

from hanziformers.tokenization.vocabulary import build_vocabulary, count_characters
from hanziformers.tokenization.words import token_words
from hanziformers.training.fine_tuning import restarts, train
from hanziformers.training.masking_collator import DataCollatorForMaskedCharacters
from hanziformers.training.model_card import table, write_card
from hanziformers.training.model_loading import ModelArguments, get_tokenizer, load_model
from hanziformers.training.pretraining_stream import PretrainingStream, SentenceEncoder, packs, pairs

logger = logging.get_logger("run_pretraining")
CARD = Path(__file__).parent.parent / "model_cards" / "pretraining.md"
CURVES = {
    "loss": "training",
    "eval_mlm_loss": "validation, masked tokens",
    "eval_nsp_loss": "validation, next sentence",
}
# Optimizer and schedule as published. GlyphCRM: section 4.1.3; "released" is the authors' code, but for its AdamW
# without bias correction, which torch does not have. ChineseBERT: section 4.3, base ("paper") and "large". A batch is
# that of one process: divide it by processes and accumulation steps.
PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("glyph_crm", "paper"): {
        "learning_rate": 1e-4,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "weight_decay": 0.01,
        "warmup_steps": 10_000,
        "per_device_train_batch_size": 256,
        "max_seq_length": 512,
    },
    ("chinese_bert", "paper"): {
        "learning_rate": 1e-4,
        "adam_beta2": 0.98,
        "adam_epsilon": 1e-6,
        "weight_decay": 0.01,
        "warmup_steps": 20_000,
        "max_steps": 500_000,
        "per_device_train_batch_size": 3_200,
        "max_seq_length": 512,
    },
}
PRESETS["glyph_crm", "released"] = {**PRESETS["glyph_crm", "paper"], "adam_beta2": 0.98, "adam_epsilon": 1e-6}
PRESETS["chinese_bert", "large"] = {
    **PRESETS["chinese_bert", "paper"],
    "learning_rate": 3e-4,
    "warmup_steps": 90_000,
    "max_steps": 280_000,
    "per_device_train_batch_size": 8_000,
}


@dataclass
class PretrainingArguments(ModelArguments):
    """What to pre-train, on which text, how."""

    recipe: str = field(
        default="glyph_crm", metadata={"help": "objective and tokenizer", "choices": ["glyph_crm", "chinese_bert"]}
    )
    preset: str | None = field(
        default=None, metadata={"help": "optimizer and schedule as published: paper, released, large"}
    )
    train_files: list[str] = field(default_factory=list, metadata={"help": "paths or patterns: .txt, .jsonl, also .gz"})
    validation_files: list[str] = field(default_factory=list, metadata={"help": "as train_files"})
    dataset_name: str | None = field(default=None, metadata={"help": "in place of files: data set of the Hub"})
    dataset_config_name: str | None = None
    text_column: str = "text"
    vocab_size: int = field(default=18612, metadata={"help": "of a vocabulary counted from the training text, at most"})
    max_seq_length: int = field(default=512, metadata={"help": "tokens of an example, at least 5"})
    mlm_probability: float = field(default=0.15, metadata={"help": "share of the tokens that are asked for"})
    short_seq_prob: float = field(default=0.1, metadata={"help": "pairs that aim at a shorter length"})
    packed_prob: float = field(default=0.9, metadata={"help": "chinese_bert: packed examples, the others one sentence"})
    whole_word_ratio: float = field(default=0.9, metadata={"help": "chinese_bert: examples masked by words"})
    shuffle_buffer: int = field(default=4096, metadata={"help": "documents held for shuffling"})
    max_eval_examples: int = field(default=1000, metadata={"help": "validation examples that are used"})


@dataclass
class PretrainingTrainingArguments(TrainingArguments):
    """TrainingArguments with the defaults of this task."""

    max_steps: int = 10_000
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup_steps: float = 0.1
    per_device_train_batch_size: int = 32
    per_device_eval_batch_size: int = 32
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    eval_on_start: bool = True
    save_steps: float = 500
    save_total_limit: int | None = 2
    logging_steps: float = 100
    report_to: str = "none"
    dataloader_pin_memory: bool = torch.cuda.is_available()
    remove_unused_columns: bool = False  # the collator reads more than the model


class PretrainingTrainer(Trainer):
    """A Trainer whose training examples are already this process's own share: no one is to share them out again."""

    def get_train_dataloader(self) -> DataLoader:
        """The stream in batches; the Trainer moves them to the device."""
        return DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )


class LossCurve(TrainerCallback):
    """Writes loss.json and loss.png whenever the model is evaluated or saved, so that a killed run leaves them too."""

    def on_evaluate(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """After each evaluation."""
        if state.is_world_process_zero:
            write_curve(Path(args.output_dir), state.log_history)

    on_save = on_train_end = on_evaluate


def parse(argv: list[str] | None) -> tuple[PretrainingArguments, PretrainingTrainingArguments]:
    """The options; a preset's values stand where no option does."""
    parser = HfArgumentParser((PretrainingArguments, PretrainingTrainingArguments))
    args, _ = parser.parse_args_into_dataclasses(argv)
    if args.preset:
        key = (args.recipe, args.preset)
        if key not in PRESETS:
            known = ", ".join(name for recipe, name in PRESETS if recipe == args.recipe)
            raise ValueError(f"--preset {args.preset} is not known for the recipe {args.recipe}; allowed are {known}")
        parser.set_defaults(**PRESETS[key])
    return parser.parse_args_into_dataclasses(argv)


def check_options(args: PretrainingArguments, training: TrainingArguments) -> None:
    """Refuses what would fail later.

    Raises:
        ValueError: examples without room for two sentences; label smoothing of a loss that the model sums itself.
    """
    if args.max_seq_length < 5:
        raise ValueError(
            f"max_seq_length={args.max_seq_length} is not allowed: a pair has 3 special tokens and a token of each "
            "sentence; give 5 or more"
        )
    if training.label_smoothing_factor and args.recipe == "glyph_crm":
        raise ValueError(
            f"label_smoothing_factor={training.label_smoothing_factor} is not allowed: with --recipe glyph_crm the "
            "model itself sums the losses of masked characters and next sentence; leave it out"
        )


def check_length(length: int, model: PreTrainedModel) -> None:
    """Refuses examples of more tokens than the model has positions.

    Raises:
        ValueError: names both numbers.
    """
    positions = getattr(model.config, "max_position_embeddings", length)
    if length > positions:
        raise ValueError(
            f"max_seq_length={length} is more than the {positions} positions of the model; give at most {positions}, "
            "or a model with more (max_position_embeddings)"
        )


def find_files(patterns: list[str]) -> dict[str, str]:
    """Paths as they were given, each file once, by the place that it resolves to; without files a pattern itself."""
    found: dict[str, str] = {}
    for path in (path for pattern in patterns for path in sorted(glob(pattern)) or [pattern]):
        found.setdefault(str(Path(path).resolve()), path)
    return found


def text_files(args: PretrainingArguments, split: str) -> list[str]:
    """The files of `train` or `validation`, which are logged; what is held out for validation is not trained on.

    Raises:
        FileNotFoundError: a path or pattern without a file.
        ValueError: JSON lines and plain text mixed; no training file that is not held out.
    """
    found = find_files(getattr(args, f"{split}_files"))
    held_out = found.keys() & find_files(args.validation_files).keys() if split == "train" else set()
    files = [path for place, path in found.items() if place not in held_out]
    missing = [path for path in files if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"there is no file {missing[0]}; give paths or patterns that match files")
    if held_out and not files:
        raise ValueError(f"the train files are all validation files too: {[*found.values()]}; give others to train on")
    kinds = {"json" if ".json" in Path(path).name else "text" for path in files}
    if len(kinds) > 1:
        raise ValueError(f"the {split} files are JSON lines and plain text mixed: {files}; give one kind")
    if files:
        rest = f"; held out for validation: {[found[place] for place in sorted(held_out)]}" if held_out else ""
        logger.warning(f"{split} files: {files}{rest}")
    return files


def load_texts(args: PretrainingArguments, split: str) -> IterableDataset | None:
    """Streamed documents of `train` or `validation` with the one column `text`; None where there are none.

    Raises:
        FileNotFoundError: see `text_files`.
        ValueError: see `text_files`; no text at all, or none in the column --text_column.
    """
    if args.dataset_name:
        documents = load_dataset(args.dataset_name, args.dataset_config_name, streaming=True).get(split)
    else:
        files = text_files(args, split)
        kind = "json" if files and ".json" in Path(files[0]).name else "text"
        try:
            documents = load_dataset(kind, data_files=files, split="train", streaming=True) if files else None
        except StopIteration:  # what `datasets` says of JSON files without a line
            documents = []
    if documents is None:
        return None
    first = next(iter(documents), None)
    if first is None:
        raise ValueError(f"the {split} text is empty: {args.dataset_name or files}; give files with a document a line")
    if args.text_column not in first:
        raise ValueError(f"the {split} text has the columns {sorted(first)}; name one of them by --text_column")
    if args.text_column != "text":
        documents = documents.rename_column(args.text_column, "text")
    return documents.select_columns(["text"])


def vocabulary_file(args: PretrainingArguments, training: TrainingArguments, documents: IterableDataset) -> str:
    """Counts the characters of the training text, once for all runs in a folder; every process waits for the file."""
    path = Path(training.output_dir) / "vocab.txt"
    with training.main_process_first(desc="counting characters"):
        if training.local_process_index:
            return str(path)
        if path.is_file() and not restarts(training):
            logger.warning(
                f"{path} of an earlier run is taken, the characters of the text are not counted; another run needs "
                "another --output_dir (or --resume_from_checkpoint False, to start anew)"
            )
        else:
            counts = count_characters(row["text"] for row in documents)
            tokens = build_vocabulary(counts, args.vocab_size)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
            logger.warning(f"{path}: {len(tokens)} tokens, counted from the training text")
    return str(path)


def example_makers(args: PretrainingArguments, processing_class: Any, seed: int) -> tuple[Any, Any, Any]:
    """Encoder, example maker and collator of the recipe."""
    tokenizer, length = get_tokenizer(processing_class), args.max_seq_length
    masking = partial(DataCollatorForMaskedCharacters, tokenizer, mlm_probability=args.mlm_probability, seed=seed)
    if args.recipe == "glyph_crm":
        encode = SentenceEncoder(processing_class, longest=(length - 3) // 2)  # so that two sentences fit
        return encode, pairs(tokenizer, length, args.short_seq_prob), masking(predict_unknown=True)
    encode = SentenceEncoder(processing_class, longest=length - 2, words=token_words)
    return encode, packs(tokenizer, length, args.packed_prob), masking(whole_word_ratio=args.whole_word_ratio)


def warn_of_lone_sentences(documents: IterableDataset, encode: SentenceEncoder, make: Any, number: int = 1000) -> None:
    """Warns where hardly one of the first pairs is a true one (a twentieth; of documents of two sentences a third)."""
    examples = list(islice(PretrainingStream(documents, encode, make, repeat=False, shuffle=False), number))
    true = sum(example["next_sentence_label"] == 0 for example in examples)
    if true < len(examples) / 20:
        logger.warning(
            f"{true} of the first {len(examples)} pairs are true ones, the others are labelled 'not next': there is "
            "nothing to learn from for next-sentence prediction. A line (or record) is a document: put the sentences "
            "of a document into one line (or record)"
        )


def validation_examples(documents: IterableDataset, encode: SentenceEncoder, make: Any, number: int) -> list[dict]:
    """`number` examples, the same for every seed of training, so that runs are compared; logs how many there are."""
    examples = list(islice(PretrainingStream(documents, encode, make, seed=1, repeat=False), number + 1))
    there = f"{len(examples)}" if len(examples) <= number else f"at least {len(examples)}"
    logger.warning(f"validation: {len(examples[:number])} of {there} examples are used (--max_eval_examples {number})")
    return examples[:number]


def per_example(logits: Any, labels: Any) -> torch.Tensor:
    """Sums of every example, [B, 5]: loss, hits and number of masked tokens; loss and hit of the next sentence."""
    scores = logits[0] if isinstance(logits, tuple) else logits
    asked = labels[0] if isinstance(labels, (tuple, list)) else labels
    losses = torch.nn.functional.cross_entropy(scores.float().transpose(1, 2), asked, reduction="none")  # [B, L]
    right = (scores.argmax(-1) == asked).float()
    sums = [losses.sum(1), right.sum(1), (asked != -100).sum(1)]
    if isinstance(labels, (tuple, list)) and len(labels) > 1:
        nsp = logits[1].float()
        sums += [torch.nn.functional.cross_entropy(nsp, labels[1], reduction="none"), nsp.argmax(-1) == labels[1]]
    return torch.stack([value.float() for value in sums], dim=1)


def summarise(prediction: EvalPrediction) -> dict[str, float]:
    """Means over all masked tokens and all pairs."""
    sums = np.asarray(prediction.predictions, np.float64).sum(0)
    metrics = {"mlm_loss": sums[0] / sums[2], "mlm_accuracy": sums[1] / sums[2]}
    if len(sums) > 3:
        number = len(prediction.predictions)
        metrics |= {"nsp_loss": sums[3] / number, "nsp_accuracy": sums[4] / number}
    return {name: float(value) for name, value in metrics.items()}


def write_curve(folder: Path, history: list[dict]) -> None:
    """loss.json: the Trainer's log. loss.png: training and validation losses over the steps."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=(8, 5), layout="tight")
    axes = figure.subplots()
    for key, label in CURVES.items():
        points = [(row["step"], row[key]) for row in history if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(folder / "loss.png", dpi=120)


def describe(args: PretrainingArguments, trainer: Trainer, metrics: dict[str, float], command: list[str]) -> None:
    """README.md from model_cards/pretraining.md."""
    figures = sorted((name, value) for name, value in metrics.items() if isinstance(value, float))
    write_card(
        CARD,
        args,
        trainer,
        ["run_pretraining.py", *command],
        pipeline_tag="fill-mask",
        tags=["pretraining"],
        figures=[],
        recipe=args.recipe,
        text=", ".join(args.train_files) or args.dataset_name,
        steps=str(trainer.state.global_step),
        results=table("figure value", figures),
    )


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Runs the script; returns the validation figures."""
    args, training = parse(argv)
    check_options(args, training)
    set_seed(training.seed)
    documents = load_texts(args, "train")
    if documents is None:
        raise ValueError("there is no text: give --train_files or --dataset_name")
    if args.model_name_or_path is None:
        args.model_type, args.tokenizer_type = args.model_type or args.recipe, args.tokenizer_type or args.recipe
        args.vocab_file = args.vocab_file or vocabulary_file(args, training, documents)
    auto_class = AutoModelForPreTraining if args.recipe == "glyph_crm" else AutoModelForMaskedLM
    model, processing_class, _ = load_model(args, auto_class)
    check_length(args.max_seq_length, model)
    encode, make, collator = example_makers(args, processing_class, training.seed)
    if args.recipe == "glyph_crm" and training.process_index == 0:
        warn_of_lone_sentences(documents, encode, make)
    shared = {"rank": training.process_index, "world_size": training.world_size, "buffer": args.shuffle_buffer}
    held_out = load_texts(args, "validation")
    if held_out is None:
        training.eval_strategy, training.eval_on_start = "no", False
    examples = held_out and validation_examples(held_out, encode, make, args.max_eval_examples)
    trainer = PretrainingTrainer(
        model=model,
        args=training,
        train_dataset=PretrainingStream(documents, encode, make, seed=training.seed, **shared),
        eval_dataset=examples,
        processing_class=processing_class,
        data_collator=collator,
        compute_metrics=summarise,
        preprocess_logits_for_metrics=per_example,
        callbacks=[LossCurve()],
    )
    train(trainer)
    state = trainer.state
    done = [row for row in state.log_history if "eval_loss" in row and row["step"] == state.global_step]
    metrics = {} if held_out is None else done[-1] if done else trainer.evaluate()
    trainer.save_metrics("eval", metrics)
    if trainer.is_world_process_zero():
        describe(args, trainer, metrics, sys.argv[1:] if argv is None else argv)
        print(*(f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float)))
    return metrics


if __name__ == "__main__":
    main()

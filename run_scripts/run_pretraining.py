"""Pre-trains GlyphCRM, ChineseBERT, or a BERT on the same examples, from plain text.

    python run_scripts/run_pretraining.py --recipe glyph_crm --train_files 'corpus/*.jsonl.gz' \
        --validation_files 'corpus/*.valid.jsonl.gz' --output_dir outputs/glyphcrm --max_steps 100000

Recipes: `glyph_crm` is masked characters on glyph images and next sentence, the loss the sum of both means (section
3.4.1); `chinese_bert` is whole words (90 % of the examples) and characters (10 %), packed (90 %) and single sentences
(10 %), without next sentence. `--model_type bert` with either trains the baseline: same tokenizer, order, pairs and
masks. `--preset paper` (or `released`, `large`) fills in optimizer and schedule as published; options that are given
come before it.

Controls for what glyph images do: --permute_glyphs, --random_glyphs, --withhold, --rare_below, --max_characters (see
compare_pretraining.py, and training/unfamiliar_characters.py for the figures).

Text is streamed: files with one document per line, or JSON lines with the column --text_column, also .gz (their content
says which); or --dataset_name for a data set of the Hub. What is among --validation_files is not trained on. Without
--vocab_file the vocabulary is counted from the training text. Masks depend on seed, epoch and the example's own tokens
alone; which examples there are depends also on the number of processes and workers. With the same number of both, a run
that was interrupted, in whatever way, resumes from its last checkpoint with the examples, masks and losses that it
would have had (--resume_from_checkpoint False starts from scratch). The validation examples, not their masks, are the
same for every --seed.

An evaluation tells the masked tokens apart that are shown as [MASK], as a random token and unchanged: the last can be
copied, so [MASK] decides, also which checkpoint is the best (--load_best_model_at_end). It also measures how far apart
the vectors of characters are, and warns of a collapse.

Writes beside the model: all_results.json, loss.json, loss.png, README.md.
"""

import sys
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import IterableDataset
from torch import nn
from torch.utils.data import DataLoader
from transformers import (
    HfArgumentParser,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from hanziformers.tokenization.vocabulary_building import build_vocabulary, count_characters
from hanziformers.training.controls import apply_controls, control_section
from hanziformers.training.finite_trainer import FiniteTrainer
from hanziformers.training.loss_curve import LossCurve
from hanziformers.training.model_card import table, write_card
from hanziformers.training.model_loading import ModelArguments, get_tokenizer, load_model
from hanziformers.training.pretraining_files import TextArguments, load_documents, read_texts
from hanziformers.training.pretraining_probes import CharacterProbes
from hanziformers.training.pretraining_recipes import RECIPES, check_recipe
from hanziformers.training.pretraining_scores import NOTES, per_example, summarise
from hanziformers.training.pretraining_stream import PretrainingStream
from hanziformers.training.pretraining_text import MakeExamples, SentenceEncoder
from hanziformers.training.resuming import restarts, train
from hanziformers.training.unfamiliar_characters import (
    ControlArguments,
    as_unknown,
    note_withheld,
    score_unfamiliar,
    unfamiliar_groups,
    withheld_characters,
)

logger = logging.get_logger("transformers.run_pretraining")
CARD = Path(__file__).parent.parent / "model_cards" / "pretraining.md"


@dataclass
class PretrainingArguments(ControlArguments, TextArguments, ModelArguments):
    """What to pre-train, on which text, how."""

    recipe: str = field(default="glyph_crm", metadata={"help": "objective and tokenizer", "choices": [*RECIPES]})
    preset: str | None = field(
        default=None, metadata={"help": "optimizer and schedule as published: paper, released, large"}
    )
    vocab_size: int = field(default=18612, metadata={"help": "of a vocabulary counted from the training text, at most"})
    max_seq_length: int = field(default=512, metadata={"help": "tokens of an example, at least 5"})
    mlm_probability: float = field(default=0.15, metadata={"help": "ratio of the tokens selected for prediction"})
    short_seq_prob: float = field(default=0.1, metadata={"help": "glyph_crm: pairs that aim at a shorter length"})
    packed_prob: float = field(default=0.9, metadata={"help": "chinese_bert: packed examples, the others one sentence"})
    whole_word_ratio: float = field(default=0.9, metadata={"help": "chinese_bert: examples masked by words"})
    shuffle_buffer: int = field(default=4096, metadata={"help": "documents held for shuffling"})
    max_eval_examples: int = field(default=1000, metadata={"help": "validation examples that are used"})


@dataclass
class PretrainingTrainingArguments(TrainingArguments):
    """TrainingArguments with the defaults of this task."""

    max_steps: int = 10_000
    learning_rate: float = 1e-4
    learning_rates: str = field(
        default="", metadata={"help": "of parts, the others have --learning_rate: embeddings=2e-3 (BERT), glyph=0"}
    )
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
    encode_once: bool = field(
        default=False,
        metadata={"help": "encode characters once a step, not once in each of --gradient_accumulation_steps batches"},
    )


class PretrainingTrainer(FiniteTrainer):
    """A Trainer whose training examples are already those of this process: nothing may divide them again.

    Its evaluations tell apart how masked tokens were shown (see `per_example`), and measure the characters' vectors.

    Args:
        mask_token_id: of [MASK]; None where no token is shown as that.
    """

    def __init__(self, *args: Any, mask_token_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, compute_metrics=summarise, **kwargs)
        self.mask_token_id = mask_token_id
        self.probes = CharacterProbes(get_tokenizer(self.processing_class))

    def get_train_dataloader(self) -> DataLoader:
        """The stream in batches; the Trainer moves them to the device."""
        return DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """As in Trainer; in place of the logits their sums [B, 12 or 14] of `per_example`."""
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        if logits is None:  # prediction_loss_only
            return loss, None, labels
        return loss, per_example(logits, labels, inputs["input_ids"].to(loss.device), self.mask_token_id), labels

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> EvalLoopOutput:
        """As in Trainer; the figures of `CharacterProbes` are among the metrics."""
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.is_fsdp_enabled or is_deepspeed_zero3_enabled():
            logger.warning_once("the vectors of characters are not measured, as FSDP and ZeRO-3 divide the weights")
        else:
            figures = self.probes(self.accelerator.unwrap_model(self.model))
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in figures.items()})
        return output


def parse(argv: list[str] | None) -> tuple[PretrainingArguments, PretrainingTrainingArguments]:
    """Reads the options; the values of a preset are the defaults of those that are not given.

    Where a best checkpoint is asked for, [MASK] decides which it is, unless another figure is given.
    """
    parser = HfArgumentParser((PretrainingArguments, PretrainingTrainingArguments))
    args, training = parser.parse_args_into_dataclasses(argv)
    if training.metric_for_best_model or training.save_strategy == "best":
        figure = "eval_mask_loss" if RECIPES[args.recipe].masks else "eval_mlm_loss"
        parser.set_defaults(metric_for_best_model=figure)
    if args.preset:
        presets = RECIPES[args.recipe].presets
        if args.preset not in presets:
            known = ", ".join(presets)
            raise ValueError(f"--preset {args.preset} is not known for the recipe {args.recipe}; allowed are {known}")
        parser.set_defaults(**presets[args.preset])
    return parser.parse_args_into_dataclasses(argv)


def check_options(args: PretrainingArguments, training: TrainingArguments) -> None:
    """Refuses what would fail later, or have no effect.

    Raises:
        ValueError: examples too short for two sentences; label smoothing of a loss that the model sums itself; see
            `check_effect`.
    """
    recipe = RECIPES[args.recipe]
    if args.max_seq_length < 5:
        raise ValueError(
            f"max_seq_length={args.max_seq_length} is not allowed: a pair has 3 special tokens and a token of each "
            "sentence; give 5 or more"
        )
    if training.label_smoothing_factor and recipe.next_sentence:
        raise ValueError(
            f"label_smoothing_factor={training.label_smoothing_factor} is not allowed: with --recipe {args.recipe} the "
            "model itself sums the losses of masked characters and next sentence; leave it out"
        )
    check_effect(args)


def check_effect(args: PretrainingArguments) -> None:
    """Refuses options that have no effect with the others, and a model type that the recipe's tokenizer does not suit.

    Raises:
        ValueError: names the options and the fix.
    """
    recipe = RECIPES[args.recipe]
    values = ((option, getattr(args, option.name)) for option in fields(args))
    given = {option.name: value for option, value in values if value != option.default}
    others = {name for other in RECIPES.values() for name in other.options} - recipe.options
    for name in sorted(others & given.keys()):
        raise ValueError(f"{name}={given[name]} has no effect with --recipe {args.recipe}; leave it out")
    if "withhold_seed" in given and not args.withhold:
        raise ValueError(f"withhold_seed={args.withhold_seed} has no effect without --withhold; leave it out")
    if args.rare_below < 0:
        raise ValueError(
            f"rare_below={args.rare_below} is not allowed; give a number above 0, or 0 for no such figures"
        )
    for other in ("vocab_file", "model_name_or_path"):
        if "vocab_size" in given and other in given:
            raise ValueError(
                f"--vocab_size {args.vocab_size} has no effect beside --{other} {given[other]}, which has its own "
                "vocabulary; leave one of them out"
            )
    # a model that has a recipe of its own is made for that one's tokenizer, which another recipe does not bring
    fitting: dict[str | None, list[str]] = {}
    for name, other in RECIPES.items():
        fitting.setdefault(other.model_type, []).append(name)
    own = fitting.get(args.model_type, [args.recipe])
    if args.recipe not in own and not (args.tokenizer_type or args.model_name_or_path):
        raise ValueError(
            f"--model_type {args.model_type} does not fit --recipe {args.recipe}, which brings the tokenizer of "
            f"{recipe.model_type}; give --recipe {' or '.join(own)}, or name a tokenizer (--tokenizer_type "
            f"{args.model_type})"
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


def vocabulary_file(args: PretrainingArguments, training: TrainingArguments, documents: IterableDataset) -> str:
    """Counts the characters of the training text, once for all runs in a folder; every process waits for the file."""
    path = Path(training.output_dir) / "vocab.txt"
    with training.main_process_first(desc="counting characters"):
        if training.local_process_index:
            return str(path)
        if path.is_file() and not restarts(training):
            logger.warning(
                f"{path} of an earlier run is used, and the characters of the text are not counted; another run needs "
                "another --output_dir (or --resume_from_checkpoint False, to start from scratch)"
            )
        else:
            counts = count_characters(read_texts(documents))
            tokens = build_vocabulary(counts, args.vocab_size)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
            logger.warning(f"{path}: {len(tokens)} tokens, counted from the training text")
    return str(path)


def warn_of_lone_sentences(
    documents: IterableDataset, encode: SentenceEncoder, make: MakeExamples, number: int = 1000
) -> None:
    """Warns where fewer than a twentieth of the first pairs are true; of documents of two sentences a third are."""
    examples = list(islice(PretrainingStream(documents, encode, make, repeat=False, shuffle=False), number))
    true = sum(example["next_sentence_label"] == 0 for example in examples)
    if true < len(examples) / 20:
        logger.warning(
            f"{true} of the first {len(examples)} pairs are true ones, the others are labelled 'not next': there is "
            "nothing to learn from for next-sentence prediction. A line (or record) is a document: put the sentences "
            "of a document into one line (or record)"
        )


def validation_examples(
    documents: IterableDataset, encode: SentenceEncoder, make: MakeExamples, number: int
) -> list[dict]:
    """Takes `number` examples, the same for every seed, so that runs can be compared; logs how many there are."""
    examples = list(islice(PretrainingStream(documents, encode, make, seed=1, repeat=False), number + 1))
    there = f"{len(examples)}" if len(examples) <= number else f"at least {len(examples)}"
    logger.warning(f"validation: {len(examples[:number])} of {there} examples are used (--max_eval_examples {number})")
    return examples[:number]


def describe(args: PretrainingArguments, trainer: Trainer, metrics: dict[str, float], command: list[str]) -> None:
    """Writes README.md from model_cards/pretraining.md."""
    recipe, checkpoint = RECIPES[args.recipe], args.model_name_or_path
    start = f"initialised from `{checkpoint}`" if checkpoint and not args.from_scratch else "trained from scratch"
    losses = f"`mlm_loss` is the mean over all {'masked' if recipe.masks else 'predicted'} tokens"
    figures = sorted((name, value) for name, value in metrics.items() if isinstance(value, float))
    write_card(
        CARD,
        args,
        trainer,
        ["run_pretraining.py", *command],
        pipeline_tag="fill-mask",
        tags=["pretraining"],
        figures=[],
        start=start,
        recipe=args.recipe,
        objective=recipe.describe(trainer.model, **vars(args)),
        losses=losses + (", `nsp_loss` over all pairs" if recipe.next_sentence else ""),
        text=", ".join(args.train_files) or args.dataset_name,
        steps=str(trainer.state.global_step),
        notes=" ".join(note for name, note in NOTES.items() if f"eval_{name}" in metrics)
        + control_section(trainer.model.config),
        results=table("figure value", figures),
    )


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Runs the script; returns the validation figures."""
    args, training = parse(argv)
    check_options(args, training)
    recipe = RECIPES[args.recipe]
    set_seed(training.seed)
    documents = load_documents(args, "train")
    if documents is None:
        raise ValueError("there is no text: give --train_files or --dataset_name")
    if args.model_name_or_path is None:
        args.model_type = args.model_type or recipe.model_type
        args.tokenizer_type = args.tokenizer_type or recipe.model_type
        args.vocab_file = args.vocab_file or vocabulary_file(args, training, documents)
    model, processing_class, _ = load_model(args, recipe.auto_class)
    apply_controls(model, processing_class, args.permute_glyphs, random_glyphs=args.random_glyphs)
    check_recipe(args.recipe, model)
    check_length(args.max_seq_length, model)
    tokenizer = get_tokenizer(processing_class)
    withheld = withheld_characters(tokenizer, args.withhold, args.withhold_seed)
    note_withheld(model.config, withheld, tokenizer)
    encode = recipe.encoder(processing_class, args.max_seq_length)
    make = recipe.examples(tokenizer, args.max_seq_length, **vars(args))
    if recipe.next_sentence and training.process_index == 0:
        warn_of_lone_sentences(documents, encode, make)
    shared = {"rank": training.process_index, "world_size": training.world_size, "buffer": args.shuffle_buffer}
    held_out = load_documents(args, "validation")
    if held_out is None:
        if args.rare_below:
            raise ValueError(f"rare_below={args.rare_below} has no effect without validation text: give some")
        training.eval_strategy, training.eval_on_start = "no", False
    trainer = PretrainingTrainer(
        model=model,
        args=training,
        train_dataset=PretrainingStream(documents, encode, make, seed=training.seed, **shared),
        eval_dataset=held_out and validation_examples(held_out, encode, make, args.max_eval_examples),
        processing_class=processing_class,
        data_collator=recipe.collator(tokenizer, training.seed, as_unknown(withheld, tokenizer), **vars(args)),
        mask_token_id=tokenizer.mask_token_id if recipe.masks else None,
        callbacks=[LossCurve()],
    )
    has_trained = train(trainer)
    # the weights may have been evaluated already, those of the best checkpoint where that was loaded; what is known of
    # a run that was already finished is of an earlier start
    state = trainer.state
    step = state.best_global_step if training.load_best_model_at_end and state.best_global_step else state.global_step
    done = [row for row in state.log_history if has_trained and "eval_loss" in row and row["step"] == step]
    metrics = {} if held_out is None else done[-1] if done else trainer.evaluate()
    if held_out is not None:
        groups = unfamiliar_groups(args, tokenizer, read_texts(documents))
        figures = score_unfamiliar(trainer, trainer.eval_dataset, groups, recipe.masks, args.withhold_seed)
        metrics = {**metrics, **figures}
    trainer.save_metrics("eval", metrics)
    if trainer.is_world_process_zero():
        describe(args, trainer, metrics, sys.argv[1:] if argv is None else argv)
        print(*(f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float)))
    return metrics


if __name__ == "__main__":
    main()

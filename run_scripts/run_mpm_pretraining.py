"""Pre-trains one of the two encoders of MPM-CNER (section 2.2), on glyph images or on spectrograms of syllables.

    python run_scripts/run_mpm_pretraining.py --modality glyph --output_dir outputs/glyph
    python run_scripts/run_mpm_pretraining.py --modality phonetic --output_dir outputs/phonetic
    python run_scripts/run_mpm_pretraining.py --modality phonetic --recordings syllables.zip,characters.zip \
        --held_out_voices characters --output_dir outputs/recorded

Glyphs learn RCI (do two characters have the same radical?) and GIC (which character is it?) on GlyDB, see
training/glyph_pairs.py; sounds learn PCI (are initial and final the same?) and PCM (which toned syllable is it?) on
PhnDB, see training/sound_pairs.py. Both losses have the weight 0.5. Afterwards --output_dir holds the model, of which
MPM-CNER takes the encoder: `MpmCnerForTokenClassification.from_encoders(glyph="outputs/glyph", ...)`.

The defaults learn on two cores: a pair head that can tell equality (config.pair_head; the paper's, "linear", cannot),
images that are standardised by the first layer's initial weights, a learning rate of 1e-3 with warm-up, and small
shifts of the images. `--preset paper` takes what the paper says, and where it says nothing what stands in the
README: Adam with 1e-4, no warm-up, the linear head, no shifts. Options that are given come before it.

What is held out is scored beside what is trained on: fonts (--held_out_styles), characters (--held_out_characters; RCI
alone, as they have no class), voices (--held_out_voices). A run that was interrupted resumes from its last checkpoint
with the pairs and losses that it would have had (--resume_from_checkpoint False starts from scratch).

Writes beside the model: encoder.safetensors (the encoder alone, in half precision), all_results.json, loss.json,
loss.png, accuracy.png, README.md.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import HfArgumentParser, TrainingArguments, set_seed

from hanziformers.encoders import save_encoder
from hanziformers.modeling.configuration_mpm_pretraining import MpmPretrainingConfig
from hanziformers.modeling.modeling_mpm_pretraining import MpmForPreTraining
from hanziformers.processors.fonts import FontChain
from hanziformers.training.finite_trainer import FiniteTrainer
from hanziformers.training.glyph_pairs import STYLES, glyph_dataset, traditional_forms
from hanziformers.training.image_pairs import EpochSampler, collate_pairs
from hanziformers.training.loss_curve import LossCurve
from hanziformers.training.model_card import table, write_card
from hanziformers.training.pair_data import TRAINING, PairData, glyph_pairs, sound_pairs
from hanziformers.training.pair_scores import TASKS, PairScores
from hanziformers.training.resuming import train
from hanziformers.training.sound_pairs import phonetic_dataset
from hanziformers.training.text_files import read_text

CARD = Path(__file__).parent.parent / "model_cards" / "mpm_pretraining.md"


@dataclass
class MpmPretrainingArguments:
    """Which encoder to pre-train, on what."""

    modality: str = field(metadata={"help": "what the encoder sees", "choices": [*TASKS]})
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "a folder that this script wrote: trains on from its weights"}
    )
    preset: str | None = field(default=None, metadata={"help": "settings as published", "choices": ["paper"]})
    pair_head: str = field(default="interaction", metadata={"help": "interaction, or linear (the paper's)"})
    config_overrides: str = field(default="", metadata={"help": 'JSON, e.g. {"drop_path": 0.1, "depths": [2, 2]}'})
    standardise: bool = field(default=True, metadata={"help": "initialise as if images were standardised"})
    characters: str | None = field(
        default=None, metadata={"help": "glyph: file of characters, of which the traditional forms are rendered"}
    )
    styles: str = field(default=",".join(STYLES), metadata={"help": "glyph: fonts, separated by commas"})
    fonts: str = field(default="", metadata={"help": "glyph: your fonts for them, as style=path,style=path"})
    held_out_styles: str = field(default="brush", metadata={"help": "glyph: fonts that are only scored"})
    held_out_characters: int = field(default=300, metadata={"help": "glyph: number of characters only scored"})
    recordings: str = field(default="", metadata={"help": "phonetic: folders or zips of recordings, a voice each"})
    shipped_bank: bool = field(default=True, metadata={"help": "phonetic: use the shipped bank of spectrograms"})
    espeak_voices: str = field(default="", metadata={"help": "phonetic: further voices of espeak-ng, e.g. cmn,cmn+m3"})
    held_out_voices: str = field(default="", metadata={"help": "phonetic: voices that are only scored"})
    flips: bool = field(default=True, metadata={"help": "phonetic: flip spectrograms in time, as the paper does"})
    shift: int = field(default=2, metadata={"help": "move training images by up to so many pixels each way"})
    max_eval_pairs: int = field(default=2000, metadata={"help": "pairs of a set that are scored"})

    from_scratch = False  # for the model card


@dataclass
class MpmPretrainingTrainingArguments(TrainingArguments):
    """TrainingArguments with the defaults of this task."""

    num_train_epochs: float = 20
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    lr_scheduler_type: str = "cosine"
    warmup_steps: float = 0.05
    per_device_train_batch_size: int = 128
    per_device_eval_batch_size: int = 128
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    eval_on_start: bool = True
    save_steps: float = 500
    save_total_limit: int | None = 2
    logging_steps: float = 50
    report_to: str = "none"
    dataloader_pin_memory: bool = torch.cuda.is_available()


# where the paper says nothing (batch, epochs), what the README says; a batch is that of one process
PAPER = {
    "pair_head": "linear",
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "per_device_train_batch_size": 128,
    "standardise": False,
    "shift": 0,
}
EPOCHS = {"glyph": 20, "phonetic": 200}
OPTIONS = {  # those with an effect on one modality alone
    "glyph": ("characters", "styles", "fonts", "held_out_styles", "held_out_characters"),
    "phonetic": ("recordings", "shipped_bank", "espeak_voices", "held_out_voices", "flips"),
}


OVERRIDES = ("patch_size", "embed_dim", "depths", "num_heads", "window_size", "drop_path", "pair_loss_weight")
OF_NEW_MODEL = ("pair_head", "config_overrides", "standardise")  # a model to train on has its own


class PairTrainer(FiniteTrainer):
    """A Trainer that reads the pairs of each epoch in their own order, which is shuffled already."""

    def get_train_dataloader(self) -> DataLoader:
        """The pairs of an epoch in batches, divided between the processes."""
        loader = DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            sampler=EpochSampler(self.train_dataset),
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            drop_last=self.args.dataloader_drop_last,
        )
        return self.accelerator.prepare(loader)


def parse(argv: list[str] | None) -> tuple[MpmPretrainingArguments, MpmPretrainingTrainingArguments]:
    """Reads the options; modality and preset decide the defaults of those that are not given.

    Raises:
        ValueError: an option of the other modality is given, or one of a new model beside a model to train on.
    """
    parser = HfArgumentParser((MpmPretrainingArguments, MpmPretrainingTrainingArguments))
    args, _ = parser.parse_args_into_dataclasses(argv)
    parser.set_defaults(num_train_epochs=EPOCHS[args.modality], **(PAPER if args.preset else {}))
    args, training = parser.parse_args_into_dataclasses(argv)
    defaults = {option.name: option.default for option in fields(args)}
    for modality, names in OPTIONS.items():
        given = [name for name in names if getattr(args, name) != defaults[name]]
        if given and modality != args.modality:
            value = getattr(args, given[0])
            raise ValueError(f"{given[0]}={value} has no effect with --modality {args.modality}; leave it out")
    given = [name for name in OF_NEW_MODEL if getattr(args, name) != parser.get_default(name)]
    if given and args.model_name_or_path:
        raise ValueError(
            f"{given[0]}={getattr(args, given[0])} has no effect with --model_name_or_path, as that model keeps its "
            "configuration; leave one of them out"
        )
    return args, training


def names(text: str) -> list[str]:
    """Names or paths that are separated by commas."""
    return [name for name in text.split(",") if name]


def read_glyphs(args: MpmPretrainingArguments, seed: int) -> tuple[PairData, str]:
    """GlyDB and its pairs, and what was rendered, for the card."""
    given = args.characters and read_text(Path(args.characters), "characters")
    characters = traditional_forms(None if given is None else (one for one in given if not one.isspace()))
    held_out = names(args.held_out_styles)
    styles = list(dict.fromkeys([*names(args.styles), *held_out]))
    fonts: dict[str, list[str]] = {}
    for pair in names(args.fonts):
        style, equals, path = pair.partition("=")
        if not (style and equals and path):
            raise ValueError(f"--fonts holds {pair!r}; write style=path, several separated by commas")
        fonts.setdefault(style, []).append(path)
    images = glyph_dataset(characters, styles, fonts)
    without = sorted(set(characters) - set(images["character"][:]))
    rows = [(style, *font_of(style, fonts), images["style"][:].count(style)) for style in styles]
    data = glyph_pairs(images, held_out, args.held_out_characters, seed, args.shift, args.max_eval_pairs)
    text = f"{len(data.classes):,} characters"
    if without:
        print(f"{len(without)} of {len(characters):,} characters have no image in these fonts: {''.join(without[:20])}")
        text += f" ({len(without)} more have no image in these fonts)"
    return data, f"{text}:\n\n{table('style family version licence images', rows)}"


def read_sounds(args: MpmPretrainingArguments, seed: int) -> tuple[PairData, str]:
    """PhnDB and its pairs, and where it comes from, for the card."""
    sounds = phonetic_dataset(
        names(args.recordings) or None, espeak_voices=names(args.espeak_voices), shipped=args.shipped_bank
    )
    held_out = names(args.held_out_voices)
    counts = Counter(zip(sounds["voice"][:], sounds["source"][:], strict=True))
    rows = [(*voice, number, "held out" if voice[0] in held_out else "training") for voice, number in counts.items()]
    data = sound_pairs(sounds, held_out, args.flips, seed, args.shift, args.max_eval_pairs)
    return data, f"{len(data.classes):,} toned syllables:\n\n{table('voice source images set', rows)}"


def font_of(style: str, fonts: dict[str, list[str]]) -> tuple[str, str, str]:
    """Family, version and licence of the first font of a style."""
    info = FontChain(style, fonts, fallback=False).sources()[0][1].info
    return info.family, info.version, info.licence


def make_model(args: MpmPretrainingArguments, data: PairData) -> MpmForPreTraining:
    """A new model, or one to train on.

    Raises:
        ValueError: see `read_overrides`; the model has other classes than the data.
    """
    if args.model_name_or_path:
        model = MpmForPreTraining.from_pretrained(args.model_name_or_path)
        if [model.config.id2label[number] for number in range(model.config.num_labels)] != data.classes:
            raise ValueError(
                f"{args.model_name_or_path} has {model.config.num_labels} classes and the data have others "
                f"({len(data.classes)}); give the data that it was trained on, or leave --model_name_or_path out"
            )
        return model
    mean, std = data.statistics() if args.standardise else (None, None)
    config = MpmPretrainingConfig(
        modality=args.modality,
        pair_head=args.pair_head,
        image_mean=mean,
        image_std=std,
        id2label=dict(enumerate(data.classes)),
        label2id={name: number for number, name in enumerate(data.classes)},
        **read_overrides(args.config_overrides),
    )
    return MpmForPreTraining(config)


def read_overrides(text: str) -> dict[str, Any]:
    """Fields of the configuration from JSON.

    Raises:
        ValueError: it is no JSON object, or has a field that does not exist, or that the data or another option decide.
    """
    try:
        overrides = json.loads(text or "{}")
    except json.JSONDecodeError:
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError(f'config_overrides={text!r}; give a JSON object, such as {{"drop_path": 0.1}}')
    wrong = [name for name in overrides if name not in OVERRIDES]
    if wrong:
        raise ValueError(f"config_overrides={text!r} sets {wrong[0]!r}; allowed are {', '.join(OVERRIDES)}")
    return overrides


def describe(
    args: MpmPretrainingArguments,
    trainer: PairTrainer,
    data: PairData,
    source: str,
    metrics: dict[str, float],
    command: list[str],
) -> None:
    """Writes README.md from model_cards/mpm_pretraining.md."""
    config, training = trainer.model.config, trainer.args
    tasks = PairScores(config).tasks
    rows = []
    for name in data.sets:
        for key, value in metrics.items():
            if key.startswith(f"eval_{name}_") and key.removeprefix(f"eval_{name}_").startswith(tasks):
                rows.append((name, f"{data.rows[name]:,}", key.removeprefix(f"eval_{name}_"), value))
    write_card(
        CARD,
        args,
        trainer,
        ["run_mpm_pretraining.py", *command],
        pipeline_tag="image-feature-extraction",
        tags=["pretraining"],
        figures=[],
        modality=args.modality,
        what="glyph images" if args.modality == "glyph" else "spoken syllables",
        tasks=" and ".join(task.upper() for task in tasks),
        weight=f"{config.pair_loss_weight:g}",
        pair_head=config.pair_head,
        encoder=f"{sum(weight.numel() for weight in trainer.model.encoder.parameters()):,}",
        data=source,
        images=f"{data.rows[TRAINING]:,} images are trained on",
        pairs=data.train.pairs.describe(),
        steps=f"{trainer.state.global_step:,}",
        batch=str(training.train_batch_size * training.world_size * training.gradient_accumulation_steps),
        results=table("set images figure value", rows),
    )


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Runs the script; returns the validation figures."""
    args, training = parse(argv)
    set_seed(training.seed)
    with training.main_process_first(desc="rendering"):
        data, source = {"glyph": read_glyphs, "phonetic": read_sounds}[args.modality](args, training.seed)
    model = make_model(args, data)
    scores = PairScores(model.config)
    trainer = PairTrainer(
        model=model,
        args=training,
        train_dataset=data.train,
        eval_dataset=data.sets,
        data_collator=collate_pairs,
        compute_metrics=scores.summarise,
        preprocess_logits_for_metrics=scores.per_pair,
        callbacks=[LossCurve(scores.plots(data.sets))],
    )
    train(trainer)
    metrics = trainer.evaluate()
    trainer.save_metrics("eval", metrics)
    if trainer.is_world_process_zero():
        save_encoder(model.encoder, Path(training.output_dir) / "encoder.safetensors")
        describe(args, trainer, data, source, metrics, sys.argv[1:] if argv is None else argv)
        print(*(f"{name} {value:.4f}" for name, value in metrics.items() if "_accuracy" in name))
    return metrics


if __name__ == "__main__":
    main()

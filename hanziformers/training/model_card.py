"""What is written down about a trained model: tables, and the model card beside its weights."""

import json
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import torch
import transformers
from huggingface_hub import EvalResult, ModelCardData
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.processing_utils import ProcessorMixin

from ..processors.font_manifest import font_manifest_markdown
from ..processors.sound_manifest import sound_manifest_markdown
from ..version import __version__
from .encoder_options import origin, parts
from .model_loading import ModelArguments, get_tokenizer
from .new_model import hears_sounds


def table(head: str, rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; `head` names the columns, separated by spaces; fractions get four digits."""
    cells = [head.split(), ["---"] * len(head.split()), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in cells)


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def write_json_lines(path: Path, rows: Iterable[dict]) -> None:
    """Writes one JSON object per line, UTF-8; a run that is killed meanwhile leaves no file of this name behind."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    part.replace(path)


def eval_results(
    task: str, task_name: str, sources: dict[str, str], results: dict[str, dict], scores: Sequence[str]
) -> list[EvalResult]:
    """The figures of a model card's metadata.

    Args:
        task: as the Hub names it: "text-classification".
        task_name: in words.
        sources: by split, where its data come from.
        results: by split, figures by name.
        scores: the names of the figures to take.
    """
    return [
        EvalResult(task, sources[name], name, key, found[key], task_name=task_name, dataset_split=name)
        for name, found in results.items()
        for key in scores
    ]


def font_manifest_of(
    model: PreTrainedModel, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> dict[str, Any] | None:
    """The font manifest of a model's glyph images: which fonts rendered its characters.

    Args:
        model: its configuration may hold the manifest.
        processing_class: a processor has an image processor, whose manifest goes first.

    Returns:
        The manifest; None for a model that sees no glyph images, or of which nothing is known.
    """
    if not getattr(model.config, "use_glyphs", True):
        return None
    image_processor = getattr(processing_class, "image_processor", None)
    known = getattr(image_processor, "font_manifest", None) or getattr(model.config, "font_manifest", None)
    if known or image_processor is None:
        return known
    return image_processor.make_font_manifest(get_tokenizer(processing_class).bank_tokens())


def sound_manifest_of(
    model: PreTrainedModel, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> dict[str, Any] | None:
    """The sound manifest of a model: who spoke its syllables.

    Args:
        model: its configuration may hold the manifest.
        processing_class: a processor may have a feature extractor, whose manifest is taken where the model has none.

    Returns:
        The manifest; None for a model that hears no sounds.
    """
    if not hears_sounds(model.config):
        return None
    extractor = getattr(processing_class, "feature_extractor", None)
    known = getattr(model.config, "sound_manifest", None)
    return extractor.make_sound_manifest() if known is None and extractor is not None else known


def write_card(
    template: Path,
    args: ModelArguments,
    trainer: Trainer,
    command: Sequence[str],
    *,
    pipeline_tag: str,
    tags: Sequence[str],
    figures: list[EvalResult],
    **fields: str,
) -> None:
    """Writes README.md into the trainer's folder.

    Args:
        template: one of model_cards/; name, model_class, parts (which of them were removed), start, seed, parameters,
            fonts, sounds, command and the versions are filled in here, `start` by "fine-tuned from", "put together from
            encoders" or "trained from scratch".
        args: which model the run began with.
        trainer: holds model, processing class and folder.
        command: the script's name and its options as they were given; empty if there was no script.
        pipeline_tag: the task, as the Hub names it.
        tags: of the card, beside `hanziformers`.
        figures: see `eval_results`.
        fields: what else the template names; a field given here goes before the one that is filled in here.

    Raises:
        KeyError: the template names a field that is not given.
    """
    model, folder = trainer.model, Path(trainer.args.output_dir)
    data = ModelCardData(
        language="zh",
        library_name="transformers",
        pipeline_tag=pipeline_tag,
        tags=["hanziformers", *tags],
        model_name=folder.name,
        eval_results=figures or None,
    )
    fonts = font_manifest_of(model, trainer.processing_class)
    sounds = sound_manifest_of(model, trainer.processing_class)
    tokenizer = get_tokenizer(trainer.processing_class)  # None of a model that reads no text
    start = f"fine-tuned from `{args.model_name_or_path}`"
    known = dict(
        name=folder.name,
        model_class=type(model).__name__,
        parts=parts(model.config),
        start=start if args.model_name_or_path and not args.from_scratch else origin(args, model.config),
        seed=trainer.args.seed,
        parameters=f"{model.num_parameters():,}",
        version=__version__,
        transformers=transformers.__version__,
        torch=torch.__version__,
        pypinyin=_pypinyin(tokenizer),
        fonts=font_manifest_markdown(fonts) if fonts else "None: this model has no glyph images of characters.",
        sounds=sound_manifest_markdown(sounds) if sounds else "None: this model hears no sounds.",
        command=f"python run_scripts/{shlex.join(command)}" if command else "in Python, without a script",
    )
    text = Template(template.read_text(encoding="utf-8")).substitute(known | fields)
    (folder / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n\n{text}", encoding="utf-8")


def _pypinyin(tokenizer: PreTrainedTokenizerBase | None) -> str:
    """The version of pypinyin that a tokenizer keeps; the installed one where it reads syllables without keeping it."""
    kept = getattr(tokenizer, "init_kwargs", {}).get("pypinyin_version")
    return kept or (version("pypinyin") if getattr(tokenizer, "syllables", None) else "not used")


__all__ = ["eval_results", "font_manifest_of", "sound_manifest_of", "table", "write_card", "write_json_lines"]

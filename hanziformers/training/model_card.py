"""What scripts write down about a trained model: tables, and the model card beside its weights."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import torch
import transformers
from huggingface_hub import EvalResult, ModelCardData
from transformers import Trainer

from .model_loading import ModelArguments, font_manifest, get_tokenizer
from ..processors.font_manifest import font_manifest_markdown
from ..version import __version__


def table(head: str, rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; `head` names the columns, separated by spaces; fractions get four digits."""
    cells = [head.split(), ["---"] * len(head.split()), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in cells)


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def write_json_lines(path: Path, rows: Iterable[dict]) -> None:
    """One JSON object a line, UTF-8."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


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
        template: one of model_cards/; name, model_class, start, seed, parameters, fonts and the versions are
            filled in here.
        args: which model the run began with.
        trainer: holds model, tokenizer and folder.
        command: the script's name and the options of the run as they were given.
        pipeline_tag: the task, as the Hub names it.
        tags: of the card, beside `hanziformers`.
        figures: see `eval_results`.
        fields: what else the template names.
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
    manifest = font_manifest(model, trainer.processing_class)
    start = f"fine-tuned from `{args.model_name_or_path}`"
    text = Template(template.read_text(encoding="utf-8")).fallback(
        name=folder.name,
        model_class=type(model).__name__,
        start=start if args.model_name_or_path and not args.from_scratch else "trained from scratch",
        seed=trainer.args.seed,
        parameters=f"{model.num_parameters():,}",
        version=__version__,
        transformers=transformers.__version__,
        torch=torch.__version__,
        pypinyin=get_tokenizer(trainer.processing_class).init_kwargs.get("pypinyin_version", "not used"),
        fonts=font_manifest_markdown(manifest) if manifest else "None: this model has no glyph images of characters.",
        command=f"python run_scripts/{shlex.join(command)}",
        **fields,
    )
    (folder / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n\n{text}", encoding="utf-8")


__all__ = ["eval_results", "table", "write_card", "write_json_lines"]

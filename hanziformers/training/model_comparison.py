"""The models that experiments compare, BERT, ChineseBERT and GlyphCRM, and the options of each one's trainings.

All have the sizes of --config_overrides and the same vocabulary; what only one of them has is set by an option of its
own (--glyph_crm_overrides glyph_size=24).
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .experiment_options import check_flags, check_overrides
from .experiments import Experiments
from .task import Task

MODELS = {"BERT": "bert", "ChineseBERT": "chinese_bert", "GlyphCRM": "glyph_crm"}  # name -> model type
_SHARED = ("vocab_file", "vocabulary_bank")


def add_model_options(parser: ArgumentParser, checkpoints: bool) -> None:
    """Adds the options of the models.

    Args:
        parser: of the script.
        checkpoints: whether models may be checkpoints, too.
    """
    parser.add_argument("--vocab_file", default="", help="models from scratch: the vocabulary, one token a line")
    parser.add_argument("--vocabulary_bank", default="", help="True: glyph images of the vocabulary alone")
    for name, model in MODELS.items():
        if checkpoints:
            parser.add_argument(f"--{model}", default="", help=f"a checkpoint of {name}, in place of one from scratch")
        parser.add_argument(f"--{model}_overrides", default="", help=f"config overrides of {name} alone")
        parser.add_argument(f"--{model}_rates", default="", help=f"learning rates of parts of {name}")


def model_options(args: Namespace, name: str, overrides: str = "") -> dict[str, Any]:
    """The options of a training that make a model.

    Args:
        args: with the options of `add_model_options` and config_overrides, which a checkpoint does not take.
        name: one of `MODELS`.
        overrides: further ones of the configuration.
    """
    model = MODELS[name]
    checkpoint = getattr(args, model, "")
    given = ("" if checkpoint else args.config_overrides, getattr(args, f"{model}_overrides"), overrides)
    options = {"config_overrides": ",".join(filter(None, given)), "learning_rates": getattr(args, f"{model}_rates")}
    if checkpoint:
        return {"model_name_or_path": checkpoint, **options}
    return {"model_type": model, **{shared: getattr(args, shared) for shared in _SHARED}, **options}


def check_runs(experiments: Experiments, task: type[Task]) -> None:
    """Refuses options, before the first training, that the trainings do not have, or that would make all of them alike.

    Raises:
        ValueError: names them.
    """
    stages = [stage for run in experiments.needed() for stage in experiments.stages(run, Path())]
    check_flags(task, experiments.options, {name for stage in stages for name in stage.options})
    new = [stage.options for stage in stages if stage.options.get("model_type")]
    for model, overrides in {(options["model_type"], options["config_overrides"]) for options in new}:
        check_overrides(model, overrides)


__all__ = ["MODELS", "add_model_options", "check_runs", "model_options"]

"""Runs the experiments of the Glyce paper on your data, and writes its tables: Tables 2 to 6 and 8 to 11.

    python run_scripts/run_glyce_experiments.py --output_dir outputs/glyce --results results/glyce --seeds 1 2 3 \
        --ner Weibo=weibo.train,weibo.dev,weibo.test --pos UD1=train.conllu,dev.conllu,test.conllu \
        --pair AFQMC=train.tsv,dev.tsv, --single ChnSentiCorp=train.tsv,dev.tsv,test.tsv \
        --tables main strategies layers image_loss cnns --semantic_encoder bert-base-chinese --num_train_epochs 3

A data set is NAME=TRAIN,VALIDATION,TEST: files that run_ner.py (--ner, --cws, --pos) or run_classification.py (--pair,
--single) reads. VALIDATION may be empty, and so may TEST: a tenth of the training data is then held out, for TEST the
same rows in every run. "BERT" has the same layers of the task as "Glyce+BERT", and no glyphs; taggers end in a CRF.
Tables 8 to 11 are of the first --pair. Every system trains for --num_train_epochs in all; a strategy of several stages
shares them out.

With --vocab_file and --config_overrides in place of --semantic_encoder all models are small ones from scratch. Options
that this script does not have go to the trainings. Every one is a process of its own; a finished one is not done again.
Writes glyce.md, glyce.json and a plot into --results. Table 7 (parsing and semantic roles) is not here.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hanziformers.training.experiments import (
    PREVIOUS,
    Data,
    Experiments,
    Run,
    Stage,
    add_options,
    parse_data,
    plot_systems,
    run_experiments,
    spread,
    write_page,
)
from hanziformers.training.model_card import table

BERT, GLYCE = "BERT", "Glyce+BERT"
TASKS = {  # Tables 2 to 6
    "ner": "Named entities (Table 2)",
    "cws": "Word segmentation (Table 3)",
    "pos": "Parts of speech (Table 4)",
    "pair": "Pairs of sentences (Table 5)",
    "single": "Single sentences (Table 6)",
}
TAGGING = ("ner", "cws", "pos")
COLUMNS = ("precision", "recall", "f1", "accuracy")
ENCODER = "{semantic_encoder}"  # in the options of a stage: what --semantic_encoder names
FROZEN = {"learning_rate": 0}  # the semantic encoder is frozen
# system -> the options of its stages. A checkpoint that is loaded again is not frozen any more
SYSTEMS: dict[str, list[dict[str, Any]]] = {
    BERT: [{"config_overrides": "use_glyphs=false"}],
    GLYCE: [{}],
    "only BERT": [{"model_name_or_path": ENCODER}],
    "Glyph-Joint": [FROZEN, {"model_name_or_path": PREVIOUS}],
    "BERT-glyce-joint": [
        {"model_name_or_path": ENCODER},
        {"semantic_encoder": PREVIOUS, **FROZEN},
        {"model_name_or_path": PREVIOUS},
    ],
    "BiLSTMs": [{"config_overrides": "task_layer=bilstm"}],
    "CNNs": [{"config_overrides": "task_layer=cnn"}],
    "BiMPM": [{"config_overrides": "task_layer=bimpm"}],
    "no layers": [{"config_overrides": "task_layer=none"}],
    "WO image-cls": [{"config_overrides": "use_image_loss=false"}],
    "Vanilla-CNN": [{"config_overrides": "glyph_cnn=vanilla"}],
    "He et al. [2016]": [{"config_overrides": "glyph_cnn=resnet"}],
}
# table -> its title, and the name of a row -> its system
SWITCHES: dict[str, tuple[str, dict[str, str]]] = {
    "strategies": (
        "Training strategies (Table 8)",
        {name: name for name in ("BERT-glyce-joint", "Glyph-Joint")} | {"joint": GLYCE, "only BERT": "only BERT"},
    ),
    "layers": (
        "Layers of the task (Table 9)",
        {"Transformers": GLYCE, "BiLSTMs": "BiLSTMs", "CNNs": "CNNs", "BiMPM": "BiMPM", "none": "no layers"},
    ),
    "image_loss": ("Image classification (Table 10)", {"W image-cls": GLYCE, "WO image-cls": "WO image-cls"}),
    "cnns": (
        "CNNs (Table 11)",
        {"Vanilla-CNN": "Vanilla-CNN", "He et al. [2016]": "He et al. [2016]", "Tianzige-CNN": GLYCE},
    ),
}
COMPARED = ("use_glyphs", "task_layer", "use_image_loss", "glyph_cnn")
NEW_MODEL = (
    "semantic_encoder",
    "vocab_file",
    "glyph_styles",
    "vocabulary_bank",
)  # options that a checkpoint does not take
PUBLISHED = {  # precision, recall, F1, accuracy in the paper, with bert-base-chinese
    ("ner", "Weibo", BERT): (0.6712, 0.6688, 0.6733, None),
    ("ner", "Weibo", GLYCE): (0.6768, 0.6771, 0.6760, None),
    ("ner", "Resume", BERT): (0.9612, 0.9545, 0.9578, None),
    ("ner", "Resume", GLYCE): (0.9662, 0.9648, 0.9654, None),
    ("pos", "UD1", BERT): (0.9542, 0.9417, 0.9479, None),
    ("pos", "UD1", GLYCE): (0.9619, 0.9610, 0.9614, None),
    ("single", "ChnSentiCorp", BERT): (None, None, None, 0.954),
    ("single", "ChnSentiCorp", GLYCE): (None, None, None, 0.959),
}


class GlyceExperiments(Experiments):
    """The runs of the paper, and their scores.

    Raises:
        ValueError: options that leave a table without meaning: names them.
    """

    script = Path(__file__)

    def __init__(self, args: Namespace, options: list[str]) -> None:
        super().__init__(args, options, [one for task in TASKS for one in parse_data(getattr(args, task), task, False)])
        if not self.data:
            raise ValueError(f"there are no data: give one of {', '.join(f'--{task}' for task in TASKS)}")
        given = [piece.partition("=")[0].strip() for piece in args.config_overrides.split(",")]
        if compared := [name for name in given if name in COMPARED]:
            raise ValueError(f"--config_overrides sets {', '.join(compared)}, which the tables compare: leave it out")
        switches = [name for name in args.tables if name in SWITCHES]
        if switches and not args.pair:
            raise ValueError(f"--tables {' '.join(switches)} are of the first --pair, and there is none: give one")
        if "strategies" in switches and not args.semantic_encoder:
            raise ValueError("--tables strategies begins with a BERT that is trained: give --semantic_encoder")

    @property
    def pair(self) -> Data:
        """The data set of Tables 8 to 11."""
        return next(data for data in self.data if data.task == "pair")

    def needed(self) -> list[Run]:
        """The runs that the chosen tables need, each once, those of one seed together."""
        wanted = [(system, data) for data in self.data for system in (BERT, GLYCE) if "main" in self.args.tables]
        switches = [SWITCHES[name][1] for name in self.args.tables if name in SWITCHES]
        wanted += [(system, self.pair) for rows in switches for system in rows.values()]
        return [Run(system, data, 100, seed) for seed in self.args.seeds for system, data in dict.fromkeys(wanted)]

    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """One training, or the stages of a strategy, which share the epochs out."""
        args, data, stages = self.args, run.data, SYSTEMS[run.system]
        is_tagger = data.task in TAGGING
        common = {"train_file": data.train, "validation_file": data.validation, "test_file": data.test}
        common |= {} if data.test else {"test_fraction": 0.1}
        common |= {"task_name": data.task, "classifier": "crf"} if is_tagger else {}
        common["num_train_epochs"] = args.num_train_epochs / len(stages)
        script = "run_ner.py" if is_tagger else "run_classification.py"
        return [Stage(script, {**common, **self._model_options(own)}) for own in stages]

    def _model_options(self, own: dict[str, Any]) -> dict[str, Any]:
        """The options of a stage's model and learning rates."""
        args = self.args
        options = {"learning_rate": args.learning_rate, "learning_rates": args.learning_rates, **own}
        if own.get("model_name_or_path") == ENCODER:  # a BERT has one rate
            return {**options, "model_name_or_path": args.semantic_encoder, "learning_rates": ""}
        if "model_name_or_path" not in own:
            new = {name: getattr(args, name) for name in NEW_MODEL}
            overrides = self.overrides(own.get("config_overrides", ""))
            options = {"model_type": "glyce", **new, **options, "config_overrides": overrides}
        return options

    def figures(self, system: str, data: Data) -> dict[str, np.ndarray]:
        """Figure -> values of the seeds; nan where a task has none."""
        found = [self.test_figures(Run(system, data, 100, seed)) for seed in self.args.seeds]
        return {name: np.array([one.get(name, np.nan) for one in found]) for name in COLUMNS}


def main_tables(experiments: GlyceExperiments) -> str:
    """Tables 2 to 6: both systems, beside the published figures where there are some."""
    parts = []
    for task, title in TASKS.items():
        rows = []
        for data in (one for one in experiments.data if one.task == task):
            for system in (BERT, GLYCE):
                rows.append([data.name, system, *map(spread, experiments.figures(system, data).values())])
                if printed := PUBLISHED.get((task, data.name, system)):
                    cells = ["-" if value is None else f"{value:.4f}" for value in printed]
                    rows.append([data.name, f"{system}, as published", *cells])
        if rows:
            parts.append(f"## {title}\n\n{table('data system precision recall F1 accuracy', rows)}")
    binary = "Precision, recall and F1 of sentences are those of label 1, where the labels are 0 and 1."
    return "\n\n".join([*parts, binary])


def switch_table(experiments: GlyceExperiments, name: str) -> str:
    """One of Tables 8 to 11."""
    title, systems = SWITCHES[name]
    data = experiments.pair
    rows = [[row, *map(spread, experiments.figures(system, data).values())] for row, system in systems.items()]
    return f"## {title}: {data.name}\n\n{table('system precision recall F1 accuracy', rows)}"


TABLES: dict[str, Callable[[GlyceExperiments, str], str]] = {
    "main": lambda experiments, _: main_tables(experiments),
    **dict.fromkeys(SWITCHES, switch_table),
}


def write_results(experiments: GlyceExperiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plot; returns the tables."""
    results = Path(experiments.args.results)
    results.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(TABLES[name](experiments, name) for name in experiments.args.tables)
    runs, panels = experiments.needed(), {}
    for data in dict.fromkeys(run.data for run in runs):
        score = "f1" if data.task in TAGGING else "accuracy"
        systems = dict.fromkeys(run.system for run in runs if run.data == data)
        values = {system: experiments.figures(system, data)[score] for system in systems}
        panels[f"{data.name} ({data.task})"] = (f"{score} of the test data", values)
    plot_systems(panels, results / "systems.png")
    figures = [
        {"system": run.system, "task": run.data.task, "data": run.data.name, "seed": run.seed}
        | {name: value for name, value in experiments.test_figures(run).items() if name in COLUMNS}
        for run in runs
    ]
    write_page(experiments, "glyce", "Glyce", command, text, figures, ["systems.png"])
    return text


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    for task, title in TASKS.items():
        parser.add_argument(
            f"--{task}", action="append", default=[], help=f"{title}: NAME=TRAIN,VALIDATION,TEST; repeat it"
        )
    add_options(parser, "glyce", list(TABLES))
    parser.add_argument("--semantic_encoder", default="", help="checkpoint of a BERT, with its vocabulary")
    parser.add_argument("--vocab_file", default="", help="without --semantic_encoder: the vocabulary")
    parser.add_argument("--glyph_styles", default="", help="the scripts, by default the eight of Table 1")
    parser.add_argument("--vocabulary_bank", default="", help="True: glyph images of the vocabulary alone")
    parser.add_argument("--num_train_epochs", type=float, default=3.0, help="of a run, all stages together")
    parser.add_argument("--learning_rate", type=float, default=2e-5, help="of the semantic encoder")
    parser.add_argument("--learning_rates", default="", help="of the other parts, e.g. glyph=1e-4,rest=1e-4")
    print(run_experiments(parser, GlyceExperiments, write_results, argv))


if __name__ == "__main__":
    main()

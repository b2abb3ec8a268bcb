"""Runs the experiments of the Glyce paper on models without BERT, each with and without glyphs: Tables 2 and 4 to 7.

    python run_scripts/run_host_experiments.py --output_dir outputs/hosts --results results/hosts --seeds 1 2 3 \
        --vocab_file vocab.txt --ner Weibo=weibo.train,weibo.dev,weibo.test --pair AFQMC=train.tsv,dev.tsv, \
        --parsing GSD=train.conllu,dev.conllu,test.conllu --foreign GSDSimp=other.conllu \
        --options ner="--num_train_epochs 20" --options parsing="--num_train_epochs 30 --learning_rate 2e-3"

A data set is NAME=TRAIN,VALIDATION,TEST: files that run_ner.py (--ner, --pos), run_classification.py (--pair,
--single), run_parsing.py (--parsing) or run_srl.py (--srl) reads. VALIDATION may be empty, and so may TEST: a tenth of
the training data is then held out, for TEST the same rows in every run. --foreign NAME=FILE is another treebank, on
which every parser is scored as it is. Taggers and LSTM classifiers read characters, of --vocab_file; all other models
count their words in the training text.

Options that this script does not have go to all trainings. --options KEY="..." are those of some: KEY is a task (ner,
pos, pair, single, parsing, srl), the name of a data set or a model type (bilstm, lattice_lstm, bimpm, biaffine, srl);
what is given later wins, and every --config_overrides is added to those before. A model with glyphs and its baseline
have the same options. Every training is a process of its own; a finished one is not done again, so that several calls,
each with other --tables, can fill one --output_dir, and a last one with all data writes the page: hosts.md, hosts.json
and a plot into --results.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoConfig

from hanziformers.training.classification_task import ClassificationTask
from hanziformers.training.dependency_task import DependencyTask
from hanziformers.training.experiment_options import Options, check_flags, check_overrides, parse_options
from hanziformers.training.experiments import (
    Data,
    Experiments,
    Run,
    Stage,
    add_options,
    as_flags,
    finished_before,
    is_finished,
    other_options,
    parse_data,
    plot_systems,
    read_figures,
    run_experiments,
    spread,
    write_page,
)
from hanziformers.training.model_card import table
from hanziformers.training.ner_task import NerTask
from hanziformers.training.new_model import tokenizer_class_of
from hanziformers.training.srl_task import SrlTask
from hanziformers.training.task import Task
from hanziformers.training.word_options import counts_words

GLYCE = " + Glyce"  # behind the name of a host
PREDICT = "--do_predict"


@dataclass(frozen=True)
class Kind:
    """A task: its table, its script, and what is compared.

    Attributes:
        title: of the table.
        script: that trains.
        task: whose options the script has.
        hosts: name -> model type.
        columns: the figures of the table; the last one is plotted.
        options: of every training.
    """

    title: str
    script: str
    task: type[Task]
    hosts: Mapping[str, str]
    columns: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def systems(self) -> dict[str, str]:
        """Every host, and every one with glyphs: name -> model type."""
        return {name + glyphs: kind for name, kind in self.hosts.items() for glyphs in ("", GLYCE)}


CLASSIFICATION = "run_classification.py"
TAGGERS = {"BiLSTM-CRF": "bilstm", "Lattice-LSTM": "lattice_lstm"}
MATCHERS, LSTMS = {"BiMPM": "bimpm"}, {"LSTM": "bilstm"}
PARSERS, LABELLERS = {"Biaffine": "biaffine"}, {"k-order pruning": "srl"}
PRF = ("precision", "recall", "f1")
CRF = {"classifier": "crf"}
KINDS = {
    "ner": Kind("Named entities (Table 2)", "run_ner.py", NerTask, TAGGERS, PRF, {"task_name": "ner", **CRF}),
    "pos": Kind("Parts of speech (Table 4)", "run_ner.py", NerTask, TAGGERS, PRF, {"task_name": "pos", **CRF}),
    "pair": Kind("Pairs of sentences (Table 5)", CLASSIFICATION, ClassificationTask, MATCHERS, (*PRF, "accuracy")),
    "single": Kind("Single sentences (Table 6)", CLASSIFICATION, ClassificationTask, LSTMS, ("accuracy",)),
    "parsing": Kind("Dependency parsing (Table 7)", "run_parsing.py", DependencyTask, PARSERS, ("uas", "las")),
    "srl": Kind("Semantic roles (Table 7)", "run_srl.py", SrlTask, LABELLERS, PRF),
}
# task -> the paper's data set -> system -> its figures in per cent, in the order of the columns
PUBLISHED: dict[str, dict[str, dict[str, tuple[float | None, ...]]]] = {
    "ner": {
        "OntoNotes": {
            "BiLSTM-CRF": (74.36, 69.43, 71.81),
            "Lattice-LSTM": (76.35, 71.56, 73.88),
            "Lattice-LSTM + Glyce": (82.06, 68.74, 74.81),
        },
        "MSRA": {
            "BiLSTM-CRF": (92.97, 90.80, 91.87),
            "Lattice-LSTM": (93.57, 92.79, 93.18),
            "Lattice-LSTM + Glyce": (93.86, 93.92, 93.89),
        },
        "Weibo": {
            "BiLSTM-CRF": (51.16, 51.07, 50.95),
            "Lattice-LSTM": (52.71, 53.92, 53.13),
            "Lattice-LSTM + Glyce": (53.69, 55.30, 54.32),
        },
        "Resume": {
            "BiLSTM-CRF": (94.53, 94.29, 94.41),
            "Lattice-LSTM": (94.81, 94.11, 94.46),
            "Lattice-LSTM + Glyce": (95.72, 95.63, 95.67),
        },
    },
    "pos": {
        "CTB5": {"Lattice-LSTM": (94.77, 95.51, 95.14), "Lattice-LSTM + Glyce": (95.49, 95.72, 95.61)},
        "CTB6": {"Lattice-LSTM": (92.00, 90.86, 91.43), "Lattice-LSTM + Glyce": (92.72, 91.14, 91.92)},
        "CTB9": {"Lattice-LSTM": (92.53, 91.73, 92.13), "Lattice-LSTM + Glyce": (92.28, 92.85, 92.38)},
        "UD1": {"Lattice-LSTM": (90.47, 89.70, 90.09), "Lattice-LSTM + Glyce": (91.57, 90.19, 90.87)},
    },
    "pair": {
        "BQ": {"BiMPM": (82.3, 81.2, 81.7, 81.9), "BiMPM + Glyce": (81.9, 85.5, 83.7, 83.3)},
        "XNLI": {"BiMPM": (None, None, None, 67.5), "BiMPM + Glyce": (None, None, None, 67.7)},
        "LCQMC": {"BiMPM": (77.6, 93.9, 85.0, 83.4), "BiMPM + Glyce": (80.4, 93.4, 86.4, 85.3)},
        "NLPCC-DBQA": {"BiMPM": (78.8, 56.5, 65.8, None), "BiMPM + Glyce": (76.3, 59.9, 67.1, None)},
    },
    "single": {
        "ChnSentiCorp": {"LSTM": (91.7,), "LSTM + Glyce": (93.1,)},
        "Fudan": {"LSTM": (95.8,), "LSTM + Glyce": (96.3,)},
        "iFeng": {"LSTM": (84.9,), "LSTM + Glyce": (85.8,)},
    },
    "parsing": {"CTB 5.1": {"Biaffine": (89.3, 88.2), "Biaffine + Glyce": (90.2, 89.0)}},
    "srl": {"CoNLL-2009": {"k-order pruning": (84.2, 81.5, 82.8), "k-order pruning + Glyce": (85.4, 82.1, 83.7)}},
}
NOTES = {
    "ner": "BiLSTM-CRF is the paper's CRF-LSTM, of which it has no figures with glyphs.",
    "pos": "The paper has no figures of BiLSTM-CRF.",
    "pair": "Precision, recall and F1 are those of label 1, where the labels are 0 and 1.",
    "parsing": "UAS and LAS are over gold words without punctuation, relations with their subtypes; a relation that "
    "the training data do not have counts as missed.",
    "srl": "The published figures of k-order pruning are those of He et al., 2018. Here predicates are given, and "
    "their senses are not scored; arguments that pruning loses count as missed.",
}


def parse_foreign(texts: Sequence[str]) -> list[Data]:
    """Reads NAME=FILE.

    Raises:
        ValueError: a part is missing, or a name is given twice.
        FileNotFoundError: a file does not exist.
    """
    found: dict[str, Data] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not name.isidentifier() or name in found:
            raise ValueError(f"--foreign {text!r} is not allowed; give NAME=FILE, each NAME once")
        if not Path(file).is_file():
            raise FileNotFoundError(f"--foreign {text!r}: there is no file {file}")
        found[name] = Data(name, "", "", file, "foreign")
    return list(found.values())


class HostExperiments(Experiments):
    """The runs of the chosen tables, and their scores.

    Raises:
        ValueError: a table without data, or options that a training does not have.
    """

    script = Path(__file__)

    def __init__(self, args: Namespace, options: list[str]) -> None:
        given = [name for name in KINDS if getattr(args, name)]
        if missing := [name for name in args.tables if name not in given]:
            raise ValueError(f"--tables {' '.join(missing)} are without data: give --{missing[0]}, or leave them out")
        if not given:
            raise ValueError(f"there are no data: give one of {', '.join(f'--{name}' for name in KINDS)}")
        self.tables = [name for name in given if name in args.tables or not args.tables]
        data = [parse_data(getattr(args, name), name, needs_test=False) for name in given]
        keys = dict.fromkeys([*KINDS, *(one.name for each in data for one in each), *_model_types()])
        self.own_options = parse_options(args.options, list(keys))
        self.foreign = parse_foreign(args.foreign)
        if self.foreign and not args.parsing:
            raise ValueError("--foreign is scored by parsers, and there is no --parsing: give it, or leave it out")
        super().__init__(args, options, [one for each in data for one in each if one.task in self.tables])
        self._check()

    def _check(self) -> None:
        """Refuses options that a training would refuse, before the first one starts."""
        for run in self.needed():
            (stage,) = self.stages(run, Path())
            model_type = stage.options["model_type"]
            if _reads_characters(model_type) and not self.args.vocab_file:
                raise ValueError(f"{run.system} reads characters: give --vocab_file, a vocabulary with one in a line")
            overrides = stage.options["config_overrides"]
            if any(piece.partition("=")[0].strip() == "glyce" for piece in overrides.split(",")[:-1]):
                raise ValueError(f"--config_overrides {overrides} sets glyce, which the tables compare: leave it out")
            check_overrides(model_type, overrides)
            check_flags(KINDS[run.data.task].task, self.further_options(run), stage.options)

    def needed(self) -> list[Run]:
        """Every system on every data set, those of one seed together."""
        return [
            Run(system, data, 100, seed)
            for seed in self.args.seeds
            for data in self.data
            for system in KINDS[data.task].systems
        ]

    def _own(self, run: Run) -> list[Options]:
        """The --options of a run, in the order in which they were given."""
        names = (run.data.task, run.data.name, KINDS[run.data.task].systems[run.system])
        return [one for one in self.own_options if one.key in names]

    def further_options(self, run: Run) -> list[str]:
        """Those of all trainings, then those of some."""
        return [*self.options, *(part for one in self._own(run) for part in one.rest)]

    def stages(self, run: Run, folder: Path) -> list[Stage]:
        """One training."""
        data, kind = run.data, KINDS[run.data.task]
        model_type = kind.systems[run.system]
        glyphs = f"glyce={'true' if run.system.endswith(GLYCE) else 'false'}"
        options = {
            "model_type": model_type,
            "vocab_file": self.args.vocab_file if _reads_characters(model_type) else "",
            "config_overrides": self.overrides(*(one.overrides for one in self._own(run)), glyphs),
            "train_file": data.train,
            "validation_file": data.validation,
            "test_file": data.test,
            "test_fraction": "" if data.test else 0.1,
        }
        return [Stage(kind.script, {**kind.options, **options})]

    def carry_out(self, run: Run) -> None:
        """Trains and tests; a parser is scored on the foreign treebanks too, and a new one again."""
        is_new = not is_finished(run.folder(self.args.output_dir))
        super().carry_out(run)
        for folder, options in self._foreign_tests(run):
            if is_new or not is_finished(folder):
                self.start(KINDS["parsing"].script, options, [PREDICT])

    def _foreign_tests(self, run: Run) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Of a parser's run the folder of every foreign treebank, and the options with which it is parsed."""
        parser = run.folder(self.args.output_dir)
        for data in self.foreign if run.data.task == "parsing" else ():
            folder = parser / _part(data)
            yield folder, {"model_name_or_path": parser, "test_file": data.test, "output_dir": folder}

    def notes(self) -> list[str]:
        """Also of foreign treebanks that were parsed before: another file may have had the name."""
        others: dict[str, list[str]] = {}
        for folder, options in (one for run in self.needed() for one in self._foreign_tests(run)):
            for name in other_options(folder, KINDS["parsing"].script, [*as_flags(options), PREDICT]):
                others.setdefault(name, []).append(folder.relative_to(self.args.output_dir).as_posix())
        return [*super().notes(), *finished_before(others)]

    def tests(self) -> Iterator[tuple[str, Data, str]]:
        """Every test: the name of its data, the data trained on, and the folder of its figures within that of a run."""
        for data in self.data:
            yield data.name, data, ""
            for other in self.foreign if data.task == "parsing" else ():
                yield f"{other.name}, trained on {data.name}", data, _part(other)

    def figures(self, system: str, data: Data, part: str) -> dict[str, np.ndarray]:
        """Figure -> values of the seeds; nan where a test has none."""
        runs = [Run(system, data, 100, seed) for seed in self.args.seeds]
        found = [read_figures(run.folder(self.args.output_dir) / part) for run in runs]
        return {name: np.array([one.get(name, np.nan) for one in found]) for name in KINDS[data.task].columns}


def _reads_characters(model_type: str) -> bool:
    """Whether the vocabulary of such a model is a file, and not counted in the training text."""
    return not counts_words(tokenizer_class_of(AutoConfig.for_model(model_type)))


def _model_types() -> list[str]:
    return [host for kind in KINDS.values() for host in kind.hosts.values()]


def _part(foreign: Data) -> str:
    """The folder of a foreign treebank's figures within that of a parser."""
    return f"foreign-{foreign.name}"


def task_table(experiments: HostExperiments, task: str) -> str:
    """The table of a task: both forms of every host, beside the published figures."""
    kind, published, rows = KINDS[task], PUBLISHED[task], []
    for name, data, part in (one for one in experiments.tests() if one[1].task == task):
        for system in kind.systems:
            rows.append([name, system, *map(spread, experiments.figures(system, data, part).values())])
            if system in published.get(name, {}):
                rows.append([name, f"{system}, as published", *_printed(published[name][system])])
    notes = [NOTES[task]] if task in NOTES else []
    if not any(data.name in published for data in experiments.data if data.task == task):
        notes.insert(0, "The paper's figures are of other data, which are not here.")
        for name, systems in published.items():
            rows += [[f"{name} (other data)", f"{own}, as published", *_printed(systems[own])] for own in systems]
    head = " ".join(["data", "system", *({"f1": "F1", "uas": "UAS", "las": "LAS"}.get(c, c) for c in kind.columns)])
    return "\n\n".join([f"## {kind.title}", table(head, rows), *([" ".join(notes)] if notes else [])])


def _printed(values: Sequence[float | None]) -> list[str]:
    return ["-" if value is None else f"{value / 100:.4f}" for value in values]


def write_results(experiments: HostExperiments, command: str) -> str:
    """Writes the tables, the figures behind them and the plot; returns the tables."""
    results = Path(experiments.args.results)
    results.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(task_table(experiments, task) for task in experiments.tables)
    panels, figures = {}, []
    for name, data, part in experiments.tests():
        kind = KINDS[data.task]
        found = {system: experiments.figures(system, data, part) for system in kind.systems}
        values = {system: one[kind.columns[-1]] for system, one in found.items()}
        panels[f"{name} ({data.task})"] = (f"{kind.columns[-1]} of the test data", values)
        for system, one in found.items():
            for index, seed in enumerate(experiments.args.seeds):
                known = {key: float(value[index]) for key, value in one.items() if not np.isnan(value[index])}
                figures.append({"task": data.task, "data": name, "system": system, "seed": seed, **known})
    plot_systems(panels, results / "systems.png")
    write_page(experiments, "hosts", "Glyce without BERT", command, text, figures, ["systems.png"])
    return text


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    for name, kind in KINDS.items():
        text = f"{kind.title}: NAME=TRAIN,VALIDATION,TEST; repeat it"
        parser.add_argument(f"--{name}", action="append", default=[], help=text)
    parser.add_argument("--foreign", action="append", default=[], help="NAME=FILE: a treebank for trained parsers")
    parser.add_argument("--options", action="append", default=[], help='KEY="...": options of some trainings')
    parser.add_argument("--vocab_file", default="", help="of the models that read characters")
    add_options(parser, "hosts", list(KINDS))
    parser.set_defaults(tables=[])  # those that have data
    print(run_experiments(parser, HostExperiments, write_results, argv))


if __name__ == "__main__":
    main()

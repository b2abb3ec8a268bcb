"""Pre-trains models side by side, with the controls that a claim about glyph images needs, and compares their losses.

    python run_scripts/compare_pretraining.py --output_dir outputs/pretraining --seeds 1 2 3 --jobs 2 \
        --arm bert_untied bert_untied_5x glyph_crm glyph_crm_whiten_0.03x glyph_crm_whiten_0.03x_permuted \
        --glyph_overrides glyph_size=24,first_block_channels=8,second_block_channels=64 \
        --train_files 'corpus/*.jsonl.gz' --validation_files 'corpus/*.valid.jsonl.gz' --max_steps 2000 ...

An arm is BASE[_Nx][_cnnNx][_adaptive][_permuted|_random]. Bases are bert_tied, bert_untied, bert_frozen_table (untied),
glyph_crm, glyph_crm_frozen (its CNN is), pixels (no CNN: the linears read the pixels); the last three also with
_standard or _whiten (their features are). _Nx gives N times the learning rate to what makes the vectors of characters:
BERT's table, GlyphCRM's linears (about 1 / sqrt(D) for D normed features, see `GlyphCrmConfig`); _cnnNx to GlyphCRM's
CNN. _adaptive divides the gradient of a character by its running root mean square
(`GlyphCrmConfig.adaptive_gradients`). _permuted permutes the glyph images between characters, _random replaces them by
random ones, both by the run's seed: a model that is no worse with them learns nothing from what the images show. --run
NAME=MODEL_TYPE[:config overrides] is a run of your own. Options that this script does not have go to
run_pretraining.py, such as --withhold 0.05 (characters withheld from training), --rare_below 10, --max_characters
1000000 (little text).

All runs get the same Transformer, vocabulary, examples, order and masks. Every one is a process of its own, with its
output in log.txt; a finished one is not done again (the page says which was made by other options), and one that fails
is named at the end, and leaves the others alone. Writes pretraining.md, .json and .png into --results.
"""

import json
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoConfig

from hanziformers.training.experiments import finished_before, other_options
from hanziformers.training.new_model import sees_glyphs
from hanziformers.training.pretraining_comparison import Outcome, write_results
from hanziformers.training.pretraining_recipes import RECIPES

SCRIPT = Path(__file__).parent / "run_pretraining.py"
TABLE, LINEARS, CNN = "embeddings", "glyph_linear", "glyph"  # parts with learning rates of their own
PIXELS = "glyph_cnn=none"
GLYPH_BASES = {"glyph_crm": "", "glyph_crm_frozen": "", "pixels": PIXELS}
BASES = {  # base -> model type, overrides of the configuration, what makes the vectors, learning rates
    "bert_tied": ("bert", "tie_word_embeddings=true", TABLE, {}),
    "bert_untied": ("bert", "tie_word_embeddings=false", TABLE, {}),
    "bert_frozen_table": ("bert", "tie_word_embeddings=false", TABLE, {TABLE: 0.0}),
} | {
    f"{base}{f'_{norm}' if norm else ''}": (
        "glyph_crm",
        ",".join(filter(None, (overrides, f"feature_norm={norm}" if norm else ""))),
        LINEARS,
        {CNN: 0.0} if base == "glyph_crm_frozen" else {},
    )
    for base, overrides in GLYPH_BASES.items()
    for norm in ("", "standard", "whiten")
}
ADAPTIVE = {"adaptive": "adaptive_gradients=true"}
CONTROLS = {"permuted": "permute_glyphs", "random": "random_glyphs"}
ARMS = "BASE[_Nx][_cnnNx][_adaptive][_permuted|_random]"
RATE = r"(?:_{}(\d+(?:\.\d+)?)x)?"
ENDS = "".join(f"(?:_({'|'.join(words)}))?" for words in (ADAPTIVE, CONTROLS))
ARM = re.compile(f"({'|'.join(BASES)}){RATE.format('')}{RATE.format('cnn')}{ENDS}")


@dataclass(frozen=True)
class Run:
    """One of the models compared.

    Args:
        name: as table and plot call it.
        model_type: of run_pretraining.py.
        overrides: of the configuration, beside those of all runs.
        rates: part -> learning rate, in units of --learning_rate.
        control: "permuted", "random", or "" for true glyph images.
    """

    name: str
    model_type: str
    overrides: str
    rates: Mapping[str, float] = field(default_factory=dict, hash=False)
    control: str = ""

    def folder(self, output_dir: str, seed: int) -> Path:
        """Where the run of a seed is kept."""
        return Path(output_dir) / f"{'-'.join(self.name.split())}-seed{seed}"

    def all_overrides(self, args: Namespace) -> str:
        """Those of the configuration, the last of a field being the one that holds."""
        own = args.glyph_overrides if sees_glyphs(AutoConfig.for_model(self.model_type)) else ""
        if PIXELS in self.overrides:
            own = args.pixel_overrides or own
        return ",".join(filter(None, (args.config_overrides, own, self.overrides)))

    def effect(self, args: Namespace) -> tuple:
        """What is trained: the same for runs that differ in nothing but their names."""
        fields = dict(piece.strip().partition("=")[::2] for piece in self.all_overrides(args).split(","))
        return self.model_type, fields, {part: times for part, times in self.rates.items() if times != 1}, self.control

    def options(self, seed: int, args: Namespace) -> list[str]:
        """The options of run_pretraining.py that are not those of all runs."""
        overrides = self.all_overrides(args)
        options = {"model_type": self.model_type, "recipe": args.recipe, "seed": seed, "config_overrides": overrides}
        options |= {"output_dir": self.folder(args.output_dir, seed), "learning_rate": args.learning_rate}
        if self.rates:
            rates = (f"{part}={times * args.learning_rate:g}" for part, times in self.rates.items())
            options["learning_rates"] = ",".join(rates)
        if self.control:
            options[CONTROLS[self.control]] = seed
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def arm(name: str) -> Run:
    """The run that the name of an arm stands for.

    Raises:
        ValueError: there is no such arm, or it makes no sense.
    """
    found = ARM.fullmatch(name)
    if not found:
        raise ValueError(
            f"--arm {name} is not known; give {ARMS}, e.g. pixels_whiten_0.03x_permuted; bases are {', '.join(BASES)}"
        )
    base, times, times_cnn, adaptive, control = found.groups()
    model_type, overrides, part, rates = BASES[base]
    if part == TABLE and (control or adaptive):
        raise ValueError(f"--arm {name} is not allowed: a BERT sees no glyph images; leave _{control or adaptive} out")
    if times and part in rates:
        raise ValueError(f"--arm {name} is not allowed: the table of {base} is frozen; leave _{times}x out")
    if times_cnn and (not base.startswith("glyph_crm") or CNN in rates):
        raise ValueError(f"--arm {name} is not allowed: {base} trains no CNN; leave _cnn{times_cnn}x out")
    rates = rates | {of: float(value) for of, value in ((part, times), (CNN, times_cnn)) if value}
    if adaptive and rates.get(LINEARS) == 0 and (PIXELS in overrides or rates.get(CNN) == 0):
        raise ValueError(f"--arm {name} is not allowed: all that makes its vectors is frozen; leave _{adaptive} out")
    if adaptive:
        overrides = ",".join(filter(None, (overrides, ADAPTIVE[adaptive])))
    return Run(name, model_type, overrides, rates, control or "")


def parse_runs(texts: Sequence[str], arms: Sequence[str] = ()) -> list[Run]:
    """The runs of --arm, then those of --run, NAME=MODEL_TYPE[:overrides].

    Raises:
        ValueError: a name or model type is missing; two runs would share a folder; there is none; see `arm`.
    """
    runs = [arm(name) for name in arms]
    for text in texts:
        name, _, rest = text.partition("=")
        model_type, _, overrides = rest.partition(":")
        runs.append(Run(name.strip(), model_type.strip(), overrides))
        if not (runs[-1].name and runs[-1].model_type):
            raise ValueError(f"--run {text!r} is not allowed; give NAME=MODEL_TYPE[:overrides], e.g. BERT=bert")
    for index, run in enumerate(runs):
        other = next((other for other in runs[:index] if other.folder("", 0) == run.folder("", 0)), None)
        if other:
            raise ValueError(
                f"the run {run.name!r} would share the folder of the run {other.name!r}; name it otherwise"
            )
    if not runs:
        raise ValueError("there is nothing to compare: give --arm or --run")
    return runs


def check_options(options: Sequence[str], runs: Sequence[Run], args: Namespace) -> None:
    """Refuses further options that would replace what makes one run differ from another, and those without validation.

    Raises:
        ValueError: names the option and the fix; also of runs that are alike, of seeds given twice, and of no jobs.
    """
    given = [option.partition("=")[0].removeprefix("--") for option in options if option.startswith("--")]
    own = {*CONTROLS.values(), *(one.removeprefix("--") for run in runs for one in run.options(0, args)[::2])}
    for name in given:
        # run_pretraining.py takes --output-dir and --output_d for --output_dir
        if any(one.startswith(name.replace("-", "_")) for one in own):
            raise ValueError(f"--{name} would be the same for all runs, which have one of their own: leave it out")
    if not {"validation_files", "dataset_name"} & {name.replace("-", "_") for name in given}:
        raise ValueError("there is no validation text, and runs are compared by their losses on it: give some")
    for index, run in enumerate(runs):
        other = next((other for other in runs[:index] if other.effect(args) == run.effect(args)), None)
        if other:
            raise ValueError(f"the run {run.name!r} would train just what {other.name!r} does; leave one of them out")
    if len({*args.seeds}) < len(args.seeds):
        raise ValueError(f"--seeds {args.seeds} is not allowed: two runs would share a folder; give every seed once")
    if args.jobs < 1:
        raise ValueError(f"--jobs {args.jobs} is not allowed; give 1 or more")


def pretrain(run: Run, seed: int, args: Namespace, options: list[str]) -> Path | None:
    """Pre-trains once, in a process of its own: its folder, None if it failed. A finished run is not done again."""
    folder = run.folder(args.output_dir, seed)
    if not is_finished(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("w") as log:
            done = subprocess.run(command_of(run, seed, args, options), stdout=log, stderr=log)
        if done.returncode:
            print(f"{run.name}, seed {seed}: failed with exit status {done.returncode}, see {folder}/log.txt")
            return None
        if not is_finished(folder):  # a data set of the Hub may have no validation text
            print(f"{run.name}, seed {seed}: failed, with no figures of an evaluation, see {folder}/log.txt")
            return None
        print(f"{run.name}, seed {seed}: done", flush=True)
    return folder


def command_of(run: Run, seed: int, args: Namespace, options: list[str]) -> list[str]:
    """The command of a run."""
    return [sys.executable, str(SCRIPT), *run.options(seed, args), *options]


def is_finished(folder: Path) -> bool:
    """Whether a run has all of its figures; those of training are in the file before the model is evaluated."""
    figures = folder / "all_results.json"
    return figures.is_file() and "eval_chance_accuracy" in json.loads(figures.read_text())


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--output_dir", default="outputs/pretraining", help="folder of the runs")
    parser.add_argument("--results", default="results", help="folder of tables and plot")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--recipe", default="glyph_crm", choices=[*RECIPES])
    parser.add_argument("--learning_rate", type=float, default=1e-3, help="of all parts, but see _Nx")
    parser.add_argument("--config_overrides", default="", help="of all runs")
    parser.add_argument("--glyph_overrides", default="", help="of those that see glyph images")
    parser.add_argument("--pixel_overrides", default="", help="of those without a CNN, in place of --glyph_overrides")
    parser.add_argument("--arm", nargs="+", action="extend", default=[], help=ARMS)
    parser.add_argument("--run", action="append", default=[], help="NAME=MODEL_TYPE[:config overrides]; repeat it")
    args, options = parser.parse_known_args(argv)
    compared = parse_runs(args.run, args.arm)
    check_options(options, compared, args)
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = {(run, seed): pool.submit(pretrain, run, seed, args, options) for seed in args.seeds for run in compared}
        folders = {key: job.result() for key, job in jobs.items()}
    failed = [f"{run.name}, seed {seed}" for (run, seed), folder in folders.items() if folder is None]
    other: dict[str, list[str]] = {}
    for (run, seed), folder in folders.items():
        for name in other_options(folder, SCRIPT.name, command_of(run, seed, args, options)[2:]) if folder else ():
            other.setdefault(name, []).append(folder.name)
    finished = {run: {seed: folders[run, seed] for seed in args.seeds if folders[run, seed]} for run in compared}
    outcomes = [Outcome(run.name, run.control, of_seeds) for run, of_seeds in finished.items() if of_seeds]
    if outcomes:
        command = f"python run_scripts/compare_pretraining.py {shlex.join(sys.argv[1:] if argv is None else argv)}"
        notes = [f"Failed and left out: {name}." for name in failed]
        notes += finished_before(other)
        print(*notes, write_results(outcomes, Path(args.results), command, notes), sep="\n")
    if failed:
        sys.exit(f"these runs failed, see their log.txt: {'; '.join(failed)}")


if __name__ == "__main__":
    main()

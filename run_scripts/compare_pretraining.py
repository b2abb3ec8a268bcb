"""Pre-trains GlyphCRM and BERT side by side and plots their losses: Figure 7 of the GlyphCRM paper, in small.

    python run_scripts/compare_pretraining.py --output_dir outputs/figure7 --seeds 1 2 3 --jobs 2 \
        --run BERT=bert --run GlyphCRM=glyph_crm:glyph_initializer=kaiming \
        --train_files 'corpus/*.jsonl.gz' --validation_files 'corpus/*.valid.jsonl.gz' --max_steps 2000 ...

A run is NAME=MODEL_TYPE[:config overrides of its own], repeated for every seed. Options that this script does not have
go to run_pretraining.py. All runs get the same Transformer, vocabulary, examples, order and masks; what differs is
below the Transformer: a table of embeddings, or glyph images. Writes pretraining.json, .md and .png into --results.
"""

import json
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

SCRIPT = Path(__file__).parent / "run_pretraining.py"
FIGURES = {
    "eval_mlm_loss": "masked characters, loss (nats)",
    "eval_mlm_accuracy": "masked characters, accuracy",
    "eval_nsp_loss": "next sentence, loss (nats)",
    "eval_nsp_accuracy": "next sentence, accuracy",
}


@dataclass(frozen=True)
class Run:
    """One of the models compared.

    Args:
        name: as table and plot call it.
        model_type: of run_pretraining.py.
        overrides: of the configuration, beside those of all runs.
    """

    name: str
    model_type: str
    overrides: str

    def folder(self, output_dir: str, seed: int) -> Path:
        """Where the run of a seed is kept."""
        return Path(output_dir) / f"{'-'.join(self.name.split())}-seed{seed}"


def parse_runs(texts: list[str]) -> list[Run]:
    """Reads NAME=MODEL_TYPE[:overrides].

    Raises:
        ValueError: a name or model type is missing; two runs would share a folder.
    """
    runs: list[Run] = []
    for text in texts:
        name, _, rest = text.partition("=")
        model_type, _, overrides = rest.partition(":")
        run = Run(name.strip(), model_type.strip(), overrides)
        if not (run.name and run.model_type):
            raise ValueError(f"--run {text!r} is not allowed; give NAME=MODEL_TYPE[:overrides], e.g. BERT=bert")
        other = next((other for other in runs if other.folder("", 0) == run.folder("", 0)), None)
        if other:
            raise ValueError(f"--run {text!r} would share the folder of the run {other.name!r}; give it another name")
        runs.append(run)
    return runs


def pretrain(run: Run, seed: int, args: Namespace, options: list[str]) -> Path:
    """Pre-trains once, in a process of its own, and returns its folder. A finished run is not done again."""
    folder = run.folder(args.output_dir, seed)
    if not (folder / "all_results.json").is_file():
        own = ["--model_type", run.model_type, "--recipe", "glyph_crm", "--seed", str(seed)]
        own += ["--output_dir", str(folder)]
        own += ["--config_overrides", ",".join(filter(None, [args.config_overrides, run.overrides]))]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("w") as log:
            subprocess.run([sys.executable, str(SCRIPT), *own, *options], check=True, stdout=log, stderr=log)
    return folder


def curves(folders: list[Path], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps [S] and values [seeds, S] of a figure of the evaluations, where all seeds were evaluated."""
    histories = [json.loads((folder / "loss.json").read_text()) for folder in folders]
    rows = [dict((row["step"], row[key]) for row in history if key in row) for history in histories]
    steps = sorted(set.intersection(*(set(row) for row in rows)))
    return np.array(steps), np.array([[row[step] for step in steps] for row in rows])


def plot(runs: dict[str, list[Path]], path: Path) -> None:
    """Plots the mean over the seeds, and the range between them."""
    figure = Figure(figsize=(11, 4.5), layout="tight")
    for axes, key in zip(figure.subplots(1, 2), ("eval_mlm_loss", "eval_nsp_loss"), strict=True):
        for model, folders in runs.items():
            steps, values = curves(folders, key)
            (line,) = axes.plot(steps, values.mean(0), label=model)
            axes.fill_between(steps, values.min(0), values.max(0), alpha=0.2, color=line.get_color())
        axes.set_title(FIGURES[key])
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def table(runs: dict[str, list[Path]], points: int = 5) -> str:
    """A Markdown table: mean and smallest to largest over the seeds at some steps and at the end."""
    steps = curves(next(iter(runs.values())), "eval_mlm_loss")[0]
    lines = [f"| step | model | {' | '.join(FIGURES.values())} |", "|" + "---|" * (2 + len(FIGURES))]
    for index in sorted({int(index) for index in np.linspace(0, len(steps) - 1, points)}):
        for model, folders in runs.items():
            values = [curves(folders, key)[1][:, index] for key in FIGURES]
            cells = [f"{each.mean():.4f} ({each.min():.4f} to {each.max():.4f})" for each in values]
            lines.append(f"| {steps[index]} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output_dir", default="outputs/figure7", help="folder of the runs")
    parser.add_argument("--results", default="results", help="folder of table and plot")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--config_overrides", default="", help="of all runs")
    parser.add_argument("--run", action="append", required=True, help="NAME=MODEL_TYPE[:config overrides]; repeat it")
    args, options = parser.parse_known_args(argv)
    compared = parse_runs(args.run)
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = {(run, seed): pool.submit(pretrain, run, seed, args, options) for seed in args.seeds for run in compared}
        runs = {run.name: [jobs[run, seed].result() for seed in args.seeds] for run in compared}
    results = Path(args.results)
    results.mkdir(parents=True, exist_ok=True)
    plot(runs, results / "pretraining.png")
    figures = {
        name: {key: [values.tolist() for values in curves(folders, key)] for key in FIGURES}
        for name, folders in runs.items()
    }
    (results / "pretraining.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    command = f"python run_scripts/compare_pretraining.py {shlex.join(sys.argv[1:] if argv is None else argv)}"
    text = f"# GlyphCRM and BERT from the same start\n\n```bash\n{command}\n```\n\n![Losses](pretraining.png)\n\n"
    text += f"Validation, mean over the seeds {args.seeds} (smallest to largest):\n\n{table(runs)}\n"
    (results / "pretraining.md").write_text(text, encoding="utf-8")
    print(table(runs))


if __name__ == "__main__":
    main()

"""What the scripts benchmark*.py write: tables of medians with quartiles, and what they were taken on."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def machine(device: str) -> str:
    """What the numbers were taken on."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
    packages = ("torch", "transformers", "tokenizers", "pypinyin", "pillow")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    graphics = f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
    return f"{names[0]}, {torch.get_num_threads()} threads{graphics}; Python {platform.python_version()}, {versions}"


def write(folder: Path, result: dict[str, Any]) -> None:
    """Writes both files; each is replaced as a whole, so that a run that is cut while it writes leaves whole files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"benchmark.json": json.dumps(result, ensure_ascii=False, indent=1), "benchmark.md": markdown(result)}
    for name, content in files.items():
        unfinished = folder / f"{name}.part"
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(folder / name)


def markdown(result: dict[str, Any]) -> str:
    """The tables, for a person."""
    lines = ["# Benchmark", "", result["machine"], "", f"`{result['command']}`", "", f"Text: {result['text']}."]
    lines += ["Times are medians over the rounds, with quartiles; ratios are of the medians, with those of the rounds."]
    if not result["finished"]:
        lines += ["", "**Not finished**: rows are missing, or hold fewer rounds than said (all are in benchmark.json)."]
    for title, rows in result["tables"].items():
        lines += ["", f"## {title}", "", *table(rows)]
    return "\n".join([*lines, ""])


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown of rows: medians and ratios, each with its quartiles; what a row does not have stays empty."""
    names = list(dict.fromkeys(name for line in rows for name in line["medians"]))
    pairs = list(dict.fromkeys(pair for line in rows for pair in line["ratios"]))
    lines = ["| " + " | ".join(["", *names, *pairs]) + " |", "|---" * (1 + len(names) + len(pairs)) + "|"]
    for line in rows:
        middles, spreads = line["medians"], line["quartiles"]
        cells = [_time(middles[name], spreads[name]) if name in middles else "" for name in names]
        for pair in pairs:
            ratio, spread = line["ratios"].get(pair), line["ratio_quartiles"].get(pair)
            cells.append("" if ratio is None else f"{ratio:.3g} ({spread[0]:.3g}-{spread[1]:.3g})")
        lines.append("| " + " | ".join([line["case"], *cells]) + " |")
    return lines


def _time(middle: float, spread: Sequence[float]) -> str:
    """Such as "1.2 s (1.1-1.4)"."""
    scale, unit = (1, "s") if middle >= 1 else (1000, "ms")
    lower, upper = (f"{scale * seconds:.3g}" for seconds in spread)
    return f"{scale * middle:.3g} {unit} ({lower}-{upper})"


__all__ = ["machine", "markdown", "table", "write"]

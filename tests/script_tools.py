"""Scripts of run_scripts/, called in this process."""

import importlib
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "run_scripts"


def main_of(name):
    """The function `main` of a script."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name).main
    finally:
        sys.path.pop(0)


def as_flags(options):
    """{"seed": 7} as ["--seed", "7"]."""
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]

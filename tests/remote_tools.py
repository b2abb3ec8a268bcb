"""Runs a script where transformers is installed and hanziformers is not, as with trust_remote_code elsewhere."""

import os
from pathlib import Path
from typing import Any

from process_tools import run_program

REPOSITORY = Path(__file__).resolve().parents[1]
# Python code: the keys of every table of hooks that torch calls for all modules, tensors or optimizers of a process.
HOOK_TABLES = """
def hook_tables():
    import sys, torch
    modules = [sys.modules["torch.nn.modules.module"], sys.modules["torch.optim.optimizer"]]
    tables = {name: table for module in modules for name, table in vars(module).items() if name.startswith("_global_")}
    return {name: list(table) if hasattr(table, "__len__") else table for name, table in tables.items()}
"""
HIDE = """
import importlib.util, json, os, sys
repository = sys.argv.pop()
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", type(f).__module__).lower()]
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != repository and os.path.exists(p)]
sys.modules["hanziformers"] = None
assert importlib.util.find_spec("hanziformers") is None
try:
    import hanziformers
except ImportError:
    pass
else:
    raise AssertionError("hanziformers can be imported")
import torch, transformers
torch.set_num_threads(1)
"""


def run_without_package(program: str, *arguments: Any, folder: Path) -> str:
    """Runs a Python script (sys.argv[1:] are the arguments) in an empty working folder with its own module cache.

    Returns:
        What it wrote to stderr.
    """
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(folder / "modules"), "OMP_NUM_THREADS": "1"}
    done = run_program(HIDE + program, *arguments, REPOSITORY, folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr

"""Starts Python processes that have torch loaded already, and nothing of transformers: `process_tools` talks to it.

A process that imports torch, transformers and hanziformers needs six seconds, of which five are torch and what it
needs. Here they are spent once: each process is a fork of this one. It reads one request a line from stdin,

    {"processes": [{"program": "path.py or code", "arguments": [...], "folder": ..., "environment": {...}, "log": ...}]}

runs the processes together, and writes the list of their exit statuses. When one fails, the others are killed.
"""

import gc
import importlib
import json
import os
import runpy
import sys
import types
from collections.abc import Iterator

PRELOADED = [
    "torch",
    "torch._dynamo",
    "torch.distributed.tensor",
    "torch.export",
    "scipy.optimize",
    "sklearn.metrics",
    "pandas",
    "pyarrow",
    "pypinyin",
    "PIL.Image",
    "fontTools.ttLib",
]


def become(job: dict) -> None:
    """Makes this fork a process with its own folder, environment, arguments and files of output."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, end in enumerate(["in", "out", "err"]):
        file = os.open(f"{job['log']}.{end}", os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0))
        os.dup2(file, number)
        os.close(file)
    path, arguments = job["program"], map(str, job["arguments"])
    is_file = path.endswith(".py")
    sys.argv[:] = [path if is_file else "-c", *arguments]
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [os.path.dirname(path) if is_file else "", *filter(None, added)]
    importlib.invalidate_caches()


def execute(program: str) -> None:
    """As `python path.py` or `python -c code`."""
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
        return
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), vars(main))


def wait(left: set[int]) -> Iterator[tuple[int, int]]:
    """Process id and exit status of each process; one that fails takes the others with it."""
    while left:
        process, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        left.discard(process)
        for other in left if code else ():
            os.kill(other, 9)
        yield process, code


def serve() -> dict:
    """Forks for every request; returns, in the fork, what it has to do, and in the server, at the end, nothing."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in iter(sys.stdin.readline, ""):
        started = []
        for job in json.loads(line)["processes"]:
            started.append(os.fork())
            if not started[-1]:
                answers.close()
                return job
        codes = dict(wait(set(started)))
        answers.write(json.dumps([codes[process] for process in started]) + "\n")
        answers.flush()
    return {}


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    for name in PRELOADED:
        importlib.import_module(name)
    assert not {"transformers", "huggingface_hub", "hanziformers"} & sys.modules.keys()
    gc.freeze()  # what is loaded is never looked at again, and stays shared memory
    if job := serve():
        become(job)
        execute(job["program"])

"""Programs in Python processes of their own, alone or as the ranks of one training run."""

import atexit
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
NUMBERS = itertools.count()
# argv: the file that ends it, the script, its arguments
KILLED = """
import os, runpy, signal, sys, threading, time
file, *sys.argv = sys.argv[1:]
def kill():
    while not os.path.isfile(file):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=kill, daemon=True).start()
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@cache
def server():
    """The process of `fork_server.py`, and a folder for what its forks write; both last as long as this process."""
    folder = tempfile.TemporaryDirectory()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    process = subprocess.Popen([sys.executable, str(SERVER)], env=environment, start_new_session=True, **pipes)
    atexit.register(folder.cleanup)
    atexit.register(process.communicate)
    return process, Path(folder.name)


def run_together(programs, timeout=300):
    """Runs programs at the same time; when one fails, the others are ended.

    Args:
        programs: a dict of every process, with program (the path of a .py file, or code), arguments, folder,
            environment and input (the text of its stdin); all but the first may be missing.
        timeout: seconds.

    Returns:
        list[subprocess.CompletedProcess]: with returncode, stdout and stderr, in the order of the programs.
    """
    process, logs = server()
    shared = {"folder": os.getcwd(), "environment": dict(os.environ), "arguments": [], "input": ""}
    jobs = [{**shared, **given, "log": logs / str(next(NUMBERS))} for given in programs]
    for job in jobs:
        Path(f"{job['log']}.in").write_text(job.pop("input"), encoding="utf-8")
    process.stdin.write(json.dumps({"processes": jobs}, default=str) + "\n")  # paths as str
    process.stdin.flush()
    if not select.select([process.stdout], [], [], timeout)[0]:
        os.killpg(process.pid, 9)
        server.cache_clear()
        raise TimeoutError(f"{programs} took more than {timeout} seconds")
    answer = process.stdout.readline()
    assert answer, f"{SERVER.name} has ended"
    done = []
    for job, code in zip(jobs, json.loads(answer), strict=True):
        texts = [Path(f"{job['log']}.{end}").read_text(encoding="utf-8", errors="replace") for end in ("out", "err")]
        done.append(subprocess.CompletedProcess(job["arguments"], code, *texts))
    return done


def run_program(program, *arguments, timeout=300, **options):
    """Runs one program; `options` are its folder, environment and input."""
    return run_together([{"program": program, "arguments": arguments, **options}], timeout)[0]


def run_until(file, script, *arguments, **options):
    """Runs a script that is killed as soon as a file exists."""
    killed = run_program(KILLED, file, script, *arguments, **options)
    assert killed.returncode == -9, killed.stderr[-3000:]


def run_ranks(program, *arguments, ranks=2, timeout=300):
    """Runs a program as torchrun does, in as many processes as there are ranks, and expects all to end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(ranks)}
    shared |= {"LOCAL_WORLD_SIZE": str(ranks)}
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]
    jobs = [{"program": program, "arguments": arguments, "environment": os.environ | shared | one} for one in own]
    done = run_together(jobs, timeout)
    assert not any(one.returncode for one in done), "\n".join(one.stderr[-3000:] for one in done)

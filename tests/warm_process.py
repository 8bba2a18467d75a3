"""Programs of this repository, each in a process of its own that need not import torch and ExecuTorch any more.

The processes are forked from one that imported them once: half of the time of making a tiny model was that.
"""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest import mock

TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent
PRELOADED = "warm_imports"

_starting = threading.Lock()


def run(script: str, *arguments: str | Path) -> None:
    """Runs `script`, a path in the repository; raises RuntimeError with the end of its output when it fails."""
    done = call(script, *arguments)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{script} {' '.join(done.args)}\nended with {done.returncode}:\n{said[-8000:]}")


def call(script: str, *arguments: str | Path, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[bytes]:
    """Runs `script`, a path in the repository, in the folder `cwd`, as subprocess.run with its output captured."""
    words = list(map(str, arguments))
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as errors:
        process = _context().Process(target=_call, args=(script, words, cwd, output.name, errors.name))
        process.start()
        process.join()
        code = process.exitcode
        assert code is not None  # it has been joined
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


def look_for_garbage_less_often() -> None:
    """Captured graphs are many small objects: looking through them again and again takes a sixth of an export."""
    gc.set_threshold(50_000, 20, 50)


def _context() -> ForkServerContext:
    """Starts the process that is forked. Python 3.11 tells it no sys.path, and it says nothing of a failed import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with _starting, mock.patch.dict(os.environ, PYTHONPATH=path):
        multiprocessing.forkserver.ensure_running()
    return context


def _call(script: str, arguments: list[str], cwd: Path, output: str, errors: str) -> None:
    os.dup2(os.open(output, os.O_WRONLY), sys.stdout.fileno())
    os.dup2(os.open(errors, os.O_WRONLY), sys.stderr.fileno())
    os.chdir(cwd)
    assert PRELOADED in sys.modules
    look_for_garbage_less_often()
    import torch

    torch.set_num_threads(1)  # several run side by side, and tiny shapes gain nothing from more
    path = REPOSITORY / script
    sys.argv = [str(path), *arguments]
    sys.path[:0] = [str(path.parent), str(REPOSITORY)]
    runpy.run_path(str(path), run_name="__main__")

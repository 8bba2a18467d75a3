"""Programs of this repository, each in a process of its own that need not import torch and ExecuTorch any more.

The processes are forked from one that imported them once: half of the time of making a tiny model was that.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def run(script: str, *arguments: str | Path) -> None:
    """Runs `script`, a path in the repository; raises RuntimeError with the end of its output when it fails."""
    words = list(map(str, arguments))
    with tempfile.NamedTemporaryFile() as output:
        process = _context().Process(target=_call, args=(script, words, output.name))
        process.start()
        process.join()
        if process.exitcode != 0:
            said = output.read().decode(errors="replace")
            raise RuntimeError(f"{script} {' '.join(words)}\nended with {process.exitcode}:\n{said[-8000:]}")


def look_for_garbage_less_often() -> None:
    """Captured graphs are many small objects: looking through them again and again takes a sixth of an export."""
    gc.set_threshold(50_000, 20, 50)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_imports"])
    return context


def _call(script: str, arguments: list[str], output: str) -> None:
    file = os.open(output, os.O_WRONLY)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    look_for_garbage_less_often()
    import torch

    torch.set_num_threads(1)  # several run side by side, and tiny shapes gain nothing from more
    path = REPOSITORY / script
    sys.argv = [str(path), *arguments]
    sys.path[:0] = [str(path.parent), str(REPOSITORY)]
    runpy.run_path(str(path), run_name="__main__")

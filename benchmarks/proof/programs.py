"""Programs that steps call: what they say is shown, and its end is kept for the record of a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from measuring import ProgramError, watched
from random_models import REPOSITORY

KEPT_LINES = 30


@dataclass(frozen=True)
class Finished:
    seconds: float
    peak_gb: float  # 0 where it is not known


def environment() -> dict[str, str]:
    """Programs of the repository import from here."""
    folders = [REPOSITORY, *(REPOSITORY / name for name in ("benchmarks", "bindings/python", "tests"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "OMP_WAIT_POLICY": "passive"}


def python(script: str, *words: str | Path, interpreter: Path | None = None) -> Finished:
    """Runs a program of the repository. Raises ProgramError with the end of what it said."""
    return shown(interpreter or sys.executable, REPOSITORY / script, *words)


def shown(*words: str | Path) -> Finished:
    command = list(map(str, words))
    started = time.monotonic()
    said: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise ProgramError(f"cannot run '{command[0]}': {error.strerror}") from error
    with process, watched(process.pid) as memory:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stderr.write(line)
            said.append(line)
    if process.returncode != 0:
        end = "".join(said).strip()
        raise ProgramError(f"{' '.join(command)}\nended with {process.returncode}:\n{end}")
    return Finished(time.monotonic() - started, memory.total / 1000)

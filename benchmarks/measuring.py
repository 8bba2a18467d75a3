"""Runs programs and watches what they take."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.02


@dataclass
class Memory:
    """Peaks of a process in MB: of pages that no file holds, of file pages (mapped weights), and of their sum. What
    comes within the last SAMPLE_SECONDS is not seen."""

    total: float = 0.0
    anonymous: float = 0.0
    file: float = 0.0

    def sample(self, pid: int) -> float | None:
        """The sum of now. Linux only; elsewhere, and when the process is gone, nothing changes."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return None
        mb = {name: int(kib) * 1024 / 1e6 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.M)}
        if "VmRSS" not in mb:  # it has ended and waits to be asked how
            return None
        self.total = max(self.total, mb["VmHWM"])
        self.anonymous = max(self.anonymous, mb.get("RssAnon", 0.0))
        self.file = max(self.file, mb.get("RssFile", 0.0) + mb.get("RssShmem", 0.0))
        return mb["VmRSS"]


@dataclass(frozen=True)
class Finished:
    wall_s: float
    stdout: str
    memory: Memory
    resident: list[tuple[float, float]]  # seconds since its start, MB


class ProgramError(Exception):
    """A program that was to be measured failed."""


def run(command: Sequence[str | Path]) -> Finished:
    """Runs a program to its end. Its memory is that of the process itself, without children."""
    words = [str(word) for word in command]
    memory, resident, is_over = Memory(), list[tuple[float, float]](), threading.Event()
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        try:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise ProgramError(f"cannot run '{words[0]}': {error.strerror}") from error
        watcher = threading.Thread(target=_watch, args=(process.pid, memory, resident, is_over))
        watcher.start()
        stdout, _ = process.communicate()
        wall_s = time.monotonic() - started
        is_over.set()
        watcher.join()
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-2000:]
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(words)}\nended with {process.returncode}:\n{said}")
    return Finished(wall_s, stdout.decode(errors="replace"), memory, resident)


def _watch(pid: int, memory: Memory, resident: list[tuple[float, float]], is_over: threading.Event) -> None:
    started = time.monotonic()
    while not is_over.is_set():
        mb = memory.sample(pid)
        if mb is not None:
            resident.append((time.monotonic() - started, mb))
        is_over.wait(SAMPLE_SECONDS)


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    """The memory of a process that another one runs, meanwhile."""
    memory, is_over = Memory(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(pid, memory, [], is_over))
    watcher.start()
    try:
        yield memory
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def busy_core(is_busy: bool) -> Iterator[None]:
    """Meanwhile another process computes all the time."""
    if not is_busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": percentile(values, 50), "p95": percentile(values, 95)}

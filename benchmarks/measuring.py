"""Runs programs, watches what they take, and says on what machine."""

from __future__ import annotations

import math
import os
import platform
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

    def sample(self, pid: int) -> None:
        """Linux only; elsewhere, and when the process is gone, nothing changes."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.M)}
        self.total = max(self.total, kib.get("VmHWM", 0) * 1024 / 1e6)
        self.anonymous = max(self.anonymous, kib.get("RssAnon", 0) * 1024 / 1e6)
        self.file = max(self.file, (kib.get("RssFile", 0) + kib.get("RssShmem", 0)) * 1024 / 1e6)


@dataclass(frozen=True)
class Finished:
    wall_s: float
    stdout: str
    memory: Memory


class ProgramError(Exception):
    """A program that was to be measured failed."""


def run(command: Sequence[str | Path]) -> Finished:
    """Runs a program to its end. Its memory is that of the process itself, without children."""
    words = [str(word) for word in command]
    memory, is_over = Memory(), threading.Event()
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        try:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise ProgramError(f"cannot run '{words[0]}': {error.strerror}") from error
        watcher = threading.Thread(target=_watch, args=(process.pid, memory, is_over))
        watcher.start()
        stdout, _ = process.communicate()
        wall_s = time.monotonic() - started
        is_over.set()
        watcher.join()
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-2000:]
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(words)}\nended with {process.returncode}:\n{said}")
    return Finished(wall_s, stdout.decode(errors="replace"), memory)


def _watch(pid: int, memory: Memory, is_over: threading.Event) -> None:
    while not is_over.is_set():
        memory.sample(pid)
        is_over.wait(SAMPLE_SECONDS)


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


def machine() -> dict[str, str | float]:
    return {
        "processor": _named("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_gb": round(int((_named("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) * 1024 / 1e9, 1),
        "system": platform.platform(),
        "load_average_at_start": os.getloadavg()[0],
    }


def _named(file: str, name: str) -> str:
    """The value of the first line "name: value"; "" when there is none."""
    path = Path(file)
    found = re.search(rf"^{name}\s*:\s*(.*)$", path.read_text() if path.exists() else "", re.M)
    return found[1] if found else ""

"""Full-size random checkpoints and their exports, in build/benchmark/<size>/. Random weights speak noise, as fast as
trained ones speak."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# What an export is made of: one that is older is made again.
SOURCES = ("convert_weights.py", "export_unified.py", "qwen3_tts/**/*.py", "requirements*.txt")


@dataclass(frozen=True)
class Step:
    seconds: float
    peak_gb: float  # of the largest process so far


def say(step: str) -> None:
    print(f"== {step}", file=sys.stderr, flush=True)


def run_step(name: str, *command: str | Path) -> Step:
    """Run a program of the repository, its progress on the terminal."""
    say(name)
    started = time.monotonic()
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=REPOSITORY)
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Step(time.monotonic() - started, peak_kib * 1024 / 1e9)


def random_folder(size: str) -> Path:
    return REPOSITORY / "build" / "benchmark" / size


def make_snapshot(size: str) -> Path:
    """A folder in the published layout."""
    snapshot = random_folder(size) / "snapshot"
    if not snapshot.exists():
        run_step("random checkpoint", "tests/random_checkpoint.py", "--size", size, "--out", snapshot)
    return snapshot


def make_checkpoint(size: str) -> Path:
    """The snapshot as today's convert_weights.py converts it."""
    checkpoint = random_folder(size) / "checkpoint"
    if not is_new(checkpoint / "config.json"):  # which is written last
        run_step("convert", "convert_weights.py", make_snapshot(size), "--output-dir", checkpoint)
    return checkpoint


def make_model(size: str, recipe: str, max_seq_len: int | None = None) -> tuple[Path, Step | None]:
    """An export of the random checkpoint, and what it cost when it was made now."""
    name = recipe if max_seq_len is None else f"{recipe}-{max_seq_len}"
    model = random_folder(size) / f"{name}.pte"
    if is_new(model):
        return model, None
    flags = ["--recipe", recipe] + ([] if max_seq_len is None else ["--max-seq-len", str(max_seq_len)])
    checkpoint = make_checkpoint(size)
    return model, run_step(f"export {name}", "export_unified.py", "--checkpoint", checkpoint, "--output", model, *flags)


def is_new(path: Path) -> bool:
    """Whether it was made after the last change of the sources that make it."""
    newest_source = max(source.stat().st_mtime for pattern in SOURCES for source in REPOSITORY.glob(pattern))
    return path.exists() and path.stat().st_mtime > newest_source

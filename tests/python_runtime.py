"""What the tests of bindings/python share: the same utterance from Python and from qwen3_tts_runner."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import runner_program
from qwen3_tts_runtime import Engine

Samples = NDArray[np.float32]

FRAME = 480  # samples of one, of the tiny models
TEXT = "Always the same words."
SPLIT = "One sentence. Another one!\n\nA paragraph: the last."
GREEDY: dict[str, Any] = {"temperature": 0, "subtalker_temperature": 0}


def spoken_by_runner(runner: Path, model: Path, folder: Path, **flags: Any) -> tuple[Samples, NDArray[Any]]:
    """Samples [n] and codes [T, G] of qwen3_tts_runner."""
    codes = folder / "expected.codes"
    flags = {"stdout": "f32le", "codes_output": codes, "quiet": True, **flags}
    done = runner_program.call(runner, model_path=model, **flags)
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, "<f4"), runner_program.read_codes(codes)


def open_engine(path: str) -> None:
    """In another process, which imports this file alone."""
    Engine(path)


def joined(chunks: Iterable[Samples]) -> Samples:
    return np.concatenate([np.empty(0, np.float32), *chunks])


async def collected(chunks: AsyncIterable[Samples]) -> Samples:
    return joined([chunk async for chunk in chunks])


def num_threads() -> int:
    """Of this process, those of the library among them."""
    return len(list(Path("/proc/self/task").iterdir()))


def num_files() -> int:
    """Open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes() -> int:
    """Memory of this process."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

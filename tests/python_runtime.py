"""What the tests of bindings/python share: the same utterance from Python and from qwen3_tts_runner."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import runner_program
from models import REPOSITORY
from qwen3_tts_runtime import Engine, hub

Samples = NDArray[np.float32]

# Of a process that imports the package.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "bindings" / "python")}
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


def ready_models(folder: Path, **programs: Path) -> Path:
    """A folder as export_unified.py --publish lays it out: each program in that of its recipe."""
    recipes = {}
    for recipe, program in programs.items():
        kind = "voice_encoder" if recipe == "voice_encoder" else "speech"
        file = folder / recipe / ("voice_encoder.pte" if recipe == "voice_encoder" else "model.pte")
        file.parent.mkdir(parents=True)
        shutil.copy(program, file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        files = {f"{recipe}/{file.name}": {"bytes": file.stat().st_size, "sha256": digest}}
        version = hub.CONTRACT_VERSIONS[kind]
        about = {"kind": kind, "contract_version": version, "made_with": "0.1.0", "gpu_arch": None, "files": files}
        recipes[recipe] = about
    index = {"format": hub.INDEX_FORMAT, "default": None, "recipes": recipes}
    (folder / hub.INDEX).write_text(json.dumps(index))
    return folder


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

"""Fixtures that all tests share: the tiny models (tests/models.py) and the built programs.

def test_x(tiny_checkpoint: Callable[[str], Path]) -> None:
    folder = tiny_checkpoint("tiny-base")
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import models


@pytest.fixture(scope="session")
def tiny_snapshot() -> Callable[[str], Path]:
    """Size -> snapshot folder with random weights, in the published layout."""
    return models.snapshot


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Callable[[str], Path]:
    """Size -> converted checkpoint folder."""
    return models.checkpoint


@pytest.fixture(scope="session")
def tiny_pte() -> Callable[[str], Path]:
    """Name in models.EXPORTS -> .pte."""
    return models.exported


@pytest.fixture(scope="session")
def gpu_program() -> Callable[[str], Path]:
    """Name in models.GPU_PROGRAMS -> .pte, with its .ptd beside it."""
    return models.gpu_program


@pytest.fixture(scope="session")
def build_dir() -> Path:
    """Folder of a C++ build: qwen3_tts_runner in it, test programs in its folder tests/."""
    folder = Path(os.environ.get("QWEN3_TTS_BUILD_DIR", models.REPOSITORY / "build" / "cpu"))
    if not (folder / "CMakeCache.txt").exists():
        pytest.fail(f"{folder} holds no build: run `make build`, or name one with QWEN3_TTS_BUILD_DIR")
    return folder


@pytest.fixture(scope="session")
def runner(build_dir: Path) -> Path:
    """The program qwen3_tts_runner."""
    return build_dir / "qwen3_tts_runner"

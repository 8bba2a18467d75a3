"""Fixtures that all tests share: the models (tests/models.py), the built programs and Whisper.

def test_x(tiny_checkpoint: Callable[[str], Path]) -> None:
    folder = tiny_checkpoint("tiny-base")
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import listening
import models
import warm_process
from judges import Whisper


def pytest_configure() -> None:
    """One thread for torch, here and in programs: tiny shapes wait for a second one, minutes when others are busy."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, which test files do
    os.environ.setdefault("QWEN3_TTS_LIBRARY_DIR", str(_build_folder()))  # of qwen3_tts_runtime
    warm_process.look_for_garbage_less_often()


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported stays


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that two workers end at the same time; whoever asks for Whisper listens."""
    hear = [item for item in items if "whisper" in getattr(item, "fixturenames", ())]
    for item in hear:
        item.add_marker("listening")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None and item not in hear)


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
    folder = _build_folder()
    if not (folder / "CMakeCache.txt").exists():
        pytest.fail(f"{folder} holds no build: run `make build`, or name one with QWEN3_TTS_BUILD_DIR")
    return folder


def _build_folder() -> Path:
    return Path(os.environ.get("QWEN3_TTS_BUILD_DIR", models.REPOSITORY / "build" / "cpu"))


@pytest.fixture(scope="session")
def runner(build_dir: Path) -> Path:
    """The program qwen3_tts_runner."""
    return build_dir / "qwen3_tts_runner"


@pytest.fixture(scope="session")
def whisper() -> Iterator[Whisper]:
    """Whisper base, which is not everywhere: without it the test is skipped."""
    if not listening.are_judges_installed():
        pytest.skip("the judges of speech are not installed: run `scripts/setup.sh judges`")
    is_one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    process = listening.WhisperProcess(listening.WHISPER, 1 if is_one_of_many else os.cpu_count() or 1)
    yield process
    process.close()

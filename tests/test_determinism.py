"""The same seed and model file give the same bytes, however they are made. Sessions side by side:
tests/test_synthesis_session.cpp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner_program import Run, call, speak

Pte = Callable[[str], Path]
MODELS = ("tiny-customvoice", "tiny-customvoice-8da4w", "tiny-customvoice-small")
WAYS: dict[str, dict[str, Any]] = {
    "another process": {},
    "chunks of 1": {"chunk_frames": 1},
    "chunks of 4, all": {"chunk_frames": 4, "first_chunk_frames": 4},
    "chunks of 25": {"chunk_frames": 25, "first_chunk_frames": 25},
    "chunks of 300": {"chunk_frames": 300, "first_chunk_frames": 300},
    "two threads": {"threads": 2},
    "all threads, one chunk": {"threads": 0, "first_chunk_frames": 300},
    "warm": {"warmup": 1},
    "stepwise": {"disable_fused_cp_generate": True},
}


def flags(**more: Any) -> dict[str, Any]:
    return {"text": "Always the same words.", "speaker": "ryan", "max_frames": 120, "seed": 5, "threads": 1, **more}


@pytest.fixture(scope="module", params=MODELS)
def plain(
    request: pytest.FixtureRequest, runner: Path, tiny_pte: Pte, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Run]:
    model = tiny_pte(request.param)
    run = speak(runner, model, tmp_path_factory.mktemp("plain"), **flags())
    assert run.stats["frames"] > 60
    return model, run


@pytest.mark.parametrize("way", WAYS)
def test_same_bytes(plain: tuple[Path, Run], runner: Path, tmp_path: Path, way: str) -> None:
    model, expected = plain
    run = speak(runner, model, tmp_path, **flags(**WAYS[way]))
    assert run.wav == expected.wav
    assert run.codes.tolist() == expected.codes.tolist()


def test_weight_cache_changes_nothing(plain: tuple[Path, Run], runner: Path, tmp_path: Path) -> None:
    model, expected = plain
    cache = tmp_path / "weights.cache"
    for way in ("made", "used", "used again"):
        run = speak(runner, model, tmp_path, **flags(weight_cache=cache))
        assert run.wav == expected.wav, way
        assert cache.stat().st_size > 0


def test_place_in_a_list_of_prompts_changes_nothing(plain: tuple[Path, Run], runner: Path, tmp_path: Path) -> None:
    """Third in a warm process, and again as the first of a process: only the seed counts."""
    model, expected = plain
    prompts = tmp_path / "prompts"
    prompts.write_text("One.\nSomething longer, to leave other state behind.\nAlways the same words.\n")
    more = flags(text=None, seed=3)
    done = call(runner, model_path=model, prompts_path=prompts, output_dir=tmp_path, **more)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "prompt_2_repeat_0.wav").read_bytes() == expected.wav

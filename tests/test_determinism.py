"""The same seed and model file give the same bytes, however they are made. Sessions side by side:
tests/test_synthesis_session.cpp."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner_program import Run, call, speak

Pte = Callable[[str], Path]
MODELS = ("tiny-customvoice", "tiny-customvoice-balanced", "tiny-customvoice-small")
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
    words = "Always the same words."
    return {"text": words, "speaker": "ryan", "min_frames": 61, "max_frames": 120, "seed": 5, "threads": 1, **more}


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


STYLES: dict[str, dict[str, Any]] = {
    "speaker": {"speaker": "ryan"},
    "another speaker": {"speaker": "vivian"},
    "language": {"speaker": "ryan", "language": "german"},
    "dialect": {"speaker": "dylan", "language": "chinese"},
    "instruct": {"speaker": "ryan", "instruct": "A calm, deep voice."},
}


@pytest.mark.parametrize("layout", ["streaming", "full"])
@pytest.mark.parametrize("model", MODELS)
def test_what_earlier_runs_left_in_the_engine_changes_nothing(
    runner: Path, tiny_pte: Pte, tmp_path: Path, model: str, layout: str
) -> None:
    """Alternating styles, each known the second time, against a process of its own for each."""
    texts = ("The first text.", "Another one, which is longer.")
    wanted = [{"text": text, "seed": seed, **style} for seed, text in enumerate(texts) for style in STYLES.values()]
    (tmp_path / "prompts").write_text("\n".join(map(json.dumps, wanted)))
    more: dict[str, Any] = {"max_frames": 12, "threads": 1, "text_layout": layout}
    done = call(
        runner,
        model_path=tiny_pte(model),
        prompts_path=tmp_path / "prompts",
        output_dir=tmp_path,
        stats_json=tmp_path / "stats",
        **more,
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "stats").read_text())
    assert [run["cached_rows"] for run in stats[: len(STYLES)]] == [0] * len(STYLES)
    assert all(7 <= run["cached_rows"] < run["prompt_rows"] for run in stats[len(STYLES) :])
    for run, one in zip(stats, wanted, strict=True):
        fresh = speak(runner, tiny_pte(model), tmp_path, **more, **one)
        assert fresh.stats["cached_rows"] == 0
        assert Path(run["output"]).read_bytes() == fresh.wav
        assert run["talker_tokens"] == fresh.stats["talker_tokens"]

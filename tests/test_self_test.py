"""qwen3_tts_runner --self_test: what it reports, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner_program import call

Pte = Callable[[str], Path]
LINEAR = [f"linear, {bits} bits" for bits in (4, 5, 6, 8)]
OTHERS = ["convolution, int8", "convolution, fp32", "convolution, fp32, sum by sum", "attention"]
STAGES = {"talker", "code_predictor", "codec"}


@pytest.fixture(scope="module")
def tested(runner: Path, tiny_pte: Pte, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, str]:
    """The JSON, what is printed and what is told, of a tiny model."""
    stats = tmp_path_factory.mktemp("self_test") / "stats.json"
    done = call(runner, model_path=tiny_pte("tiny-customvoice-small"), self_test=True, stats_json=stats, threads=1)
    assert done.returncode == 0, done.stderr
    return json.loads(stats.read_text()), done.stdout.decode(), done.stderr.decode()


def test_every_figure_is_there_and_positive(tested: tuple[Any, str, str]) -> None:
    report = tested[0]
    assert report["threads"] == 1
    assert report["memory_gb_s"].keys() == {"one_thread", "all_threads"}
    kernels = [(kernel["kernel"], kernel["rows"]) for kernel in report["kernels"]]
    assert kernels[:16] == [(name, rows) for name in LINEAR for rows in (1, 8)] * 2
    assert [name for name, _ in kernels[16:]] == OTHERS
    assert report["stages"].keys() == STAGES
    assert report["frames"] == 16
    figures = [*report["memory_gb_s"].values(), report["rtf"], report["frame_ms"], report["first_sound_ms"]]
    figures += [row[key] for row in report["kernels"] for key in ("bytes", "ms", "memory_ms")]
    figures += [row[key] for row in report["stages"].values() for key in ("bytes", "ms", "memory_ms")]
    assert min(figures) > 0


def test_memory_is_the_bound_of_its_bytes(tested: tuple[Any, str, str]) -> None:
    report = tested[0]
    for row in (*report["kernels"], *report["stages"].values()):
        seconds = row["bytes"] / (report["memory_gb_s"]["all_threads"] * 1e9)
        assert row["memory_ms"] == pytest.approx(1000 * seconds)
    assert report["rtf"] == pytest.approx(report["frame_ms"] / 20)  # a tiny model's frame: 480 samples of 24 kHz


def test_report_and_progress_are_for_people(tested: tuple[Any, str, str]) -> None:
    report, printed, told = tested
    for words in (report["instruction_set"], "GB/s", "as its digests say", *LINEAR, *OTHERS, "code predictor", "RTF"):
        assert words in printed
    steps = ("reading memory", "comparing kernels", "timing kernels", "checking and loading", "speaking 16 frames")
    assert all(f"self test: {step}" in told for step in steps)


def test_wrong_models_are_refused(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    content = bytearray(tiny_pte("tiny-customvoice-small").read_bytes())
    content[len(content) // 2] ^= 1
    damaged, other, stats = tmp_path / "damaged.pte", tmp_path / "other.pte", tmp_path / "stats.json"
    damaged.write_bytes(content)
    other.write_text("no model")
    for path, words in ((damaged, "damaged"), (other, "other.pte"), (tmp_path / "none.pte", "none.pte")):
        done = call(runner, model_path=path, self_test=True, stats_json=stats, threads=1, verify="never")
        assert done.returncode == 1
        assert "error: " in done.stderr.decode() and words in done.stderr.decode().split("error: ")[1]
        assert done.stdout == b""
        assert not stats.exists()


def test_other_texts_are_refused(runner: Path, tiny_pte: Pte) -> None:
    done = call(runner, model_path=tiny_pte("tiny-customvoice-small"), self_test=True, text="Hello.")
    assert done.returncode == 1
    assert "--self_test speaks a text of its own" in done.stderr.decode()

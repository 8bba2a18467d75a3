"""Models speak alike with our few operators in place of ExecuTorch's, as the preset `mobile` links them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runner_program import GREEDY, call, speak

Pte = Callable[[str], Path]


@pytest.fixture
def small_runner(build_dir: Path) -> Path:
    return build_dir / "tests" / "runner_without_kernels"


def test_it_links_none_of_executorchs(small_runner: Path) -> None:
    needed = subprocess.run(["readelf", "-d", small_runner], check=True, capture_output=True, text=True).stdout
    assert "libexecutorch.so" in needed
    assert "kernels" not in needed


@pytest.mark.parametrize("recipe", ["", "-balanced", "-small"])
def test_codes_are_the_same(runner: Path, small_runner: Path, tiny_pte: Pte, tmp_path: Path, recipe: str) -> None:
    """And samples, but for the last bits of the decoder's layer norms, whose sums are formed in double."""
    model = tiny_pte(f"tiny-customvoice{recipe}")
    for flags in (GREEDY, {"seed": 7}, {"disable_fused_cp_generate": True, "seed": 7}):
        about = {"text": "The train leaves.", "speaker": "ryan", "max_frames": 20, **flags}
        expected, run = speak(runner, model, tmp_path, **about), speak(small_runner, model, tmp_path, **about)
        np.testing.assert_array_equal(run.codes, expected.codes)
        error = run.samples - expected.samples
        if recipe == "-small":  # Its integer codec turns last bits into steps.
            assert np.std(error) < 0.1 * np.std(expected.samples)
        else:
            assert np.abs(error).max() < 1.5 / 32767


def test_models_for_other_operators_are_refused(small_runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    done = call(
        small_runner, model_path=tiny_pte("tiny-base-portable"), output_wav=tmp_path / "x.wav", text="Any text."
    )
    assert done.returncode == 1
    assert b"has operators that this build does not have" in done.stderr
    assert b"QWEN3_TTS_EXECUTORCH_KERNELS=ON" in done.stderr

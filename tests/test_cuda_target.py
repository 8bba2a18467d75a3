"""What a CUDA export and `make gpu-check` say on a machine that cannot do it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import models
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.flags import dtype_of
from qwen3_tts.export.flags import parse_args

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU lacks")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, str(models.REPOSITORY / command[0]), *map(str, command[1:])]
    return subprocess.run(whole, env=models.ENVIRONMENT, capture_output=True, text=True, check=False)


@without_gpu
def test_export_says_what_is_missing_and_leaves_no_file(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    flags = ("--backend", "cuda", "--output", tmp_path / "model.pte")
    done = run("export_unified.py", "--checkpoint", tiny_checkpoint("tiny-base"), *flags)
    assert done.returncode == 1
    assert "--backend cuda needs:\n  - " in done.stderr
    assert list(tmp_path.iterdir()) == []


@without_gpu
def test_gpu_check_says_what_is_missing(tmp_path: Path) -> None:
    done = run("benchmarks/gpu_check.py", "--output", tmp_path / "report.json")
    assert done.returncode == 2
    assert "this machine has not what the check needs:\n  - " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with everything, and a GPU of sm_90."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(target, "has_triton", lambda: True)
    monkeypatch.setattr(target, "_has_nvcc", lambda: True)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    return monkeypatch


@pytest.mark.parametrize("wanted", [None, "sm_90"])
def test_the_present_gpu_is_exported_for(hopper: pytest.MonkeyPatch, wanted: str | None) -> None:
    assert target.check(wanted) == "sm_90"


def test_another_gpu_is_refused_with_the_reason(hopper: pytest.MonkeyPatch) -> None:
    with pytest.raises(target.TargetError, match=r"--gpu-arch sm_80: the GPU here is sm_90 \(NVIDIA H200\)"):
        target.check("sm_80")


def test_everything_that_is_missing_is_told_at_once(hopper: pytest.MonkeyPatch) -> None:
    hopper.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    hopper.setattr(target, "_has_nvcc", lambda: False)
    hopper.setattr("shutil.which", lambda program: None if program == "objcopy" else program)
    with pytest.raises(target.TargetError) as refusal:
        target.check(None)
    for part in ("compute capability 8.0 or newer; this is sm_75", "the program objcopy", "nvcc of CUDA 13.0"):
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "dtype"), [((), "bf16"), (("--qlinear", "4w"), "bf16"), (("--dtype", "fp32"), "fp32")]
)
def test_products_are_in_bfloat16_unless_one_says_otherwise(
    tiny_checkpoint: Callable[[str], Path], given: tuple[str, ...], dtype: str
) -> None:
    folder = str(tiny_checkpoint("tiny-base"))
    args = parse_args(["--checkpoint", folder, "--output", "model.pte", "--backend", "cuda", *given])
    assert dtype_of(args) == dtype

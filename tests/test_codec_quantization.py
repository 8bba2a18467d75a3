"""int8 convolutions of the codec decoder: each against fp32, and the exported codec against the fp32 one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

import runner_program
from qwen3_tts.calibration import FRAMES, roll_out
from qwen3_tts.checkpoint import Checkpoint
from qwen3_tts.codec_decoder import CausalConv, HistoryPlan
from qwen3_tts.codec_quantization import Int8Convolution, Range, observed, quantize_convolutions

Pte = Callable[[str], Path]


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 2.0), (-5.0, 0.0), (0.0, 0.0), (-1e-3, 7.5)])
def test_zero_is_exact_and_the_ends_are_near(low: float, high: float) -> None:
    values = Range()
    values.add(torch.tensor([low, high]))
    assert -128 <= values.zero_point <= 127
    ends = torch.tensor([low, 0.0, high])
    back = (torch.round(ends / values.scale) + values.zero_point).clamp(-128, 127) - values.zero_point
    assert_close(back * values.scale, ends, atol=0.51 * values.scale, rtol=0)
    assert back[1] == 0


def test_convolution_is_near_fp32() -> None:
    torch.manual_seed(0)
    conv = CausalConv(HistoryPlan(), 64, 32, kernel=7, dilation=3).requires_grad_(False)
    x = torch.randn(1, 64, 1, 80)
    inputs, outputs = Range(), Range()
    exact = torch.nn.functional.conv2d(x, conv.weight, conv.bias, dilation=(1, 3))
    inputs.add(x)
    outputs.add(exact)
    error = Int8Convolution(conv, inputs, outputs)(x) - exact
    assert 0 < error.square().mean().sqrt() < 0.02 * exact.std()


def test_ranges_are_those_of_the_convolutions() -> None:
    conv = CausalConv(HistoryPlan(), 2, 3, kernel=1).requires_grad_(False)
    x = torch.tensor([[[[1.0, -2.0]], [[0.5, 4.0]]]])
    with observed([conv]) as ranges:
        y = conv(x, torch.zeros(0))
        conv(-0.1 * x, torch.zeros(0))
    assert (ranges[0][0].low, ranges[0][0].high) == (-2.0, 4.0)
    assert ranges[0][1].high >= float(y.max())
    assert not conv._forward_hooks


def test_calibration_is_the_models_own_speech(tiny_checkpoint: Pte) -> None:
    checkpoint = Checkpoint(tiny_checkpoint("tiny-customvoice"))
    first, again = roll_out(checkpoint), roll_out(checkpoint)
    assert max(len(codes) for codes in first) == FRAMES
    assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_every_large_convolution_is_quantized(tiny_checkpoint: Pte) -> None:
    checkpoint = Checkpoint(tiny_checkpoint("tiny-base"))
    codec = checkpoint.codec_decoder()
    quantize_convolutions(codec, [torch.zeros(4, checkpoint.config.num_code_groups, dtype=torch.int64)])
    left = {name for name, m in codec.named_modules() if isinstance(m, CausalConv) and m.arithmetic is None}
    assert left == {"conv_out", "upsample.0.dwconv", "upsample.1.dwconv"}


def test_exported_codec_follows_the_fp32_one(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    flags = {"text": "Narrow numbers.", "speaker": "ryan", "max_frames": 50}
    exact = runner_program.speak(runner, tiny_pte("tiny-customvoice"), tmp_path, **flags)
    narrow = runner_program.decode(
        runner, tiny_pte("tiny-customvoice-small"), tmp_path / "out.codes", tmp_path / "narrow.wav"
    )
    assert signal_to_noise(exact.samples, runner_program.read_samples(narrow)) > 10


def signal_to_noise(exact: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """In decibels. A random codec amplifies errors: fp32 weights rounded to bfloat16 alone give 27."""
    return float(10 * np.log10(np.square(exact).sum() / np.square(exact - other).sum()))

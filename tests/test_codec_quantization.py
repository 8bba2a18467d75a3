"""The codec decoder in integers: its layers against fp32, its operators' arithmetic, and the exported one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.testing import assert_close

import runner_program
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.packing.int8_convolution import LARGEST_WEIGHT, pack, unpack
from qwen3_tts.export.quantize.codec import (
    NARROW,
    WIDE,
    ColumnLinear,
    QuantizedConv,
    QuantizedResidualUnit,
    quantize_codec,
)
from qwen3_tts.export.stages.codec_decoder import (
    CausalConv,
    CausalUpsample,
    CodecDecoder,
    HistoryPlan,
    ResidualUnit,
    Snake,
)
from qwen3_tts.export.stages.linear import Linear

Pte = Callable[[str], Path]
ERRORS = {NARROW: 0.02, WIDE: 1e-3}  # of a layer, relative to its outputs


@pytest.mark.parametrize("digits", [NARROW, WIDE])
@pytest.mark.parametrize("shape", [(1, 5, 1), (32, 16, 3), (70, 100, 7)])
def test_packed_weights_are_the_weights(digits: int, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape)
    weight[0] = 0
    packed, scales = pack(weight, digits)
    outputs, inputs, _ = shape
    planes = unpack(packed, inputs)
    values = planes[0] if digits == 1 else 16 * planes[0] + planes[1]
    assert planes.abs().max() <= 127
    assert not values[:, outputs:].any() and not values[:, :, inputs:].any()
    found = values[:, :outputs, :inputs].permute(1, 2, 0) * scales[:, None, None]
    assert_close(found, weight, atol=0.51 * float(weight.abs().max()) / LARGEST_WEIGHT[digits], rtol=0)


@pytest.mark.parametrize("digits", [NARROW, WIDE])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (7, 9)])
def test_convolution_is_near_fp32(digits: int, kernel: int, dilation: int) -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    conv = CausalConv(plan, 48, 40, kernel, dilation).requires_grad_(False)
    snake = random_snake(48)
    x = torch.randn(80, 48)
    exact = conv(x, torch.zeros(plan.size), snake)
    found = QuantizedConv(conv, digits)(x, torch.zeros(plan.size), snake)
    assert 0 < relative_error(found, exact) < ERRORS[digits]


def test_upsampling_is_near_fp32() -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    conv = CausalUpsample(plan, 32, 24, rate=5, kernel=10).requires_grad_(False)
    x = torch.randn(11, 32)
    exact = conv(x, torch.zeros(plan.size))
    found = QuantizedConv(conv, WIDE)(x, torch.zeros(plan.size))
    assert 0 < relative_error(found, exact) < ERRORS[WIDE]


def test_residual_unit_is_near_fp32() -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    unit = ResidualUnit(plan, 32, dilation=3, frame_size=20).requires_grad_(False)
    unit.snake1, unit.snake2 = random_snake(32), random_snake(32)
    x = torch.randn(100, 32)
    exact = unit(x, torch.zeros(plan.size))
    found = QuantizedResidualUnit(unit, NARROW)(x, torch.zeros(plan.size))
    assert 0 < relative_error(found, exact) < ERRORS[NARROW]


@pytest.mark.parametrize("digits", [NARROW, WIDE])
def test_linear_layer_is_near_fp32(digits: int) -> None:
    torch.manual_seed(0)
    linear = Linear(2100, 50).requires_grad_(False)
    x = torch.randn(3, 2100)
    assert 0 < relative_error(ColumnLinear(linear, digits)(x), linear(x)) < ERRORS[digits]


def test_every_large_layer_is_quantized(tiny_checkpoint: Pte) -> None:
    codec = quantized_codec(tiny_checkpoint("tiny-base"))
    left = {n for n, m in codec.named_modules() if isinstance(m, CausalConv | nn.Linear | ResidualUnit)}
    assert left == {"upsample.0.dwconv", "upsample.1.dwconv"}
    convolutions = {n: m for n, m in codec.named_modules() if isinstance(m, QuantizedConv)}
    wide = {n for n, m in convolutions.items() if m.digits == WIDE}
    assert wide == {"pre_conv", "upsample.0.conv", "upsample.1.conv", "conv_in", "blocks.0.upsample"}


def test_linear_layers_may_stay(tiny_checkpoint: Pte) -> None:
    codec = Checkpoint(tiny_checkpoint("tiny-base")).codec_decoder()
    quantize_codec(codec, with_linears=False)
    assert not any(isinstance(module, ColumnLinear) for module in codec.modules())


def test_any_split_is_the_same(tiny_checkpoint: Pte) -> None:
    codec = quantized_codec(tiny_checkpoint("tiny-base"))
    codes = torch.randint(0, codec.config.codebook_size, (9, codec.config.num_code_groups))
    whole = decode(codec, codes, [9])
    assert whole.abs().max() > 0
    # torch rounds fp32 sums otherwise for another number of rows, which may change a code: test_codec_decoder.cpp asks
    # the kernels for equal bytes.
    assert signal_to_noise(whole.numpy(), decode(codec, codes, [1, 3, 5]).numpy()) > 20


def test_exported_codec_is_the_eager_one(runner: Path, tiny_pte: Pte, tiny_checkpoint: Pte, tmp_path: Path) -> None:
    flags = {"text": "Narrow numbers.", "speaker": "ryan", "max_frames": 50}
    exact = runner_program.speak(runner, tiny_pte("tiny-customvoice"), tmp_path, **flags)
    wav = runner_program.decode(
        runner, tiny_pte("tiny-customvoice-small"), tmp_path / "out.codes", tmp_path / "narrow.wav"
    )
    narrow = runner_program.read_samples(wav)
    codes = torch.from_numpy(exact.codes).long()
    eager = decode(quantized_codec(tiny_checkpoint("tiny-customvoice")), codes, [len(codes)]).numpy()
    assert signal_to_noise(eager, narrow) > 20
    assert signal_to_noise(exact.samples, narrow) > 15


def random_snake(channels: int) -> Snake:
    snake = Snake(channels).requires_grad_(False)
    snake.weight.uniform_(0.2, 3)
    return snake


def quantized_codec(checkpoint: Path) -> CodecDecoder:
    codec = Checkpoint(checkpoint).codec_decoder()
    quantize_codec(codec, with_linears=True)
    return codec


@torch.no_grad()
def decode(codec: CodecDecoder, codes: Tensor, sizes: list[int]) -> Tensor:
    state = torch.zeros(codec.history_size), codec.empty_kv(max(sizes))
    samples, position = [], 0
    for size in sizes:
        samples.append(codec(codes[position : position + size], torch.arange(position, position + size), *state))
        position += size
    return torch.cat(samples)


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def signal_to_noise(exact: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """In decibels. A random codec amplifies errors: fp32 weights and signals rounded to bfloat16 alone give 26."""
    return float(10 * np.log10(np.square(exact).sum() / np.square(exact - other).sum()))

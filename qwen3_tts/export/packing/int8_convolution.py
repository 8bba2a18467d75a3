"""Weights of quantized convolutions in the order in which the kernel reads them, and the operator's integers.

The 32 outputs of a panel stand together. For every tap there is a slice: 32 int32, -128 times the sum of each output's
weights, then the weights [inputs / 4, 32, 4]. The kernel multiplies unsigned codes that are 128 too large, and starts
from those sums. Inputs are padded to a multiple of 16, outputs to whole panels.

Weights have one digit in [-127, 127], or two, 16 * high + low, which is 12 bits. The low digits have a slice of their
own behind that of the high ones, plus 8 and two to a byte. Codes of columns are in [-127, 127], or 255 * high + low,
about 16 bits. The file is mapped: a model is ready without packing anything, and its weights are in memory once. (In
C++: runner/src/ops/quantized_layer.h.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from qwen3_tts.export.packing.convolution import PANEL_OUTPUTS, snake

DEPTH_MULTIPLE = 16
DIGIT_BASE = 255
CODE_OFFSET = 128
HEADER_BYTES = 4 * PANEL_OUTPUTS
LARGEST_CODE = {1: 127, 2: 127 * DIGIT_BASE + 127}
WEIGHT_BASE = 16
LARGEST_WEIGHT = {1: 127, 2: 127 * WEIGHT_BASE + WEIGHT_BASE // 2 - 1}
MAX_WIDE_INPUTS = 4096  # of a layer with two digits
SMALLEST_PEAK = 1e-30  # a column below counts as zeros
EXACT_INPUTS = 1024  # whose products of digits add up exactly in fp32


def padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def split_digits(codes: Tensor, digits: int) -> Tensor:
    """Whole numbers [...] -> [digits, ...] fp32, high digits first."""
    if digits == 1:
        return codes[None]
    high = torch.round(codes * (1 / DIGIT_BASE))
    return torch.stack([high, codes - high * DIGIT_BASE])


def pack(weight: Tensor, digits: int) -> tuple[Tensor, Tensor]:
    """fp32 [outputs, inputs, taps] -> (packed int8 [panels, taps, bytes], scales [outputs]).

    Raises ValueError when there are too many inputs for two digits.
    """
    outputs, inputs, _ = weight.shape
    if digits == 2 and inputs > MAX_WIDE_INPUTS:
        raise ValueError(f"{inputs} inputs of a layer whose weights have two digits; {MAX_WIDE_INPUTS} are the most")
    scales = weight.abs().amax((1, 2)) / LARGEST_WEIGHT[digits]
    codes = torch.round(weight / scales.clamp_min(torch.finfo(torch.float32).tiny)[:, None, None])
    codes = codes.clamp(-LARGEST_WEIGHT[digits], LARGEST_WEIGHT[digits])
    codes = F.pad(
        codes, (0, 0, 0, padded(inputs, DEPTH_MULTIPLE) - inputs, 0, padded(outputs, PANEL_OUTPUTS) - outputs)
    )
    if digits == 1:
        return slices(codes), scales
    high = torch.floor((codes + WEIGHT_BASE // 2) / WEIGHT_BASE)
    low = slices(codes - high * WEIGHT_BASE)
    header, quads = low[..., :HEADER_BYTES], low[..., HEADER_BYTES:].unflatten(2, (-1, 2, HEADER_BYTES))
    quads = (quads + WEIGHT_BASE // 2).to(torch.uint8)
    pairs = (quads[..., 0, :] | (quads[..., 1, :] << 4)).flatten(2).view(torch.int8)
    return torch.cat([slices(high), header, pairs], dim=2), scales


def slices(codes: Tensor) -> Tensor:
    """Whole numbers [outputs, inputs, taps], padded -> [panels, taps, bytes]: headers and int8 weights."""
    quads = codes.unflatten(1, (-1, 4)).unflatten(0, (-1, PANEL_OUTPUTS)).permute(0, 4, 2, 1, 3)
    headers = (-CODE_OFFSET * quads.sum((2, 4))).to(torch.int32)  # [panels, taps, 32]
    return torch.cat([headers.view(torch.int8), quads.flatten(2).to(torch.int8)], dim=2)


def depth_and_digits(packed: Tensor, inputs: int) -> tuple[int, int]:
    depth = padded(inputs, DEPTH_MULTIPLE)
    return depth, 1 if packed.shape[2] == HEADER_BYTES + PANEL_OUTPUTS * depth else 2


def unpack(packed: Tensor, inputs: int) -> Tensor:
    """The digits [digits, taps, outputs, inputs] of packed weights, fp32, with their padding."""
    depth, digits = depth_and_digits(packed, inputs)
    weights = packed[..., HEADER_BYTES : HEADER_BYTES + PANEL_OUTPUTS * depth]
    if digits == 2:
        pairs = (
            packed[..., 2 * HEADER_BYTES + PANEL_OUTPUTS * depth :].view(torch.uint8).unflatten(2, (-1, HEADER_BYTES))
        )
        low = torch.stack([pairs & 15, pairs >> 4], dim=3).flatten(2).to(torch.int8) - WEIGHT_BASE // 2
        weights = torch.stack([weights, low])
    quads = weights.view(digits, *packed.shape[:2], -1, PANEL_OUTPUTS, 4).permute(0, 2, 1, 4, 3, 5)
    return quads.reshape(digits, packed.shape[1], -1, depth).float()


def quantize_columns(x: Tensor, digits: int, depth: int) -> tuple[Tensor, Tensor]:
    """x [T, inputs] -> (digits [T, digits, depth] fp32, scales [T])."""
    peaks = x.abs().amax(1)
    is_number = (peaks > SMALLEST_PEAK) & (peaks < 3e38)
    largest = LARGEST_CODE[digits]
    inverse = torch.where(is_number, largest / peaks, 0.0)
    codes = torch.where(is_number[:, None], torch.round(x * inverse[:, None]), 0.0)
    codes = F.pad(codes, (0, depth - x.shape[1]))
    return split_digits(codes, digits).transpose(0, 1), torch.where(is_number, peaks / largest, 0.0)


def past_columns(history: Tensor, offset: int, past: int, digits: int, depth: int) -> tuple[Tensor, Tensor]:
    """Views of the history: codes [past, digits, depth] uint8, plus CODE_OFFSET, and scales [past]."""
    memory = history[offset:].view(torch.uint8)
    codes = memory[: past * digits * depth]
    scales = memory[codes.numel() : codes.numel() + 4 * past]
    return codes.view(past, digits, depth), scales.view(torch.float32)


def integer_products(columns: Tensor, weights: Tensor) -> Tensor:
    """columns [T, inputs] times weights [outputs, inputs], whole numbers: exact, then rounded to fp32 once."""
    pairs = zip(columns.split(EXACT_INPUTS, 1), weights.split(EXACT_INPUTS, 1))
    return sum((a @ b.t()).double() for a, b in pairs).float()


def convolve(columns: Tensor, scales: Tensor, weights: Tensor, dilation: int, count: int) -> Tensor:
    """Sums [count, outputs] over taps of columns [past + count, digits, depth] with unpacked weights."""
    digits, taps, outputs, _ = weights.shape
    wide = [(0, 0, DIGIT_BASE * WEIGHT_BASE), (1, 0, WEIGHT_BASE), (0, 1, DIGIT_BASE)]
    total = torch.zeros(count, outputs)
    for tap in range(taps):
        rows = slice(tap * dilation, tap * dilation + count)
        for of_column, of_weight, factor in wide if digits == 2 else [(0, 0, 1)]:
            product = integer_products(columns[rows, of_column], weights[of_weight, tap])
            total = total + product * (scales[rows, None] * factor)
    return total


def quantized_convolution(
    x: Tensor,
    packed: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    snake_weight: Tensor | None,
    history: Tensor | None,
    offset: int,
    dilation: int,
) -> Tensor:
    """x [T, inputs] -> [T, outputs]; the history is read and written."""
    depth, digits = depth_and_digits(packed, x.shape[1])
    x = x if snake_weight is None else snake(x, snake_weight)
    columns, column_scales = quantize_columns(x, digits, depth)
    past = (packed.shape[1] - 1) * dilation
    if past:
        assert history is not None
        old_codes, old_scales = past_columns(history, offset, past, digits, depth)
        columns = torch.cat([old_codes.float() - CODE_OFFSET, columns])
        column_scales = torch.cat([old_scales, column_scales])
        old_codes.copy_(columns[-past:] + CODE_OFFSET)
        old_scales.copy_(column_scales[-past:])
    y = convolve(columns, column_scales, unpack(packed, x.shape[1]), dilation, len(x))[:, : len(scales)] * scales
    return y if bias is None else y + bias

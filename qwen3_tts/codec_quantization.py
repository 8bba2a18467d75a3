"""Static int8 for the codec decoder's convolutions: weights per output channel, signals with one scale a tensor.

The scales of signals are fixed at export, from codes that the model itself made (calibration.py), so that no split of
an utterance into calls can change them: streaming stays exact. XNNPACK then convolves in integers, and the codec
takes 5.7 ms a frame in place of 15.4 (docs/performance.md). Depthwise convolutions are small and stay fp32, as does the
last one, whose error nothing hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.ao.quantization.fx._decomposed  # defines torch.ops.quantized_decomposed
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.codec_decoder import CausalConv, CodecDecoder

QMIN, QMAX = -128, 127
SMALLEST_SCALE = 1e-8  # of a signal that was always zero


@dataclass
class Range:
    """Smallest and largest value seen; zero, which pads every signal, is always inside."""

    low: float = 0.0
    high: float = 0.0

    def add(self, values: Tensor) -> None:
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    @property
    def scale(self) -> float:
        return max((self.high - self.low) / (QMAX - QMIN), SMALLEST_SCALE)

    @property
    def zero_point(self) -> int:
        return round(QMIN - self.low / self.scale)


class Int8Convolution(nn.Module):
    """The arithmetic of a CausalConv, its input and output rounded to 8 bits: the pattern that XNNPACK takes whole."""

    weight: Tensor  # int8, as the convolution's
    weight_scales: Tensor  # [out channels]
    weight_zeros: Tensor  # [out channels], all 0

    def __init__(self, conv: CausalConv, inputs: Range, outputs: Range):
        super().__init__()
        scales = conv.weight.abs().amax((1, 2, 3)).clamp_min(SMALLEST_SCALE) / QMAX
        rounded = torch.round(conv.weight / scales[:, None, None, None]).clamp(-QMAX, QMAX)
        self.register_buffer("weight", rounded.to(torch.int8))
        self.register_buffer("weight_scales", scales)
        self.register_buffer("weight_zeros", torch.zeros_like(scales, dtype=torch.int64))
        self.bias = conv.bias
        self.dilation = conv.dilation
        self.inputs, self.outputs = inputs, outputs

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.ops.quantized_decomposed.dequantize_per_channel(
            self.weight, self.weight_scales, self.weight_zeros, 0, -QMAX, QMAX, torch.int8
        )
        y = F.conv2d(_rounded(x, self.inputs), weight, self.bias, dilation=self.dilation)
        return _rounded(y, self.outputs)


def _rounded(x: Tensor, values: Range) -> Tensor:
    """To the nearest of 256 numbers and back."""
    parameters = (values.scale, values.zero_point, QMIN, QMAX, torch.int8)
    quantized = torch.ops.quantized_decomposed.quantize_per_tensor(x, *parameters)
    return torch.ops.quantized_decomposed.dequantize_per_tensor(quantized, *parameters)


@torch.no_grad()
def quantize_convolutions(codec: CodecDecoder, utterances: Sequence[Tensor]) -> None:
    """Give every large convolution of `codec` an Int8Convolution in place of its weights.

    utterances: codes [T, G] each; their signals decide the scales.
    """
    convolutions = [
        module
        for module in codec.modules()
        if isinstance(module, CausalConv) and module.groups == 1 and module is not codec.conv_out
    ]
    with observed(convolutions) as ranges:
        for codes in utterances:
            state = torch.zeros(codec.history_size), codec.empty_kv(len(codes))
            codec(codes, torch.zeros(1, dtype=torch.int64), *state)
    for convolution, (inputs, outputs) in zip(convolutions, ranges):
        convolution.arithmetic = Int8Convolution(convolution, inputs, outputs)
        del convolution.weight, convolution.bias


@contextmanager
def observed(convolutions: Sequence[CausalConv]) -> Iterator[list[tuple[Range, Range]]]:
    """The ranges of each convolution's inputs and outputs, filled while the block runs."""
    ranges = [(Range(), Range()) for _ in convolutions]

    def watch(conv: CausalConv, inputs: Range, outputs: Range) -> torch.utils.hooks.RemovableHandle:
        def add(_: nn.Module, arguments: tuple[Tensor, ...], result: Tensor) -> None:
            inputs.add(arguments[0])
            outputs.add(result)

        return conv.register_forward_hook(add)

    handles = [watch(conv, *pair) for conv, pair in zip(convolutions, ranges)]
    try:
        yield ranges
    finally:
        for handle in handles:
            handle.remove()

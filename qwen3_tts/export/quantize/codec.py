"""The codec decoder in integers: convolutions and linear layers whose weights are quantized for each output, and whose
columns are quantized one by one while running (qwen3_tts::quantized_convolution).

A column's scale depends on that column alone: no split of an utterance into calls can change it, and nothing has to be
calibrated. In front of the first block's residual units, where a frame is at most four columns, codes have two digits
(16 bits, weights 12): an error there is in everything that follows, and the arithmetic is little (docs/performance.md).
Depthwise convolutions are small and stay fp32; codebooks become fp16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qwen3_tts.export.packing.int8_convolution import pack
from qwen3_tts.export.stages.codec_decoder import CausalConv, CausalUpsample, CodecDecoder, ResidualUnit, Snake
from qwen3_tts.export.stages.linear import Linear, RMSNorm

WIDE, NARROW = 2, 1  # digits of codes and weights


class QuantizedConv(nn.Module):
    """A CausalConv over columns [T, C]. Its history keeps the codes of earlier columns and their scales."""

    weights: Tensor  # packed, int8
    scales: Tensor  # [out channels]

    def __init__(self, conv: CausalConv, digits: int):
        super().__init__()
        weights, scales = pack(conv.weight, digits)
        self.register_buffer("weights", weights)
        self.register_buffer("scales", scales)
        self.bias, self.digits = conv.bias, digits
        self.offset, self.dilation = conv.offset, conv.dilation[0]
        self.rate = conv.rate if isinstance(conv, CausalUpsample) else 1

    def forward(self, x: Tensor, history: Tensor, snake: Snake | None = None) -> Tensor:
        """[T, C] -> [T * rate, out channels / rate]."""
        y: Tensor = torch.ops.qwen3_tts.quantized_convolution(
            x,
            self.weights,
            self.scales,
            self.bias,
            None if snake is None else snake.weight,
            history,
            self.offset,
            self.dilation,
            self.rate,
        )
        return y


class ColumnLinear(nn.Module):
    """A Linear as a convolution with one tap: rows are columns."""

    weights: Tensor  # packed, int8
    scales: Tensor  # [out features]

    def __init__(self, linear: Linear, digits: int):
        super().__init__()
        weights, scales = pack(linear.weight[:, :, None], digits)
        self.register_buffer("weights", weights)
        self.register_buffer("scales", scales)
        self.bias = linear.bias

    def forward(self, x: Tensor, norm: RMSNorm | None = None, residual: Tensor | None = None) -> Tensor:
        """[T, in features] -> [T, out features]."""
        x = x if norm is None else norm(x)
        y: Tensor = torch.ops.qwen3_tts.quantized_convolution(
            x, self.weights, self.scales, self.bias, None, None, 0, 1, 1
        )
        return y if residual is None else residual + y


class QuantizedResidualUnit(nn.Module):
    """Both convolutions of a ResidualUnit in one operator, so that what is between them stays in the cache."""

    snake1: Tensor  # [2, channels], and so is snake2
    snake2: Tensor

    def __init__(self, unit: ResidualUnit, digits: int):
        super().__init__()
        self.conv1, self.conv2 = QuantizedConv(unit.conv1, digits), QuantizedConv(unit.conv2, digits)
        self.register_buffer("snake1", unit.snake1.weight)
        self.register_buffer("snake2", unit.snake2.weight)

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[T, C] -> [T, C]."""
        first, second = self.conv1, self.conv2
        y: Tensor = torch.ops.qwen3_tts.quantized_residual_unit(
            x, first.weights, first.scales, first.bias, self.snake1,
            second.weights, second.scales, second.bias, self.snake2, history, first.offset, first.dilation,
        )  # fmt: skip
        return y


@torch.no_grad()
def quantize_codec(codec: CodecDecoder, with_linears: bool) -> None:
    """Put quantized layers in the place of the convolutions of `codec`, and of its linear layers if asked for."""
    for name, module in list(codec.named_modules()):
        digits = NARROW if (name.startswith("blocks") and name != "blocks.0.upsample") or name == "conv_out" else WIDE
        if isinstance(module, ResidualUnit):
            replacement: nn.Module = QuantizedResidualUnit(module, digits)
        elif isinstance(module, CausalConv) and module.groups == 1 and ".units." not in name:
            replacement = QuantizedConv(module, digits)
        elif isinstance(module, Linear) and with_linears:
            replacement = ColumnLinear(module, digits)
        else:
            continue
        codec.set_submodule(name, replacement)
    codec.codebooks.half()

"""The codec decoder in fp32 as operators of this project: its convolutions and linear layers with packed weights.

Their kernels take the columns as they are, half of the products in the residual units (minimal filtering), and weights
straight from the mapped file (docs/design.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qwen3_tts.export.packing.convolution import pack
from qwen3_tts.export.stages.codec_decoder import CausalConv, CausalUpsample, CodecDecoder, ResidualUnit, Snake
from qwen3_tts.export.stages.linear import Linear, RMSNorm


class PackedConv(nn.Module):
    """A CausalConv. `frame_size`: of minimal filtering, or 0."""

    weights: Tensor  # [panels, taps, inputs, 32]

    def __init__(self, conv: CausalConv, frame_size: int = 0):
        super().__init__()
        self.register_buffer("weights", pack(conv.weight))
        self.bias, self.outputs, self.frame_size = conv.bias, conv.out_channels, frame_size
        self.offset, self.dilation = conv.offset, conv.dilation[0]
        self.rate = conv.rate if isinstance(conv, CausalUpsample) else 1

    def forward(self, x: Tensor, history: Tensor, snake: Snake | None = None, residual: Tensor | None = None) -> Tensor:
        """[T, C] -> [T * rate, out channels / rate]."""
        y: Tensor = torch.ops.qwen3_tts.causal_convolution(
            x, self.weights, self.bias, None if snake is None else snake.weight, residual, history,
            self.offset, self.outputs, self.dilation, self.rate, self.frame_size,
        )  # fmt: skip
        return y


class PackedDepthwiseConv(nn.Module):
    """A CausalConv of every channel by itself."""

    weights: Tensor  # [taps, C]

    def __init__(self, conv: CausalConv):
        super().__init__()
        self.register_buffer("weights", conv.weight[:, 0].t().contiguous())
        self.bias, self.offset = conv.bias, conv.offset

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[T, C] -> [T, C]."""
        y: Tensor = torch.ops.qwen3_tts.depthwise_convolution(x, self.weights, self.bias, history, self.offset)
        return y


class PackedLinear(nn.Module):
    """A Linear as a convolution with one tap: rows are columns."""

    weights: Tensor  # [panels, 1, inputs, 32]

    def __init__(self, linear: Linear):
        super().__init__()
        self.register_buffer("weights", pack(linear.weight[:, :, None]))
        self.bias, self.outputs = linear.bias, linear.out_features

    def forward(self, x: Tensor, norm: RMSNorm | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + W norm(x) + b: x [T, in features] -> [T, out features]."""
        x = x if norm is None else norm(x)
        y: Tensor = torch.ops.qwen3_tts.causal_convolution(
            x, self.weights, self.bias, None, residual, None, 0, self.outputs, 1, 1, 0
        )
        return y


@torch.no_grad()
def pack_codec(codec: CodecDecoder) -> None:
    """Put packed layers in the place of the convolutions and linear layers of `codec` that are still in fp32."""
    frame_sizes = {f"{n}.conv1": m.frame_size for n, m in codec.named_modules() if isinstance(m, ResidualUnit)}
    for name, module in list(codec.named_modules()):
        if isinstance(module, CausalConv):
            replacement = _packed(module, frame_sizes.get(name, 0))
        elif isinstance(module, Linear):
            replacement = PackedLinear(module)
        else:
            continue
        codec.set_submodule(name, replacement)


def _packed(conv: CausalConv, frame_size: int) -> nn.Module:
    return PackedConv(conv, frame_size) if conv.groups == 1 else PackedDepthwiseConv(conv)

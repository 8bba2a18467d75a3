"""Linear layers, norms and embeddings for the GPU: products in the weights' type, everything between them in fp32.

A row is a few kilobytes, so fp32 between the products costs nothing and keeps the residual stream exact.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.export import ops
from qwen3_tts.export.quantize.rounding import group_scales
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.recipe import INT4_GROUP_SIZE

INT4_BLOCK = 256  # weights of a row that share the steps of scales and zeros
_ZERO = 8  # the code of weight 0
_ROWS_OF_KERNEL = 4  # more rows are multiplied with dequantized weights


class MeanNorm(nn.Module):
    """An RMSNorm whose mean is a mean: XNNPACK alone wants a product there."""

    def __init__(self, norm: RMSNorm):
        super().__init__()
        self.weight, self.eps = norm.weight, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        return ops.rms_norm(x, self.weight, self.eps)


class NarrowLinear(nn.Module):
    """A Linear that multiplies in `dtype`; rows come and go in fp32."""

    def __init__(self, linear: Linear, dtype: torch.dtype):
        super().__init__()
        self.weight = nn.Parameter(linear.weight.to(dtype), requires_grad=False)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.to(dtype), requires_grad=False)

    def forward(self, x: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + W norm(x) + b: x [S, K] -> [S, N]."""
        x = x if norm is None else norm(x)
        y = F.linear(x.to(self.weight.dtype), self.weight, self.bias).float()
        return y if residual is None else residual + y


class NarrowEmbedding(nn.Module):
    """An Embedding that keeps its rows in `dtype` and gives them in fp32."""

    def __init__(self, embedding: nn.Embedding, dtype: torch.dtype):
        super().__init__()
        self.weight = nn.Parameter(embedding.weight.to(dtype), requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight).float()


class Int4Linear(nn.Module):
    """A Linear of 4-bit weights in the layout of `executorch_cuda::int4_plain_mm` (the backend's "coalesced" one).

    w = (code - zero) * scale, where scale is scale_codes * scale_steps and zero likewise, 8 exactly. Up to four rows
    go to that kernel, which rounds them to int8 group by group as the CPU's operator does; more rows are multiplied
    with dequantized weights.
    """

    codes: Tensor  # [N, K / 2] uint8, even inputs in the low half
    scale_codes: Tensor  # [N, K / 32] uint8
    scale_steps: Tensor  # [N, K / 256] fp16
    zero_codes: Tensor  # [N, K / 32] uint8
    zero_steps: Tensor  # [N, K / 256] fp16

    def __init__(self, linear: Linear):
        super().__init__()
        scales = group_scales(linear.weight, 4, INT4_GROUP_SIZE)
        scale_codes, scale_steps = _eight_bit(scales)
        per_weight = _decoded(scale_codes, scale_steps).repeat_interleave(INT4_GROUP_SIZE, 1)
        codes = (torch.round(linear.weight / per_weight) + _ZERO).clamp_(0, 15).to(torch.uint8)
        self.register_buffer("codes", codes[:, 0::2] | codes[:, 1::2] << 4)
        self.register_buffer("scale_codes", scale_codes)
        self.register_buffer("scale_steps", scale_steps)
        self.register_buffer("zero_codes", torch.full_like(scale_codes, _ZERO * 16))
        self.register_buffer("zero_steps", torch.full_like(scale_steps, 1 / 16))
        self.bias = linear.bias

    def forward(self, x: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + W norm(x) + b: x [S, K] -> [S, N], in bfloat16 inside."""
        x = (x if norm is None else norm(x)).bfloat16()
        y = self._few_rows(x) if x.shape[0] <= _ROWS_OF_KERNEL else F.linear(x, self.dequantized())
        y = y.float()
        y = y if self.bias is None else y + self.bias
        return y if residual is None else residual + y

    def _few_rows(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.executorch_cuda.int4_plain_mm(
            x, self.codes, self.scale_codes, self.scale_steps, self.zero_codes, self.zero_steps, INT4_GROUP_SIZE
        )
        return y

    def dequantized(self) -> Tensor:
        """The weights as they are multiplied: [N, K] bfloat16."""
        halves = torch.stack([self.codes & 15, self.codes >> 4], dim=2).flatten(1)
        scales = _decoded(self.scale_codes, self.scale_steps).repeat_interleave(INT4_GROUP_SIZE, 1)
        return ((halves.float() - _ZERO) * scales).bfloat16()


def fits_int4(linear: Linear) -> bool:
    return linear.in_features % INT4_BLOCK == 0


def _eight_bit(scales: Tensor) -> tuple[Tensor, Tensor]:
    """Scales [N, groups] as codes [N, groups] of 8 bits and a step for every 256 weights, [N, K / 256] fp16."""
    blocks = scales.unflatten(1, (-1, INT4_BLOCK // INT4_GROUP_SIZE))
    steps = (blocks.amax(2) / 255).clamp_min(torch.finfo(torch.float16).tiny).half()
    codes = torch.round(blocks / steps.float()[..., None]).clamp_(1, 255)
    return codes.flatten(1).to(torch.uint8), steps


def _decoded(codes: Tensor, steps: Tensor) -> Tensor:
    """[N, groups] fp32"""
    return codes.float() * steps.float().repeat_interleave(INT4_BLOCK // INT4_GROUP_SIZE, 1)

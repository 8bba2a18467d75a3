"""Linear layers quantized as XNNPACK multiplies them, in place of qwen3_tts::linear.

What differs from `QuantizedLinear`: a row of inputs has one scale and a zero point, where that has a scale for each
group; and weights of 8 bits have one scale an output, since XNNPACK knows groups of 4 bits alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401  (registers the operators that XNNPACK looks for)

from qwen3_tts.export.packing.linear import midpoint
from qwen3_tts.export.quantize.rounding import InputMoments, rounded
from qwen3_tts.export.stages.linear import Linear, RMSNorm

_LOWEST, _HIGHEST = -128, 127  # of an input's code
_HALF = midpoint(4)  # of the codes of 4 bits, which are stored from 0 on


class XnnpackLinear(nn.Module):
    """A Linear of 4 bits in groups of `group_size` columns, or of 8 bits.

    As plain operators; XNNPACK takes all of them as one product (its qd8-f32-qb4w and qd8-f32-qc8w).
    """

    codes: Tensor  # [N, K] int8
    scales: Tensor  # [N, K / group_size], or [N]; fp32 that bfloat16 holds
    zeros: Tensor  # like scales: XNNPACK asks for zero points, which are 0

    def __init__(self, linear: Linear, bits: int, group_size: int, moments: InputMoments | None = None):
        super().__init__()
        self.group_size = group_size if bits == 4 else None
        codes, scales = rounded(linear.weight, bits, self.group_size or linear.in_features, moments)
        self.register_buffer("codes", codes.to(torch.int8))
        self.register_buffer("scales", scales if self.group_size else scales.flatten())
        self.register_buffer("zeros", torch.zeros_like(self.scales, dtype=torch.int32), persistent=False)
        self.bias = linear.bias

    def forward(self, x: Tensor, norm: RMSNorm | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + W norm(x) + b: x [S, K] -> [S, N]."""
        y = F.linear(self._rounded(x if norm is None else norm(x)), self._weight(), self.bias)
        return y if residual is None else residual + y

    def stored(self) -> dict[str, Tensor]:
        """Codes and scales as a program holds them: of 4 bits two codes a byte, the even column in the low half."""
        if self.group_size is None:
            return {"codes": self.codes, "scales": self.scales}
        low, high = ((self.codes[:, part::2] + _HALF).to(torch.uint8) for part in (0, 1))
        return {"codes": low | high << 4, "scales": self.scales.bfloat16()}

    def _rounded(self, x: Tensor) -> Tensor:
        """x [S, K] rounded to int8, with one scale and zero point a row, and back."""
        ops = torch.ops.quantized_decomposed
        scale, zero = ops.choose_qparams_per_token_asymmetric.default(x, torch.int8)
        limits = (_LOWEST, _HIGHEST, torch.int8)
        codes = ops.quantize_per_token.default(x, scale, zero, *limits)
        near: Tensor = ops.dequantize_per_token.default(codes, scale, zero, *limits, torch.float32)
        return near

    def _weight(self) -> Tensor:
        """[N, K], fp32."""
        ops, parts = torch.ops.quantized_decomposed, (self.codes, self.scales, self.zeros)
        weight: Tensor
        if self.group_size is None:
            weight = ops.dequantize_per_channel.default(*parts, 0, _LOWEST, _HIGHEST, torch.int8)
        else:
            limits = (-_HALF, _HALF - 1, torch.int8)
            weight = ops.dequantize_per_channel_group.default(*parts, *limits, self.group_size, torch.float32)
        return weight

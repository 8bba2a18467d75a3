"""Linear layers with what stands before and after them.

A `Linear` takes the norm of its input and the residual of its output along. In floating point that only says the same
thing elsewhere; a `QuantizedLinear` is one operator with both (quantize/linears.py), so that a decoder layer of a
quantized model is six operators and no delegate.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.export import ops  # noqa: F401  (registers the operators)


class RMSNorm(nn.Module):
    column: Tensor  # [1, size]

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        # On the CPU even while a checkpoint is built on "meta": no tensor of the file fills it.
        self.register_buffer("column", torch.full((1, size), 1.0 / size, device="cpu"), persistent=False)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """w * x / sqrt(mean(x^2) + eps). The mean is a product with a constant column: XNNPACK takes it whole."""
        return self.weight * (x * torch.rsqrt(F.linear(x * x, self.column) + self.eps))


class Linear(nn.Linear):
    def forward(  # a layer that takes its neighbours along
        self, x: Tensor, norm: RMSNorm | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """residual + W norm(x) + b: x [S, K] -> [S, N]."""
        y = super().forward(x if norm is None else norm(x))
        return y if residual is None else residual + y

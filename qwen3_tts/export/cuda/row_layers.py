"""Layers that take the rows of a frame by the project's own Triton kernels, and more rows as the plain ones do.

This is the one place that needs Triton to be imported.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from qwen3_tts.export.cuda.attention import CachedAttention, Places
from qwen3_tts.export.cuda.kernels.attention import attention, takes_attention
from qwen3_tts.export.cuda.kernels.draws import draw
from qwen3_tts.export.cuda.kernels.products import MOST_ROWS, gated_product, product
from qwen3_tts.export.cuda.kernels.settle import settle
from qwen3_tts.export.cuda.linear import NarrowLinear
from qwen3_tts.export.cuda.stacks import PlainMLP

__all__ = ["RowAttention", "RowLinear", "RowMLP", "draw", "settle"]


class RowLinear(NarrowLinear):
    def __init__(self, plain: NarrowLinear):
        """With the weights of `plain`."""
        nn.Module.__init__(self)
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, x: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        if x.shape[0] > MOST_ROWS:
            return super().forward(x, norm, residual)
        weight, eps = (None, 0.0) if norm is None else (norm.weight, norm.eps)
        y: Tensor = product(x, self.weight, weight, eps, self.bias, residual)
        return y


class RowMLP(PlainMLP):
    def __init__(self, plain: PlainMLP):
        """With the parts of `plain`."""
        nn.Module.__init__(self)
        self.norm, self.gate_up_proj, self.down_proj = plain.norm, plain.gate_up_proj, plain.down_proj

    def forward(self, x: Tensor) -> Tensor:
        whole: Any = self.gate_up_proj
        if x.shape[0] > MOST_ROWS or not isinstance(whole, RowLinear):
            return super().forward(x)
        y: Tensor = self.down_proj(gated_product(x, whole.weight, self.norm.weight, self.norm.eps), residual=x)
        return y


class RowAttention(CachedAttention):
    def __init__(self, plain: CachedAttention):
        """With the parts and caches of `plain`."""
        nn.Module.__init__(self)
        self.config, self.attend = plain.config, plain.attend
        self.norm, self.qkv_proj, self.o_proj = plain.norm, plain.qkv_proj, plain.o_proj
        self.q_norm, self.k_norm = plain.q_norm, plain.k_norm
        self.register_buffer("keys", plain.keys)
        self.register_buffer("values", plain.values)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        utterances = places.visible.shape[0]
        if not takes_attention(x.shape[0] // utterances, self.keys):
            return super().forward(x, places)
        attended = attention(
            self.qkv_proj(x, norm=self.norm),
            self.q_norm,
            self.k_norm,
            self.keys,
            self.values,
            places.frequencies,
            places.positions,
            places.offset,
            places.slot,
            utterances,
            self.config.rms_norm_eps,
        )
        y: Tensor = self.o_proj(attended, residual=x)
        return y

"""Decoder layers shared by talker, code predictor and the codec decoder's transformer (spec: Qwen3 decoder blocks).

Rows are [S, hidden]: one utterance, no batch dimension. Written for export: everything between two attention
operators lowers to one XNNPACK delegate.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts import ops  # noqa: F401  (registers the operators)
from qwen3_tts.config import TransformerConfig


def to_signal(rows: Tensor) -> Tensor:
    """[T, C] -> [1, C, 1, T]"""
    return rows.view(1, 1, -1, rows.shape[1]).permute(0, 3, 1, 2)


def to_rows(signal: Tensor) -> Tensor:
    """[1, C, 1, T] -> [T, C]"""
    return signal.permute(0, 2, 3, 1).reshape(-1, signal.shape[1])


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


class Attention(nn.Module):
    def __init__(self, config: TransformerConfig, layer: int, qk_norm: bool):
        super().__init__()
        self.config, self.layer = config, layer
        self.qkv_proj = nn.Linear(config.hidden_size, config.qkv_size, bias=False)
        self.o_proj = nn.Linear(config.num_heads * config.head_dim, config.hidden_size, bias=False)
        self.q_norm = nn.Parameter(torch.ones(config.head_dim)) if qk_norm else None
        self.k_norm = nn.Parameter(torch.ones(config.head_dim)) if qk_norm else None

    def forward(self, x: Tensor, rope: Tensor, position: Tensor, kv: Tensor) -> Tensor:
        config = self.config
        attended = torch.ops.qwen3_tts.attention(
            self.qkv_proj(x),
            self.q_norm,
            self.k_norm,
            rope,
            position,
            kv,
            self.layer,
            config.num_heads,
            config.window,
            config.rms_norm_eps,
        )
        return self.o_proj(attended)


class MLP(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        return self.down_proj(gate * torch.sigmoid(gate) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, config: TransformerConfig, layer: int, qk_norm: bool):
        super().__init__()
        self.input_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = Attention(config, layer, qk_norm)
        self.post_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rope: Tensor, position: Tensor, kv: Tensor) -> Tensor:
        x = x + self.attention(self.input_norm(x), rope, position, kv)
        return x + self.mlp(self.post_norm(x))


class DecoderStack(nn.Module):
    """All layers of a transformer, without the final norm: [S, hidden] -> [S, hidden]."""

    def __init__(self, config: TransformerConfig, qk_norm: bool = True):
        super().__init__()
        self.config = config
        self.kv_dtype = torch.float32
        self.layers = nn.ModuleList(DecoderLayer(config, i, qk_norm) for i in range(config.num_layers))

    def forward(self, x: Tensor, position: Tensor, kv: Tensor) -> Tensor:
        """x [S, hidden], position [1] of the first row, kv as empty_kv() makes it (written)."""
        rope = torch.ops.qwen3_tts.rope(x, position, self.config.head_dim, self.config.rope_theta)
        for layer in self.layers:
            x = layer(x, rope, position, kv)
        return x

    def empty_kv(self, capacity: int) -> Tensor:
        """Keys and values of `capacity` positions: zeros [layers, 2, kv heads, capacity, head_dim]."""
        config = self.config
        shape = (config.num_layers, 2, config.num_kv_heads, capacity, config.head_dim)
        return torch.zeros(shape, dtype=self.kv_dtype)

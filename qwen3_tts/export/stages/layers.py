"""Decoder layers shared by talker, code predictor and the codec decoder's transformer (spec: Qwen3 decoder blocks).

Rows are [S, hidden] of one utterance or of several: each row says where it stands (positions [S]) and in which slot
its utterance's keys and values are (slots [S], or None: all in slot 0). There is no batch dimension, so cost follows
the rows there are. Written for export: in floating point everything between attention and swiglu lowers to one XNNPACK
delegate; quantized layers are operators of this project.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qwen3_tts.config import TransformerConfig
from qwen3_tts.export.stages.linear import Linear, RMSNorm


def to_signal(rows: Tensor) -> Tensor:
    """[T, C] -> [1, C, 1, T]"""
    return rows.view(1, 1, -1, rows.shape[1]).permute(0, 3, 1, 2)


def to_rows(signal: Tensor) -> Tensor:
    """[1, C, 1, T] -> [T, C]"""
    return signal.permute(0, 2, 3, 1).reshape(-1, signal.shape[1])


class Attention(nn.Module):
    def __init__(self, config: TransformerConfig, layer: int, qk_norm: bool):
        super().__init__()
        self.config, self.layer = config, layer
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.qkv_proj = Linear(config.hidden_size, config.qkv_size, bias=False)
        self.o_proj = Linear(config.num_heads * config.head_dim, config.hidden_size, bias=False)
        self.q_norm = nn.Parameter(torch.ones(config.head_dim)) if qk_norm else None
        self.k_norm = nn.Parameter(torch.ones(config.head_dim)) if qk_norm else None

    def forward(self, x: Tensor, rope: Tensor, positions: Tensor, slots: Tensor | None, kv: Tensor) -> Tensor:
        """x + the attention of norm(x), [S, hidden]."""
        config = self.config
        attended = torch.ops.qwen3_tts.attention(
            self.qkv_proj(x, norm=self.norm),
            self.q_norm,
            self.k_norm,
            rope,
            positions,
            slots,
            kv,
            self.layer,
            config.num_heads,
            config.window,
            config.rms_norm_eps,
        )
        return self.o_proj(attended, residual=x)


class MLP(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gate_up_proj = Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x + the gated MLP of norm(x), [S, hidden]."""
        gated = torch.ops.qwen3_tts.swiglu(self.gate_up_proj(x, norm=self.norm))
        return self.down_proj(gated, residual=x)


class DecoderLayer(nn.Module):
    def __init__(self, config: TransformerConfig, layer: int, qk_norm: bool):
        super().__init__()
        self.attention = Attention(config, layer, qk_norm)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rope: Tensor, positions: Tensor, slots: Tensor | None, kv: Tensor) -> Tensor:
        return self.mlp(self.attention(x, rope, positions, slots, kv))


class Rope(nn.Module):
    """What all layers of a stack need to know of the rows' positions: their rotation, [S, head_dim]."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.head_dim, self.theta = config.head_dim, config.rope_theta

    def forward(self, positions: Tensor) -> Tensor:
        rotation: Tensor = torch.ops.qwen3_tts.rope(positions, self.head_dim, self.theta)
        return rotation


class DecoderStack(nn.Module):
    """All layers of a transformer, without the final norm: [S, hidden] -> [S, hidden]."""

    def __init__(self, config: TransformerConfig, qk_norm: bool = True):
        super().__init__()
        self.config = config
        self.kv_dtype = torch.float32
        self.rope = Rope(config)
        self.layers = nn.ModuleList(DecoderLayer(config, i, qk_norm) for i in range(config.num_layers))

    def forward(self, x: Tensor, positions: Tensor, slots: Tensor | None, kv: Tensor) -> Tensor:
        """x [S, hidden], positions and slots [S] of its rows, kv as empty_kv() makes it (written)."""
        rope = self.rope(positions)
        for layer in self.layers:
            x = layer(x, rope, positions, slots, kv)
        return x

    def empty_kv(self, capacity: int, num_slots: int = 1) -> Tensor:
        """Keys and values of `num_slots` utterances: zeros [slots, layers, 2, kv heads, capacity, head_dim]."""
        config = self.config
        shape = (num_slots, config.num_layers, 2, config.num_kv_heads, capacity, config.head_dim)
        return torch.zeros(shape, dtype=self.kv_dtype)

"""Attention over keys and values that live in buffers of the module, at static shapes.

ExecuTorch's CUDA backend shares a buffer between methods that know it by the same fully qualified name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.config import TransformerConfig
from qwen3_tts.export import ops
from qwen3_tts.export.stages.layers import Attention

LEAST_SLOTS_TO_SPLIT = 256  # from here on the backend itself splits (triton/replacement_pass.py)


class Places(NamedTuple):
    """What all layers of a stack need to know of the rows' positions."""

    rotation: Tensor  # [S, head_dim], cosines then sines
    slots: Tensor  # [S] int64: where in the cache the rows' keys and values go
    visible: Tensor  # [1, 1, S, slots] bool: which slots a row sees
    length: Tensor  # [1] int64: no row sees a slot from here on
    first: Tensor | None  # [1] int64, or 0; plus `offset` it is the position of the first of consecutive rows
    offset: int
    frequencies: Tensor  # [head_dim / 2], of the rotation


Attend = Callable[[Tensor, Tensor, Tensor, Places], Tensor]


class CachePlaces(nn.Module):
    """Places of rows: of the position [1] of the first one, or of that of every row, [S], -1 for padding. Instead of
    the first one's position there may be a number, `offset`, that is known when a program is made.

    Without a window slot i holds position i; padding goes to `spare_rows` more slots that no row sees, and sees slot 0,
    which is finite. With one, the cache is a ring of window - 1 + `max_rows` slots.
    """

    frequencies: Tensor  # [head_dim / 2]

    def __init__(self, config: TransformerConfig, capacity: int, max_rows: int, spare_rows: int = 0):
        super().__init__()
        self.window, self.capacity = config.window, capacity
        self.size = config.window - 1 + max_rows if config.window else capacity + spare_rows
        half = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        self.register_buffer("frequencies", 1.0 / (config.rope_theta**half))

    def forward(self, x: Tensor, position: Tensor | None, offset: int = 0) -> Places:
        rows = torch.arange(x.shape[0], device=x.device)
        positions = rows + offset if position is None else position if len(position) == len(x) else position + rows
        angles = positions.float()[:, None] * self.frequencies
        slots, visible, length = self._ring(positions) if self.window else self._line(positions, rows)
        rotation = torch.cat([angles.cos(), angles.sin()], dim=1)
        return Places(rotation, slots, visible[None, None], length, position, offset, self.frequencies)

    def _line(self, positions: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slots = torch.where(positions < 0, self.capacity + rows, positions)
        held = torch.arange(self.size, device=positions.device)
        return slots, held <= positions.clamp(min=0)[:, None], positions[-1:] + 1

    def _ring(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Remainders are of numbers >= 0 only: Inductor's CUDA code truncates where it should round down."""
        newest = positions[-1:]
        age = (newest + self.size - torch.arange(self.size, device=positions.device)) % self.size
        held = (newest - age)[None]  # the position in each slot; negative: none yet
        rows = positions[:, None]
        visible = (held >= 0) & (held <= rows) & (held > rows - self.window)
        return positions % self.size, visible, torch.full_like(newest, self.size)


def attention_of_the_backend() -> Attend:
    """Its Triton kernels, which take bfloat16 and read the cache up to `length` alone."""
    from executorch.backends.cuda.triton import kernels  # noqa: F401  (registers the operators; needs triton)

    return _device_attention


def _device_attention(q: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
    """[1, heads, S, D]. One row over a long cache is split among many blocks; it sees all that is read, so it needs no
    mask."""
    mask = None if q.shape[2] == 1 else places.visible
    splits = q.shape[2] == 1 and keys.shape[2] >= LEAST_SLOTS_TO_SPLIT
    attended: Tensor
    if splits:
        attended = torch.ops.triton.sdpa_decode_splitk(q, keys, values, mask, enable_gqa=True, kv_len=places.length)
    else:
        attended = torch.ops.triton.sdpa(q, keys, values, mask, enable_gqa=True, kv_len=places.length)
    return attended


def masked_attention(q: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
    """What that computes, in plain PyTorch and any type, over the whole cache."""
    gqa = q.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=places.visible, enable_gqa=gqa)


def plain_attention(q: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
    """The same as two products in the caches' own type, which may be fp32: for short windows."""
    repeats = q.shape[1] // keys.shape[1]
    if repeats > 1:
        keys, values = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
    scores = torch.matmul(q, keys.transpose(2, 3)) * q.shape[3] ** -0.5
    return torch.matmul(scores.masked_fill(~places.visible, -torch.inf).softmax(-1), values)


class CachedAttention(nn.Module):
    """An Attention with its own keys and values, [1, kv heads, slots, head_dim] in `kv_dtype`."""

    keys: Tensor
    values: Tensor

    def __init__(self, attention: Attention, slots: int, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.config, self.attend = attention.config, attend
        self.norm, self.qkv_proj, self.o_proj = attention.norm, attention.qkv_proj, attention.o_proj
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm
        shape = (1, self.config.num_kv_heads, slots, self.config.head_dim)
        self.register_buffer("keys", torch.zeros(shape, dtype=kv_dtype))
        self.register_buffer("values", torch.zeros(shape, dtype=kv_dtype))

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """x + the attention of norm(x), [S, hidden]."""
        config = self.config
        sizes = [config.num_heads, config.num_kv_heads, config.num_kv_heads]
        qkv = self.qkv_proj(x, norm=self.norm).view(x.shape[0], -1, config.head_dim)
        q, k, v = qkv.split(sizes, dim=1)
        q = ops.rotate(ops.rms_norm(q, self.q_norm, config.rms_norm_eps), places.rotation)
        k = ops.rotate(ops.rms_norm(k, self.k_norm, config.rms_norm_eps), places.rotation)
        keys = self.keys.index_copy_(2, places.slots, self._stored(k))
        values = self.values.index_copy_(2, places.slots, self._stored(v))
        attended = self.attend(self._stored(q), keys, values, places)
        return self.o_proj(attended[0].transpose(0, 1).reshape(x.shape[0], -1).float(), residual=x)

    def _stored(self, x: Tensor) -> Tensor:
        """[S, heads, D] -> [1, heads, S, D] in the caches' type."""
        return x.transpose(0, 1)[None].to(self.keys.dtype)

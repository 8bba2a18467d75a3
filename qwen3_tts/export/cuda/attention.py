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

LEAST_PLACES_TO_SPLIT = 256  # from here on the backend itself splits (triton/replacement_pass.py)


class Places(NamedTuple):
    """What all layers of a stack need to know of the rows' positions.

    Rows [S] are of B utterances with S / B rows each: row r * B + i is row r of utterance i.
    """

    rotation: Tensor  # [S, head_dim], cosines then sines
    stored_at: Tensor  # [S] int64: where in their slot the rows' keys and values go
    slot: Tensor | None  # [1] int64: the slot of the one utterance; None: utterance i is in slot i
    visible: Tensor  # [B, 1, S / B, places] bool: which places a row sees
    length: Tensor  # [1] int64: no row sees a place from here on
    positions: Tensor | None  # [S] int64; None: row r of each utterance is at offset + r
    offset: int
    frequencies: Tensor  # [head_dim / 2], of the rotation


Attend = Callable[[Tensor, Tensor, Tensor, Places], Tensor]


class CachePlaces(nn.Module):
    """Places of rows [S] that are of `utterances` utterances: of their positions [S], -1 for padding and for rows of
    nobody; or, in place of these, of a number `offset` that is known when a program is made, where each utterance's
    first row stands. `slot` [1] is that of the only utterance; without it they are in slots 0 and up.

    Each of `batch` slots has the same places. Without a window place i holds position i; padding goes to `spare_rows`
    more places that no row sees, and sees place 0, which is finite. With one, the places are a ring of window - 1 +
    `max_rows`, and there is one utterance a call.
    """

    frequencies: Tensor  # [head_dim / 2]

    def __init__(self, config: TransformerConfig, capacity: int, max_rows: int, spare_rows: int = 0, batch: int = 1):
        super().__init__()
        self.window, self.capacity, self.batch = config.window, capacity, batch
        self.size = config.window - 1 + max_rows if config.window else capacity + spare_rows
        half = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        self.register_buffer("frequencies", 1.0 / (config.rope_theta**half))

    def forward(
        self, x: Tensor, positions: Tensor | None, offset: int = 0, slot: Tensor | None = None, utterances: int = 1
    ) -> Places:
        rows = torch.arange(x.shape[0], device=x.device)
        at = rows // utterances + offset if positions is None else positions
        angles = at.float()[:, None] * self.frequencies
        stored_at, visible, length = self._ring(at) if self.window else self._line(at, rows)
        rotation = torch.cat([angles.cos(), angles.sin()], dim=1)
        visible = visible.view(-1, utterances, self.size).transpose(0, 1)[:, None]
        slot = None if self.batch == 1 else slot
        return Places(rotation, stored_at, slot, visible, length, positions, offset, self.frequencies)

    def _line(self, positions: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stored_at = torch.where(positions < 0, self.capacity + rows, positions)
        held = torch.arange(self.size, device=positions.device)
        last = positions[-1:] if self.batch == 1 else positions.amax(0, keepdim=True).clamp(min=0)
        return stored_at, held <= positions.clamp(min=0)[:, None], last + 1

    def _ring(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Remainders are of numbers >= 0 only: Inductor's CUDA code truncates where it should round down."""
        newest = positions[-1:]
        age = (newest + self.size - torch.arange(self.size, device=positions.device)) % self.size
        held = (newest - age)[None]  # the position in each place; negative: none yet
        rows = positions[:, None]
        visible = (held >= 0) & (held <= rows) & (held > rows - self.window)
        return positions % self.size, visible, torch.full_like(newest, self.size)


def attention_of_the_backend() -> Attend:
    """Its Triton kernels, which take bfloat16 and read the cache up to `length` alone."""
    from executorch.backends.cuda.triton import kernels  # noqa: F401  (registers the operators; needs triton)

    return _device_attention


def _device_attention(q: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
    """[B, heads, S / B, D]. One row over a long cache is split among many blocks; alone it sees all that is read, so it
    needs no mask."""
    mask = None if q.shape[0] == q.shape[2] == 1 else places.visible
    splits = q.shape[2] == 1 and keys.shape[2] >= LEAST_PLACES_TO_SPLIT
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
    """An Attention with its own keys and values, [slots, kv heads, places, head_dim] in `kv_dtype`."""

    keys: Tensor
    values: Tensor

    def __init__(self, attention: Attention, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.config, self.attend = attention.config, attend
        self.norm, self.qkv_proj, self.o_proj = attention.norm, attention.qkv_proj, attention.o_proj
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm
        shape = (places.batch, self.config.num_kv_heads, places.size, self.config.head_dim)
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
        dtype = self.keys.dtype
        keys = stored(self.keys, k.to(dtype), places)
        values = stored(self.values, v.to(dtype), places)
        utterances = places.visible.shape[0]
        q = q.to(dtype).unflatten(0, (-1, utterances)).permute(1, 2, 0, 3)
        attended = self.attend(q, keys, values, places).permute(2, 0, 1, 3)
        return self.o_proj(attended.reshape(x.shape[0], -1).float(), residual=x)


def stored(cache: Tensor, rows: Tensor, places: Places) -> Tensor:
    """Writes rows [S, kv heads, D] to their places of `cache`; what it then holds of their utterances, [B, …].

    One utterance of many is read by a copy: the backend's kernels know no slots.
    """
    if cache.shape[0] == 1:
        return cache.index_copy_(2, places.stored_at, rows.transpose(0, 1)[None])
    utterances = places.visible.shape[0]
    if places.slot is None:
        slots = torch.arange(rows.shape[0], device=rows.device) % utterances
    else:
        slots = places.slot.expand(rows.shape[0])
    torch.ops.aten.index_put_(cache, [slots, None, places.stored_at], rows)
    return cache[:utterances] if places.slot is None else cache.index_select(0, places.slot)

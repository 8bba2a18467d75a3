"""Operators of attention_kernel.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import triton_op, wrap_triton

from qwen3_tts.export import ops
from qwen3_tts.export.cuda.kernels.attention_kernel import attention_kernel, merge_kernel
from qwen3_tts.export.cuda.kernels.products import MAX_ROWS

_WHOLE_SLOTS = 64  # one program a head reads so many
_SPLITS = 16
_BLOCK = 16  # slots that a program reads at once


def takes_attention(rows: int, keys: Tensor) -> bool:
    """Whether the kernels take so many rows over this cache: a long one is read by many programs a head."""
    return rows == 1 or (rows <= MAX_ROWS and keys.shape[2] <= _WHOLE_SLOTS)


def run_attention(
    qkv: Tensor,
    q_norm: Tensor,
    k_norm: Tensor,
    keys: Tensor,
    values: Tensor,
    frequencies: Tensor,
    position: Tensor | None,
    offset: int,
    eps: float,
) -> Tensor:
    """Normalise, rotate, store and attend: [S, heads * D] fp32.

    Rows qkv [S, (heads + 2 * KVH) * D] fp32, as many as takes_attention() allows, stand at position [1] int64 (None:
    0) + offset and after, which is below the slots of keys and values [1, KVH, slots, D]. Norms [D] and frequencies
    [D / 2] are fp32; D is a power of two.
    """
    rows, (_, kv_heads, slots, size) = qkv.shape[0], keys.shape
    heads = qkv.shape[1] // size - 2 * kv_heads
    splits = 1 if slots <= _WHOLE_SLOTS else _SPLITS
    out = qkv.new_empty(rows, heads * size)
    sums = out if splits == 1 else qkv.new_empty(heads, splits, size)
    peaks, totals = (out, out) if splits == 1 else (qkv.new_empty(heads, splits), qkv.new_empty(heads, splits))
    wrap_triton(attention_kernel)[(kv_heads, splits)](
        qkv,
        q_norm,
        k_norm,
        keys,
        values,
        frequencies,
        qkv if position is None else position,
        sums,
        peaks,
        totals,
        offset,
        slots,
        eps,
        size**-0.5,
        KV_HEADS=kv_heads,
        GROUP=heads // kv_heads,
        GROUP_BLOCK=1 << (heads // kv_heads - 1).bit_length(),
        D=size,
        HAS_POSITION=position is not None,
        ROWS=rows,
        SPLITS=splits,
        BLOCK=_BLOCK,
    )
    if splits > 1:
        wrap_triton(merge_kernel)[(heads,)](sums, peaks, totals, out, D=size, SPLITS=splits)
    return out


attention = triton_op("qwen3_tts_cuda::attention", mutates_args={"keys", "values"})(run_attention)


@attention.register_kernel("cpu")
def _(
    qkv: Tensor,
    q_norm: Tensor,
    k_norm: Tensor,
    keys: Tensor,
    values: Tensor,
    frequencies: Tensor,
    position: Tensor | None,
    offset: int,
    eps: float,
) -> Tensor:
    rows, (_, kv_heads, slots, size) = qkv.shape[0], keys.shape
    positions = offset + torch.arange(rows) + (0 if position is None else position)
    angles = positions.float()[:, None] * frequencies
    rotation = torch.cat([angles.cos(), angles.sin()], dim=1)
    heads = qkv.view(rows, -1, size)
    q, k, v = heads.split([heads.shape[1] - 2 * kv_heads, kv_heads, kv_heads], dim=1)
    q, k = (ops.rotate(ops.rms_norm(x, norm, eps), rotation) for x, norm in ((q, q_norm), (k, k_norm)))
    for cache, x in ((keys, k), (values, v)):
        cache.index_copy_(2, positions, x.transpose(0, 1)[None].to(cache.dtype))
    visible = torch.arange(slots) <= positions[:, None]
    attended = F.scaled_dot_product_attention(
        q.transpose(0, 1)[None], keys.float(), values.float(), attn_mask=visible, enable_gqa=True
    )
    return attended[0].transpose(0, 1).reshape(rows, -1)

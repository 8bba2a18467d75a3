"""Operators of attention_kernel.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import triton_op, wrap_triton

from qwen3_tts.export import ops
from qwen3_tts.export.cuda.kernels.attention_kernel import attention_kernel, merge_kernel
from qwen3_tts.export.cuda.kernels.products import MAX_ROWS

_WHOLE_PLACES = 64  # one program a head reads so many
_SPLITS = 16
_BLOCK = 16  # places that a program reads at once


def takes_attention(rows: int, keys: Tensor) -> bool:
    """Whether the kernels take so many rows of an utterance over this cache: many programs a head read a long one."""
    return rows == 1 or (rows <= MAX_ROWS and keys.shape[2] <= _WHOLE_PLACES)


def run_attention(
    qkv: Tensor,
    q_norm: Tensor,
    k_norm: Tensor,
    keys: Tensor,
    values: Tensor,
    frequencies: Tensor,
    positions: Tensor | None,
    offset: int,
    slot: Tensor | None,
    utterances: int,
    eps: float,
) -> Tensor:
    """Normalise, rotate, store and attend: [S, heads * D] fp32.

    Rows qkv [S, (heads + 2 * KVH) * D] fp32 are of B utterances, row r * B + i being row r of utterance i: of each as
    many as takes_attention() allows. Row r stands at positions [B] int64 (None: 0) + offset + r, which is below the
    places of keys and values [slots, KVH, places, D]; at a negative one it is nobody's, means nothing and leaves
    nothing, where B is above 1. Utterance i is in slot i, or the only one in `slot` [1] int64. Norms [D] and
    frequencies [D / 2] are fp32; D is a power of two.
    """
    rows, (_, kv_heads, places, size) = qkv.shape[0], keys.shape
    heads = qkv.shape[1] // size - 2 * kv_heads
    splits = 1 if places <= _WHOLE_PLACES else _SPLITS
    out = qkv.new_empty(rows, heads * size)
    parts = (utterances * heads, splits)
    sums = out if splits == 1 else qkv.new_empty(*parts, size)
    peaks, totals = (out, out) if splits == 1 else (qkv.new_empty(parts), qkv.new_empty(parts))
    grid = (kv_heads, splits) if utterances == 1 else (kv_heads, splits, utterances)
    wrap_triton(attention_kernel)[grid](
        qkv,
        q_norm,
        k_norm,
        keys,
        values,
        frequencies,
        qkv if positions is None else positions,
        qkv if slot is None else slot,
        sums,
        peaks,
        totals,
        offset,
        places,
        eps,
        size**-0.5,
        KV_HEADS=kv_heads,
        GROUP=heads // kv_heads,
        GROUP_BLOCK=1 << (heads // kv_heads - 1).bit_length(),
        D=size,
        HAS_POSITION=positions is not None,
        HAS_SLOT=slot is not None,
        ROWS=rows // utterances,
        UTTERANCES=utterances,
        SPLITS=splits,
        BLOCK=_BLOCK,
    )
    if splits > 1:
        wrap_triton(merge_kernel)[(utterances * heads,)](sums, peaks, totals, out, D=size, SPLITS=splits)
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
    positions: Tensor | None,
    offset: int,
    slot: Tensor | None,
    utterances: int,
    eps: float,
) -> Tensor:
    (rows, _), (_, kv_heads, places, size) = qkv.shape, keys.shape
    row = torch.arange(rows)
    at = offset + row // utterances + (0 if positions is None else positions.repeat(rows // utterances))
    slots = row % utterances if slot is None else slot.expand(rows)
    angles = at.float()[:, None] * frequencies
    rotation = torch.cat([angles.cos(), angles.sin()], dim=1)
    heads = qkv.view(rows, -1, size)
    q, k, v = heads.split([heads.shape[1] - 2 * kv_heads, kv_heads, kv_heads], dim=1)
    q, k = (ops.rotate(ops.rms_norm(x, norm, eps), rotation) for x, norm in ((q, q_norm), (k, k_norm)))
    is_somebodys = at >= 0
    for cache, x in ((keys, k), (values, v)):
        cache[slots[is_somebodys], :, at[is_somebodys]] = x[is_somebodys].to(cache.dtype)
    visible = (torch.arange(places) <= at.clamp(min=0)[:, None]).view(-1, utterances, places).transpose(0, 1)
    q = q.unflatten(0, (-1, utterances)).permute(1, 2, 0, 3)
    attended = F.scaled_dot_product_attention(
        q,
        keys[slots[:utterances]].float(),
        values[slots[:utterances]].float(),
        attn_mask=visible[:, None],
        enable_gqa=True,
    )
    return attended.permute(2, 0, 1, 3).reshape(rows, -1)

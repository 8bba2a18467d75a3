"""Attention of one row, or two, with what stands before it: norms, rotation and the writing of the cache."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _normed_and_rotated(x, norm, cosines, sines, half, exists, eps, D: tl.constexpr):
    """Halves [heads, D / 2] of the head at each of the pointers `x` [heads, 1]."""
    a = tl.load(x + half, mask=exists, other=0.0)
    b = tl.load(x + D // 2 + half, mask=exists, other=0.0)
    scale = tl.rsqrt((tl.sum(a * a, axis=1) + tl.sum(b * b, axis=1)) / D + eps)[:, None]
    a = tl.load(norm + half) * (a * scale)
    b = tl.load(norm + D // 2 + half) * (b * scale)
    return a * cosines - b * sines, b * cosines + a * sines


@triton.jit
def attention_kernel(
    qkv,
    q_norm,
    k_norm,
    keys,
    values,
    frequencies,
    position,
    slot,
    out,
    peaks,
    totals,
    offset,
    places,
    eps,
    scale,
    KV_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    GROUP_BLOCK: tl.constexpr,
    D: tl.constexpr,
    HAS_POSITION: tl.constexpr,
    HAS_SLOT: tl.constexpr,
    ROWS: tl.constexpr,
    UTTERANCES: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Row r of an utterance stands at position + offset + r and sees what is in its slot up to there, itself included.

    Rows of qkv [ROWS, UTTERANCES, …] are of utterances in slots 0 and up, or of the only one in `slot`. One at a
    negative position is nobody's: nothing is read or written for it but its output.

    A program has one utterance, one head of keys, the GROUP heads of queries that go with it, and one of SPLITS parts
    of what came before. Part 0 has the row's own key, which it takes from registers, and writes it. Without parts out
    is [ROWS, UTTERANCES, heads * D]; with them it is [UTTERANCES, heads, SPLITS, D], sums to be divided, and peaks and
    totals are [UTTERANCES, heads, SPLITS].
    """
    HEADS: tl.constexpr = KV_HEADS * GROUP
    kv_head = tl.program_id(0)
    part = tl.program_id(1)
    utterance = 0
    if UTTERANCES > 1:
        utterance = tl.program_id(2)
    group = tl.arange(0, GROUP_BLOCK)
    head = kv_head * GROUP + group
    is_head = (group < GROUP)[:, None]
    half = tl.arange(0, D // 2)[None, :]
    whole = tl.arange(0, D)[None, :]
    cache = kv_head.to(tl.int64)
    if HAS_SLOT:
        cache += tl.load(slot) * KV_HEADS
    elif UTTERANCES > 1:
        cache += utterance * KV_HEADS
    cache = cache * places * D
    for row in tl.static_range(ROWS):
        place = offset + row
        if HAS_POSITION:
            place += tl.load(position + utterance).to(tl.int32)
        angles = tl.cast(place, tl.float32) * tl.load(frequencies + half)
        cosines, sines = tl.cos(angles), tl.sin(angles)
        here = qkv + (row * UTTERANCES + utterance) * (HEADS + 2 * KV_HEADS) * D
        qa, qb = _normed_and_rotated(here + head[:, None] * D, q_norm, cosines, sines, half, is_head, eps, D)
        own = here + (HEADS + kv_head + 0 * group[:, None]) * D
        ka, kb = _normed_and_rotated(own, k_norm, cosines, sines, half, is_head, eps, D)
        ka, kb = ka.to(keys.dtype.element_ty), kb.to(keys.dtype.element_ty)
        v = tl.load(own + KV_HEADS * D + whole).to(values.dtype.element_ty)
        first = (group == 0)[:, None] & (part == 0) & (place < places)
        if UTTERANCES > 1:
            first = first & (place >= 0)
        tl.store(keys + cache + place * D + half + 0 * group[:, None], ka, mask=first)
        tl.store(keys + cache + place * D + D // 2 + half + 0 * group[:, None], kb, mask=first)
        tl.store(values + cache + place * D + whole + 0 * group[:, None], v, mask=first)
        score = scale * tl.sum(qa * ka.to(tl.float32) + qb * kb.to(tl.float32), axis=1)
        peak = tl.where(part == 0, score, -float("inf"))
        total = tl.where(part == 0, 1.0, 0.0) + 0.0 * group
        sums = tl.where(part == 0, v.to(tl.float32), 0.0)
        share = tl.cdiv(place, SPLITS * BLOCK) * BLOCK
        end = tl.minimum(part * share + share, place)
        for start in range(part * share, end, BLOCK):
            held = start + tl.arange(0, BLOCK)
            filled = held < end
            rows = cache + held[:, None] * D
            olda = tl.load(keys + rows + half, mask=filled[:, None], other=0.0).to(tl.float32)
            oldb = tl.load(keys + rows + D // 2 + half, mask=filled[:, None], other=0.0).to(tl.float32)
            oldv = tl.load(values + rows + whole, mask=filled[:, None], other=0.0).to(tl.float32)
            scores = tl.sum(qa[:, None, :] * olda[None] + qb[:, None, :] * oldb[None], axis=2)
            scores = tl.where(filled[None, :], scale * scores, -float("inf"))
            higher = tl.maximum(peak, tl.max(scores, axis=1))
            weights = tl.exp(scores - higher[:, None])
            faded = tl.exp(peak - higher)
            sums = sums * faded[:, None] + tl.sum(weights[:, :, None] * oldv[None], axis=1)
            total = total * faded + tl.sum(weights, axis=1)
            peak = higher
        if SPLITS == 1:
            to = out + ((row * UTTERANCES + utterance) * HEADS + head[:, None]) * D + whole
            tl.store(to, sums / total[:, None], mask=is_head)
        else:
            to = (utterance * HEADS + head) * SPLITS + part
            tl.store(out + to[:, None] * D + whole, sums, mask=is_head)
            tl.store(peaks + to, peak, mask=group < GROUP)
            tl.store(totals + to, total, mask=group < GROUP)
        if row + 1 < ROWS:  # the next row reads this one's key
            tl.debug_barrier()


@triton.jit
def merge_kernel(sums, peaks, totals, out, D: tl.constexpr, SPLITS: tl.constexpr):
    """out [utterances * heads * D] of the parts of a head's attention: what attention_kernel leaves of one row each."""
    head = tl.program_id(0)  # of all utterances
    part = tl.arange(0, SPLITS)
    whole = tl.arange(0, D)
    peak = tl.load(peaks + head * SPLITS + part)
    weight = tl.exp(peak - tl.max(peak, axis=0))  # 0 of a part that saw nothing
    total = tl.sum(weight * tl.load(totals + head * SPLITS + part), axis=0)
    parts = tl.load(sums + (head * SPLITS + part[:, None]) * D + whole[None, :])
    tl.store(out + head * D + whole, tl.sum(weight[:, None] * parts, axis=0) / total)

"""A code drawn from logits by one block, and what follows from it: its embedding and the sum of the frame's."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _ordered(x):
    """Whole numbers in [0, 2^32) that compare as the fp32 numbers `x` do."""
    bits = tl.where(x == 0, 0.0, x).to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.int64) + 2147483648


@triton.jit
def draw_kernel(
    logits,
    uniforms,
    sampling,
    table,
    total,
    code_out,
    row_out,
    total_out,
    index,
    first_row,
    V,
    H,
    BLOCK_V: tl.constexpr,
    BLOCK_H: tl.constexpr,
    HAS_TOTAL: tl.constexpr,
    NOTHING_TO_DRAW: tl.constexpr,
    UTTERANCES: tl.constexpr,
    UNIFORMS: tl.constexpr,
):
    """pick() of cuda/sampling.py from logits [UTTERANCES, V]: by bisection over all fp32 numbers, where that compares
    pairs. A program draws one code, with uniforms [UTTERANCES, UNIFORMS] and sampling [UTTERANCES, 3].

    The row of the code in `table` goes to row_out [UTTERANCES, H], and added to `total` to total_out.
    """
    if UTTERANCES > 1:
        utterance = tl.program_id(0)
        logits += utterance * V
        uniforms += utterance * UNIFORMS
        sampling += utterance * 3
        total += utterance * H
        code_out += utterance
        row_out += utterance * H
        total_out += utterance * H
    ids = tl.arange(0, BLOCK_V)
    exists = ids < V
    logit = tl.load(logits + ids, mask=exists, other=-float("inf"))
    temperature = tl.load(sampling)
    top_k = tl.load(sampling + 1)
    top_p = tl.load(sampling + 2)
    uniform = tl.load(uniforms + index)
    largest = tl.max(logit, axis=0)
    is_number = (logit == logit) & (logit < float("inf"))
    is_broken = (tl.min(is_number.to(tl.int32), axis=0) == 0) | (largest == -float("inf"))
    greedy = tl.min(tl.where(logit == largest, ids, V), axis=0)
    scaled = tl.div_rn(logit, tl.zeros_like(logit) + tl.where(temperature > 0, temperature, 1.0))
    peak = tl.max(scaled, axis=0)
    is_greedy = (temperature == 0) | (peak == float("inf")) | (peak == -float("inf"))

    order = _ordered(scaled)
    least = tl.full([], 0, tl.int64)  # what at least top_k logits reach: the top_k-th largest
    for step in range(32):
        higher = least + (tl.full([], 2147483648, tl.int64) >> step)
        reached = tl.sum((exists & (order >= higher)).to(tl.float32), axis=0)
        least = tl.where((top_k >= 1) & (reached >= top_k), higher, least)
    kept = (scaled > -float("inf")) & (order >= least)
    weight = tl.where(kept, tl.exp(scaled - peak), 0.0)

    dropped = tl.where(top_p < 1, (1 - top_p) * tl.sum(weight, axis=0), -1.0)
    edge = tl.full([], 0, tl.int64)  # the highest below which there is no more than is dropped
    for step in range(32):
        higher = edge + (tl.full([], 2147483648, tl.int64) >> step)
        below = tl.sum(tl.where(order < higher, weight, 0.0), axis=0)
        edge = tl.where(below <= dropped, higher, edge)
    below = tl.sum(tl.where(order < edge, weight, 0.0), axis=0)
    ties = below + tl.cumsum(tl.where(order == edge, weight, 0.0), axis=0)
    most_likely = tl.max(tl.where(scaled == peak, ids, -1), axis=0)
    kept = (order > edge) | ((order == edge) & (ties > dropped)) | (ids == most_likely)
    weight = tl.where(kept, weight, 0.0)

    cumulative = tl.cumsum(weight, axis=0)
    counts = weight > 0
    above = counts & (cumulative > uniform * tl.sum(weight, axis=0))
    drawn = tl.minimum(tl.min(tl.where(above, ids, V), axis=0), tl.max(tl.where(counts, ids, -1), axis=0))
    code = tl.where(is_broken, NOTHING_TO_DRAW, tl.where(is_greedy, greedy, drawn))
    tl.store(code_out, code.to(tl.int64))

    column = tl.arange(0, BLOCK_H)
    fits = column < H
    place = (tl.maximum(code, 0) + first_row).to(tl.int64) * H
    row = tl.load(table + place + column, mask=fits, other=0.0).to(tl.float32)
    tl.store(row_out + column, row, mask=fits)
    if HAS_TOTAL:
        tl.store(total_out + column, tl.load(total + column, mask=fits, other=0.0) + row, mask=fits)

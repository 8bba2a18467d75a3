"""The product of a few rows with a matrix, with what stands before and after it."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def product_kernel(
    x,
    weight,
    norm,
    bias,
    residual,
    out,
    eps,
    N,
    K: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    HAS_NORM: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    GATED: tl.constexpr,
):
    """out [S, N] = residual + W norm(x) + bias, or silu(gate) * up of the halves of a W [2 N, K] when GATED.

    A program makes BLOCK_N outputs of one row. The norm's scale is one number for all inputs, so it is applied to the
    sums: inputs are read once. All sums are fp32.
    """
    outputs = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    row = tl.program_id(1)
    exists = outputs < N
    sums = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
    if GATED:
        ups = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
    if HAS_NORM:
        squares = tl.zeros([BLOCK_K], tl.float32)
    for start in range(0, K, BLOCK_K):
        inputs = start + tl.arange(0, BLOCK_K)
        inside = inputs < K
        values = tl.load(x + row * K + inputs, mask=inside, other=0.0)
        if HAS_NORM:
            squares += values * values
            values *= tl.load(norm + inputs, mask=inside, other=0.0)
        places = outputs[:, None] * K + inputs[None, :]
        both = exists[:, None] & inside[None, :]
        sums += tl.load(weight + places, mask=both, other=0.0).to(tl.float32) * values[None, :]
        if GATED:
            ups += tl.load(weight + N * K + places, mask=both, other=0.0).to(tl.float32) * values[None, :]
    y = tl.sum(sums, axis=1)
    if HAS_NORM:
        scale = tl.rsqrt(tl.sum(squares, axis=0) / K + eps)
        y *= scale
    if GATED:
        up = tl.sum(ups, axis=1)
        if HAS_NORM:
            up *= scale
        y = y * tl.sigmoid(y) * up
    if HAS_BIAS:
        y += tl.load(bias + outputs, mask=exists, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        y += tl.load(residual + row * N + outputs, mask=exists, other=0.0)
    tl.store(out + row * N + outputs, y, mask=exists)

"""The product of up to 64 rows with a matrix, with what stands before and after it: product_kernel.py for a batch."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def rows_kernel(
    x,
    weight,
    norm,
    bias,
    residual,
    out,
    eps,
    N,
    ROWS: tl.constexpr,
    K: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    HAS_NORM: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    GATED: tl.constexpr,
):
    """out [ROWS, N] = residual + W norm(x) + bias, or silu(gate) * up of the halves of a W [2 N, K] when GATED.

    A program makes BLOCK_N outputs of all rows, so weights are read once. Rows are rounded to the weights' type, sums
    are fp32 and have one order, whatever the other rows are. The norm's scale is applied to the sums.
    """
    outputs = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.arange(0, BLOCK_M)
    exists, is_row = outputs < N, rows < ROWS
    sums = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if GATED:
        ups = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if HAS_NORM:
        squares = tl.zeros([BLOCK_M], tl.float32)
    for start in range(0, K, BLOCK_K):
        inputs = start + tl.arange(0, BLOCK_K)
        inside = inputs < K
        values = tl.load(x + rows[:, None] * K + inputs[None, :], mask=is_row[:, None] & inside[None, :], other=0.0)
        if HAS_NORM:
            squares += tl.sum(values * values, axis=1)
            values *= tl.load(norm + inputs, mask=inside, other=0.0)[None, :]
        values = values.to(weight.dtype.element_ty)
        places = outputs[None, :] * K + inputs[:, None]
        both = exists[None, :] & inside[:, None]
        sums = tl.dot(values, tl.load(weight + places, mask=both, other=0.0), sums, input_precision="ieee")
        if GATED:
            ups = tl.dot(values, tl.load(weight + N * K + places, mask=both, other=0.0), ups, input_precision="ieee")
    if HAS_NORM:
        scale = tl.rsqrt(squares / K + eps)[:, None]
        sums *= scale
        if GATED:
            ups *= scale
    if GATED:
        sums = sums * tl.sigmoid(sums) * ups
    if HAS_BIAS:
        sums += tl.load(bias + outputs, mask=exists, other=0.0).to(tl.float32)[None, :]
    to = rows[:, None] * N + outputs[None, :]
    both = is_row[:, None] & exists[None, :]
    if HAS_RESIDUAL:
        sums += tl.load(residual + to, mask=both, other=0.0)
    tl.store(out + to, sums, mask=both)

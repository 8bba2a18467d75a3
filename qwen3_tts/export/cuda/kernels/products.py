"""Operators of product_kernel.py and rows_kernel.py."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.library import triton_op, wrap_triton

from qwen3_tts.export import ops
from qwen3_tts.export.cuda.kernels.product_kernel import product_kernel
from qwen3_tts.export.cuda.kernels.rows_kernel import rows_kernel
from qwen3_tts.recipe import MAX_GPU_BATCH

MAX_ROWS = 2  # of product_kernel, where every row reads all weights; the code predictor begins with two
MOST_ROWS = 2 * MAX_GPU_BATCH  # of rows_kernel, which has all of them in a block
_BLOCK_SIZES = (4, 8)  # outputs of a program
_LEAST_PROGRAMS = 264  # two for every multiprocessor of an H100
_LARGEST_BLOCK = 1024  # inputs that a program has at once: 16 bytes of weights for each of 128 threads
# Of rows_kernel: a dot takes 16 rows and outputs at the least. Every program reads all rows, so it makes more outputs
# where the programs still keep an H100 busy.
_SMALLEST_DOT = 16
_BLOCK_SIZES_OF_ROWS = (16, 32)
_LEAST_PROGRAMS_OF_ROWS = 128
_INPUTS_OF_ROWS = 128


def run_product(
    x: Tensor, weight: Tensor, norm: Tensor | None, eps: float, bias: Tensor | None, residual: Tensor | None
) -> Tensor:
    """residual + W norm(x) + bias [S, N] of x [S, K], norm [K] and residual [S, N] in fp32, S up to MOST_ROWS."""
    out = x.new_empty(x.shape[0], weight.shape[0])
    _launch(x, weight, norm, eps, bias, residual, out, gated=False)
    return out


def run_gated_product(x: Tensor, weight: Tensor, norm: Tensor, eps: float) -> Tensor:
    """silu(gate) * up [S, N] of gate and up = the halves of W norm(x): W [2 N, K], the rest as in product()."""
    out = x.new_empty(x.shape[0], weight.shape[0] // 2)
    _launch(x, weight, norm, eps, None, None, out, gated=True)
    return out


product = triton_op("qwen3_tts_cuda::product", mutates_args={})(run_product)


@product.register_kernel("cpu")
def _(
    x: Tensor, weight: Tensor, norm: Tensor | None, eps: float, bias: Tensor | None, residual: Tensor | None
) -> Tensor:
    x = x if norm is None else ops.rms_norm(x, norm, eps)
    y = F.linear(x.to(weight.dtype), weight, bias).float()
    return y if residual is None else residual + y


gated_product = triton_op("qwen3_tts_cuda::gated_product", mutates_args={})(run_gated_product)


@gated_product.register_kernel("cpu")
def _(x: Tensor, weight: Tensor, norm: Tensor, eps: float) -> Tensor:
    return ops.swiglu(F.linear(ops.rms_norm(x, norm, eps).to(weight.dtype), weight).float())


def _launch(
    x: Tensor,
    weight: Tensor,
    norm: Tensor | None,
    eps: float,
    bias: Tensor | None,
    residual: Tensor | None,
    out: Tensor,
    *,
    gated: bool,
) -> None:
    rows, outputs = out.shape
    given = (
        x.contiguous(),
        weight,
        x if norm is None else norm,
        x if bias is None else bias,
        x if residual is None else residual.contiguous(),
        out,
        eps,
        outputs,
    )
    has = {
        "HAS_NORM": norm is not None,
        "HAS_BIAS": bias is not None,
        "HAS_RESIDUAL": residual is not None,
        "GATED": gated,
    }
    if rows <= MAX_ROWS:
        block = _block_of_outputs(outputs, _BLOCK_SIZES, _LEAST_PROGRAMS)
        wrap_triton(product_kernel)[(-(-outputs // block), rows)](
            *given, K=x.shape[1], BLOCK_N=block, BLOCK_K=_block_of_inputs(x.shape[1], gated), **has
        )
        return
    block = _block_of_outputs(outputs, _BLOCK_SIZES_OF_ROWS, _LEAST_PROGRAMS_OF_ROWS)
    wrap_triton(rows_kernel)[(-(-outputs // block),)](
        *given,
        ROWS=rows,
        K=x.shape[1],
        BLOCK_M=max(_SMALLEST_DOT, 1 << (rows - 1).bit_length()),
        BLOCK_N=block,
        BLOCK_K=_INPUTS_OF_ROWS,
        **has,
    )


def _block_of_outputs(outputs: int, sizes: tuple[int, ...], least_programs: int) -> int:
    return max((size for size in sizes if outputs >= size * least_programs), default=sizes[0])


def _block_of_inputs(inputs: int, gated: bool) -> int:
    """Two sums a weight take twice the registers."""
    return min(1 << (inputs - 1).bit_length(), _LARGEST_BLOCK // 2 if gated else _LARGEST_BLOCK)

"""The operator of draw_kernel.py."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.library import triton_op, wrap_triton

from qwen3_tts.export.cuda import sampling
from qwen3_tts.export.cuda.kernels.draw_kernel import draw_kernel
from qwen3_tts.sampling import NOTHING_TO_DRAW


def run_draw(
    logits: Tensor, uniforms: Tensor, index: int, settings: Tensor, table: Tensor, first_row: int, total: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """draw() of cuda/sampling.py, of as many logits as static_check.py lets one block have."""
    (utterances, vocabulary), width = logits.shape, table.shape[1]
    code = torch.empty(utterances, dtype=torch.int64, device=logits.device)
    row, sums = logits.new_empty(utterances, width), logits.new_empty(utterances, width)
    wrap_triton(draw_kernel)[(utterances,)](
        logits,
        uniforms,
        settings,
        table,
        sums if total is None else total,
        code,
        row,
        sums,
        index,
        first_row,
        vocabulary,
        width,
        BLOCK_V=1 << (vocabulary - 1).bit_length(),
        BLOCK_H=1 << (width - 1).bit_length(),
        HAS_TOTAL=total is not None,
        NOTHING_TO_DRAW=NOTHING_TO_DRAW,
        UTTERANCES=utterances,
        UNIFORMS=uniforms.shape[1],
    )
    return code, row, row.clone() if total is None else sums


draw = triton_op("qwen3_tts_cuda::draw", mutates_args={})(run_draw)


draw.register_kernel("cpu")(sampling.draw)

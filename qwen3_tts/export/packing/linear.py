"""Weights of quantized linear layers in the order in which the kernel reads them (runner/src/ops/linear.cpp).

A weight [N, K] is cut into panels of 16 rows and blocks of 32 columns; a block into 8 quads of 4 columns. The 64 codes
of a quad, row by row, are one vector of bytes: multiplied with the same four inputs in every row, they give 16 sums.
Codes are unsigned, with the midpoint 2^(bits - 1) for zero, and one block of a panel holds

| bits | bytes | vectors |
|---|---|---|
| 4 | 256 | 4: quad 2 i in the low half of each byte, quad 2 i + 1 in the high half |
| 5 | 320 | the same 4 with the low four bits, then 1 with the upper bits: quad i in bit i |
| 6 | 384 | the same 4 with the low four bits, then 2 with the upper two: quads 4 i to 4 i + 3, the first one lowest |
| 8 | 512 | 8: one for each quad |

The file is mapped, so that a model is ready without packing anything, and its weights are in memory once.
"""

from __future__ import annotations

import torch
from torch import Tensor

PANEL_ROWS = 16
BLOCK_COLUMNS = 32
QUAD_COLUMNS = 4
QUADS = BLOCK_COLUMNS // QUAD_COLUMNS
VECTOR_BYTES = PANEL_ROWS * QUAD_COLUMNS


def midpoint(bits: int) -> int:
    """The code of zero."""
    return 1 << (bits - 1)


def block_bytes(bits: int) -> int:
    return PANEL_ROWS * BLOCK_COLUMNS * bits // 8


def _places(width: int) -> Tensor:
    """Where the upper parts of codes, `width` bits each, stand in a byte: shifts [8 / width, 1]."""
    return torch.arange(0, 8, width, dtype=torch.uint8)[:, None]


def pack_codes(codes: Tensor, bits: int) -> Tensor:
    """Codes [N, K] uint8 -> [N / 16, K / 32, bytes] uint8."""
    rows, columns = codes.shape
    shape = (rows // PANEL_ROWS, PANEL_ROWS, columns // BLOCK_COLUMNS, QUADS, QUAD_COLUMNS)
    quads = codes.view(shape).permute(0, 2, 3, 1, 4).reshape(shape[0], shape[2], QUADS, VECTOR_BYTES)
    if bits == 8:
        return quads.flatten(2)
    low, high = quads & 15, quads >> 4
    halves = low[:, :, 0::2] | (low[:, :, 1::2] << 4)
    if bits == 4:
        return halves.flatten(2)
    tops = high.unflatten(2, (bits - 4, -1)) << _places(bits - 4)
    return torch.cat([halves, tops.sum(3, dtype=torch.uint8)], dim=2).flatten(2)


def unpack_codes(packed: Tensor) -> Tensor:
    """The codes [N, K] uint8 that `pack_codes` packed."""
    panels, blocks, size = packed.shape
    vectors = packed.view(panels, blocks, -1, VECTOR_BYTES)
    if size == block_bytes(8):
        quads = vectors
    else:
        halves = vectors[:, :, : QUADS // 2]
        quads = torch.stack([halves & 15, halves >> 4], dim=3).flatten(2, 3)
        tops = vectors[:, :, QUADS // 2 :, None]
        width = tops.shape[2]
        if width > 0:
            high = (tops >> _places(width)) & ((1 << width) - 1)
            quads = quads | (high.flatten(2, 3) << 4)
    quads = quads.view(panels, blocks, QUADS, PANEL_ROWS, QUAD_COLUMNS)
    return quads.permute(0, 3, 1, 2, 4).reshape(panels * PANEL_ROWS, blocks * BLOCK_COLUMNS)


def pack_scales(scales: Tensor) -> Tensor:
    """Scales [N, groups] -> [N / 16, groups, 16], bfloat16."""
    return scales.view(-1, PANEL_ROWS, scales.shape[1]).transpose(1, 2).contiguous().bfloat16()


def unpack_scales(packed: Tensor) -> Tensor:
    """Scales [N, groups], fp32."""
    return packed.float().transpose(1, 2).flatten(0, 1)


def packed_bits(codes: Tensor) -> int:
    return codes.shape[2] * 8 // (PANEL_ROWS * BLOCK_COLUMNS)


def unpack(codes: Tensor, scales: Tensor) -> Tensor:
    """The weight [N, K] that packed codes and scales stand for, fp32."""
    integers = unpack_codes(codes).float() - midpoint(packed_bits(codes))
    groups = unpack_scales(scales)
    return (integers.view(*groups.shape, -1) * groups[..., None]).flatten(1)

"""Weights of quantized linear layers in the order in which the kernel reads them (runner/src/ops/linear.cpp).

A weight [N, K] is cut into panels of 16 rows and blocks of 32 columns; a block into 8 quads of 4 columns. The 64 codes
of a quad, row by row, are one vector of bytes: multiplied with the same four inputs in every row, they give 16 sums.
Codes are unsigned, with the midpoint 2^(bits - 1) for zero, and one block of a panel holds

| bits | bytes | vectors |
|---|---|---|
| 4 | 256 | 4: quad 2 i in the low half of each byte, quad 2 i + 1 in the high half |
| 5 | 320 | 5: quads 0 to 4 in the low five bits; quads 5, 6 and 7 in pieces above them |
| 6 | 384 | 6: quads 0 to 5 in the low six bits; quad 6 in pieces above the first three, quad 7 above the others |
| 8 | 512 | 8: one for each quad |

Quads of five and six bits are so masked out of a vector by one instruction, and three or two are put together of
pieces. Most of these lie at the top of their bytes, where shifting and inserting is one instruction of ARM's.

The file is mapped, so that a model is ready without packing anything, and its weights are in memory once.
"""

from __future__ import annotations

from typing import NamedTuple

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


class _Piece(NamedTuple):
    """Some bits of a quad's codes, above the bits of a vector's own quad."""

    quad: int
    first: int  # of the bits, in the code
    width: int
    vector: int
    place: int  # of the first bit, in the vector's bytes

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1


_PIECES = {
    5: [
        _Piece(quad=5, first=2, width=3, vector=0, place=5),
        _Piece(quad=5, first=0, width=2, vector=1, place=6),
        _Piece(quad=6, first=3, width=2, vector=3, place=5),
        _Piece(quad=6, first=0, width=3, vector=2, place=5),
        _Piece(quad=7, first=4, width=1, vector=1, place=5),
        _Piece(quad=7, first=3, width=1, vector=3, place=7),
        _Piece(quad=7, first=0, width=3, vector=4, place=5),
    ],
    6: [_Piece(quad=6 + vector // 3, first=2 * (vector % 3), width=2, vector=vector, place=6) for vector in range(6)],
    8: [],
}


def pack_codes(codes: Tensor, bits: int) -> Tensor:
    """Codes [N, K] uint8 -> [N / 16, K / 32, bytes] uint8."""
    rows, columns = codes.shape
    shape = (rows // PANEL_ROWS, PANEL_ROWS, columns // BLOCK_COLUMNS, QUADS, QUAD_COLUMNS)
    quads = codes.view(shape).permute(0, 2, 3, 1, 4).reshape(shape[0], shape[2], QUADS, VECTOR_BYTES)
    if bits == 4:
        return (quads[:, :, 0::2] | (quads[:, :, 1::2] << 4)).flatten(2)
    vectors = quads[:, :, :bits].clone()
    for piece in _PIECES[bits]:
        vectors[:, :, piece.vector] |= ((quads[:, :, piece.quad] >> piece.first) & piece.mask) << piece.place
    return vectors.flatten(2)


def unpack_codes(packed: Tensor) -> Tensor:
    """The codes [N, K] uint8 that `pack_codes` packed."""
    panels, blocks, _ = packed.shape
    bits = packed_bits(packed)
    vectors = packed.view(panels, blocks, bits, VECTOR_BYTES)
    if bits == 4:
        quads = torch.stack([vectors & 15, vectors >> 4], dim=3).flatten(2, 3)
    else:
        quads = vectors.new_zeros(panels, blocks, QUADS, VECTOR_BYTES)
        quads[:, :, :bits] = vectors & ((1 << bits) - 1)
        for piece in _PIECES[bits]:
            quads[:, :, piece.quad] |= ((vectors[:, :, piece.vector] >> piece.place) & piece.mask) << piece.first
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

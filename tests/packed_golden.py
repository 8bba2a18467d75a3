"""Writes tests/golden/packed/: weights as the packers of `qwen3_tts` lay them out in a model file.

    .venv/bin/python -m tests.packed_golden

The C++ tests multiply with these bytes and compare with sums of the plain weights, which they have from the same
formulas (tests/packed_weights.h). So the layout is stated once in Python and read once in C++, and no test packs
anything. tests/test_packed_golden.py tells when a packer writes other bytes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from qwen3_tts.export.packing import convolution, int8_convolution
from qwen3_tts.export.packing.linear import pack_codes, pack_scales

FOLDER = Path(__file__).parent / "golden" / "packed"
LINEAR_SHAPE = 48, 192  # outputs, inputs
LINEAR_BITS = 4, 5, 6, 8
GROUP_SIZES = 32, 64, 96, 192
CONVOLUTION_SHAPE = 33, 16, 2  # outputs, inputs, taps
INT8_SHAPES = [  # outputs, inputs, taps; digits
    ((8, 5, 1), 1),
    ((33, 16, 2), 1),
    ((64, 100, 3), 1),
    ((1, 24, 7), 1),
    ((40, 130, 7), 1),
    ((96, 96, 7), 1),
    ((70, 20, 1), 2),
    ((12, 65, 2), 2),
    ((20, 1100, 3), 2),
]


def numbers(*sizes: int) -> Tensor:
    """A whole number for each place, which the places around it do not share modulo a few hundred: int64."""
    total = torch.zeros(sizes, dtype=torch.int64)
    for dim, (size, factor) in enumerate(zip(sizes, (7919, 104729, 1299709))):
        total += (factor * torch.arange(size)).view(-1, *(1,) * (len(sizes) - dim - 1))
    return total


def linear_codes(bits: int) -> Tensor:
    return (numbers(*LINEAR_SHAPE) % 257 % (1 << bits)).to(torch.uint8)


def linear_scales(group_size: int) -> Tensor:
    """Numbers that bfloat16 holds."""
    bits = 0x3C00 + numbers(LINEAR_SHAPE[0], LINEAR_SHAPE[1] // group_size) % 251
    return (bits << 16).to(torch.int32).view(torch.float32)


def convolution_weight() -> Tensor:
    return (numbers(*CONVOLUTION_SHAPE) % 255 - 127).float()


def int8_weight(shape: tuple[int, int, int], digits: int) -> Tensor:
    """Whole numbers; the first of each output is the largest, so that its scale is one."""
    largest = int8_convolution.LARGEST_WEIGHT[digits]
    weight = (numbers(*shape) % (2 * largest + 1) - largest).float()
    weight[:, 0, 0] = largest
    return weight


def int8_bytes(shape: tuple[int, int, int], digits: int) -> Tensor:
    packed, scales = int8_convolution.pack(int8_weight(shape, digits), digits)
    assert scales.eq(1).all()
    return packed


def packed_files() -> dict[str, bytes]:
    """The contents of every file."""
    packed = {f"linear_codes_{bits}": pack_codes(linear_codes(bits), bits) for bits in LINEAR_BITS}
    packed |= {f"linear_scales_{size}": pack_scales(linear_scales(size)) for size in GROUP_SIZES}
    packed["convolution"] = convolution.pack(convolution_weight())
    packed |= {f"int8_{'x'.join(map(str, shape))}_{digits}": int8_bytes(shape, digits) for shape, digits in INT8_SHAPES}
    return {f"{name}.bin": tensor.contiguous().view(torch.uint8).numpy().tobytes() for name, tensor in packed.items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, contents in packed_files().items():
        (FOLDER / name).write_bytes(contents)


if __name__ == "__main__":
    main()

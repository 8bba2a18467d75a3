#!/usr/bin/env python3
"""Which weights of an export are not those that its recipe makes of the checkpoint: layer by layer, by name.

    python benchmarks/proof/layers.py --checkpoint checkpoint --model small.pte --recipe small --output layers.json

Only the file is needed, not the process that made it. A constant of a program has no name, so the recipe is applied to
the checkpoint again, and each tensor that comes out is looked for in the file, byte by byte. What is not found is
compared with those constants of its shape and type that no other tensor claims; the most similar one is its place. Then
the factor between both says whether a scale is off, and the error how much is left without it.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from executorch.exir.schema import ScalarType
from executorch.exir.schema import Tensor as ProgramTensor
from torch import Tensor, nn
from torchao.quantization import IntxUnpackedToInt8Tensor

from proof.ledger import say, write_json
from qwen3_tts.export.calibration import collect
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.manifest import ProgramFile
from qwen3_tts.export.model import Model
from qwen3_tts.export.quantize.embedding import INT4
from qwen3_tts.export.quantize.xnnpack_linear import XnnpackLinear
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_list import read_texts

STAGES = ("text_embedding", "codec_embedding", "talker", "code_predictor", "codec_decoder")
DTYPES = {
    ScalarType.FLOAT: torch.float32,
    ScalarType.HALF: torch.float16,
    ScalarType.BFLOAT16: torch.bfloat16,
    ScalarType.CHAR: torch.int8,
    ScalarType.BYTE: torch.uint8,
}
SMALLEST = 64  # elements: of a tensor that is smaller, another one may have the same bytes by chance
SIMILAR = 0.5  # cosine of what may be the same layer


@dataclass(frozen=True)
class Difference:
    """A tensor of the recipe that the file has otherwise."""

    tensor: str
    shape: tuple[int, ...]
    factor: float  # what is in the file divided by what is expected, least squares
    error: float  # norm of the difference divided by the norm of what is expected
    changed: float  # share of elements that differ


@dataclass(frozen=True)
class Compared:
    equal: int  # tensors whose bytes are in the file
    equal_bytes: int
    differences: list[Difference]
    not_found: list[str]  # no constant of their shape and type is left: the program holds them in another form


@dataclass(frozen=True)
class Constant:
    dtype: torch.dtype | None
    sizes: tuple[int, ...]
    data: bytes


def expected_tensors(folder: Path, recipe: str, texts: Sequence[str] = ()) -> dict[str, Tensor]:
    """Name -> what the recipe, calibrated by the texts, makes of the checkpoint, as the modules hold it."""
    checkpoint = Checkpoint(folder)
    moments = collect(checkpoint, texts, lambda what, step: say(f"layers: {step}: {what}")) if texts else {}
    model = Model(checkpoint, RECIPES[recipe], moments=moments)
    found: dict[str, Tensor] = {}
    for stage in STAGES:
        module: nn.Module = getattr(model, stage)
        for name, tensor in module.state_dict().items():
            found |= {f"{stage}.{name}{end}": part for end, part in plain_parts(tensor)}
        for name, layer in module.named_modules():
            if isinstance(layer, XnnpackLinear):
                found |= {f"{stage}.{name}.{part}": tensor for part, tensor in layer.stored().items()}
    return {name: tensor for name, tensor in found.items() if tensor.numel() >= SMALLEST}


def plain_parts(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A tensor, or the plain ones inside of torchao's, as programs hold them: two codes of four bits in a byte."""
    if not isinstance(tensor, IntxUnpackedToInt8Tensor):
        yield "", tensor
        return
    codes = tensor.qdata
    is_int4 = tensor.target_dtype == INT4
    yield ".codes", (codes[:, ::2] + 8 << 4 | codes[:, 1::2] + 8).to(torch.uint8) if is_int4 else codes
    yield ".scales", tensor.scale


def bytes_of(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def places_of(file: ProgramFile) -> dict[int, ProgramTensor]:
    """Constants outside of delegates: their index in the file, and what a method says about them."""
    found: dict[int, ProgramTensor] = {}
    for plan in file.plans.values():
        tensors = (value.val for value in plan.values if isinstance(value.val, ProgramTensor))
        found |= {t.data_buffer_idx: t for t in tensors if t.allocation_info is None and t.data_buffer_idx > 0}
    return found


def constants_of(file: ProgramFile) -> Iterator[Constant]:
    """All of the file, without their padding, one after the other; weights of delegates have no shape."""
    places, named = places_of(file), len(file.named_segments)
    for number, data in enumerate(file.weights(), 1 - named):
        tensor = places.get(number)
        if tensor is None:
            yield Constant(None, (), data)
        elif tensor.scalar_type in DTYPES:
            size = math.prod(tensor.sizes) * torch.empty(0, dtype=DTYPES[tensor.scalar_type]).element_size()
            yield Constant(DTYPES[tensor.scalar_type], tuple(tensor.sizes), data[:size])


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def compare(expected: dict[str, Tensor], file: ProgramFile) -> Compared:
    """`expected` by name."""
    in_file = {digest(constant.data) for constant in constants_of(file)}
    claimed = {name: digest(bytes_of(tensor)) for name, tensor in expected.items()}
    missing = {name: tensor for name, tensor in expected.items() if claimed[name] not in in_file}
    found = expected.keys() - missing.keys()
    all_claimed, sizes = set(claimed.values()), {size_of(tensor) for tensor in missing.values()}
    left = [
        constant
        for constant in constants_of(file)
        if len(constant.data) in sizes and digest(constant.data) not in all_claimed
    ]
    differences, not_found = [], []
    for name, tensor in missing.items():
        twin = most_similar(tensor, left)
        if twin is None:
            not_found.append(name)
        else:
            differences.append(difference(name, tensor, twin))
    size = sum(size_of(expected[name]) for name in found)
    return Compared(len(found), size, sorted(differences, key=lambda d: -d.error), sorted(not_found))


def size_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def fits(constant: Constant, expected: Tensor) -> bool:
    """Weights of delegates say neither type nor shape: their size must do."""
    if constant.dtype is None:
        return len(constant.data) == size_of(expected)
    return (constant.dtype, constant.sizes) == (expected.dtype, tuple(expected.shape))


def most_similar(expected: Tensor, constants: Sequence[Constant]) -> Tensor | None:
    """Of those that may be in its place the one with the largest cosine; None below SIMILAR."""
    same = [
        torch.frombuffer(bytearray(constant.data), dtype=expected.dtype).view(expected.shape)
        for constant in constants
        if fits(constant, expected)
    ]
    cosines = [torch.cosine_similarity(flat(expected), flat(other), dim=0).item() for other in same]
    best = max(range(len(same)), key=cosines.__getitem__, default=None)
    return same[best] if best is not None and cosines[best] >= SIMILAR else None


def flat(tensor: Tensor) -> Tensor:
    return tensor.flatten().double()


def difference(name: str, expected: Tensor, found: Tensor) -> Difference:
    a, b = flat(expected), flat(found)
    power = a.square().sum().clamp_min(1e-30)
    changed = (a != b).double().mean()
    factor, error = (a * b).sum() / power, ((b - a).square().sum() / power).sqrt()
    return Difference(name, tuple(expected.shape), factor.item(), error.item(), changed.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder written by convert_weights.py")
    parser.add_argument("--model", type=Path, required=True, help="an export of it")
    parser.add_argument("--recipe", choices=RECIPES, required=True, help="that it was exported with")
    parser.add_argument("--calibrate", type=Path, help="the texts, if it was exported with --calibrate")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    args = parser.parse_args()
    say(f"layers: {args.recipe} is applied to the checkpoint again")
    expected = expected_tensors(args.checkpoint, args.recipe, read_texts(args.calibrate) if args.calibrate else ())
    say(f"layers: {len(expected)} tensors are looked for in {args.model.name}")
    write_json(args.output, asdict(compare(expected, ProgramFile(args.model))))


if __name__ == "__main__":
    main()

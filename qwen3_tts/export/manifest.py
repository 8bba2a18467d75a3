"""The manifest: what a `model.pte` holds, read back from the file itself."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from executorch.exir._serialize._program import _flatbuffer_to_program, _get_extended_header
from executorch.exir.schema import BackendDelegate, DataLocation, ExecutionPlan, KernelCall, ScalarType, Tensor

from qwen3_tts.digest import sha256_of

# XNNPACK names a weight, and the scales of a quantized one, by the SHA-256 of the bytes.
WEIGHT_NAME = re.compile(rb"(?:scale_)?[0-9a-f]{64}")
PACKAGES = ("torch", "executorch", "torchao", "safetensors", "tokenizers")
CONSTANTS = ("contract", "tokenizer", "cuda", "frame_bytes", "kept_text_ids")
XNNPACK = "XnnpackBackend"
HEADER_BYTES = 64


class ProgramFile:
    """A `.pte`: its program, and its weights piece by piece (all at once they would need the file's size in memory).

    Raises ValueError when the file is no ExecuTorch program with segments.
    """

    def __init__(self, path: Path):
        self.path = path
        with path.open("rb") as file:
            header = _get_extended_header(file.read(HEADER_BYTES))
            if header is None or not header.is_valid():
                raise ValueError(f"{path}: not an ExecuTorch program with segments")
            file.seek(0)
            self.program = _flatbuffer_to_program(file.read(header.program_size))
        self._base = header.segment_base_offset
        self.plans = {plan.name: plan for plan in self.program.execution_plan}
        self.named_segments = {data.key: data.segment_index for data in self.program.named_data or []}

    def segment(self, index: int) -> bytes:
        segment = self.program.segments[index]
        return self._read(segment.offset, segment.size)

    def segment_size(self, index: int) -> int:
        return self.program.segments[index].size

    def constant_span(self, index: int) -> tuple[int, int]:
        """Offset and size of a constant tensor outside the delegates, padding included. Index 0 is none."""
        offsets = self.program.constant_segment.offsets
        segment = self.program.segments[self.program.constant_segment.segment_index]
        end = offsets[index + 1] if index + 1 < len(offsets) else segment.size
        return segment.offset + offsets[index], end - offsets[index]

    def weights(self) -> Iterator[bytes]:
        """Every constant tensor of the file, one after the other."""
        for index in self.named_segments.values():
            yield self.segment(index)
        for index in range(1, len(self.program.constant_segment.offsets)):
            yield self._read(*self.constant_span(index))

    def contract(self) -> dict[str, Any]:
        """The JSON object in the constant method `contract`."""
        return json.loads(self.constant("contract"))

    def constant(self, name: str) -> str:
        """The string in the constant method `name`."""
        plan = self.plans[name]
        return plan.values[plan.outputs[0]].val.string_val

    def delegate_data(self, delegate: BackendDelegate) -> bytes:
        """What the delegate's backend wrote about it."""
        reference = delegate.processed
        inline = reference.location == DataLocation.INLINE
        return bytes(
            self.program.backend_delegate_data[reference.index].data if inline else self.segment(reference.index)
        )

    def _read(self, offset: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self._base + offset)
            return file.read(size)


def build_manifest(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the program in `path`, exported with `flags`."""
    file = ProgramFile(path)
    hashes = weight_hashes(file)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "flags": flags,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "contract": file.contract(),
        "methods": {name: _describe(plan, file) for name, plan in file.plans.items() if name not in CONSTANTS},
        "weights": {"stored": len(hashes), "distinct": len(set(hashes))},
    }


def weight_hashes(file: ProgramFile) -> list[str]:
    """SHA-256 of every constant tensor in the file: two that are equal are one weight stored twice."""
    return [hashlib.sha256(weight).hexdigest() for weight in file.weights()]


def _describe(plan: ExecutionPlan, file: ProgramFile) -> dict[str, Any]:
    return {
        "inputs": [_signature(plan, index) for index in plan.inputs],
        "outputs": [_signature(plan, index) for index in plan.outputs],
        "delegates": len(plan.delegates),
        "operators": _operators(plan),
        "planned_bytes": sum(plan.non_const_buffer_sizes),
        "weight_bytes": _delegate_bytes(plan, file) + _constant_bytes(plan, file),
    }


def _signature(plan: ExecutionPlan, index: int) -> str:
    value = plan.values[index].val
    if not isinstance(value, Tensor):
        return type(value).__name__.lower()
    return describe_tensor(value.scalar_type, value.sizes, is_dynamic=value.shape_dynamism.name != "STATIC")


def describe_tensor(dtype: ScalarType, sizes: Iterable[int], *, is_dynamic: bool) -> str:
    """For example `float[<=128, 1024]`; `<=` marks a first size that may be smaller."""
    return f"{dtype.name.lower()}[{'<=' if is_dynamic else ''}{', '.join(map(str, sizes))}]"


def _operators(plan: ExecutionPlan) -> dict[str, int]:
    """How often each operator outside the delegates is called."""
    counts: dict[str, int] = {}
    for instruction in plan.chains[0].instructions:
        if isinstance(instruction.instr_args, KernelCall):
            name = plan.operators[instruction.instr_args.op_index].name
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def _delegate_bytes(plan: ExecutionPlan, file: ProgramFile) -> int:
    """Bytes of the weights that the method's XNNPACK delegates name."""
    names: set[str] = set()
    for delegate in plan.delegates:
        if delegate.id == XNNPACK:
            names.update(name.decode() for name in WEIGHT_NAME.findall(file.delegate_data(delegate)))
    return sum(file.segment_size(file.named_segments[name]) for name in names)


def _constant_bytes(plan: ExecutionPlan, file: ProgramFile) -> int:
    """Bytes of the constants that operators outside the delegates read."""
    tensors = (value.val for value in plan.values if isinstance(value.val, Tensor))
    indices = {tensor.data_buffer_idx for tensor in tensors if tensor.allocation_info is None}
    return sum(file.constant_span(index)[1] for index in indices if index > 0)

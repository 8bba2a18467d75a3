"""What a CUDA export writes: `model.pte` with a library for each method, `model.ptd` with weights and caches."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executorch.exir.schema import DelegateCall, ExecutionPlan, KernelCall

from qwen3_tts.digest import sha256_of
from qwen3_tts.export.cuda.linear import Int4Linear
from qwen3_tts.export.manifest import ProgramFile, build_manifest
from qwen3_tts.export.methods import Method

CUDA_CONTRACT_VERSION = 4
_MAGIC = b"ETCUDAFQN3"


@dataclass(frozen=True)
class NamedTensor:
    """A weight or cache that a library is given: a view of a storage, by its fully qualified name."""

    name: str
    storage: str  # its name in the .ptd
    bytes: int
    scalar_type: int  # executorch.exir.scalar_type.ScalarType
    offset: int  # in elements
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class CudaMethod:
    """One delegate. Its inputs and outputs are the method's in another order."""

    library: str  # its name among the .pte's segments
    tensors: list[NamedTensor]
    inputs: list[int]  # of each of the library's inputs: which of the method's
    outputs: list[int]  # of each of the method's outputs: which of the library's


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.offset = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self.data, self.offset)
        self.offset += struct.calcsize(form)
        return values

    def text(self) -> str:
        (size,) = self.take("<I")
        self.offset += size
        return self.data[self.offset - size : self.offset].decode()


def named_tensors(processed: bytes) -> tuple[str, list[NamedTensor]]:
    """Library and tensors of a delegate, from what the backend wrote about it (ExecuTorch, cuda_weight_collector.py).

    Raises ValueError when it is not in the form of ExecuTorch 1.5.1.
    """
    if not processed.startswith(_MAGIC):
        raise ValueError(
            f"a CUDA delegate begins with {processed[:10]!r}, not {_MAGIC!r}: export with ExecuTorch 1.5.1"
        )
    reader = _Reader(processed[len(_MAGIC) :])
    library = reader.text()
    (count,) = reader.take("<I")
    found = []
    for _ in range(count):
        name, storage = reader.text(), reader.text()
        size, scalar_type, _, offset, dimensions = reader.take("<QiiqI")
        sizes, strides = (reader.take(f"<{dimensions}q") for _ in range(2))
        found.append(NamedTensor(name, storage, size, scalar_type, offset, sizes, strides))
    return library, found


def _wiring(plan: ExecutionPlan) -> tuple[list[int], list[int]]:
    """Inputs and outputs of CudaMethod: copies to and from the device stand around the one call of the delegate."""
    copied: dict[int, int] = {}  # value -> the value it is a copy of
    arguments: list[int] = []
    for instruction in plan.chains[0].instructions:
        call = instruction.instr_args
        if isinstance(call, KernelCall):
            copied[call.args[-1]] = call.args[0]
        elif isinstance(call, DelegateCall):
            arguments = call.args
    sources = [copied.get(value, value) for value in arguments]
    inputs = [plan.inputs.index(source) for source in sources if source in plan.inputs]
    made = arguments[len(inputs) :]
    return inputs, [made.index(copied.get(value, value)) for value in plan.outputs]


def cuda_methods(file: ProgramFile) -> dict[str, CudaMethod]:
    """Every method of a CUDA program, by name."""
    plans = {name: plan for name, plan in file.plans.items() if plan.delegates}
    return {
        name: CudaMethod(*named_tensors(file.delegate_data(plan.delegates[0])), *_wiring(plan))
        for name, plan in plans.items()
    }


def cuda_contract(methods: list[Method], *, gpu_arch: str, dtype: str, batch: int) -> dict[str, Any]:
    """The JSON object in the constant method `cuda`: what a runner must know beside the contract (docs/design.md)."""
    return {
        "version": CUDA_CONTRACT_VERSION,
        "gpu_arch": gpu_arch,
        "dtype": dtype,
        "batch": batch,  # utterances at once
        # Then one model of a process speaks at a time: the backend's int4 kernels share a buffer.
        "int4": any(isinstance(layer, Int4Linear) for method in methods for layer in method.module.modules()),
        "static_methods": [method.name for method in methods if not method.dynamic],  # a CUDA graph may cover these
    }


def build_cuda_manifest(
    path: Path, data: Path, flags: dict[str, Any], made_with: dict[str, str], skipped: list[str]
) -> dict[str, Any]:
    """The manifest of `path` and its weights in `data`. `skipped`: layers that were to be int4 and do not fit."""
    manifest = build_manifest(path, flags)
    methods = cuda_methods(ProgramFile(path))
    for name, method in methods.items():
        manifest["methods"][name]["weight_bytes"] = sum(tensor.bytes for tensor in method.tensors)
    stored = {tensor.storage for method in methods.values() for tensor in method.tensors}
    manifest["versions"] |= made_with
    manifest["data"] = {"file": data.name, "bytes": data.stat().st_size, "sha256": sha256_of(data)}
    manifest["weights"] = {"stored": len(stored), "libraries": len({method.library for method in methods.values()})}
    manifest["not_int4"] = skipped
    return manifest

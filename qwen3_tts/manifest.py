"""The manifest: what a `model.pte` holds, read back from the file itself."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
from pathlib import Path
from typing import Any

from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary
from executorch.exir.schema import ExecutionPlan, KernelCall, Tensor

# XNNPACK names a weight, and the scales of a quantized one, by the SHA-256 of the bytes.
WEIGHT_NAME = re.compile(rb"(?:scale_)?[0-9a-f]{64}")
PACKAGES = ("torch", "executorch", "torchao", "safetensors", "tokenizers")
CONSTANTS = ("contract", "tokenizer")


def build_manifest(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the program in `path`, exported with `flags`."""
    data = path.read_bytes()
    file = deserialize_pte_binary(data)
    plans = {plan.name: plan for plan in file.program.execution_plan}
    return {
        "file": path.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "flags": flags,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "contract": read_contract(file),
        "methods": {name: _describe(plan, file) for name, plan in plans.items() if name not in CONSTANTS},
        "weights": _weights(file),
    }


def read_contract(file: PTEFile) -> dict[str, Any]:
    """The JSON object in the constant method `contract`."""
    plan = next(plan for plan in file.program.execution_plan if plan.name == "contract")
    return json.loads(plan.values[plan.outputs[0]].val.string_val)


def weight_hashes(file: PTEFile) -> list[str]:
    """SHA-256 of every constant tensor in the file: two that are equal are one weight stored twice."""
    named = file.named_data.buffers if file.named_data else []
    inline = [bytes(buffer.storage) for buffer in file.program.constant_buffer]
    return [hashlib.sha256(buffer).hexdigest() for buffer in [*named, *inline] if len(buffer) > 0]


def _describe(plan: ExecutionPlan, file: PTEFile) -> dict[str, Any]:
    names = _weight_names(plan, file)
    return {
        "inputs": [_signature(plan, index) for index in plan.inputs],
        "outputs": [_signature(plan, index) for index in plan.outputs],
        "delegates": len(plan.delegates),
        "operators": _operators(plan),
        "planned_bytes": sum(plan.non_const_buffer_sizes),
        "weight_bytes": sum(_named_size(file, name) for name in names) + _constant_bytes(plan, file),
    }


def _signature(plan: ExecutionPlan, index: int) -> str:
    """For example `float32[<=128, 1024]`; `<=` marks a dynamic size's upper bound."""
    value = plan.values[index].val
    if not isinstance(value, Tensor):
        return type(value).__name__.lower()
    bound = "<=" if value.shape_dynamism.name != "STATIC" else ""
    sizes = ", ".join(f"{bound if position == 0 else ''}{size}" for position, size in enumerate(value.sizes))
    return f"{value.scalar_type.name.lower()}[{sizes}]"


def _operators(plan: ExecutionPlan) -> dict[str, int]:
    """How often each operator outside the delegates is called."""
    counts: dict[str, int] = {}
    for instruction in plan.chains[0].instructions:
        if isinstance(instruction.instr_args, KernelCall):
            name = plan.operators[instruction.instr_args.op_index].name
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def _weight_names(plan: ExecutionPlan, file: PTEFile) -> set[str]:
    names = set()
    for delegate in plan.delegates:
        blob = bytes(file.program.backend_delegate_data[delegate.processed.index].data)
        names.update(name.decode() for name in WEIGHT_NAME.findall(blob))
    return names


def _named_size(file: PTEFile, name: str) -> int:
    return len(file.named_data.buffers[file.named_data.pte_data[name].buffer_index])


def _constant_bytes(plan: ExecutionPlan, file: PTEFile) -> int:
    """Bytes of the constants that operators outside the delegates read."""
    tensors = (value.val for value in plan.values if isinstance(value.val, Tensor))
    indices = {tensor.data_buffer_idx for tensor in tensors if tensor.allocation_info is None}
    return sum(len(file.program.constant_buffer[index].storage) for index in indices)


def _weights(file: PTEFile) -> dict[str, int]:
    hashes = weight_hashes(file)
    return {"stored": len(hashes), "distinct": len(set(hashes))}

"""Finds what the CUDA backend cannot compile, before any GPU is needed.

The backend lets Inductor use Triton kernels alone: an operator that Inductor hands to libtorch ("fallback") is an error
at the end of a compilation of many minutes, or only where the program is loaded.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx
from torch._inductor import lowering
from torch._inductor.decomposition import select_decomp_table
from torch.export import ExportedProgram

aten = torch.ops.aten
SDPA = aten.scaled_dot_product_attention.default
OWN_KERNELS = "qwen3_tts_cuda::"  # of cuda/kernels/: Inductor finds Triton kernels in them
OWN_ATTENTION = ("triton::sdpa", "triton::sdpa_decode_splitk")  # of the backend, called as they are
LARGEST_READ_WHOLE = 256  # slots of a cache that one row may read all of, be they filled or not
LARGEST_VOCABULARY = 4096  # of draw_kernel.py, which has all logits in the registers of a block
LARGEST_TOPK = 4096  # of the backend's Triton kernel, which loads a row at once
# What SDPA becomes while it is traced on a CPU; the backend puts its own kernel in its place before that.
_TRACED_SDPA = (aten._scaled_dot_product_flash_attention_for_cpu.default,)
_ALLOWED_FALLBACKS = ("executorch_cuda::int4_plain_mm", "aten::_weight_int4pack_mm", *OWN_ATTENTION)
# Inductor has kernels for these, but hands some shapes or types over all the same.
_SOMETIMES_FALLBACKS = {"aten::sort", "aten::cumsum", "aten::cumprod", "aten::logcumsumexp", "aten::nonzero"}
_WRITING = (torch.ops.higher_order.auto_functionalized, torch.ops.higher_order.auto_functionalized_v2)
_NEEDS_NO_LOWERING = (operator.getitem, aten._assert_tensor_metadata.default)


def problems(program: ExportedProgram) -> list[str]:
    """One sentence for each operator of a captured program that the backend would refuse; none if it is sound."""
    found = [line for node in _calls(program) for line in _before_decomposition(node)]
    decomposed = program.run_decompositions(select_decomp_table())
    found += [line for node in _calls(decomposed) for line in _after_decomposition(node)]
    return list(dict.fromkeys(found))


def _calls(program: ExportedProgram) -> Iterator[fx.Node]:
    return (node for node in program.graph.nodes if node.op == "call_function")


def _value(argument: Any) -> Tensor:
    return argument.meta["val"]


def _before_decomposition(node: fx.Node) -> Iterator[str]:
    if _name(node.target).startswith(OWN_KERNELS):
        yield from _kernel_problems(node)
    elif node.target == SDPA or _name(node.target) in OWN_ATTENTION:
        yield from _attention_problems(node)
    elif node.target == aten.topk.default:
        dimension: Any = node.args[2] if len(node.args) > 2 else -1
        size = _value(node.args[0]).shape[dimension]
        if size > LARGEST_TOPK:
            yield f"topk of {size} values: the backend's kernel takes at most {LARGEST_TOPK}"


def _kernel_problems(node: fx.Node) -> Iterator[str]:
    """Of a call of cuda/kernels/."""
    arguments, name = arguments_of(node), _name(node.target)
    if "keys" in arguments:
        size = _value(arguments["keys"]).shape[3]
        if size & (size - 1):
            yield f"{name}: heads of {size} numbers: the kernel takes a power of two"
    if "table" in arguments and _value(arguments["logits"]).shape[1] > LARGEST_VOCABULARY:
        size = _value(arguments["logits"]).shape[1]
        yield f"{name}: {size} logits: the kernel takes at most {LARGEST_VOCABULARY}"
    for given in arguments.values():
        if isinstance(given, fx.Node) and not _value(given).is_contiguous():
            yield f"{name}: {given.name} is not contiguous, as the kernel reads it"


def arguments_of(node: fx.Node) -> dict[str, Any]:
    """What a call of an operator is given, by name."""
    schema: Any = node.target._schema  # type: ignore[union-attr]
    return {**dict(zip((argument.name for argument in schema.arguments), node.args)), **node.kwargs}


def _attention_problems(node: fx.Node) -> Iterator[str]:
    arguments = arguments_of(node)
    query, key = _value(arguments["query"]), _value(arguments["key"])
    if query.shape[2] == 1 and key.shape[2] > LARGEST_READ_WHOLE and arguments.get("kv_len") is None:
        yield f"attention of one row that reads all {key.shape[2]} slots of its cache: it needs kv_len"
    if query.dtype != torch.bfloat16:
        yield f"attention in {query.dtype}: the backend's kernel takes bfloat16"
    mask = arguments.get("attn_mask")
    if mask is None:
        return
    expected = [query.shape[0], 1, query.shape[2], key.shape[2]]
    if _value(mask).dtype != torch.bool or list(_value(mask).shape) != expected:
        shown = f"{_value(mask).dtype} {list(_value(mask).shape)}"
        yield f"an attention mask of {shown}: the backend's kernel takes torch.bool {expected}"


def _after_decomposition(node: fx.Node) -> Iterator[str]:
    target = node.target
    if target in _WRITING:  # an operator that writes to its arguments stands inside
        target = node.args[0]  # type: ignore[assignment]
    if target in _TRACED_SDPA or target in _NEEDS_NO_LOWERING:
        return
    name = _name(target)
    if target == aten.convolution.default:
        _, _, _, _, _, dilation, transposed, _, groups = node.args
        if transposed or any(step != 1 for step in dilation) or groups != 1:  # type: ignore[union-attr]
            kind = "transposed" if transposed else "dilated or grouped"
            yield f"a {kind} convolution: Inductor has no Triton template for it"
    if name in _ALLOWED_FALLBACKS or name.startswith(OWN_KERNELS):
        return
    if target in lowering.fallbacks or name in _SOMETIMES_FALLBACKS:
        yield f"{name}: Inductor hands it to libtorch, which a CUDA program has not"
    elif target not in lowering.lowerings:
        yield f"{name}: Inductor cannot lower it"
    if any(_is_double(value) for value in _outputs(node)):
        yield f"{name}: a float64 result; the runtime has no such tensors"


def _name(target: Any) -> str:
    return target.name().rsplit(".", 1)[0] if isinstance(target, torch._ops.OpOverload) else str(target)


def _outputs(node: fx.Node) -> tuple[Any, ...]:
    value = node.meta.get("val")
    return value if isinstance(value, tuple) else (value,)


def _is_double(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64

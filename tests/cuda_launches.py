"""How many kernels a method launches on a GPU: Inductor generates its code for an H100 that is not there.

What is tuned on a GPU is not tuned here. The first template of every product stands for the one that tuning would
choose: each is one launch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from executorch.backends.cuda.cuda_backend import CudaBackend
from torch import Tensor, fx
from torch._dynamo.device_interface import CudaInterface
from torch._inductor import config, graph, scheduler, select_algorithm
from torch._inductor.codegen import wrapper
from torch._inductor.codegen.cpp_wrapper_gpu import CppWrapperGpu
from torch._inductor.compile_fx import compile_fx_aot
from torch._inductor.fx_passes import joint_graph, post_grad
from torch._inductor.graph import GraphLowering
from torch.export import ExportedProgram
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

CAPABILITY = (9, 0)
TARGET = GPUTarget("cuda", 90, 32)
_H100 = SimpleNamespace(
    name="H100",
    major=CAPABILITY[0],
    minor=CAPABILITY[1],
    multi_processor_count=132,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    max_threads_per_block=1024,
    warp_size=32,
    total_memory=80 << 30,
    shared_memory_per_block=49152,
    shared_memory_per_block_optin=232448,
    shared_memory_per_multiprocessor=233472,
    L2_cache_size=50 << 20,
    gcnArchName="",
)


class _Generated(BaseException):
    """Ends a compilation when its code is there. No Exception, which Inductor would wrap."""

    def __init__(self, lines: list[Any]):
        super().__init__()
        self.lines = lines


def count(program: ExportedProgram) -> Counter[str]:
    """Launches of each kernel in one call of a captured method."""
    module: Any = program.module()
    _index_plainly(module)
    names = program.graph_signature.user_inputs
    inputs = _to_device(module, [node.meta["val"] for node in program.graph.nodes if node.name in names])
    with _generating(), torch.no_grad():
        try:
            compile_fx_aot(module, inputs, config_patches=CudaBackend.get_aoti_compile_options([]))
        except _Generated as generated:
            return Counter(name for line in generated.lines for name in _launched(line))
    raise AssertionError("nothing was generated")


def _launched(line: Any) -> Iterator[str]:
    if isinstance(line, wrapper.KernelCallLine):
        yield line.kernel_name
    elif isinstance(line, wrapper.ExternKernelAllocLine | wrapper.ExternKernelOutLine):
        yield line.node.get_kernel_name()
    elif isinstance(line, wrapper.IndexPutFallbackLine | wrapper.ScatterFallbackLine) or _calls_an_operator(line):
        raise AssertionError(f"a call of libtorch: {line}")


def _calls_an_operator(line: Any) -> bool:
    """Of an operator that Inductor could not open."""
    return isinstance(line, str) and "qwen3_tts_cuda" in line


def _index_plainly(module: fx.GraphModule) -> None:
    """index_select becomes what Inductor makes of it: its own way to that asks for the GPU."""
    for node in module.graph.nodes:
        if node.target == torch.ops.aten.index_select.default:
            tensor, dimension, index = node.args
            node.target, node.args = torch.ops.aten.index.Tensor, (tensor, [*[None] * int(dimension), index])
    module.recompile()


def _to_device(module: fx.GraphModule, inputs: list[Any]) -> list[Any]:
    mode = next(value.fake_mode for value in inputs)

    def there(tensor: Tensor) -> Tensor:
        if not tensor.dim():
            return tensor  # Inductor writes it into the code
        with mode:
            return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cuda:0")

    for part in module.modules():
        tensors = {**part._parameters, **part._buffers}
        part._parameters.clear()
        for name, tensor in tensors.items():
            if tensor is not None:
                part._buffers[name] = there(tensor)
        for name, value in list(vars(part).items()):
            if isinstance(value, Tensor):
                setattr(part, name, there(value))
        if isinstance(part, fx.GraphModule):
            for node in part.graph.nodes:
                if "device" in node.kwargs:
                    node.kwargs = {**node.kwargs, "device": torch.device("cuda:0")}
                value = node.meta.pop("val", None)
                if node.op == "placeholder" and isinstance(value, Tensor):
                    node.meta["val"] = there(value)
            part.recompile()
    return [there(value) for value in inputs]


@contextmanager
def _generating() -> Iterator[None]:
    torch._C._ensureCUDADeviceGuardSet()
    processor = torch.device("cpu")
    joint_graph.lazy_init(processor)
    post_grad.lazy_init(processor)

    def stop(code: CppWrapperGpu, is_inference: bool) -> None:
        raise _Generated(code.lines)

    def first(cache: Any, name: str, choices: list[Any], *_: Any, **__: Any) -> tuple[Any, Any]:
        return choices[0].output_node(), choices[0]

    with ExitStack() as stack:
        for place, name, value in (
            (torch.cuda, "get_device_properties", lambda *_: _H100),
            (torch.cuda, "get_device_capability", lambda *_: CAPABILITY),
            (torch.cuda, "current_device", lambda: 0),
            (torch.cuda, "device_count", lambda: 1),
            (CudaInterface, "get_device_properties", staticmethod(lambda *_: _H100)),
            (CudaInterface, "get_compute_capability", staticmethod(lambda *_: 10 * CAPABILITY[0] + CAPABILITY[1])),
            (driver, "_active", SimpleNamespace(get_current_target=lambda: TARGET)),
            (scheduler, "has_triton", lambda: True),
            (CudaInterface, "raise_if_triton_unavailable", staticmethod(lambda *_: None)),
            (joint_graph, "lazy_init", lambda *_: None),  # its patterns would be traced with tensors of the GPU
            (post_grad, "lazy_init", lambda *_: None),
            (config, "joint_graph_constant_folding", False),  # it fills tensors of the GPU
            (select_algorithm.AlgorithmSelectorCache, "__call__", first),
            (graph, "is_same_tensor", lambda one, other: one is other),  # there are no addresses to compare
            (GraphLowering, "can_inline_constant", staticmethod(lambda _: False)),  # there are no numbers to write
            (GraphLowering, "codegen_with_cpp_wrapper", GraphLowering.codegen),
            (CppWrapperGpu, "generate", stop),
        ):
            stack.enter_context(patch.object(place, name, value))
        yield

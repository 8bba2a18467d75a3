"""The CUDA lowering on a machine without a GPU: everything but the compilation of kernels is the backend's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from executorch.backends.cuda.cuda_backend import CudaBackend
from executorch.backends.cuda.triton.replacement_pass import ReplaceEdgeOpWithTritonOpPass
from torch._inductor import aot_compile

Compile = Callable[[torch.nn.Module, tuple[Any, ...], dict[str, Any]], list[Any]]
# Of the backend's options, those that decide what a container is; the others are about Triton.
CPU_OPTIONS = {
    "aot_inductor.package": True,
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.package_constants_on_disk_format": "pickle_weights",
}
SOON_COMPILED = {  # what is tried is the container, not the speed of its kernels
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "cpp.simdlen": 1,
    "cpp.vec_isa_ok": True,
}


def cpu_kernels(module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    """In place of a compilation for the GPU: one for the CPU."""
    made: Any = aot_compile(module, inputs, options=CPU_OPTIONS)
    return list(made)


def slow_cpu_kernels(module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    """The same, compiled in two thirds of the time."""
    made: Any = aot_compile(module, inputs, options=CPU_OPTIONS | SOON_COMPILED)
    return list(made)


@contextmanager
def compiling_with(compile: Compile, *, triton: bool) -> Iterator[None]:
    """The backend calls `compile`, and leaves weights where they are; its own attention kernel only if `triton`."""
    passes = CudaBackend.get_custom_passes

    def without_triton(specs: list[Any]) -> list[Any]:
        return [made for made in passes(specs) if triton or not isinstance(made, ReplaceEdgeOpWithTritonOpPass)]

    def stay(program: Any, device: str, specs: list[Any]) -> Any:
        return program

    def call(module: Any, inputs: tuple[Any, ...], *, options: dict[str, Any]) -> list[Any]:
        return compile(module, inputs, options)

    def any_kernel(missing: set[str]) -> AbstractContextManager[None]:
        return nullcontext()

    with (
        patch.object(CudaBackend, "collect_unsupported_fallback_kernels", any_kernel),
        patch.object(CudaBackend, "move_program_to_device", stay),
        patch.object(CudaBackend, "get_custom_passes", without_triton),
        patch.object(torch._inductor, "aot_compile", call),
    ):
        yield

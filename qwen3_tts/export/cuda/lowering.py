"""Exports the methods for CUDA and lowers each of them to one delegate of ExecuTorch's CUDA backend.

Nothing here needs a GPU but the compilation itself, `torch._inductor.aot_compile`, which the backend calls; checks on
other machines put something else in its place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import Any, BinaryIO
from unittest.mock import patch

import executorch.backends.cuda.quantize_op_dispatch  # noqa: F401  (registers executorch_cuda::int4_plain_mm)
import torch
from executorch.backends.cuda.cuda_backend import CudaBackend
from executorch.backends.cuda.cuda_partitioner import CudaPartitioner
from executorch.exir import (
    EdgeCompileConfig,
    ExecutorchBackendConfig,
    ExecutorchProgramManager,
    to_edge_transform_and_lower,
)
from executorch.exir.backend.compile_spec_schema import CompileSpec
from torch.export import ExportedProgram

from qwen3_tts.export.cuda.driver_link import driver_to_link_with
from qwen3_tts.export.cuda.in_place import writing_in_place
from qwen3_tts.export.cuda.static_check import problems
from qwen3_tts.export.lowering import Report, export_methods
from qwen3_tts.export.methods import Method

WEIGHTS = "aoti_cuda_blob"  # the backend's name of the data that goes to the .ptd


def partitioner(method: str) -> CudaPartitioner:
    """Kernels and names of one method are its own: one partitioner for all would mix them up."""
    return CudaPartitioner(
        [CudaBackend.generate_method_name_compile_spec(method), CompileSpec("triton_kernel_mode", b"ON")]
    )


@contextmanager
def watch_compilation(begins: Callable[[str], None]) -> Iterator[None]:
    """`begins(method)` is called when the backend turns to a method. Its order is not that of the methods."""
    options = CudaBackend.get_aoti_compile_options

    def say_and_return(specs: list[CompileSpec]) -> dict[str, Any]:
        begins(CudaBackend.method_name_from_compile_specs(specs))
        return options(specs)

    with patch.object(CudaBackend, "get_aoti_compile_options", say_and_return):
        yield


def check_programs(programs: dict[str, ExportedProgram], report: Report) -> None:
    """Raises ValueError, naming method and operator, for what the backend would refuse after a long compilation."""
    for name, program in programs.items():
        report(name, "check")
        if found := problems(program):
            raise ValueError(f"{name} cannot be compiled for CUDA:\n  - " + "\n  - ".join(found))


def lower(methods: list[Method], constants: dict[str, Any], report: Report) -> ExecutorchProgramManager:
    """The whole program: a delegate a method, the constants as constant methods. Empties `methods`."""
    with torch.no_grad(), driver_to_link_with(), writing_in_place(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        programs = export_methods(methods, report)
        methods.clear()
        check_programs(programs, report)
        report("all methods", "partition")
        with watch_compilation(lambda method: report(method, "compile")):
            edge = to_edge_transform_and_lower(
                programs,
                partitioner={name: [partitioner(name)] for name in programs},
                constant_methods=constants,
                compile_config=EdgeCompileConfig(_check_ir_validity=False, _skip_dim_order=True),
            )
        programs.clear()
        report("all methods", "emit")
        return edge.to_executorch(ExecutorchBackendConfig())


def write_weights(program: ExecutorchProgramManager, file: BinaryIO | BufferedIOBase) -> None:
    """The .ptd: every weight and every cache once, by name."""
    program._tensor_data[WEIGHTS].write_to_file(file)

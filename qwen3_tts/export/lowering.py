"""Exports methods and lowers them into one ExecuTorch program."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import executorch.kernels.quantized  # noqa: F401  (registers the quantized embedding operators)
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import (
    EdgeCompileConfig,
    EdgeProgramManager,
    ExecutorchBackendConfig,
    ExecutorchProgramManager,
    to_edge_transform_and_lower,
)
from executorch.exir.lowered_backend_module import LoweredBackendModule
from executorch.exir.passes import MemoryPlanningPass
from torch import nn
from torch.export import ExportedProgram

from qwen3_tts.export.lean_tracing import lean_tracing
from qwen3_tts.export.methods import Method

Report = Callable[[str, str], None]  # (method, step that begins)


class ReportingPartitioner(XnnpackPartitioner):  # type: ignore[misc]  # executorch is untyped
    """Partitions one method for XNNPACK and says when it is that method's turn.

    One partitioner for everything: a separate one for dynamically quantized layers cuts a block into eight delegates
    instead of one.
    """

    def __init__(self, method: str, report: Report):
        super().__init__()
        self._method, self._report = method, report

    def ops_to_not_decompose(self, exported_program: ExportedProgram) -> tuple[list[torch._ops.OpOverload], None]:
        """Every operator that XNNPACK has, without a check of each use: that costs two more decompositions of it all.

        A use that XNNPACK turns down after all raises an error.
        """
        return super().ops_to_not_decompose(exported_program)[0], None

    def partition(self, exported_program: ExportedProgram) -> Any:
        self._report(self._method, "partition")
        result = super().partition(exported_program)
        self._report("all methods", "lower")
        return result


def share_weights(module: nn.Module) -> None:
    """Let copies of exported programs keep the module's own weights, which nothing changes.

    ExecuTorch copies the program of every delegate before it lowers any. With their weights, those of the unrolled code
    predictor are fifteen copies of its layers: an fp32 export of 0.6B needs more than 22 GB instead of 12.
    """
    for weight in (*module.parameters(), *module.buffers()):
        weight.__deepcopy__ = lambda _memo, weight=weight: weight  # type: ignore[method-assign, misc]


def export_methods(methods: Iterable[Method], report: Report) -> dict[str, ExportedProgram]:
    programs = {}
    for method in methods:
        report(method.name, "export")
        share_weights(method.module)
        programs[method.name] = torch.export.export(
            method.module, method.example_inputs, dynamic_shapes=method.dynamic_shapes, strict=False
        )
    return programs


def drop_repeated_weights(edge: EdgeProgramManager) -> None:
    """Free the copies of weights that each delegate keeps after they were merged into the program.

    The unrolled code predictor alone keeps fifteen copies of its layers: 4.7 GB in fp32.
    """
    for method in edge.methods:
        for module in edge.exported_program(method).graph_module.modules():
            if isinstance(module, LoweredBackendModule):
                module._named_data_store_output = None
    gc.collect()


def lower(methods: list[Method], constants: dict[str, Any], backend: str, report: Report) -> ExecutorchProgramManager:
    """The whole program: every method lowered for `backend`, the constants as constant methods.

    Inputs get no memory of their own: a method reads, and writes its state, where the caller's tensors are.
    Empties `methods`, so that a caller who holds no other reference to the modules frees their weights on the way.
    """
    # mkldnn's fake convolution guards on its input's size and would silently cut the range of dynamic lengths.
    torch._C._set_mkldnn_enabled(False)
    with torch.no_grad(), warnings.catch_warnings(), lean_tracing():
        warnings.simplefilter("ignore")
        programs = export_methods(methods, report)
        partitioner = (
            {name: [ReportingPartitioner(name, report)] for name in programs} if backend == "xnnpack" else None
        )
        report("all methods", "decompose")
        edge = to_edge_transform_and_lower(
            programs,
            partitioner=partitioner,
            constant_methods=constants,
            compile_config=EdgeCompileConfig(_check_ir_validity=False, _skip_dim_order=True),
        )
        methods.clear()
        programs.clear()
        drop_repeated_weights(edge)
        report("all methods", "emit")
        return edge.to_executorch(
            ExecutorchBackendConfig(
                memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False),
                do_quant_fusion_and_const_prop=True,
            )
        )

"""Exports methods and lowers them into one ExecuTorch program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import executorch.kernels.quantized  # noqa: F401  (registers the quantized embedding operators)
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import (
    EdgeCompileConfig,
    ExecutorchBackendConfig,
    ExecutorchProgramManager,
    to_edge_transform_and_lower,
)
from executorch.exir.passes import MemoryPlanningPass
from torch.export import ExportedProgram

from model import Method

BACKENDS = ("xnnpack", "portable")
Report = Callable[[str, str], None]  # (method, step that begins)


class ReportingPartitioner(XnnpackPartitioner):
    """Partitions one method for XNNPACK and says when it is that method's turn.

    One partitioner for everything: a separate one for dynamically quantized layers cuts a block into eight delegates
    instead of one.
    """

    def __init__(self, method: str, report: Report):
        super().__init__()
        self._method, self._report = method, report

    def partition(self, exported_program: ExportedProgram) -> Any:
        self._report(self._method, "partition")
        result = super().partition(exported_program)
        self._report("all methods", "lower")
        return result


def export_methods(methods: Iterable[Method], report: Report) -> dict[str, ExportedProgram]:
    programs = {}
    for method in methods:
        report(method.name, "export")
        programs[method.name] = torch.export.export(
            method.module, method.example_inputs, dynamic_shapes=method.dynamic_shapes, strict=False
        )
    return programs


def lower(methods: list[Method], constants: dict[str, Any], backend: str, report: Report) -> ExecutorchProgramManager:
    """The whole program: every method lowered for `backend`, the constants as constant methods.

    Inputs get no memory of their own: a method reads, and writes its state, where the caller's tensors are.
    """
    # mkldnn's fake convolution guards on its input's size and would silently cut the range of dynamic lengths.
    torch._C._set_mkldnn_enabled(False)
    with torch.no_grad(), warnings.catch_warnings():
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
        report("all methods", "emit")
        return edge.to_executorch(
            ExecutorchBackendConfig(
                memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False),
                do_quant_fusion_and_const_prop=True,
            )
        )

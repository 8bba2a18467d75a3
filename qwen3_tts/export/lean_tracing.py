"""Lowering without the work whose results nobody reads.

ExecuTorch lowers a program by hundreds of passes. Each of them pays for Python code that is never run, for a history
of every node that is copied again and again, and for tracing graphs that did not change: half of an export's time,
most of it for the unrolled code predictor. The program that comes out is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import torch._export.utils as export_utils
from executorch.backends.xnnpack._passes.convert_to_upsample_bilinear2d import ConvertToUpsampleBilinear2d
from executorch.exir.pass_base import ExportPass
from torch.fx import Graph, GraphModule
from torch.fx.graph import _PyTreeCodeGen
from torch.fx.passes.infra.pass_base import PassResult
from torch.fx.traceback import NodeSource

_compile = GraphModule.recompile
_trace = ExportPass.call
# What a pass overrides to change a graph while it is traced. A pass without any of them only infers shapes.
_REWRITERS = [
    name
    for name in dir(ExportPass)
    if name.startswith(("call_", "Export")) or name in ("placeholder", "output", "get_attr", "inputs", "_fx")
]


@contextmanager
def lean_tracing() -> Iterator[None]:
    """Cuts that work from everything that is lowered inside. Graph modules made there have no text to print."""
    with ExitStack() as stack:
        for owner, name, value in (
            (NodeSource, "__deepcopy__", lambda source, _memo: source),  # nothing changes one once it is made
            (GraphModule, "recompile", _compile_when_called),
            (GraphModule, "__str__", lambda module: type(module).__name__),  # formatted for logs that are off
            (GraphModule, "print_readable", lambda _module, *_args, **_kwargs: ""),
            (ExportPass, "call", _trace_when_changed),
            (ConvertToUpsampleBilinear2d, "call", lambda _pass, module: PassResult(module, False)),  # for images
            (export_utils, "_materialize_cpp_cia_ops", cache(export_utils._materialize_cpp_cia_ops)),
        ):
            stack.enter_context(patch.object(owner, name, value, create=True))
        yield


def _compile_when_called(module: GraphModule) -> None:
    """Instead of GraphModule.recompile: passes interpret graphs, and hardly one of them is ever called."""
    codegen = module.graph._codegen
    if isinstance(codegen, _PyTreeCodeGen):
        module._in_spec, module._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
    type(module).forward = _compile_and_call  # every graph module has a class of its own


def _compile_and_call(module: GraphModule, *args: Any, **kwargs: Any) -> Any:
    _compile(module)
    return module.forward(*args, **kwargs)


def _trace_when_changed(lowering_pass: ExportPass, module: GraphModule) -> PassResult:
    """Instead of ExportPass.call: a graph that was traced, and is as it was then, is not traced again."""
    rewrites = any(getattr(type(lowering_pass), name) is not getattr(ExportPass, name) for name in _REWRITERS)
    if not rewrites and getattr(module.graph, "traced_as", None) == _structure(module.graph):
        return PassResult(module, True)
    result = _trace(lowering_pass, module)
    result.graph_module.graph.traced_as = _structure(result.graph_module.graph)
    return result


def _structure(graph: Graph) -> list[tuple[Any, ...]]:
    """Another one whenever a node comes, goes or calls something else: nodes are equal only to themselves."""
    return [(node, node.target, node.args, node.kwargs) for node in graph.nodes]

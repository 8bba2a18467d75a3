"""Operators that write to a buffer, as Inductor must see them to find the Triton kernels inside.

ExecuTorch makes a program functional: a call that writes becomes `auto_functionalized_v2`, which gives new caches, and
what is inside that is closed to Inductor's tracing. Called on the buffer itself, the operator is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import fx

FUNCTIONAL = torch.ops.higher_order.auto_functionalized_v2
_COPY = torch.ops.aten.copy_.default
_BASE = "_{}_base_index"


@contextmanager
def writing_in_place() -> Iterator[None]:
    """Whatever compiles a module gets it with calls that write to its buffers."""
    compile = torch._inductor.aot_compile

    def compile_in_place(module: Any, *args: Any, **kwargs: Any) -> Any:
        write_in_place(module)
        return compile(module, *args, **kwargs)

    with patch.object(torch._inductor, "aot_compile", compile_in_place):
        yield


def write_in_place(module: fx.GraphModule) -> None:
    """Puts calls of operators on buffers in the place of functional ones.

    Raises ValueError where a tensor is read after it was overwritten: then the calls would not mean the same.
    """
    graph = module.graph
    for node in [node for node in graph.nodes if node.target == FUNCTIONAL]:
        _open(graph, node)
    for node in [node for node in graph.nodes if node.target == _COPY and node.args[0] == node.args[1]]:
        graph.erase_node(node)
    graph.eliminate_dead_code()
    module.recompile()


def _open(graph: fx.Graph, node: fx.Node) -> None:
    target: Any = node.args[0]
    given = dict(node.kwargs)
    bases: Any = given.pop("_all_bases")
    for argument in target._schema.arguments:
        place = given.pop(_BASE.format(argument.name), None)
        if place is not None:
            given[argument.name] = bases[place]
    for base in bases:
        _require_unread(base, node)
    with graph.inserting_before(node):
        call = graph.call_function(target, (), given)
    returned = len(target._schema.returns)
    assert returned == 1, f"{target} returns {returned} tensors"
    parts: list[Any] = list(node.users)  # operator.getitem
    for part in parts:
        place = part.args[1]
        part.replace_all_uses_with(bases[place - returned] if place >= returned else call)
        graph.erase_node(part)
    graph.erase_node(node)


def _require_unread(base: fx.Node, node: fx.Node) -> None:
    if base.op != "get_attr":
        raise ValueError(f"{node.args[0]} writes to {base.name}, which is no buffer of its method")
    for user in base.users:
        if user > node and not (user.target == _COPY and user.args[0] == base):
            raise ValueError(f"{user.name} reads {base.target} as it was before {node.args[0]} wrote to it")

"""Lowering with less work gives the same program."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, symbolic_trace

from qwen3_tts.export import lowering
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.lean_tracing import lean_tracing
from qwen3_tts.export.model import Model
from qwen3_tts.recipe import RECIPES


def lowered(checkpoint: Path) -> bytes:
    """A program of the code predictor's layers, with the operators of this project and delegates between them."""
    methods = Model(Checkpoint(checkpoint), RECIPES["exact"]).methods(max_seq_len=64)
    methods = [method for method in methods if method.name == "code_predictor"]
    program: bytes = lowering.lower(methods, {"contract": "{}"}, "xnnpack", lambda method, step: None).buffer
    return program


@pytest.mark.slow
def test_same_program(tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    lean = lowered(tiny_checkpoint("tiny-base"))
    monkeypatch.setattr(lowering, "lean_tracing", nullcontext)
    monkeypatch.delattr(lowering.ReportingPartitioner, "ops_to_not_decompose")
    assert lean == lowered(tiny_checkpoint("tiny-base"))


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + x


def squared(module: GraphModule) -> GraphModule:
    (add,) = [node for node in module.graph.nodes if node.op == "call_function"]
    add.target = torch.mul
    module.recompile()
    return module


def test_graph_modules_run_what_their_graphs_say() -> None:
    x = torch.tensor([3.0])
    with lean_tracing():
        module = symbolic_trace(Doubled())
        assert module(x) == 6
        assert squared(module)(x) == 9
        later = squared(symbolic_trace(Doubled()))
    assert later(x) == 9
    assert "mul" in later.code


def test_everything_is_as_before_afterwards() -> None:
    def parts() -> list[Any]:
        return [vars(GraphModule).get(name) for name in ("recompile", "__str__", "print_readable")]

    before = parts()
    with lean_tracing():
        assert parts() != before
    assert parts() == before

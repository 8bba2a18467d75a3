"""In place of a compilation in the CUDA lowering (without_gpu.py has the rest)."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the backend needs triton to be imported, which is made for Linux", allow_module_level=True)

import torch
from torch.export.pt2_archive._package_weights import TensorProperties, Weights

from without_gpu import Compile


class Kept:
    """Compiles by `compile`, and keeps what was to be compiled."""

    def __init__(self, compile: Compile):
        self.compile = compile
        self.modules: list[torch.fx.GraphModule] = []

    def __call__(self, module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
        self.modules.append(module)
        return self.compile(module, inputs, options)


class NoKernels(Kept):
    """Gives a library without code and all weights."""

    def __init__(self) -> None:
        super().__init__(self.library)

    def library(self, module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
        state = dict(module.named_parameters()) | dict(module.named_buffers())
        # Inductor writes scalars into the code.
        state = {name: tensor for name, tensor in state.items() if tensor.dim()}
        with tempfile.NamedTemporaryFile(suffix=".wrapper.so", delete=False) as library:
            library.write(f"library {len(self.modules)}".encode())
        return [library.name, Weights({name: (tensor, TensorProperties(tensor)) for name, tensor in state.items()})]

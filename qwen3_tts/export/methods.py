"""A method of a `.pte`, as it is given to the export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Method:
    """What to export and how."""

    name: str
    module: nn.Module
    example_inputs: tuple[Tensor, ...]
    dynamic: dict[int, dict[int, Any]] = field(default_factory=dict)  # input index -> {dimension: Dim}

    @property
    def dynamic_shapes(self) -> tuple[dict[int, Any] | None, ...]:
        return tuple(self.dynamic.get(i) for i in range(len(self.example_inputs)))

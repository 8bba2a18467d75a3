"""Causal convolutions of columns [T, C] in fp32: weights in the order in which the kernel reads them, and eager sums.

The 32 outputs of a panel stand together: [panels, taps, inputs, 32], the last panel filled up with zeros. The file is
mapped: a model is ready without packing anything, and its weights are in memory once. (In C++:
runner/src/ops/convolution_layer.h.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PANEL_OUTPUTS = 32


def pack(weight: Tensor) -> Tensor:
    """[outputs, inputs, taps] -> [panels, taps, inputs, 32]."""
    missing = -weight.shape[0] % PANEL_OUTPUTS
    return F.pad(weight, (0, 0, 0, 0, 0, missing)).unflatten(0, (-1, PANEL_OUTPUTS)).permute(0, 3, 2, 1).contiguous()


def snake(x: Tensor, weight: Tensor) -> Tensor:
    """x [T, C] + sin(x alpha)^2 inv_beta, with weight [2, C] = alpha, inv_beta."""
    return x + torch.sin(x * weight[0]).square() * weight[1]


def with_past(x: Tensor, history: Tensor | None, offset: int, length: int) -> Tensor:
    """`length` earlier columns before x [T, C]: [length + T, C]; the history keeps the newest `length` columns.

    history [N] is one flat buffer for the whole codec; a layer's columns stand at its offset, as [length, C].
    """
    if length == 0:
        return x
    assert history is not None
    past = history[offset : offset + length * x.shape[1]].view(length, -1)
    columns = torch.cat([past, x])
    past.copy_(columns[-length:])
    return columns


def convolve(columns: Tensor, packed: Tensor, count: int, dilation: int) -> Tensor:
    """Sums [count, panels * 32] over taps of columns [past + count, C] with packed weights."""
    total = sum(columns[tap * dilation :][:count] @ packed[:, tap] for tap in range(packed.shape[1]))
    assert isinstance(total, Tensor)
    return total.transpose(0, 1).flatten(1)

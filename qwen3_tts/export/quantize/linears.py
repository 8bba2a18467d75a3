"""Linear layers quantized to 4, 5, 6 or 8 bits: one operator each, qwen3_tts::linear, or a product of XNNPACK's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qwen3_tts.export.packing.linear import BLOCK_COLUMNS, PANEL_ROWS, midpoint, pack_codes, pack_scales
from qwen3_tts.export.quantize.rounding import InputMoments, rounded
from qwen3_tts.export.quantize.xnnpack_linear import XnnpackLinear
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.recipe import LINEAR_BITS, XNNPACK_BITS

Moments = Mapping[str, InputMoments]  # of a stage's linear layers, by their names
NO_MOMENTS: Moments = {}


class QuantizedLinear(nn.Module):
    """A Linear whose weights are codes of `bits` bits, with one scale for each group of a row.

    Inputs are quantized to int8 while running, with one scale for each group of a row as well.
    """

    codes: Tensor  # [N / 16, K / 32, bytes] uint8
    scales: Tensor  # [N / 16, K / group_size, 16] bfloat16

    def __init__(self, linear: Linear, bits: int, group_size: int, moments: InputMoments | None = None):
        super().__init__()
        self.group_size = group_size
        codes, scales = rounded(linear.weight, bits, group_size, moments)
        self.register_buffer("codes", pack_codes((codes + midpoint(bits)).to(torch.uint8), bits))
        self.register_buffer("scales", pack_scales(scales))
        self.bias = linear.bias

    def forward(self, x: Tensor, norm: RMSNorm | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + W norm(x) + b: x [S, K] -> [S, N]."""
        weight, eps = (None, 0.0) if norm is None else (norm.weight, norm.eps)
        y: Tensor = torch.ops.qwen3_tts.linear(x, self.codes, self.scales, self.bias, weight, eps, residual)
        return y


def quantize_stage(
    stage: nn.Module, choice: str, group_size: int, part: str = "", moments: Moments = NO_MOMENTS
) -> None:
    """Quantize the linear layers of a stage, or of its part; raises ValueError for a layer that cannot be."""
    if choice in XNNPACK_BITS:
        quantize_linears(stage, XNNPACK_BITS[choice], group_size, part, moments, XnnpackLinear)
    elif choice != "none":
        quantize_linears(stage, LINEAR_BITS[choice], group_size, part, moments)


def quantize_linears(
    module: nn.Module,
    bits: int,
    group_size: int,
    part: str = "",
    moments: Moments = NO_MOMENTS,
    kind: type[QuantizedLinear] | type[XnnpackLinear] = QuantizedLinear,
) -> None:
    """Put one of `kind` in the place of every Linear of `module` whose name begins with `part`.

    One that `moments` has is rounded by what its inputs are. Raises ValueError, naming the layer, when its shape cannot
    be cut into panels and groups.
    """
    for name, layer in list(module.named_modules()):
        if not isinstance(layer, Linear) or not name.startswith(part):
            continue
        size = fitting_group(layer.in_features, group_size)
        if size is None or layer.out_features % PANEL_ROWS:
            raise ValueError(
                f"{name}: {layer.in_features} inputs and {layer.out_features} outputs cannot be cut into groups of "
                f"{BLOCK_COLUMNS} and panels of {PANEL_ROWS}; leave this stage in fp32 (none)"
            )
        module.set_submodule(name, kind(layer, bits, size, moments.get(name)))


def check_group_size(module: nn.Module, group_size: int) -> None:
    """Raises ValueError, naming the layer, when one of `module` has smaller groups than somebody asked for."""
    for name, layer in module.named_modules():
        if isinstance(layer, (QuantizedLinear, XnnpackLinear)) and layer.group_size not in (group_size, None):
            raise ValueError(
                f"{name} cannot be cut into groups of {group_size} inputs, but of {layer.group_size}; choose another "
                "--qlinear-group-size, or leave it out"
            )


def fitting_group(width: int, group_size: int) -> int | None:
    """`group_size`, or its largest half, quarter, ... that `width` can be cut into; None when no block fits."""
    while group_size >= BLOCK_COLUMNS and width % group_size:
        group_size //= 2
    return group_size if group_size >= BLOCK_COLUMNS else None

"""Quantization as data: which stage gets which weights, and the torchao configuration behind each name.

8da4w / 8da8w: linear layers with int4 (per group) / int8 (per output channel) weights and activations quantized to int8
row by row while running. int8: the codec decoder's convolutions with int8 or wider weights and signals
(codec_quantization.py). 4w / 8w: embedding rows with int4 (per group) / int8 (per row) weights.

Scales of int4 groups are searched: clipping the largest weight of a group a little rounds the others less. The squared
error falls by a sixth against scales that reach the largest weight (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torchao.quantization import IntxUnpackedToInt8Tensor, quantize_
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig, IntxWeightOnlyConfig

LINEAR_CHOICES = ("none", "8da4w", "8da8w")
CONVOLUTION_CHOICES = ("none", "int8")
EMBEDDING_CHOICES = ("none", "4w", "8w")
EMBEDDING_GROUP_SIZE = 32
INT4 = torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it
INT4_MIN, INT4_MAX = -8, 7
SEARCHED_SHARES = [0.70 + 0.02 * i for i in range(17)]  # of the largest weight that the largest code stands for
SEARCH_ROWS = 256  # searched at a time, to stay in the cache
SMALLEST_WEIGHT = 1e-8


@dataclass(frozen=True)
class Recipe:
    """One choice a stage; `group_size` belongs to every 8da4w."""

    talker: str = "none"
    code_predictor: str = "none"
    heads: str = "none"  # the talker's head and the code predictor's heads
    codec: str = "none"  # the codec decoder's linear layers
    codec_convolutions: str = "none"
    text_embedding: str = "none"
    codec_embedding: str = "none"
    group_size: int = 32


def code_predictor_choice(qlinear: str) -> str:
    """What --qlinear means for the code predictor and the heads: int4 costs them half of their code agreement."""
    return "none" if qlinear == "none" else "8da8w"


def codec_embedding_choice(qembedding: str) -> str:
    """What --qembedding means for code rows: sixteen are summed for a frame, so they stay at 8 bits."""
    return "none" if qembedding == "none" else "8w"


FLOAT = Recipe()  # nothing quantized: exact to the reference
_QUALITY = Recipe("8da8w", "8da8w", "8da8w", text_embedding="8w", codec_embedding="8w")
_BALANCED = replace(_QUALITY, talker="8da4w", text_embedding="4w")
RECIPES = {
    "exact": FLOAT,
    "quality": _QUALITY,
    "balanced": _BALANCED,
    "small": replace(_BALANCED, code_predictor="8da4w", codec_convolutions="int8"),
}


def linear_config(choice: str, group_size: int) -> Int8DynamicActivationIntxWeightConfig:
    if choice == "8da4w":
        return Int8DynamicActivationIntxWeightConfig(weight_dtype=INT4, weight_granularity=PerGroup(group_size))
    return Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int8, weight_granularity=PerAxis(0))


def quantize_linears(module: nn.Module, choice: str, group_size: int, skip: str = "") -> None:
    """Quantize every nn.Linear below `module` whose name does not start with `skip`.

    Raises ValueError when a layer's input width is not a multiple of the group size.
    """
    if choice == "none":
        return
    for name, layer in module.named_modules():
        if choice == "8da4w" and isinstance(layer, nn.Linear) and layer.in_features % group_size:
            raise ValueError(
                f"{name}: {layer.in_features} inputs cannot be cut into groups of {group_size}; "
                f"choose another --qlinear-group-size or 8da8w"
            )
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear) and not (skip and name.startswith(skip)):
            _quantize_layer(layer, linear_config(choice, group_size))


def quantize_embedding(embedding: nn.Module, choice: str) -> None:
    """Quantize the rows of every nn.Embedding in `embedding` (the module itself counts)."""
    if choice == "none":
        return
    config = (
        IntxWeightOnlyConfig(weight_dtype=INT4, granularity=PerGroup(EMBEDDING_GROUP_SIZE))
        if choice == "4w"
        else IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0))
    )
    for layer in embedding.modules():
        if isinstance(layer, nn.Embedding):
            _quantize_layer(layer, config)


def _quantize_layer(
    layer: nn.Linear | nn.Embedding, config: Int8DynamicActivationIntxWeightConfig | IntxWeightOnlyConfig
) -> None:
    weight = layer.weight
    quantize_(layer, config, lambda module, _: module is layer)
    if config.weight_dtype != INT4:
        return
    plain: Any = layer.weight  # torchao's tensor
    searched = IntxUnpackedToInt8Tensor.from_hp(
        weight,
        plain.block_size,
        INT4,
        activation_quantization=plain.activation_quantization,
        intx_choose_qparams_algorithm=None,
        custom_scale=int4_scales(weight, plain.block_size[1]),
        custom_zero_point=plain.zero_point,
    )
    layer.weight = nn.Parameter(searched, requires_grad=False)


@torch.no_grad()
def int4_scales(weight: Tensor, group_size: int) -> Tensor:
    """Scales [rows, columns / group_size] that give each group of `weight` [rows, columns] the least squared error."""
    pieces = [_searched_scales(rows.view(len(rows), -1, group_size)) for rows in weight.split(SEARCH_ROWS)]
    return torch.cat(pieces)


def _searched_scales(groups: Tensor) -> Tensor:
    """[rows, groups, group_size] -> [rows, groups]. bfloat16 is how XNNPACK stores scales."""
    largest = groups.abs().amax(-1, keepdim=True).clamp_min(SMALLEST_WEIGHT)
    best_error = torch.full_like(largest, torch.inf)
    best = torch.empty_like(largest)
    for share in SEARCHED_SHARES:
        scales = (largest * (share / INT4_MAX)).bfloat16().float()
        rounded = torch.round(groups / scales).clamp_(INT4_MIN, INT4_MAX).mul_(scales)
        error = rounded.sub_(groups).square_().sum(-1, keepdim=True)
        is_better = error < best_error
        best_error = torch.where(is_better, error, best_error)
        best = torch.where(is_better, scales, best)
    return best[..., 0]

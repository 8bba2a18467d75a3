"""Embedding rows with int4 (per group) or int8 (per row) weights, as torchao has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchao.quantization import IntxUnpackedToInt8Tensor, quantize_
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.quant_api import IntxWeightOnlyConfig

from qwen3_tts.export.quantize.linears import fitting_group
from qwen3_tts.export.quantize.rounding import group_scales

INT4 = torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it


def quantize_embedding(embedding: nn.Module, choice: str, group_size: int) -> None:
    """Quantize the rows of every nn.Embedding in `embedding` (the module itself counts), int4 in such groups."""
    if choice == "none":
        return
    for layer in embedding.modules():
        if isinstance(layer, nn.Embedding):
            _quantize_rows(layer, _config(choice, layer.embedding_dim, group_size))


def _config(choice: str, width: int, group_size: int) -> IntxWeightOnlyConfig:
    """Raises ValueError when rows of this width cannot be cut into groups."""
    if choice != "4w":
        return IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0))
    size = fitting_group(width, group_size)
    if size is None:
        raise ValueError(
            f"embedding rows of {width} numbers cannot be cut into groups of 32; leave them in 8 bits (8w)"
        )
    return IntxWeightOnlyConfig(weight_dtype=INT4, granularity=PerGroup(size))


def _quantize_rows(layer: nn.Embedding, config: IntxWeightOnlyConfig) -> None:
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
        custom_scale=group_scales(weight, 4, plain.block_size[1]),
        custom_zero_point=plain.zero_point,
    )
    layer.weight = nn.Parameter(searched, requires_grad=False)

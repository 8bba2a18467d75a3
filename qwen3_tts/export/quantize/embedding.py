"""Embedding rows with int4 (per group) or int8 (per row) weights, as torchao has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchao.quantization import IntxUnpackedToInt8Tensor, quantize_
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.quant_api import IntxWeightOnlyConfig

from qwen3_tts.export.quantize.linears import group_scales

GROUP_SIZE = 32
INT4 = torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it


def quantize_embedding(embedding: nn.Module, choice: str) -> None:
    """Quantize the rows of every nn.Embedding in `embedding` (the module itself counts)."""
    if choice == "none":
        return
    config = (
        IntxWeightOnlyConfig(weight_dtype=INT4, granularity=PerGroup(GROUP_SIZE))
        if choice == "4w"
        else IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0))
    )
    for layer in embedding.modules():
        if isinstance(layer, nn.Embedding):
            _quantize_rows(layer, config)


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

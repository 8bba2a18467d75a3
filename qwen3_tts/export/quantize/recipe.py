"""Quantization as data: which stage gets which weights, and what does it.

8da4w / 8da5w / 8da6w / 8da8w: linear layers with weights of 4 to 8 bits, and activations quantized to int8 while
running; groups of a row share a scale (stages/linear.py). 4w: linear layers for a GPU, int4 (cuda/linear.py). int8:
the codec decoder's convolutions with int8 or wider weights and signals (quantize/codec.py). 4w / 8w of embeddings: rows
with int4 (per group) / int8 (per row) weights. fp16: the talker's keys and values in half of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torchao.quantization import IntxUnpackedToInt8Tensor, quantize_
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig, IntxWeightOnlyConfig

from qwen3_tts.export.stages.linear import group_scales, quantize_linears

LINEAR_BITS = {"8da4w": 4, "8da5w": 5, "8da6w": 6, "8da8w": 8}
LINEAR_CHOICES = ("none", *LINEAR_BITS, "4w")
CONVOLUTION_CHOICES = ("none", "int8")
EMBEDDING_CHOICES = ("none", "4w", "8w")
KV_CACHE_DTYPES = {"none": torch.float32, "fp16": torch.float16}
EMBEDDING_GROUP_SIZE = 32
INT4 = torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it


@dataclass(frozen=True)
class Recipe:
    """One choice a stage; `group_size`: weights of linear layers that share a scale."""

    talker: str = "none"
    code_predictor: str = "none"
    heads: str = "none"  # the talker's head and the code predictor's heads
    codec: str = "none"  # the codec decoder's linear layers
    codec_convolutions: str = "none"
    text_embedding: str = "none"
    codec_embedding: str = "none"
    kv_cache: str = "none"  # the talker's keys and values
    group_size: int = 32


def code_predictor_choice(qlinear: str) -> str:
    """What --qlinear means for the code predictor: its codes suffer most from int4."""
    return {"8da4w": "8da6w", "4w": "none"}.get(qlinear, qlinear)


def heads_choice(qlinear: str) -> str:
    """What --qlinear means for the heads, which are small and choose the codes."""
    return "none" if qlinear in ("none", "4w") else "8da8w"


def codec_embedding_choice(qembedding: str) -> str:
    """What --qembedding means for code rows: sixteen are summed for a frame, so they stay at 8 bits."""
    return "none" if qembedding == "none" else "8w"


FLOAT = Recipe()  # nothing quantized: exact to the reference
_QUALITY = Recipe("8da8w", "8da8w", "8da8w", text_embedding="8w", codec_embedding="8w", kv_cache="fp16")
_BALANCED = replace(_QUALITY, talker="8da4w", code_predictor="8da6w", text_embedding="4w")
RECIPES = {
    "exact": FLOAT,
    "quality": _QUALITY,
    "balanced": _BALANCED,
    "small": replace(_BALANCED, code_predictor="8da5w", codec_convolutions="int8"),
}


def quantize_stage(stage: nn.Module, choice: str, group_size: int, part: str = "") -> None:
    """Quantize the linear layers of a stage, or of its part; raises ValueError for a layer that cannot be."""
    if choice != "none":
        quantize_linears(stage, LINEAR_BITS[choice], group_size, part)


def quantize_for_xnnpack(module: nn.Module, choice: str) -> None:
    """Quantize every nn.Linear below `module` for any ExecuTorch runtime: "none" or "8da8w", with a scale a row."""
    if choice == "8da8w":
        quantize_(module, Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int8, weight_granularity=PerAxis(0)))


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

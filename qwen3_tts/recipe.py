"""Quantization as data: which stage gets which weights, and what of qwen3_tts/export does it.

8da4w / 8da5w / 8da6w / 8da8w: linear layers with weights of 4 to 8 bits, and activations quantized to int8 while
running; groups of a row share a scale (quantize/linears.py). xnnpack-8da4w / xnnpack-8da8w: the same by XNNPACK's
own kernels (quantize/xnnpack_linear.py). 4w: linear layers for a GPU, int4 (cuda/linear.py). int8:
the codec decoder's convolutions with int8 or wider weights and signals (quantize/codec.py). 4w / 8w of embeddings: rows
with int4 (per group) / int8 (per row) weights (quantize/embedding.py). fp16: the talker's keys and values in half of
the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LINEAR_BITS = {"8da4w": 4, "8da5w": 5, "8da6w": 6, "8da8w": 8}
XNNPACK_BITS = {"xnnpack-8da4w": 4, "xnnpack-8da8w": 8}  # all that it has
LINEAR_CHOICES = ("none", *LINEAR_BITS, *XNNPACK_BITS, "4w")
CONVOLUTION_CHOICES = ("none", "int8")
EMBEDDING_CHOICES = ("none", "4w", "8w")
INT4_GROUP_SIZE = 32  # of 4w in linear layers: what the mat-vec kernel of ExecuTorch's CUDA backend reads
MAX_GPU_BATCH = 32  # utterances that a program for a GPU speaks at once, as it is exported
GPU_DTYPES = {"fp32": "float32", "bf16": "bfloat16"}  # torch's names, as those below
KV_CACHE_DTYPES = {"none": "float32", "fp16": "float16"}


@dataclass(frozen=True)
class Recipe:
    """One choice a stage; `group_size`: weights of linear layers, and of int4 embedding rows, that share a scale.

    A layer that cannot be cut into such groups takes half of that, or a quarter, ..., down to 32.
    """

    talker: str = "none"
    code_predictor: str = "none"
    heads: str = "none"  # the talker's head and the code predictor's heads
    codec: str = "none"  # the codec decoder's linear layers
    codec_convolutions: str = "none"
    text_embedding: str = "none"
    codec_embedding: str = "none"
    kv_cache: str = "none"  # the talker's keys and values
    group_size: int = 32


def calibrates(recipe: Recipe) -> bool:
    """Whether --calibrate changes anything: linear layers in talker or code predictor are quantized."""
    return {recipe.talker, recipe.code_predictor, recipe.heads} != {"none"}


def code_predictor_choice(qlinear: str) -> str:
    """What --qlinear means for the code predictor: its codes suffer most from int4."""
    return {"8da4w": "8da6w", "xnnpack-8da4w": "xnnpack-8da8w", "4w": "none"}.get(qlinear, qlinear)


def heads_choice(qlinear: str) -> str:
    """What --qlinear means for the heads, which are small and choose the codes."""
    if qlinear in XNNPACK_BITS:
        return "xnnpack-8da8w"
    return "none" if qlinear in ("none", "4w") else "8da8w"


def codec_embedding_choice(qembedding: str) -> str:
    """What --qembedding means for code rows: sixteen are summed for a frame, so they stay at 8 bits."""
    return "none" if qembedding == "none" else "8w"


FLOAT = Recipe()  # nothing quantized: exact to the reference
_QUALITY = Recipe("8da8w", "8da8w", "8da8w", text_embedding="8w", codec_embedding="8w", kv_cache="fp16")
_BALANCED = replace(_QUALITY, talker="8da4w", code_predictor="8da6w", text_embedding="4w")
_SMALL = replace(_BALANCED, code_predictor="8da5w", codec_convolutions="int8")
RECIPES = {
    "exact": FLOAT,
    "quality": _QUALITY,
    "balanced": _BALANCED,
    "small": _SMALL,
    "phone": replace(_SMALL, heads="8da6w", codec_embedding="4w", group_size=64),
    "xnnpack-8da4w": replace(_BALANCED, talker="xnnpack-8da4w", code_predictor="xnnpack-8da8w", heads="xnnpack-8da8w"),
}

"""The one place that turns the stages of a checkpoint into those for the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda.attention import (
    CachedAttention,
    CachePlaces,
    attention_of_the_backend,
    masked_attention,
    plain_attention,
)
from qwen3_tts.export.cuda.convolution import ColumnConv
from qwen3_tts.export.cuda.linear import Int4Linear, MeanNorm, NarrowEmbedding, NarrowLinear, fits_int4
from qwen3_tts.export.cuda.sampling import draw as plain_draw
from qwen3_tts.export.cuda.stacks import CodecStack, PlainMLP, PredictorStack, TalkerStack
from qwen3_tts.export.stages.codec_decoder import CausalConv, CodecDecoder
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.recipe import Recipe

CHUNK_FRAMES = 4  # of `decode_chunk`, which costs little more than the one frame of `decode_audio`
Draw = Callable[[Tensor, Tensor, int, Tensor, Tensor, int, "Tensor | None"], tuple[Tensor, Tensor, Tensor]]
Leaf = TypeVar("Leaf", bound=nn.Module)


@dataclass(frozen=True)
class Flavour:
    """What a GPU's stages compute with. The codec decoder stays in fp32."""

    dtype: torch.dtype = torch.float32  # of the talker's and code predictor's products and of embedding rows
    kv_dtype: torch.dtype = torch.bfloat16  # of their attention; in fp32 it is plain PyTorch, which a CPU can run
    kernels: bool = False  # whether rows of a frame go through the project's own kernels (cuda/kernels/)


@dataclass
class Stages:
    """All stages of a checkpoint, for the GPU. Their state is in them, of an utterance in each of `batch` slots."""

    config: ModelConfig
    batch: int
    text_embedding: nn.Module
    codec_embedding: nn.Module
    talker: TalkerStack
    code_predictor: PredictorStack
    codec: CodecDecoder
    draw: Draw = plain_draw
    settle: Callable[[Tensor], Tensor] = field(default_factory=nn.Identity)  # what many kernels read
    skipped: list[str] = field(default_factory=list)  # layers that were to be int4 and do not fit


@torch.no_grad()
def load_stages(checkpoint: Checkpoint, recipe: Recipe, flavour: Flavour, max_seq_len: int, batch: int = 1) -> Stages:
    """The stages of a checkpoint. Talker, code predictor and heads may be "4w"; the rest is not quantized."""
    config = checkpoint.config
    attend = attention_of_the_backend() if flavour.kv_dtype == torch.bfloat16 else masked_attention
    positions = CachePlaces(config.talker, max_seq_len, MAX_ROWS, MAX_ROWS, batch)
    groups = CachePlaces(config.code_predictor, config.num_code_groups, 2, batch=batch)
    stages = Stages(
        config,
        batch,
        NarrowEmbedding(checkpoint.text_embedding(), flavour.dtype),
        NarrowEmbedding(checkpoint.codec_embedding(), flavour.dtype),
        TalkerStack(checkpoint.talker(), positions, flavour.kv_dtype, attend),
        PredictorStack(checkpoint.code_predictor(), groups, flavour.kv_dtype, attend),
        checkpoint.codec_decoder(),
    )
    _convert_linears(stages, recipe, flavour)
    _convert_codec(stages.codec, batch)
    if flavour.kernels:
        _use_kernels(stages)
    return stages


def _convert_linears(stages: Stages, recipe: Recipe, flavour: Flavour) -> None:
    """Of talker and code predictor, and the norms that go with them."""
    for name, linear in named_linears(stages):
        stage, path = name.split(".", 1)
        if choice_of(recipe, name) != "4w":
            replacement: nn.Module = NarrowLinear(linear, flavour.dtype)
        elif fits_int4(linear):
            replacement = Int4Linear(linear)
        else:
            replacement = NarrowLinear(linear, flavour.dtype)
            stages.skipped.append(name)
        getattr(stages, stage).set_submodule(path, replacement)
    _replace(stages.talker, RMSNorm, MeanNorm)
    _replace(stages.code_predictor, RMSNorm, MeanNorm)


def named_linears(stages: Stages) -> Iterator[tuple[str, Linear]]:
    """The talker's and code predictor's, by their fully qualified names."""
    for stage in ("talker", "code_predictor"):
        for path, module in list(getattr(stages, stage).named_modules()):
            if isinstance(module, Linear):
                yield f"{stage}.{path}", module


def choice_of(recipe: Recipe, name: str) -> str:
    """What `recipe` says about the linear layer called `name`."""
    stage, part = name.split(".")[:2]
    if part in ("head", "heads"):
        return recipe.heads
    return recipe.talker if stage == "talker" else recipe.code_predictor


def _use_kernels(stages: Stages) -> None:
    from qwen3_tts.export.cuda import row_layers  # needs Triton

    for stage in (stages.talker, stages.code_predictor):
        _replace(stage, NarrowLinear, row_layers.RowLinear)
        _replace(stage, CachedAttention, row_layers.RowAttention)
        _replace(stage, PlainMLP, row_layers.RowMLP)
    stages.draw, stages.settle = row_layers.draw, row_layers.settle


def _convert_codec(codec: CodecDecoder, batch: int) -> None:
    """Its attention is in fp32: the window is too short for a kernel to matter, and bfloat16 would be heard."""
    config = codec.config.transformer
    places = CachePlaces(config, config.window, CHUNK_FRAMES, batch=batch)
    codec.set_submodule("transformer", CodecStack(codec.transformer, places, torch.float32, plain_attention))
    _replace(codec, RMSNorm, MeanNorm)
    _replace(codec, CausalConv, lambda conv: ColumnConv(conv, batch))


def _replace(root: nn.Module, kind: type[Leaf], make: Callable[[Leaf], nn.Module]) -> None:
    for path, module in list(root.named_modules()):
        if isinstance(module, kind):
            root.set_submodule(path, make(module))

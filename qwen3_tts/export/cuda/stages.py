"""The one place that turns the stages of a checkpoint into those for the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import nn

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda.attention import CachedAttention, CachePlaces, PlainMLP, fused_attention, plain_attention
from qwen3_tts.export.cuda.convolution import ColumnConv
from qwen3_tts.export.cuda.linear import Int4Linear, MeanNorm, NarrowEmbedding, NarrowLinear, fits_int4
from qwen3_tts.export.stages.codec_decoder import CausalConv, CodecDecoder
from qwen3_tts.export.stages.layers import MLP, Attention, DecoderStack
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.recipe import Recipe

DECODE_FRAMES = 1  # static, so that a CUDA graph covers the call; a frame is a millisecond of GPU
Leaf = TypeVar("Leaf", bound=nn.Module)


@dataclass(frozen=True)
class Flavour:
    """What a GPU's stages compute with. The codec decoder stays in fp32."""

    dtype: torch.dtype = torch.float32  # of the talker's and code predictor's products and of embedding rows
    kv_dtype: torch.dtype = torch.bfloat16  # of their attention; the Triton kernel takes nothing else


@dataclass
class Stages:
    """All stages of a checkpoint, for the GPU. Their state is in them: one utterance at a time."""

    config: ModelConfig
    text_embedding: nn.Module
    codec_embedding: nn.Module
    talker: DecoderStack
    code_predictor: DecoderStack
    codec: CodecDecoder
    skipped: list[str] = field(default_factory=list)  # layers that were to be int4 and do not fit


def load_stages(checkpoint: Checkpoint, recipe: Recipe, flavour: Flavour, max_seq_len: int) -> Stages:
    """The stages of a checkpoint. Talker, code predictor and heads may be "4w"; the rest is not quantized."""
    stages = Stages(
        checkpoint.config,
        checkpoint.text_embedding(),
        checkpoint.codec_embedding(),
        checkpoint.talker(),
        checkpoint.code_predictor(),
        checkpoint.codec_decoder(),
    )
    to_cuda(stages, recipe, flavour, max_seq_len)
    return stages


@torch.no_grad()
def to_cuda(stages: Stages, recipe: Recipe, flavour: Flavour, max_seq_len: int) -> None:
    """Replace every leaf that is a CPU's. The modules above them stay what they are."""
    groups = stages.config.num_code_groups
    _convert_stack(stages.talker, CachePlaces(stages.talker.config, max_seq_len, MAX_ROWS, MAX_ROWS), flavour)
    _convert_stack(stages.code_predictor, CachePlaces(stages.code_predictor.config, groups, 2), flavour)
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
    stages.text_embedding = NarrowEmbedding(_embedding(stages.text_embedding), flavour.dtype)
    stages.codec_embedding = NarrowEmbedding(_embedding(stages.codec_embedding), flavour.dtype)
    _convert_codec(stages.codec)


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


def _embedding(module: nn.Module) -> nn.Embedding:
    assert isinstance(module, nn.Embedding)
    return module


def _convert_stack(stack: DecoderStack, places: CachePlaces, flavour: Flavour) -> None:
    _replace(stack, Attention, lambda old: CachedAttention(old, places.size, flavour.kv_dtype, fused_attention))
    _replace(stack, MLP, PlainMLP)
    _replace(stack, RMSNorm, MeanNorm)
    stack.set_submodule("rope", places)


def _convert_codec(codec: CodecDecoder) -> None:
    """Its attention is in fp32: the window is too short for a kernel to matter, and bfloat16 would be heard."""
    config = codec.config.transformer
    places = CachePlaces(config, config.window, DECODE_FRAMES)
    _replace(codec, Attention, lambda old: CachedAttention(old, places.size, torch.float32, plain_attention))
    _replace(codec, MLP, PlainMLP)
    _replace(codec, RMSNorm, MeanNorm)
    _replace(codec, CausalConv, ColumnConv)
    codec.transformer.set_submodule("rope", places)


def _replace(root: nn.Module, kind: type[Leaf], make: Callable[[Leaf], nn.Module]) -> None:
    for path, module in list(root.named_modules()):
        if isinstance(module, kind):
            root.set_submodule(path, make(module))

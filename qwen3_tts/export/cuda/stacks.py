"""Talker, code predictor and the codec's transformer as a GPU runs them: what they compute is that of stages/, their
caches are their own. They keep the names of their parts, which name their tensors in a program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from qwen3_tts.export import ops
from qwen3_tts.export.cuda.attention import Attend, CachedAttention, CachePlaces, Places
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecTransformer
from qwen3_tts.export.stages.layers import MLP, DecoderLayer, DecoderStack
from qwen3_tts.export.stages.talker import Talker


class PlainMLP(nn.Module):
    """An MLP without the operator qwen3_tts::swiglu."""

    def __init__(self, mlp: MLP):
        super().__init__()
        self.norm, self.gate_up_proj, self.down_proj = mlp.norm, mlp.gate_up_proj, mlp.down_proj

    def forward(self, x: Tensor) -> Tensor:
        """x + the gated MLP of norm(x), [S, hidden]."""
        gated = ops.swiglu(self.gate_up_proj(x, norm=self.norm))
        return self.down_proj(gated, residual=x)


class Layer(nn.Module):
    def __init__(self, layer: DecoderLayer, slots: int, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.attention = CachedAttention(layer.attention, slots, kv_dtype, attend)
        self.mlp = PlainMLP(layer.mlp)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        return self.mlp(self.attention(x, places))


class Stack(nn.Module):
    """All layers, with keys and values in `kv_dtype`."""

    def __init__(self, stack: DecoderStack, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.rope = places
        layers: Iterable[Any] = stack.layers
        self.layers = nn.ModuleList(Layer(layer, places.size, kv_dtype, attend) for layer in layers)

    def through_layers(self, x: Tensor, position: Tensor | None, offset: int = 0) -> Tensor:
        """x [S, hidden]; position and offset as CachePlaces takes them."""
        places = self.rope(x, position, offset)
        for layer in self.layers:
            x = layer(x, places)
        return x


class TalkerStack(Stack):
    def __init__(self, talker: Talker, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(talker, places, kv_dtype, attend)
        self.norm, self.head = talker.norm, talker.head

    def forward(self, rows: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [1, V] and hidden [1, H], after the final norm, of the last of rows [S, H]."""
        hidden = self.norm(self.through_layers(rows, position)[-1:])
        return self.head(hidden), hidden


class PredictorStack(Stack):
    def __init__(self, predictor: CodePredictor, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(predictor, places, kv_dtype, attend)
        self.projection, self.norm, self.heads = predictor.projection, predictor.norm, predictor.heads

    def forward(self, rows: Tensor, position: Tensor | None, offset: int = 0) -> Tensor:
        """Hidden [1, Hcp], before the final norm, of the last of rows [S, H]."""
        return self.through_layers(self.projection(rows), position, offset)[-1:]

    def logits(self, group: int, hidden: Tensor) -> Tensor:
        """Of code `group`, [1, Vc], from hidden [1, Hcp]."""
        logits: Tensor = self.heads[group - 1](hidden, norm=self.norm)
        return logits


class CodecStack(Stack):
    def __init__(self, transformer: CodecTransformer, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(transformer, places, kv_dtype, attend)
        self.input_proj, self.norm, self.output_proj = transformer.input_proj, transformer.norm, transformer.output_proj

    def forward(self, x: Tensor, position: Tensor, *_of_cpu: None) -> Tensor:
        """[T, latent] -> [T, latent]. The codec decoder passes what a CPU's stack needs besides."""
        hidden: Tensor = self.norm(self.through_layers(self.input_proj(x), position))
        return self.output_proj(hidden)

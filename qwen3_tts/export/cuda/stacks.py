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
    def __init__(self, layer: DecoderLayer, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.attention = CachedAttention(layer.attention, places, kv_dtype, attend)
        self.mlp = PlainMLP(layer.mlp)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        return self.mlp(self.attention(x, places))


class Stack(nn.Module):
    """All layers, with keys and values in `kv_dtype`, of as many utterances as `places` has slots.

    Rows, positions, offset, slot and utterances are as CachePlaces takes them.
    """

    def __init__(self, stack: DecoderStack, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__()
        self.rope = places
        layers: Iterable[Any] = stack.layers
        self.layers = nn.ModuleList(Layer(layer, places, kv_dtype, attend) for layer in layers)

    def through_layers(
        self, x: Tensor, positions: Tensor | None, offset: int = 0, slot: Tensor | None = None, utterances: int = 1
    ) -> Tensor:
        """[S, hidden] -> [S, hidden]."""
        places = self.rope(x, positions, offset, slot, utterances)
        for layer in self.layers:
            x = layer(x, places)
        return x


class TalkerStack(Stack):
    def __init__(self, talker: Talker, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(talker, places, kv_dtype, attend)
        self.norm, self.head = talker.norm, talker.head

    def forward(
        self, rows: Tensor, positions: Tensor, slot: Tensor | None = None, utterances: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Logits [B, V] and hidden [B, H], after the final norm, of the last of each utterance's rows [S, H]."""
        hidden = self.norm(self.through_layers(rows, positions, 0, slot, utterances)[-utterances:])
        return self.head(hidden), hidden


class PredictorStack(Stack):
    def __init__(self, predictor: CodePredictor, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(predictor, places, kv_dtype, attend)
        self.projection, self.norm, self.heads = predictor.projection, predictor.norm, predictor.heads

    def forward(self, rows: Tensor, positions: Tensor | None, offset: int = 0, utterances: int = 1) -> Tensor:
        """Hidden [B, Hcp], before the final norm, of the last of each utterance's rows [S, H].

        Keys and values are those of a frame, so utterance i may have slot i, whichever is its own elsewhere.
        """
        return self.through_layers(self.projection(rows), positions, offset, None, utterances)[-utterances:]

    def logits(self, group: int, hidden: Tensor) -> Tensor:
        """Of code `group`, [B, Vc], from hidden [B, Hcp]."""
        logits: Tensor = self.heads[group - 1](hidden, norm=self.norm)
        return logits


class CodecStack(Stack):
    def __init__(self, transformer: CodecTransformer, places: CachePlaces, kv_dtype: torch.dtype, attend: Attend):
        super().__init__(transformer, places, kv_dtype, attend)
        self.input_proj, self.norm, self.output_proj = transformer.input_proj, transformer.norm, transformer.output_proj

    def forward(self, x: Tensor, positions: Tensor, slot: Tensor) -> Tensor:
        """[T, latent] -> [T, latent]. The codec decoder passes the slot where a CPU's stack takes keys and values."""
        hidden: Tensor = self.norm(self.through_layers(self.input_proj(x), positions, 0, slot))
        return self.output_proj(hidden)

"""The talker: prompt rows in, the next code 0 out (Qwen3 decoder; qwen-tts Qwen3TTSTalkerForConditionalGeneration)."""

from __future__ import annotations

import torch
from torch import Tensor

from qwen3_tts.config import ModelConfig
from qwen3_tts.export.stages.layers import DecoderStack
from qwen3_tts.export.stages.linear import Linear, RMSNorm


class Talker(DecoderStack):
    def __init__(self, config: ModelConfig):
        super().__init__(config.talker)
        self.norm = RMSNorm(config.talker.hidden_size, config.talker.rms_norm_eps)
        self.head = Linear(config.talker.hidden_size, config.talker_vocab_size, bias=False)

    def forward(  # type: ignore[override]  # a stack with a head answers more than a stack
        self, rows: Tensor, positions: Tensor, slots: Tensor | None, outputs: Tensor, kv: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [M, V] and hidden [M, H] (after the final norm) of the rows that outputs [M] names.

        rows [S, H], positions and slots [S], kv as empty_kv() makes it (written).
        """
        return self.answer(torch.index_select(super().forward(rows, positions, slots, kv), 0, outputs))

    def answer(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [M, V] and hidden [M, H] of rows [M, H] that went through all layers."""
        hidden = self.norm(state)
        return self.head(hidden), hidden

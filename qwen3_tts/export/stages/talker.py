"""The talker: prompt rows in, the next code 0 out (Qwen3 decoder; qwen-tts Qwen3TTSTalkerForConditionalGeneration)."""

from __future__ import annotations

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
        self, rows: Tensor, position: Tensor, kv: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [1, V] and hidden [1, H] (after the final norm) of the last row.

        rows [S, H], position [1] of the first row, kv as empty_kv() makes it (written).
        """
        hidden = self.norm(super().forward(rows, position, kv)[-1:])
        return self.head(hidden), hidden

"""The code predictor: codes 1…G-1 of a frame from the talker's hidden state and code 0.

Mirrors qwen-tts Qwen3TTSTalkerCodePredictorModelForConditionalGeneration: position 0 is the talker's hidden state,
position 1 the embedding of code 0, position g + 1 the embedding of code g; head g - 1 reads code g's logits. Its
embeddings live at the talker's width and go through a projection when the code predictor is narrower (1.7B).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from qwen3_tts.config import ModelConfig
from qwen3_tts.export.stages.layers import DecoderStack
from qwen3_tts.export.stages.linear import Linear, RMSNorm


class CodePredictor(DecoderStack):
    def __init__(self, config: ModelConfig):
        predictor = config.code_predictor
        super().__init__(predictor)
        self.projection = (
            Linear(config.talker.hidden_size, predictor.hidden_size) if config.has_projection else nn.Identity()
        )
        self.norm = RMSNorm(predictor.hidden_size, predictor.rms_norm_eps)
        self.heads = nn.ModuleList(
            Linear(predictor.hidden_size, config.code_vocab_size, bias=False) for _ in range(config.num_code_groups - 1)
        )

    def forward(self, rows: Tensor, position: Tensor, kv: Tensor) -> Tensor:
        """Hidden [1, Hcp] (before the final norm) of the last row. rows [S, H], position [1], kv (written)."""
        return super().forward(self.projection(rows), position, kv)[-1:]

    def logits(self, group: int, hidden: Tensor) -> Tensor:
        """Of code `group`, [1, Vc], from hidden [1, Hcp]."""
        logits: Tensor = self.heads[group - 1](hidden, norm=self.norm)
        return logits


class CodePredictorHeads(nn.Module):
    """Logits of every group, [G - 1, Vc], from one hidden [1, Hcp]: the stepwise path's `cp_head`."""

    def __init__(self, code_predictor: CodePredictor):
        super().__init__()
        self.code_predictor = code_predictor

    def forward(self, hidden: Tensor) -> Tensor:
        predictor = self.code_predictor
        return torch.cat([predictor.logits(group + 1, hidden) for group in range(len(predictor.heads))])


class FusedCodePredictor(nn.Module):
    """The whole frame in one graph: the loop over groups, unrolled.

    `sample` draws a code as the operator qwen3_tts::sample does, which it is unless another one is given.
    """

    def __init__(
        self,
        code_predictor: CodePredictor,
        codec_embedding: nn.Embedding,
        config: ModelConfig,
        sample: Callable[[Tensor, Tensor, int, Tensor], Tensor] = torch.ops.qwen3_tts.sample,
    ):
        super().__init__()
        self.code_predictor, self.codec_embedding, self.sample = code_predictor, codec_embedding, sample
        self.group_offsets = config.group_offsets

    def forward(
        self, hidden: Tensor, code0: Tensor, uniforms: Tensor, sampling: Tensor, kv: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All codes of the frame [G] int64 (code 0 first) and the sum of their embeddings [1, H].

        hidden [1, H] and code0 [1] from the talker, uniforms [G - 1] in [0, 1), sampling = {temperature, top_k,
        top_p}, kv [layers, 2, KVH, G, D] is scratch. The embeddings are added in the order of the groups, in fp32, as
        the stepwise path does.
        """
        row = self.codec_embedding(code0)
        codes, total = [code0], row
        rows = torch.cat([hidden, row])  # positions 0 and 1 in one pass
        position = 0
        for group in range(1, len(self.group_offsets)):
            start = torch.full((1,), position, dtype=torch.int64, device=hidden.device)
            logits = self.code_predictor.logits(group, self.code_predictor(rows, start, kv))
            code = self.sample(logits, uniforms, group - 1, sampling)
            rows = self.codec_embedding(code + self.group_offsets[group])
            codes.append(code)
            total = total + rows
            position = group + 1
        return torch.cat(codes), total

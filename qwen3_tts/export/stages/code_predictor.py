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

    def forward(self, rows: Tensor, positions: Tensor, slots: Tensor | None, kv: Tensor) -> Tensor:
        """Hidden [S, Hcp] (before the final norm) of rows [S, H]; positions and slots [S], kv (written)."""
        return super().forward(self.projection(rows), positions, slots, kv)

    def logits(self, group: int, hidden: Tensor) -> Tensor:
        """Of code `group`, [B, Vc], from hidden [B, Hcp]."""
        logits: Tensor = self.heads[group - 1](hidden, norm=self.norm)
        return logits


class CodePredictorStep(nn.Module):
    """Hidden of some rows alone: the stepwise path's `code_predictor`."""

    def __init__(self, code_predictor: CodePredictor):
        super().__init__()
        self.code_predictor = code_predictor

    def forward(self, rows: Tensor, positions: Tensor, slots: Tensor, outputs: Tensor, kv: Tensor) -> Tensor:
        """[M, Hcp] of the rows that outputs [M] names; else as CodePredictor."""
        return torch.index_select(self.code_predictor(rows, positions, slots, kv), 0, outputs)


class CodePredictorHeads(nn.Module):
    """Logits of every group, [B, G - 1, Vc], from hidden [B, Hcp]: the stepwise path's `cp_head`."""

    def __init__(self, code_predictor: CodePredictor):
        super().__init__()
        self.code_predictor = code_predictor

    def forward(self, hidden: Tensor) -> Tensor:
        predictor = self.code_predictor
        return torch.stack([predictor.logits(group + 1, hidden) for group in range(len(predictor.heads))], dim=1)


class FusedCodePredictor(nn.Module):
    """Whole frames of B utterances in one graph: the loop over groups, unrolled.

    `sample` draws codes as the operator qwen3_tts::sample does, which it is unless another one is given.
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
        self, hidden: Tensor, code0: Tensor, uniforms: Tensor, sampling: Tensor, slots: Tensor | None, kv: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All codes of the frames [B, G] int64 (code 0 first) and the sums of their embeddings [B, H].

        hidden [B, H] and code0 [B] from the talker, uniforms [B, G - 1] in [0, 1), sampling [B, 3] = {temperature,
        top_k, top_p}, slots [B], all different; kv [N, layers, 2, KVH, G, D] is scratch. A code is -1 where there was
        nothing to draw from: the row is then without meaning, and no other one. The embeddings are added in the order
        of the groups, in fp32, as the stepwise path does.
        """
        num_rows = hidden.shape[0]
        row = self.codec_embedding(code0)
        codes, total = [code0], row
        rows = torch.cat([hidden, row])  # positions 0 and 1 in one pass
        positions = torch.cat([torch.zeros_like(code0), torch.ones_like(code0)])
        places = None if slots is None else torch.cat([slots, slots])
        for group in range(1, len(self.group_offsets)):
            state = self.code_predictor(rows, positions, places, kv)
            logits = self.code_predictor.logits(group, state[num_rows:] if group == 1 else state)
            code = self.sample(logits, uniforms, group - 1, sampling)
            rows = self.codec_embedding(code + self.group_offsets[group])
            codes.append(code)
            total = total + rows
            positions, places = torch.full_like(code0, group + 1), slots
        return torch.stack(codes, dim=1), total

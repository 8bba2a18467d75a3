"""The methods of a `model.pte` for a GPU (export/methods.py has their signatures).

State is in the stages, under names that all methods share: `talker`, `code_predictor` and `codec` hold caches, `last`
the newest logits and hidden state of the talker, which `frame` reads and writes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.cuda.sampling import process_talker_logits, sample
from qwen3_tts.export.cuda.stages import DECODE_FRAMES, Stages
from qwen3_tts.export.methods import Method
from qwen3_tts.export.stages.code_predictor import CodePredictorHeads, FusedCodePredictor

_NO_STATE = None  # in place of the CPU's caches


class LastStep(nn.Module):
    """What the talker said last: logits [1, V] and hidden [1, H], fp32."""

    logits: Tensor
    hidden: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.register_buffer("logits", torch.zeros(1, config.talker_vocab_size))
        self.register_buffer("hidden", torch.zeros(1, config.talker.hidden_size))

    def keep(self, logits: Tensor, hidden: Tensor) -> None:
        """Written by index, so that the graph also reads the buffers and the delegate owns them."""
        row = torch.zeros(1, dtype=torch.int64, device=logits.device)
        self.logits.index_copy_(0, row, logits)
        self.hidden.index_copy_(0, row, hidden)


class TextRows(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.text_embedding = stages.text_embedding

    def forward(self, ids: Tensor) -> Tensor:
        rows: Tensor = self.text_embedding(ids)
        return rows


class CodeRows(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.codec_embedding = stages.codec_embedding

    def forward(self, ids: Tensor) -> Tensor:
        rows: Tensor = self.codec_embedding(ids)
        return rows


class TalkerStep(nn.Module):
    def __init__(self, stages: Stages, last: LastStep):
        super().__init__()
        self.talker, self.last = stages.talker, last

    def forward(self, rows: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """rows [S, H]; position [1] of the first, or [S] with -1 for rows that are padding."""
        logits, hidden = self.talker(rows, position, _NO_STATE)
        self.last.keep(logits, hidden)
        return logits, hidden


class TalkerPrefill(TalkerStep):
    def forward(self, rows: Tensor, position: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Of rows [MAX_ROWS, H] the last `count` [1] are read, the first of them at `position` [1], not the padding."""
        row = torch.arange(rows.shape[0], device=rows.device) - (rows.shape[0] - count)
        return super().forward(rows, torch.where(row < 0, -1, position + row))


class CodePredictorStep(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.code_predictor = stages.code_predictor

    def forward(self, row: Tensor, position: Tensor) -> Tensor:
        hidden: Tensor = self.code_predictor(row, position, _NO_STATE)
        return hidden


class GenerateCodes(FusedCodePredictor):
    def __init__(self, stages: Stages):
        super().__init__(stages.code_predictor, stages.codec_embedding, stages.config, sample)  # type: ignore[arg-type]

    def forward(  # type: ignore[override]  # keys and values are its own
        self, hidden: Tensor, code0: Tensor, uniforms: Tensor, sampling: Tensor
    ) -> tuple[Tensor, Tensor]:
        return super().forward(hidden, code0, uniforms, sampling, _NO_STATE)  # type: ignore[arg-type]


class Frame(GenerateCodes):
    """One frame, from the talker's last logits to its next ones."""

    def __init__(self, stages: Stages, last: LastStep):
        super().__init__(stages)
        self.talker, self.last = stages.talker, last

    def forward(  # type: ignore[override]
        self, text_row: Tensor, position: Tensor, penalty: Tensor, bans: Tensor, uniforms: Tensor, sampling: Tensor
    ) -> Tensor:
        """Codes [G]: code 0 may be the end token, and the frame is then none; NOTHING_TO_DRAW says a stage broke.

        text_row [1, H] is added to the frame's embedding and read by the talker at `position` [1]; penalty and bans [V]
        as talker_vectors() makes them; uniforms [G]; sampling = {temperature, top_k, top_p} of the talker, then of the
        code predictor.
        """
        logits = process_talker_logits(self.last.logits, penalty, bans)
        code0 = sample(logits, uniforms, 0, sampling[:3])
        codes, embedding = super().forward(self.last.hidden, code0.clamp(min=0), uniforms[1:], sampling[3:])
        self.last.keep(*self.talker(embedding + text_row, position, _NO_STATE))
        return torch.cat([code0, codes[1:]])


class DecodeAudio(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.codec = stages.codec

    def forward(self, codes: Tensor, position: Tensor) -> Tensor:
        """Samples of codes [1, G]; position [1] counts the frames of the utterance, and 0 begins a new one."""
        samples: Tensor = self.codec(codes, position, position > 0, _NO_STATE)
        return samples


def build_methods(stages: Stages) -> list[Method]:
    """The methods for a GPU, in the order of export/methods.py."""
    config = stages.config
    last = LastStep(config)
    ids, one = torch.arange(4), torch.ones(1, dtype=torch.int64)
    count = one.clone()  # one tensor given twice would be captured as one input
    hidden, vocab, groups = config.talker.hidden_size, config.talker_vocab_size, config.num_code_groups
    row = torch.randn(1, hidden)
    sampling = torch.tensor([0.9, 50.0, 1.0])
    uniforms = torch.rand(groups)
    some_ids = {0: {0: Dim("rows", min=1, max=MAX_ROWS)}}
    frame_inputs = (row, one, torch.ones(vocab), torch.zeros(vocab), uniforms, sampling.repeat(2))
    heads = CodePredictorHeads(stages.code_predictor)  # type: ignore[arg-type]
    return [
        Method("encode_text", TextRows(stages), (ids,), some_ids),
        Method("codec_embed", CodeRows(stages), (ids,), some_ids),
        Method("talker_prefill", TalkerPrefill(stages, last), (torch.randn(MAX_ROWS, hidden), one, count)),
        Method("talker", TalkerStep(stages, last), (row, one)),
        Method("frame", Frame(stages, last), frame_inputs),
        Method("cp_generate", GenerateCodes(stages), (row, one, uniforms[1:], sampling)),
        Method("code_predictor", CodePredictorStep(stages), (row, one)),
        Method("cp_head", heads, (torch.randn(1, config.code_predictor.hidden_size),)),
        Method("decode_audio", DecodeAudio(stages), (torch.zeros(DECODE_FRAMES, groups, dtype=torch.int64), one)),
    ]

"""The methods of a `model.pte` for a GPU (export/methods.py has their signatures).

State is in the stages, under names that all methods share: `talker`, `code_predictor` and `codec` hold caches, `last`
what a frame leaves for the next one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.cuda.frame_input import size_of, unpack
from qwen3_tts.export.cuda.sampling import process_talker_logits
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES, Stages
from qwen3_tts.export.methods import Method

_NO_STATE = None  # in place of the CPU's caches
_CAT = 8  # of more tensors Inductor copies every one by a kernel of its own


class LastFrame(nn.Module):
    """Of the frame before: the sum of its embeddings [1, H], and which tokens [V] were drawn before its own, fp32."""

    embedding: Tensor
    seen: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.register_buffer("embedding", torch.zeros(1, config.talker.hidden_size))
        self.register_buffer("seen", torch.zeros(config.talker_vocab_size))

    def begin(self, embedding: Tensor) -> None:
        """Of the first frame, before whose token there was none."""
        self.follow(embedding, torch.zeros_like(self.seen))

    def follow(self, embedding: Tensor, seen: Tensor) -> None:
        """Written by index, so that the graph also reads the buffers and the delegate owns them."""
        row = torch.zeros(1, dtype=torch.int64, device=embedding.device)
        self.embedding.index_copy_(0, row, embedding)
        self.seen.index_copy_(0, torch.arange(len(seen), device=seen.device), seen)


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
    def __init__(self, stages: Stages):
        super().__init__()
        self.talker = stages.talker

    def forward(self, rows: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """rows [S, H]; position [1] of the first, or [S] with -1 for rows that are padding."""
        answer: tuple[Tensor, Tensor] = self.talker(rows, position)
        return answer


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
        hidden: Tensor = self.code_predictor(row, position)
        return hidden


class CodePredictorHeads(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.code_predictor = stages.code_predictor

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of every group, [G - 1, Vc], from one hidden [1, Hcp]."""
        predictor = self.code_predictor
        return torch.cat([predictor.logits(group + 1, hidden) for group in range(len(predictor.heads))])


class WholeFrame(nn.Module):
    """Codes 1 to G - 1, the loop over groups unrolled: FusedCodePredictor of stages/ with caches of its own."""

    def __init__(self, stages: Stages, last: LastFrame):
        super().__init__()
        self.code_predictor, self.codec_embedding, self.last = stages.code_predictor, stages.codec_embedding, last
        self.group_offsets, self.draw = stages.config.group_offsets, stages.draw

    def generate(
        self, hidden: Tensor, code0: Tensor, row: Tensor, uniforms: Tensor, sampling: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All codes [G], code 0 first, and the sum of their embeddings [1, H], added in the order of the groups.

        hidden [1, H] and code0 [1] from the talker, row [1, H] the code's embedding, uniforms [G - 1], sampling
        {temperature, top_k, top_p}.
        """
        codes, total = [code0], row
        rows = torch.cat([hidden, row])  # positions 0 and 1 in one pass
        position = 0
        for group in range(1, len(self.group_offsets)):
            logits = self.code_predictor.logits(group, self.code_predictor(rows, None, position))
            code, rows, total = self.drawn(logits, uniforms, group - 1, sampling, self.group_offsets[group], total)
            codes.append(code)
            position = group + 1
        return torch.cat([torch.cat(codes[i : i + _CAT]) for i in range(0, len(codes), _CAT)]), total

    def drawn(
        self, logits: Tensor, uniforms: Tensor, index: int, sampling: Tensor, first_row: int, total: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Code, embedding and sum as draw() of sampling.py gives them."""
        table: Any = self.codec_embedding.weight
        return self.draw(logits, uniforms, index, sampling, table, first_row, total)


class GenerateCodes(WholeFrame):
    """The first frame of a piece for `frame` to go on from, and every frame where there is no `frame`."""

    def forward(self, hidden: Tensor, code0: Tensor, uniforms: Tensor, sampling: Tensor) -> tuple[Tensor, Tensor]:
        codes, embedding = self.generate(hidden, code0, self.codec_embedding(code0), uniforms, sampling)
        self.last.begin(embedding)
        return codes, embedding


class Frame(WholeFrame):
    """One frame, from the one before."""

    def __init__(self, stages: Stages, last: LastFrame):
        super().__init__(stages, last)
        self.talker, self.config, self.settle = stages.talker, stages.config, stages.settle

    def forward(self, packed: Tensor) -> Tensor:
        """Codes [G]: code 0 may be the end token, and the frame is then none; NOTHING_TO_DRAW says a stage broke."""
        config, last = self.config, self.last
        given = unpack(packed, config.talker.hidden_size, config.num_code_groups)
        position, uniforms, sampling = (
            self.settle(part) for part in (given.position.to(torch.int64), given.uniforms, given.sampling)
        )
        logits, hidden = self.talker(last.embedding + given.text_row, position)
        ids = torch.arange(len(last.seen), device=packed.device)
        seen = torch.where(ids == given.last_token.to(torch.int64), 1.0, last.seen)
        processed = process_talker_logits(
            logits,
            seen,
            given.may_end,
            given.repetition_penalty,
            code_vocab_size=config.code_vocab_size,
            eos_id=config.token_ids.codec_eos,
        )
        code0, row, _ = self.drawn(processed, uniforms, 0, sampling[:3], 0, None)
        codes, embedding = self.generate(hidden, code0, row, uniforms[1:], sampling[3:])
        last.follow(embedding, seen)
        return codes


class DecodeAudio(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.codec = stages.codec

    def forward(self, codes: Tensor, positions: Tensor) -> Tensor:
        """Samples of codes [T, G]; positions [T] count the frames of the utterance, and 0 begins a new one."""
        samples: Tensor = self.codec(codes, positions, positions[:1] > 0, _NO_STATE)
        return samples


def build_methods(stages: Stages) -> list[Method]:
    """The methods for a GPU, in the order of export/methods.py."""
    config = stages.config
    last = LastFrame(config)
    ids, one = torch.arange(4), torch.ones(1, dtype=torch.int64)
    count = one.clone()  # one tensor given twice would be captured as one input
    hidden, groups = config.talker.hidden_size, config.num_code_groups
    row = torch.randn(1, hidden)
    some_ids = {0: {0: Dim("rows", min=1, max=MAX_ROWS)}}
    generate_inputs = (row, one, torch.rand(groups - 1), torch.tensor([0.9, 50.0, 1.0]))
    decode = DecodeAudio(stages)
    return [
        Method("encode_text", TextRows(stages), (ids,), some_ids),
        Method("codec_embed", CodeRows(stages), (ids,), some_ids),
        Method("talker_prefill", TalkerPrefill(stages), (torch.randn(MAX_ROWS, hidden), one, count)),
        Method("talker", TalkerStep(stages), (row, one)),
        Method("frame", Frame(stages, last), (torch.ones(size_of(hidden, groups)),)),
        Method("cp_generate", GenerateCodes(stages, last), generate_inputs),
        Method("code_predictor", CodePredictorStep(stages), (row, one)),
        Method("cp_head", CodePredictorHeads(stages), (torch.randn(1, config.code_predictor.hidden_size),)),
        Method("decode_audio", decode, (torch.zeros(1, groups, dtype=torch.int64), one)),
        Method(
            "decode_chunk", decode, (torch.zeros(CHUNK_FRAMES, groups, dtype=torch.int64), torch.arange(CHUNK_FRAMES))
        ),
    ]

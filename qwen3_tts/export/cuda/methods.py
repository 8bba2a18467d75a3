"""The methods of a `model.pte` for a GPU (export/methods.py has their signatures).

State is in the stages, under names that all methods share: `talker`, `code_predictor` and `codec` hold caches, `last`
what a frame leaves for the next one. Each has as many slots as utterances may be spoken at once; `slot` int64 [1] says
which one a call is about, and means nothing where there is one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.cuda.convolution import Before
from qwen3_tts.export.cuda.frame_input import size_of, unpack
from qwen3_tts.export.cuda.sampling import process_talker_logits
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES, Stages
from qwen3_tts.export.methods import Method

_CAT = 8  # of more tensors Inductor copies every one by a kernel of its own


class LastFrame(nn.Module):
    """Of each slot's frame before: the sum of its embeddings [N, H], and which tokens [N, V] were drawn before its own,
    fp32."""

    embedding: Tensor
    seen: Tensor

    def __init__(self, config: ModelConfig, batch: int):
        super().__init__()
        self.register_buffer("embedding", torch.zeros(batch, config.talker.hidden_size))
        self.register_buffer("seen", torch.zeros(batch, config.talker_vocab_size))

    def begin(self, slot: Tensor, embedding: Tensor) -> None:
        """Of the first frame [1, H] in a slot, before whose token there was none."""
        self._write(slot if len(self.seen) > 1 else torch.zeros_like(slot), embedding, torch.zeros_like(self.seen[:1]))

    def follow(self, speaks: Tensor, embedding: Tensor, seen: Tensor) -> None:
        """Of all slots; what is left where nobody `speaks` [N, 1] stays."""
        if len(self.seen) > 1:
            embedding = torch.where(speaks, embedding, self.embedding)
            seen = torch.where(speaks, seen, self.seen)
        self._write(torch.arange(len(seen), device=seen.device), embedding, seen)

    def _write(self, slots: Tensor, embedding: Tensor, seen: Tensor) -> None:
        """By index, so that the graph also reads the buffers and the delegate owns them."""
        self.embedding.index_copy_(0, slots, embedding)
        self.seen.index_copy_(0, slots, seen)


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

    def forward(self, row: Tensor, position: Tensor, slot: Tensor) -> tuple[Tensor, Tensor]:
        """row [1, H] of the utterance in `slot`, at `position` [1]."""
        answer: tuple[Tensor, Tensor] = self.talker(row, position, slot)
        return answer


class TalkerPrefill(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.talker = stages.talker

    def forward(self, rows: Tensor, position: Tensor, count: Tensor, slot: Tensor) -> tuple[Tensor, Tensor]:
        """Of rows [MAX_ROWS, H] the last `count` [1] are read, the first of them at `position` [1], not the padding."""
        row = torch.arange(rows.shape[0], device=rows.device) - (rows.shape[0] - count)
        answer: tuple[Tensor, Tensor] = self.talker(rows, torch.where(row < 0, -1, position + row), slot)
        return answer


class CodePredictorStep(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.code_predictor = stages.code_predictor

    def forward(self, row: Tensor, position: Tensor) -> Tensor:
        """row [1, H] at `position` [1] of the frame, always in slot 0: the state is of no utterance."""
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
    """Codes 1 to G - 1 of B utterances, the loop over groups unrolled: FusedCodePredictor of stages/ with caches of its
    own."""

    def __init__(self, stages: Stages, last: LastFrame):
        super().__init__()
        self.code_predictor, self.codec_embedding, self.last = stages.code_predictor, stages.codec_embedding, last
        self.group_offsets, self.draw = stages.config.group_offsets, stages.draw

    def generate(
        self, hidden: Tensor, code0: Tensor, row: Tensor, uniforms: Tensor, first_uniform: int, sampling: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All codes [B, G], code 0 first, and the sums of their embeddings [B, H], added in the order of the groups.

        hidden [B, H] and code0 [B] from the talker, row [B, H] the codes' embeddings, uniforms [B, first_uniform + G -
        1], sampling {temperature, top_k, top_p} [B, 3].
        """
        codes, total = [code0], row
        rows = torch.cat([hidden, row])  # positions 0 and 1 in one pass
        position = 0
        for group in range(1, len(self.group_offsets)):
            state = self.code_predictor(rows, None, position, len(code0))
            logits = self.code_predictor.logits(group, state)
            index, first_row = first_uniform + group - 1, self.group_offsets[group]
            code, rows, total = self.drawn(logits, uniforms, index, sampling, first_row, total)
            codes.append(code)
            position = group + 1
        columns = [code[:, None] for code in codes]
        return torch.cat([torch.cat(columns[i : i + _CAT], 1) for i in range(0, len(columns), _CAT)], 1), total

    def drawn(
        self, logits: Tensor, uniforms: Tensor, index: int, sampling: Tensor, first_row: int, total: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, embeddings and sums as draw() of sampling.py gives them."""
        table: Any = self.codec_embedding.weight
        return self.draw(logits, uniforms, index, sampling, table, first_row, total)


class GenerateCodes(WholeFrame):
    """The first frame of a piece for `frame` to go on from, and every frame where there is no `frame`."""

    def forward(
        self, hidden: Tensor, code0: Tensor, uniforms: Tensor, sampling: Tensor, slot: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Codes [G] and the sum of their embeddings [1, H]; uniforms [G - 1], sampling [3]."""
        row = self.codec_embedding(code0)
        codes, embedding = self.generate(hidden, code0, row, uniforms[None], 0, sampling[None])
        self.last.begin(slot, embedding)
        return codes[0], embedding


class Frame(WholeFrame):
    """One frame of every slot, from the one before."""

    def __init__(self, stages: Stages, last: LastFrame):
        super().__init__(stages, last)
        self.talker, self.config, self.settle = stages.talker, stages.config, stages.settle

    def forward(self, packed: Tensor) -> Tensor:
        """Codes [N, G]: code 0 may be the end token, and the frame is then none; NOTHING_TO_DRAW says a stage broke.

        Row i is of slot i. Of a row with a negative position nothing is left, and its codes mean nothing.
        """
        config, last, batch = self.config, self.last, packed.shape[0]
        given = unpack(packed, config.talker.hidden_size, config.num_code_groups)
        sampling = given.sampling.unflatten(1, (2, -1)).transpose(0, 1)  # first the talker's
        position, uniforms, sampling = (
            self.settle(part.contiguous()) for part in (given.position[:, 0].to(torch.int64), given.uniforms, sampling)
        )
        logits, hidden = self.talker(last.embedding + given.text_row, position, None, batch)
        ids = torch.arange(last.seen.shape[1], device=packed.device)
        seen = torch.where(ids == given.last_token.to(torch.int64), 1.0, last.seen)
        processed = process_talker_logits(
            logits,
            seen,
            given.may_end,
            given.repetition_penalty,
            code_vocab_size=config.code_vocab_size,
            eos_id=config.token_ids.codec_eos,
        )
        code0, row, _ = self.drawn(processed, uniforms, 0, sampling[0], 0, None)
        codes, embedding = self.generate(hidden, code0, row, uniforms, 1, sampling[1])
        last.follow(position[:, None] >= 0, embedding, seen)
        return codes


class DecodeAudio(nn.Module):
    def __init__(self, stages: Stages):
        super().__init__()
        self.codec = stages.codec

    def forward(self, codes: Tensor, positions: Tensor, slot: Tensor) -> Tensor:
        """Samples of codes [T, G]; positions [T] count the frames of the utterance, and 0 begins a new one."""
        samples: Tensor = self.codec(codes, positions, Before(positions[:1] > 0, slot), slot)
        return samples


def build_methods(stages: Stages) -> list[Method]:
    """The methods for a GPU, in the order of export/methods.py."""
    config = stages.config
    last = LastFrame(config, stages.batch)
    ids, one, slot = torch.arange(4), torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    count = one.clone()  # one tensor given twice would be captured as one input
    hidden, groups = config.talker.hidden_size, config.num_code_groups
    row = torch.randn(1, hidden)
    some_ids = {0: {0: Dim("rows", min=1, max=MAX_ROWS)}}
    generate_inputs = (row, one, torch.rand(groups - 1), torch.tensor([0.9, 50.0, 1.0]), slot)
    decode = DecodeAudio(stages)
    four_frames = torch.zeros(CHUNK_FRAMES, groups, dtype=torch.int64)
    return [
        Method("encode_text", TextRows(stages), (ids,), some_ids),
        Method("codec_embed", CodeRows(stages), (ids,), some_ids),
        Method("talker_prefill", TalkerPrefill(stages), (torch.randn(MAX_ROWS, hidden), one, count, slot)),
        Method("talker", TalkerStep(stages), (row, one, slot)),
        Method("frame", Frame(stages, last), (torch.ones(stages.batch, size_of(hidden, groups)),)),
        Method("cp_generate", GenerateCodes(stages, last), generate_inputs),
        Method("code_predictor", CodePredictorStep(stages), (row, one)),
        Method("cp_head", CodePredictorHeads(stages), (torch.randn(1, config.code_predictor.hidden_size),)),
        Method("decode_audio", decode, (four_frames[:1].clone(), one, slot)),
        Method("decode_chunk", decode, (four_frames, torch.arange(CHUNK_FRAMES), slot)),
    ]

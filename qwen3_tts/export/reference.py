"""Text to samples in eager PyTorch: the executable specification of what a `model.pte` and the runner do together.

The loop is the runner's SynthesisSession: one talker step, one frame, one more text row, until the end token.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qwen3_tts import sampling
from qwen3_tts.config import SamplingConfig
from qwen3_tts.contract import MIN_NEW_TOKENS
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Prompt, PromptBuilder, Request
from qwen3_tts.export.stages.code_predictor import FusedCodePredictor
from qwen3_tts.text_tokenizer import TextTokenizer


@dataclass(frozen=True)
class Utterance:
    prompt: Prompt
    talker_logits: Tensor  # [N, V] raw, one row a token
    talker_tokens: list[int]  # [N]; the last one never becomes a frame
    codes: Tensor  # [T, G]
    samples: Tensor  # [T * samples_per_frame]


class Synthesizer:
    """The stages of a model, composed eagerly. max_seq_len: positions of the talker's cache."""

    def __init__(self, model: Model, tokenizer: TextTokenizer, max_seq_len: int = 512):
        self.model, self.config, self.max_seq_len = model, model.config, max_seq_len
        self.code_predictor = FusedCodePredictor(model.code_predictor, model.codec_embedding, self.config)
        self.prompt_builder = PromptBuilder(self.config, tokenizer, model.text_embedding, model.codec_embedding)

    @torch.no_grad()
    def synthesize(self, request: Request, options: SamplingConfig, seed: int = 42) -> Utterance:
        prompt = self.prompt_builder.build(request)
        logits, tokens, codes = self._speak(prompt, options, seed)
        reference = request.voice.codes if request.voice is not None else None
        return Utterance(prompt, logits, tokens, codes, self.decode(codes, reference))

    @torch.no_grad()
    def codes(self, request: Request, options: SamplingConfig, seed: int = 42) -> Tensor:
        """The frames [T, G] of an utterance, without its samples."""
        return self._speak(self.prompt_builder.build(request), options, seed)[2]

    def _speak(self, prompt: Prompt, options: SamplingConfig, seed: int) -> tuple[Tensor, list[int], Tensor]:
        config = self.config
        kv = self.model.talker.empty_kv(self.max_seq_len)
        scratch = self.model.code_predictor.empty_kv(config.num_code_groups)
        slot = torch.zeros(1, dtype=torch.int64)
        subtalker = torch.tensor(
            [[options.subtalker_temperature, options.subtalker_top_k, options.subtalker_top_p]], dtype=torch.float32
        )
        for start in range(0, len(prompt.rows), self.model.max_rows):
            logits, hidden = self._read(prompt.rows[start : start + self.model.max_rows], start, kv)
        position, all_logits = len(prompt.rows), [logits]
        tokens: list[int] = []
        frames: list[Tensor] = []
        while True:
            tokens.append(self._pick(logits, tokens, options, seed))
            if tokens[-1] == config.token_ids.codec_eos or len(tokens) == options.max_new_tokens:
                break
            frame = len(frames)
            uniforms = [sampling.uniform(seed, frame, group) for group in range(1, config.num_code_groups)]
            codes, embedding = self.code_predictor(
                hidden,
                torch.tensor([tokens[-1]]),
                torch.tensor([uniforms], dtype=torch.float32),
                subtalker,
                slot,
                scratch,
            )
            frames.append(codes[0])
            text_row = prompt.trailing[frame : frame + 1] if frame < len(prompt.trailing) else prompt.pad_row
            logits, hidden = self._read(embedding + text_row, position, kv)
            all_logits.append(logits)
            position += 1
        stacked = torch.stack(frames) if frames else torch.empty(0, config.num_code_groups, dtype=torch.int64)
        return torch.cat(all_logits), tokens, stacked

    def _read(self, rows: Tensor, position: int, kv: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [1, V] and hidden [1, H] of the last of rows [S, H], the first of which stands at `position`."""
        positions = torch.arange(position, position + len(rows))
        answer: tuple[Tensor, Tensor] = self.model.talker(rows, positions, None, torch.tensor([len(rows) - 1]), kv)
        return answer

    def _pick(self, logits: Tensor, tokens: list[int], options: SamplingConfig, seed: int) -> int:
        config = self.config
        processed = sampling.process_talker_logits(
            logits[0].numpy(),
            generated=tokens,
            repetition_penalty=options.repetition_penalty,
            min_new_tokens=MIN_NEW_TOKENS,
            code_vocab_size=config.code_vocab_size,
            eos_id=config.token_ids.codec_eos,
        )
        uniform = sampling.uniform(seed, len(tokens), 0)
        return sampling.pick(processed, options.temperature, options.top_k, options.top_p, uniform)

    @torch.no_grad()
    def decode(self, codes: Tensor, reference: np.ndarray | None = None) -> Tensor:
        """Samples of codes [T, G]; a voice's reference codes are decoded first and their samples dropped."""
        codec, chunk = self.model.codec_decoder, self.model.max_decode_frames
        skipped = 0 if reference is None else len(reference)
        if reference is not None:
            codes = torch.cat([torch.as_tensor(reference, dtype=torch.int64), codes])
        history, kv = torch.zeros(codec.history_size), codec.empty_kv(chunk)
        parts = codes.split(chunk) if len(codes) else ()
        pieces = [
            codec(part, torch.arange(start, start + len(part)), history, kv)
            for start, part in zip(range(0, len(codes), chunk), parts, strict=True)
        ]
        samples = torch.cat(pieces) if pieces else torch.empty(0)
        return samples[skipped * self.config.codec.samples_per_frame :]

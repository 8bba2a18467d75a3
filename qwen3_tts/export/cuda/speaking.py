"""Text to samples through the methods: the executable specification of what a runner does with them.

`call(method, *inputs)` runs one, be it a module or a compiled container. (batch_speaking.py has many at once.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qwen3_tts import sampling
from qwen3_tts.config import ModelConfig, SamplingConfig
from qwen3_tts.contract import MAX_ROWS, MIN_NEW_TOKENS
from qwen3_tts.export.cuda.frame_input import FrameInput, idle
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES
from qwen3_tts.export.methods import Method
from qwen3_tts.export.prompt import Prompt, PromptBuilder, Request
from qwen3_tts.text_tokenizer import TextTokenizer

Outputs = tuple[Tensor, ...]
Call = Callable[..., Outputs]


class Modules:
    """The methods as modules, eagerly: what compiled ones are compared with."""

    def __init__(self, methods: list[Method], device: str = "cpu"):
        self.device = device
        self.modules: dict[str, nn.Module] = {method.name: method.module.to(device) for method in methods}

    @torch.no_grad()
    def __call__(self, method: str, *inputs: Tensor) -> Outputs:
        answer = self.modules[method](*(tensor.to(self.device) for tensor in inputs))
        return answer if isinstance(answer, tuple) else (answer,)


@dataclass(frozen=True)
class Speech:
    tokens: list[int]  # code 0 of every frame, and the token that ended them
    codes: Tensor  # [T, G]


@dataclass
class Speaking:
    """An utterance that has begun: what a runner knows of it, while its keys and values are in the program's slot."""

    slot: int
    options: SamplingConfig
    seed: int
    tokens: list[int]  # code 0 of every frame so far, and the token that ended them
    steps: Iterator[tuple[Tensor, Tensor]]  # of the talker, that are left: position [1] and text row [1, H]


class Speaker:
    """Speaks with a program of `batch` slots, one utterance at a time unless step() gets several."""

    def __init__(self, config: ModelConfig, tokenizer_json: str, call: Call, batch: int = 1):
        self.config, self.call, self.batch = config, call, batch
        tokenizer = TextTokenizer(tokenizer_json)
        self.prompts = PromptBuilder(config, tokenizer, self._rows("encode_text"), self._rows("codec_embed"))

    def _rows(self, method: str) -> Callable[[Tensor], Tensor]:
        return lambda ids: torch.cat([self.call(method, part)[0].cpu() for part in ids.split(MAX_ROWS)])

    def prompt(self, request: Request) -> Prompt:
        return self.prompts.build(request)

    def prefill(self, rows: Tensor, start: int = 0, slot: int = 0) -> Outputs:
        """Logits [1, V] and hidden [1, H] after rows [S, H] from position `start` on."""
        padding = torch.zeros(MAX_ROWS, rows.shape[1])
        for first in range(0, len(rows), MAX_ROWS):
            part = rows[first : first + MAX_ROWS]
            padded = torch.cat([padding[len(part) :], part])
            numbers = (torch.tensor([number]) for number in (start + first, len(part), slot))
            answer = self.call("talker_prefill", padded, *numbers)
        return answer

    def begin(self, prompt: Prompt, options: SamplingConfig, seed: int, slot: int = 0) -> tuple[Speaking, Tensor]:
        """The utterance and the codes [G] of its first frame, from the prompt's logits."""
        logits, hidden = self.prefill(prompt.rows, slot=slot)
        tokens = [self._pick(logits, [], options, seed)]
        uniforms = self._uniforms(seed, 0, 1)
        given = (hidden, torch.tensor(tokens), uniforms, _subtalker(options), torch.tensor([slot]))
        codes = self.call("cp_generate", *given)[0].cpu()
        return Speaking(slot, options, seed, tokens, self._steps(prompt)), codes

    def step(self, utterances: Sequence[Speaking]) -> list[Tensor]:
        """The next frame of each, [G], by one call; they are in slots of their own. The others' slots are idle.

        Codes that are NOTHING_TO_DRAW say that a stage of this utterance broke.
        """
        packed = idle(self.batch, self.config.talker.hidden_size, self.config.num_code_groups)
        for utterance in utterances:
            packed[utterance.slot] = self._frame_input(utterance).packed()[0]
        codes = self.call("frame", packed)[0].cpu()
        frames = [codes[utterance.slot] for utterance in utterances]
        for utterance, frame in zip(utterances, frames):
            utterance.tokens.append(int(frame[0]))
        return frames

    def is_over(self, utterance: Speaking) -> bool:
        return self._is_over(utterance.tokens, utterance.options)

    def stream(self, prompt: Prompt, options: SamplingConfig, seed: int, slot: int = 0) -> Iterator[Tensor]:
        """Codes [G] of frame after frame, the last of which only say that the speech is over: the first by
        `cp_generate`, and one call of `frame` for each other.

        Raises ValueError when a stage says nothing that could be drawn from.
        """
        utterance, codes = self.begin(prompt, options, seed, slot)
        yield codes
        while not self.is_over(utterance):
            (codes,) = self.step([utterance])
            if (codes == sampling.NOTHING_TO_DRAW).any():
                raise ValueError(f"frame {len(utterance.tokens) - 1}: the logits hold nothing to draw from")
            yield codes

    def _frame_input(self, utterance: Speaking) -> FrameInput:
        options, tokens = utterance.options, utterance.tokens
        position, text_row = next(utterance.steps)
        talker = torch.tensor([options.temperature, options.top_k, options.top_p], dtype=torch.float32)
        return FrameInput(
            text_row=text_row,
            uniforms=self._uniforms(utterance.seed, len(tokens), 0)[None],
            sampling=torch.cat([talker, _subtalker(options)])[None],
            position=position[:, None],
            last_token=torch.tensor([tokens[-1:]]),
            may_end=torch.tensor([[len(tokens) >= MIN_NEW_TOKENS]]),
            repetition_penalty=torch.tensor([[options.repetition_penalty]]),
        )

    def frames(self, prompt: Prompt, options: SamplingConfig, seed: int, slot: int = 0) -> Speech:
        """One call for each frame."""
        streamed = list(self.stream(prompt, options, seed, slot))
        return self.speech([int(codes[0]) for codes in streamed], streamed[:-1])

    def frames_by_two_methods(self, prompt: Prompt, options: SamplingConfig, seed: int, slot: int = 0) -> Speech:
        """The same with `talker` and `cp_generate`, code 0 drawn outside."""
        logits, hidden = self.prefill(prompt.rows, slot=slot)
        settings, place = _subtalker(options), torch.tensor([slot])
        tokens: list[int] = []
        frames: list[Tensor] = []
        for position, text_row in self._steps(prompt):
            tokens.append(self._pick(logits, tokens, options, seed))
            if self._is_over(tokens, options):
                break
            uniforms = self._uniforms(seed, len(frames), 1)
            codes, embedding = self.call("cp_generate", hidden, torch.tensor(tokens[-1:]), uniforms, settings, place)
            frames.append(codes.cpu())
            logits, hidden = self.call("talker", embedding.cpu() + text_row, position, place)
        return self.speech(tokens, frames)

    def decode(self, codes: Tensor, slot: int = 0) -> Tensor:
        """Samples of codes [T, G]: chunks, then the frames that are left one by one."""
        pieces = list(self.decoded(codes, slot))
        return torch.cat(pieces) if pieces else torch.empty(0)

    def decoded(self, codes: Tensor, slot: int = 0) -> Iterator[Tensor]:
        """The same, call by call: others may decode in other slots in between."""
        whole = len(codes) - len(codes) % CHUNK_FRAMES
        position = 0
        for part in [*codes[:whole].split(CHUNK_FRAMES), *codes[whole:].split(1)]:
            if len(part) == 0:  # what split() makes of nothing
                continue
            method = "decode_chunk" if len(part) == CHUNK_FRAMES else "decode_audio"
            positions = torch.arange(position, position + len(part))
            yield self.call(method, part, positions, torch.tensor([slot]))[0].cpu()
            position += len(part)

    def _steps(self, prompt: Prompt) -> Iterator[tuple[Tensor, Tensor]]:
        """Position [1] and text row [1, H] of every talker step behind the prompt, without end."""
        position = len(prompt.rows)
        for row in prompt.trailing.split(1):
            yield torch.tensor([position]), row
            position += 1
        while True:
            yield torch.tensor([position]), prompt.pad_row
            position += 1

    def _uniforms(self, seed: int, frame: int, first_group: int) -> Tensor:
        groups = range(first_group, self.config.num_code_groups)
        return torch.tensor([sampling.uniform(seed, frame, group) for group in groups], dtype=torch.float32)

    def _pick(self, logits: Tensor, tokens: list[int], options: SamplingConfig, seed: int) -> int:
        processed = sampling.process_talker_logits(
            logits[0].cpu().numpy(),
            generated=tokens,
            repetition_penalty=options.repetition_penalty,
            min_new_tokens=MIN_NEW_TOKENS,
            code_vocab_size=self.config.code_vocab_size,
            eos_id=self.config.token_ids.codec_eos,
        )
        uniform = sampling.uniform(seed, len(tokens), 0)
        return sampling.pick(processed, options.temperature, options.top_k, options.top_p, uniform)

    def _is_over(self, tokens: list[int], options: SamplingConfig) -> bool:
        return tokens[-1] == self.config.token_ids.codec_eos or len(tokens) == options.max_new_tokens

    def speech(self, tokens: list[int], frames: list[Tensor]) -> Speech:
        empty = torch.empty(0, self.config.num_code_groups, dtype=torch.int64)
        return Speech(tokens, torch.stack(frames) if frames else empty)


def _subtalker(options: SamplingConfig) -> Tensor:
    """What the code predictor samples with: [3]."""
    values = [options.subtalker_temperature, options.subtalker_top_k, options.subtalker_top_p]
    return torch.tensor(values, dtype=torch.float32)

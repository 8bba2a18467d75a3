"""The prompt: which rows the talker reads before it speaks, and which text rows it is fed while speaking.

Each position is the sum of a text row and at most one code row, voice row or frame of the reference recording.
Mirrors qwen-tts 0.1.1, Qwen3TTSForConditionalGeneration.generate (prompt assembly and generate_icl_prompt).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qwen3_tts.config import ModelConfig
from qwen3_tts.names import find_name, folded_name
from qwen3_tts.text_tokenizer import TextTokenizer, normalize_text
from qwen3_tts.voice import Voice

RowSource = Callable[[Tensor], Tensor]  # ids [S] -> rows [S, H]


@dataclass(frozen=True)
class Request:
    """What to say and who says it; the runner's SynthesisRequest."""

    text: str
    language: str = "auto"
    speaker: str = ""
    instruct: str = ""
    voice: Voice | None = None
    streaming_text: bool = False  # text layout: one text row a frame, or the whole text in the prompt


@dataclass(frozen=True)
class Prompt:
    rows: Tensor  # [L, H]
    trailing: Tensor  # [M, H], one a frame
    pad_row: Tensor  # [1, H], for every frame after them


class PromptBuilder:
    """Builds prompts from the two row sources `encode_text` and `codec_embed` (rows of the stacked code table)."""

    def __init__(self, config: ModelConfig, tokenizer: TextTokenizer, encode_text: RowSource, codec_embed: RowSource):
        self.config, self.tokenizer = config, tokenizer
        self._encode_text, self._codec_embed = encode_text, codec_embed

    def build(self, request: Request) -> Prompt:
        """Raises ValueError for a text, language or speaker that the model cannot take."""
        ids = self.config.token_ids
        body = self.tokenizer.encode(normalize_text(request.text))
        prefix = self._prefix(request)
        bos, eos, pad = self._text([ids.tts_bos]), self._text([ids.tts_eos]), self._text([ids.tts_pad])
        opening = torch.cat([pad.expand(len(prefix) - 1, -1), bos]) + prefix
        head = torch.cat([self._instruct(request.instruct), self._text(self.tokenizer.role_ids), opening])
        voice = request.voice
        if voice is not None and voice.codes is not None and voice.text_ids is not None:
            text = torch.cat([self._text([*voice.text_ids.tolist(), *body]), eos])
            rows, trailing = self._in_context(text, self._frames(voice.codes), pad, request.streaming_text)
        elif request.streaming_text:
            rows = self._text(body[:1]) + self._codes([ids.codec_bos])
            trailing = torch.cat([self._text(body[1:]), eos])
        else:
            rows = torch.cat([self._text(body), eos]) + self._codes([ids.codec_pad])
            rows, trailing = torch.cat([rows, pad + self._codes([ids.codec_bos])]), pad
        return Prompt(torch.cat([head, rows]), trailing, pad)

    def _in_context(self, text: Tensor, frames: Tensor, pad: Tensor, streaming: bool) -> tuple[Tensor, Tensor]:
        """Reference transcript and text beside the reference recording: (rows, trailing)."""
        ids = self.config.token_ids
        codes = torch.cat([self._codes([ids.codec_bos]), frames])
        if not streaming:
            return torch.cat([text + self._codes([ids.codec_pad]), codes + pad]), pad
        if len(text) > len(codes):
            return text[: len(codes)] + codes, text[len(codes) :]
        padding = pad.expand(len(codes) - len(text), -1)
        return torch.cat([text, padding]) + codes, pad

    def _prefix(self, request: Request) -> Tensor:
        """Code rows that open the turn: language tags, the speaker, pad."""
        ids = self.config.token_ids
        language = self._language_row(request)
        if language is None:
            tags = [ids.codec_nothink, ids.codec_think_bos, ids.codec_think_eos]
        else:
            tags = [ids.codec_think, ids.codec_think_bos, language, ids.codec_think_eos]
        rows = [self._codes(tags)]
        if request.speaker:
            rows.append(self._codes([self._lookup(self.config.speakers, request.speaker, "speaker")]))
        elif request.voice is not None:
            rows.append(torch.from_numpy(request.voice.x_vector)[None])
        return torch.cat([*rows, self._codes([ids.codec_pad])])

    def _language_row(self, request: Request) -> int | None:
        """The language's row; a speaker's dialect stands in for Chinese and for auto."""
        speaker = find_name(self.config.speakers, request.speaker)
        dialect = None if speaker is None else self.config.speaker_dialects.get(speaker)
        language = folded_name(request.language)
        if dialect is not None and language in ("auto", "chinese"):
            return self.config.languages[dialect]
        return None if language == "auto" else self._lookup(self.config.languages, request.language, "language")

    @staticmethod
    def _lookup(names: dict[str, int], name: str, kind: str) -> int:
        known = find_name(names, name)
        if known is None:
            raise ValueError(f"unknown {kind} '{name}'; this model knows {', '.join(sorted(names)) or 'none'}")
        return names[known]

    def _instruct(self, instruct: str) -> Tensor:
        if not instruct:
            return torch.empty(0, self.config.talker.hidden_size)
        tokenizer = self.tokenizer
        return self._text([*tokenizer.instruct_prefix_ids, *tokenizer.encode(instruct), *tokenizer.instruct_suffix_ids])

    def _frames(self, codes: object) -> Tensor:
        """Embeddings of reference frames [T, G]: [T, H], groups added in order."""
        stacked = torch.as_tensor(codes) + torch.tensor(self.config.group_offsets)
        total = self._codec_embed(stacked[:, 0])
        for group in range(1, stacked.shape[1]):
            total = total + self._codec_embed(stacked[:, group])
        return total

    def _text(self, ids: list[int] | tuple[int, ...]) -> Tensor:
        return self._encode_text(torch.tensor(ids, dtype=torch.int64))

    def _codes(self, rows: list[int]) -> Tensor:
        return self._codec_embed(torch.tensor(rows, dtype=torch.int64))

"""Utterances that share the calls of `frame`: the executable specification of joining and leaving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from qwen3_tts.config import SamplingConfig
from qwen3_tts.export.cuda.speaking import Speaker, Speaking, Speech
from qwen3_tts.export.prompt import Prompt
from qwen3_tts.sampling import NOTHING_TO_DRAW


@dataclass(frozen=True)
class Arrival:
    """An utterance that wants to be spoken before call number `at` of `frame`, counted from 0."""

    prompt: Prompt
    options: SamplingConfig
    seed: int
    at: int = 0


@dataclass(eq=False)
class _Part:
    """Of the batch: an utterance and its frames so far."""

    number: int
    utterance: Speaking
    frames: list[Tensor] = field(default_factory=list)


def speak_together(speaker: Speaker, arrivals: Sequence[Arrival]) -> list[Speech | None]:
    """What each says, as it would alone; None where a stage had nothing to draw from.

    Who arrives takes the lowest free slot, or waits for one. Its prompt is read and its first frame made between two
    calls of the others. A broken utterance leaves; the others go on.
    """
    spoken: list[Speech | None] = [None] * len(arrivals)
    waiting = sorted(range(len(arrivals)), key=lambda number: arrivals[number].at)
    free, batch, call = list(range(speaker.batch)), list[_Part](), 0
    while waiting or batch:
        while waiting and free and arrivals[waiting[0]].at <= call:
            batch.append(_join(speaker, waiting[0], arrivals[waiting.pop(0)], free.pop(0)))
        over = [part for part in batch if speaker.is_over(part.utterance)]
        for part in over:
            spoken[part.number] = speaker.speech(part.utterance.tokens, part.frames[:-1])
        broken = _step(speaker, [part for part in batch if part not in over])
        for part in over + broken:
            batch.remove(part)
            free = sorted([*free, part.utterance.slot])
        call += 1
    return spoken


def _join(speaker: Speaker, number: int, arrival: Arrival, slot: int) -> _Part:
    utterance, codes = speaker.begin(arrival.prompt, arrival.options, arrival.seed, slot)
    return _Part(number, utterance, [codes])


def _step(speaker: Speaker, parts: list[_Part]) -> list[_Part]:
    """The next frame of all; those that are broken."""
    if not parts:
        return []
    codes = speaker.step([part.utterance for part in parts])
    for part, frame in zip(parts, codes):
        part.frames.append(frame)
    return [part for part, frame in zip(parts, codes) if (frame == NOTHING_TO_DRAW).any()]

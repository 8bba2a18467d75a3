"""Memory over a long utterance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain, cycle, islice
from typing import Any

from measuring import Finished
from scenarios import Runner, Stats

FRAMES_A_SECOND = 12.5
WORDS_A_SECOND = 2.5  # of speech, roughly: the text is to be as long as what is said
PIECE_FRAMES = 220  # a piece of 56 tokens, spoken as fast as people speak
ENOUGH = 1.5  # times the text: pieces may be shorter
POINTS = 200  # of the curve that is kept


def text_of(seconds: float, prompts: Sequence[str]) -> str:
    """Prompts one after the other, again and again: sentences of about so many seconds."""
    words = islice(cycle(chain.from_iterable(prompt.split() for prompt in prompts)), round(seconds * WORDS_A_SECOND))
    return " ".join(words)


def measure_minute(runner: Runner, threads: int, seconds: float) -> dict[str, Any]:
    """One utterance that the default cache holds."""
    frames = round(seconds * FRAMES_A_SECOND)
    text = text_of(seconds, runner.prompts)
    (stats,), finished = replace(runner, frames=frames).speak(threads, text=text)
    return about(stats, finished)


def measure_split(runner: Runner, threads: int, seconds: float) -> dict[str, Any]:
    """A text that is spoken in pieces of a length that the model has no say in."""
    flags: dict[str, Any] = {"text": text_of(ENOUGH * seconds, runner.prompts), "long_text": "split"}
    flags |= {"frame_budget": PIECE_FRAMES, "min_frames": PIECE_FRAMES, "max_frames": round(seconds * FRAMES_A_SECOND)}
    (stats,), finished = runner.speak(threads, **flags)
    return about(stats, finished)


def about(stats: Stats, finished: Finished) -> dict[str, Any]:
    later = after_first_minute(finished.resident, stats)
    step = max(1, len(finished.resident) // POINTS)
    return {
        "audio_s": stats["audio_s"],
        "frames": stats["frames"],
        "rtf": stats["rtf"],
        "finish_reason": stats["finish_reason"],
        "peak_memory_mb": asdict(finished.memory),
        "later_memory_mb": {"least": min(later), "most": max(later)} if later else None,
        "spread_after_first_minute": max(later) / min(later) - 1 if later else None,
        "resident_mb": [[round(seconds, 2), round(mb, 1)] for seconds, mb in finished.resident[::step]],
    }


def after_first_minute(resident: list[tuple[float, float]], stats: Stats) -> list[float]:
    """Memory, in MB, while the speech after its first minute is made: frames take equal time. The last tenth of a
    second is left out, as a process that ends gives its memory back."""
    began = stats["load_ms"] / 1000
    made = stats["total_ms"] / 1000
    minute = began + made * 60 / stats["audio_s"]
    return [mb for seconds, mb in resident if minute <= seconds <= began + made - 0.1]

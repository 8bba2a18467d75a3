"""Stands in for the reference package `qwen_tts`, where it is not installed: the methods that the server calls.

A snapshot is a folder whose name ends with the type of the model. Speech is noise of PyTorch's generator, a frame for
each step; CALLS has what was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

SAMPLE_RATE = 24000
FRAME = 480  # samples
CALLS: list[dict[str, Any]] = []


class Qwen3TTSModel:
    step_seconds = 0.0
    steps = 0  # that were made, in all

    def __init__(self, kind: str) -> None:
        self._hooks: list[Callable[..., Any]] = []
        rows = SimpleNamespace(register_forward_pre_hook=self._hooks.append)
        self.model = SimpleNamespace(tts_model_type=kind, talker=SimpleNamespace(model=rows))

    @classmethod
    def from_pretrained(cls, place: str, **options: Any) -> Qwen3TTSModel:
        if not Path(place).is_dir():
            raise OSError("no such snapshot")
        CALLS.append({"place": place, **options})
        return cls(Path(place).name)

    def generate_custom_voice(self, text: str, speaker: str, **options: Any) -> tuple[list[np.ndarray], int]:
        if speaker == "vivian":
            raise ValueError("this speaker is hoarse")
        return self._speak(text=text, speaker=speaker, **options)

    def generate_voice_design(self, text: str, instruct: str, **options: Any) -> tuple[list[np.ndarray], int]:
        return self._speak(text=text, instruct=instruct, **options)

    def generate_voice_clone(self, text: str, **options: Any) -> tuple[list[np.ndarray], int]:
        return self._speak(text=text, **options)

    def _speak(self, max_new_tokens: int = 21, **options: Any) -> tuple[list[np.ndarray], int]:
        CALLS.append({"max_new_tokens": max_new_tokens, **options})
        frames = []
        for _ in range(max_new_tokens - 1):
            for hook in self._hooks:
                hook(None, ())
            frames.append((torch.rand(FRAME) - 0.5).numpy())
            type(self).steps += 1
            time.sleep(self.step_seconds)
        return [np.concatenate(frames)], SAMPLE_RATE

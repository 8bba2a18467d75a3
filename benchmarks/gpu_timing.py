"""Milliseconds of every method of a CUDA program: called one by one, and replayed as a CUDA graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from qwen3_tts.config import ModelConfig, SamplingConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.cuda.speaking import Call, Speaker
from qwen3_tts.export.prompt import Prompt

WARM_UP = 3
FRAME_SECONDS = 0.08


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def milliseconds(run: Callable[[], Any], device: str, rounds: int) -> float:
    """The median of `rounds` calls, after some to warm up."""
    taken = []
    for number in range(WARM_UP + rounds):
        synchronize(device)
        started = time.perf_counter()
        run()
        synchronize(device)
        if number >= WARM_UP:
            taken.append(1000 * (time.perf_counter() - started))
    return median(taken)


def example_inputs(config: ModelConfig, device: str) -> dict[str, tuple[Tensor, ...]]:
    """Inputs of the measured methods that a long utterance could have."""
    hidden, vocab, groups = config.talker.hidden_size, config.talker_vocab_size, config.num_code_groups
    position, row = torch.tensor([MAX_ROWS]), torch.zeros(1, hidden)
    settings, uniforms = torch.tensor([0.9, 50.0, 1.0]), torch.full((groups,), 0.5)
    inputs = {
        "talker_prefill": (torch.zeros(MAX_ROWS, hidden), torch.tensor([0]), torch.tensor([MAX_ROWS])),
        "talker": (row, position),
        "frame": (row, position, torch.ones(vocab), torch.zeros(vocab), uniforms, settings.repeat(2)),
        "cp_generate": (row, torch.tensor([3]), uniforms[1:], settings),
        "decode_audio": (torch.zeros(1, groups, dtype=torch.int64), position),
    }
    return {name: tuple(tensor.to(device) for tensor in tensors) for name, tensors in inputs.items()}


def method_times(call: Call, config: ModelConfig, device: str, rounds: int) -> dict[str, dict[str, Any]]:
    """method -> "ms", and on a GPU "graph_ms" or why there is none under "graph_error"."""
    times: dict[str, dict[str, Any]] = {}
    for name, inputs in example_inputs(config, device).items():

        def run(name: str = name, inputs: tuple[Tensor, ...] = inputs) -> Any:
            return call(name, *inputs)

        times[name] = {"ms": milliseconds(run, device, rounds)}
        if device == "cuda":
            times[name] |= _graph_time(run, rounds)
    return times


def _graph_time(run: Callable[[], Any], rounds: int) -> dict[str, Any]:
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError as error:  # a method that allocates or waits cannot be captured: the report says so
        return {"graph_error": str(error).splitlines()[0]}
    return {"graph_ms": milliseconds(graph.replay, "cuda", rounds)}


def speech_times(
    speaker: Speaker, prompt: Prompt, options: SamplingConfig, device: str, frames: int, rounds: int
) -> dict[str, float]:
    """From the prompt's rows to the first frame's samples, and to all; transfers and the host's part included."""
    until_then = replace(options, max_new_tokens=frames + 1)
    count = len(speaker.frames(prompt, until_then, seed=0).codes)

    def first_sound() -> None:
        speaker.decode(next(speaker.stream(prompt, until_then, seed=0))[None])

    def all_frames() -> None:
        speaker.decode(speaker.frames(prompt, until_then, seed=0).codes)

    total = milliseconds(all_frames, device, rounds)
    return {
        "frames": count,
        "ttfa_ms": milliseconds(first_sound, device, rounds),
        "total_ms": total,
        "rtf": total / 1000 / (max(count, 1) * FRAME_SECONDS),
    }

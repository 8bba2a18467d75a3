"""Milliseconds of the methods of a CUDA program: called one by one, and replayed as a CUDA graph."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from qwen3_tts.config import ModelConfig, SamplingConfig
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.cuda.frame_input import FrameInput
from qwen3_tts.export.cuda.speaking import Call, Speaker
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES
from qwen3_tts.export.prompt import Prompt

WARM_UP = 3
FRAME_SECONDS = 0.08
COPIED_BYTES = 2**30
LONGEST_KERNELS = 12


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


def example_inputs(
    config: ModelConfig, device: str, number: int = MAX_ROWS, batch: int = 1
) -> dict[str, tuple[Tensor, ...]]:
    """Inputs of the measured methods that an utterance could have at position `number`; other rows for each number.

    `frame` gets the same row for each of `batch` utterances.
    """
    generator = torch.Generator().manual_seed(number)
    hidden, groups = config.talker.hidden_size, config.num_code_groups
    position, row = torch.tensor([number]), torch.randn(1, hidden, generator=generator)
    slot = torch.tensor([batch - 1])
    settings, uniforms = torch.tensor([0.9, 50.0, 1.0]), torch.rand(groups, generator=generator)
    codes = torch.randint(0, config.code_vocab_size, (CHUNK_FRAMES, groups), generator=generator)
    frame = FrameInput(
        text_row=row,
        uniforms=uniforms[None],
        sampling=settings.repeat(2)[None],
        position=position[None],
        last_token=codes[:1, :1],
        may_end=torch.zeros(1, 1),
        repetition_penalty=torch.full((1, 1), 1.05),
    )
    inputs = {
        "talker_prefill": (
            torch.randn(MAX_ROWS, hidden, generator=generator),
            torch.tensor([number]),
            torch.tensor([MAX_ROWS]),
            slot,
        ),
        "talker": (row, position, slot),
        "frame": (frame.packed().repeat(batch, 1),),
        "cp_generate": (row, codes[0, :1], uniforms[1:], settings, slot),
        "decode_audio": (codes[:1], position, slot),
        "decode_chunk": (codes, position + torch.arange(CHUNK_FRAMES), slot),
    }
    return {name: tuple(tensor.to(device) for tensor in tensors) for name, tensors in inputs.items()}


def method_time(
    call: Call, name: str, inputs: dict[str, tuple[Tensor, ...]], device: str, rounds: int, graph: bool
) -> dict[str, Any]:
    """ "ms", and with `graph` also "graph_ms", or why there is none under "graph_error"; inputs: example_inputs()."""

    def run() -> Any:
        return call(name, *inputs[name])

    times: dict[str, Any] = {"ms": milliseconds(run, device, rounds)}
    return times | _graph_time(run, rounds) if graph and device == "cuda" else times


def method_times(call: Call, config: ModelConfig, device: str, rounds: int) -> dict[str, dict[str, Any]]:
    """Method -> its times, of all that a GPU's program is measured by."""
    inputs = example_inputs(config, device)
    return {name: method_time(call, name, inputs, device, rounds, True) for name in inputs}


def _graph_time(run: Callable[[], Any], rounds: int) -> dict[str, Any]:
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError as error:  # a method that allocates or waits cannot be captured: the report says so
        return {"graph_error": str(error).splitlines()[0]}
    return {"graph_ms": milliseconds(graph.replay, "cuda", rounds)}


def kernels_of(call: Call, name: str, inputs: dict[str, tuple[Tensor, ...]], device: str) -> dict[str, Any]:
    """How many kernels one call launches, their milliseconds together, and which take longest. Nothing on a CPU."""
    if device != "cuda":
        return {}
    call(name, *inputs[name])
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        call(name, *inputs[name])
        torch.cuda.synchronize()
    taken: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in profile.events() or ():
        if event.device_type.name == "CUDA":
            taken[event.name] += event.device_time
            calls[event.name] += 1
    longest = [
        {"kernel": kernel, "calls": calls[kernel], "ms": spent / 1000}
        for kernel, spent in taken.most_common(LONGEST_KERNELS)
    ]
    return {"kernels": calls.total(), "kernels_ms": taken.total() / 1000, "longest": longest}


def copy_gb_per_second(device: str, rounds: int) -> float:
    """Bytes read and written by a copy within the device's memory, in 1e9 a second."""
    size = COPIED_BYTES if device == "cuda" else COPIED_BYTES // 64
    source = torch.empty(size, dtype=torch.uint8, device=device).fill_(1)
    target = torch.empty_like(source)
    return 2 * size / 1e6 / milliseconds(lambda: target.copy_(source), device, rounds)


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

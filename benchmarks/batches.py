"""Many utterances at once: how much is spoken a second, and how each of them fares.

At once: B clients who ask for the next text when theirs is spoken. At random: clients who come as a Poisson process,
and ask for so much of what the largest batch gives. A stream underruns when a player that begins with 0.4 s of speech
would have fallen silent. A peer runs as several processes, with as many threads in all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measuring import ProgramError, spread, watched
from peers import Peer, speak_peer
from random_models import REPOSITORY, say
from scenarios import Runner
from streams import Plan, Stream

LOADS = (0.5, 0.8)  # of what was spoken at once
SILENCE = 0.02  # seconds that nobody hears


def measure_batches(runner: Runner, threads: int, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """`rounds` utterances for each place of a batch, at least 8."""
    frames = runner.frames
    request: dict[str, Any] = {"min_frames": frames, "max_frames": frames, "frame_budget": 0, "long_text": "error"}
    if runner.speaker:
        request["speaker"] = runner.speaker

    def plan(batch: int, streams: int, clients: int, rate: float) -> Plan:
        return Plan(str(runner.model), threads, batch, list(runner.prompts), request, streams, clients, rate)

    at_once = {}
    for batch in batches:
        say(f"batch: {batch} at once")
        at_once[batch] = measure(runner.program.parent, plan(batch, max(8, rounds * batch), batch, 0))
    largest = max(batches)
    a_second = at_once[largest]["speech_s_a_second"] / at_once[largest]["speech_s"]
    at_random = {}
    for load in LOADS:
        say(f"batch: at random, {load:.0%} of {a_second:.2f} utterances a second")
        at_random[load] = measure(runner.program.parent, plan(largest, 3 * largest, 0, load * a_second))
    return {"at_once": at_once, "at_random": at_random}


def measure_processes(peer: Peer, runner: Runner, threads: int, count: int, warmup: int) -> dict[str, Any]:
    """One text in each of `count` processes of a peer, all begun at once. What they speak a second is the sum of their
    own speeds: more than all did together, as who ends last is alone in the end."""
    say(f"batch: {count} processes of {peer.name}")
    values = {"frames": runner.frames, "threads": max(1, threads // count), "warmup": warmup}
    texts = [runner.prompts[index % len(runner.prompts)] for index in range(count)]
    with ThreadPoolExecutor(count) as pool:
        spoken = list(pool.map(lambda text: speak_peer(peer, values | {"text": text}), texts))
    return {
        "streams": count,
        "speech_s": sum(each.audio_s for each in spoken) / count,
        "speech_s_a_second": sum(1 / each.rtf for each in spoken),
        "rtf": spread([each.rtf for each in spoken]),
        "peak_memory_mb": sum(each.memory_mb for each in spoken),
    }


def measure(library: Path, plan: Plan) -> dict[str, Any]:
    environment = {**os.environ, "QWEN3_TTS_LIBRARY_DIR": str(library)}
    environment["PYTHONPATH"] = str(REPOSITORY / "bindings/python")
    command = [sys.executable, str(REPOSITORY / "benchmarks/streams.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    with process, watched(process.pid) as memory:
        answer, _ = process.communicate(json.dumps(asdict(plan)).encode())
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(command)} ended with {process.returncode}")
    return summary([Stream(**stream) for stream in json.loads(answer)]) | {"peak_memory_mb": asdict(memory)}


def summary(streams: Sequence[Stream]) -> dict[str, Any]:
    wall = max(stream.asked_s + stream.end_s for stream in streams) - min(stream.asked_s for stream in streams)
    return {
        "streams": len(streams),
        "speech_s": sum(stream.audio_s for stream in streams) / len(streams),
        "speech_s_a_second": sum(stream.audio_s for stream in streams) / wall,
        "rtf": spread([stream.end_s / stream.audio_s for stream in streams]),
        "ttfa_ms": spread([1000 * stream.first_s for stream in streams]),
        "underruns": sum(stream.late_s > SILENCE for stream in streams) / len(streams),
    }

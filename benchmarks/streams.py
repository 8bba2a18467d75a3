"""Speaks to many at once through the Python package, and notes when everything came: the process that batches.py
measures. Reads a JSON object from standard input (Plan), and writes a list of streams (Stream) to standard output."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from player import longest_silence


@dataclass(frozen=True)
class Plan:
    model: str
    threads: int
    max_batch: int
    prompts: list[str]
    request: dict[str, Any]  # what all streams share
    streams: int
    clients: int  # each speaks one stream after the other; 0: every stream has a client, who comes when it is due
    streams_a_second: float  # of clients that come at random (a Poisson process); 0: all at once


@dataclass(frozen=True)
class Stream:
    asked_s: float  # since the first one
    first_s: float  # since it was asked for
    end_s: float
    audio_s: float
    late_s: float  # player.longest_silence()


def speak(engine: Any, plan: Plan, index: int, began: float) -> Stream:
    asked = time.monotonic()
    audio = 0.0
    deliveries: list[tuple[float, float]] = []
    for samples in engine.stream(plan.prompts[index % len(plan.prompts)], seed=index, **plan.request):
        audio += len(samples) / engine.sample_rate
        deliveries.append((time.monotonic(), audio))
    first = deliveries[0][0] if deliveries else 0.0
    return Stream(asked - began, first - asked, time.monotonic() - asked, audio, longest_silence(deliveries))


def arrivals(plan: Plan) -> list[float]:
    """Seconds, since the first one."""
    if plan.streams_a_second == 0:
        return [0.0] * plan.streams
    source, times = random.Random(0), [0.0]
    while len(times) < plan.streams:
        times.append(times[-1] + source.expovariate(plan.streams_a_second))
    return times


def run(engine: Any, plan: Plan) -> list[Stream]:
    found: list[Stream] = []
    rest, lock = iter(range(plan.streams)), threading.Lock()
    due = arrivals(plan)
    began = time.monotonic()

    def client() -> None:
        while True:
            with lock:
                index = next(rest, None)
            if index is None:
                return
            time.sleep(max(0.0, began + due[index] - time.monotonic()))
            stream = speak(engine, plan, index, began)
            with lock:
                found.append(stream)

    threads = [threading.Thread(target=client) for _ in range(plan.clients or plan.streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main() -> None:
    import qwen3_tts_runtime  # of the library that QWEN3_TTS_LIBRARY_DIR names

    plan = Plan(**json.load(sys.stdin))
    with qwen3_tts_runtime.Engine(plan.model, num_threads=plan.threads, max_batch=plan.max_batch) as engine:
        for index in range(2):  # the first requests load and pack
            engine.speak(plan.prompts[index % len(plan.prompts)], **plan.request | {"max_frames": 8, "min_frames": 8})
        json.dump([asdict(stream) for stream in run(engine, plan)], sys.stdout)


if __name__ == "__main__":
    main()

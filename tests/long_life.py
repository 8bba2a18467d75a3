"""Speaks for long in one process: mixed requests in several threads, or one stream that does not end.

    python tests/long_life.py requests [--count 2000] [--model tiny-customvoice-small] [--seed 1]
    python tests/long_life.py stream [--seconds 3600] [--model demo-small]

`requests` draws what a server gets: whole utterances, streams that are read, left or cancelled, long texts in pieces,
text that is still being written, codes alone. Six threads speak at once. Every fiftieth request all are waited for, and
anonymous memory, threads and open files are counted. Every twentieth is compared with a process of its own. The first
300 are the longest there are: in them each thread and each session comes to what it needs at most, and from then on
memory may not grow by more than 1 %. The last 300 are the first ones once more, so that their times may be compared.
The process has one arena of glibc's allocator and no caches of threads: what these usually keep free grows for
thousands of requests, though no more is in use.

`stream` writes sentence after sentence into one utterance, until it has spoken for so long.

Models are those of tests/models.py, or files. The last lines say what was found. It ends with 1 when memory, threads or
files grew, or samples differed. Times are told and not judged: they are those of whatever else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import models

os.environ.setdefault("QWEN3_TTS_LIBRARY_DIR", str(models.REPOSITORY / "build" / "cpu"))
sys.path.append(str(models.REPOSITORY / "bindings" / "python"))

from python_runtime import num_files, num_threads
from qwen3_tts_runtime import Engine

WORDS = "two geese fly over the cold sea and nobody hears what they say to each other at night".split()
KINDS = ("whole", "stream", "left", "cancelled", "pieces", "parts", "codes")
LIBC = ctypes.CDLL(None)
ROUND = 50  # requests between two looks at what the process has
COMPARE_EVERY = 20
THREADS = 6
WARM_UP = 300  # requests, the longest there are
TIMED = 200  # of them
GROWTH = 0.01  # of anonymous memory behind them
PLAIN_ALLOCATOR = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"  # which keeps little of what is free


@dataclass(frozen=True)
class Order:
    kind: str
    texts: tuple[str, ...]
    options: dict[str, Any]
    chunks: int  # after which somebody leaves


def draw_order(draw: random.Random, speakers: list[str], is_longest: bool) -> Order:
    """One request, out of a finite world: what the engine may remember of speakers and styles is soon known.

    The longest ones show what a session may take at most.
    """
    kind = draw.choice(KINDS)
    texts = tuple(
        " ".join(draw.choices(WORDS, k=11 if is_longest else draw.randrange(3, 12))).capitalize() + "."
        for _ in range(4)
    )
    options: dict[str, Any] = {
        "speaker": draw.choice(speakers[:4]),
        "seed": draw.randrange(1 << 20),
        "max_frames": 60 if is_longest else draw.randrange(2, 60),
        "min_frames": 60 if is_longest else None,
        "chunk_frames": draw.choice((1, 2, 4, 25)),
        "temperature": draw.choice((None, 0, 0.7)),
    }
    return Order(kind, texts, options, draw.randrange(1, 4))


async def cancel(engine: Engine, text: str, options: dict[str, Any], chunks: int) -> None:
    async def speak() -> None:
        heard = 0
        async for _ in engine.astream(text, **options):
            heard += 1
            if heard == chunks:
                task.cancel()
            await asyncio.sleep(0)

    task = asyncio.create_task(speak())
    with contextlib.suppress(asyncio.CancelledError):
        await task


def carry_out(engine: Engine, order: Order) -> str:
    """Digest of what was heard of it, which is the same in every process."""
    text = " ".join(order.texts)
    heard: Any
    if order.kind == "whole":
        heard = engine.speak(text, **order.options).samples
    elif order.kind == "pieces":
        heard = engine.speak("\n\n".join(order.texts), long_text="split", **order.options).samples
    elif order.kind == "codes":
        heard = engine.speak(text, codes_only=True, **order.options).codes
    elif order.kind == "cancelled":
        asyncio.run(cancel(engine, text, order.options, order.chunks))
        heard = np.empty(0)
    else:
        stream = engine.stream(iter(order.texts) if order.kind == "parts" else text, **order.options)
        chunks = []
        for chunk in stream:
            chunks.append(chunk)
            if order.kind == "left" and len(chunks) == order.chunks:
                stream.close()
                break
        heard = np.concatenate(chunks)
    return hashlib.sha256(heard.tobytes()).hexdigest()


def anonymous_kib() -> int:
    """Memory of this process that no file holds."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise RuntimeError("the system does not tell")


@dataclass(frozen=True)
class Held:
    """What a process has while nobody speaks."""

    anonymous_kib: int
    threads: int
    files: int

    @staticmethod
    def now() -> Held:
        """Without what the allocators keep for later."""
        gc.collect()
        LIBC.malloc_trim(0)
        return Held(anonymous_kib(), num_threads(), num_files())


def halves(held: list[Held]) -> tuple[list[Held], list[Held]]:
    return held[: len(held) // 2], held[len(held) // 2 :]


def came_and_stayed(held: list[Held]) -> list[str]:
    """Threads and files that the second half has more of: pools start theirs when they are first needed."""
    first, second = halves(held)
    return [
        f"more {what} came, and stayed"
        for what in ("threads", "files")
        if max(getattr(one, what) for one in second) > max(getattr(one, what) for one in first)
    ]


def in_fresh_process(model: str, order: Order) -> str:
    command = [sys.executable, __file__, "one", "--model", model, "--order", json.dumps(order.__dict__)]
    environment = {**os.environ, "PYTHONPATH": str(models.REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"


def model_file(model: str) -> Path:
    return Path(model) if model.endswith(".pte") else models.exported(model)


def speak_requests(model: str, count: int, seed: int) -> list[str]:
    """What is wrong."""
    faults = []
    draw = random.Random(seed)
    held: list[Held] = []
    times = np.zeros(count)  # written already: this program may not be what grows
    compared = 0
    with Engine(model_file(model)) as engine, ThreadPoolExecutor(THREADS) as pool:

        def timed(index: int, order: Order) -> str:
            begin = time.monotonic()
            digest = carry_out(engine, order)
            times[index] = 1000 * (time.monotonic() - begin)
            return digest

        for first in range(0, count, ROUND):
            is_longest = first < WARM_UP or first >= count - WARM_UP
            if first == count - WARM_UP:
                draw = random.Random(seed)
            orders = [draw_order(draw, engine.speakers, is_longest) for _ in range(ROUND)]
            digests = list(pool.map(timed, range(first, first + ROUND), orders))
            held.append(Held.now())
            for index in range(first, first + len(orders)):
                if index % COMPARE_EVERY == 0:
                    compared += 1
                    order = orders[index - first]
                    alone = in_fresh_process(model, order)
                    if alone != digests[index - first]:
                        faults.append(f"request {index} sounds otherwise in a process of its own: {order}, {alone}")
            print(f"{first + len(orders):5} requests: {held[-1]}", file=sys.stderr, flush=True)
    # The same 200 requests, at the beginning and at the end.
    first_times, last_times = (
        np.percentile(part, (50, 95)) for part in (times[:TIMED], times[-WARM_UP : TIMED - WARM_UP])
    )
    warm, later = held[: WARM_UP // ROUND], held[WARM_UP // ROUND :]
    print(f"{count} requests of {len(KINDS)} kinds in {THREADS} threads, {compared} compared, model {model}")
    print(f"after {ROUND}: {held[0]}; after {WARM_UP}: {warm[-1]}; at the end: {held[-1]}")
    print(
        f"ms a request, p50 and p95: first {TIMED} {first_times.round(1)}, "
        f"the same ones at the end {last_times.round(1)}: {(last_times / first_times).round(3)} times as long"
    )
    before, after = (max((one.anonymous_kib for one in part), default=0) for part in (warm, later))
    print(f"most anonymous memory: {before} KiB in the first {WARM_UP} requests, {after} KiB behind them")
    if after > before * (1 + GROWTH):
        faults.append("anonymous memory grew")
    faults += came_and_stayed(held)
    return faults


def speak_stream(model: str, seconds: float, seed: int) -> list[str]:
    """What is wrong."""
    draw = random.Random(seed)
    heard = 0.0
    held: list[Held] = []

    def sentences() -> Iterator[str]:
        while heard < seconds:
            yield " ".join(draw.choices(WORDS, k=draw.randrange(4, 14))).capitalize() + ". "

    with Engine(model_file(model)) as engine:
        started = time.monotonic()
        chunks = 0
        next_look = seconds / 20
        for samples in engine.stream(sentences(), speaker=engine.speakers[0] if engine.speakers else None):
            chunks += 1
            heard += len(samples) / engine.sample_rate
            if not np.isfinite(samples).all():
                return [f"samples are not numbers after {heard:.0f} s"]
            if heard >= next_look:
                held.append(Held.now())
                print(f"{heard:6.0f} s: {held[-1]}", file=sys.stderr, flush=True)
                next_look += seconds / 20
        took = time.monotonic() - started
    growth = held[-1].anonymous_kib - held[0].anonymous_kib
    hours = (19 / 20) * seconds / 3600
    print(f"{heard:.0f} s of speech in one stream of {chunks} deliveries in {took:.0f} s, model {model}")
    print(f"begin: {held[0]}; end: {held[-1]}; {growth / 1024 / hours:.1f} MiB more an hour of speech")
    faults = []
    faults += came_and_stayed(held)
    if growth / hours > MAX_KIB_AN_HOUR:
        faults.append(f"it grew by {growth} KiB: more than its codes and tokens")
    return faults


# 45 000 frames of 16 codes of 8 bytes, twice while they grow, and tokens and pieces
MAX_KIB_AN_HOUR = 24 << 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("requests", "stream", "one"), help="one: what `requests` calls")
    parser.add_argument("--count", type=int, default=2000, help="requests (2000)")
    parser.add_argument("--seconds", type=float, default=3600, help="of speech in the stream (3600)")
    parser.add_argument("--model", help="a row of models.EXPORTS, or a .pte")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    parser.add_argument("--order", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.count % ROUND or args.count < 2 * WARM_UP:
        parser.error(f"--count is a multiple of {ROUND}, and at least {2 * WARM_UP}: {args.count} is not")
    if args.what == "one":
        with Engine(model_file(args.model)) as engine:
            print(carry_out(engine, Order(**json.loads(args.order))))
        return
    if os.environ.get("GLIBC_TUNABLES") != PLAIN_ALLOCATOR:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "GLIBC_TUNABLES": PLAIN_ALLOCATOR})
    if args.what == "requests":
        faults = speak_requests(args.model or "tiny-customvoice-small", args.count, args.seed)
    else:
        faults = speak_stream(args.model or "demo-small", args.seconds, args.seed)
    print("\n".join(faults) or "nothing wrong")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

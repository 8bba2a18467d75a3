#!/usr/bin/env python3
"""Put load on qwen3-tts-server: many clients, of which some leave, some are slow and some send what is wrong; then
clients who come at random (a Poisson process), fewer and more than it can serve.

    make build && python benchmarks/server_load.py --model model.pte --voice ryan

Every answer is compared with what the server says when it is asked alone. Prints Markdown tables. Without --model it
is the demo voice that `make demo` has exported. With --peer another server, which runs already, is asked beside it by
turns; server_peers.py says how:

    python benchmarks/server_load.py --peer "other=http://127.0.0.1:8001 model=tts-1 voice=alloy"
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from http_clients import BYTES_PER_SAMPLE, Answer, Client
from measuring import ProgramError, percentile
from random_models import REPOSITORY
from server_peers import ServerPeer, by_turns, table

DEMO = REPOSITORY / "build" / "demo" / "demo_voice-snapshot" / "model.pte"
TEXTS = (
    "The train to London leaves at 6:45.",
    "It is raining.",
    "Please open the window.",
    "See you tomorrow morning.",
)
SEEDS = 4
WRONG: list[dict[str, Any]] = [{"voice": "nobody"}, {"input": ""}, {"response_format": "aac"}, {"speed": 9}, {"x": 1}]


@dataclass(frozen=True)
class Server:
    """One that runs."""

    pid: int
    host: str
    port: int

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def num_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@contextmanager
def serving(model: Path, *flags: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "qwen3_tts_runtime.server", "--model", f"it={model}", "--port", "0", *flags]
    paths = [str(REPOSITORY / "bindings" / "python"), os.environ.get("PYTHONPATH", "")]
    libraries = os.environ.get("QWEN3_TTS_LIBRARY_DIR", str(REPOSITORY / "build" / "cpu"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "QWEN3_TTS_LIBRARY_DIR": libraries}
    log = REPOSITORY / "build" / "server_load.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output, env=environment)
    try:
        while not (lines := [line for line in log.read_text().splitlines() if '"listening"' in line]):
            if process.poll() is not None:
                raise SystemExit(f"the server has ended:\n{log.read_text()}")
            time.sleep(0.05)
        host, _, port = json.loads(lines[0])["address"].removeprefix("http://").rpartition(":")
        yield Server(process.pid, host, int(port))
    finally:
        process.terminate()
        process.wait()


@dataclass
class Load:
    """What came of some time under load."""

    what: str
    sample_rate: int
    seconds: float = 0
    counts: Counter[str] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)  # to those who listen as fast as they can
    memory: list[int] = field(default_factory=list)  # every second
    files: list[int] = field(default_factory=list)

    def row(self) -> str:
        first = sorted(answer.first * 1000 for answer in self.answers)
        late = [answer.late(self.sample_rate) for answer in self.answers]
        audio = sum(len(answer.content) for answer in self.answers) / BYTES_PER_SAMPLE / self.sample_rate
        counts = self.counts
        cells = [
            self.what,
            f"{counts['whole']}",
            f"{counts['other bytes']}",
            f"{counts['lost']}",
            f"{counts['left']}, {counts['slow']}, {counts['wrong']}, {counts['turned away']}",
            f"{audio / self.seconds:.1f}",
            f"{percentile(first, 50):.0f}, {percentile(first, 95):.0f}" if first else "–",
            f"{100 * mean(gap > 0 for gap in late):.0f} %" if late else "–",
        ]
        return f"| {' | '.join(cells)} |"

    def memory_row(self) -> str:
        """In the first third, and later: by how much it differs from its middle."""
        third = len(self.memory) // 3
        later = self.memory[third:]
        spread = max(abs(value - median(later)) for value in later) / median(later)
        first, rest = median(self.memory[:third]) / 1e6, median(later) / 1e6
        files = f"{min(self.files)} to {max(self.files)}, at the end {self.files[-1]}"
        return f"| {self.what} | {first:.0f} | {rest:.0f} | {100 * spread:.1f} % | {files} |"


class Tester:
    """Requests whose answers are known."""

    def __init__(self, server: Server, voice: str, max_frames: int | None = None) -> None:
        self.server = server
        self.always: dict[str, Any] = {"response_format": "pcm"}
        if voice:
            self.always["voice"] = voice
        if max_frames:
            self.always["max_frames"] = max_frames
        self._expected: dict[tuple[str, int], str] = {}
        self.sample_rate = 24000

    async def learn(self) -> float:
        """Asks for everything alone. Seconds of speech of a request, on average."""
        sizes = []
        for text in TEXTS:
            for seed in range(SEEDS):
                answer = await self.client().speak(self.fields(text, seed))
                assert answer.status == 200, answer.content
                self._expected[text, seed] = hashlib.sha256(answer.content).hexdigest()
                sizes.append(len(answer.content))
        return mean(sizes) / BYTES_PER_SAMPLE / self.sample_rate

    def fields(self, text: str, seed: int) -> dict[str, Any]:
        return {"input": text, "seed": seed, **self.always}

    def client(self, **how: Any) -> Client:
        return Client(self.server.host, self.server.port, **how)

    async def ask(self, load: Load, source: random.Random, *, gently: bool) -> None:
        """One request of a kind that is drawn; `gently`: as one who listens to the end."""
        kind = "whole" if gently else source.choices(["whole", "left", "slow", "wrong"], [12, 3, 2, 3])[0]
        text, seed = source.choice(TEXTS), source.randrange(SEEDS)
        fields = self.fields(text, seed)
        try:
            if kind == "wrong":
                answer = await self.client().speak({**fields, **source.choice(WRONG)})
                load.counts["wrong" if answer.status == 400 else "other bytes"] += 1
            elif kind == "left":
                await self.client(leaves_after=source.randrange(60_000)).speak(fields)
                load.counts["left"] += 1
            else:
                rate = 2.0 * BYTES_PER_SAMPLE * self.sample_rate if kind == "slow" else 0
                answer = await self.client(slow_to=rate).speak(fields)
                self._count(load, kind, answer, self._expected[text, seed])
        except (OSError, EOFError):
            load.counts["lost"] += 1

    def _count(self, load: Load, kind: str, answer: Answer, expected: str) -> None:
        if answer.status == 429:
            load.counts["turned away"] += 1
        elif answer.status != 200 or hashlib.sha256(answer.content).hexdigest() != expected:
            load.counts["other bytes"] += 1
        else:
            load.counts[kind] += 1
            if kind == "whole":
                load.answers.append(answer)

    async def by_clients(self, number: int, seconds: float) -> Load:
        """Each asks again as soon as it has been answered."""
        load = Load(f"{number} clients", self.sample_rate)
        end = time.monotonic() + seconds

        async def work(index: int) -> None:
            source = random.Random(index)
            while time.monotonic() < end:
                await self.ask(load, source, gently=False)

        await self._watched(load, asyncio.gather(*(work(index) for index in range(number))))
        return load

    async def at_random(self, rate: float, seconds: float) -> Load:
        """Who comes does not wait for others: `rate` requests a second."""
        load = Load(f"{rate:.1f} requests a second", self.sample_rate)

        async def come() -> None:
            source = random.Random(0)
            tasks = []
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                tasks.append(asyncio.create_task(self.ask(load, source, gently=True)))
                await asyncio.sleep(source.expovariate(rate))
            await asyncio.gather(*tasks)

        await self._watched(load, come())
        return load

    async def _watched(self, load: Load, work: Any) -> None:
        begin = time.monotonic()
        task = asyncio.ensure_future(work)
        while not task.done():
            load.memory.append(self.server.memory)
            load.files.append(self.server.num_files)
            await asyncio.wait({task}, timeout=1)
        task.result()
        load.seconds = time.monotonic() - begin
        await asyncio.sleep(0.5)
        load.files.append(self.server.num_files)


async def first_sound(tester: Tester, model: Path, rounds: int) -> tuple[float, float]:
    """Medians in ms: by the library in this process, and over HTTP; by turns, one at a time."""
    from qwen3_tts_runtime import Engine

    text, by_library, by_http = TEXTS[0], [], []
    fields = tester.fields(text, 0)
    with Engine(model) as engine:
        for _ in range(rounds):
            begin = time.perf_counter()
            chunks = engine.stream(text, speaker=fields.get("voice"), seed=0)
            next(chunks)
            by_library.append(time.perf_counter() - begin)
            chunks.close()
            by_http.append((await tester.client().speak(fields)).first)
    return 1000 * median(by_library[1:]), 1000 * median(by_http[1:])


async def measure(server: Server, arguments: argparse.Namespace) -> list[Load]:
    tester = Tester(server, arguments.voice, arguments.max_frames)
    length = await tester.learn()
    loads = [await tester.by_clients(arguments.clients, arguments.seconds)]
    capacity = sum(len(answer.content) for answer in loads[0].answers) / BYTES_PER_SAMPLE / tester.sample_rate
    capacity *= sum(loads[0].counts.values()) / max(1, loads[0].counts["whole"]) / loads[0].seconds / length
    for share in (0.5, 1.5):  # of what it can serve, about
        loads.append(await tester.at_random(share * capacity, arguments.seconds / 2))
    print(
        "| load | whole | other bytes | lost | left, slow, wrong, turned away | audio s/s | first sound p50, p95 (ms) "
        "| underruns |\n|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(load.row() for load in loads))
    print("\n| load | memory, first third (MB) | later | spread | descriptors |\n|---|---|---|---|---|")
    print("\n".join(load.memory_row() for load in loads))
    library, http = await first_sound(tester, arguments.model, 30)
    print(f"\nFirst sound, one at a time: {library:.1f} ms by the library, {http:.1f} ms over HTTP.")
    if arguments.peer:
        ours = ServerPeer("ours", server.host, server.port, tester.always)
        answers = await by_turns([ours, *arguments.peer], TEXTS, arguments.clients, arguments.seconds)
        print(f"\nBy turns, {arguments.clients} clients:\n\n{table(answers)}")
    return loads


def peer(text: str) -> ServerPeer:
    """As argparse wants it, which shows the words of this error alone."""
    try:
        return ServerPeer.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=DEMO, help="model.pte")
    parser.add_argument("--voice", default="lark", help="speaker; empty for a model that has none (default: lark)")
    parser.add_argument(
        "--max-frames", type=int, help="longest answer, in frames of 80 ms: random weights seldom stop by themselves"
    )
    parser.add_argument("--clients", type=int, default=32, help="who ask at once (default: 32)")
    parser.add_argument("--seconds", type=float, default=180, help="under load (default: 180)")
    parser.add_argument(
        "--peer", type=peer, action="append", default=[], metavar="NAME=URL [FIELD=VALUE ...]",
        help="another server that runs, asked with these fields; may come several times",
    )  # fmt: skip
    return parser.parse_args(words)


def main() -> None:
    arguments = parse()
    sys.path.insert(0, str(REPOSITORY / "bindings" / "python"))
    os.environ.setdefault("QWEN3_TTS_LIBRARY_DIR", str(REPOSITORY / "build" / "cpu"))
    try:
        with serving(arguments.model, "--max-queue", "64") as server:
            asyncio.run(measure(server, arguments))
    except ProgramError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

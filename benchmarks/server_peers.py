"""Other servers beside ours: the same clients ask all of them by turns, so that what else the machine does meets each.

A peer is `NAME=URL [FIELD=VALUE ...]`, split into words as a shell would: a server that runs, and has OpenAI's
`POST /v1/audio/speech`. The fields are added to each request, as texts:

    --peer "other=http://127.0.0.1:8001 model=tts-1 voice=alloy"

It is asked for PCM: 16 bits, little-endian, at 24 kHz unless its answer has the header x-sample-rate. Every answer
counts that is a status of 200 and speech; nobody leaves, is slow, or sends what is wrong. Speed is told in seconds of
speech, since another model says a text in another length.
"""

from __future__ import annotations

import asyncio
import random
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from http_clients import BYTES_PER_SAMPLE, PATH, Answer, Client
from measuring import ProgramError, percentile

SAMPLE_RATE = 24000  # Hz, of OpenAI's PCM
ROUNDS = 3
PATIENCE_S = 600.0  # for one answer
NO_ANSWER = (OSError, EOFError, ValueError, IndexError, asyncio.TimeoutError)


@dataclass(frozen=True)
class ServerPeer:
    name: str
    host: str
    port: int
    fields: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> ServerPeer:
        """`NAME=URL [FIELD=VALUE ...]`. ValueError for anything else."""
        try:
            words = [word.partition("=") for word in shlex.split(text)]
            url = urlsplit(words[0][2] if words else "")
            is_right = url.scheme == "http" and url.hostname and url.path.rstrip("/") in ("", "/v1") and not url.query
            if is_right and all(name and separator for name, separator, _ in words):
                (name, _, _), *fields = words
                return cls(name, str(url.hostname), url.port or 80, {field: value for field, _, value in fields})
        except ValueError as error:
            raise ValueError(f"'{text}' is no peer: {error}") from error
        raise ValueError(f"'{text}' is no peer; write NAME=http://HOST:PORT [FIELD=VALUE ...]")


@dataclass
class Answered:
    """What came of some time of one server's clients."""

    name: str
    seconds: float = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: list[float] = field(default_factory=list)  # ms
    late: list[float] = field(default_factory=list)  # s
    audio: float = 0  # s

    def add(self, answer: Answer) -> None:
        if answer.status in (429, 503):
            self.counts["turned away"] += 1
        elif answer.status != 200 or not answer.content:
            self.counts["failed"] += 1
        else:
            rate = int(answer.headers.get("x-sample-rate", SAMPLE_RATE))
            self.counts["answered"] += 1
            self.first.append(1000 * answer.first)
            self.late.append(answer.late(rate))
            self.audio += len(answer.content) / BYTES_PER_SAMPLE / rate

    @property
    def speed(self) -> float:
        """Seconds of speech in a second."""
        return self.audio / self.seconds if self.seconds else 0.0

    def row(self, ours: Answered) -> str:
        first = sorted(self.first)
        cells = [
            self.name,
            str(self.counts["answered"]),
            f"{self.counts['turned away']}, {self.counts['failed']}, {self.counts['lost']}",
            f"{self.speed:.1f}",
            f"{self.speed / ours.speed:.2f}" if ours.speed else "–",
            f"{percentile(first, 50):.0f}, {percentile(first, 95):.0f}" if first else "–",
            f"{100 * sum(gap > 0 for gap in self.late) / len(self.late):.0f} %" if self.late else "–",
        ]
        return f"| {' | '.join(cells)} |"


async def ask(peer: ServerPeer, fields: dict[str, Any]) -> Answer:
    """One request. One of NO_ANSWER for what does not come, breaks off, or is no HTTP."""
    asked = {**fields, "response_format": "pcm", **peer.fields}
    return await asyncio.wait_for(Client(peer.host, peer.port).speak(asked), PATIENCE_S)


async def check(peer: ServerPeer, text: str) -> None:
    """ProgramError when it does not speak: what is wrong with a peer shows before anything is measured."""
    try:
        answer = await ask(peer, {"input": text})
    except NO_ANSWER as error:
        raise ProgramError(f"peer {peer.name} at {peer.host}:{peer.port} does not answer: {error!r}") from error
    if answer.status != 200 or not answer.content:
        said = answer.content[:300].decode(errors="replace")
        raise ProgramError(f"peer {peer.name} answers POST {PATH} with status {answer.status}: {said}")


async def load(peer: ServerPeer, answered: Answered, texts: Sequence[str], clients: int, seconds: float) -> None:
    """Each client asks again as soon as it has been answered."""
    begin = time.monotonic()

    async def work(index: int) -> None:
        source = random.Random(index)
        is_over = False
        while not is_over:  # once at least
            try:
                answered.add(await ask(peer, {"input": source.choice(texts)}))
            except NO_ANSWER:
                answered.counts["lost"] += 1
                await asyncio.sleep(0.1)  # a server that is gone refuses thousands a second
            is_over = time.monotonic() >= begin + seconds

    await asyncio.gather(*(work(index) for index in range(clients)))
    answered.seconds += time.monotonic() - begin


async def by_turns(servers: Sequence[ServerPeer], texts: Sequence[str], clients: int, seconds: float) -> list[Answered]:
    """Of each server: `seconds` under the load of so many clients, in some rounds. ProgramError for one that does not
    speak."""
    for server in servers:
        await check(server, texts[0])
    answers = [Answered(server.name) for server in servers]
    for _ in range(ROUNDS):
        for server, answered in zip(servers, answers):
            await load(server, answered, texts, clients, seconds / ROUNDS)
    return answers


def table(answers: Sequence[Answered]) -> str:
    """The first one is ours."""
    head = (
        "| server | answers | turned away, failed, lost | audio s/s | × ours | first sound p50, p95 (ms) | underruns |"
        "\n|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(answered.row(answers[0]) for answered in answers)

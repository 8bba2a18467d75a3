"""Other servers beside ours in benchmarks/server_load.py: how they are named, asked and counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import server_load
from measuring import ProgramError
from server_peers import Answered, ServerPeer, ask, by_turns, check, load, table
from server_process import ServerProcess

Pte = Callable[[str], Path]

TEXTS = ("One.", "Two.")


def test_how_a_peer_is_named() -> None:
    peer = ServerPeer.parse("other=http://localhost:81/v1 model=tts-1 'voice=a lark'")
    assert peer == ServerPeer("other", "localhost", 81, {"model": "tts-1", "voice": "a lark"})


@pytest.mark.parametrize(
    "text", ["", "other", "=http://a", "a=https://b", "a=http://b:x", "a=http://b/c", "a=http://b x"]
)
def test_what_is_no_peer_is_named(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        server_load.parse(["--peer", text])
    assert f"'{text}' is no peer" in capsys.readouterr().err


def test_a_server_of_ours_as_the_peer_of_another(tiny_pte: Pte) -> None:
    flags = ("--model", f"it={tiny_pte('tiny-customvoice-small')}", "--threads", "1")
    with ServerProcess(*flags) as first, ServerProcess(*flags) as second:
        ours = ServerPeer("ours", "127.0.0.1", first.port, {"voice": "ryan"})
        peer = ServerPeer.parse(f"other=http://127.0.0.1:{second.port} model=it voice=ryan")
        answers = asyncio.run(by_turns([ours, peer], TEXTS, clients=3, seconds=1.5))
        voices = {event["voice"] for event in second.events("speech")}
        wrong = ServerPeer.parse(f"other=http://127.0.0.1:{second.port} voice=nobody")
        with pytest.raises(ProgramError, match=r"peer other answers .* with status 400: .*there is no voice 'nobody'"):
            asyncio.run(check(wrong, TEXTS[0]))
    assert voices == {"ryan"}
    for answered in answers:
        assert answered.counts.keys() == {"answered"}
        assert answered.counts["answered"] >= 9  # three clients, three rounds
        assert len(answered.first) == answered.counts["answered"]
        assert answered.audio > 0 and answered.seconds >= 1.5
    lines = table(answers).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| ours", "| other"]
    assert f"| {answers[1].speed / answers[0].speed:.2f} |" in lines[1]


@asynccontextmanager
async def answering(answer: bytes, heard: list[dict[str, Any]]) -> AsyncIterator[ServerPeer]:
    """A server that gives the same answer to everybody, and does not close connections by itself."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        heard.append(json.loads(await reader.readexactly(length)))
        writer.write(answer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        yield ServerPeer("it", "127.0.0.1", server.sockets[0].getsockname()[1], {"voice": "ann"})


async def answered_with(answer: bytes) -> Answered:
    """What is counted of one client that asks a little while."""
    heard: list[dict[str, Any]] = []
    answered = Answered("it")
    async with answering(answer, heard) as peer:
        await load(peer, answered, ["Hello."], clients=1, seconds=0.05)
    assert heard[0] == {"input": "Hello.", "response_format": "pcm", "voice": "ann"}
    return answered


def test_an_answer_of_stated_length() -> None:
    """Half a second, at the rate that it states."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 8000\r\nX-Sample-Rate: 8000\r\n\r\n"
    answered = asyncio.run(answered_with(head + bytes(8000)))
    assert answered.audio == 0.5 * answered.counts["answered"] > 0
    assert answered.counts.keys() == {"answered"}


def test_without_a_stated_rate_it_is_that_of_openai() -> None:
    answered = asyncio.run(answered_with(b"HTTP/1.1 200 OK\r\nContent-Length: 48000\r\n\r\n" + bytes(48000)))
    assert answered.audio == answered.counts["answered"] > 0


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n", "turned away"),
        (b"HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\n{}", "failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "failed"),
        (b"no HTTP\r\n\r\n", "lost"),
    ],
)
def test_what_is_no_speech_is_no_answer(answer: bytes, counted: str) -> None:
    answered = asyncio.run(answered_with(answer))
    assert answered.counts.keys() == {counted}
    assert answered.audio == 0 == answered.speed and not answered.first


def test_a_peer_that_is_not_there() -> None:
    with pytest.raises(ProgramError, match=r"peer it at 127\.0\.0\.1:1 does not answer"):
        asyncio.run(check(ServerPeer("it", "127.0.0.1", 1, {}), "Hello."))


def test_an_answer_that_breaks_off() -> None:
    async def cut() -> None:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            writer.close()

        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            await ask(ServerPeer("it", "127.0.0.1", server.sockets[0].getsockname()[1], {}), {"input": "Hello."})

    with pytest.raises((EOFError, OSError)):
        asyncio.run(cut())

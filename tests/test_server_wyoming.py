"""qwen3-tts-server answers Home Assistant, played by the client of the package `wyoming`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from python_runtime import TEXT
from qwen3_tts_runtime import Engine
from qwen3_tts_runtime.audio import to_pcm16
from qwen3_tts_runtime.server import cli
from server_process import ServerProcess

Pte = Callable[[str], Path]

RYAN = SynthesizeVoice(name="ryan")
LONG = "Always the same words. " * 25


@pytest.fixture(scope="module")
def engine(tiny_pte: Pte) -> Iterator[Engine]:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        yield engine


@pytest.fixture(scope="module")
def server(tiny_pte: Pte) -> Iterator[ServerProcess]:
    words = (f"tiny={tiny_pte('tiny-customvoice')}", "--model", f"base={tiny_pte('tiny-base')}")
    with ServerProcess("--model", *words, "--wyoming", "127.0.0.1:0", "--idle-timeout", 2) as server:
        yield server


@asynccontextmanager
async def connected(server: ServerProcess) -> AsyncIterator[AsyncTcpClient]:
    address = server.events("listening_wyoming")[0]["address"]
    async with AsyncTcpClient("127.0.0.1", int(address.rpartition(":")[2])) as client:
        yield client


async def tell(client: AsyncTcpClient, *events: Any) -> None:
    for event in events:
        await client.write_event(event.event())


async def hear(client: AsyncTcpClient, until: Any) -> tuple[bytes, list[str]]:
    """The sound, and the kinds of events, up to one of a kind."""
    sound = b""
    kinds: list[str] = []
    while True:
        event = await client.read_event()
        assert event is not None
        if not kinds or kinds[-1] != event.type:
            kinds.append(event.type)
        if AudioChunk.is_type(event.type):
            sound += AudioChunk.from_event(event).audio
        if until.is_type(event.type):
            return sound, kinds
        if Error.is_type(event.type):
            raise AssertionError(Error.from_event(event).text)


async def error_of(client: AsyncTcpClient) -> str:
    event = await client.read_event()
    assert event is not None and Error.is_type(event.type), event
    return Error.from_event(event).text


def pcm(engine: Engine, text: Any, **request: Any) -> bytes:
    return to_pcm16(engine.speak(text, **{"speaker": "ryan", **request}).samples).tobytes()


def test_what_is_offered(server: ServerProcess, engine: Engine) -> None:
    async def talk() -> Info:
        async with connected(server) as client:
            await tell(client, Describe())
            event = await client.read_event()
            assert event is not None
            return Info.from_event(event)

    info = asyncio.run(talk())
    tiny, base = info.tts
    assert (tiny.name, base.name) == ("tiny", "base")
    assert tiny.supports_synthesize_streaming and tiny.installed
    assert [voice.name for voice in tiny.voices] == engine.speakers
    assert {"en", "zh"} < set(tiny.voices[0].languages)


def test_a_text(server: ServerProcess, engine: Engine) -> None:
    # Before the server waits for this client, which it does not do for long.
    expected = pcm(engine, TEXT)
    english = pcm(engine, TEXT, speaker=engine.speakers[0], language="en")

    async def talk() -> None:
        async with connected(server) as client:
            for _ in range(2):
                await tell(client, Synthesize(TEXT, voice=RYAN))
                sound, kinds = await hear(client, AudioStop)
                assert sound == expected
                assert kinds == ["audio-start", "audio-chunk", "audio-stop"]
            await tell(client, Synthesize(TEXT, voice=SynthesizeVoice(language="en")))
            assert (await hear(client, AudioStop))[0] == english

    asyncio.run(talk())


def test_the_form_of_the_sound(server: ServerProcess, engine: Engine) -> None:
    async def talk() -> AudioStart:
        async with connected(server) as client:
            await tell(client, Synthesize(TEXT, voice=RYAN))
            event = await client.read_event()
            assert event is not None
            return AudioStart.from_event(event)

    form = asyncio.run(talk())
    assert (form.rate, form.width, form.channels) == (engine.sample_rate, 2, 1)


def test_a_text_that_is_being_written(server: ServerProcess, engine: Engine) -> None:
    parts = ["One sent", "ence. And ", "another."]
    expected = pcm(engine, parts)

    async def talk() -> None:
        async with connected(server) as client:
            for _ in range(2):
                await tell(client, SynthesizeStart(voice=RYAN), *map(SynthesizeChunk, parts))
                await tell(client, Synthesize("".join(parts), voice=RYAN))  # for servers that know no parts
                await tell(client, SynthesizeStop())
                sound, kinds = await hear(client, SynthesizeStopped)
                assert sound == expected
                assert kinds == ["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]

    asyncio.run(talk())


def test_who_leaves_is_not_spoken_to(server: ServerProcess) -> None:
    async def talk() -> None:
        async with connected(server) as client:
            await tell(client, Synthesize(LONG, voice=RYAN))
            await client.read_event()

    asyncio.run(talk())
    while not (events := [event for event in server.events("speech") if event.get("characters") == len(LONG)]):
        server.wait_for("speech", len(server.events("speech")) + 1)
    assert events[0]["outcome"] == "left"


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (Synthesize(TEXT, voice=SynthesizeVoice(name="../nobody")), "there is no voice '../nobody'"),
        (Synthesize("", voice=RYAN), "input is missing or empty"),
        (Synthesize("a" * 5000, voice=RYAN), "5000 characters"),
        (Synthesize("<speak>Hello.</speak>", voice=RYAN, text_format="ssml"), "text_format is 'ssml'"),
        (SelectProgram("none"), "there is no model 'none'"),
        (SynthesizeStart(voice=SynthesizeVoice(name="nobody")), "there is no voice 'nobody'"),
    ],
)
def test_errors(server: ServerProcess, engine: Engine, event: Any, sentence: str) -> None:
    async def talk() -> None:
        async with connected(server) as client:
            await tell(client, event)
            assert sentence in await error_of(client)
            await tell(client, Synthesize(TEXT, voice=RYAN))
            assert (await hear(client, AudioStop))[0] == pcm(engine, TEXT)  # it goes on

    asyncio.run(talk())


def test_other_events_are_passed_over(server: ServerProcess) -> None:
    async def talk() -> str | None:
        async with connected(server) as client:
            await client.write_event(Event("transcribe", {"name": "x"}, b"payload"))
            await tell(client, SynthesizeChunk("a"), SynthesizeStop(), Ping("here"))
            event = await client.read_event()
            assert event is not None
            return Pong.from_event(event).text

    assert asyncio.run(talk()) == "here"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no JSON"),
        (b"[" * 50_000 + b"\n", "too deep"),
        (b"x" * 100_000 + b"\n", "65536"),
        (b'{"type": 1}\n', "no type"),
        (b'{"type": "ping", "data": []}\n', None),  # nothing is nothing
        (b'{"type": "ping", "data": [1]}\n', "no object"),
        (b'{"type": "ping", "data_length": 99999999999}\n', "99999999999"),
        (b'{"type": "ping", "payload_length": -1}\n', "payload_length"),
        (b'{"type": "ping", "data_length": true}\n', "data_length"),
        (b'{"type": "ping", "data_length": 2}\n[]', "no JSON object"),
        (b'{"type": "synthesize", "data": {"text": 1}}\n', "text is no text"),
        (b'{"type": "synthesize", "data": {"text": "a", "voice": 1}}\n', None),  # the first voice
        (b"\xff\n", "UTF-8"),
    ],
)
def test_what_is_no_event(server: ServerProcess, content: bytes, sentence: str | None) -> None:
    async def talk() -> None:
        async with connected(server) as client:
            assert client._writer and client._reader
            client._writer.write(content)
            line = json.loads(await client._reader.readline())
            if sentence is None:
                assert line["type"] in ("pong", "audio-start")
            else:
                assert line["type"] == "error"
                data = json.loads(await client._reader.readexactly(line["data_length"]))
                assert sentence in data["text"]

    asyncio.run(talk())


def test_who_is_silent_is_left(server: ServerProcess) -> None:
    async def talk() -> None:
        async with connected(server) as client:
            assert await client.read_event() is None

    asyncio.run(talk())


@pytest.mark.parametrize("address", ["10200", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "0.0.0.0:10200"])
def test_addresses_that_are_wrong(tiny_pte: Pte, capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert cli.main(["--model", str(tiny_pte("tiny-customvoice")), "--wyoming", address]) == 1
    assert f"--wyoming {address} is" in capsys.readouterr().err

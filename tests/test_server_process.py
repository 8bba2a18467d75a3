"""qwen3-tts-server as a process: OpenAI's client, clients that leave, that are slow, that write; and its end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from python_runtime import TEXT
from qwen3_tts_runtime import Engine
from qwen3_tts_runtime.audio import to_pcm16
from qwen3_tts_runtime.server import cli
from server_process import ServerProcess

Pte = Callable[[str], Path]

KEY = "the key"
AUTHORIZATION = {"authorization": f"Bearer {KEY}"}
PLACES = 2
LONG = "Always the same words. " * 25  # 11 s, half a megabyte of PCM
SPEECH = "/v1/audio/speech"


@pytest.fixture(scope="module")
def engine(tiny_pte: Pte) -> Iterator[Engine]:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        yield engine


@pytest.fixture(scope="module")
def server(tiny_pte: Pte, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"another key\n\n{KEY}\n")
    flags = ("--api-key-file", keys, "--max-batch", PLACES, "--max-queue", 8)
    with ServerProcess("--model", f"tiny={tiny_pte('tiny-customvoice')}", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def impatient(tiny_pte: Pte) -> Iterator[ServerProcess]:
    """One that waits for nobody."""
    model = tiny_pte("tiny-customvoice")
    with ServerProcess("--model", model, "--idle-timeout", 0.3, env={"QWEN3_TTS_API_KEY": KEY}) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=AUTHORIZATION, timeout=60, verify=False) as client:
        yield client


def pcm(engine: Engine, text: Any = TEXT, **request: Any) -> bytes:
    return to_pcm16(engine.speak(text, speaker="ryan", **request).samples).tobytes()


def fields(text: str = TEXT, **more: Any) -> dict[str, Any]:
    return {"input": text, "voice": "ryan", "response_format": "pcm", **more}


# OpenAI's client


@pytest.fixture(scope="module")
def openai_client(server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_the_client_of_openai_speaks(openai_client: openai.OpenAI, engine: Engine, tmp_path: Path) -> None:
    whole = openai_client.audio.speech.create(model="tiny", voice="ryan", input=TEXT, response_format="pcm")
    assert whole.read() == pcm(engine)
    own = {"seed": 7, "max_frames": 9}
    with openai_client.audio.speech.with_streaming_response.create(
        model="tiny", voice="ryan", input=TEXT, response_format="pcm", extra_body=own
    ) as streamed:
        streamed.stream_to_file(tmp_path / "speech.pcm")
    assert (tmp_path / "speech.pcm").read_bytes() == pcm(engine, **own)
    assert [model.id for model in openai_client.models.list()] == ["tiny"]


def test_the_client_of_openai_knows_the_errors(openai_client: openai.OpenAI, server: ServerProcess) -> None:
    with pytest.raises(openai.BadRequestError, match="'aac' is not made here") as error:
        openai_client.audio.speech.create(model="tiny", voice="ryan", input=TEXT, response_format="aac")
    assert error.value.param == "response_format"
    with pytest.raises(openai.NotFoundError, match="no model 'tts-1'"):
        openai_client.audio.speech.create(model="tts-1", voice="ryan", input=TEXT)
    stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


# Listeners


def listen(server: ServerProcess, text: str, receive_buffer: int | None = None, **more: Any) -> socket.socket:
    """A connection on which speech has begun to arrive."""
    body = json.dumps(fields(text, **more)).encode()
    connection = server.connect(receive_buffer)
    connection.sendall(head_of(body) + body)
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def head_of(body: bytes) -> bytes:
    lines = ["Host: 127.0.0.1", f"Authorization: Bearer {KEY}", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([f"POST {SPEECH} HTTP/1.1", *lines, "", ""]).encode()


def rest_of(connection: socket.socket) -> bytes:
    """The body of the answer."""
    with connection:
        content = b""
        while part := connection.recv(1 << 16):
            content += part
    return unchunked(content.partition(b"\r\n\r\n")[2])


def unchunked(content: bytes) -> bytes:
    body = b""
    while content:
        size, _, content = content.partition(b"\r\n")
        body += content[: int(size, 16)]
        content = content[int(size, 16) + 2 :]
    return body


def speech_events(server: ServerProcess, text: str) -> list[dict[str, Any]]:
    """Those of utterances of a text, by its length."""
    return [event for event in server.events("speech") if event.get("characters") == len(text)]


def wait_for_speech(server: ServerProcess, text: str, number: int = 1) -> list[dict[str, Any]]:
    while len(events := speech_events(server, text)) < number:
        server.wait_for("speech", len(server.events("speech")) + 1)
    return events


def test_who_leaves_is_not_spoken_to(server: ServerProcess, client: httpx.Client) -> None:
    text = LONG + "Leaving. "
    for _ in range(PLACES + 1):
        listen(server, text).close()
    events = wait_for_speech(server, text, PLACES + 1)
    assert {event["outcome"] for event in events} == {"left"}
    assert all(event["audio_s"] < 5 for event in events)  # of 11
    assert "qwen3_tts_active_rows 0.0" in client.get("/metrics").text


def test_who_leaves_the_queue_is_forgotten(server: ServerProcess, client: httpx.Client) -> None:
    text = LONG + "Queueing. "
    speaking = [listen(server, text) for _ in range(PLACES)]
    with server.connect() as waiting:
        body = json.dumps(fields(text)).encode()
        waiting.sendall(head_of(body) + body)
        while "qwen3_tts_queue_depth 1.0" not in client.get("/metrics").text:
            pass
    while "qwen3_tts_queue_depth 0.0" not in client.get("/metrics").text:
        pass
    assert speech_events(server, text) == [] or all(event["audio_s"] == 0 for event in speech_events(server, text))
    for connection in speaking:
        connection.close()
    events = wait_for_speech(server, text, PLACES + 1)
    assert [event["audio_s"] for event in events].count(0) == 1


def test_slow_listeners_hold_nobody_up(server: ServerProcess, client: httpx.Client, engine: Engine) -> None:
    text = LONG + "Slowly. "
    slow = [listen(server, text, receive_buffer=2048) for _ in range(PLACES + 2)]
    answer = client.post(SPEECH, json=fields(seed=5))
    assert answer.content == pcm(engine, seed=5)
    assert speech_events(server, text) == []  # none of them has been spoken to its end
    expected = pcm(engine, text)
    assert [rest_of(connection) for connection in slow] == [expected] * len(slow)


def test_who_takes_nothing_is_left(impatient: ServerProcess) -> None:
    with listen(impatient, LONG, receive_buffer=2048):
        (event,) = impatient.wait_for("speech")
        assert event["outcome"] == "left"


# Text that is being written


@asynccontextmanager
async def conversation(server: ServerProcess, **headers: str) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/v1/audio/speech/stream"
    async with connect(url, additional_headers=headers or AUTHORIZATION) as socket:
        yield socket


async def say(socket: ClientConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> tuple[bytes, dict[str, Any]]:
    """The sound before the next message that is none, but for "started", and that message."""
    sound = b""
    while True:
        message = await socket.recv()
        if isinstance(message, bytes):
            sound += message
        elif (said := json.loads(message))["type"] != "started":
            return sound, said


START = {"type": "start", "voice": "ryan"}
FINISH = {"type": "finish"}


def appended(*parts: str) -> list[dict[str, Any]]:
    return [{"type": "append", "text": part} for part in parts]


def test_a_text_is_spoken_while_it_is_written(server: ServerProcess, engine: Engine) -> None:
    async def talk() -> None:
        async with conversation(server) as socket:
            for parts in (["One sent", "ence. And ", "another."], [TEXT]):
                await say(socket, START, *appended(*parts), FINISH)
                sound, said = await hear(socket)
                assert said["type"] == "done" and said["usage"]["output_tokens"] > 0
                assert sound == pcm(engine, parts)

    asyncio.run(talk())


def test_the_first_sentence_does_not_wait_for_the_second(server: ServerProcess, engine: Engine) -> None:
    async def talk() -> None:
        async with conversation(server) as socket:
            await say(socket, START, *appended("The first. ", "The "))
            assert json.loads(await socket.recv()) == {"type": "started", "format": "pcm", "sample_rate": 24000}
            first = await socket.recv()
            assert isinstance(first, bytes)
            await say(socket, *appended("second."), FINISH)
            sound, _ = await hear(socket)
            assert first + sound == pcm(engine, ["The first. The second."])

    asyncio.run(talk())


def test_who_waits_for_text_lends_the_place(server: ServerProcess, client: httpx.Client, engine: Engine) -> None:
    async def talk() -> None:
        async with conversation(server) as one, conversation(server) as two, conversation(server) as three:
            sockets = (one, two, three)
            for socket in sockets:  # more than there are places
                await say(socket, START, *appended("The first. The "))
                while not isinstance(await socket.recv(), bytes):
                    pass
            answer = await asyncio.to_thread(client.post, SPEECH, json=fields())
            assert answer.content == pcm(engine)
            for socket in sockets:
                await say(socket, *appended("second."), FINISH)
                assert (await hear(socket))[1]["type"] == "done"

    asyncio.run(talk())


def test_an_interruption(server: ServerProcess, engine: Engine) -> None:
    async def talk() -> None:
        async with conversation(server) as socket:
            await say(socket, START, *appended(LONG))
            while not isinstance(await socket.recv(), bytes):
                pass
            await say(socket, {"type": "interrupt"})
            sound, said = await hear(socket)
            assert said == {"type": "interrupted"}
            assert len(sound) < len(LONG) * 200
            await say(socket, START, *appended(TEXT), FINISH)
            assert (await hear(socket))[0] == pcm(engine, [TEXT])

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([{"type": "append", "text": "a"}], "send start first"),
        ([FINISH], "send start first"),
        ([START, *appended(TEXT), FINISH, FINISH], "send start first"),
        ([START, START], "still being spoken"),
        ([{"type": "begin"}], "'begin'"),
        ([{"type": ["start"]}], "send start, append, finish or interrupt"),
        ([{**START, "input": TEXT}], "send the text by append"),
        ([{**START, "voice": "nobody"}], "'nobody'"),
        ([{**START, "language": "klingon"}], "klingon"),
        ([START, {"type": "append", "text": 1}], "append has one field"),
        ([START, *appended("a" * 3000, "a" * 3000)], "too long"),
        ([START, *appended("\n\n"), FINISH], "the text has no words"),
    ],
)
def test_errors_of_writers(
    server: ServerProcess, engine: Engine, messages: list[dict[str, Any]], sentence: str
) -> None:
    async def talk() -> None:
        async with conversation(server) as socket:
            await say(socket, *messages)
            _, said = await hear(socket)
            assert said["type"] == "error" and sentence in said["error"]["message"]
            await say(socket, {"type": "interrupt"}, START, *appended(TEXT), FINISH)
            while (heard := await hear(socket))[1]["type"] == "interrupted":
                pass
            assert heard[0] == pcm(engine, [TEXT])  # it goes on

    asyncio.run(talk())


def test_a_writer_who_is_silent_is_left(impatient: ServerProcess) -> None:
    async def talk() -> None:
        async with conversation(impatient) as socket:
            await say(socket, START)
            assert (await hear(socket))[1]["error"]["code"] == "idle"
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    asyncio.run(talk())


def test_what_is_no_message(server: ServerProcess) -> None:
    async def talk() -> None:
        async with conversation(server) as socket:
            for content in (b"binary", "no JSON", "[" * 10_000, '{"type": "start", "type": "start"}'):
                await socket.send(content)
                assert (await hear(socket))[1]["error"]["code"] == "invalid_json"
            await socket.send("x" * (2 << 20))
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    asyncio.run(talk())


def test_a_writer_needs_a_key(server: ServerProcess) -> None:
    async def talk(**headers: str) -> int:
        try:
            async with conversation(server, **headers):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    assert asyncio.run(talk(authorization="Bearer wrong")) == 401
    assert asyncio.run(talk(**AUTHORIZATION, origin="https://evil.example")) == 403


# The end


def test_the_end_waits_for_those_who_listen(tiny_pte: Pte, engine: Engine) -> None:
    with ServerProcess("--model", tiny_pte("tiny-customvoice")) as server:
        listening = listen(server, LONG)
        server.process.terminate()
        server.wait_for("draining")
        with httpx.Client(base_url=server.url, verify=False) as client:
            for answer in (client.get("/ready"), client.post(SPEECH, json=fields())):
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
            assert client.get("/health").status_code == 200
        assert rest_of(listening) == pcm(engine, LONG)
        assert server.wait() == 0


def test_an_end_that_will_not_wait(tiny_pte: Pte) -> None:
    with ServerProcess("--model", tiny_pte("tiny-customvoice")) as server, listen(server, LONG, receive_buffer=2048):
        server.process.terminate()
        server.wait_for("draining")
        assert server.terminate() == 0
    hasty = ServerProcess("--model", tiny_pte("tiny-customvoice"), "--drain", 0)
    with hasty as server, listen(server, LONG, receive_buffer=2048):
        assert server.terminate() == 0


def test_no_text_is_in_the_log(server: ServerProcess, client: httpx.Client) -> None:
    secret = "Nobody may read this"
    client.post(SPEECH, json=fields(f"{secret}."))
    client.post(SPEECH, json=fields(f"[pause {secret}]", markup=True))
    client.get(f"/{secret}")
    wait_for_speech(server, f"{secret}.")
    assert secret not in str(server.log) + str(server.said)
    assert KEY not in str(server.log) + str(server.said)


def test_texts_are_in_the_log_where_they_are_asked_for(tiny_pte: Pte) -> None:
    with ServerProcess("--model", tiny_pte("tiny-customvoice"), "--log-texts") as server:
        httpx.post(server.url + SPEECH, json=fields(), verify=False)
        assert server.wait_for("speech")[0]["text"] == TEXT


# Flags


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 is reached from other machines, so clients need keys"),
        (["--api-key-file", "none"], "cannot read keys from 'none'"),
        (["--max-batch", "17"], "--max-batch is 17; it must be 1 to 16"),
        (["--idle-timeout", "nan"], "--idle-timeout is nan"),
        (["--alias", "alloy"], "give NAME=VOICE"),
        (["--alias", "alloy=nobody"], "there is no voice 'nobody'"),
        (["--voices", "none"], "--voices 'none' is no folder"),
        (["--voice-encoder", "b=x.pte"], "there is no model 'b'"),
        (["--model", "{model}"], "two models have one name"),
        (["--model", "a b={model}"], "'a b' is no name of a model"),
        (["--model", "none.pte"], "cannot open 'none.pte'"),
    ],
)
def test_flags_that_are_wrong(
    tiny_pte: Pte, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flags: list[str], sentence: str
) -> None:
    monkeypatch.delenv(cli.KEY_VARIABLE, raising=False)
    model = str(tiny_pte("tiny-customvoice"))
    assert cli.main(["--model", model, *(flag.format(model=model) for flag in flags)]) == 1
    assert sentence in capsys.readouterr().err

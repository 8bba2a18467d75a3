"""Whatever a client sends is answered or refused, and none of it is a fault of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from starlette.applications import Starlette

from fuzzing import cut_and_mixed, fuzz
from fuzzing import scalars as any_scalars
from qwen3_tts_runtime import Engine, VoiceEncoder
from qwen3_tts_runtime.server import wyoming_events
from qwen3_tts_runtime.server.app import create_app
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.formats import FORMATS
from qwen3_tts_runtime.server.models import Model, Models
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.settings import Settings
from qwen3_tts_runtime.server.speech_request import FIELDS

Pte = Callable[[str], Path]

MAX_TEXT = 40  # characters: most of the time is spent before anybody speaks
REFUSALS = {400, 404, 405, 409, 413, 415}

scalars = any_scalars | st.sampled_from(
    ["random", "ryan", "sse", "english", "auto", "icl", "\ud800", "\0", "../a", "data:,", "AAAA", "<break/>"]
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
good_fields: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["named", "cloning"]),
    "input": st.text(max_size=MAX_TEXT + 5) | st.just("Hello there."),
    "voice": st.sampled_from(["ryan", "vivian", {"id": "ryan"}]),
    "instructions": st.text(max_size=20),
    "response_format": st.sampled_from(sorted(FORMATS)),
    "speed": st.floats(0.4, 2.1),
    "stream_format": st.sampled_from(["audio", "sse"]),
    "speaker_embedding": st.lists(st.floats(-1, 1), min_size=63, max_size=65),
    "seed": st.integers(0, 2**64) | st.just("random"),
    "temperature": st.floats(-0.1, 10),
    "top_k": st.integers(-2, 2000),
    "top_p": st.floats(-0.1, 1.1),
    "repetition_penalty": st.floats(0, 3),
    "markup": st.booleans(),
    "max_frames": st.integers(-1, 20),
}
requests = st.fixed_dictionaries(
    {"input": good_fields["input"], "voice": good_fields["voice"], "max_frames": st.integers(1, 4)},
    optional={name: good_fields.get(name, values) for name in FIELDS if name not in ("input", "voice", "max_frames")},
)
spoiled = st.builds(
    lambda request, spoils: {**request, **spoils},
    requests,
    st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=8), values, max_size=3),
)


def to_body(value: Any) -> bytes:
    return json.dumps(value).encode()


bodies = (
    requests.map(to_body)
    | spoiled.map(to_body)
    | values.map(to_body)
    | st.binary(max_size=200)
    | st.builds(cut_and_mixed, spoiled.map(to_body), st.integers(0, 10_000), st.binary(max_size=8))
)


class Target:
    """An application, in an event loop that lives on."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://server")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, path, **options))

    def converse(self, messages: list[str | bytes]) -> list[dict[str, Any]]:
        """What a websocket gets, until half a second after its last message."""
        return self._loop.run_until_complete(self._converse(messages))

    async def _converse(self, messages: list[str | bytes]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        pending: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        pending += [
            {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}
            for message in messages
        ]

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0 if pending else 0.02)
            return pending.pop(0) if pending else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "websocket",
            "path": "/v1/audio/speech/stream",
            "headers": [],
            "query_string": b"",
            "subprotocols": [],
        }
        await self._app(scope, receive, send)
        return sent

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def target(tiny_pte: Pte, folder: Path) -> Iterator[Target]:
    named = Engine(tiny_pte("tiny-customvoice"))
    cloning = Engine(tiny_pte("tiny-base"))
    encoder = VoiceEncoder(tiny_pte("tiny-base-voice-encoder"))
    with named, cloning:
        models = Models([Model("named", named), Model("cloning", cloning, encoder)])
        target = Target(create_app(Service(models, Settings(max_text=MAX_TEXT, voices=folder, idle_timeout=5))))
        yield target
        target.close()


def check_error(error: dict[str, Any]) -> None:
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"] and error["type"] != "server_error", error


def test_requests(target: Target) -> None:
    def check(content: bytes) -> None:
        answer = target.request("POST", "/v1/audio/speech", content=content)
        if answer.status_code != 200:
            assert answer.status_code in REFUSALS, answer.text
            check_error(answer.json()["error"])

    fuzz(bodies, check)


def test_batches(target: Target) -> None:
    def check(lines: list[bytes]) -> None:
        answer = target.request("POST", "/v1/audio/speech/batch", content=b"\n".join(lines))
        if answer.status_code != 200:
            assert answer.status_code in REFUSALS
            return check_error(answer.json()["error"])
        answers = [json.loads(line) for line in answer.text.splitlines()]
        assert sorted(line["index"] for line in answers) == list(range(len(answers)))
        for line in answers:
            if "audio" not in line:
                check_error(line["error"])
        return None

    fuzz(st.lists(bodies, max_size=4), check)


def test_uploads(target: Target, folder: Path) -> None:
    names = st.sampled_from(["name", "audio_sample", "ref_text", "language", "model", "x"])
    part = st.builds(
        lambda name, file, content: (
            f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
        ),
        names,
        st.sampled_from(["", '; filename="a.wav"', '; filename="../../a"', "; filename*=UTF-8''%00"]),
        st.binary(max_size=40) | st.sampled_from([b"ann", b"english", b"cloning", b"RIFF\xff\xff\xff\xffWAVEfmt "]),
    )
    forms = st.lists(part, max_size=6).map(lambda parts: b"".join(parts) + b"--x--\r\n")
    inputs = forms | st.builds(cut_and_mixed, forms, st.integers(0, 2000), st.binary(max_size=8))

    def check(content: bytes) -> None:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = target.request("POST", "/v1/audio/voices", content=content, headers=headers)
        assert answer.status_code in REFUSALS, answer.text  # none of them is a recording
        check_error(answer.json()["error"])

    fuzz(inputs, check)
    assert list(folder.iterdir()) == []


def test_addresses(target: Target) -> None:
    def check(made: tuple[str, str]) -> None:
        method, name = made
        path = "/v1/audio/voices/" + "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))
        answer = target.request(method, path)
        assert answer.status_code in REFUSALS
        check_error(answer.json()["error"])

    fuzz(st.tuples(st.sampled_from(["GET", "POST", "DELETE", "PUT", "QUERY"]), st.text(max_size=30)), check)


def test_conversations(target: Target) -> None:
    message = st.one_of(
        spoiled.map(lambda fields: json.dumps({"type": "start", **{k: v for k, v in fields.items() if k != "input"}})),
        st.just(json.dumps({"type": "start", "voice": "ryan", "max_frames": 3})),
        st.text(max_size=30).map(lambda text: json.dumps({"type": "append", "text": text})),
        st.sampled_from(['{"type": "finish"}', '{"type": "interrupt"}']),
        values.map(json.dumps),
        st.binary(max_size=20),
        st.text(max_size=20),
    )

    def check(messages: list[str | bytes]) -> None:
        for sent in target.converse(messages):
            assert sent["type"] in ("websocket.accept", "websocket.send", "websocket.close")
            if sent.get("text"):
                said = json.loads(sent["text"])
                assert said["type"] in ("started", "done", "interrupted", "error")
                if said["type"] == "error":
                    check_error(said["error"])

    fuzz(st.lists(message, max_size=6), check)


def test_events_of_wyoming() -> None:
    head = st.fixed_dictionaries(
        {},
        optional={
            "type": values,
            "data": values,
            "data_length": st.integers(-2, 50) | values,
            "payload_length": values,
        },
    )
    inputs = st.binary(max_size=100) | st.builds(
        lambda head, data: json.dumps(head).encode() + b"\n" + data, head, st.binary(max_size=40) | spoiled.map(to_body)
    )

    def check(content: bytes) -> None:
        async def read_all() -> None:
            reader = asyncio.StreamReader(limit=wyoming_events.MAX_LINE)
            reader.feed_data(content)
            reader.feed_eof()
            while (event := await wyoming_events.read(reader, 1000)) is not None:
                wyoming_events.encode(event)
                event.text("text")

        try:
            asyncio.run(read_all())
        except ApiError as error:
            check_error(error.to_json()["error"])

    fuzz(inputs, check)

"""Everything that a client may send wrong, or on purpose: rows of CASES.

`make errors` writes what qwen3-tts-server answers to docs/server-errors.md.
"""

from __future__ import annotations

import base64
import json
import re
import select
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from python_runtime import TEXT
from qwen3_tts_runtime.server.settings import Settings
from server_process import ServerProcess, answer_of

PAGE = models.REPOSITORY / "docs" / "server-errors.md"
KEY = "a-key-of-the-tests"
TIMEOUT = 1.0  # seconds that a request may take
MAX_RECORDING = 100_000
MAX_BYTES = Settings.max_body + MAX_RECORDING * 4 // 3
FLAGS = ("--max-text", 400, "--max-recording", MAX_RECORDING, "--request-timeout", TIMEOUT, "--max-queue", 4)

Send = Callable[[ServerProcess], bytes]


@dataclass(frozen=True)
class Case:
    """`send` gives what the server answered: b"" where it closed the connection."""

    what: str
    send: Send
    status: int  # 0: the connection is closed
    names: tuple[str, ...] = ()  # what the message must contain


@dataclass(frozen=True)
class Answer:
    status: int
    message: str


def http(
    method: str = "POST", path: str = "/v1/audio/speech", body: bytes = b"", headers: str = "", key: str | None = KEY
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: server"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    lines += headers.splitlines()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def raw(content: bytes) -> Send:
    return lambda server: server.exchange(content)


def given(body: bytes) -> Send:
    return raw(http(body=body))


def fields(**changes: Any) -> Send:
    """A request that works, but for these."""
    request = {"input": TEXT, "voice": "ryan", **changes}
    return given(json.dumps({name: value for name, value in request.items() if value is not None}).encode())


def cloning(**changes: Any) -> Send:
    return fields(model="cloning", voice=None, **changes)


def head(*lines: str, body: bytes = b"", to_the_end: bool = False) -> Send:
    """A request with these lines in place of those that say how long it is. `to_the_end`: nothing may follow."""
    begin = ("POST /v1/audio/speech HTTP/1.1", "Host: server", f"Authorization: Bearer {KEY}")
    content = "\r\n".join([*begin, *lines, "", ""]).encode("latin-1") + body
    return lambda server: server.exchange(content, to_the_end=to_the_end)


def form(*parts: tuple[str, bytes], content_type: str = "multipart/form-data; boundary=x") -> Send:
    """Parts are the head's last line and content of each."""
    body = b""
    for disposition, content in parts:
        body += f"--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return raw(http(path="/v1/audio/voices", body=body + b"--x--\r\n", headers=f"Content-Type: {content_type}"))


def upload(name: str, content: bytes) -> Send:
    return form((f'name="{"name"}"', name.encode()), ('name="audio_sample"; filename="../../etc/a.wav"', content))


def slowly(content: bytes, more: bytes = b"") -> Send:
    """Then a byte at a time, until something comes back."""

    def send(server: ServerProcess) -> bytes:
        with server.connect() as connection:
            connection.sendall(content)
            for byte in more:
                if select.select([connection], [], [], TIMEOUT / 10)[0]:
                    break
                connection.sendall(bytes([byte]))
            return answer_of(connection)

    return send


def too_many_connections(server: ServerProcess) -> bytes:
    """The answer to the first one beyond the limit, while the others say nothing."""
    connections = [server.connect() for _ in range(NUM_CONNECTIONS)]
    try:
        time.sleep(0.1)
        return server.exchange(http("GET", "/v1/models"))
    finally:
        for connection in connections:
            connection.close()


NUM_CONNECTIONS = 32
SMUGGLED = b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: server\r\n\r\n"
JSON = "the request is no JSON"
CASES = [
    # Size and time
    Case("body of more than is allowed", head("Content-Length: 99999999"), 413, ("bytes",)),
    Case(
        "body of more than is allowed, in chunks",
        head("Transfer-Encoding: chunked", body=b"fffffff\r\n" + b"x" * (MAX_BYTES + 1)),
        413,
        (str(MAX_BYTES),),
    ),
    Case("body without an end", head("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"), 408, ("has not arrived",)),
    Case("body that comes a byte at a time", slowly(http(body=b"x" * 50)[:-50], b"x" * 50), 408, ("has not arrived",)),
    Case("head that comes a byte at a time", slowly(b"GET / HTTP/1.1\r\nHost: ", b"x" * 50), 0),
    Case("connection that says nothing", slowly(b""), 0),
    Case("more connections than are allowed", too_many_connections, 503, ("too many connections",)),
    Case("text that is too long", fields(input="a" * 401), 400, ("401", "400")),
    Case("style that is too long", fields(instructions="a" * 401), 400, ("401", "400")),
    # JSON
    Case("no body", given(b""), 400, (JSON,)),
    Case("broken JSON", given(b'{"input": '), 400, (JSON,)),
    Case("JSON of 100 000 levels", given(b"[" * 100_000), 400, ("too deep",)),
    Case("JSON that is a list", given(b"[1]"), 400, ("no JSON object",)),
    Case("JSON with a key twice", given(b'{"input": "a", "input": "b"}'), 400, ("twice",)),
    Case("JSON with NaN", given(b'{"speed": NaN}'), 400, ("NaN",)),
    Case("number of 5000 digits", given(b'{"seed": ' + b"9" * 5000 + b"}"), 400, (JSON,)),
    Case("JSON in Latin-1", given('{"input": "ä"}'.encode("latin-1")), 400, ("UTF-8",)),
    Case("form in place of JSON", given(b"input=Hello"), 400, (JSON,)),
    # Fields
    Case("unknown field", fields(frame_budget=0), 400, ("frame_budget",)),
    Case("text of another type", fields(input=["a"]), 400, ('input is ["a"]', "a text")),
    Case("no text", fields(input=None), 400, ("input",)),
    Case("text without words", fields(input="\n\n"), 400, ("empty",)),
    Case("half of a surrogate pair", fields(input="a\ud800"), 400, ("surrogate",)),
    Case("no voice", fields(voice=None), 400, ("ryan",)),
    Case("unknown voice", fields(voice="nobody"), 400, ("'nobody'", "ryan")),
    Case("voice that is a path", fields(voice="../../../etc/passwd"), 400, ("no voice",)),
    Case("voice that is a file of this machine", fields(voice="/etc/passwd\0.voice"), 400, ("no voice",)),
    Case("voice of another model", fields(model="cloning"), 400, ("'ryan'",)),
    Case("unknown model", fields(model="../named"), 404, ("'../named'", "named, cloning")),
    Case("format that is not made", fields(response_format="aac"), 400, ("'aac'", "mp3, opus, flac, wav, pcm")),
    Case("speed out of range", fields(speed=4), 400, ("4", "0.5 to 2")),
    Case("temperature out of range", fields(temperature=-1), 400, ("temperature",)),
    Case("temperature beyond all numbers", fields(temperature=10**400), 400, ("temperature",)),
    Case("seed beyond 64 bits", fields(seed=2**64), 400, ("seed",)),
    Case("true as a number", fields(top_k=True), 400, ("top_k is true", "whole number")),
    Case("pause of a year", fields(paragraph_pause=3e7), 400, ("paragraph_pause",)),
    Case("unknown language", fields(language="klingon"), 400, ("klingon", "english")),
    Case("recording where the model clones no voices", fields(ref_audio="AAAA"), 400, ("--voice-encoder",)),
    Case("address of a recording", cloning(ref_audio="http://169.254.169.254/"), 400, ("does not fetch",)),
    Case("path of a recording", cloning(ref_audio="file:///etc/passwd"), 400, ("does not fetch",)),
    Case("recording that is no base64", cloning(ref_audio="/etc/passwd"), 400, ("base64",)),
    Case("recording that is no sound", cloning(ref_audio=base64.b64encode(b"none").decode()), 400, ("recording",)),
    Case("recording of more than is allowed", cloning(ref_audio="A" * 140_000), 413, ("100000",)),
    Case("embedding of another width", cloning(speaker_embedding=[1, 2]), 400, ("2",)),
    Case("embedding that is no list of numbers", cloning(speaker_embedding=[[1]]), 400, ("numbers",)),
    Case("embedding of numbers that are too large", cloning(speaker_embedding=[1e300] * 64), 400, ("embedding",)),
    # Who asks, and where
    Case("no key", raw(http("GET", "/v1/models", key=None)), 401, ("missing", "Bearer")),
    Case("wrong key", raw(http("GET", "/v1/models", key=KEY + "x")), 401, ("wrong",)),
    Case("page of another site", raw(http(headers="Origin: https://evil.example")), 403, ("evil.example",)),
    Case("unknown address", raw(http("GET", "/v1/../etc/passwd")), 404, ("nothing",)),
    Case("reference package that is not served", raw(http(path="/v1/reference/speech")), 404, ("--reference",)),
    Case("other method", raw(http("GET")), 405, ("method",)),
    Case(
        "voice to delete that is a path",
        raw(http("DELETE", "/v1/audio/voices/..%2F..%2Fetc%2Fpasswd")),
        404,
        ("nothing",),
    ),
    Case("voice to delete that is not there", raw(http("DELETE", "/v1/audio/voices/%00")), 404, ("no voice",)),
    # Heads
    Case(
        "length and chunks",
        head("Content-Length: 5", "Transfer-Encoding: chunked", body=SMUGGLED, to_the_end=True),
        400,
        ("do not say both",),
    ),
    Case("two lengths", head("Content-Length: 5", "Content-Length: 6", body=b"hello"), 400),
    Case("length that is no number", head("Content-Length: +5", body=b"hello"), 400),
    Case("unknown coding", head("Transfer-Encoding: xchunked", body=b"hello"), 400),
    Case("size of a chunk that is none", head("Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n0\r\n\r\n"), 400),
    Case("space before a colon", head("Content-Length : 5", body=b"hello"), 400),
    Case("head without an end", raw(b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 100_000), 400),
    Case("NUL in a head", head("X: a\0b", "Content-Length: 0"), 400),
    Case("no host", raw(b"GET / HTTP/1.1\r\n\r\n"), 400),
    Case("no HTTP", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n"), 400),
    # Recordings to keep
    Case("upload that is no form", raw(http(path="/v1/audio/voices", body=b"{}")), 415, ("multipart",)),
    Case("form without a boundary", form(content_type="multipart/form-data"), 400, ("damaged",)),
    Case(
        "form that is cut off",
        raw(
            http(path="/v1/audio/voices", body=b"--x\r\nConte", headers="Content-Type: multipart/form-data; boundary=x")
        ),
        400,
        ("name",),
    ),
    Case("name of a new voice that is a path", upload("../../root/a", b"x"), 400, ("no name",)),
    Case("upload that is no sound", upload("ann", b"none"), 400, ("recording",)),
    Case("upload of more than is allowed", upload("ann", b"x" * 100_001), 413, ("100000",)),
    Case("upload without a name", form(('name="audio_sample"; filename="a"', b"x")), 400, ("name",)),
    Case("five uploads", form(*[('name="audio_sample"; filename="a"', b"x")] * 5), 400, ("form",)),
]


@contextmanager
def running(folder: Path) -> Iterator[ServerProcess]:
    """A server to send them to, whose voices are in a folder."""
    named, cloning = models.exported("tiny-customvoice"), models.exported("tiny-base")
    encoder = models.exported("tiny-base-voice-encoder")
    words = ("--model", f"named={named}", "--model", f"cloning={cloning}", "--voice-encoder", f"cloning={encoder}")
    limits = (*FLAGS, "--max-connections", NUM_CONNECTIONS, "--voices", folder)
    with ServerProcess(*words, *limits, env={"QWEN3_TTS_API_KEY": KEY}) as server:
        yield server


def send(case: Case, server: ServerProcess) -> Answer:
    try:
        answer = case.send(server)
    except ConnectionError:
        answer = b""
    if not answer:
        return Answer(0, "the connection is closed")
    first, _, content = answer.partition(b"\r\n\r\n")
    status = int(first.split()[1])
    if b"application/json" not in first:
        return Answer(status, content.decode())
    return Answer(status, json.loads(content)["error"]["message"])


def page(answers: list[tuple[Case, Answer]]) -> str:
    """docs/server-errors.md."""
    rows = [f"| {case.what} | {answer.status or '–'} | {_cell(answer.message)} |" for case, answer in answers]
    return "\n".join([HEAD, *rows, ""])


HEAD = """# Requests that are refused

What `qwen3-tts-server` answers to requests that are wrong, or meant to harm. The sentences are the `message` of
OpenAI's error object; [server.md](server.md#errors) says what else is in it. None of them reaches the model, and none
is a 500. Here a text may have 400 characters, a recording 100 000 bytes, and a request may take a second. `make errors`
writes this page, and a test compares it with the server.

| request | status | answer |
|---|---|---|"""


def _cell(message: str) -> str:
    return re.sub(r"\s+", " ", message).replace("|", r"\|")


def main() -> None:
    """Writes docs/server-errors.md."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        answers = [(case, send(case, server)) for case in CASES]
    PAGE.write_text(page(answers), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What goes back: JSON, and sound while it is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from qwen3_tts_runtime.server.errors import ApiError, of_library
from qwen3_tts_runtime.server.logs import log_failure


def to_json(value: object) -> bytes:
    """In ASCII, which has a form for every character that a client may have sent."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(value), status, headers, "application/json")


def error_answer(error: ApiError) -> Response:
    return json_answer(error.to_json(), error.status, error.headers)


class StreamedAnswer:
    """A body that is made while it is sent. Its maker is closed as soon as the client has left."""

    def __init__(
        self, body: AsyncGenerator[bytes, None], media_type: str, idle_timeout: float, headers: Mapping[str, str]
    ) -> None:
        """An error before the first bytes is the answer, and later ones end the connection. `idle_timeout`: seconds
        that the client may take nothing."""
        self._body = body
        self._head = Response(None, 200, {**headers, "cache-control": "no-store"}, media_type)
        self._idle_timeout = idle_timeout
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._answer(scope, receive, send))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            outcome, _ = await asyncio.gather(work, gone, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._body) as parts:
                async for part in parts:
                    await self._send(send, part)
            await self._send(send, b"", is_last=True)
        except Exception as error:
            log_failure(error)
            if not self._has_begun:
                await error_answer(of_library(error))(scope, receive, send)

    async def _send(self, send: Send, part: bytes, *, is_last: bool = False) -> None:
        if not self._has_begun:
            self._has_begun = True
            headers = [header for header in self._head.raw_headers if header[0] != b"content-length"]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        with patience(self._idle_timeout):
            await send({"type": "http.response.body", "body": part, "more_body": not is_last})


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Cancels the task where its block takes longer."""
    task = asyncio.current_task()
    assert task
    timer = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        yield
    finally:
        timer.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(value: Mapping[str, Any]) -> bytes:
    """One of a stream of server-sent events."""
    return b"data: " + to_json(value) + b"\n\n"

"""POST /v1/audio/speech/batch: many texts as JSON lines, of which each is answered when it is spoken."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from qwen3_tts_runtime.server import body
from qwen3_tts_runtime.server.admission import Rank
from qwen3_tts_runtime.server.answers import StreamedAnswer, to_json
from qwen3_tts_runtime.server.errors import ApiError, invalid, of_library
from qwen3_tts_runtime.server.logs import log_failure
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.speaking import Figures

PATH = "/v1/audio/speech/batch"
MAX_BATCHES = 4  # at once: each may have as many places as there are
MAX_ID = 256  # characters


def routes(service: Service) -> list[BaseRoute]:
    num_running = 0

    async def batch(request: Request) -> StreamedAnswer:
        service.check_open()
        check()
        content = await body.read(request, service.requests.max_bytes, service.settings.request_timeout)
        lines = split(content, service.settings.max_lines)
        check()
        return StreamedAnswer(answers(lines), "application/x-ndjson", service.settings.idle_timeout, {})

    def check() -> None:
        if num_running >= MAX_BATCHES:
            raise ApiError(429, f"{num_running} batches are spoken already; try again later", retry_after=10)

    async def answers(lines: list[bytes]) -> AsyncGenerator[bytes, None]:
        nonlocal num_running
        check()
        num_running += 1
        try:
            async with aclosing(spoken(service, lines)) as done:
                async for answer in done:
                    yield to_json(answer) + b"\n"
        finally:
            num_running -= 1

    return [Route(PATH, batch, methods=["POST"])]


def split(content: bytes, max_lines: int) -> list[bytes]:
    """ApiError 400 and 413."""
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines:
        raise invalid('there are no lines; send one JSON object a line, such as {"id": "a", "input": "Hello."}')
    if len(lines) > max_lines:
        raise ApiError(413, f"there are {len(lines)} lines; send up to {max_lines}", code="too_many_lines")
    return lines


async def spoken(service: Service, lines: list[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """The answers in the order in which they are ready. An error belongs to its own line."""
    pending = iter(enumerate(lines))
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=service.models.places)  # a slow reader holds them up

    async def work() -> None:
        for index, line in pending:
            await answers.put(await answer(service, index, line))

    workers = [asyncio.create_task(work()) for _ in range(min(service.models.places, len(lines)))]
    try:
        for _ in lines:
            yield await answers.get()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def answer(service: Service, index: int, line: bytes) -> dict[str, Any]:
    """Of one line."""
    about: dict[str, Any] = {"index": index, "id": None}
    try:
        fields = body.parse(line)
        about["id"] = read_id(fields)
        order = service.requests.read(fields)
        figures = Figures()
        await service.speaker.check(order)
        async with aclosing(service.sound(order, figures, route=PATH, rank=Rank.BULK)) as parts:
            sound = b"".join([part async for part in parts])
    except Exception as error:
        log_failure(error)
        return {**about, **of_library(error).to_json()}
    return {
        **about,
        "format": order.format.name,
        "audio": base64.b64encode(sound).decode(),
        "seconds": round(figures.audio, 3),
        "finish_reason": figures.stats.get("finish_reason"),
        "usage": figures.usage,
    }


def read_id(fields: dict[str, Any]) -> str | int | None:
    """Taken out of the fields. ApiError 400."""
    value = fields.pop("id", None)
    if not isinstance(value, (str, int, type(None))) or len(str(value)) > MAX_ID:
        raise invalid(f"id is no text of up to {MAX_ID} characters, and no number", "id")
    return value

"""POST /v1/audio/speech, as OpenAI's clients ask for it."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from qwen3_tts_runtime.server import body
from qwen3_tts_runtime.server.answers import StreamedAnswer, event
from qwen3_tts_runtime.server.errors import of_library
from qwen3_tts_runtime.server.logs import log_failure
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.speaking import Figures
from qwen3_tts_runtime.server.speech_request import SpeechRequest

PATH = "/v1/audio/speech"


def routes(service: Service) -> list[BaseRoute]:
    async def speech(request: Request) -> StreamedAnswer:
        service.check_open()
        service.admission.check()  # before a body is read that nobody has time for
        content = await body.read(request, service.requests.max_bytes, service.settings.request_timeout)
        order = service.requests.read(body.parse(content))
        figures = Figures()
        await service.speaker.check(order)
        headers = {"x-sample-rate": str(order.model.engine.sample_rate)}
        if order.stream_format == "sse":
            return StreamedAnswer(
                events(service, order, figures), "text/event-stream", service.settings.idle_timeout, headers
            )
        sound = service.sound(order, figures, route=PATH)
        return StreamedAnswer(sound, order.format.media_type, service.settings.idle_timeout, headers)

    return [Route(PATH, speech, methods=["POST"])]


async def events(service: Service, order: SpeechRequest, figures: Figures) -> AsyncGenerator[bytes, None]:
    """The sound in base64, and what it took. An error behind the first sound is an event, too."""
    has_begun = False
    try:
        async with aclosing(service.sound(order, figures, route=PATH)) as parts:
            async for part in parts:
                yield event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
                has_begun = True
    except Exception as error:
        if not has_begun:
            raise
        log_failure(error)
        yield event({"type": "error", **of_library(error).to_json()})
        return
    yield event({"type": "speech.audio.done", "usage": figures.usage})

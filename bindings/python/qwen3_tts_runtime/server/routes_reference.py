"""POST /v1/reference/speech: the same request, spoken by the reference package in PyTorch."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import closing

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from qwen3_tts_runtime.server import body
from qwen3_tts_runtime.server.answers import StreamedAnswer
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.formats import SoundStream
from qwen3_tts_runtime.server.logs import log, milliseconds
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.speech_request import SpeechRequest
from qwen3_tts_runtime.server.torch_reference import TorchReference

PATH = "/v1/reference/speech"


def routes(service: Service) -> list[BaseRoute]:
    async def speech(request: Request) -> StreamedAnswer:
        service.check_open()
        reference = service.reference
        if reference is None:
            raise ApiError(404, "there is no reference here; start the server with --reference", code="no_reference")
        content = await body.read(request, service.requests.max_bytes, service.settings.request_timeout)
        fields = body.parse(content)
        if fields.get("model") is None:
            fields["model"] = reference.model.name
        order = service.requests.read(fields)
        reference.check(order)
        await service.speaker.check(order)
        headers = {"x-sample-rate": str(order.model.engine.sample_rate)}
        return StreamedAnswer(sound(reference, order), order.format.media_type, service.settings.idle_timeout, headers)

    return [Route(PATH, speech, methods=["POST"])]


async def sound(reference: TorchReference, order: SpeechRequest) -> AsyncGenerator[bytes, None]:
    """The bytes of a sound file, all of them at once."""
    begin = time.perf_counter()
    samples, rate = await reference.speak(order)
    took, audio = time.perf_counter() - begin, samples.size / rate
    with closing(SoundStream(order.format, rate, order.speed)) as stream:
        content = stream.write(samples) + stream.finish()
    rtf = round(took / audio, 3) if audio else None
    log("reference", model=order.model.name, took_ms=milliseconds(took), audio_s=round(audio, 2), rtf=rtf)
    yield content

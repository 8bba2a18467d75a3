"""The websocket /v1/audio/speech/stream: text as a language model writes it, spoken sentence by sentence.

A client sends {"type": "start", ...fields of a speech request...}, {"type": "append", "text": "..."} as often as it
likes, {"type": "finish"}, and at any time {"type": "interrupt"}. It gets {"type": "started", ...}, the sound as binary
messages, and {"type": "done", ...}, {"type": "interrupted"} or {"type": "error", ...}. Then it may start again.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from qwen3_tts_runtime.server import body
from qwen3_tts_runtime.server.answers import patience, to_json
from qwen3_tts_runtime.server.errors import ApiError, invalid, of_library, shown
from qwen3_tts_runtime.server.live_text import LiveText
from qwen3_tts_runtime.server.logs import log_failure
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.speaking import Figures
from qwen3_tts_runtime.server.speech_request import SpeechRequest

PATH = "/v1/audio/speech/stream"
IDLE = 4408  # code of a closed websocket


def routes(service: Service) -> list[BaseRoute]:
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        conversation = Conversation(service, socket)
        try:
            await conversation.run()
        finally:
            await conversation.interrupt()

    return [WebSocketRoute(PATH, stream)]


class Conversation:
    """Utterances of one client, one after the other."""

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self._service = service
        self._socket = socket
        self._text: LiveText | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client leaves, or says nothing for too long."""
        with suppress(WebSocketDisconnect):
            while (message := await self._next_message()) is not None:
                try:
                    await self._obey(message)
                except Exception as error:
                    await self.interrupt()
                    await self._tell_error(error)

    async def interrupt(self) -> bool:
        """Whether there was something to interrupt. It has ended."""
        task, self._speaking, self._text = self._speaking, None, None
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True

    async def _next_message(self) -> dict[str, Any] | None:
        """None when the client has said nothing for too long, and nothing was to be said to it."""
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._service.settings.idle_timeout)
            except asyncio.TimeoutError:
                if self._is_speaking and self._text and self._text.is_finished:
                    continue
                await self.interrupt()
                await self._tell_error(ApiError(408, "nothing was sent for too long", code="idle"))
                await self._socket.close(IDLE)
                return None
            if message["type"] == "websocket.disconnect":
                return None
            return dict(message)

    @property
    def _is_speaking(self) -> bool:
        return self._speaking is not None and not self._speaking.done()

    async def _obey(self, message: dict[str, Any]) -> None:
        if message.get("text") is None:
            raise invalid("the message is binary; send JSON as text", code="invalid_json")
        if len(message["text"]) > self._service.requests.max_bytes:
            raise ApiError(413, f"the message has more than {self._service.requests.max_bytes} bytes; send less")
        fields = body.parse(message["text"])
        kind = fields.pop("type", None)
        if kind == "start":
            await self._start(fields)
        elif kind == "append":
            self._append(fields)
        elif kind == "finish":
            self._running_text().finish()
        elif kind == "interrupt":
            if await self.interrupt():
                await self._tell({"type": "interrupted"})
        else:
            raise invalid(f"type is {shown(kind)}; send start, append, finish or interrupt", "type")

    async def _start(self, fields: dict[str, Any]) -> None:
        self._service.check_open()
        if self._is_speaking:
            raise invalid("the utterance before is still being spoken; interrupt it first", "type", "out_of_order")
        for name in ("input", "stream_format"):
            if name in fields:
                raise invalid(f"{name} is no field of a start; send the text by append", name, "unknown_field")
        request = self._service.requests.read(fields, default_format="pcm", is_live=True)
        await self._service.speaker.check(request)
        self._text = LiveText(self._service.settings.max_text)
        self._speaking = asyncio.create_task(self._speak(request, self._text))

    def _append(self, fields: dict[str, Any]) -> None:
        part = fields.get("text")
        if not isinstance(part, str) or len(fields) != 1:
            raise invalid('append has one field; send {"type": "append", "text": "..."}', "text")
        self._running_text().append(part)

    def _running_text(self) -> LiveText:
        if self._text is None or self._text.is_finished:
            raise invalid("no text is being written; send start first", "type", "out_of_order")
        return self._text

    async def _speak(self, request: SpeechRequest, text: LiveText) -> None:
        figures = Figures()
        try:
            await self._tell(
                {
                    "type": "started",
                    "format": request.format.name,
                    "sample_rate": request.model.engine.sample_rate,
                }
            )
            sound = self._service.sound(request, figures, route=PATH, texts=text.parts())
            async with aclosing(sound) as parts:
                async for part in parts:
                    with patience(self._service.settings.idle_timeout):
                        await self._socket.send_bytes(part)
            await self._tell(
                {
                    "type": "done",
                    "seconds": round(figures.audio, 3),
                    "finish_reason": figures.stats.get("finish_reason"),
                    "usage": figures.usage,
                }
            )
        except (WebSocketDisconnect, RuntimeError) as error:  # the client has left: who reads will notice
            if not isinstance(error, WebSocketDisconnect):
                await self._tell_error(error)
        except Exception as error:
            await self._tell_error(error)

    async def _tell(self, value: dict[str, Any]) -> None:
        with patience(self._service.settings.idle_timeout):
            await self._socket.send_text(to_json(value).decode("ascii"))

    async def _tell_error(self, error: Exception) -> None:
        log_failure(error)
        with suppress(WebSocketDisconnect, RuntimeError):  # the client has left
            await self._tell({"type": "error", **of_library(error).to_json()})

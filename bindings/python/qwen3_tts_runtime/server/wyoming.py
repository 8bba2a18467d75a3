"""A text-to-speech service for Home Assistant, over Wyoming: whole texts, and texts that are being written."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing, suppress
from typing import Any

from qwen3_tts_runtime._library import version
from qwen3_tts_runtime.server import wyoming_events
from qwen3_tts_runtime.server.answers import patience
from qwen3_tts_runtime.server.errors import ApiError, invalid, of_library, shown
from qwen3_tts_runtime.server.live_text import LiveText
from qwen3_tts_runtime.server.logs import log, log_failure
from qwen3_tts_runtime.server.models import Model
from qwen3_tts_runtime.server.service import Service
from qwen3_tts_runtime.server.speaking import Figures
from qwen3_tts_runtime.server.speech_request import SpeechRequest
from qwen3_tts_runtime.server.wyoming_events import MAX_LINE, Event

ROUTE = "wyoming"
MAX_CONNECTIONS = 64
SEND_BUFFER = 64 << 10  # bytes
# Home Assistant knows languages by codes, and a model by names.
CODES = {
    "chinese": "zh",
    "english": "en",
    "french": "fr",
    "german": "de",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
}


class WyomingServer:
    """Listens until it is closed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """OSError where it cannot."""
        self._server = await asyncio.start_server(self._converse, host, port, limit=MAX_LINE)
        for bound in self._server.sockets:
            log("listening_wyoming", address="tcp://{}:{}".format(*bound.getsockname()[:2]))

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        conversation = Conversation(self._service, reader, writer)
        try:
            await conversation.run()
        finally:
            self._tasks.discard(task)
            await conversation.stop()
            writer.close()


class Conversation:
    """Events of one client."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._model: Model | None = None  # that the client has chosen
        self._text: LiveText | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client leaves, is silent for too long, or sends what is no event."""
        try:
            while (event := await self._next_event()) is not None:
                try:
                    await self._obey(event)
                except Exception as error:
                    await self.stop()
                    await self._tell_error(error)
        except ApiError as error:
            await self._tell_error(error)
        except ConnectionError:
            pass

    async def stop(self) -> None:
        task, self._speaking, self._text = self._speaking, None, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _next_event(self) -> Event | None:
        settings = self._service.settings
        reading = asyncio.create_task(wyoming_events.read(self._reader, settings.max_body))
        try:
            while not reading.done():
                done, _ = await asyncio.wait({reading}, timeout=settings.idle_timeout)
                if not done and (self._is_being_written or not self._is_speaking):
                    return None
            return await reading
        finally:
            reading.cancel()

    @property
    def _is_speaking(self) -> bool:
        return self._speaking is not None and not self._speaking.done()

    @property
    def _is_being_written(self) -> bool:
        return self._text is not None and not self._text.is_finished

    async def _obey(self, event: Event) -> None:
        """What is of another service is passed over, as the protocol wants it."""
        if event.type == "describe":
            await self._tell("info", self._about())
        elif event.type == "ping":
            await self._tell("pong", {"text": event.text("text")})
        elif event.type == "select-program":
            self._model = self._service.models.find(event.text("name"))
        elif event.type == "synthesize" and not self._is_being_written:  # else it repeats what comes in parts
            await self._start(event, event.text("text") or "")
        elif event.type == "synthesize-start":
            await self._start(event, None)
        elif event.type == "synthesize-chunk" and self._text:
            self._text.append(event.text("text") or "")
        elif event.type == "synthesize-stop" and self._text:
            self._text.finish()

    async def _start(self, event: Event, text: str | None) -> None:
        """Speaks a text, or one that comes in parts."""
        self._service.check_open()
        if self._is_speaking:
            raise invalid("the text before is still being spoken; open another connection", code="out_of_order")
        if (form := event.text("text_format")) not in (None, "text"):
            raise invalid(f"text_format is {shown(form)}; send text", "text_format")
        model, fields = self._voice(event.text("voice", "name"), event.text("voice", "language"))
        fields |= {"model": model.name, "input": text}
        request = self._service.requests.read(fields, default_format="pcm", is_live=text is None)
        await self._service.speaker.check(request)
        self._text = LiveText(self._service.settings.max_text) if text is None else None
        self._speaking = asyncio.create_task(self._speak(request, self._text))

    def _voice(self, name: str | None, language: str | None) -> tuple[Model, dict[str, Any]]:
        """The model that knows a voice, and the fields of a request for it."""
        voices = self._service.voices
        models = [self._model] if self._model else list(self._service.models)
        if name is None:
            model = models[0]
            return model, {"voice": next(iter(voices.names(model)), None), "language": language}
        known = (model for model in models if name.casefold() in map(str.casefold, voices.names(model)))
        return next(known, models[0]), {"voice": name}

    async def _speak(self, request: SpeechRequest, text: LiveText | None) -> None:
        form = {"rate": request.model.engine.sample_rate, "width": 2, "channels": 1}
        texts = text.parts() if text else None
        has_begun = False
        try:
            async with aclosing(self._service.sound(request, Figures(), route=ROUTE, texts=texts)) as parts:
                async for part in parts:
                    if not has_begun:
                        has_begun = True
                        await self._tell("audio-start", form)
                    await self._tell("audio-chunk", form, part)
            await self._tell("audio-stop", {})
            if text:
                await self._tell("synthesize-stopped", {})
        except Exception as error:
            await self._tell_error(error)

    def _about(self) -> dict[str, Any]:
        """Each model as a program with its voices."""
        return {"tts": [self._program(model) for model in self._service.models]}

    def _program(self, model: Model) -> dict[str, Any]:
        codes = [CODES[language] for language in model.engine.languages if language in CODES]
        about = {
            "attribution": {"name": "Qwen", "url": "https://github.com/QwenLM/Qwen3-TTS"},
            "installed": True,
            "version": version(),
        }
        names = self._service.voices.names(model) or ["default"]
        voices = [{"name": name, "description": name, "languages": codes, **about} for name in names]
        description = f"Qwen3-TTS, {model.name}"
        streams = {"voices": voices, "supports_synthesize_streaming": True}
        return {"name": model.name, "description": description, **about, **streams}

    async def _tell(self, kind: str, data: dict[str, Any], payload: bytes = b"") -> None:
        self._writer.write(wyoming_events.encode(Event(kind, data, payload)))
        with patience(self._service.settings.idle_timeout):
            await self._writer.drain()

    async def _tell_error(self, error: Exception) -> None:
        if isinstance(error, ConnectionError):  # the client has left
            return
        log_failure(error)
        told = of_library(error)
        with suppress(ConnectionError):
            await self._tell("error", {"text": told.message, "code": told.code})

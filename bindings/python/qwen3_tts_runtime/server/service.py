"""What all addresses share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

from qwen3_tts_runtime.server.admission import Admission, Rank
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.formats import SoundStream
from qwen3_tts_runtime.server.logs import log, milliseconds
from qwen3_tts_runtime.server.metrics import Metrics
from qwen3_tts_runtime.server.models import Models
from qwen3_tts_runtime.server.settings import Settings
from qwen3_tts_runtime.server.speaking import Figures, Speaker
from qwen3_tts_runtime.server.speech_request import RequestReader, SpeechRequest
from qwen3_tts_runtime.server.torch_reference import TorchReference
from qwen3_tts_runtime.server.voices import Voices


class Service:
    """Models, voices and the one queue before them."""

    def __init__(self, models: Models, settings: Settings, reference: TorchReference | None = None) -> None:
        """InvalidArgument when the folder of voices or an alias is wrong. `reference`: to be compared with a model."""
        self.settings = settings
        self.models = models
        self.reference = reference
        self.voices = Voices(models, settings.voices, settings.aliases)
        self.admission = Admission(models.places, settings.max_queue, models.max_sessions)
        self.metrics = Metrics(self.admission)
        self.speaker = Speaker(self.admission, self.metrics)
        self.requests = RequestReader(models, self.voices, settings)
        self.is_draining = False
        self._num_running = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody is being answered."""
        return self._num_running == 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Somebody is being answered while the block runs: the end waits for it."""
        self._num_running += 1
        try:
            yield
        finally:
            self._num_running -= 1

    def check_open(self) -> None:
        """ApiError 503 when the server takes no more requests."""
        if self.is_draining:
            raise ApiError(503, "the server is about to end; ask another one", code="draining", retry_after=5)

    def close(self) -> None:
        if self.reference:
            self.reference.close()
        self.speaker.close()
        self.models.close()

    async def sound(
        self,
        request: SpeechRequest,
        figures: Figures,
        *,
        route: str,
        texts: AsyncIterator[str] | None = None,
        rank: Rank = Rank.ASKING,
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a sound, as they are made. Each has a line in the log."""
        stream = SoundStream(request.format, request.model.engine.sample_rate, request.speed)
        try:
            with self.running(), closing(stream):
                async with aclosing(self.speaker.speak(request, figures, texts=texts, rank=rank)) as chunks:
                    async for samples in chunks:
                        if part := stream.write(samples):
                            yield part
                if part := stream.finish():
                    yield part
        finally:
            self._log(request, figures, route)

    def _log(self, request: SpeechRequest, figures: Figures, route: str) -> None:
        rtf, gaps = figures.rtf, milliseconds(figures.gaps)
        fields: dict[str, Any] = {
            "route": route,
            "model": request.model.name,
            "voice": request.voice_name,
            "format": request.format.name,
            "characters": len(request.text) or None,
            "outcome": figures.outcome,
            "finish_reason": figures.stats.get("finish_reason"),
            "queued_ms": milliseconds(figures.queued),
            "first_sound_ms": milliseconds(figures.first_sound),
            "audio_s": round(figures.audio, 2),
            "rtf": None if rtf is None else round(rtf, 3),
            "gaps_ms": gaps or None,
            "text": request.text if self.settings.log_texts else None,
        }
        log("speech", **fields)

"""One utterance: its turn, its samples, its figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime._asynchronous import Watcher
from qwen3_tts_runtime.errors import InvalidArgument
from qwen3_tts_runtime.server import recordings
from qwen3_tts_runtime.server.admission import Admission, Rank, Turn
from qwen3_tts_runtime.server.errors import ApiError
from qwen3_tts_runtime.server.metrics import Metrics
from qwen3_tts_runtime.server.recordings import VoiceMaker
from qwen3_tts_runtime.server.speech_request import SpeechRequest

T = TypeVar("T")

SLOW = 0.25  # seconds after which a listener who takes nothing lends the place to others
ANY_TEXT = "Hello."  # is checked where the text comes later
LONG_TEXT = 5000  # characters: a check takes a millisecond
HELPERS = 2  # threads for what is short, or waits for the voice encoder


@dataclass
class Figures:
    """Of one utterance, as it goes on. Times are in seconds, and without those that the listener took."""

    begin: float = field(default_factory=time.perf_counter)
    queued: float | None = None
    first_sound: float | None = None
    audio: float = 0
    waited: float = 0
    """For samples, from the beginning of the turn."""
    gaps: float = 0
    """Silence that a listener heard who played at once."""
    outcome: str = "left"
    """"done", "left" (by the listener), "refused", "failed"."""
    stats: dict[str, Any] = field(default_factory=dict)
    """The library's, of an utterance that came to its end."""

    def began(self) -> None:
        self.queued = time.perf_counter() - self.begin

    def came(self, seconds: float, waited: float) -> None:
        """Samples of so many seconds, after a wait."""
        self.waited += waited
        if self.first_sound is None:
            self.first_sound = time.perf_counter() - self.begin
            self._played_at = self.waited
        late = self.waited - self._played_at - self.audio
        if late > 0:
            self.gaps += late
            self._played_at += late
        self.audio += seconds

    _played_at: float = 0

    @property
    def rtf(self) -> float | None:
        return self.waited / self.audio if self.audio else None

    @property
    def usage(self) -> dict[str, int]:
        """As OpenAI counts: tokens of the text, and frames of speech."""
        given, made = int(self.stats.get("text_tokens", 0)), int(self.stats.get("frames", 0))
        return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


class Speaker:
    """Speaks for everybody, in turn."""

    def __init__(self, admission: Admission, metrics: Metrics) -> None:
        self.admission = admission
        self._metrics = metrics
        self._voices = VoiceMaker()
        self._helpers = ThreadPoolExecutor(HELPERS, "qwen3-tts-server")

    def close(self) -> None:
        self._helpers.shutdown()

    async def helped(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """In a thread, so that others go on."""
        return await asyncio.get_running_loop().run_in_executor(self._helpers, partial(function, *arguments, **named))

    async def check(self, request: SpeechRequest) -> None:
        """Raises before any work what speak() would raise: ApiError, and errors of the library."""
        if request.recording is not None:  # whose voice is not there yet
            recordings.encoder_of(request.model)
            return
        text = request.text or ANY_TEXT
        check = partial(request.model.engine.check, text, voice=request.voice, **request.options)
        if len(text) > LONG_TEXT:
            await self.helped(check)
        else:  # takes less than the way to a thread and back
            check()

    async def speak(
        self,
        request: SpeechRequest,
        figures: Figures,
        *,
        texts: AsyncIterator[str] | None = None,
        rank: Rank = Rank.ASKING,
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        """Samples [n]. `texts`: parts of a text that is still being written. To be closed, as any generator.

        A listener who takes long lends the place to others, and so does a text that has no more yet.
        """
        try:
            async with self.admission.turn(rank) as turn:
                figures.began()
                async with aclosing(self._chunks(request, figures, texts, turn)) as chunks:
                    async for samples in chunks:
                        turn.lend_soon(SLOW)
                        yield samples
                        await turn.take_back()
            figures.outcome = "done"
        except (ApiError, InvalidArgument):
            figures.outcome = "refused"
            raise
        except Exception:
            figures.outcome = "failed"
            raise
        finally:
            self._count(request, figures)

    async def _chunks(
        self, request: SpeechRequest, figures: Figures, texts: AsyncIterator[str] | None, turn: Turn
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        engine, voice = request.model.engine, request.voice
        begin = time.perf_counter()
        if request.recording is not None:
            voice = await self.helped(self._voices.voice, request.model, request.recording)
        watcher = _Watcher(turn, figures)
        text = request.text if texts is None else texts
        async with aclosing(engine._astream(text, voice, request.options, watcher)) as chunks:
            async for samples in chunks:
                waited = time.perf_counter() - begin - watcher.taken()
                figures.came(samples.size / engine.sample_rate / request.speed, waited)
                yield samples
                begin = time.perf_counter()

    def _count(self, request: SpeechRequest, figures: Figures) -> None:
        name = request.model.name
        self._metrics.utterances.labels(name, figures.outcome).inc()
        self._metrics.audio.labels(name).inc(figures.audio)
        if figures.queued is not None:
            self._metrics.queue_time.labels(name).observe(figures.queued)
        if figures.first_sound is not None:
            self._metrics.first_sound.labels(name).observe(figures.first_sound)
        if figures.outcome == "done" and figures.rtf is not None:
            self._metrics.rtf.labels(name).observe(figures.rtf)
        if figures.gaps > 0:
            self._metrics.underruns.labels(name).inc()


class _Watcher(Watcher):
    """Lends the place while there is no text, and keeps the statistics."""

    def __init__(self, turn: Turn, figures: Figures) -> None:
        self._turn = turn
        self._figures = figures
        self._without_text = 0.0

    def taken(self) -> float:
        """Seconds without text since it was asked last."""
        seconds, self._without_text = self._without_text, 0.0
        return seconds

    def waits(self) -> AbstractAsyncContextManager[None]:
        return self._waits()

    @asynccontextmanager
    async def _waits(self) -> AsyncIterator[None]:
        begin = time.perf_counter()
        async with self._turn.lent():
            yield
        self._without_text += time.perf_counter() - begin

    def ended(self, stats: dict[str, Any]) -> None:
        self._figures.stats = stats

"""Sessions of one engine: each speaks one utterance after the other."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import _json
from qwen3_tts_runtime._handles import Handle, check_process, is_process_usable, read_array, read_json
from qwen3_tts_runtime._library import Chunk, core
from qwen3_tts_runtime.errors import InvalidArgument, InvalidState
from qwen3_tts_runtime.speech import Speech
from qwen3_tts_runtime.voice import Voice, check_voice

MAX_IDLE = 16


@dataclass(frozen=True)
class Order:
    """A request as a session takes it."""

    json: bytes
    voice: Voice | None

    @classmethod
    def of(cls, text: object, voice: Voice | None, options: Mapping[str, Any]) -> Order:
        """Text that is no str is still being written. InvalidArgument for what JSON cannot hold."""
        if voice is not None:
            check_voice(voice)
        beginning = {"text": text} if isinstance(text, str) else {"text": "", "open_text": True}
        return cls(_json.encode({**beginning, **options}), voice)


class Delivery(NamedTuple):
    """What one call gives."""

    samples: NDArray[np.float32]  # [n], may be empty
    is_last: bool
    needs_text: bool


class Session:
    """One utterance at a time. Any thread may call stop(), and one at a time the rest."""

    def __init__(self, engine: Handle, sample_rate: int) -> None:
        self._handle = Handle(lambda out: core().session_create(engine.value, out), core().session_destroy)
        self._sample_rate = sample_rate
        self._is_closed = False
        self._is_stopped = False
        self.is_under_way = False
        """Whether it has an utterance that has not ended, and what that takes."""

    def renew(self) -> None:
        """For somebody else: forgets a stop."""
        self._is_stopped = False

    def start(self, order: Order) -> None:
        """Begins an utterance, which ends before its first frame when it was stopped already."""
        self.is_under_way = True
        core().session_start(self._handle.value, order.json, order.voice and order.voice.handle)
        if self._is_stopped:  # The library forgets a stop of before; it came from another thread on the way here.
            self.stop()
        self._check_open()

    def next(self) -> Delivery:
        """Its next samples."""
        chunk = Chunk()
        core().session_next(self._handle.value, ctypes.byref(chunk))
        self.is_under_way = not chunk.is_last
        self._check_open()
        samples = read_array(chunk.samples, (chunk.num_samples,), np.float32)
        return Delivery(samples, bool(chunk.is_last), bool(chunk.needs_text))

    def begin(self, order: Order) -> Delivery:
        """start(), and the first samples."""
        self.start(order)
        return self.next()

    def append(self, part: str | None) -> None:
        """More of its text, or None: that was all."""
        if part is None:
            core().session_finish(self._handle.value)
            return
        if not isinstance(part, str):
            raise InvalidArgument(f"a part of the text is of type {type(part).__name__}; give parts of type str")
        text = _json.encode_text("text", part)
        core().session_append(self._handle.value, text, len(text))

    def stop(self) -> None:
        """Ends the utterance at its next frame."""
        self._is_stopped = True
        if is_process_usable():
            core().session_stop(self._handle.value)

    def close(self) -> None:
        """Stops it, and refuses what follows."""
        self._is_closed = True
        self.stop()

    def speak(self, order: Order, texts: Iterator[str] | None) -> Iterator[NDArray[np.float32]]:
        """The samples of an utterance, [n] after [n]. `texts`: the parts of a text that is still being written."""
        self.start(order)
        delivery = Delivery(np.empty(0, np.float32), False, False)
        while not delivery.is_last:
            delivery = self.next()
            if delivery.samples.size:
                yield delivery.samples
            if delivery.needs_text and not delivery.is_last:
                self.append(next(texts, None) if texts else None)

    def speech(self, parts: list[NDArray[np.float32]]) -> Speech:
        """All of the utterance that has just been spoken."""
        samples = np.concatenate([np.empty(0, np.float32), *parts])
        stats = self.stats()
        return Speech(samples, self._sample_rate, stats, self._codes(stats["frames"]))

    def stats(self) -> dict[str, Any]:
        """Of the utterance that has just been spoken: `Speech.stats`."""
        stats: dict[str, Any] = read_json(lambda out: core().session_stats(self._handle.value, out))
        return stats

    def _codes(self, frames: int) -> NDArray[np.int64]:
        address, size = ctypes.c_void_p(), ctypes.c_size_t()
        core().session_codes(self._handle.value, ctypes.byref(address), ctypes.byref(size))
        groups = size.value // frames if frames else 0
        return read_array(address.value, (frames, groups), np.int64)

    def _check_open(self) -> None:
        if self._is_closed:
            raise InvalidState("the engine was closed while it spoke; close it after its last utterance")


class SessionPool:
    """Sessions that wait for their next utterance, and those that speak."""

    def __init__(self, engine: Handle, sample_rate: int) -> None:
        self._engine = engine
        self._sample_rate = sample_rate
        # The garbage collector may close a generator, which gives its session back, in a thread that holds the lock.
        self._lock = threading.RLock()
        self._idle: list[Session] = []
        self._busy: weakref.WeakSet[Session] = weakref.WeakSet()  # a generator that is dropped takes its session along
        self._is_closed = False

    def take(self) -> Session:
        """One that is idle, or a new one. InvalidState when the engine is closed, or has room for no other."""
        check_process()  # before the lock: a thread that was not forked may hold it
        with self._lock:
            self.check_open()
            session = self._idle.pop() if self._idle else Session(self._engine, self._sample_rate)
            session.renew()
            self._busy.add(session)
            return session

    def give_back(self, session: Session) -> None:
        """Takes one back that no thread is in. One whose utterance somebody left is not kept: it would keep, for as
        long as it waits, the memory of that utterance."""
        if not is_process_usable():
            return
        with self._lock:
            self._busy.discard(session)
            if not self._is_closed and not session.is_under_way and len(self._idle) < MAX_IDLE:
                self._idle.append(session)

    @contextmanager
    def borrowed(self) -> Iterator[Session]:
        """One for as long as the block runs."""
        session = self.take()
        try:
            yield session
        finally:
            self.give_back(session)

    def check_open(self) -> None:
        """InvalidState when the engine is closed."""
        if self._is_closed:
            raise InvalidState("the engine is closed; create another one")

    def close(self) -> None:
        """Stops those that speak: they end with InvalidState."""
        with self._lock:
            self._is_closed = True
            self._idle.clear()
            for session in list(self._busy):
                session.close()

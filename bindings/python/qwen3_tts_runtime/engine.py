"""An open model, which speaks.

with Engine("model.pte") as engine:
    engine.speak("Hello there.", speaker="ryan").save("hello.mp3")
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import _json
from qwen3_tts_runtime._handles import Handle, NotPicklable, check_process, read_json
from qwen3_tts_runtime._library import core
from qwen3_tts_runtime._sessions import Order, SessionPool
from qwen3_tts_runtime.errors import InvalidArgument
from qwen3_tts_runtime.request import EngineOptions, Request, RequestOptions
from qwen3_tts_runtime.speech import Speech

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from typing_extensions import Self, Unpack

    from qwen3_tts_runtime._asynchronous import Watcher
    from qwen3_tts_runtime.voice import Voice

MAX_CALLS = 16  # of asyncio and speak_many at once: more would only wait for each other


class Engine(NotPicklable):
    """Speaks with one model file. Any thread may use it, and many at once.

    What may be asked for is in `RequestOptions`; what is left out, or None, is the model's own default. Errors are
    those of `qwen3_tts_runtime.errors`, with the library's sentences.
    """

    _instead = "send the path of the model to the other process, and create an engine there"

    def __init__(self, path: str | os.PathLike[str], **options: Unpack[EngineOptions]) -> None:
        """Opens a model.pte, and checks it. InvalidModel, InvalidArgument, IoError; ImportError without the library."""
        self._path = os.fspath(path)
        encoded = _json.encode({"model_path": self._path, **options})
        self._handle = Handle(lambda out: core().engine_create(encoded, out), core().engine_destroy)
        self._info: dict[str, Any] = read_json(lambda out: core().engine_info(self._handle.value, out))
        self._pool = SessionPool(self._handle, self.sample_rate)
        self._executor: ThreadPoolExecutor | None = None
        self._lock = Lock()

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        recipe: str | None = None,
        gpu_arch: str | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **options: Unpack[EngineOptions],
    ) -> Self:
        """Opens a ready model: a folder of them, or "org/name" on a hub, from where it is fetched when it is not here
        yet. `hub.fetch` says what the names mean; `options` are those of Engine()."""
        from qwen3_tts_runtime.hub import fetch

        path = fetch(
            model,
            recipe=recipe,
            gpu_arch=gpu_arch,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            local_files_only=local_files_only,
        )
        return cls(path, **options)

    def close(self) -> None:
        """Frees the model. What still speaks ends with InvalidState at its next samples."""
        check_process()
        self._pool.close()
        with self._lock:  # from here on, nobody makes threads
            executor = self._executor
        if executor:
            executor.shutdown()
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine of {self._path!r}: {self._info['model_type']} {self._info['model_size']}>"

    # What it is

    @property
    def handle(self) -> ctypes.c_void_p:
        """For functions of the library. InvalidState when the engine is closed, or belongs to another process."""
        self._pool.check_open()
        return self._handle.value

    @property
    def info(self) -> dict[str, Any]:
        """What the model file says about itself: type, sizes, speakers, languages, defaults, methods."""
        return self._info

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(self._info["sample_rate"])

    @property
    def speakers(self) -> list[str]:
        """Those of a CustomVoice model."""
        return list(self._info["speakers"])

    @property
    def languages(self) -> list[str]:
        """What `language` may be, "auto" among it."""
        return list(self._info["languages"])

    @property
    def capacity(self) -> dict[str, int]:
        """`max_sessions`, `max_batch` (utterances that share a call), `num_sessions`, and the bytes of a session:
        `session_bytes` and, for each prompt row and each frame of its longest utterance, `position_bytes`."""
        capacity: dict[str, int] = read_json(lambda out: core().engine_capacity(self.handle, out))
        return capacity

    def preload(self, workload: Literal["speech", "codes", "decoding"] = "speech") -> None:
        """Loads now what the first request would wait for."""
        core().engine_preload(self.handle, _json.encode_name("workload", workload))

    # Speaking

    def check(self, text: str, *, voice: Voice | None = None, **request: Unpack[RequestOptions]) -> None:
        """Raises what speak() would raise for such a request, without any inference."""
        if not isinstance(text, str):  # whose parts nobody has seen yet
            raise InvalidArgument(f"the text to check is of type {type(text).__name__}; give a str")
        order = Order.of(text, voice, request)
        core().engine_check(self.handle, order.json, voice and voice.handle)

    def speak(
        self, text: str | Iterable[str], *, voice: Voice | None = None, **request: Unpack[RequestOptions]
    ) -> Speech:
        """All of a text. It may come in parts, cut anywhere."""
        order = Order.of(text, voice, request)
        with self._pool.borrowed() as session:
            return session.speech(list(session.speak(order, _parts(text))))

    def stream(
        self, text: str | Iterable[str], *, voice: Voice | None = None, **request: Unpack[RequestOptions]
    ) -> Generator[NDArray[np.float32], None, None]:
        """Samples while the model speaks: arrays [n], mono in [-1, 1].

        `text` may be an iterable of strings, such as what a language model writes, cut anywhere: it is asked for more
        when all before is spoken. The text is checked when the first samples are asked for. A generator that is closed
        or dropped stops the utterance.
        """
        return self._stream(Order.of(text, voice, request), _parts(text))

    def astream(
        self, text: str | AsyncIterable[str], *, voice: Voice | None = None, **request: Unpack[RequestOptions]
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        """The same for asyncio. The event loop goes on while the model speaks, and a task that is cancelled ends when
        its utterance has ended. `text` may be an asynchronous iterable, which is read while the model speaks."""
        return self._astream(text, voice, request)

    def speak_many(
        self, requests: Iterable[str | Request], *, workers: int | None = None
    ) -> Generator[tuple[int, Speech | Exception], None, None]:
        """Many texts, `workers` at once: (index, speech) as each is spoken, or (index, error) where one cannot be.

        A request is a text, or a dict with its `text`, perhaps a `voice`, and what speak() takes besides. Requests are
        asked for while others are spoken, so there may be any number of them. A generator that is closed stops all.
        """
        if isinstance(requests, (str, Mapping)):  # whose characters or keys would be spoken
            raise InvalidArgument(f"requests is one {type(requests).__name__}; give a list of requests, or speak() it")
        if workers is not None and not (isinstance(workers, int) and 1 <= workers <= MAX_CALLS):
            raise InvalidArgument(f"workers is {workers}; it must be 1 to {MAX_CALLS}")
        from qwen3_tts_runtime import _many

        number = workers or self.capacity["max_batch"]
        return _many.speak(self._pool, self._threads(), requests, number)

    def _stream(self, order: Order, texts: Iterator[str] | None) -> Generator[NDArray[np.float32], None, None]:
        with self._pool.borrowed() as session:
            yield from session.speak(order, texts)

    def _astream(
        self,
        text: str | AsyncIterable[str],
        voice: Voice | None,
        request: Mapping[str, Any],
        watcher: Watcher | None = None,
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        from qwen3_tts_runtime import _asynchronous  # asyncio takes longer to import than all of this package

        texts = None if isinstance(text, str) else aiter(text)  # TypeError for what is none
        return _asynchronous.speak(self._pool, self._threads(), Order.of(text, voice, request), texts, watcher)

    def _threads(self) -> ThreadPoolExecutor:
        """Those of asyncio and of speak_many. They are made when they are needed."""
        from concurrent.futures import ThreadPoolExecutor  # takes as long to import as half of this package

        check_process()  # before the lock: a thread that was not forked may hold it
        with self._lock:
            self._pool.check_open()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(MAX_CALLS, "qwen3-tts")
            return self._executor


def _parts(text: str | Iterable[str]) -> Iterator[str] | None:
    """Of a text that is still being written."""
    return None if isinstance(text, str) else iter(text)

"""Many requests at once, in threads: each answer as it is ready."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from itertools import islice
from threading import Event
from typing import Any

from qwen3_tts_runtime._sessions import Order, SessionPool
from qwen3_tts_runtime.errors import InvalidArgument
from qwen3_tts_runtime.request import Request
from qwen3_tts_runtime.speech import Speech


def speak(
    pool: SessionPool, executor: Executor, requests: Iterable[str | Request], workers: int
) -> Generator[tuple[int, Speech | Exception], None, None]:
    """(index, speech or error) of each request, `workers` at once. Closed, it stops all, and waits until they have."""
    rest = enumerate(requests)
    running: dict[Future[Speech], int] = {}
    is_stopped = Event()

    def fill_up() -> None:
        for index, request in islice(rest, workers - len(running)):
            pool.check_open()
            running[executor.submit(_speak_one, pool, request, is_stopped)] = index

    try:
        fill_up()
        while running:
            ended = wait(running, return_when=FIRST_COMPLETED).done
            outcomes = [(running.pop(future), _outcome(future)) for future in ended]
            fill_up()  # before anybody looks at them, so that no worker waits
            yield from outcomes
    finally:
        is_stopped.set()
        for future in running:
            future.cancel()
        wait(running)


def _speak_one(pool: SessionPool, request: str | Request, is_stopped: Event) -> Speech:
    options: dict[str, Any] = dict(request) if isinstance(request, Mapping) else {"text": request}
    text = options.pop("text", None)
    if not isinstance(text, str):
        raise InvalidArgument("a request has no 'text' of type str; give a str, or a dict such as {'text': 'Hello.'}")
    order = Order.of(text, options.pop("voice", None), options)
    with pool.borrowed() as session:
        parts = []
        for samples in session.speak(order, None):
            parts.append(samples)
            if is_stopped.is_set():
                raise CancelledError
        return session.speech(parts)


def _outcome(future: Future[Speech]) -> Speech | Exception:
    try:
        return future.result()
    except Exception as error:
        return error

"""Utterances for asyncio: every call of the library that takes time runs in a thread, and the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime._sessions import Order, Session, SessionPool

T = TypeVar("T")


class Watcher:
    """Who wants to know more of an utterance than its samples."""

    def waits(self) -> AbstractAsyncContextManager[None]:
        """Is entered while everything is spoken, and more of the text is not there yet."""
        return nullcontext()

    def ended(self, stats: dict[str, Any]) -> None:
        """It was spoken to its end: `Speech.stats`."""


async def speak(
    pool: SessionPool,
    executor: Executor,
    order: Order,
    texts: AsyncIterable[str] | None,
    watcher: Watcher | None = None,
) -> AsyncGenerator[NDArray[np.float32], None]:
    """The samples of an utterance, [n] after [n]. A task that is cancelled ends when the utterance has ended."""
    watcher = watcher or Watcher()
    session = pool.take()
    calls = _Calls(pool, executor, session)
    writer: _Writer | None = None
    try:
        if texts is None:
            delivery = await calls.run(session.begin, order)  # at once: the way to a thread and back delays the sound
        else:
            await calls.run(session.start, order)
            writer = _Writer(session, texts)
            delivery = await calls.run(session.next)
        while True:
            if delivery.samples.size:
                yield delivery.samples
            if delivery.is_last:
                watcher.ended(session.stats())
                return
            if delivery.needs_text and writer:
                async with watcher.waits():
                    await writer.wait()
            elif delivery.needs_text:
                session.append(None)
            delivery = await calls.run(session.next)
    finally:
        if writer:
            writer.stop()
        session.stop()
        calls.after_last(lambda: pool.give_back(session))


class _Calls:
    """One after the other, in threads."""

    def __init__(self, pool: SessionPool, executor: Executor, session: Session) -> None:
        self._pool = pool
        self._executor = executor
        self._session = session
        self._last: Future[Any] | None = None

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Its result. Cancelled while a thread is in the function, it stops the utterance and waits for the thread."""
        try:
            call = self._last = self._executor.submit(function, *arguments)
        except RuntimeError:  # its threads ended with the engine, which was closed between two calls
            self._pool.check_open()
            raise
        try:
            return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            self._session.stop()
            await _end_of(call)
            raise

    def after_last(self, function: Callable[[], object]) -> None:
        """Calls it when no thread is in a call: now, or in that thread. So nobody need wait, where nobody can."""
        if self._last is None:
            function()
        else:
            self._last.add_done_callback(lambda _: function())


async def _end_of(call: Future[Any]) -> None:
    """Waits for it, however often the wait is cancelled."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(ended.set_result, None)

    call.add_done_callback(tell)
    while not ended.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(ended)


class _Writer:
    """Appends text as it comes, beside the speech: whoever sends it need not wait for what is spoken."""

    def __init__(self, session: Session, texts: AsyncIterable[str]) -> None:
        self._session = session
        self._is_over = False
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._write(texts))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())  # it may be nobody's by then

    async def wait(self) -> None:
        """Until there is more text since the last time, or no more. An error of who writes is raised here."""
        await self._news.wait()
        self._news.clear()
        if self._task.done():
            self._task.result()

    def stop(self) -> None:
        """Appends nothing from here on."""
        self._is_over = True
        self._task.cancel()

    async def _write(self, texts: AsyncIterable[str]) -> None:
        try:
            async for part in texts:
                if self._is_over:  # the session speaks something else
                    return
                self._session.append(part)
                self._news.set()
            self._session.append(None)
        finally:
            self._news.set()

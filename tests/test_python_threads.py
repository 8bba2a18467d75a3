"""qwen3_tts_runtime in many threads and tasks, of which some are cancelled, and in forked processes."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from python_runtime import TEXT, Samples, collected, joined, num_files, num_threads, resident_bytes
from qwen3_tts_runtime import Engine, InvalidState, Voice
from qwen3_tts_runtime._sessions import MAX_IDLE, Delivery, Order, Session

Pte = Callable[[str], Path]

PATIENCE = 120  # seconds that a process gets which may hang
NUM_UTTERANCES = 200
MOST_FRAMES = 250  # of one call
GROWTH = 24 << 20  # bytes: more than the allocator keeps, and less than a leak of all utterances
REQUESTS: list[Any] = [
    {"text": TEXT, "speaker": speaker, "max_frames": frames, "seed": seed}
    for seed, (speaker, frames) in enumerate([("ryan", 3), ("vivian", 9), ("eric", 17), ("sohee", 26), ("dylan", 33)])
]


@pytest.fixture
def engine(tiny_pte: Pte) -> Iterator[Engine]:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        yield engine


@pytest.fixture
def expected(engine: Engine) -> list[bytes]:
    return [engine.speak(**request).samples.tobytes() for request in REQUESTS]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Fails after a while that no machine takes. A thread that was joined is listed by the system a little longer."""
    for _ in range(600):
        gc.collect()
        if is_so():
            return
        time.sleep(0.05)
    pytest.fail("it has not come true")


def by_threads(engine: Engine, expected: list[bytes], number: int) -> int:
    """How many of them were spoken to the end; the others were left after some chunks."""
    draw = random.Random(number)

    def speak(index: int, chunks_to_hear: int | None) -> bool:
        which = index % len(REQUESTS)
        chunks: list[Samples] = []
        for chunk in engine.stream(**REQUESTS[which]):
            chunks.append(chunk)
            if len(chunks) == chunks_to_hear:
                return False
        assert joined(chunks).tobytes() == expected[which]
        return True

    left = [draw.choice((None, None, draw.randrange(1, 4))) for _ in range(number)]
    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(speak, range(number), left))


async def by_tasks(engine: Engine, expected: list[bytes], number: int) -> int:
    """How many of them were spoken to the end; every third one was cancelled, whenever that was."""
    draw = random.Random(number)

    async def speak(index: int) -> bool:
        which = index % len(REQUESTS)
        samples = await collected(engine.astream(**REQUESTS[which]))
        assert samples.tobytes() == expected[which]
        return True

    async def cancel(task: asyncio.Task[bool]) -> None:
        await asyncio.sleep(draw.uniform(0, number / 100))
        for _ in range(draw.randrange(1, 3)):
            task.cancel()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(speak(index)) for index in range(number)]
    await asyncio.gather(*(cancel(task) for task in tasks[::3]))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for index, result in enumerate(results):
        assert result is True or (index % 3 == 0 and isinstance(result, asyncio.CancelledError)), result
    return results.count(True)


def test_many_threads_leak_nothing(engine: Engine, expected: list[bytes]) -> None:
    assert NUM_UTTERANCES / 3 < by_threads(engine, expected, NUM_UTTERANCES) < NUM_UTTERANCES
    threads, files, memory = num_threads(), num_files(), resident_bytes()
    by_threads(engine, expected, NUM_UTTERANCES)
    wait_until(lambda: num_threads() <= threads and num_files() <= files)
    assert engine.capacity["num_sessions"] <= 8
    assert resident_bytes() - memory < GROWTH


def test_many_tasks_leak_nothing(engine: Engine, expected: list[bytes]) -> None:
    asyncio.run(by_tasks(engine, expected, NUM_UTTERANCES))
    threads, files, memory = num_threads(), num_files(), resident_bytes()
    assert asyncio.run(by_tasks(engine, expected, NUM_UTTERANCES)) >= NUM_UTTERANCES * 2 // 3
    wait_until(lambda: num_threads() <= threads and num_files() <= files)
    assert engine.capacity["num_sessions"] <= MAX_IDLE
    assert resident_bytes() - memory < GROWTH


def test_an_engine_leaves_no_thread(tiny_pte: Pte) -> None:
    def use(engine: Engine) -> Engine:
        asyncio.run(by_tasks(engine, [engine.speak(**request).samples.tobytes() for request in REQUESTS], 12))
        list(engine.speak_many(REQUESTS))
        return engine

    before = set(threading.enumerate())
    use(Engine(tiny_pte("tiny-customvoice"))).close()  # leaves the pool of the process
    threads, files = num_threads(), num_files()
    use(Engine(tiny_pte("tiny-customvoice"))).close()
    assert set(threading.enumerate()) <= before
    wait_until(lambda: num_threads() <= threads and num_files() <= files)
    use(Engine(tiny_pte("tiny-customvoice")))  # dropped
    wait_until(lambda: num_threads() <= threads and num_files() <= files)


# asyncio


def test_the_event_loop_goes_on(engine: Engine) -> None:
    async def count() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async for _ in engine.astream(TEXT, speaker="ryan", max_frames=30):
            pass
        ticking.cancel()
        return ticks

    assert asyncio.run(count()) > 100


@pytest.mark.parametrize("is_early", [False, True])
def test_a_cancelled_task_has_stopped(engine: Engine, monkeypatch: pytest.MonkeyPatch, is_early: bool) -> None:
    """The cancellation finds a thread in the call that takes all frames, or on its way to it."""
    is_in_thread, is_stopped = threading.Event(), threading.Event()
    begin, stop = Session.begin, Session.stop
    sessions: list[Session] = []

    def watched_begin(session: Session, order: Order) -> Delivery:
        sessions.append(session)
        is_in_thread.set()
        assert not is_early or is_stopped.wait(PATIENCE)
        return begin(session, order)

    def watched_stop(session: Session) -> None:
        stop(session)
        is_stopped.set()

    async def speak_and_cancel() -> None:
        async def speak() -> None:
            options: Any = {"min_frames": MOST_FRAMES, "first_chunk_frames": MOST_FRAMES}
            async for _ in engine.astream(TEXT, speaker="ryan", frame_budget=0, **options):
                pass

        task = asyncio.create_task(speak())
        assert await asyncio.to_thread(is_in_thread.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not engine._pool._busy
        frames = sessions[0].stats()["frames"]
        assert frames == 0 if is_early else frames < MOST_FRAMES
        following = engine.speak(TEXT, speaker="ryan", max_frames=2)
        assert following.stats["finish_reason"] == "max_new_tokens"

    monkeypatch.setattr(Session, "begin", watched_begin)
    monkeypatch.setattr(Session, "stop", watched_stop)
    asyncio.run(speak_and_cancel())
    assert engine.capacity["num_sessions"] == 1


def test_a_closed_asynchronous_generator_gives_its_session_back(engine: Engine) -> None:
    async def leave() -> None:
        chunks = engine.astream(TEXT, speaker="ryan")
        await anext(chunks)
        await chunks.aclose()
        dropped = engine.astream(TEXT, speaker="ryan")
        await anext(dropped)
        del dropped
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert not engine._pool._busy


def test_a_coroutine_that_is_dropped_keeps_its_session_for_its_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()
    real_next = Session.next

    def slow_next(session: Session) -> Delivery:
        has_begun.set()
        may_end.wait()
        return real_next(session)

    async def drop() -> None:
        chunks = engine.astream(TEXT, speaker="ryan")
        await anext(chunks)
        monkeypatch.setattr(Session, "next", slow_next)
        step = chunks.__anext__()
        step.send(None)
        has_begun.wait()
        with pytest.raises(GeneratorExit):
            step.throw(GeneratorExit)  # as when the loop has gone
        still_busy = len(engine._pool._busy)
        may_end.set()
        assert still_busy == 1

    asyncio.run(drop())
    wait_until(lambda: not engine._pool._busy)


def test_a_cancelled_writer_writes_no_more(engine: Engine) -> None:
    async def speak_twice() -> bytes:
        is_waiting, has_begun, has_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def stubborn() -> AsyncIterator[str]:
            yield "A beginning. "
            is_waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await has_begun.wait()
                asyncio.get_running_loop().call_soon(has_ended.set)  # after whatever is done with this:
                yield "This must not go into the next utterance. "

        async def following() -> AsyncIterator[str]:
            has_begun.set()
            await has_ended.wait()
            yield "One text."

        task = asyncio.create_task(collected(engine.astream(stubborn(), speaker="ryan", frame_budget=5)))
        await is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not engine._pool._busy
        return (await collected(engine.astream(following(), speaker="ryan", frame_budget=5))).tobytes()

    expected = engine.speak(["One text."], speaker="ryan", frame_budget=5).samples.tobytes()
    assert asyncio.run(speak_twice()) == expected


def test_an_engine_that_is_closed_beside_tasks(tiny_pte: Pte) -> None:
    threads = set(threading.enumerate())

    async def close() -> list[Any]:
        engine = Engine(tiny_pte("tiny-customvoice"))
        endless: dict[str, Any] = {"speaker": "ryan", "frame_budget": 0, "min_frames": 2000}
        tasks = [asyncio.create_task(collected(engine.astream(TEXT, **endless))) for _ in range(5)]
        await asyncio.sleep(0.1)
        engine.close()
        assert set(threading.enumerate()) <= threads
        return await asyncio.gather(*tasks, return_exceptions=True)

    for outcome in asyncio.run(close()):
        assert isinstance(outcome, InvalidState)


# fork


def in_child(work: Callable[[], object]) -> str:
    """What `work` raises in a forked process, or "" """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            message = ""
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        os.write(writing, message.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        if not wait([reading], PATIENCE):  # it hangs
            os.kill(child, signal.SIGKILL)
        message = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return message


@contextmanager
def locked_by_another_thread(lock: Any) -> Iterator[None]:
    is_locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            is_locked.set()
            may_end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_locked.wait()
    yield
    may_end.set()
    thread.join()


def test_a_forked_child_cannot_use_what_its_parent_has(engine: Engine, tiny_pte: Pte) -> None:
    voice = Voice.from_x_vector([0.5] * 64)
    halfway = engine.stream(TEXT, speaker="ryan")
    next(halfway)
    path = tiny_pte("tiny-customvoice")
    uses: list[Callable[[], object]] = [
        lambda: engine.speak(TEXT, speaker="ryan"),
        lambda: next(halfway),
        lambda: asyncio.run(collected(engine.astream(TEXT, speaker="ryan"))),
        lambda: list(engine.speak_many([TEXT])),
        lambda: engine.check(TEXT, speaker="ryan"),
        lambda: engine.preload(),
        lambda: engine.capacity,
        lambda: engine.close(),
        lambda: voice.save("x"),
        lambda: voice.x_vector,
        lambda: Engine(path),
    ]
    for use in uses:
        message = in_child(use)
        assert message.startswith("InvalidState: this process was forked after qwen3_tts_runtime was used"), message
        assert "'spawn'" in message
    assert in_child(halfway.close) == ""
    with locked_by_another_thread(engine._pool._lock):
        assert in_child(halfway.close) == ""
        assert in_child(lambda: engine.speak(TEXT)).startswith("InvalidState")
    assert joined(halfway).size > 0


def speak_in_child(path: str, results: Connection) -> None:
    with Engine(path) as engine:
        results.send_bytes(engine.speak(**REQUESTS[0]).samples.tobytes())


def test_a_spawned_child_speaks(expected: list[bytes], tiny_pte: Pte) -> None:
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=speak_in_child, args=(str(tiny_pte("tiny-customvoice")), sending))
    child.start()
    sending.close()  # so that a child which ends without a word is noticed
    assert receiving.poll(PATIENCE)
    assert receiving.recv_bytes() == expected[0]
    child.join(PATIENCE)
    assert child.exitcode == 0

"""Whose turn it is: as many utterances speak as the batch holds, and the others wait in order.

async with admission.turn() as turn:
    async for samples in engine.astream("Hello there."):
        turn.lend_soon(0.25)  # the listener is slow: somebody else may have the place
        await send(samples)
        await turn.take_back()
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count

from qwen3_tts_runtime.server.errors import ApiError

OPEN_PER_PLACE = 4  # utterances that have begun: those of slow listeners keep their memory while others speak
FIRST_GUESS = 3.0  # seconds that an utterance takes, before any has been spoken
MAX_RETRY_AFTER = 60


class Rank(IntEnum):
    """Who goes before whom. Within a rank, who came first."""

    RETURNING = 0  # somebody listens already
    ASKING = 1  # somebody waits for the first sound
    BULK = 2  # nobody waits


class Admission:
    """Places in a batch, and the queue before them. Of one event loop."""

    def __init__(self, places: int, max_queue: int, max_sessions: int | None = None) -> None:
        """`max_sessions`: utterances that a model has room for, if that may be less."""
        self.places = places
        self._max_queue = max_queue
        self._max_open = min(OPEN_PER_PLACE * places, max_sessions or OPEN_PER_PLACE * places)
        self._free = places
        self._num_open = 0  # those that have begun and not ended, with a place or not
        self._order = count()
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []  # a heap
        self._seconds = FIRST_GUESS  # that a turn takes, of late

    @property
    def active(self) -> int:
        """Places that are taken."""
        return self.places - self._free

    @property
    def queued(self) -> int:
        """Those that wait for their first place, and are counted by the bound."""
        return sum(rank is Rank.ASKING and not future.done() for rank, _, future in self._waiting)

    def check(self) -> None:
        """ApiError 429 when a request would have to be turned away now."""
        if not self._has_room and self.queued >= self._max_queue:
            wait = math.ceil((self.queued + 1) * self._seconds / self.places)
            raise ApiError(
                429,
                f"{self.queued} requests wait already; try again later",
                code="queue_full",
                retry_after=min(max(wait, 1), MAX_RETRY_AFTER),
            )

    @property
    def _has_room(self) -> bool:
        """For one that has not begun."""
        return self._free > 0 and self._num_open < self._max_open

    @asynccontextmanager
    async def turn(self, rank: Rank = Rank.ASKING) -> AsyncIterator[Turn]:
        """A place for as long as the block runs. ApiError 429 when too many wait; bulk waits however many there are."""
        if rank is Rank.ASKING:
            self.check()
        turn = Turn(self)
        await turn.take(rank)
        begin = asyncio.get_running_loop().time()
        try:
            yield turn
        finally:
            self._num_open -= 1
            self._seconds += 0.2 * (asyncio.get_running_loop().time() - begin - self._seconds)
            turn.give_back()
            self._serve()

    async def acquire(self, rank: Rank) -> None:
        """Waits for a place."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), future))
        self._serve()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # it had just got the place
                self._num_open -= rank is not Rank.RETURNING
                self.release()
            else:
                self._waiting = [entry for entry in self._waiting if entry[2] is not future]
                heapq.heapify(self._waiting)
            raise

    def release(self) -> None:
        """Gives a place back."""
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        """Whoever is first, as long as there is room for them."""
        while self._waiting and self._free:
            rank, _, future = self._waiting[0]
            if rank is not Rank.RETURNING and not self._has_room:
                return
            heapq.heappop(self._waiting)
            if not future.done():
                self._free -= 1
                self._num_open += rank is not Rank.RETURNING
                future.set_result(None)


class Turn:
    """A place in the batch, which may be lent while it is of no use."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._has_place = False
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, rank: Rank) -> None:
        await self._admission.acquire(rank)
        self._has_place = True

    def give_back(self) -> None:
        """Somebody else may have the place."""
        self._stop_timer()
        if self._has_place:
            self._has_place = False
            self._admission.release()

    def lend_soon(self, seconds: float) -> None:
        """The same, unless it is taken back before."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.give_back)

    async def take_back(self) -> None:
        """Goes on, when there is a place again."""
        self._stop_timer()
        if not self._has_place:
            await self.take(Rank.RETURNING)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Without its place while the block runs."""
        self.give_back()
        yield
        await self.take_back()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

"""Places in the batch are given in order, lent, and never lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from qwen3_tts_runtime.server.admission import OPEN_PER_PLACE, Admission, Rank, Turn
from qwen3_tts_runtime.server.errors import ApiError


async def settle() -> None:
    """Until nothing more happens by itself."""
    for _ in range(20):
        await asyncio.sleep(0)


class Guest:
    """Somebody who takes a turn and keeps it until told to leave."""

    def __init__(self, admission: Admission, name: str, order: list[str], rank: Rank = Rank.ASKING) -> None:
        self.may_leave = asyncio.Event()
        self.turn: Turn | None = None
        self.task = asyncio.create_task(self._stay(admission, name, order, rank))

    async def _stay(self, admission: Admission, name: str, order: list[str], rank: Rank) -> None:
        async with admission.turn(rank) as turn:
            self.turn = turn
            order.append(name)
            await self.may_leave.wait()

    async def leave(self) -> None:
        self.may_leave.set()
        await self.task
        await settle()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await work()

    asyncio.run(all_of_it())


def test_in_order_and_by_rank() -> None:
    async def work() -> None:
        admission, order = Admission(1, 10), list[str]()
        first = Guest(admission, "first", order)
        await settle()
        bulk = Guest(admission, "bulk", order, Rank.BULK)
        await settle()
        guests = [Guest(admission, name, order) for name in ("second", "third")]
        await settle()
        assert (admission.active, admission.queued) == (1, 2)
        for guest in (first, *guests, bulk):
            await guest.leave()
        assert order == ["first", "second", "third", "bulk"]
        assert (admission.active, admission.queued) == (0, 0)

    run(work)


def test_one_too_many() -> None:
    async def work() -> None:
        admission, order = Admission(1, 1), list[str]()
        guests = [Guest(admission, str(index), order) for index in range(3)]
        await settle()
        with pytest.raises(ApiError, match="1 requests wait already") as error:
            await guests[2].task
        assert error.value.status == 429 and 1 <= int(error.value.headers["retry-after"]) <= 60
        bulk = Guest(admission, "bulk", order, Rank.BULK)  # waits however many there are
        for guest in (*guests[:2], bulk):
            await guest.leave()
        assert order == ["0", "1", "bulk"]

    run(work)


def test_a_place_that_is_lent_comes_back_first() -> None:
    async def work() -> None:
        admission, order = Admission(1, 10), list[str]()
        slow = Guest(admission, "slow", order)
        await settle()
        others = [Guest(admission, name, order) for name in ("one", "two")]
        await settle()
        assert slow.turn
        slow.turn.lend_soon(0)
        await asyncio.sleep(0.01)
        assert order == ["slow", "one"]
        returning = asyncio.create_task(slow.turn.take_back())
        await others[0].leave()
        assert returning.done() and order == ["slow", "one"]  # before "two", who has been waiting
        await slow.leave()
        assert order == ["slow", "one", "two"]
        await others[1].leave()
        assert admission.active == 0

    run(work)


def test_who_is_fast_keeps_the_place() -> None:
    async def work() -> None:
        admission, order = Admission(1, 10), list[str]()
        fast, other = Guest(admission, "fast", order), Guest(admission, "other", order)
        await settle()
        assert fast.turn
        fast.turn.lend_soon(60)
        await fast.turn.take_back()
        assert order == ["fast"] and admission.queued == 1
        for guest in (fast, other):
            await guest.leave()

    run(work)


@pytest.mark.parametrize(("max_sessions", "most"), [(None, OPEN_PER_PLACE), (256, OPEN_PER_PLACE), (2, 2)])
def test_not_more_begin_than_there_is_room_for(max_sessions: int | None, most: int) -> None:
    async def work() -> None:
        admission, order = Admission(1, 100, max_sessions), list[str]()
        guests = []
        for index in range(most + 1):
            guests.append(Guest(admission, str(index), order))
            await settle()
            if guests[-1].turn:
                guests[-1].turn.give_back()
        await settle()
        assert len(order) == most and admission.active == 0 and admission.queued == 1
        await guests[0].leave()
        assert len(order) == most + 1
        for guest in guests[1:]:
            await guest.leave()

    run(work)


@pytest.mark.parametrize("seed", range(20))
def test_no_place_is_lost(seed: int) -> None:
    """Whoever is cancelled, whenever that is."""
    draw = random.Random(seed)

    async def guest(admission: Admission) -> None:
        async with admission.turn(draw.choice(list(Rank)[1:])) as turn:
            assert admission.active <= admission.places
            for _ in range(draw.randrange(4)):
                turn.lend_soon(draw.choice([0, 1]))
                await asyncio.sleep(draw.choice([0, 0.001]))
                await turn.take_back()
                assert admission.active <= admission.places
            async with turn.lent():
                await asyncio.sleep(0)

    async def work() -> None:
        admission = Admission(2, 1000)
        tasks = [asyncio.create_task(guest(admission)) for _ in range(40)]
        for task in draw.sample(tasks, 20):
            await asyncio.sleep(draw.choice([0, 0, 0.001]))
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
        assert (admission.active, admission.queued) == (0, 0)
        async with admission.turn():
            assert admission.active == 1

    run(work)

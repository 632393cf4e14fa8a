"""What the fleets have found, each as small as it can be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest

from recorder import clock
from recorder.pacing import BoardAway, ConnectLimiter, LocalBoard
from recorder.pacing.boards import Change
from tests.fleet.fleet import Fleet, Size
from tests.fleet.looping import FleetLoop

T = TypeVar("T")

PAIR = Size(recorders=2, streams=10, minutes=60, accounts=1)
Play = Callable[[FleetLoop, Coroutine[object, object, None]], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run something in virtual time."""

    def run(loop: FleetLoop, work: Coroutine[object, object, None]) -> None:
        random.seed("found")
        monkeypatch.setattr(clock, "elapsed_ns", lambda: int(loop.time() * 1e9))
        try:
            loop.run_until_complete(work)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    return run


@pytest.mark.parametrize("joins", [False, True], ids=["was there", "joins later"])
def test_a_clock_that_is_set_back_before_the_databases_start(play: Play, joins: bool) -> None:
    """A database that began with a clock of tomorrow: once it was set right, the dead are inherited as ever."""
    loop = FleetLoop()

    async def main() -> None:
        fleet = Fleet(1, PAIR, loop)
        dead = fleet.begin()
        heir = None if joins else fleet.begin()
        fleet.add(PAIR.streams)
        await asyncio.sleep(60)
        fleet.database.set_by_s -= 86_400
        heir = heir or fleet.begin()
        await asyncio.sleep(60)
        fleet.kill(dead)
        await asyncio.sleep(20)
        assert heir.leases.held == fleet.streams

    play(loop, main())


class AwayBoard(LocalBoard):
    """A board that is away."""

    async def exchange(self, change: Change[T]) -> T:
        raise BoardAway("away")


def test_who_loses_the_board_at_the_same_moment_does_not_knock_at_the_same_moment(play: Play) -> None:
    """Each of 50 recorders has its fiftieth of the rate, and a moment of its own within it."""
    loop = FleetLoop()
    departed: list[float] = []

    async def dial(limiter: ConnectLimiter) -> None:
        limiter.sharers = 50
        for _ in range(3):
            await limiter.turn()
            departed.append(loop.time())

    async def main() -> None:
        limiters = [ConnectLimiter(boards=[LocalBoard(), AwayBoard()]) for _ in range(50)]
        await asyncio.gather(*(dial(limiter) for limiter in limiters))
        busiest = max(sum(now <= other < now + 1 for other in departed) for now in departed)
        assert busiest <= 16  # of 50 that could knock at once; 5 on average

    play(loop, main())

"""Streams begun and halted one by one: never two captures of one stream, and nothing once all has to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from recorder.capture import Capture
from recorder.feed.decisions import Done
from recorder.fixtures import Entry, parse_list
from recorder.home.local import Home
from recorder.model import StoredStream
from recorder.roster import Roster

[ENTRY], _ = parse_list("media/soccer/39e713f0-ff68-57e7-89f6-d86eb5df59cb", "list")
STREAM_ID = ENTRY.stream.stream_id


class SlowCapture:
    """Records until it is cancelled, and then needs until ``may_end`` to close its connection."""

    running = 0
    most = 0
    begun = 0

    def __init__(self, may_end: asyncio.Event) -> None:
        self._may_end = may_end

    async def run(self) -> Done | None:
        type(self).running += 1
        type(self).begun += 1
        type(self).most = max(self.most, self.running)
        try:
            await asyncio.Event().wait()
        finally:
            await self._may_end.wait()
            type(self).running -= 1
        return None


class StoredNothing:
    async def take(self, _stream_id: int) -> StoredStream:
        return StoredStream()


def play(scene: Callable[[Roster, asyncio.Event, type[SlowCapture]], Coroutine[Any, Any, None]]) -> type[SlowCapture]:
    """Run a scene with a roster of one stream; return what its captures counted."""

    class Counted(SlowCapture):
        running = most = begun = 0

    async def main() -> None:
        may_end = asyncio.Event()

        def make(_entry: Entry, _stored: StoredStream) -> Capture:
            return cast("Capture", Counted(may_end))

        async with asyncio.TaskGroup() as group:
            roster = Roster({STREAM_ID: ENTRY}, cast("Home", StoredNothing()), make, group)
            await scene(roster, may_end, Counted)
            may_end.set()
            await roster.halt_all()

    asyncio.run(asyncio.wait_for(main(), 20))
    return Counted


async def turns(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - a few turns of the loop, no time
        await asyncio.sleep(0)


def test_begun_again_while_it_is_halted() -> None:
    """A stream that comes back before its capture has closed is begun once that has, and not beside it."""

    async def scene(roster: Roster, may_end: asyncio.Event, counted: type[SlowCapture]) -> None:
        roster.begin(STREAM_ID)
        await turns(lambda: counted.running)
        halting = asyncio.create_task(roster.halt(STREAM_ID))
        await asyncio.sleep(0)
        roster.begin(STREAM_ID)
        roster.begin(STREAM_ID)
        may_end.set()
        await halting
        await turns(lambda: counted.begun == 2)

    counted = play(scene)
    assert (counted.begun, counted.most, counted.running) == (2, 1, 0)


def test_halted_again_it_stays_halted() -> None:
    """The last word counts: begun again and lost again while it closes, it is not recorded."""

    async def scene(roster: Roster, may_end: asyncio.Event, counted: type[SlowCapture]) -> None:
        roster.begin(STREAM_ID)
        await turns(lambda: counted.running)
        halting = [asyncio.create_task(roster.halt(STREAM_ID))]
        await asyncio.sleep(0)
        roster.begin(STREAM_ID)
        halting.append(asyncio.create_task(roster.halt(STREAM_ID)))
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.gather(*halting)

    counted = play(scene)
    assert (counted.begun, counted.running) == (1, 0)


def test_nothing_begins_after_the_end() -> None:
    """A lease that comes while the run ends is not obeyed: nobody would wait for it."""

    async def scene(roster: Roster, may_end: asyncio.Event, _counted: type[SlowCapture]) -> None:
        may_end.set()
        await roster.halt_all()
        roster.begin(STREAM_ID)

    counted = play(scene)
    assert (counted.begun, counted.running) == (0, 0)

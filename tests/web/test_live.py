"""Many listeners, one look: none of what becomes durable is lost, and none comes twice."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.model import Kind
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent, Operation
from recorder.web.asking import Asker
from recorder.web.listening import MOST_AT_ONCE, MOST_WAITING, Event
from recorder.web.live import Live
from tests.archive.filling import START_US, Filled, History, action_in

PATIENCE_S = 20.0


@asynccontextmanager
async def living(archive: Filled) -> AsyncIterator[Live]:
    """What looks into an archive more often than any page has to."""
    asker = Asker(archive.url)
    live = Live(asker, interval_s=0.005)
    looking = asyncio.create_task(live.run())
    try:
        yield live
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        asker.close()


async def until(events: AsyncIterator[Event], position: int) -> list[Event]:
    """Return what comes, up to an event of this position."""
    found: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        while not found or found[-1].position < position:
            found.append(await anext(events))
    return found


async def store(archive: Filled, *histories: History) -> None:
    operations = [operation for history in histories for operation in history.taken()]
    await asyncio.to_thread(archive.write, *operations)


def add(history: History, count: int) -> None:
    for _ in range(count):
        history.add(type="Pass", send_type="Confirmed")


def positions(events: list[Event]) -> list[int]:
    return [event.position for event in events if event.name == "action"]


def test_what_becomes_durable_is_told_behind_what_was_known(archive: Filled) -> None:
    """In order, each once, with the row of the page."""

    async def scene() -> list[Event]:
        history = History()
        add(history, 3)
        await store(archive, history)
        async with living(archive) as live:
            events = live.listen(history.stream.stream_id, after=(0, 0))
            found = await until(events, 2)
            add(history, 2)
            await store(archive, history)
            return found + await until(events, 4)

    events = asyncio.run(scene())
    assert positions(events) == [1, 2, 3, 4]
    assert [event.id for event in events] == ["0/1", "0/2", "0/3", "0/4"]
    said = json.loads(events[-1].data)
    assert said["stream_id"] == str(events[-1].stream_id)
    assert said["html"].startswith("<tr ")
    assert said["stands"] is True


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 8)), min_size=1, max_size=6))
def test_nothing_is_lost_or_told_twice_whenever_one_joins(steps: list[tuple[int, int | None]]) -> None:
    """Actions are stored and listeners join in any order, each with what it knew already."""

    async def hear(live: Live, stream_id: int, known: int, last: int) -> list[int]:
        return positions(await until(live.listen(stream_id, after=(0, known - 1)), last))

    async def scene(archive: Filled) -> None:
        history = History()
        add(history, 1)
        await store(archive, history)
        last = sum(count for count, _ in steps) + 1
        async with living(archive) as live, asyncio.TaskGroup() as group:
            heard = []
            for count, joins_with in steps:
                if joins_with is not None:
                    known = min(joins_with, len(history.actions))
                    task = group.create_task(hear(live, history.stream.stream_id, known, last))
                    heard.append((known, task))
                add(history, count)
                await store(archive, history)
            add(history, 1)
            await store(archive, history)
            for known, task in heard:
                assert await task == list(range(known, last + 1))

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(scene(Filled(Path(directory) / "archive.db")))


def test_two_hundred_listeners_are_told_what_was_made_once(file: Filled) -> None:
    async def scene() -> list[list[Event]]:
        history = History()
        await store(file, history)
        async with living(file) as live:
            told = [asyncio.create_task(until(live.listen(history.stream.stream_id, (0, -1)), 2)) for _ in range(200)]
            add(history, 3)
            await store(file, history)
            return await asyncio.gather(*told)

    first, *others = asyncio.run(scene())
    assert positions(first) == [0, 1, 2]
    assert all(mine.data is theirs.data for other in others for mine, theirs in zip(first, other, strict=True))


def test_a_listener_of_all_hears_of_a_stream_that_begins_later(archive: Filled) -> None:
    """From its first action; of what was there before it came, nothing."""

    async def scene() -> tuple[list[Event], History, History]:
        before, later = History(), History()
        add(before, 2)
        await store(archive, before)
        async with living(archive) as live:
            events = live.listen(None)
            first = asyncio.ensure_future(anext(events))
            while not first.done():  # it hears nothing until it has been found where every stream ends
                add(before, 1)
                await store(archive, before)
                await asyncio.wait([first], timeout=0.1)
            add(later, 2)
            await store(archive, later)
            found = [await first]
            async with asyncio.timeout(PATIENCE_S):
                while (found[-1].stream_id, found[-1].position) != (later.stream.stream_id, 1):
                    found.append(await anext(events))
            return found, before, later

    events, before, later = asyncio.run(scene())
    heard = [event.position for event in events if event.stream_id == before.stream.stream_id]
    assert heard == list(range(heard[0], len(before.actions)))
    assert heard[0] >= 2
    assert [event.position for event in events if event.stream_id == later.stream.stream_id] == [0, 1]


def test_a_changed_list_has_to_be_looked_at_again(archive: Filled) -> None:
    """A new epoch: positions mean other actions now, so nothing is told behind it."""

    async def scene() -> list[Event]:
        history = History()
        add(history, 4)
        await store(archive, history)
        stream_id = history.stream.stream_id
        async with living(archive) as live:
            events = live.listen(stream_id, after=(0, 2))
            found = await until(events, 3)
            changed = [action_in(history.frame(Kind.ACTION, b"%d" % at, START_US), 1, at) for at in (2, 3)]
            epoch: list[Operation] = [BeginEpoch(stream_id, 1, 0, 2, START_US, "changed"), *map(AddAction, changed)]
            history.operations += [*epoch, MakeEpochCurrent(stream_id, 1, START_US)]
            await store(archive, history)
            return found + [event async for event in events]

    told, resync = asyncio.run(scene())
    assert (told.name, told.id) == ("action", "0/3")
    assert (resync.name, resync.id, resync.is_last) == ("resync", "1/3", True)


def test_who_is_far_behind_is_sent_to_the_whole(file: Filled) -> None:
    async def scene() -> list[Event]:
        history = History()
        add(history, MOST_AT_ONCE + 1)
        await store(file, history)
        async with living(file) as live:
            return [event async for event in live.listen(history.stream.stream_id, after=(0, -1))]

    (resync,) = asyncio.run(scene())
    assert (resync.name, resync.position) == ("resync", MOST_AT_ONCE)


def test_a_listener_that_does_not_read_is_dropped_and_told_so(file: Filled) -> None:
    """What waits for it is bounded; those that read go on."""

    async def scene() -> tuple[list[Event], list[int]]:
        history = History()
        add(history, 1)
        await store(file, history)
        stream_id = history.stream.stream_id
        async with living(file) as live:
            slow, quick = live.listen(stream_id, (0, -1)), live.listen(stream_id, (0, -1))
            await until(slow, 0)
            heard = await until(quick, 0)
            while len(history.actions) <= MOST_WAITING + 1:
                add(history, MOST_AT_ONCE // 2)
                await store(file, history)
                heard += await until(quick, len(history.actions) - 1)
            return [event async for event in slow], positions(heard)

    left, heard = asyncio.run(scene())
    assert [(event.name, event.is_last) for event in left] == [("resync", True)]
    assert heard == list(range(len(heard)))


def test_nobody_is_looked_for_who_has_gone(file: Filled) -> None:
    async def scene() -> list[int]:
        history = History()
        add(history, 1)
        await store(file, history)
        async with living(file) as live:
            events = live.listen(history.stream.stream_id, (0, -1))
            await until(events, 0)
            before = live.listeners
            assert isinstance(events, AsyncGenerator)
            await events.aclose()
            return [before, live.listeners]

    assert asyncio.run(scene()) == [1, 0]


def test_who_listens_while_there_is_no_archive_hears_of_it_when_there_is(file: Filled) -> None:
    """An archive that is away ends nothing: it is looked for again."""

    async def scene() -> list[Event]:
        history = History()
        add(history, 2)
        async with living(file) as live:
            first = asyncio.ensure_future(until(live.listen(history.stream.stream_id, (0, -1)), 1))
            await asyncio.wait([first], timeout=0.2)
            await store(file, history)
            return await first

    assert positions(asyncio.run(scene())) == [0, 1]


def test_who_listens_when_the_page_ends_hears_no_more(file: Filled) -> None:
    async def scene() -> list[Event]:
        history = History()
        add(history, 1)
        await store(file, history)
        async with living(file) as live:
            events = live.listen(history.stream.stream_id, (0, -1))
            await until(events, 0)
        return [event async for event in events]

    assert asyncio.run(scene()) == []

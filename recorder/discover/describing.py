"""What the vendor's REST says of the fixtures that are recorded, kept as it came: at the start, on change, at the end.

A snapshot is a frame of the stream's channel ``fixture``, on a session of its own, whole in one transaction. Nothing
here may disturb a recording: what cannot be had is logged, once for each cause, and asked for again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from recorder import clock
from recorder.discover.envelopes import Unlike, decode, one_fixture
from recorder.discover.fixtures import Fixture, Odd, read_fixture
from recorder.discover.keeping import kept, snapshots_of
from recorder.discover.lines import time_text
from recorder.discover.rest import Answer, NotThere, Rest
from recorder.errors import RecorderError
from recorder.fixtures import Entry
from recorder.ids import TimeOrderedIds
from recorder.model import Stream, digest
from recorder.operations import DescribeStream, Operation

_log = logging.getLogger(__name__)

T = TypeVar("T")

EVERY_S = 300.0
"""How often a match is asked for while it is played. (Protocol 4.4 advises 30 s "to see suspensions": packets tell.)"""
AHEAD_S = 3600.0
"""The same long before its start."""
LEAD_S = 900.0
"""So long before its start a match is about to be played."""
_CHANCE = 0.1
_LAST_S = 20.0
"""The longest that the end of a recording waits for the last snapshot, its turn included."""
_MOVED_US = 60 * 1_000_000


def next_look_s(starts_us: int | None, now_us: int, every_s: float = EVERY_S, ahead_every_s: float = AHEAD_S) -> float:
    """Return how many seconds to wait before the REST is asked again."""
    left_s = 0.0 if starts_us is None else (starts_us - now_us) / 1e6 - LEAD_S
    return max(every_s, min(left_s, ahead_every_s))


class Describer:
    """Describes streams for as long as they are recorded; ``submit`` hands operations to the archive's writer."""

    def __init__(
        self,
        rest: Rest,
        submit: Callable[[Sequence[Operation]], None],
        *,
        every_s: float = EVERY_S,
        ahead_s: float = AHEAD_S,
    ) -> None:
        self._rest = rest
        self._submit = submit
        self._every_s, self._ahead_s = every_s, ahead_s
        self._ids = TimeOrderedIds()
        self._stored: dict[Stream, bytes] = {}
        """By snapshot stream: the digest of what was stored last."""
        self._told: dict[Stream, set[str]] = {}
        self._away: set[type[Exception]] = set()
        """Why nothing could be asked, since something was last answered: the same of all streams."""

    async def around(self, listed: Callable[[], Entry], recording: Awaitable[T]) -> T:
        """Await ``recording`` and return what it returns; meanwhile, and once it is over, ask what the REST says.

        ``listed`` gives what the list says of the stream by now. Cancelled, it asks no more. What ``recording`` raises
        is raised at once.
        """
        stream = listed().stream
        try:
            async with self._watched(listed):
                ended = await recording
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._look(listed(), "at the end")
            return ended
        finally:
            self._stored.pop(snapshots_of(stream), None)
            self._told.pop(stream, None)

    @asynccontextmanager
    async def _watched(self, listed: Callable[[], Entry]) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch(listed))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self, listed: Callable[[], Entry]) -> None:
        why, told_us = "at the start", None
        while True:
            fixture = await self._look(listed(), why)
            why = "it may have changed"
            told_us = told_us if fixture is None else fixture.starts_us
            seconds = next_look_s(told_us or listed().starts_us, clock.wall_us(), self._every_s, self._ahead_s)
            await asyncio.sleep(seconds * random.uniform(1 - _CHANCE, 1 + _CHANCE))

    async def _look(self, entry: Entry, why: str) -> Fixture | None:
        """Ask once, and store what is new; None when there was no answer that can be read."""
        stream = entry.stream
        try:
            answer = await self._rest.get(f"/{stream.sport}/fixtures/{stream.fixture_id}", attempts=1)
        except NotThere as error:
            self._tell_once(stream, str(error))
            return None
        except Exception as error:
            self._tell_away(error)
            return None
        self._away.clear()
        try:
            return self._take(entry, answer, why)
        except Exception:
            _log.exception("%s: unexpected error with what the vendor's REST says of it", stream)
            return None

    def _take(self, entry: Entry, answer: Answer, why: str) -> Fixture | None:
        stream = entry.stream
        fixture, problem = _read(answer, stream.fixture_id)
        with contextlib.suppress(RecorderError):  # the archive has failed, and its recorder is told
            self._keep(entry, answer, fixture, why)
        if problem is not None:
            self._tell_once(stream, f"what the vendor's REST says of it is kept, and cannot be read: {problem}")
        elif fixture is not None:
            self._compare(entry, fixture)
        return fixture

    def _keep(self, entry: Entry, answer: Answer, fixture: Fixture | None, why: str) -> None:
        snapshots = snapshots_of(entry.stream)
        payload = self._rest.token.hide(answer.body)
        seen = digest(payload)
        if why != "at the end" and self._stored.get(snapshots) == seen:
            return
        operations = list(kept(entry, answer, payload, self._ids.next(answer.opened_us), why))
        if fixture is not None:
            operations += [
                DescribeStream(each.stream_id, fixture.describe(), answer.received_us)
                for each in dict.fromkeys((entry.stream, snapshots))
            ]
        self._submit(operations)
        self._stored[snapshots] = seen

    def _compare(self, entry: Entry, fixture: Fixture) -> None:
        """Tell what the list does not know."""
        if fixture.is_called_off:
            said = "deleted it" if fixture.is_deleted else f"says {fixture.status}"
            self._tell_once(entry.stream, f"the vendor's REST {said}")
        if entry.starts_us is None or fixture.starts_us is None:
            return
        if abs(fixture.starts_us - entry.starts_us) >= _MOVED_US:
            self._tell_once(
                entry.stream,
                f"the vendor's REST says that it starts at {time_text(fixture.starts_us)}, the list says "
                f"{time_text(entry.starts_us)}; `recorder discover --update` moves it",
            )

    def _tell_once(self, stream: Stream, sentence: str) -> None:
        told = self._told.setdefault(stream, set())
        if sentence not in told:
            told.add(sentence)
            _log.warning("%s: %s", stream, sentence)

    def _tell_away(self, error: Exception) -> None:
        if type(error) not in self._away:
            self._away.add(type(error))
            unexpected = None if isinstance(error, RecorderError) else error
            _log.warning("no snapshots of the vendor's REST: %s; recording goes on", error, exc_info=unexpected)


def _read(answer: Answer, fixture_id: str) -> tuple[Fixture | None, str | None]:
    """Return the fixture in an answer about one, or why there is none."""
    try:
        fixture = read_fixture(one_fixture(decode(answer.body)))
    except (Unlike, Odd) as problem:
        return None, f"it {problem}" if isinstance(problem, Odd) else str(problem)
    return (fixture, None) if fixture.fixture_id == fixture_id else (None, f"it is of fixture {fixture.fixture_id}")

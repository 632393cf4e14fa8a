"""What has ended is asked for again: some time after its end, while the run goes on and the list still names it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from recorder import clock
from recorder.archive.audits import Past, past
from recorder.config import duration
from recorder.daemon.asking import Asked, Asker
from recorder.errors import RecorderError
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import ACTIONS
from recorder.query.reading import reading
from recorder.roster import Roster

_log = logging.getLogger(__name__)

_LOOK_S = 0.5
_AT_ONCE = 4
NONE = "none"


def audit_times(text: str) -> tuple[float, ...]:
    """Return the seconds that ``2h,24h`` stand for, in order; ``none`` for none. ValueError says what is expected."""
    if text.strip().lower() == NONE:
        return ()
    return tuple(sorted({duration(each) for each in text.split(",")}))


def due_us(known: Past, after_s: Sequence[float], asked_us: int | None = None) -> int | None:
    """Return when (wall clock) a stream is to be asked for next, None: no more.

    ``after_s``: so long after its end, each. One time of asking serves for all that were due when it began.
    ``asked_us``: when we asked last, though it brought no answer.
    """
    if known.over_us is None:
        return None
    answered_us = max(known.audited_us or 0, asked_us or 0)
    dues = (known.over_us + int(seconds * 1e6) for seconds in after_s)
    return min((due for due in dues if due > answered_us), default=None)


def is_too_late(known: Past, after_s: Sequence[float], came_us: int) -> bool:
    """Say whether the last time to ask had passed already when we came: then it is not made up for."""
    return known.over_us is not None and came_us > known.over_us + int(max(after_s, default=0.0) * 1e6)


class Auditor:
    """Asks for the streams that this run has recorded to their end, ``after_s`` seconds behind it."""

    def __init__(self, after_s: Sequence[float], entries: Mapping[int, Entry], home: Home, asker: Asker) -> None:
        self._after_s = after_s
        self._entries = entries
        self._home = home
        self._asker = asker
        self._came_us = clock.wall_us()
        self._due: dict[int, int | None] = {}
        """When each is to be asked for next (microseconds UTC); None: no more."""
        self._asking: set[int] = set()

    async def attend(self, roster: Roster) -> None:
        """Ask until cancelled; what was begun then ends with the roster."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._look(roster, group)
                except Exception:
                    if self._home.writer.error is not None:
                        return  # told when it is closed
                    _log.exception("unexpected error while looking for what to ask for again; the recording goes on")
                await asyncio.sleep(_LOOK_S)

    async def _look(self, roster: Roster, group: asyncio.TaskGroup) -> None:
        for stream_id in self._due.keys() - roster.done:
            del self._due[stream_id]  # out of the list, or recorded anew
        for stream_id in list(roster.done):
            entry = self._entries.get(stream_id)
            if entry is not None and entry.stream.channel == ACTIONS and stream_id not in self._due:
                self._due[stream_id] = await self._first_due_us(stream_id)
        now_us = clock.wall_us()
        waiting = sorted((due, stream_id) for stream_id, due in self._due.items() if due is not None and due <= now_us)
        for _, stream_id in waiting:
            if len(self._asking) < _AT_ONCE and stream_id not in self._asking and stream_id in self._entries:
                self._asking.add(stream_id)
                group.create_task(self._ask(stream_id, roster))

    async def _past(self, stream_id: int) -> Past:
        await asyncio.wrap_future(self._home.writer.flushed())
        return await asyncio.to_thread(_past, self._home.local_url, stream_id)

    async def _first_due_us(self, stream_id: int) -> int | None:
        known = await self._past(stream_id)
        return None if is_too_late(known, self._after_s, self._came_us) else due_us(known, self._after_s)

    async def _ask(self, stream_id: int, roster: Roster) -> None:
        began_us, asked = clock.wall_us(), Asked(())

        async def is_due() -> bool:
            due = due_us(await self._past(stream_id), self._after_s)
            return due is not None and due <= began_us

        async def ask(entry: Entry) -> None:
            nonlocal asked
            asked = await self._asker.ask(entry, is_due)

        try:
            if not self._home.is_elsewhere(stream_id):
                await roster.ask_again(stream_id, ask)
            if asked.goes_on:
                await self._home.reopen(stream_id)
                await roster.anew(stream_id)
            elif stream_id in self._due:
                self._due[stream_id] = due_us(await self._past(stream_id), self._after_s, began_us)
        except RecorderError as error:
            _log.warning("%s", error)  # of a writer that has failed; told when it is closed
            self._due[stream_id] = None
        except Exception:
            if self._home.writer.error is None:
                _log.exception("unexpected error while a stream was asked for again; the recording goes on")
            self._due[stream_id] = None
        finally:
            self._asking.discard(stream_id)


def _past(database_url: str, stream_id: int) -> Past:
    with reading(database_url) as reader, reader.connection.begin():
        return past(reader.connection, stream_id)

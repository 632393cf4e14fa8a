"""Keeps to the list while people edit it: what was added is recorded too, what was removed no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from recorder import clock
from recorder.errors import FixtureListError
from recorder.events import Event
from recorder.fixtures import Changes, Entry, changes, read_list
from recorder.fixtures.following import edits
from recorder.home.local import Home
from recorder.roster import Roster

_log = logging.getLogger(__name__)


class Follower:
    """Reads the list at ``source`` again after each edit, and brings ``entries``, by stream id, up to date.

    A list with a bad line changes nothing: it is told, as an event too, and the old one goes on.
    """

    def __init__(self, source: Path, entries: dict[int, Entry], tell: Callable[[Event], None]) -> None:
        self._source = source
        self._entries = entries
        self._tell = tell
        self._again = asyncio.Event()
        self._is_asked = False
        self._refusal: str | None = None

    def read_again(self) -> None:
        """Have the list read, and what comes of it told even if nothing has changed (SIGHUP)."""
        self._is_asked = True
        self._again.set()

    async def follow(self, home: Home, roster: Roster) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            while True:
                await self._again.wait()
                self._again.clear()
                try:
                    if found := await self._read():
                        await self._obey(found, home, roster)
                except Exception:
                    _log.exception("%s: unexpected error while it was read again; the old list goes on", self._source)

    async def _watch(self) -> None:
        async for _ in edits(self._source):
            self._again.set()

    async def _read(self) -> Changes | None:
        asked, self._is_asked = self._is_asked, False
        try:
            entries, notes = await asyncio.to_thread(read_list, self._source)
        except FixtureListError as error:
            self._refuse(error.told("the old list stays; mend it and it is read again"))
            return None
        self._refusal = None
        found = changes(self._entries, entries)
        if found or asked:
            _log.warning("%s was read again: %s", self._source, found or "nothing has changed")
            for note in notes:
                _log.warning("%s: %s", self._source, note)
        return found

    def _refuse(self, sentence: str) -> None:
        if sentence == self._refusal:
            return  # touched, and no better
        self._refusal = sentence
        _log.error("%s", sentence, extra={"kind": "list_refused"})
        self._tell(Event("list_refused", sentence, clock.wall_us()))

    async def _obey(self, found: Changes, home: Home, roster: Roster) -> None:
        for entry in found.removed:
            del self._entries[entry.stream.stream_id]
        for entry in (*found.added, *found.revised):
            self._entries[entry.stream.stream_id] = entry
        await home.want(
            [entry.stream.stream_id for entry in found.added],
            [entry.stream.stream_id for entry in found.removed],
            roster,
        )
        for entry in found.revised:
            await roster.revise(entry.stream.stream_id)

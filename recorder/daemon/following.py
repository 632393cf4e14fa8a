"""Keeps to the list while people edit it: what was added is recorded too, what was removed no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from recorder import clock
from recorder.errors import FixtureListError
from recorder.events import Event
from recorder.events.values import in_one_line
from recorder.fixtures import Changes, Entry, changes, read_list
from recorder.fixtures.following import edits
from recorder.home.local import Home
from recorder.roster import Roster

_log = logging.getLogger(__name__)

EMPTY_S = 60.0
"""So long a list may be empty before that is taken for what is meant."""


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
        self._empty_since_ns: int | None = None

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
            self._refuse(in_one_line(error.told("the old list stays; mend it and it is read again")))
            return None
        self._refusal = None
        if not entries and self._entries and not asked and not self._has_stayed_empty():
            return None
        self._empty_since_ns = None
        found = changes(self._entries, entries)
        if found or asked:
            level = logging.WARNING if asked else logging.INFO
            _log.log(level, "%s was read again: %s", self._source, found or "nothing has changed")
            for note in notes:
                _log.warning("%s: %s", self._source, note)
        return found

    def _has_stayed_empty(self) -> bool:
        """Whether a list that is empty now has been so for a while: whoever writes it in place empties it first."""
        now_ns = clock.elapsed_ns()
        if self._empty_since_ns is None:
            self._empty_since_ns = now_ns
            _log.warning("%s is empty: in %.0f s all streams are stopped, unless it is filled", self._source, EMPTY_S)
            asyncio.get_running_loop().call_later(EMPTY_S + 0.1, self._again.set)
        return now_ns - self._empty_since_ns >= EMPTY_S * 1e9

    def _refuse(self, sentence: str) -> None:
        if sentence == self._refusal:
            return  # touched, and no better
        self._refusal = sentence
        _log.error("%s", sentence, extra={"kind": "list_refused"})
        self._tell(Event("list_refused", sentence, clock.wall_us()))

    async def _obey(self, found: Changes, home: Home, roster: Roster) -> None:
        before = dict(self._entries)
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
            stream_id = entry.stream.stream_id
            old = before[stream_id]
            if (old.starts_us, old.speed) == (entry.starts_us, entry.speed):
                await roster.revise(stream_id)
            else:  # a match that was given up may be played after all
                await home.reopen(stream_id)
                await roster.anew(stream_id)

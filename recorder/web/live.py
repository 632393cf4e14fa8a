"""What becomes durable, read once for everybody who listens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from recorder.errors import RecorderError
from recorder.query.fresh import Range, actions_in, ends, open_ends
from recorder.query.reading import Reader
from recorder.web import listening
from recorder.web.asking import Asker
from recorder.web.listening import MOST_AT_ONCE, End, Event, Listener, News
from recorder.web.rows_html import rendered

_log = logging.getLogger(__name__)

_AFTER_TROUBLE_S = 2.0
_SHARE = 4
"""A look that takes long is followed by so many times its own time without one: the recorder comes first."""
_MOST_PER_LOOK = 2048
"""Actions that are read and told in one look; the streams behind that have to wait for the next."""


class Live:
    """Tells listeners of new actions. However many there are, one look a few times a second is for all of them.

    It looks only while somebody listens, only at the streams that are listened to, at most every ``interval_s``.
    """

    def __init__(self, asker: Asker, interval_s: float = 0.2) -> None:
        self._asker = asker
        self._interval_s = interval_s
        self._listeners: set[Listener] = set()
        self._somebody = asyncio.Event()
        self._everything: dict[int, End] | None = None
        self._is_troubled = False

    async def run(self) -> None:
        """Look for what is new until cancelled; whoever listens then hears no more."""
        try:
            while True:
                await self._somebody.wait()
                await asyncio.sleep(await self._look())
        finally:
            for listener in self._listeners:
                listener.end()

    async def listen(self, stream_id: int | None, after: tuple[int, int] | None = None) -> AsyncIterator[Event]:
        """Yield what becomes durable of one stream, or of all streams that have not ended (None).

        ``after``: the epoch and the position of the last action that is known already (-1: none), of one stream;
        without it from now on. None is left out and none comes twice, until a last event ``resync`` says that the
        whole has to be looked at again.
        """
        listener = Listener(stream_id, None if after is None else (after[0], after[1] + 1))
        self._listeners.add(listener)
        self._somebody.set()
        try:
            while (event := await listener.next()) is not None:
                yield event
                if event.is_last:
                    return
        finally:
            self._leave(listener)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def _leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self._somebody.clear()

    async def _look(self) -> float:
        """Look once, tell everybody, and return how long to wait, seconds."""
        began = time.monotonic()
        # Whoever joins while it is asked may know more than is found: he is told by the next look.
        present = frozenset(self._listeners)
        wants_all = bool(listening.of_all(present))
        self._everything = self._everything if wants_all else None
        untold = listening.first_untold(present, self._everything)
        looking = Look(listening.of_one(present), wants_all, self._everything is not None, untold)
        try:
            found = await self._asker.ask(looking)
        except Exception as error:  # a database may be away for hours: who listens goes on when it is back
            self._say(error)
            return _AFTER_TROUBLE_S
        self._is_troubled = False
        self._tell(found, present & self._listeners, wants_all=wants_all)
        return max(self._interval_s, _SHARE * (time.monotonic() - began))

    def _say(self, error: Exception) -> None:
        if not self._is_troubled:
            is_expected = isinstance(error, RecorderError)
            _log.warning("nothing new can be shown for now: %s", error, exc_info=None if is_expected else error)
        self._is_troubled = True

    def _tell(self, found: Mapping[int, News], present: Collection[Listener], *, wants_all: bool) -> None:
        for listener in present:
            if listener.stream_id is not None and listener.stream_id in found:
                listening.tell_one(listener, found[listener.stream_id])
        if wants_all:
            self._tell_all(found, listening.of_all(self._listeners))

    def _tell_all(self, found: Mapping[int, News], listeners: Sequence[Listener]) -> None:
        if self._everything is None:
            self._everything = {stream_id: news.end for stream_id, news in found.items()}
            return
        for stream_id, news in found.items():
            before = self._everything.get(stream_id, (news.end[0], 0))
            events = listening.told_to_all(before, stream_id, news)
            for listener in listeners:
                listener.tell(events)
            self._everything[stream_id] = news.end


class Look:
    """The question that is asked for all listeners together.

    ``stream_ids``: the streams that are listened to by themselves. ``wants_all``: somebody listens to all;
    ``knows_all``: and has been told where each ends, so that of a stream that is new everything is news. ``untold``:
    the first position that somebody lacks, by stream and epoch.
    """

    def __init__(
        self, stream_ids: Collection[int], wants_all: bool, knows_all: bool, untold: Mapping[tuple[int, int], int]
    ) -> None:
        self._stream_ids = stream_ids
        self._wants_all = wants_all
        self._knows_all = knows_all
        self._untold = untold
        self._known = {stream_id for stream_id, _ in untold}

    def __call__(self, reader: Reader) -> dict[int, News]:
        """Return what is new of each stream; those that are left out for now are not in it."""
        found = open_ends(reader) if self._wants_all else {}
        # Also those that have ended since the last look: their last actions are still told.
        found |= ends(reader, (self._known | set(self._stream_ids)) - found.keys())
        # One that was purged has no action any more: who knew some is told to look again.
        found |= dict.fromkeys(set(self._stream_ids) - found.keys(), (0, 0))
        ranges, room = {}, _MOST_PER_LOOK
        for stream_id, end in found.items():
            first = self._first(stream_id, end)
            if end[1] - first <= room:
                ranges[stream_id] = first
                room -= end[1] - first
        return _news(reader, {stream_id: found[stream_id] for stream_id in ranges}, ranges)

    def _first(self, stream_id: int, end: End) -> int:
        epoch, actions = end
        first = self._untold.get((stream_id, epoch))
        if first is None:
            first = 0 if self._knows_all and stream_id not in self._known else actions
        return actions if actions - first > MOST_AT_ONCE else min(first, actions)


def _news(reader: Reader, found: Mapping[int, End], firsts: Mapping[int, int]) -> dict[int, News]:
    ranges = [
        Range(stream_id, epoch, firsts[stream_id], actions)
        for stream_id, (epoch, actions) in found.items()
        if firsts[stream_id] < actions
    ]
    events: dict[int, list[Event]] = {stream_id: [] for stream_id in found}
    for event in _events(reader, actions_in(reader, ranges)):
        assert event.stream_id is not None
        events[event.stream_id].append(event)
    return {stream_id: News(end, firsts[stream_id], events[stream_id]) for stream_id, end in found.items()}


def _events(reader: Reader, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    for told in rendered(reader, rows):
        said = {
            "stream_id": str(told.stream_id),
            "epoch": told.epoch,
            "position": told.position,
            "key": told.key,
            "order": told.order,
            "stands": told.stands,
            "html": told.html,
            "head": told.head,
        }
        yield Event("action", told.stream_id, told.epoch, told.position, msgspec.json.encode(said).decode())

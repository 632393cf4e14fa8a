"""Who listens, and how far each has been told: what is due to whom, apart from any archive and any clock."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

End = tuple[int, int]
"""An epoch, and a number of actions of it: all positions below are known."""

MOST_WAITING = 1024
"""Events that one listener may be behind with; more, and it is told to look at the whole again."""
MOST_AT_ONCE = 512
"""Actions of one stream that are told one by one; more, and its listeners are told to look at the whole again."""


class Event(msgspec.Struct, frozen=True):
    """What a listener is told. ``data`` is JSON, made once for everybody.

    ``action``: a new action, or a new revision of one. ``resync``: what was told does not lead to what is there now
    (the vendor has changed its list, or the listener is too far behind): look at the stream again. Nothing follows a
    ``resync`` but where all streams are listened to and it is about one of them.
    """

    name: Literal["action", "resync"]
    stream_id: int | None
    epoch: int
    position: int
    data: str
    is_last: bool = False

    @property
    def id(self) -> str:
        """Where a listener of this stream goes on after it: ``EPOCH/POSITION``."""
        return f"{self.epoch}/{self.position}"


@dataclass(frozen=True, slots=True)
class News:
    """What one look found of one stream: the positions from ``first`` to below that of ``end``, each an event."""

    end: End
    first: int
    events: Sequence[Event]


class Listener:
    """Who listens to one stream, or (None) to all. ``told``: how far it has been told; None: from the next look on."""

    def __init__(self, stream_id: int | None, told: End | None = None) -> None:
        self.stream_id = stream_id
        self.told = told
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue(MOST_WAITING)
        self.is_over = False

    async def next(self) -> Event | None:
        """Wait for the next event; None: there will be none."""
        return await self._waiting.get()

    def tell(self, events: Iterable[Event]) -> None:
        """Hand events over; a listener that does not take them loses all that waits, and learns that."""
        for event in events:
            if self.is_over:
                return
            if self._waiting.full():
                self.end(resync(self.stream_id, self.told or (0, 0), is_last=True))
            else:
                self._waiting.put_nowait(event)
                self.is_over = event.is_last

    def end(self, event: Event | None = None) -> None:
        """Tell the last thing, instead of what waits."""
        if self.is_over:
            return
        self.is_over = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(event)


def resync(stream_id: int | None, end: End, *, is_last: bool) -> Event:
    """Return the event that tells to look at a stream (None: at all of them) again."""
    epoch, actions = end
    said = {"stream_id": None if stream_id is None else str(stream_id), "epoch": epoch, "position": actions - 1}
    return Event("resync", stream_id, epoch, actions - 1, msgspec.json.encode(said).decode(), is_last)


def first_untold(listeners: Iterable[Listener], everything: Mapping[int, End] | None) -> dict[tuple[int, int], int]:
    """Return the first position that somebody has not been told, of each stream and epoch.

    ``everything``: how far those have been told who listen to all streams; None: nobody does, or not since before.
    """
    found = {(stream_id, epoch): actions for stream_id, (epoch, actions) in (everything or {}).items()}
    for listener in listeners:
        if listener.stream_id is not None and listener.told is not None:
            epoch, actions = listener.told
            key = listener.stream_id, epoch
            found[key] = min(found.get(key, actions), actions)
    return found


def tell_one(listener: Listener, news: News) -> None:
    """Tell a listener of one stream what it has not been told of that."""
    epoch, actions = news.end
    if listener.told is None:
        listener.told = news.end
    elif listener.told[0] != epoch or listener.told[1] > actions or actions - listener.told[1] > MOST_AT_ONCE:
        listener.end(resync(listener.stream_id, news.end, is_last=True))
    elif listener.told[1] >= news.first:  # else it has come since: it is for the next look
        listener.tell(news.events[listener.told[1] - news.first :])
        listener.told = news.end


def told_to_all(before: End, stream_id: int, news: News) -> Sequence[Event]:
    """Return what those who listen to all streams are told of one, of which they knew what was ``before``."""
    epoch, actions = news.end
    if before[0] != epoch or before[1] > actions or before[1] < news.first:
        return [resync(stream_id, news.end, is_last=False)]
    return news.events[before[1] - news.first :]


def of_one(listeners: Iterable[Listener]) -> set[int]:
    """Return the streams that are listened to by themselves."""
    return {listener.stream_id for listener in listeners if listener.stream_id is not None}


def of_all(listeners: Collection[Listener]) -> list[Listener]:
    """Return who listens to all streams."""
    return [listener for listener in listeners if listener.stream_id is None]

"""An archive of our own in SQLite: what is written is the archive itself, and every stream of the list is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from recorder.archive.merging.refusals import Purged
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from recorder.home.stored import StoredStreams
from recorder.model import StoredStream


@dataclass(frozen=True, slots=True)
class Backlog:
    """``frames`` that the database lacks; ``seconds``: for how long it could not be used, None: it can."""

    frames: int
    seconds: float | None


NO_BACKLOG = Backlog(0, None)


class Recording(Protocol):
    """Whoever records the streams that are ours, by stream id."""

    def begin(self, stream_id: int) -> None:
        """Record a stream from now on."""

    async def halt(self, stream_id: int) -> None:
        """Stop recording a stream; all that was received of it has been handed to the writer."""

    async def drop(self, stream_id: int) -> None:
        """Stop recording a stream that has left the list."""

    async def purge(self, stream_id: int) -> None:
        """Stop recording a stream, for good."""


class Home:
    """``writer`` writes ``local_url``, a SQLite file that no other process writes."""

    def __init__(self, local_url: str, failed: Callable[[], None]) -> None:
        self.local_url = local_url
        self.writer = Writer(local_url, failed)
        self._stored = StoredStreams(self.writer.dialect, self.writer.url)
        self.gone = dict[int, str]()
        """Streams that must not be recorded: they were purged from the archive, or pruned into a lake, in words."""

    @property
    def readable_url(self) -> str:
        """Where all that was recorded can be read once nothing is recorded any more (see `leave`)."""
        return self.local_url

    @property
    def sharers(self) -> int:
        """How many recorders share the list and the vendor's account, ourselves among them."""
        return 1

    @property
    def ended(self) -> Collection[int]:
        """Streams that others have recorded to their end since we began."""
        return ()

    def is_elsewhere(self, stream_id: int) -> bool:
        """Whether another recorder that is alive has to record a stream."""
        return False

    def is_ours(self, stream_id: int) -> bool:
        """Whether we have to record a stream."""
        return True

    async def allot(self, stream_ids: Collection[int], recording: Recording) -> None:
        """Have the streams recorded that are ours, and go on telling of changes, until cancelled."""
        for stream_id in stream_ids:
            recording.begin(stream_id)
        await asyncio.Event().wait()

    async def want(self, added: Collection[int], removed: Collection[int], recording: Recording) -> None:
        """Learn that the list has changed since `allot`: streams that are to be recorded too, and no more."""
        for stream_id in added:
            recording.begin(stream_id)
        for stream_id in removed:
            await recording.drop(stream_id)

    async def reopen(self, stream_id: int) -> None:
        """Learn that a stream is to be recorded again though it has ended."""

    async def take(self, stream_id: int) -> StoredStream | None:
        """Return what is stored of a stream that is to be recorded now; None: it must not be, `gone` tells why."""
        # Whoever recorded it a moment ago has handed over all that he had, which need not be on the disk yet.
        await asyncio.wrap_future(self.writer.flushed())
        try:
            return await self._stored.of(stream_id)
        except Purged as gone:
            self.gone[stream_id] = str(gone)
            return None

    async def done(self, stream_id: int, *, ended: bool) -> None:
        """Learn that this run is done with a stream, and whether nobody has to record it any more."""

    async def leave(self, grace_s: float) -> None:
        """Nothing is recorded any more: wait, ``grace_s`` seconds at most, until all is where it belongs."""

    def hurry(self) -> None:
        """Wait for nobody any more: whoever is in `leave` returns, and what is stored here stays here. Any thread."""

    @property
    def backlog(self) -> Backlog:
        """What is stored here and not yet where it belongs."""
        return NO_BACKLOG

    def close(self) -> RecorderError | None:
        """Store what was submitted and let go of the archive; return what has to be said of rows left behind."""
        self._stored.close()
        self.writer.close()
        return None

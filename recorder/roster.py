"""The streams that this recorder records now: a task for each, begun and stopped one by one.

With an archive of its own these are all streams of the list; where several recorders share one, those it holds a
lease of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from recorder.capture import Capture
from recorder.errors import RecorderError
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import StoredStream

_log = logging.getLogger(__name__)

_AFTER_AN_ERROR_S = 5.0

Make = Callable[[Entry, StoredStream], Capture]


class Roster:
    """Of the streams in ``entries``, by stream id, in tasks of ``group``.

    ``make`` makes a capture from what is stored of a stream.
    """

    def __init__(self, entries: Mapping[int, Entry], home: Home, make: Make, group: asyncio.TaskGroup) -> None:
        self.begun: set[int] = set()
        """Streams that were recorded here, for however long."""
        self.ended: set[int] = set()
        """Streams of which nothing more is expected."""
        self.purged: set[int] = set()
        """Streams that must not be recorded."""
        self.passed: set[int] = set()
        """Streams that were recorded until their capture left of itself, whether they have ended or not."""
        self._entries = entries
        self._home = home
        self._make = make
        self._group = group
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def begin(self, stream_id: int) -> None:
        """Record a stream from now on."""
        if stream_id not in self._tasks:
            self.begun.add(stream_id)
            self._tasks[stream_id] = self._group.create_task(self._record(self._entries[stream_id]))

    async def halt(self, stream_id: int) -> None:
        """Stop recording a stream; everything that was received of it has been handed to the writer."""
        task = self._tasks.pop(stream_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def purge(self, stream_id: int) -> None:
        """Stop recording a stream, for good."""
        await self.halt(stream_id)
        self.purged.add(stream_id)
        self._changed.set()

    async def halt_all(self) -> None:
        """Stop recording."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self._tasks.clear()

    async def changed(self, seconds: float) -> None:
        """Wait until a capture has left of itself or a stream was purged, ``seconds`` at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    async def _record(self, entry: Entry) -> None:
        """Keep one stream going: an error of our own in one must not stop the others.

        Its books may be ahead of what was handed to the writer: new ones are opened, from the rows alone.
        """
        stream_id = entry.stream.stream_id
        while True:
            try:
                stored = await self._home.take(stream_id)
                if stored is None:
                    _log.warning("%s was purged from the archive: it is not recorded", entry.stream)
                    self.purged.add(stream_id)
                    break
                if await self._make(entry, stored).run():
                    self.ended.add(stream_id)
                    await self._home.done(stream_id)
                break
            except Exception:
                if self._home.writer.error is not None:
                    return  # told once, when the writer is closed
                _log.exception("%s: unexpected error, going on with this stream in 5 s", entry.stream)
                await asyncio.sleep(_AFTER_AN_ERROR_S)
                try:
                    await asyncio.wrap_future(self._home.writer.flushed())
                except RecorderError:
                    return  # told once, when the writer is closed
        self.passed.add(stream_id)
        self._changed.set()

"""The streams that this recorder records now: a task for each, begun and stopped one by one.

With an archive of its own these are all streams of the list; where several recorders share one, those it holds a
lease of. The list may change meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from recorder import logs
from recorder.capture import Capture
from recorder.errors import DamagedArchive, RecorderError
from recorder.feed.decisions import Done
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import StoredStream

_log = logging.getLogger(__name__)

_AFTER_AN_ERROR_S = 5.0

Make = Callable[[Entry, StoredStream], Capture]
Around = Callable[[Callable[[], Entry], Awaitable[Done | None]], Awaitable[Done | None]]
"""Does something beside a recording, given what the list says of it by now; returns what the recording returns."""


class Roster:
    """Of the streams in ``entries``, by stream id, in tasks of ``group``; whoever changes ``entries`` tells us.

    ``make`` makes a capture from what is stored of a stream.
    """

    def __init__(
        self,
        entries: Mapping[int, Entry],
        home: Home,
        make: Make,
        group: asyncio.TaskGroup,
        around: Around | None = None,
        *,
        fail: Callable[[RecorderError], None] = lambda _error: None,
    ) -> None:
        self.begun: set[int] = set()
        """Streams that were recorded here, for however long."""
        self.done: set[int] = set()
        """Streams of which nothing more is expected of this run."""
        self.purged: set[int] = set()
        """Streams that must not be recorded."""
        self.passed: set[int] = set()
        """Streams that were recorded until their capture left of itself, whether they are done or not."""
        self._entries = entries
        self._home = home
        self._make = make
        self._group = group
        self._fail = fail
        self._around = around
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._captures: dict[int, Capture] = {}
        self._halting: set[int] = set()
        self._again: set[int] = set()
        """Streams to begin again once what is being halted has come to its end: two captures must not share one."""
        self._is_closed = False
        self._changed = asyncio.Event()

    @property
    def recorded(self) -> Collection[int]:
        """Streams that are recorded now."""
        return {stream_id for stream_id, task in self._tasks.items() if not task.done()}

    def begin(self, stream_id: int) -> None:
        """Record a stream from now on."""
        if self._is_closed or stream_id not in self._entries:
            return
        if stream_id in self._halting:
            self._again.add(stream_id)
        elif stream_id not in self._tasks:
            self.begun.add(stream_id)
            self._tasks[stream_id] = self._group.create_task(self._record(self._entries[stream_id]))

    async def halt(self, stream_id: int) -> None:
        """Stop recording a stream; everything that was received of it has been handed to the writer."""
        self._again.discard(stream_id)
        task = self._tasks.get(stream_id)
        if task is None:
            return
        if stream_id not in self._halting:  # a second time would cut its farewell short
            task.cancel()
        self._halting.add(stream_id)
        try:
            await asyncio.wait([task])
        finally:
            if task.done() and self._tasks.get(stream_id) is task:
                del self._tasks[stream_id]
                self._halting.discard(stream_id)
                if stream_id in self._again:
                    self._again.discard(stream_id)
                    self.begin(stream_id)

    async def ask_again(self, stream_id: int, asking: Callable[[Entry], Awaitable[None]]) -> None:
        """Do ``asking`` for a stream that is not recorded now, and wait for it: halting the stream ends it too."""
        task = self._tasks.get(stream_id)
        is_busy = stream_id in self._halting or (task is not None and not task.done())
        if self._is_closed or is_busy or stream_id not in self._entries:
            return
        task = self._tasks[stream_id] = self._group.create_task(self._ask(self._entries[stream_id], asking))
        await asyncio.wait([task])

    async def _ask(self, entry: Entry, asking: Callable[[Entry], Awaitable[None]]) -> None:
        logs.bind_stream(entry.stream)
        try:
            await asking(entry)
        except DamagedArchive as error:
            self._fail(error)
        except Exception:
            if self._home.writer.error is None:  # else told once, when the writer is closed
                _log.exception("%s: unexpected error while it was asked for again; please report it", entry.stream)

    async def revise(self, stream_id: int) -> None:
        """Go by what the list says of a stream now, which is not to be recorded anew for it (see `anew`)."""
        if (capture := self._captures.get(stream_id)) is not None:
            capture.revise(self._entries[stream_id])

    async def anew(self, stream_id: int) -> None:
        """Begin a stream again, also one that had ended; unless it has become another's meanwhile."""
        if stream_id in self._tasks:
            await self.drop(stream_id)
            if self._home.is_ours(stream_id):
                self.begin(stream_id)

    async def drop(self, stream_id: int) -> None:
        """Stop recording a stream that has left the list; should it come back, it is a new one."""
        await self.halt(stream_id)
        for known in (self.done, self.purged, self.passed):
            known.discard(stream_id)
        self._changed.set()

    async def purge(self, stream_id: int) -> None:
        """Stop recording a stream, for good."""
        await self.halt(stream_id)
        self.purged.add(stream_id)
        self._changed.set()

    async def halt_all(self) -> None:
        """Stop recording, and begin nothing any more."""
        self._is_closed = True
        for stream_id, task in self._tasks.items():
            if stream_id not in self._halting:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def hurry(self) -> None:
        """Wait for no peer's farewell any more: what was received is with the writer already."""
        for task in self._tasks.values():
            task.cancel()

    async def changed(self, seconds: float) -> None:
        """Wait until a capture has left of itself or a stream was purged, ``seconds`` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # not `wait_for`, which may swallow a cancellation
                await self._changed.wait()
        self._changed.clear()

    async def _record(self, entry: Entry) -> None:
        """Keep one stream going: an error of our own in one must not stop the others.

        Its books may be ahead of what was handed to the writer: new ones are opened, from the rows alone.
        """
        logs.bind_stream(entry.stream)
        stream_id = entry.stream.stream_id
        while True:
            try:
                stored = await self._home.take(stream_id)
                if stored is None:
                    why = self._home.gone.get(stream_id, "purged from the archive")
                    _log.warning("%s: %s, so it is not recorded; take it out of the list", entry.stream, why)
                    self.purged.add(stream_id)
                    break
                entry = self._entries.get(stream_id, entry)
                self._captures[stream_id] = capture = self._make(entry, stored)
                try:
                    done = await self._run(capture)
                finally:
                    del self._captures[stream_id]
                if done is not None:
                    self.done.add(stream_id)
                    await self._home.done(stream_id, ended=done.ended is not None)
                break
            except DamagedArchive as error:
                self._fail(error)  # of our own data: never tried again, never passed over
                return
            except Exception:
                if self._home.writer.error is not None:
                    return  # told once, when the writer is closed
                _log.exception("%s: unexpected error, going on with this stream in 5 s; please report it", entry.stream)
                await asyncio.sleep(_AFTER_AN_ERROR_S)
                try:
                    await asyncio.wrap_future(self._home.writer.flushed())
                except RecorderError:
                    return  # told once, when the writer is closed
        self.passed.add(stream_id)
        self._changed.set()

    async def _run(self, capture: Capture) -> Done | None:
        recording = capture.run()
        return await (recording if self._around is None else self._around(lambda: capture.entry, recording))

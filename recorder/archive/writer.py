"""The one thread that writes an archive. Many streams submit; it commits what has gathered, and says so.

Group commit: while one transaction is being made durable the next one gathers, so a slow disk makes transactions
larger, not the queue of fsyncs longer. Nothing that was submitted is ever dropped: where the disk cannot follow, the
submitters wait (`room`), and where it fails, everybody learns it (`error`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection

from recorder import clock
from recorder.archive import migrate
from recorder.archive.apply import apply, close_dangling_sessions
from recorder.archive.chains import Chains
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.errors import ArchiveHeld, DamagedArchive, DiskError, RecorderError
from recorder.operations import AddFrame, Operation, UpdateSession

_log = logging.getLogger(__name__)

MAX_PENDING_BYTES = 64 * 1024 * 1024
"""Payload bytes that may wait for the disk before the reading of sockets pauses."""

MAX_PENDING = 8_192
"""Operations that may do so: some 4,000 frames, each with its action. With more, the last of them would be durable only
after seconds; they wait in the sockets as well, at less cost."""

GATHER_S = 0.010
"""Commits begin so far apart at least: an fsync for each of many frames would be the bottleneck. Where one takes longer
the next follows at once, for enough has gathered meanwhile."""

PATIENT_S = 0.100
"""What only counts waits so long for company: thousands of idle streams write their counts every half minute, and each
would have a commit of its own."""

ENOUGH = 1_000
"""Operations that make a commit worth while."""


T = TypeVar("T")


class _Errand:
    """A change that somebody else describes, and the future that gets what comes of it."""

    def __init__(self, change: Callable[[Connection], Any], afterwards: Callable[[Connection], None]) -> None:
        self.change = change
        self.afterwards = afterwards
        self.future: Future[Any] = Future()


_Item = Sequence[Operation] | Future[None] | _Errand


class Writer:
    """Holds the archive, its writing connection and the thread that uses it.

    ``failed`` is called once, on the writer's thread, when it stops because of an error.
    Opening makes or upgrades the schema, and closes the sessions of a recorder that died. Raises
    :class:`~recorder.errors.ArchiveHeld`, :class:`~recorder.errors.ConfigurationError` or
    :class:`~recorder.errors.DiskError`.
    """

    def __init__(self, database_url: str, failed: Callable[[], None] = lambda: None) -> None:
        url, self.dialect = parse_url(database_url)
        if self.dialect.is_server:
            raise ValueError("rows come to a server by way of a spool, see recorder.home")
        self.url = url
        self.error: RecorderError | None = None
        """Why the writer stopped, if it did; nothing submitted after that is stored."""
        self.committed: Callable[[Sequence[Operation]], None] = lambda _operations: None
        """Called on the writer's thread with the operations of each transaction once it is durable; must be quick."""
        self.listeners: list[Callable[[Sequence[Operation], float], None]] = []
        """As `committed`, with the seconds that storing them took. Whoever only watches; add to it before recording."""
        self.given = 0
        """How much was submitted since the start: groups of operations, errands, and who waits for what came before."""
        self.done = 0
        """How much of that is done: durable, or answered."""
        self._failed = failed
        self._chains = Chains()
        self._held = self.dialect.hold(url)
        try:
            self._engine = migrate.writable(url, self.dialect)
            with DiskErrors(self.dialect, url), self._engine.begin() as connection:
                close_dangling_sessions(connection)
        except BaseException:
            self._held.release()
            raise
        self._condition = threading.Condition()
        self._pending: list[_Item] = []
        self._pending_bytes = self._pending_operations = 0
        self._waiting: list[Future[None]] = []
        self._is_wanted = self._is_hurried = False
        self._gathers: Callable[[], bool] | None = None
        self._began_ns = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="archive-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    def submit(self, operations: Sequence[Operation]) -> None:
        """Queue operations that belong into one transaction. Any thread. Raises the error if there was one."""
        size = sum(len(operation.frame.payload) for operation in operations if isinstance(operation, AddFrame))
        is_hurried = not all(isinstance(operation, UpdateSession) for operation in operations)
        with self._condition:
            self._raise_refusal()
            self._pending.append(operations)
            self.given += 1
            self._pending_operations += len(operations)
            self._pending_bytes += size
            self._is_hurried |= is_hurried
            if self._gathers is None or self._gathers():  # it is not to wake for each of what it gathers
                self._condition.notify()

    def carry_out(
        self, change: Callable[[Connection], T], afterwards: Callable[[Connection], None] = lambda _connection: None
    ) -> Future[T]:
        """Run ``change`` in a transaction of its own, behind everything submitted so far; return what it will return.

        ``afterwards`` is called once that is committed, outside of any transaction.

        What it raises is the future's, and the writer goes on, unless the disk or the archive itself has failed.
        """
        errand = _Errand(change, afterwards)
        with self._condition:
            self._raise_refusal()
            self._pending.append(errand)
            self._is_wanted = True
            self.given += 1
            self._condition.notify()
        return errand.future

    def flushed(self) -> Future[None]:
        """Return a future that resolves once everything submitted so far is on the disk."""
        future: Future[None] = Future()
        with self._condition:
            self._raise_refusal()
            self._pending.append(future)
            self._is_wanted = True
            self.given += 1
            self._condition.notify()
        return future

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that nothing more should be read; any thread."""
        return self._pending_bytes > MAX_PENDING_BYTES or self._pending_operations > MAX_PENDING

    async def room(self) -> None:
        """Wait, if too much waits for the disk, until the transaction before it is durable and takes it all."""
        while self.is_full:
            future: Future[None] = Future()
            with self._condition:
                self._raise_refusal()
                if not self.is_full:
                    return  # it was taken just now: nobody would tell us
                self._waiting.append(future)
            await asyncio.wrap_future(future)

    @property
    def pending_bytes(self) -> int:
        """Payload that waits for the commit that runs now to end; any thread."""
        return self._pending_bytes

    def close(self) -> None:
        """Store what was submitted, empty the write-ahead log into the file, let go of the archive."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()
        self._engine.dispose()
        self._held.release()
        self._raise_error()

    def _raise_refusal(self) -> None:
        self._raise_error()
        if self._closing:
            raise RecorderError(f"{self.dialect.place(self.url)}: the writer is closed; nothing more can be stored")

    def _raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        futures: list[Future[Any]] = []
        try:
            with self._connected() as connection:
                while (batch := self._take()) is not None:
                    futures = [future for item in batch if (future := _future(item)) is not None]
                    for is_errand, items in groupby(batch, key=lambda item: isinstance(item, _Errand)):
                        if is_errand:
                            self._run_errands(connection, [item for item in items if isinstance(item, _Errand)])
                        else:
                            self._store(connection, list(items))
                    self.done += len(batch)
        except BaseException as error:
            self._fail(error, futures)

    def _connected(self) -> Connection:
        """Connect: on SQLite this makes the index of the log, for which the disk may have no room."""
        with DiskErrors(self.dialect, self.url):
            return self._engine.connect()

    def _store(self, connection: Connection, items: Sequence[_Item]) -> None:
        """Commit what gathered, tell of it, and then say so to those who wait for it."""
        operations = [each for item in items if not isinstance(item, Future | _Errand) for each in item]
        if operations:
            began_ns = self._began_ns = clock.elapsed_ns()
            with DiskErrors(self.dialect, self.url), connection.begin():
                apply(connection, self.dialect, operations, self._chains)
            self.committed(operations)
            seconds = (clock.elapsed_ns() - began_ns) / 1e9
            for listener in self.listeners:
                try:
                    listener(operations, seconds)
                except Exception:  # what is stored is stored
                    _log.exception("unexpected error in who watches the archive")
        for item in items:
            if isinstance(item, Future) and _is_awaited(item):
                item.set_result(None)

    def _run_errands(self, connection: Connection, errands: Sequence[_Errand]) -> None:
        for errand in errands:
            try:
                with DiskErrors(self.dialect, self.url):
                    with connection.begin():
                        result = errand.change(connection)
                    errand.afterwards(connection)
            except (DiskError, DamagedArchive, ArchiveHeld):
                raise
            except Exception as error:
                if _is_awaited(errand.future):
                    errand.future.set_exception(error)
            else:
                if _is_awaited(errand.future):
                    errand.future.set_result(result)

    def _take(self) -> list[_Item] | None:
        """Wait for work and take all of it; None when closing and nothing is left.

        What comes after a while is taken at once; soon after a commit has begun, more is waited for.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._pending or self._closing)
            self._gather(lambda: self._is_hurried or self._is_urgent(), PATIENT_S)
            self._gather(self._is_urgent, GATHER_S - (clock.elapsed_ns() - self._began_ns) / 1e9)
            batch, self._pending = self._pending, []
            self._pending_bytes = self._pending_operations = 0
            self._is_wanted = self._is_hurried = False
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if _is_awaited(future):
                future.set_result(None)
        return batch or None

    def _gather(self, enough: Callable[[], bool], most_s: float) -> None:
        if most_s > 0:
            self._gathers = enough
            self._condition.wait_for(enough, most_s)
            self._gathers = None

    def _is_urgent(self) -> bool:
        """Whether there is enough for a commit, or somebody waits for one."""
        return self._closing or self._is_wanted or self._pending_operations >= ENOUGH

    def _fail(self, error: BaseException, futures: list[Future[Any]]) -> None:
        if not isinstance(error, RecorderError):
            told = RecorderError(f"{self.dialect.place(self.url)}: the writer stopped on an unexpected {error!r}")
            told.__cause__ = error
            error = told
        with self._condition:
            left, self._pending = self._pending, []
            self.error = error
            waiting, self._waiting = self._waiting, []
        for future in [*futures, *waiting, *(future for item in left if (future := _future(item)) is not None)]:
            if not future.done() and _is_awaited(future):
                future.set_exception(error)
        self._failed()


def _is_awaited(future: Future[Any]) -> bool:
    """Whether somebody still waits; from now on he cannot give up any more. What he asked for is done all the same."""
    return future.set_running_or_notify_cancel()


def _future(item: _Item) -> Future[Any] | None:
    return item.future if isinstance(item, _Errand) else item if isinstance(item, Future) else None

"""The one thread that writes an archive. Many streams submit; it commits what has gathered, and says so.

Group commit: while one transaction is being made durable the next one gathers, so a slow disk makes transactions
larger, not the queue of fsyncs longer. Nothing that was submitted is ever dropped: where the disk cannot follow, the
submitters wait (`room`), and where it fails, everybody learns it (`error`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from recorder.archive import migrate
from recorder.archive.apply import apply, close_dangling_sessions
from recorder.archive.dialect import Dialect, parse_url, sqlite_path
from recorder.archive.lock import WriterLock
from recorder.errors import ArchiveHeld, DamagedArchive, DiskError, RecorderError
from recorder.operations import AddFrame, Operation

MAX_PENDING_BYTES = 64 * 1024 * 1024
"""Payload bytes that may wait for the disk before the reading of sockets pauses."""


class Writer:
    """Owns the archive's lock, its writing connection and the thread that uses it.

    ``failed`` is called once, on the writer's thread, when it stops because of an error.
    Opening makes or upgrades the schema, and closes the sessions of a recorder that died. Raises
    :class:`~recorder.errors.ArchiveHeld`, :class:`~recorder.errors.ConfigurationError` or
    :class:`~recorder.errors.DiskError`.
    """

    def __init__(self, database_url: str, failed: Callable[[], None] = lambda: None) -> None:
        url, self.dialect = parse_url(database_url)
        self.url = url
        self.error: RecorderError | None = None
        """Why the writer stopped, if it did; nothing submitted after that is stored."""
        self._failed = failed
        self._lock = lock(url)
        try:
            if self.dialect.exists(url):
                # Before the writing engine makes its mark: what is not ours stays as it is, to the byte.
                with DiskErrors(self.dialect, url), self.dialect.reader(url).connect() as connection:
                    migrate.require_ours(connection, self.dialect.place(url))
            self._engine = self.dialect.writer(url)
            with DiskErrors(self.dialect, url), self._engine.begin() as connection:
                migrate.prepare(connection, self.dialect, self.dialect.place(url))
                close_dangling_sessions(connection)
        except BaseException:
            self._lock.release()
            raise
        self._condition = threading.Condition()
        self._pending: list[Operation | Future[None]] = []
        self._pending_bytes = 0
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
        with self._condition:
            self._raise_refusal()
            self._pending.extend(operations)
            self._pending_bytes += size
            self._condition.notify()

    def flushed(self) -> Future[None]:
        """Return a future that resolves once everything submitted so far is on the disk."""
        future: Future[None] = Future()
        with self._condition:
            self._raise_refusal()
            self._pending.append(future)
            self._condition.notify()
        return future

    async def room(self) -> None:
        """Wait, if too much waits for the disk, until it does no more."""
        if self._pending_bytes > MAX_PENDING_BYTES:
            await asyncio.wrap_future(self.flushed())

    def close(self) -> None:
        """Store what was submitted, empty the write-ahead log into the file, let go of the archive."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()
        self._engine.dispose()
        self._lock.release()
        self._raise_error()

    def _raise_refusal(self) -> None:
        self._raise_error()
        if self._closing:
            raise RecorderError(f"{self.dialect.place(self.url)}: the writer is closed; nothing more can be stored")

    def _raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        futures: list[Future[None]] = []
        try:
            with self._engine.connect() as connection:
                while (batch := self._take()) is not None:
                    futures = [item for item in batch if isinstance(item, Future)]
                    operations = [item for item in batch if not isinstance(item, Future)]
                    if operations:
                        with DiskErrors(self.dialect, self.url), connection.begin():
                            apply(connection, self.dialect, operations)
                    for future in futures:
                        future.set_result(None)
        except BaseException as error:
            self._fail(error, futures)

    def _take(self) -> list[Operation | Future[None]] | None:
        """Wait for work and take all of it; None when closing and nothing is left."""
        with self._condition:
            self._condition.wait_for(lambda: self._pending or self._closing)
            batch, self._pending = self._pending, []
            self._pending_bytes = 0
            return batch or None

    def _fail(self, error: BaseException, futures: list[Future[None]]) -> None:
        if not isinstance(error, RecorderError):
            told = RecorderError(f"{self.dialect.place(self.url)}: the writer stopped on an unexpected {error!r}")
            told.__cause__ = error
            error = told
        with self._condition:
            left, self._pending = self._pending, []
            self.error = error
        for future in futures + [item for item in left if isinstance(item, Future)]:
            if not future.done():
                future.set_exception(error)
        self._failed()


def lock(url: URL) -> WriterLock:
    """Take the archive for writing; ArchiveHeld or DiskError when it cannot be had."""
    path = sqlite_path(url)
    try:
        return WriterLock(path, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    except OSError as error:
        raise DiskError(f"{path} cannot be written ({error.strerror}); mend that or name another database") from None


class DiskErrors:
    """Turns what a database says about its disk into one sentence with the way out."""

    def __init__(self, dialect: Dialect, url: URL) -> None:
        self._place = dialect.place(url)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, DBAPIError):
            return
        name = getattr(error.orig, "sqlite_errorname", "")
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise DiskError(
                f"{self._place}: {error.orig} ({name}); make room or mend the disk and run again: what was "
                "acknowledged is stored, the rest will be asked of the vendor again"
            ) from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise ArchiveHeld(
                f"{self._place}: {error.orig}: another program has kept it locked; let it finish and run again"
            ) from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise DamagedArchive(
                f"{self._place}: {error.orig} ({name}); keep the file as it is and restore a backup beside it"
            ) from error

"""What is stored of streams, read for those that are to be recorded: one after the other, on a thread of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from recorder.archive.dialect import Dialect, DiskErrors
from recorder.archive.load import load
from recorder.archive.merging.copying import require_welcome
from recorder.model import StoredStream


class StoredStreams:
    """Reads an archive over one connection, which it keeps: a new one reads the whole schema, and a new engine puts
    every statement together anew. On one thread, since several would take the interpreter from the loop when thousands
    of streams begin at once.
    """

    def __init__(self, dialect: Dialect, url: URL) -> None:
        self._dialect, self._url = dialect, url
        self._engine = dialect.reader(url)
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="archive-reader")

    async def of(self, stream_id: int) -> StoredStream:
        """Return what is stored of a stream. Raises Purged when it must not be recorded, DiskError as the disk does."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._of, stream_id)

    def close(self) -> None:
        """Let go of the archive; whoever still waits is cancelled."""
        self._thread.shutdown(cancel_futures=True)
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _of(self, stream_id: int) -> StoredStream:
        with DiskErrors(self._dialect, self._url):
            connection = self._connection = self._connection or self._engine.connect()
            with connection.begin():
                require_welcome(connection, stream_id)
                return load(connection, stream_id)

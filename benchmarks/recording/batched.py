"""The least that a recorder of frames and actions does in Python: decoded once, two plain rows, commits in batches.

No digests, no place in a list, no resume, no bound on what waits: what is between this one and ours is what those cost,
and what is between this one and lines in a file is what rows on a disk cost.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import msgspec

from benchmarks.recording.plain import COLUMNS, row

_TABLES = f"""
CREATE TABLE raw_frame (id INTEGER PRIMARY KEY, stream, received_ns, payload);
CREATE TABLE action (id INTEGER PRIMARY KEY, {", ".join(COLUMNS)});
"""
_BATCH = 1_000
_AT_ONCE = 100
"""Rows in one statement: with `executemany` the writer would ask for the interpreter once a row."""

Row = tuple[Any, ...]


class Batched:
    """Queues messages, and stores them in a thread; ``kept`` gets the number of each commit, on the event loop."""

    def __init__(self, directory: Path, kept: Callable[[int], None]) -> None:
        self._path = directory / "archive.db"
        self._kept = kept
        self._queue: SimpleQueue[tuple[Row, Row]] = SimpleQueue()

    def start(self) -> None:
        """Begin to store."""
        Thread(target=self._write, args=(asyncio.get_running_loop(),), daemon=True).start()

    def keep(self, stream: str, message: str) -> None:
        """Decode a message and queue its rows."""
        said = row(stream, msgspec.json.decode(message))
        self._queue.put(((stream, time.time_ns(), message), said))

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_TABLES)
        while True:
            frames, actions = zip(*self._gathered(), strict=True)
            connection.execute("BEGIN")
            _pour(connection, "raw_frame", ("stream", "received_ns", "payload"), frames)
            _pour(connection, "action", COLUMNS, actions)
            connection.execute("COMMIT")
            loop.call_soon_threadsafe(self._kept, len(frames))

    def _gathered(self) -> Iterator[tuple[Row, Row]]:
        yield self._queue.get()
        try:
            for _ in range(_BATCH - 1):
                yield self._queue.get_nowait()
        except Empty:
            return


def _pour(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: tuple[Row, ...]) -> None:
    for begin in range(0, len(rows), _AT_ONCE):
        some = rows[begin : begin + _AT_ONCE]
        connection.execute(_statement(table, columns, len(some)), tuple(chain.from_iterable(some)))


@lru_cache(2 * _AT_ONCE)
def _statement(table: str, columns: tuple[str, ...], rows: int) -> str:
    values = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * rows)}"

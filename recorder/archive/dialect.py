"""Everything that differs from one database to another, as one value chosen once.

No other module asks which database it talks to. Today there is SQLite; Postgres is to be the second value.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from recorder.errors import ConfigurationError

PAGE_SIZE = 16384
"""Bytes. Real packets are 1.1-1.8 kB: smaller pages would make most clustered rows overflow."""

_BUSY_TIMEOUT_MS = 60_000
_SEQUENCE_DIGITS, _SEQUENCE_DECIMALS = 6, 20


def fixed_point(value: Decimal | None) -> str | None:
    """Return ``value`` as text of 6 digits, a point and 20 digits: exact, and it sorts as the number does."""
    if value is None:
        return None
    return f"{value:0{_SEQUENCE_DIGITS + 1 + _SEQUENCE_DECIMALS}.{_SEQUENCE_DECIMALS}f}"


@dataclass(frozen=True)
class Dialect:
    """What one kind of database needs done its own way.

    ``writer`` and ``reader`` open engines, ``exists`` tells whether there is a database at all; ``sequence`` turns an
    exact ``timelineSequence`` into what the column holds; the rest are fragments of SQL for the views.
    """

    name: str
    writer: Callable[[URL], Engine]
    reader: Callable[[URL], Engine]
    exists: Callable[[URL], bool]
    place: Callable[[URL], str]
    sequence: Callable[[Decimal | None], Any]
    time: Callable[[str], str]
    """SQL for a column of microseconds as the database's own time."""
    boolean: Callable[[str], str]


def sqlite_path(url: URL) -> Path:
    """Return the absolute path of a SQLite URL's file."""
    return Path(url.database or "").absolute()


def _sqlite_writer(url: URL) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 60})

    @event.listens_for(engine, "connect")
    def durable(connection: sqlite3.Connection, _record: object) -> None:
        # With synchronous=NORMAL 25 of 25 simulated power cuts lost acknowledged rows; with FULL none.
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")  # means something only before the first table
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous=FULL")
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
        if mode != "wal" or level != 2:
            raise ConfigurationError(
                f"{sqlite_path(url)} cannot be made durable (journal mode {mode}, synchronous {level}): "
                "use a local disk, not a network file system"
            )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that begins by reading and then writes fails at once when another writer came between,
        # whatever the busy time-out says.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _sqlite_reader(url: URL) -> Engine:
    path = sqlite_path(url)

    def connect() -> sqlite3.Connection:
        # A WAL file needs its side files; where we may not make them and nobody writes, the file stands still.
        real = path.resolve()
        still = not os.access(real.parent, os.W_OK) and not real.with_name(real.name + "-wal").exists()
        query = "mode=ro&immutable=1" if still else "mode=ro"
        connection = sqlite3.connect(f"file:{quote(str(path))}?{query}", uri=True, timeout=60, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _sqlite_time(column: str) -> str:
    # Integer arithmetic all the way (a REAL would lose microseconds), floored so that times before 1970 hold too.
    micros = f"(({column} % 1000000 + 1000000) % 1000000)"
    seconds = f"({column} - {micros}) / 1000000"
    return f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || printf('.%06dZ', {micros})"


SQLITE = Dialect(
    name="sqlite",
    writer=_sqlite_writer,
    reader=_sqlite_reader,
    exists=lambda url: sqlite_path(url).is_file() and sqlite_path(url).stat().st_size > 0,
    place=lambda url: str(sqlite_path(url)),
    sequence=fixed_point,
    time=_sqlite_time,
    boolean=lambda column: column,
)


def parse_url(text: str) -> tuple[URL, Dialect]:
    """Return the URL and the dialect of its database; a :class:`ConfigurationError` says what is accepted."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password: do not repeat it.
        raise ConfigurationError("the database URL cannot be read; expected e.g. sqlite:///recorder.db") from None
    if url.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"databases of kind {url.get_backend_name()} are not supported by this version; "
            "use SQLite, e.g. sqlite:///recorder.db"
        )
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("an archive in memory would be lost; name a file, e.g. sqlite:///recorder.db")
    if url.query:
        raise ConfigurationError("a SQLite URL takes no options (?…) here; name a file, e.g. sqlite:///recorder.db")
    return url, SQLITE

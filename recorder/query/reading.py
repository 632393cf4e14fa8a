"""Opening an archive to read it: never creates, never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, text

from recorder.archive import migrate
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.errors import UsageError


class Reader:
    """A reading connection and the dialect that its statements need."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self._open: set[CursorResult[Any]] = set()

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        """Return what a statement selects; its parameters are bound, never pasted in."""
        with self._transaction():
            return list(self.connection.execute(text(statement), dict(parameters or {})).all())

    def stream(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Row[Any]]:
        """Yield what a statement selects, row by row: for results that may not fit into memory."""
        options = {"stream_results": True, "yield_per": 500}
        with (
            self._transaction(),
            self.connection.execute(text(statement), dict(parameters or {}), execution_options=options) as found,
        ):
            self._open.add(found)
            try:
                yield from found
            finally:
                self._open.discard(found)

    def close(self) -> None:
        """End what somebody has not read to its end, while there is a connection to end it on."""
        for found in self._open:
            found.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One for each question: between them a connection that stays open must not hold up a change of the schema."""
        if self.connection.in_transaction():
            yield
        else:
            with self.connection.begin():
                yield


@contextmanager
def reading(database_url: str) -> Iterator[Reader]:
    """Open the archive for reading; UsageError names the place when there is none."""
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    if not dialect.exists(url):
        raise UsageError(f"there is no archive at {place}; record one, or name another with --database-url")
    engine = dialect.reader(url)
    try:
        with DiskErrors(dialect, url), engine.connect() as connection:
            with connection.begin():
                migrate.require_readable(connection, place)
            with closing(Reader(connection, dialect)) as reader:
                yield reader
    finally:
        engine.dispose()

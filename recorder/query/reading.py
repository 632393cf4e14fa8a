"""Opening an archive to read it: never creates, never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, text

from recorder.archive import migrate
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.errors import UsageError


class Reader:
    """A reading connection and the dialect that its statements need."""

    def __init__(self, connection: Connection, dialect: Dialect, errors: AbstractContextManager[None]) -> None:
        self.connection = connection
        self.dialect = dialect
        self._errors = errors
        self._open: set[CursorResult[Any]] = set()
        self._is_closed = False

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        """Return what a statement selects; its parameters are bound, never pasted in."""
        with self._transaction():
            return list(self.connection.execute(text(statement), dict(parameters or {})).all())

    def table(self, statement: str, parameters: Mapping[str, Any] | None = None) -> tuple[list[str], list[Row[Any]]]:
        """Return the names of what a statement selects, and the rows."""
        with self._transaction():
            found = self.connection.execute(text(statement), dict(parameters or {}))
            return list(found.keys()), list(found.all())

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

    def interrupt(self) -> None:
        """End the statement that runs now, if one does, with an error; from another thread."""
        self.dialect.interrupt(self.connection)

    def close(self) -> None:
        """End what somebody has not read to its end, while there is a connection to end it on."""
        self._is_closed = True
        for found in self._open:
            found.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One for each question: between them a connection that stays open must not hold up a change of the schema."""
        if self._is_closed:
            raise UsageError("this archive has been closed; open it again")
        if self.connection.in_transaction():
            yield
        else:
            with self._errors, self.connection.begin():
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
        errors = DiskErrors(dialect, url)
        with errors, engine.connect() as connection:
            with connection.begin():
                migrate.require_readable(connection, place)
            # JSON is read as the text that is stored: jsonb takes time, and turns the keys round.
            as_stored = replace(dialect, document=lambda column: column)
            with closing(Reader(connection, as_stored, errors)) as reader:
                yield reader
    finally:
        engine.dispose()

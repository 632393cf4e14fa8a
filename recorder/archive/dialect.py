"""Everything that differs from one database to another, as one value chosen once.

No other module asks which database it talks to. The values are `sqlite.SQLITE` and `postgres.POSTGRES`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, Table, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from recorder.errors import ConfigurationError, RecorderError

_EXPECTED = "name a SQLite file, e.g. sqlite:///recorder.db, or a Postgres database, e.g. postgresql://user@host/name"


class Held(Protocol):
    """An archive that this process alone writes."""

    def release(self) -> None:
        """Let another process write."""


@dataclass(frozen=True)
class JsonSql:
    """SQL that looks into JSON. Values of another kind than asked for are NULL, so that both databases agree."""

    array: Callable[[str, Sequence[str]], str]
    """``array(column, keys)``: the array below these keys of a JSON text."""
    elements: Callable[[str, str], str]
    """``elements(array, name)``: an item of FROM, one row ``name`` with a column ``value`` for each element."""
    is_object: Callable[[str], str]
    """``is_object(name)``: whether that row's element is an object."""
    integer: Callable[[str, str], str]
    """``integer(object, key)``: a member that is a whole number of at most 18 digits."""
    text: Callable[[str, str], str]
    """``text(object, key)``: a member that is a string."""


@dataclass(frozen=True)
class Words:
    """How an engine says what the fold of a match needs: that of a lake as well as the archive's own database."""

    time: Callable[[str], str]
    """A column of microseconds as the database's own time."""
    joined: Callable[[str], str]
    """The aggregate that joins texts by commas."""
    padded: Callable[[str, int], str]
    """``padded(number, width)``: a whole number as text with leading zeroes."""


@dataclass(frozen=True)
class Dialect(Words):
    """What one kind of database needs done its own way: to be opened, filled and altered, and to say things in SQL."""

    name: str
    is_server: bool
    """Whether recorders share it; none of them then writes into it but by way of a spool."""
    writer: Callable[[URL], Engine]
    """An engine whose commits are durable."""
    reader: Callable[[URL], Engine]
    """An engine that cannot write. A time is text as SQLite has it, JSON is text, an exact number fixed-point text."""
    exists: Callable[[URL], bool]
    """Whether there is a database at all, as far as can be told without a connection."""
    place: Callable[[URL], str]
    """Where it is, for people; never a password."""
    hold: Callable[[URL], Held]
    """Take the archive for writing; ArchiveHeld or DiskError when it cannot be had."""
    explain: Callable[[BaseException, str], RecorderError | None]
    """``explain(error, place)``: what the driver's (or SQLAlchemy's) error means for the user, None for a defect."""
    stand_still: Callable[[Connection], None]
    """Let all that is read until this transaction ends be as it is now; the first thing in a reader's transaction."""
    interrupt: Callable[[Connection], None]
    """End the statement that this connection runs, with an error; the one call that another thread may make."""
    pour: Callable[[Connection, Table | str, Sequence[str], Sequence[tuple[Any, ...]]], None]
    """``pour(connection, table, columns, rows)``: insert many rows fast, in the transaction that is open."""
    back_up: Callable[[Connection, str], Path] | None
    """``back_up(connection, suffix)``: copy the database beside itself; None where that is the server's business."""
    copies: Callable[[URL], list[Path]]
    """The copies that were once made beside the database, as `back_up` names them."""
    admit: Callable[[Connection, Collection[int]], None]
    """Have these streams alone until this transaction ends: nobody else stores rows of them or purges them.

    Waits for whoever does.
    """
    bar: Callable[[Connection, int], None]
    """Let no rows of a stream arrive until this transaction ends; waits for those that are arriving."""
    scrub: Callable[[Engine, Collection[Table]], list[str]]
    """``scrub(engine, tables)``: leave no byte of what was deleted from these tables in the database's own files.

    Outside of any transaction; takes as long as the tables are large. Returns in words where bytes had to be left.
    """
    lock_schema: Callable[[Connection], None]
    """Let nobody else change the schema until this transaction ends."""
    alter: Callable[[Connection, Callable[[], bool], Mapping[str, str]], None]
    """``alter(connection, change, views)``: call ``change``, then make the views if it says that they fit the tables.

    The views may stand in the way of the change; users' own views, which may be built on ours, come back.
    """

    temporary: Callable[[str, str], str]
    """``temporary(name, like)``: the statement that makes an empty temporary table, unless this connection has it."""
    digest: Callable[[str], str]
    """What `model.digest` says of a column of bytes, computed by the database."""
    moment: Callable[[str], str]
    """The vendor's text of a time as such a time, NULL for what is none."""
    number: Callable[[str], str]
    """Fixed-point text as the database's own exact number."""
    document: Callable[[str], str]
    """JSON text as the database's own JSON."""
    least: Callable[[str, str], str]
    """The lesser of two; NULL only when both are."""
    json: JsonSql


def parse_url(text: str) -> tuple[URL, Dialect]:
    """Return the URL and the dialect of its database; a :class:`ConfigurationError` says what is accepted."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password: do not repeat it.
        raise ConfigurationError(f"the database URL cannot be read; {_EXPECTED}") from None
    match url.get_backend_name():
        case "sqlite":
            from recorder.archive import sqlite

            return sqlite.checked(url), sqlite.SQLITE
        case "postgresql" | "postgres":
            try:
                from recorder.archive import postgres
            except ImportError:  # also when its C library is missing
                raise ConfigurationError(
                    "the driver for Postgres is not installed: pip install 'recorder[postgres]'"
                ) from None
            return url.set(drivername="postgresql+psycopg"), postgres.POSTGRES
        case other:
            raise ConfigurationError(f"databases of kind {other} are not supported; {_EXPECTED}")


def is_server(text: str) -> bool:
    """Say whether the URL names a database that recorders share, to which a spool is shipped."""
    return parse_url(text)[1].is_server


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error behind SQLAlchemy's."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


class DiskErrors:
    """Turns what a database says of its disk, its server or itself into one sentence with the way out."""

    def __init__(self, dialect: Dialect, url: URL) -> None:
        self._dialect = dialect
        self._place = dialect.place(url)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        told = None if error is None else self._dialect.explain(error, self._place)
        if told is not None:
            raise told from error
